package strata

import (
	"errors"
	"fmt"
)

// ErrNotReproduced means that a plan cannot have given a unit the treatment that
// an exposure records: the record or the plan was changed, or the program that
// assigned was not this one.
var ErrNotReproduced = errors.New("strata: the plan does not give this unit this treatment")

// Reproduce draws an exposure's bucket and treatment once more, from the hash of
// the unit's id that it records, and compares: the snapshot must be of the plan
// version that assigned. A difference is an error matching ErrNotReproduced.
//
// Proof goes as far as hashes do. A unit that was kept may have the treatment of
// any allocation that its phase had before; audiences, schedules and ramps are
// not looked at; what another system assigned (External, Bucket -1) is always
// fine.
func (s *Snapshot) Reproduce(x Exposure) error {
	if x.External || x.Bucket < 0 {
		return nil
	}
	e := s.experiments.find(x.Experiment)
	switch {
	case x.Version != s.version:
		return fmt.Errorf("%w: it was assigned by plan version %d, this is %d", ErrNotReproduced, x.Version, s.version)
	case e == nil || e.phase != x.Phase:
		return fmt.Errorf("%w: plan version %d has no phase %d of experiment %q", ErrNotReproduced, s.version, x.Phase, x.Experiment)
	}
	bucket := bucketOf(x.Hash, e.layer.seed)
	if bucket != x.Bucket {
		return fmt.Errorf("%w: experiment %q: the bucket is %d, recorded is %d", ErrNotReproduced, x.Experiment, bucket, x.Bucket)
	}
	owner := e.layer.slot(bucket).exp
	shared := owner != nil && owner == e.control && x.Treatment == owner.treatments[0].key
	if owner != e && !shared {
		return fmt.Errorf("%w: bucket %d does not belong to experiment %q", ErrNotReproduced, bucket, x.Experiment)
	}
	if !owner.draws(x.Hash, x.Treatment) {
		return fmt.Errorf("%w: experiment %q: no allocation gives treatment %q in bucket %d", ErrNotReproduced, x.Experiment, x.Treatment, bucket)
	}
	return nil
}

// draws reports whether some allocation gives a unit the treatment.
func (e *snapExperiment) draws(hash uint64, treatment string) bool {
	t, x := e.index(treatment), mix(hash, e.seed)
	if t < 0 {
		return false
	}
	if pick(e.ends, x) == t {
		return true
	}
	for i := range e.earlier {
		if a := &e.earlier[i]; a.index[pick(a.ends, x)] == t {
			return true
		}
	}
	return false
}
