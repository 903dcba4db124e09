package crashfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

const sectorBytes = 512

// Kill ends the process: what was written stays as it is, in the memory of the
// machine, and locks are gone. Files that were open are dead. Faults are taken
// back and the machine is on.
func (f *FS) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reset()
}

func (f *FS) reset() {
	f.epoch++
	f.handles = 0
	f.fault, f.off, f.ops = nil, 0, 0
	clear(f.locks)
	clear(f.hits)
}

// Crash ends the machine and starts it again. Of the writes to each file since its
// last Sync any subset is there, each whole, in some of its sectors of 512 bytes,
// or as zeros; of the changes to each folder since its last SyncDir any subset.
// What is there afterwards is durable. It resets as Kill does.
func (f *FS) Crash(r *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reset()
	nodes := map[*node]bool{}
	for _, name := range slices.Sorted(maps.Keys(f.dirs)) {
		d := f.dirs[name]
		f.crashDir(d, r)
		for _, base := range slices.Sorted(maps.Keys(d.now)) {
			if n := d.now[base]; !n.isDir && !nodes[n] {
				nodes[n] = true
				f.crashFile(n, r)
			}
		}
	}
	f.dropUnreachable()
}

// crashDir undoes some changes of a folder.
func (f *FS) crashDir(d *dir, r *rand.Rand) {
	now := maps.Clone(d.durable)
	keep := r.IntN(4) // none, all, or each by chance
	for _, c := range d.log {
		if keep == 0 || keep > 1 && r.IntN(2) == 0 {
			f.lost.Entries++
			continue
		}
		c.apply(now)
	}
	d.now, d.durable, d.log = now, maps.Clone(now), nil
}

// crashFile undoes some writes to a file.
func (f *FS) crashFile(n *node, r *rand.Rand) {
	now := append([]byte(nil), n.durable...)
	if len(now) < len(n.now) && r.IntN(4) > 0 { // its length was never made durable
		now = append(now, make([]byte, len(n.now)-len(now))...)
	}
	for _, w := range n.writes {
		f.crashWrite(now, w, r)
	}
	n.now, n.durable, n.writes = now, append([]byte(nil), now...), nil
}

func (f *FS) crashWrite(now []byte, w write, r *rand.Rand) {
	if w.off >= int64(len(now)) {
		f.lost.Dropped++
		return
	}
	to := now[w.off:min(w.off+int64(len(w.data)), int64(len(now)))]
	switch r.IntN(6) {
	case 0:
		f.lost.Dropped++
	case 1:
		f.lost.Zeroed++
		clear(to)
	case 2:
		f.lost.Torn++
		keep := r.IntN(2) == 0
		for i := range to {
			if (w.off+int64(i))%sectorBytes == 0 {
				keep = r.IntN(2) == 0
			}
			if keep {
				to[i] = w.data[i]
			}
		}
	default:
		copy(to, w.data)
	}
}

// dropUnreachable forgets folders whose entry is lost.
func (f *FS) dropUnreachable() {
	for _, name := range slices.Sorted(maps.Keys(f.dirs)) { // parents first
		if name == "/" {
			continue
		}
		d, base, err := f.at(name)
		if err != nil || d.now[base] == nil {
			delete(f.dirs, name)
		}
	}
	for name, d := range f.dirs { // a folder whose removal was undone is empty
		for base, n := range d.now {
			p := clean(name + "/" + base)
			if n.isDir && f.dirs[p] == nil {
				f.dirs[p] = newDir(nil)
			}
		}
	}
}

// Change lets a test damage a file: change gets its content and returns the new
// one. It reports whether the file exists.
func (f *FS) Change(name string, change func(content []byte) []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(name)
	if err != nil {
		return false
	}
	n.now = change(append([]byte(nil), n.now...))
	n.durable, n.writes = append([]byte(nil), n.now...), nil
	return true
}

// Vanish removes a folder with all that is in it, as somebody with a shell would.
// Open files live on, without a name.
func (f *FS) Vanish(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = clean(name)
	for _, below := range slices.Sorted(maps.Keys(f.dirs)) {
		if below == name || len(below) > len(name) && below[:len(name)+1] == name+"/" {
			delete(f.dirs, below)
		}
	}
	if d, base, err := f.at(name); err == nil && d.now[base] != nil {
		d.change(change{from: base, node: d.now[base]})
	}
}
