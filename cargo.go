package strata

// cargo is what a batch is made of.
type cargo struct {
	first   int64
	records []Record
	reason  string // why records before first are missing, where they are
}

// run is a chunk of memory or a frame of the spool: records that follow each
// other, each behind its length. One without records stands for the end.
type run struct {
	first, count int64
	bytes        []byte
	reason       string // why those before it are missing, if they are
	release      func() // to be called when the bytes are not read any more; nil for nothing
}

func (r *run) done() {
	if r.release != nil {
		r.release()
	}
}

func (r *run) last() int64 { return r.first + r.count - 1 }

// unreadableRun is a run that this program cannot decode.
type unreadableRun struct {
	run
	err error
}

func (u *unreadableRun) Error() string { return u.err.Error() }
func (u *unreadableRun) Unwrap() error { return u.err }

// Why a batch declares a gap.
const (
	gapFailover = "the store had them, lost them in a failover, and they were kept no more"
	gapTorn     = "never synced to the spool's disk when the machine went down"
	gapCorrupt  = "damaged on the spool's disk"
	gapMissing  = "not in the spool: they were in memory only, or trimmed, when the process ended"
)

// gather takes records that follow each other from runs, from an index on or,
// where those from there on are missing, from the first one behind: at most limit,
// and about maxBytes of their encoding, but at least one. With an error comes
// what is before it.
func gather(from int64, limit, maxBytes int, runAt func(int64) (run, error)) (cargo, error) {
	load := cargo{first: from}
	for len(load.records) < limit && maxBytes > 0 {
		next := load.first + int64(len(load.records))
		r, err := runAt(next)
		if err != nil {
			return load, err
		}
		if r.first > next {
			if len(load.records) > 0 {
				r.done()
				return load, nil
			}
			load.first, load.reason, next = r.first, r.reason, r.first
		}
		if r.count == 0 {
			return load, nil
		}
		before := len(load.records)
		load.records, err = decodeRecords(load.records, r.bytes, next-r.first, limit-before, maxBytes)
		r.done()
		if err != nil {
			load.records = load.records[:before]
			if before == 0 {
				load.first, load.reason = from, ""
			}
			return load, &unreadableRun{r, err}
		}
		if load.first+int64(len(load.records)) <= r.last() {
			return load, nil
		}
		maxBytes -= len(r.bytes)
	}
	return load, nil
}
