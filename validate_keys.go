package strata

import "slices"

// keySet finds keys that stand twice in a list. Lists are short, and a short one is
// looked through faster than a map is made. The zero value is empty.
type keySet struct {
	few  [8]string
	n    int
	many map[string]bool // once there are more
}

// add adds a key, and reports whether it was there.
func (s *keySet) add(key string) bool {
	if s.many == nil {
		if slices.Contains(s.few[:s.n], key) {
			return true
		}
		if s.n < len(s.few) {
			s.few[s.n] = key
			s.n++
			return false
		}
		s.many = make(map[string]bool)
		for _, k := range s.few {
			s.many[k] = true
		}
	}
	twice := s.many[key]
	s.many[key] = true
	return twice
}

// saltOwners says whose a salt is.
type saltOwners map[string]string

// add notes the salt of a layer or experiment, and returns the key of the one that had
// it before, or its own. Where nobody has a salt that is not its key, no two that
// have different keys can share one: then salted is false, and nothing is noted.
func (s saltOwners) add(salted bool, salt, key string) string {
	if !salted {
		return key
	}
	other, taken := s[salt]
	s[salt] = key
	if !taken {
		return key
	}
	return other
}

// anyOf reports whether something holds for an element of a list.
func anyOf[T any](list []T, holds func(*T) bool) bool {
	for i := range list {
		if holds(&list[i]) {
			return true
		}
	}
	return false
}
