package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/strataxp/strata"
)

// The treatments of every experiment here.
const (
	off = "off"
	on  = "on"
)

func experimentKey(i int) string { return fmt.Sprintf("exp-%d", i) }
func paramKey(i int) string      { return fmt.Sprintf("param-%d", i) }

// planOf has n experiments, as many of each layer as perLayer says, of equal shares.
func planOf(n, perLayer int) *strata.Plan {
	p := &strata.Plan{}
	for i := range n {
		layer, at := fmt.Sprintf("layer-%d", i/perLayer), i%perLayer
		param := paramKey(i / perLayer)
		if at == 0 {
			p.Parameters = append(p.Parameters, strata.Parameter{Key: param, Type: strata.TypeString, Default: off})
			p.Layers = append(p.Layers, strata.Layer{Key: layer, Parameters: []string{param}})
		}
		share := strata.NumBuckets / perLayer
		p.Experiments = append(p.Experiments, strata.Experiment{
			Key: experimentKey(i), Layer: layer, Status: strata.StatusRunning,
			Buckets: strata.BucketRange(at*share, (at+1)*share),
			Treatments: []strata.Treatment{
				{Key: off, Weight: 1},
				{Key: on, Weight: 1, Values: strata.Values{param: on}},
			},
		})
	}
	return p
}

// compiled compiles a plan for now.
func compiled(p *strata.Plan) (*strata.Snapshot, error) { return strata.Compile(p, time.Now()) }

// conditions is an audience of n conditions, all of which the attributes here meet.
func conditions(n int) string {
	terms := make([]string, n)
	for i := range terms {
		terms[i] = fmt.Sprintf("attribute_%d >= %d", i, i)
	}
	return strings.Join(terms, " && ")
}

func attributes(n int) map[string]any {
	set := make(map[string]any, n)
	for i := range n {
		set[fmt.Sprintf("attribute_%d", i)] = i
	}
	return set
}

// numIDs is a power of two.
const numIDs = 1024

// ids are 36 bytes long, like UUIDs.
var ids = func() []string {
	list := make([]string, numIDs)
	for i := range list {
		list[i] = id(i)
	}
	return list
}()

func id(i int) string {
	return fmt.Sprintf("%08x-1f2e-4d3c-8b5a-%012x", uint32(i)*0x9E3779B1, i*7919)
}

func unit1(i int) strata.Unit { return strata.Unit{User: ids[i&(numIDs-1)]} }
