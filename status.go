package strata

import "time"

// EngineStatus is what a person on call asks first.
type EngineStatus struct {
	Version    int64     // of the plan in effect here
	Newest     int64     // version known to be stored; above Version while it waits for its EffectiveAt
	Refreshed  time.Time // when the store last answered; the plan's age is the time since
	RefreshErr error     // why the last refresh failed; nil if it did not

	// FromFile is when the plan in effect here was saved to [Config.PlanFile],
	// if Open read it there and the store has not been read since; zero
	// otherwise. Withheld lists the experiments that serve defaults meanwhile.
	// PlanFileErr is why the file could not be written; nil if it could.
	FromFile    time.Time
	Withheld    []string
	PlanFileErr error

	BufferedBytes int              // memory held by events that are not safe elsewhere yet
	Unwritten     int64            // events taken in that the store has not got
	Written       int64            // events of this process that the store has
	Refused       map[Kind]Refused // events not taken in, by kind
	WriteErr      error            // why the last write failed; nil while writes succeed
	FailingSince  time.Time        // zero while writes succeed
	Fenced        int              // lanes whose stream was fenced off: they write no more

	// Unconfirmed counts events that may be lost in a failover, or are not
	// written at all; OldestUnconfirmed is since when the oldest of them is
	// held (about, with a spool), zero where there is none. Of what other
	// processes left in the spool it is the time of the event, or when it was
	// found here while it is not known how far the store has it. ConfirmErr is
	// why standbys could not be asked.
	Unconfirmed       int64
	OldestUnconfirmed time.Time
	ConfirmErr        error

	// Resent counts events that were sent again because a failover had lost
	// them, TrimmedUnconfirmed those that were let go of before they were
	// confirmed, for want of room or by age, and Lost those that are in no
	// store although they were taken in: each is in a gap that the store
	// records. Lost includes what leftovers in the spool lacked.
	Resent, TrimmedUnconfirmed, Lost int64

	// SpoolBytes is what the spool takes on disk. SpoolErr is why events stay
	// in memory, although there is a spool; nil while they do not.
	SpoolBytes int64
	SpoolErr   error

	// LeftoverStreams counts the streams in the spool whose processes are gone
	// and that are not all sent and confirmed, LeftoverWritten the events sent
	// from there. LeftoverErr is what keeps streams from being sent, of the
	// oldest eight that are not, until they are sent or gone.
	LeftoverStreams int
	LeftoverWritten int64
	LeftoverErr     error

	Kept map[string]int // units kept in their treatment, by experiment
}

// Status returns a picture of the engine's health. It is cheap enough to be
// polled every second.
func (e *Engine) Status() EngineStatus {
	s := EngineStatus{Refused: make(map[Kind]Refused)}
	e.refresher.status(&s)
	s.BufferedBytes = int(e.budget.held.Load())
	for _, l := range e.lanes {
		l.status(&s)
	}
	s.ConfirmErr = e.confirmation.err()
	if e.spool != nil {
		s.SpoolBytes = e.spool.Size()
		e.leftovers.status(&s)
	}
	return s
}
