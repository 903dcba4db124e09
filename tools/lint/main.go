// Command lint runs this project's analyzers in one process: one build, one
// link and one type check of the program instead of a dozen. staticcheck,
// revive and misspell have drivers of their own and run beside it; see
// docs/decisions/0001-linters.md.
//
//	lint ./...
//	lint -fix ./...
//
// A finding is excused the way staticcheck does it, by a comment on the line
// before or on the same line. The reason is required; without one the comment
// excuses nothing:
//
//	//lint:ignore errcheck the connection is gone, there is nobody to tell
package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"github.com/gordonklaus/ineffassign/pkg/ineffassign"
	"github.com/gostaticanalysis/nilerr"
	"github.com/jingyugao/rowserrcheck/passes/rowserr"
	"github.com/kisielk/errcheck/errcheck"
	"github.com/ldez/usetesting"
	"github.com/polyfloyd/go-errorlint/errorlint"
	sqlclose "github.com/ryanrolds/sqlclosecheck/pkg/analyzer"
	"github.com/sivchari/containedctx"
	"github.com/sonatard/noctx"
	"github.com/timakin/bodyclose/passes/bodyclose"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/passes/modernize"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
)

func main() {
	analyzers := []*analysis.Analyzer{
		bodyclose.Analyzer,      // an HTTP response body that is never closed
		containedctx.Analyzer,   // a context kept in a struct
		errcheck.Analyzer,       // an error result nobody looked at
		errorlint.NewAnalyzer(), // == and type assertions that miss wrapped errors
		ineffassign.Analyzer,    // a value assigned and never read
		nilerr.Analyzer,         // "if err != nil { return nil }"
		nilness.Analyzer,        // a nil that is certain to be dereferenced
		noctx.Analyzer,          // I/O without a context where a twin takes one
		rowserr.NewAnalyzer("github.com/jackc/pgx/v5"), // Rows.Err not looked at
		sqlclose.NewAnalyzer(),                         // Rows that are never closed
		unusedwrite.Analyzer,                           // a write to a copy of a struct
		usetesting.NewAnalyzer(),                       // os.MkdirTemp where t.TempDir does
	}
	analyzers = append(analyzers, modernize.Suite...)
	for _, a := range analyzers {
		excusable(a)
	}
	multichecker.Main(analyzers...)
}

// excusable makes a drop the findings that the source excuses.
func excusable(a *analysis.Analyzer) {
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		quiet := excusesOf(pass, a.Name)
		report := pass.Report
		mine := *pass
		mine.Report = func(d analysis.Diagnostic) {
			at := pass.Fset.Position(d.Pos)
			if !quiet[line{at.Filename, at.Line}] {
				d.Message = a.Name + ": " + d.Message
				report(d)
			}
		}
		return run(&mine)
	}
}

type line struct {
	file string
	n    int
}

// excusesOf returns the lines on which the analyzer called name keeps quiet.
func excusesOf(pass *analysis.Pass, name string) map[line]bool {
	quiet := map[line]bool{}
	for _, f := range pass.Files {
		if ast.IsGenerated(f) {
			continue // the analyzers that matter skip it by themselves
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				if names, ok := ignoreDirective(c.Text); ok && slices.Contains(names, name) {
					at := pass.Fset.Position(c.Pos())
					quiet[line{at.Filename, at.Line}] = true
					quiet[line{at.Filename, at.Line + 1}] = true
				}
			}
		}
		if name == "errcheck" {
			deferredCloses(f, func(p token.Pos) {
				at := pass.Fset.Position(p)
				quiet[line{at.Filename, at.Line}] = true
			})
		}
	}
	return quiet
}

// ignoreDirective takes "//lint:ignore a,b reason" apart. It is not ok
// without a reason.
func ignoreDirective(comment string) (names []string, ok bool) {
	rest, ok := strings.CutPrefix(comment, "//lint:ignore ")
	if !ok {
		return nil, false
	}
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return nil, false
	}
	return strings.Split(fields[0], ","), true
}

// deferredCloses finds "defer x.Close()" and "defer tx.Rollback()": the
// function's result is decided by then, and where the error of a Close
// matters (a file that was written) the code closes by hand before.
func deferredCloses(f *ast.File, found func(token.Pos)) {
	ast.Inspect(f, func(n ast.Node) bool {
		d, ok := n.(*ast.DeferStmt)
		if !ok {
			return true
		}
		if sel, ok := d.Call.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Close" || sel.Sel.Name == "Rollback") {
			found(d.Pos())
		}
		return true
	})
}
