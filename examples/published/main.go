// Published shows what strata's statistics make of experiments that others ran
// and published, next to the numbers that were printed:
//
//	go run ./examples/published -data ../shared/data
//	go run ./examples/published -data ../shared/data karlan udacity
//
// There are four: karlan (a charity's match offers, with three factors), asos (39
// online experiments as they came in, looked at every half day), upworthy (4,873
// tests of headlines, some with a broken assignment), and udacity (a free trial).
package main

import (
	"flag"
	"fmt"
	"log"
	"path/filepath"
	"strings"
)

func main() {
	data := flag.String("data", "../shared/data", "folder of the files")
	log.SetFlags(0)
	flag.Usage = func() {
		log.Printf("usage: published [-data FOLDER] [%s]...", strings.Join(names(), "|"))
		flag.PrintDefaults()
	}
	flag.Parse()
	var out strings.Builder
	err := run(&out, *data, flag.Args())
	fmt.Print(out.String())
	if err != nil {
		log.Fatal(err)
	}
}

// experiment is a published file, or several, and what to say of it.
type experiment struct {
	name, title string
	print       func(w *strings.Builder, data string) error
}

var experiments = []experiment{
	{"karlan", "Karlan and List 2007: does a matching grant bring donations?", printKarlan},
	{"asos", "ASOS: 39 experiments of a retailer, looked at while they ran", printASOS},
	{"upworthy", "Upworthy: 4,873 tests of headlines", printUpworthy},
	{"udacity", "Udacity: a question before the free trial", printUdacity},
}

func names() (all []string) {
	for _, e := range experiments {
		all = append(all, e.name)
	}
	return all
}

// run prints the experiments of the given names, or all.
func run(w *strings.Builder, data string, only []string) error {
	chosen := experiments
	if len(only) > 0 {
		chosen = nil
	}
	for _, name := range only {
		e, err := find(name)
		if err != nil {
			return err
		}
		chosen = append(chosen, e)
	}
	for i, e := range chosen {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\n%s\n\n", e.title, strings.Repeat("=", len(e.title)))
		if err := e.print(w, data); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

func find(name string) (experiment, error) {
	for _, e := range experiments {
		if e.name == name {
			return e, nil
		}
	}
	return experiment{}, fmt.Errorf("no experiment is called %q: there are %s", name, strings.Join(names(), ", "))
}

func printKarlan(w *strings.Builder, data string) error {
	return printed(w, filepath.Join(data, "karlan_list_2007.csv.gz"), readKarlan)
}

func printASOS(w *strings.Builder, data string) error {
	return printed(w, filepath.Join(data, "asos_experiments.csv.gz"), readASOS)
}

func printUpworthy(w *strings.Builder, data string) error {
	return printed(w, filepath.Join(data, "upworthy_exploratory_packages.csv.gz"), readUpworthy)
}

func printUdacity(w *strings.Builder, data string) error { return printed(w, data, readUdacity) }

// printed prints what read makes of a file.
func printed[T interface {
	print(w *strings.Builder) error
}](w *strings.Builder, path string, read func(path string) (T, error)) error {
	found, err := read(path)
	if err != nil {
		return err
	}
	return found.print(w)
}
