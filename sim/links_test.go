package sim_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Programs link this package: no test library, no driver and no server comes with
// it.
func TestPackageLinksNoTestsDriversOrServers(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		for _, unwanted := range []string{"testing", "flag", "net/http", "github.com/jackc", "github.com/stretchr", "pgregory.net"} {
			if pkg == unwanted || strings.HasPrefix(pkg, unwanted+"/") {
				t.Errorf("the package links %s", pkg)
			}
		}
	}
}
