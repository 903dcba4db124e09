package main

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// eachRow reads a CSV file, zipped if its name ends in .gz, row by row, and
// hands over the named columns only. It does not keep the file in memory.
func eachRow(path string, columns []string, do func(row) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	rows := csv.NewReader(in)
	rows.ReuseRecord = true
	rows.FieldsPerRecord = -1 // a file may leave out empty cells at a line's end
	line, err := rows.Read()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	at := make([]int, len(columns))
	for i, name := range columns {
		if at[i] = slices.Index(line, name); at[i] < 0 {
			return fmt.Errorf("%s: no column %s", path, name)
		}
	}
	for n := 2; ; n++ {
		line, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = do(pick(line, at))
		}
		if err != nil {
			return fmt.Errorf("%s, row %d: %w", path, n, err)
		}
	}
}

// row is the cells of a line in the order of the columns that were asked for,
// empty where the line ends before.
type row []string

func pick(line []string, at []int) row {
	cells := make(row, len(at))
	for i, c := range at {
		if c < len(line) {
			cells[i] = strings.TrimSpace(line[c])
		}
	}
	return cells
}

// numbers reads all cells from the first on as numbers.
func (r row) numbers(first int) ([]float64, error) {
	values := make([]float64, 0, len(r)-first)
	var errs []error
	for _, cell := range r[first:] {
		v, err := strconv.ParseFloat(cell, 64)
		values, errs = append(values, v), append(errs, err)
	}
	return values, errors.Join(errs...)
}
