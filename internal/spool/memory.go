package spool

// memory holds the frames that are not durable yet, in the order in which they
// were appended, so that they can be written again after a failed sync. They lie in
// chunks, which never move or grow: what is held is what is taken. The log's lock
// guards it.
type memory struct {
	limit  int64
	chunk  int      // capacity of a chunk; a larger frame has one of its own
	kept   [][]byte // since the last sync began
	flight [][]byte // that the running sync makes durable, before kept
	spare  [][]byte // empty chunks
	held   int64    // capacity of all of them
}

const (
	minChunk   = 4 << 10
	chunkShare = 32 // chunks of the usual size that fit into the limit
	idleChunks = 2  // what stays when there is nothing to hold
)

func newMemory(limit int64) memory {
	return memory{limit: limit, chunk: int(max(limit/chunkShare, minChunk))}
}

// empty tells whether no frame is held.
func (m *memory) empty() bool { return len(m.kept) == 0 && len(m.flight) == 0 }

// fits tells whether a frame of n bytes can be kept, besides other bytes that the
// log holds. One alone always can.
func (m *memory) fits(n, other int64) bool {
	return m.empty() || m.open(n) || len(m.spare) > 0 && n <= int64(m.chunk) ||
		m.held-m.spared()+max(n, int64(m.chunk))+other <= m.limit
}

// open tells whether there is room for n bytes in the newest chunk.
func (m *memory) open(n int64) bool {
	if len(m.kept) == 0 {
		return false
	}
	c := m.kept[len(m.kept)-1]
	return int64(len(c))+n <= int64(cap(c))
}

// spared returns how much empty chunks take.
func (m *memory) spared() int64 { return int64(len(m.spare)) * int64(m.chunk) }

// room returns the newest chunk, with room for n bytes.
func (m *memory) room(n int64) *[]byte {
	if !m.open(n) {
		m.kept = append(m.kept, m.take(n))
	}
	return &m.kept[len(m.kept)-1]
}

// take returns an empty chunk with room for n bytes.
func (m *memory) take(n int64) []byte {
	size := max(n, int64(m.chunk))
	if last := len(m.spare) - 1; last >= 0 && size == int64(m.chunk) {
		c := m.spare[last]
		m.spare[last] = nil
		m.spare = m.spare[:last]
		return c
	}
	if m.held+size > m.limit {
		m.shrink(0)
	}
	m.held += size
	return make([]byte, 0, size)
}

// undo takes back what was appended to the newest chunk from start on.
func (m *memory) undo(start int) {
	last := len(m.kept) - 1
	if m.kept[last] = m.kept[last][:start]; start == 0 {
		m.recycle(m.kept[last:])
		m.kept = m.kept[:last]
	}
}

// begin is called when a sync begins.
func (m *memory) begin() { m.kept, m.flight = m.flight[:0], m.kept }

// failed is called when the sync has failed: what it was to make durable is kept
// on, and packed, so that many failures do not leave many chunks with little in them.
func (m *memory) failed() {
	all := m.flight
	for i, c := range m.kept {
		if last := len(all) - 1; last >= 0 && len(all[last])+len(c) <= cap(all[last]) {
			all[last] = append(all[last], c...)
			m.recycle(m.kept[i : i+1])
			continue
		}
		all = append(all, c)
	}
	clear(m.kept)
	m.kept, m.flight = all, m.kept[:0]
}

// done is called when the sync has succeeded. Its chunks are used again, and let go
// of if there is nothing to hold.
func (m *memory) done() {
	m.recycle(m.flight)
	m.flight = m.flight[:0]
	if m.empty() {
		m.shrink(idleChunks)
	}
}

// recycle takes chunks back. Those of an unusual size are let go of.
func (m *memory) recycle(chunks [][]byte) {
	for i, c := range chunks {
		if cap(c) == m.chunk {
			m.spare = append(m.spare, c[:0])
		} else {
			m.held -= int64(cap(c))
		}
		chunks[i] = nil
	}
}

// shrink lets go of all empty chunks but some.
func (m *memory) shrink(left int) {
	if len(m.spare) <= left {
		return
	}
	m.held -= int64(len(m.spare)-left) * int64(m.chunk)
	clear(m.spare[left:])
	m.spare = m.spare[:left]
}
