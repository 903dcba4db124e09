package strata

import (
	"math"
	"time"
)

// CheckRecord refuses what no report could use, as [Engine.Track] does, in a
// record that another way brings: an import, a transaction of the application's.
// now bounds how far ahead its Time may be. Unlike Track it wants a Time, and it
// takes an [Exposure], for which it checks that the unit has the id that it was
// diverted by. The error is an [EventError]; it
// changes nothing, and does not allocate for good records.
func CheckRecord(r *Record, now time.Time) error {
	if x, ok := r.Event.(Exposure); ok {
		return first(x.check(&r.Unit), checkSetTime(x.Time, now), checkUnit(&r.Unit))
	}
	_, at, err := checkEvent(r.Event, now)
	return first(err, checkSetTime(at, now), checkUnit(&r.Unit))
}

// checkSetTime is checkTime where nobody is there to fill in a time.
func checkSetTime(at, now time.Time) error {
	if at.IsZero() {
		return refuse("Time", "", "is required")
	}
	return checkTime(at, now)
}

// check checks an exposure of the unit.
func (e *Exposure) check(u *Unit) error {
	err := first(
		checkText("Experiment", e.Experiment, maxKeyBytes, true),
		checkText("Treatment", e.Treatment, maxKeyBytes, true),
		checkRange("Phase", int64(e.Phase), 0, math.MaxInt32),
		checkRange("Bucket", int64(e.Bucket), -1, NumBuckets-1),
		checkRange("Version", e.Version, 0, math.MaxInt64),
	)
	if err != nil {
		return err
	}
	if _, ok := e.Diversion.index(); !ok || e.Diversion == "" {
		return refuse("Diversion", e.Diversion, "use one of %s", diversions)
	}
	if u.ID(e.Diversion) == "" {
		return refuse("Unit", "", "lacks the %s id that the exposure was diverted by", e.Diversion)
	}
	if len(e.Attributes) > maxBreakdowns {
		return refuse("Attributes", len(e.Attributes), "the limit is %d", maxBreakdowns)
	}
	for name, value := range e.Attributes {
		if err := first(checkText("Attributes", name, maxNameBytes, true), checkText("Attributes", value, maxAttributeBytes, false)); err != nil {
			return err
		}
	}
	return nil
}
