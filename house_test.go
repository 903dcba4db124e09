package strata_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/seed"
)

// The rules of the house that no linter knows. CONTRIBUTING.md lists them.

const module = "github.com/strataxp/strata"

// rootMayLink lists the modules of others that the root package may link.
// Every user of the library pays for each of them.
var rootMayLink = []string{
	"github.com/cespare/xxhash", // the hash of assignment
	"github.com/expr-lang/expr", // audiences
	"gonum.org/v1/gonum",        // distributions
}

// rootNeverLinks lists packages that must not reach a user's program through
// the root package, neither directly nor through one of rootMayLink.
var rootNeverLinks = []string{
	"testing", "flag", "net/http",
	"github.com/jackc", "github.com/stretchr", "pgregory.net",
}

func TestRootLinksOnlyWhatItNames(t *testing.T) {
	for _, pkg := range dependencies(t, ".") {
		if slices.ContainsFunc(rootNeverLinks, within(pkg.path)) {
			t.Errorf("the root package links %s, and so does every program that uses the library; find out why with: go mod why %[1]s", pkg.path)
			continue
		}
		if !pkg.standard && !within(pkg.path)(module) && !slices.ContainsFunc(rootMayLink, within(pkg.path)) {
			t.Errorf("the root package links %s, which rootMayLink in house_test.go does not name; a new dependency needs a page in docs/decisions", pkg.path)
		}
	}
	const stats = module + "/stats"
	for _, pkg := range dependencies(t, "./stats") {
		if within(pkg.path)(module) && !within(pkg.path)(stats) {
			t.Errorf("stats links %s; it must know nothing of the rest of the module", pkg.path)
		}
	}
}

// wallClock names the functions of package time that read or wait for the
// clock of the machine.
var wallClock = []string{"Now", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Since", "Until"}

// mayReadTheClock says why a file, or all files of a folder (with a slash at
// the end), may use the wall clock.
var mayReadTheClock = map[string]string{
	"clock.go":  "it is the clock that everything else is given",
	"examples/": "a program decides about its own time",
	"cmd/":      "a program decides about its own time",

	"internal/pgserver/": "a server of its own is waited for in real time",
	"internal/pgtest/":   "a PgBouncer of its own is waited for in real time",
	"sim/simtest/":       "it plays in bubbles of testing/synctest, whose time is virtual",
}

func TestNoWallClockOutsideTheClock(t *testing.T) {
	seed.OneGoroutine(t)
	for _, name := range rootModule(projectFiles(t)) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || mayUseWallClock(name) {
			continue
		}
		src := parse(t, name)
		ast.Inspect(src.file, func(n ast.Node) bool {
			if fn := src.selected(n, "time"); slices.Contains(wallClock, fn) {
				t.Errorf("%s uses time.%s: take the time from the clock, so that tests and simulations can set it (or name the file in mayReadTheClock in house_test.go, with a reason)", src.at(n), fn)
			}
			return true
		})
	}
}

func mayUseWallClock(name string) bool {
	for allowed := range mayReadTheClock {
		if name == allowed || strings.HasSuffix(allowed, "/") && strings.HasPrefix(name, allowed) {
			return true
		}
	}
	return false
}

// A test that sleeps is slow when it passes and wrong when the machine is
// busy. In a synctest bubble time is virtual: there, and in helpers that call
// synctest.Wait, which panics outside of one, a sleep takes no time.
func TestNoSleepingTests(t *testing.T) {
	seed.OneGoroutine(t)
	for _, name := range projectFiles(t) {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		src := parse(t, name)
		var inBubble []ast.Node
		ast.Inspect(src.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if src.selected(n.Fun, "testing/synctest") == "Test" {
					inBubble = append(inBubble, n)
				}
			case *ast.FuncDecl:
				if n.Body != nil && src.calls(n.Body, "testing/synctest", "Wait") && !src.calls(n.Body, "testing/synctest", "Test") {
					inBubble = append(inBubble, n)
				}
			}
			return true
		})
		ast.Inspect(src.file, func(n ast.Node) bool {
			if src.selected(n, "time") != "Sleep" {
				return true
			}
			if !slices.ContainsFunc(inBubble, func(b ast.Node) bool { return b.Pos() <= n.Pos() && n.End() <= b.End() }) {
				t.Errorf("%s sleeps outside of synctest.Test: wait for the thing itself (a channel, require.Eventually), or use virtual time", src.at(n))
			}
			return true
		})
	}
}

// machinePath matches absolute paths of somebody's own machine.
var machinePath = regexp.MustCompile(`(^|[^a-zA-Z.])/(work|root|home/[a-z]+|Users/[a-zA-Z]+)/`)

func TestNoMachinePaths(t *testing.T) {
	seed.OneGoroutine(t)
	for _, name := range projectFiles(t) {
		text := read(t, name)
		if bytes.IndexByte(text, 0) >= 0 {
			continue // not a text file
		}
		if !machinePath.Match(text) { // most files, in one go
			continue
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			if found := machinePath.FindString(line); found != "" {
				t.Errorf("%s:%d holds %q, a path that only one machine has; write it relative to the checkout", name, n, strings.TrimSpace(found))
			}
		}
	}
}

