package main

import (
	"fmt"
	"runtime/debug"
)

// Adapter makes one library do the work that is measured. A further rival is a file
// with an Adapter and a line in adapters.
type Adapter interface {
	// Name is what the tables call the library.
	Name() string

	// Module is its module path, by which its version is found.
	Module() string

	// Remarks say what is unfair about its numbers, in either direction, each a
	// sentence. They are printed with the tables.
	Remarks() []string

	// Load makes the library ready to assign.
	Load(Setup) (Subject, error)

	// Loading prepares the library to read a configuration of n experiments.
	Loading(n int) (Loader, error)
}

// Setup says what a [Subject] is to run. Every experiment has the treatments off and on,
// half of all traffic each, drawn independently of the other experiments.
type Setup struct {
	// Experiments is how many experiments run, from 1 to maxExperiments.
	Experiments int

	// Conditions gives each experiment an audience: country is DE or AT, and
	// app_version is at least 5. Units then carry attributes, those of Matching
	// or, with Outside, some that are not in the audience.
	Conditions bool
	Outside    bool

	// Exposures is told of each exposure that the library records or reports, from
	// any goroutine. Nil leaves exposures off, as far as the library can.
	Exposures func()
}

// country returns the country of all units of a setup.
func (s Setup) country() string {
	if s.Outside {
		return "FR"
	}
	return "AT"
}

// appVersion is the attribute app_version of all units.
const appVersion = 7

// Subject is a library with its configuration, ready to assign. Methods are safe for
// concurrent use once each id was seen, but for Close.
type Subject interface {
	// One asks for the treatment of a unit in the first experiment, as for a
	// request that reads one: what the library needs to know of the unit is built
	// in the call. It is "on" or "off", and "off" for a unit outside the audience.
	One(id string) (treatment string)

	// Each asks for the first n experiments in a loop over the library's call for
	// one, and returns how many are on. What it needs to know of the unit is built
	// once.
	Each(id string, n int) (on int)

	// All is Each for all experiments by the library's own call for all of them,
	// and reads every answer. It reports false where the library has no such call.
	All(id string) (on int, ok bool)

	// Close ends the library's goroutines, as far as it can.
	Close() error
}

// Loader turns a configuration, as bytes in the form in which the library receives
// it, into something ready to assign, as a refresh does.
type Loader interface {
	// Bytes is the size of the configuration.
	Bytes() int

	// Load reads it once. The result is dropped, or replaces the one before.
	Load() error

	// Close releases what Loading made.
	Close() error
}

// adapters lists the libraries, strata first. The comparison of targets is with all
// others.
func adapters() []Adapter {
	return []Adapter{strataAdapter{}, growthbookAdapter{}, launchdarklyAdapter{}, statsigAdapter{}, posthogAdapter{}}
}

// notObtainable are libraries that belong in the comparison and are missing in it.
const notObtainable = "ConfigCat, Eppo, DevCycle, Optimizely, Unleash, Flagr, go-feature-flag, Split, Amplitude, Flagsmith"

const (
	on  = "on"
	off = "off"
)

// maxExperiments is the most experiments of one configuration.
const maxExperiments = 1000

// names are the keys of experiments, made before anything is measured.
var names = func() []string {
	list := make([]string, maxExperiments)
	for i := range list {
		list[i] = fmt.Sprintf("exp-%d", i)
	}
	return list
}()

// version returns the version of a module in this program, "?" where it has none.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "?"
	}
	for _, dep := range info.Deps {
		if dep.Path != module {
			continue
		}
		if dep.Replace != nil {
			return "this checkout"
		}
		return dep.Version
	}
	return "?"
}

// count is 1 for the treatment on and 0 for off. It compares nothing: a branch that the
// processor cannot predict would take as long as an assignment. Any other treatment
// makes a wrong sum, which verify finds.
func count(treatment string) int { return len(off) - len(treatment) }
