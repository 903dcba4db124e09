package strata

import "github.com/strataxp/strata/internal/spool"

// SetFS lets the spool of a test run on another file system.
func (c *SpoolConfig) SetFS(fs spool.FS) { c.fs = fs }
