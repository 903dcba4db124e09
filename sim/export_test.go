package sim

// MostUnderWay plays a traffic and returns how many visitors it held at most.
func MostUnderWay(t *Traffic, s Site) (most int) {
	p := newPlay(t, s)
	for p.next() {
		most = max(most, len(p.heap))
	}
	return most
}

// Notes says what findings give reason to say.
func Notes(f *Findings) []string { return f.notes() }
