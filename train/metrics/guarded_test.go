package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
)

// imbalanced draws rows of 20 labels, each rarer than the one before by the factor decay. Calibrated scores of a rarer label
// want a lower threshold; lift raises the scores of rarer labels, until one threshold serves all.
func imbalanced(rng *rand.Rand, rows int, decay, lift float64) Data {
	const cols = 20
	d := Data{Truth: make([]int8, rows*cols), Scores: make([]float32, rows*cols)}
	for j := range cols {
		d.Labels = append(d.Labels, fmt.Sprint(j))
		rate := 0.3 * math.Pow(decay, float64(j))
		for i := j; i < len(d.Truth); i += cols {
			z := math.Log(rate) + lift*float64(j) + rng.NormFloat64()
			if rng.Float64() < rate {
				d.Truth[i] = 1
				z += 2.2
			}
			d.Scores[i] = float32(1 / (1 + math.Exp(-z)))
		}
	}
	return d
}

// TestGuardedHoldsOnOtherData: thresholds chosen on few rows and tried on many from the same source. Guarded ones are better
// than each label's best and than the one for all, whichever of the two the labels want. The draws are fixed, and so are the
// figures; the margins are about a third of what is seen.
func TestGuardedHoldsOnOtherData(t *testing.T) {
	for _, c := range []struct {
		name                string
		decay, lift         float64
		overOwn, overGlobal float64
	}{
		{name: "each label wants its own", decay: 0.75, lift: 0, overOwn: 0.0005, overGlobal: 0.04},
		{name: "one threshold serves all", decay: 0.9, lift: 0.1, overOwn: 0.002, overGlobal: 0.001},
	} {
		var own, global, guarded float64
		const draws = 10
		for seed := range uint64(draws) {
			rng := rand.New(rand.NewPCG(seed, 4))
			dev, test := imbalanced(rng, 400, c.decay, c.lift), imbalanced(rng, 4000, c.decay, c.lift)
			g := tuneGuarded(t, dev, seed)
			own += macroF1(t, test, ownThresholds(t, dev)) / draws
			global += macroF1(t, test, []float32{g.Global}) / draws
			guarded += macroF1(t, test, g.Thresholds) / draws
		}
		t.Logf("%s: macro F1 on other data: own %.4f, global %.4f, guarded %.4f", c.name, own, global, guarded)
		if !(guarded >= own+c.overOwn) || !(guarded >= global+c.overGlobal) {
			t.Errorf("%s: guarded %.4f, want own %.4f + %g and global %.4f + %g at least", c.name, guarded, own, c.overOwn, global, c.overGlobal)
		}
	}
}

