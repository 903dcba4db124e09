package crashfs

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/strataxp/strata/internal/spool"
)

var mounted atomic.Int64

// Mount returns a folder for the spool of an engine, of which f is the disk until
// the test ends.
func (f *FS) Mount(t testing.TB) (dir string) {
	dir = fmt.Sprintf("/crashfs-%d/spool", mounted.Add(1))
	t.Cleanup(spool.Mount(dir, f))
	return dir
}
