package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestTuneAgainstSearch tries every candidate of every label on the data themselves.
func TestTuneAgainstSearch(t *testing.T) {
	for _, name := range []string{"f1", "f2", "f0.5", "precision@0.8", "recall@0.7", "precision@1", "recall@1", "precision@0"} {
		aim, err := ParseAim(name)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(30) {
			rng := rand.New(rand.NewPCG(seed, 2))
			d := randomData(rng, 1+rng.IntN(25), 1+rng.IntN(3), 1+rng.IntN(15), 0.2)
			choices, err := TuneEach(d, aim)
			if err != nil {
				t.Fatal(err)
			}
			for j, got := range choices {
				y, s := known(d, j, len(d.Labels), len(d.Truth)/len(d.Labels))
				checkChoice(t, fmt.Sprintf("%s seed %d label %d", name, seed, j), aim, got, y, s)
			}
			got, err := TuneGlobal(d, aim)
			if err != nil {
				t.Fatal(err)
			}
			y, s := known(d, 0, 1, len(d.Truth))
			checkChoice(t, fmt.Sprintf("%s seed %d global", name, seed), aim, got, y, s)
		}
	}
}

// checkChoice searches upwards, by the definition, for the first candidate with the highest value.
func checkChoice(t *testing.T, what string, aim Aim, got Choice, y []bool, s []float64) {
	t.Helper()
	want, best, support := float32(0.5), -1.0, 0
	for _, positive := range y {
		if positive {
			support++
		}
	}
	for a, ok := 0.0, support > 0; ok; {
		b := math.Inf(1) // the next distinct value
		for _, v := range s {
			if v > a {
				b = min(b, v)
			}
		}
		if ok = !math.IsInf(b, 1); ok {
			m := float32((a + b) / 2)
			if m == float32(b) {
				m = float32(a)
			}
			if v := aim.value(countAbove(y, s, m)); v > best {
				best, want = v, m
			}
			a = b
		}
	}
	if got.Threshold != want || got.Counts != countAbove(y, s, want) {
		t.Errorf("%s: %+v, want threshold %v with %+v", what, got, want, countAbove(y, s, want))
	}
}

func countAbove(y []bool, s []float64, threshold float32) (c Counts) {
	for i := range y {
		c.add(y[i], s[i] > float64(threshold))
	}
	return c
}

func TestThresholdBetweenNeighbours(t *testing.T) {
	a := float32(0.3)
	b := math.Nextafter32(a, 1)
	for _, c := range []struct{ a, b, want float32 }{
		{0, 1, 0.5}, {a, b, a}, {b, math.Nextafter32(b, 1), b}, {0, 0x1p-149, 0}, {0, 0x1p-148, 0x1p-149}, {1 - 0x1p-24, 1, 1 - 0x1p-24},
	} {
		if got := between(c.a, c.b); got != c.want || !(got >= c.a && got < c.b) {
			t.Errorf("between(%v, %v) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestAims(t *testing.T) {
	c := Counts{TP: 6, FP: 2, FN: 6, TN: 1} // precision 3/4, recall 1/2
	for name, want := range map[string]float64{
		"f1": 0.6, "f2": 5 * 0.375 / (4*0.75 + 0.5), "f0.5": 1.25 * 0.375 / (0.25*0.75 + 0.5),
		"precision@0.75": 1.5, "precision@0.8": 0.75, "recall@0.5": 1.75, "recall@0.9": 0.5,
	} {
		aim, err := ParseAim(name)
		if err != nil {
			t.Error(err)
			continue
		}
		near(t, name, aim.value(c), want)
		if aim.String() != name {
			t.Errorf("aim %s is called %s", name, aim)
		}
	}
	if a := (Aim{}); a.String() != "f1" || a.value(c) != F(1).value(c) || a.value(c) != c.F1() {
		t.Errorf("the zero aim is %s, with %v", a, a.value(c))
	}
	for _, bad := range []string{"", "f", "f0", "f-1", "fNaN", "fInf", "f1e9", "F1", "precision", "precision@", "precision@1.1",
		"precision@NaN", "recall@-0.1", "recall@x", "accuracy@0.5", "f1@0.5", "0.5"} {
		if aim, err := ParseAim(bad); err == nil {
			t.Errorf("aim %q is read as %s", bad, aim)
		}
	}
}

func TestTuneRefusesBadData(t *testing.T) {
	d := Data{[]string{"a"}, []int8{1}, []float32{float32(math.NaN())}}
	if _, err := TuneEach(d, F(1)); err == nil {
		t.Error("TuneEach takes NaN")
	}
	if _, err := TuneGlobal(d, F(1)); err == nil {
		t.Error("TuneGlobal takes NaN")
	}
}
