package stats

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The package promises to depend on the standard library and gonum's
// distributions only, and to do no I/O of its own.
func TestPackageLinksOnlyTheStandardLibraryAndGonum(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}} {{.Standard}}", ".").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		pkg, standard, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case pkg == "testing", pkg == "flag", pkg == "net", pkg == "os/exec":
			t.Errorf("the package links %s", pkg)
		case standard == "false" && !strings.HasPrefix(pkg, "gonum.org/v1/gonum/") &&
			pkg != "github.com/strataxp/strata/stats":
			t.Errorf("the package links %s", pkg)
		}
	}
}
