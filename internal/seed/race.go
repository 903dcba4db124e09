//go:build race

package seed

// Race says whether the race detector watches.
const Race = true