func tuneGuarded(t *testing.T, d Data, seed uint64) *Guarded {
	t.Helper()
	g, err := TuneGuarded(d, F(1), rand.New(rand.NewPCG(seed, 9)))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func ownThresholds(t *testing.T, d Data) (thresholds []float32) {
	t.Helper()
	choices, err := TuneEach(d, F(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range choices {
		thresholds = append(thresholds, c.Threshold)
	}
	return thresholds
}

func macroF1(t *testing.T, d Data, thresholds []float32) float64 {
	return float64(evaluate(t, d, thresholds...).F1Macro)
}

// TestGuardedValues recomputes the values on left-out rows with the public functions, fold by fold.
func TestGuardedValues(t *testing.T) {
	d := imbalanced(rand.New(rand.NewPCG(1, 1)), 200, 0.9, 0.1)
	fold := deal(200, rand.New(rand.NewPCG(5, 9)))
	var own, global [20]Counts
	for k := range folds {
		rest, held := d.split(fold, k)
		if n := len(held.Truth) / 20; n != 40 {
			t.Fatalf("fold %d has %d rows, want 40", k, n)
		}
		one, err := TuneGlobal(rest, F(1))
		if err != nil {
			t.Fatal(err)
		}
		thresholds := ownThresholds(t, rest)
		for j, l := range evaluate(t, rest, 0.5).PerLabel {
			if l.Support == 0 {
				thresholds[j] = one.Threshold
			}
		}
		for j, l := range evaluate(t, held, thresholds...).PerLabel {
			own[j] = own[j].plus(l.Counts)
		}
		for j, l := range evaluate(t, held, one.Threshold).PerLabel {
			global[j] = global[j].plus(l.Counts)
		}
	}
	g := tuneGuarded(t, d, 5)
	near(t, "OwnValue", g.OwnValue, meanValue(F(1), own[:]))
	near(t, "GlobalValue", g.GlobalValue, meanValue(F(1), global[:]))
	if g.Value < g.OwnValue || g.Value < g.GlobalValue {
		t.Errorf("value %v is not the best: own %v, global %v", g.Value, g.OwnValue, g.GlobalValue)
	}
	thresholds, _ := d.crossFit(F(1), rand.New(rand.NewPCG(5, 9)))
	for j, o := range thresholds {
		if want := o.pull(g.Global, g.Prior); g.Thresholds[j] != want || g.Prior <= 0 {
			t.Errorf("threshold %d is %v, want %v: pulled with prior %v > 0", j, g.Thresholds[j], want, g.Prior)
		}
	}
	if whole, _ := TuneGlobal(d, F(1)); g.Global != whole.Threshold {
		t.Errorf("global threshold %v, want %v, the best of all rows", g.Global, whole.Threshold)
	}
}

func TestPull(t *testing.T) {
	for _, c := range []struct {
		own    ownThreshold
		prior  float64
		global float32
		want   float32
	}{
		{ownThreshold{0.9, 10}, 10, 0.5, 0.7},           // half way
		{ownThreshold{0.9, 30}, 10, 0.5, 0.8},           // three quarters
		{ownThreshold{0.9, 10}, 0, 0.5, 0.9},            // no pull
		{ownThreshold{0.9, 10}, math.Inf(1), 0.5, 0.5},  // nothing but pull
		{ownThreshold{0, 0}, 0, 0.25, 0.25},             // no positives
		{ownThreshold{0.1, 1000}, 100, 0.5, 0.13636364}, // 0.5 − 0.4·10/11
	} {
		if got := c.own.pull(c.global, c.prior); got != c.want {
			t.Errorf("%+v pulled to %v by %v = %v, want %v", c.own, c.global, c.prior, got, c.want)
		}
	}
}

func TestGuardedIsDeterministic(t *testing.T) {
	d := imbalanced(rand.New(rand.NewPCG(2, 2)), 300, 0.85, 0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := tuneGuarded(t, d, 1)
	runtime.GOMAXPROCS(6)
	if got := tuneGuarded(t, d, 1); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v on 6 CPUs, %+v on 1", got, want)
	}
	if got := tuneGuarded(t, d, 2); reflect.DeepEqual(got.Thresholds, want.Thresholds) {
		t.Error("another seed deals the rows in the same way")
	}
}

// TestGuardedOnOddData: few rows, no positives, unknown cells only, constant scores. Thresholds stay in [0, 1].
func TestGuardedOnOddData(t *testing.T) {
	for _, rows := range []int{1, 2, 3, 7} {
		d := Data{Labels: []string{"none", "all", "unknown", "constant", "zero"}}
		for i := range rows {
			d.Truth = append(d.Truth, 0, 1, -1, int8(i%2), int8(i%2))
			d.Scores = append(d.Scores, float32(i)/10, float32(i)/10, 0.3, 0.7, 0)
		}
		g := tuneGuarded(t, d, 1)
		for j, v := range g.Thresholds {
			if !(v >= 0 && v <= 1) || math.IsNaN(g.Value) {
				t.Errorf("%d rows: threshold of %q is %v, value %v", rows, d.Labels[j], v, g.Value)
			}
		}
		if g.Thresholds[0] != g.Global || g.Thresholds[2] != g.Global {
			t.Errorf("%d rows: labels without positives have %v and %v, want the global %v", rows, g.Thresholds[0], g.Thresholds[2], g.Global)
		}
	}
	// Constant scores leave nothing to choose: of equal values the strongest pull.
	if g := tuneGuarded(t, Data{[]string{"a"}, []int8{1, 0, 1, 0, 1, 1}, []float32{0.5, 0.5, 0.5, 0.5, 0.5, 0.5}}, 1); !math.IsInf(g.Prior, 1) {
		t.Errorf("prior %v for constant scores, want +Inf", g.Prior)
	}
	if _, err := TuneGuarded(Data{Labels: []string{"a"}}, F(1), rand.New(rand.NewPCG(1, 1))); err == nil {
		t.Error("no error without rows")
	}
}
