//go:build !linux

package main

import (
	"errors"
	"time"
)

func pause(d time.Duration) { time.Sleep(d) }

func yield(_, nice int) error {
	if nice == 0 {
		return nil
	}
	return errors.New("-dbnice: only Linux is known here; leave it at 0")
}

func processorTime(int) (time.Duration, error) { return 0, nil }