var decisionFile = regexp.MustCompile(`^docs/decisions/((\d{4})-[^/]+\.md)$`)

func TestDecisionsAreIndexed(t *testing.T) {
	const index = "docs/decisions/README.md"
	var pages, numbers []string
	files := projectFiles(t)
	for _, name := range files {
		if m := decisionFile.FindStringSubmatch(name); m != nil {
			pages = append(pages, m[1])
			if slices.Contains(numbers, m[2]) {
				t.Errorf("%s: another page has the number %s already; take the next free one", name, m[2])
			}
			numbers = append(numbers, m[2])
		}
	}
	require.NotEmpty(t, pages, "docs/decisions holds no numbered page; has the folder moved?")
	text := string(read(t, index))
	for _, page := range pages {
		if !strings.Contains(text, "]("+page+")") {
			t.Errorf("docs/decisions/%s is not linked from %s; add a line for it", page, index)
		}
	}
	for _, m := range regexp.MustCompile(`\]\((\d{4}-[^)#]+\.md)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(pages, m[1]) {
			t.Errorf("%s links %s, which does not exist", index, m[1])
		}
	}
}

// A goroutine that outlives its test is a bug in the test or in a Close.
func TestEveryPackageLooksForLeaks(t *testing.T) {
	checked := map[string]bool{}
	for _, name := range projectFiles(t) {
		if !strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "examples/") {
			continue
		}
		src, dir := parse(t, name), path.Dir(name)
		checked[dir] = checked[dir] || src.verifiesLeaks()
	}
	require.NotEmpty(t, checked, "found no test file at all")
	for dir, ok := range checked {
		if !ok {
			t.Errorf("the tests in %s have no TestMain that calls goleak.VerifyTestMain(m); add one to a file main_test.go there", dir)
		}
	}
}

// dependency is a package that another one links.
type dependency struct {
	path     string
	standard bool
}

// dependencies returns what a package links, itself included, tests excluded.
func dependencies(t *testing.T, pkg string) []dependency {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}} {{.Standard}}", pkg)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go list -deps %s: %s", pkg, &stderr)
	var deps []dependency
	for line := range strings.Lines(string(out)) {
		name, standard, _ := strings.Cut(strings.TrimSpace(line), " ")
		deps = append(deps, dependency{name, standard == "true"})
	}
	require.NotEmpty(t, deps, "go list -deps %s printed nothing", pkg)
	return deps
}

// within returns a function that tells whether pkg is prefix or lies below it.
func within(pkg string) func(prefix string) bool {
	return func(prefix string) bool {
		return pkg == prefix || strings.HasPrefix(pkg, prefix+"/")
	}
}

// projectFiles returns the files of the checkout that git knows or would add,
// with slashes, relative to its root.
func projectFiles(t *testing.T) []string {
	t.Helper()
	if _, err := os.Lstat(".git"); err != nil {
		t.Skip("not a git checkout (a copy in the module cache, perhaps): the rules of the house are for those who change the code")
	}
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	require.NoError(t, err, "git ls-files")
	var files []string
	for name := range strings.SplitSeq(string(out), "\x00") {
		// A file deleted in the work tree is still in the index; a link to
		// a folder is no file.
		if info, err := os.Stat(name); name != "" && err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	require.Contains(t, files, "house_test.go", "git ls-files lists something else than this checkout")
	return files
}

// rootModule leaves out the files of nested modules and of testdata.
func rootModule(files []string) []string {
	var nested []string
	for _, name := range files {
		if dir := path.Dir(name); path.Base(name) == "go.mod" && dir != "." {
			nested = append(nested, dir)
		}
	}
	return slices.DeleteFunc(slices.Clone(files), func(name string) bool {
		return slices.ContainsFunc(nested, within(name)) || strings.Contains("/"+name, "/testdata/")
	})
}

// source is a parsed Go file.
type source struct {
	name string
	set  *token.FileSet
	file *ast.File
}

func parse(t *testing.T, name string) source {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, 0)
	require.NoError(t, err)
	return source{name, set, file}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return text
}

// at returns file:line of a node.
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.set.Position(n.Pos()).Line)
}

// selected returns X where n is the expression pkg.X and pkg is the imported
// package, under whatever name, and "" for every other node.
func (s source) selected(n ast.Node, pkg string) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok || id.Name != s.importName(pkg) {
		return ""
	}
	return sel.Sel.Name
}

// importName returns the name under which the file imports pkg, or "".
func (s source) importName(pkg string) string {
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != pkg {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(pkg)
	}
	return ""
}

// calls tells whether body mentions the function fn of package pkg.
func (s source) calls(body ast.Node, pkg, fn string) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		found = found || s.selected(n, pkg) == fn
		return !found
	})
	return found
}

// verifiesLeaks tells whether the file has a TestMain that calls
// goleak.VerifyTestMain.
func (s source) verifiesLeaks() bool {
	return slices.ContainsFunc(s.file.Decls, func(decl ast.Decl) bool {
		fn, ok := decl.(*ast.FuncDecl)
		return ok && fn.Recv == nil && fn.Name.Name == "TestMain" && fn.Body != nil &&
			s.calls(fn.Body, "go.uber.org/goleak", "VerifyTestMain")
	})
}
