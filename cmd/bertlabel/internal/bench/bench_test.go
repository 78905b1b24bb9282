package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
)

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		times  Times
		median time.Duration
	}{{Times{3}, 3}, {Times{1, 5}, 5}, {Times{1, 2, 9}, 2}} {
		if got := c.times.Median(); got != c.median {
			t.Errorf("median of %v = %v, want %v", c.times, got, c.median)
		}
	}
}

// measure runs once more than it is asked, sorts, and stops at an error or when the context ends.
func TestMeasure(t *testing.T) {
	calls := 0
	times, err := measure(t.Context(), 3, func() error {
		calls++
		time.Sleep(time.Duration(5-calls) * time.Millisecond)
		return nil
	})
	if err != nil || calls != 4 || len(times) != 3 || !(times[0] < times[1] && times[1] < times[2]) || times.Least() != times[0] {
		t.Errorf("3 runs: %d calls, times %v, error %v", calls, times, err)
	}
	failed := errors.New("failed")
	if _, err := measure(t.Context(), 3, func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("a run that fails: error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls = 0
	if _, err := measure(ctx, 3, func() error { calls++; cancel(); return nil }); !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("cancelled in the first run: %d calls, error %v", calls, err)
	}
}

// The models are those of peers in other languages: heads of width 32 for hidden size 384, else 64.
func TestParseModel(t *testing.T) {
	for name, want := range map[string][3]int{"base": {12, 768, 12}, "minilm": {6, 384, 12}, "2x128": {2, 128, 2}, "4x768": {4, 768, 12},
		"3x1024": {3, 1024, 16}} {
		c, ok := ParseModel(name)
		if got := [3]int{c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads}; !ok || got != want ||
			c.IntermediateSize != 4*c.HiddenSize ||
			c.Check() != nil {
			t.Errorf("%s: layers, hidden, heads %v, want %v; intermediate %d, %v", name, got, want, c.IntermediateSize, c.Check())
		}
	}
	for _, name := range []string{"", "bert", "2x", "x128", "2x128x3", "-2x128", "2x1234567"} {
		if _, ok := ParseModel(name); ok {
			t.Errorf("%q is taken for a model", name)
		}
	}
	if c, ok := ParseModel("2x32"); !ok || c.Check() == nil {
		t.Error("hidden size 32 has no heads of width 64, and Check should say so")
	}
}

// The formula is 24·tokens·L·H² + 4·B·S²·H·L: BERT-base at 128 tokens is 22.35 GFLOP a text, MiniLM 2.87.
func TestForwardFLOP(t *testing.T) {
	for name, want := range map[string]float64{"base": 22.35e9, "minilm": 2.87e9} {
		c, _ := ParseModel(name)
		if got := ForwardFLOP(&c, []int{128}); !(got > 0.999*want && got < 1.001*want) { // want has four digits at most
			t.Errorf("%s: %g, want %g", name, got, want)
		}
	}
	c := bert.Config{NumHiddenLayers: 1, HiddenSize: 1, IntermediateSize: 4}
	if got := ForwardFLOP(&c, []int{1, 10}); got != 24*11+4*101 {
		t.Errorf("lengths 1 and 10: %g", got)
	}
}

func TestModelAndProduct(t *testing.T) {
	c, _ := ParseModel("1x128")
	c.VocabSize = 100
	m, err := NewModel(c, 3, &model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if times, err := Forward(t.Context(), m, Texts(&c, []int{1, 7, 512}), 2); err != nil || len(times) != 2 || times[0] <= 0 {
		t.Errorf("forward pass: %v, %v", times, err)
	}
	for _, p := range []bert.Precision{bert.FP32, bert.BF16} {
		if times, err := Train(t.Context(), m, p, []int{3, 9, 4, 7}, 2, 3, 2); err != nil || len(times) != 3 || times[0] <= 0 ||
			times.Sum() != times[0]+times[1]+times[2] {
			t.Errorf("training steps in %s: %v, %v", p, times, err)
		}
	}
	p := Product{13, 33, 65}
	for _, precision := range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
		times, err := p.Run(t.Context(), precision, 2, 2)
		if err != nil || len(times) != 2 || times[0] <= 0 || times[0] > leastRun {
			t.Errorf("product in %s: %v, %v", precision, times, err) // one of 56 kFLOP is repeated, and its time that of one
		}
		if got := Peak(2, precision); !(got > 0) {
			t.Errorf("peak %g in %s", got, precision)
		}
	}
}
