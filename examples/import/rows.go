package main

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// row is a line of a file, by column name. It is good until the next one.
type row struct {
	cells  []string
	column map[string]int
}

func (r row) get(name string) string { return r.cells[r.column[name]] }

// rows reads a compressed file line by line; an error ends it.
func rows(path string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		if err := eachRow(path, func(r row) bool { return yield(r, nil) }); err != nil {
			yield(row{}, fmt.Errorf("%s: %w", path, err))
		}
	}
}

func eachRow(path string, visit func(row) bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	lines := csv.NewReader(unzipped)
	lines.ReuseRecord = true
	header, err := lines.Read()
	if err != nil {
		return err
	}
	r := row{column: make(map[string]int)}
	for i, name := range header {
		r.column[name] = i
	}
	for {
		if r.cells, err = lines.Read(); errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !visit(r) {
			return nil
		}
	}
}
