package model

import (
	"fmt"
	"testing"

	"bertlabel/bert"
)

// BenchmarkFeatures is the engine as a whole on a small random model: what planning, passes and copies take beside the encoder.
func BenchmarkFeatures(b *testing.B) {
	m := tiny(b, 1)
	texts := m.encode(someTexts(256))
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("texts=", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := m.Features(b.Context(), texts[:n], bert.Mean, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
