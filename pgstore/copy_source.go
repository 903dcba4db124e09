package pgstore

import (
	"io"
	"sync"
)

// copySource is what a COPY reads. The driver reads in a goroutine for which it
// does not wait when the connection breaks; the rows' memory is used again, so
// the goroutine must be kept from it.
type copySource struct {
	mu   sync.Mutex
	rows io.Reader
}

// Read fails once the source is closed.
func (c *copySource) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows == nil {
		return 0, io.ErrClosedPipe
	}
	return c.rows.Read(p)
}

// close waits for a Read that is under way, which takes no longer than a copy.
func (c *copySource) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = nil
}
