package cli

import "fmt"

// floodOf is how many warnings of a kind are printed.
const floodOf = 5

// Flood prints the first few warnings of each kind, and in the end how many more there are. The zero Flood has no log.
type Flood struct {
	log   *Log
	kinds []string
	count map[string]int
}

// NewFlood returns one that warns in a log.
func NewFlood(log *Log) *Flood { return &Flood{log: log, count: map[string]int{}} }

// First reports whether a warning of a kind is one of those that are printed, and counts it.
func (f *Flood) First(kind string) bool {
	if f.count[kind] == 0 {
		f.kinds = append(f.kinds, kind)
	}
	f.count[kind]++
	return f.count[kind] <= floodOf
}

// Warnf prints a warning, if it is one of the first of its kind.
func (f *Flood) Warnf(kind, format string, args ...any) {
	if f.First(kind) {
		f.log.Warnf(format, args...)
	}
}

// More returns how many warnings of a kind were not printed.
func (f *Flood) More(kind string) int { return max(0, f.count[kind]-floodOf) }

// Done says how many more warnings of each kind there are, and where all of them are to be had; where may be empty.
func (f *Flood) Done(where string) {
	for _, kind := range f.kinds {
		if n := f.More(kind); n > 0 {
			f.log.Warnf("%s", fmt.Sprintf("%d more of the same kind (%s)%s", n, kind, where))
		}
	}
}
