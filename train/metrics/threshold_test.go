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

// Log-odds are averaged with the weights n/(n + 5) and 5/(n + 5): by hand.
func TestGuard(t *testing.T) {
	for _, c := range []struct {
		own, global float32
		positives   int
		want        float64
	}{
		{0.2, 0.5, 5, 1.0 / 3},                  // odds 1/4 and 1: √(1/4) = 1/2
		{0.5, 0.2, 5, 1.0 / 3},                  // the same from the other side
		{0.9, 0.5, 15, 0.8386091},               // 9^¾ = 5.196152
		{0.2, 0.8, 1, 2.519842 / 3.519842},      // odds 4^(−1/6)·4^(5/6) = 4^(2/3)
		{0.2, 0.8, 0, 0.8},                      // no positives: the one for all
		{0.2, 0.8, 1 << 40, 0.2},                // all but its own
		{0, 0.5, 5, 0x1p-74 * 0.5 * 1.41421356}, // 2⁻¹⁴⁹ for 0
		{1, 0.5, 5, 4096.0 / 4097},              // odds 2²⁴ − 1
		{0.5, 1, 5, 4096.0 / 4097},
		{0, 1, 5, 1 / (1 + 0x1p62*1.41421356)}, // odds √(2⁻¹⁴⁹·2²⁴) = 2^−62.5
	} {
		if got := float64(Guard(c.own, c.global, c.positives)); !(math.Abs(got-c.want) <= 1e-6*c.want) {
			t.Errorf("Guard(%v, %v, %d) = %v, want %v", c.own, c.global, c.positives, got, c.want)
		}
	}
	for _, same := range []float32{0, 0x1p-149, 0.1, 0.3, 1 - 0x1p-24, 1} {
		if got := Guard(same, same, 3); got != same {
			t.Errorf("between %v and itself: %v", same, got)
		}
	}
}

// Tune guards each label by its positives; unknown cells are none, and a label without positives has the threshold for all.
func TestTuneGuards(t *testing.T) {
	d := Data{[]string{"many", "none", "one"},
		[]int8{
			1, 0, 0,
			1, 0, 1,
			0, 0, 0,
			0, -1, -1,
			1, 0, 0,
		},
		[]float32{
			0.9, 0.6, 0.1,
			0.8, 0.1, 0.3,
			0.5, 0.2, 0.2,
			0.1, 0.7, 0.9,
			0.7, 0.3, 0.05,
		}}
	tuned, err := Tune(d, F(1))
	if err != nil {
		t.Fatal(err)
	}
	// many parts at (0.5 + 0.7)/2, one at (0.2 + 0.3)/2; of all known cells 0.7 and above are right, and 0.3 is worth less than it costs.
	for i, want := range []float32{0.6, 0.5, 0.25} {
		if tuned.Thresholds[i] != want {
			t.Fatalf("label %d: its own threshold is %v, want %v", i, tuned.Thresholds[i], want)
		}
	}
	if tuned.Global != 0.65 {
		t.Fatalf("the threshold for all is %v, want 0.65", tuned.Global)
	}
	odds := math.Pow(0.25/0.75, 1.0/6) * math.Pow(0.65/0.35, 5.0/6)
	for i, want := range []float64{math.Pow(0.6/0.4, 3.0/8) * math.Pow(0.65/0.35, 5.0/8), 0.65 / 0.35, odds} {
		if got := float64(tuned.Guarded[i]); !(math.Abs(got-want/(1+want)) <= 1e-6) {
			t.Errorf("label %d is guarded at %v, want %v", i, got, want/(1+want))
		}
	}
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
