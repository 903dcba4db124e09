package strata

import (
	"math"
	"time"
)

// CheckRecord checks a record that did not come through an [Engine], such as one
// of an import, by the rules of [Engine.Track]: what it accepts any store can
// keep. The Time is required, from 2000 up to a day behind now; so is, for an
// exposure, the unit's id of its Diversion. Whether a plan has the experiment is
// not checked. Errors are an [EventError]. It does not allocate for good records.
func CheckRecord(r *Record, now time.Time) error {
	if x, ok := r.Event.(Exposure); ok {
		return first(checkUnit(&r.Unit), x.check(&r.Unit), checkSetTime(x.Time, now))
	}
	_, at, err := checkEvent(r.Event, now)
	return first(err, checkUnit(&r.Unit), checkSetTime(at, now))
}

func checkSetTime(at, now time.Time) error {
	if at.IsZero() {
		return refuse("Time", at, "is required; say when it happened")
	}
	return checkTime(at, now)
}

// check checks an exposure that no plan stands behind.
func (e *Exposure) check(u *Unit) error {
	err := first(
		checkText("Experiment", e.Experiment, maxNameBytes, true),
		checkText("Treatment", e.Treatment, maxNameBytes, true),
		checkRange("Phase", int64(e.Phase), 0, math.MaxInt32),
		checkRange("Bucket", int64(e.Bucket), -1, NumBuckets-1),
	)
	if err != nil {
		return err
	}
	if _, ok := e.Diversion.index(); !ok || e.Diversion == "" {
		return refuse("Diversion", e.Diversion, "use one of %v", diversions)
	}
	if u.ID(e.Diversion) == "" {
		return refuse("Unit", "", "lacks the %s id that the exposure is diverted by", e.Diversion)
	}
	for name, value := range e.Attributes {
		if err := first(checkText("Attributes", name, maxNameBytes, true), checkText("Attributes", value, maxAttributeBytes, false)); err != nil {
			return err
		}
	}
	return nil
}
