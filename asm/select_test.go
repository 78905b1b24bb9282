package asm

import "testing"

// TestSelect: every set of this CPU can be selected, and an unknown one leaves generic beside its error.
func TestSelect(t *testing.T) {
	best, bestErr := Best, BestErr
	defer func() { Best, BestErr = best, bestErr }()
	for _, s := range Sets() {
		if err := Select(s.Name); err != nil || Best.Name != s.Name || BestErr != nil {
			t.Errorf("Select(%q) = %v, Best = %q, BestErr = %v", s.Name, err, Best.Name, BestErr)
		}
	}
	if err := Select("mmx"); err == nil || Best.Name != "generic" || BestErr == nil {
		t.Errorf("Select(mmx) = %v, Best = %q, BestErr = %v; want an error beside generic", err, Best.Name, BestErr)
	}
}
