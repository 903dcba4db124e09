package seed

import (
	"flag"
	"os"
)

// Long says whether tests that repeat themselves do so at length: with
// STRATA_LONG=1, as scripts/soak sets it. What they look at is the same.
func Long() bool { return os.Getenv("STRATA_LONG") != "" }

// Default sets a flag of the test binary, unless somebody has given it or the
// tests run at length. Call it in TestMain: Default("rapid.checks", "40") has
// rapid try each property 40 times in place of 100.
func Default(name, value string) error {
	if !flag.Parsed() {
		flag.Parse()
	}
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == name })
	if said || Long() {
		return nil
	}
	return flag.Set(name, value)
}
