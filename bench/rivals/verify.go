package main

import (
	"fmt"
	"math"
)

// verify makes sure that a subject does the work that is measured: half of the units
// get each treatment, the same at every time, independently of another experiment, and
// by every call. An error says what does not hold.
func verify(s Subject, setup Setup, ids []string) error {
	if setup.Outside {
		return verifyOutside(s, ids)
	}
	var cells [2][2]int // by the treatments in the first two experiments
	n := min(2, setup.Experiments)
	for _, id := range ids {
		treatment := s.One(id)
		if treatment != on && treatment != off {
			return fmt.Errorf("unit %s gets %q in place of on or off", id, treatment)
		}
		first := count(treatment)
		if again := s.Each(id, 1); again != first {
			return fmt.Errorf("unit %s is on in %d of 1 experiments by one call and in %d by a loop", id, first, again)
		}
		cells[first][s.Each(id, n)-first]++
	}
	on := cells[1][0] + cells[1][1]
	if d := deviation(on, len(ids)); d > 5 {
		return fmt.Errorf("%d of %d units are on, %.1f standard deviations away from half", on, len(ids), d)
	}
	same := cells[0][0] + cells[1][1]
	if d := deviation(same, len(ids)); n == 2 && d > 5 {
		return fmt.Errorf("%d of %d units have the same treatment in two experiments, %.1f standard deviations away from half", same, len(ids), d)
	}
	return verifyAll(s, setup, ids[:16])
}

// deviation is how many standard deviations a number of heads in n throws of a coin is
// away from half of them.
func deviation(heads, n int) float64 {
	return math.Abs(float64(heads)-float64(n)/2) / math.Sqrt(float64(n)/4)
}

// verifyAll compares the call for all experiments with the loop.
func verifyAll(s Subject, setup Setup, ids []string) error {
	for _, id := range ids {
		on, ok := s.All(id)
		if !ok {
			return nil
		}
		if each := s.Each(id, setup.Experiments); each != on {
			return fmt.Errorf("unit %s is on in %d experiments by one call for all and in %d by a loop", id, on, each)
		}
	}
	return nil
}

func verifyOutside(s Subject, ids []string) error {
	for _, id := range ids {
		if t := s.One(id); t != off {
			return fmt.Errorf("unit %s is outside the audience and gets %q", id, t)
		}
	}
	return nil
}
