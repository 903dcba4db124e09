package faults

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
)

// LedgerFile is a ledger that survives its process: a line for each thing that is
// known, written at once.
type LedgerFile struct{ f *os.File }

// OpenLedger opens a file to append to.
func OpenLedger(name string) (*LedgerFile, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &LedgerFile{f}, err
}

// Took writes down an event and its level. Write it down with [strata.LevelMemory]
// before it is tracked: the process may die in between.
func (l *LedgerFile) Took(id string, level strata.Level) error {
	_, err := fmt.Fprintf(l.f, "%s %d\n", id, level)
	return err
}

// Close closes the file.
func (l *LedgerFile) Close() error { return l.f.Close() }

// ReadLedger adds a file's lines to a ledger. A last line that was cut off is
// left out.
func ReadLedger(into *audit.Ledger, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	//lint:ignore errcheck it was only read
	defer f.Close()
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		id, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		level, err := strconv.ParseInt(number, 10, 8)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", name, line, err)
		}
		into.Took(id, strata.Level(level))
	}
}
