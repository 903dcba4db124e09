package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/strataxp/strata/stats"
)

// udacityArm is the totals of an arm. Enrolments and payments were counted on
// the first 23 of the 37 days only; counted is the clicks of those days.
type udacityArm struct {
	views, clicks, counted, enrolments, payments int64
}

type udacity struct{ control, treatment udacityArm }

func readUdacity(data string) (u udacity, err error) {
	for arm, name := range map[*udacityArm]string{&u.control: "control", &u.treatment: "experiment"} {
		if err := arm.read(filepath.Join(data, "udacity_free_trial_"+name+".csv")); err != nil {
			return u, err
		}
	}
	return u, nil
}

func (a *udacityArm) read(path string) error {
	return eachRow(path, []string{"Enrollments", "Payments", "Pageviews", "Clicks"}, func(r row) error {
		seen, err := r.numbers(2)
		if err != nil {
			return err
		}
		a.views += int64(seen[0])
		a.clicks += int64(seen[1])
		if r[0] == "" {
			return nil
		}
		all, err := r.numbers(0)
		if err != nil {
			return err
		}
		a.enrolments += int64(all[0])
		a.payments += int64(all[1])
		a.counted += int64(all[3])
		return nil
	})
}

// gross is enrolments per click, net those that also paid.
func (u udacity) gross() stats.ProportionComparison {
	return u.compare(func(a udacityArm) int64 { return a.enrolments })
}

func (u udacity) net() stats.ProportionComparison {
	return u.compare(func(a udacityArm) int64 { return a.payments })
}

func (u udacity) compare(successes func(udacityArm) int64) stats.ProportionComparison {
	share := func(a udacityArm) stats.Share { return stats.Share{Successes: successes(a), Units: a.counted} }
	return stats.CompareProportions(share(u.control), share(u.treatment), stats.Options{Reference: stats.Normal})
}

// sanity is what must not differ: views and clicks fall to either arm alike.
func (u udacity) sanity() (views, clicks [2]stats.Test) {
	check := func(c, t int64) [2]stats.Test {
		observed, even := []int64{c, t}, []float64{1, 1}
		return [2]stats.Test{stats.SampleRatioExact(observed, even).Test, stats.SampleRatio(observed, even).Test}
	}
	return check(u.control.views, u.treatment.views), check(u.control.clicks, u.treatment.clicks)
}

func (u udacity) print(w *strings.Builder) error {
	views, clicks := u.sanity()
	fmt.Fprintf(w, "%-18s %10s %10s %26s %26s\n", "sanity", "control", "treatment", "exact p, chi-square p", "share of control")
	for _, s := range []struct {
		name   string
		c, t   int64
		checks [2]stats.Test
	}{
		{"page views", u.control.views, u.treatment.views, views},
		{"clicks", u.control.clicks, u.treatment.clicks, clicks},
	} {
		share := float64(s.c) / float64(s.c+s.t)
		half := 1.959964 * math.Sqrt(0.25/float64(s.c+s.t))
		fmt.Fprintf(w, "%-18s %10d %10d %26s %26s\n", s.name, s.c, s.t,
			fmt.Sprintf("%.4f, %.4f", s.checks[0].PValue, s.checks[1].PValue), fmt.Sprintf("%.4f, ½ ± %.4f", share, half))
	}
	fmt.Fprintf(w, "published: both pass\n\n%-18s %10s %10s %12s %24s %10s\n", "", "control", "treatment", "difference", "95% interval", "p")
	for _, s := range []struct {
		name, published string
		got             stats.ProportionComparison
		c, t            int64
	}{
		{"gross conversion", "[−0.0291, −0.0120]", u.gross(), u.control.enrolments, u.treatment.enrolments},
		{"net conversion", "[−0.0116, 0.0019]", u.net(), u.control.payments, u.treatment.payments},
	} {
		d := s.got.Difference
		fmt.Fprintf(w, "%-18s %10.4f %10.4f %+12.4f %24s %10.3g\n%-18s %59s\n", s.name,
			float64(s.c)/float64(u.control.counted), float64(s.t)/float64(u.treatment.counted),
			d.Value, fmt.Sprintf("[%+.4f, %+.4f]", d.Low, d.High), s.got.Test.PValue, "  published", s.published)
	}
	fmt.Fprint(w, "\nThe question keeps people from enrolling; whether fewer pay is not clear.\n")
	return nil
}
