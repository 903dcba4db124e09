// Package telemetry hands the numbers about an engine's health to whatever
// collects them: in the text format of Prometheus, over HTTP, and as an expvar. It
// needs neither's library; a program that uses another one adapts
// [strata.Instrument] itself in a few lines.
//
//	http.Handle("/metrics/strata", telemetry.Handler(eng))
//	expvar.Publish("strata", telemetry.Var(eng))
package telemetry

import (
	"encoding/json"
	"expvar"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/strataxp/strata"
)

// Source has instruments: an [strata.Engine], or anything else.
type Source interface {
	// Instruments yields them, those of one name together. It is safe for
	// concurrent use.
	Instruments() iter.Seq[strata.Instrument]
}

// ContentType is that of what [Write] writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Handler serves the instruments in the text format of Prometheus.
func Handler(source Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", ContentType)
		//lint:ignore errcheck whoever asked has gone
		_ = Write(w, source)
	})
}

// Write writes the instruments in the text format of Prometheus (version 0.0.4),
// and returns the first error of w.
func Write(w io.Writer, source Source) error {
	var b strings.Builder
	last := ""
	for i := range source.Instruments() {
		if i.Name != last {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", i.Name, escape(i.Help), i.Name, i.Kind)
			last = i.Name
		}
		if i.Kind == strata.HistogramKind {
			writeHistogram(&b, &i)
			continue
		}
		fmt.Fprintf(&b, "%s%s %s\n", i.Name, braced(i.Label), number(i.Value))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeHistogram writes cumulative buckets, as the format wants them.
func writeHistogram(b *strings.Builder, i *strata.Instrument) {
	total := int64(0)
	for k, n := range i.Counts {
		total += n
		fmt.Fprintf(b, "%s_bucket%s %d\n", i.Name, braced(join(i.Label, `le="`+number(i.Bounds[k])+`"`)), total)
	}
	fmt.Fprintf(b, "%s_sum%s %s\n%s_count%s %d\n", i.Name, braced(i.Label), number(i.Sum), i.Name, braced(i.Label), total)
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "," + b
}

func braced(labels string) string {
	if labels == "" {
		return ""
	}
	return "{" + labels + "}"
}

// number writes a float as the format wants it: +Inf for the last bound.
func number(f float64) string {
	if math.IsInf(f, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func escape(help string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
}

// Var returns the instruments as one expvar: a JSON object with a number for each
// counter and gauge, by name and label, and for each histogram its count, its sum
// and the upper bounds of its median, 99 % and 99.9 %, in seconds; null where
// nothing was counted or the bound is infinite.
func Var(source Source) expvar.Var { return variable{source} }

type variable struct{ source Source }

// String returns the JSON object.
func (v variable) String() string {
	object := make(map[string]any)
	for i := range v.source.Instruments() {
		if i.Kind == strata.HistogramKind {
			object[i.Name+braced(i.Label)] = map[string]any{
				"count": i.Count(), "sum": i.Sum, "p50": quantile(&i, 0.5), "p99": quantile(&i, 0.99), "p999": quantile(&i, 0.999),
			}
			continue
		}
		object[i.Name+braced(i.Label)] = i.Value
	}
	text, err := json.Marshal(object)
	if err != nil {
		return "null" // an instrument that is no number, which JSON has no form for
	}
	return string(text)
}

// quantile returns the upper bound of the bucket that a share of all lies in, nil
// where there is none.
func quantile(i *strata.Instrument, share float64) any {
	rank, seen := int64(math.Ceil(share*float64(i.Count()))), int64(0)
	if rank == 0 {
		return nil
	}
	for k, n := range i.Counts {
		if seen += n; seen >= rank && !math.IsInf(i.Bounds[k], 0) {
			return i.Bounds[k]
		} else if seen >= rank {
			break
		}
	}
	return nil
}
