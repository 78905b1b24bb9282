package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// miscalibrated draws truths by σ(z) and returns logits of which σ(slope·logit + intercept) = σ(z), per label.
func miscalibrated(rng *rand.Rand, rows int, lines []line) (labels []string, truth []int8, logits []float32) {
	for range rows {
		for j, l := range lines {
			z := -1.5 + 2*rng.NormFloat64() - 0.3*float64(j)
			y := int8(0)
			if rng.Float64() < 1/(1+math.Exp(-z)) {
				y = 1
			}
			if rng.Float64() < 0.1 {
				y = -1
			}
			truth, logits = append(truth, y), append(logits, float32((z-l.intercept)/l.slope))
		}
	}
	for j := range lines {
		labels = append(labels, fmt.Sprint("label ", j))
	}
	return labels, truth, logits
}

func calibrate(t *testing.T, labels []string, truth []int8, logits []float32, method Method, seed uint64) *Calibration {
	t.Helper()
	c, err := Calibrate(labels, truth, logits, method, rand.New(rand.NewPCG(seed, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPlattFindsTheLine: with many rows the line that made the logits comes back. The standard error of a slope is about
// 2/√(rows·p(1−p)) ≈ 0.03 here, and about four of them are allowed.
func TestPlattFindsTheLine(t *testing.T) {
	want := []line{{0.5, 1}, {2, -1}, {1, 0}, {1.5, 0.5}}
	labels, truth, logits := miscalibrated(rand.New(rand.NewPCG(1, 2)), 20_000, want)
	c := calibrate(t, labels, truth, logits, Platt, 1)
	for j, l := range want {
		if !(math.Abs(c.Slope[j]-l.slope) <= 0.1*l.slope) || !(math.Abs(c.Intercept[j]-l.intercept) <= 0.1) {
			t.Errorf("line %d is %.3f·z + %.3f, want %g·z + %g", j, c.Slope[j], c.Intercept[j], l.slope, l.intercept)
		}
	}
	checkImproved(t, c)
}

func TestTemperatureFindsTheSlope(t *testing.T) {
	want := []line{{0.5, 0}, {2, 0}, {1, 0}}
	labels, truth, logits := miscalibrated(rand.New(rand.NewPCG(3, 4)), 20_000, want)
	c := calibrate(t, labels, truth, logits, Temperature, 1)
	for j, l := range want {
		if !(math.Abs(c.Slope[j]-l.slope) <= 0.1*l.slope) || c.Intercept[j] != 0 {
			t.Errorf("line %d is %.3f·z + %.3f, want %g·z", j, c.Slope[j], c.Intercept[j], l.slope)
		}
	}
	checkImproved(t, c)
}

func checkImproved(t *testing.T, c *Calibration) {
	t.Helper()
	b, a := c.Before, c.After
	if !(a.LogLoss < b.LogLoss && a.BrierScore < b.BrierScore && a.ExpectedCalibrationError < b.ExpectedCalibrationError/3) {
		t.Errorf("before %+v, after %+v", b, a)
	}
}

// TestCalibrationOfFewPositives: labels with a handful of positives, each wanting the same line. Calibration holds on other
// rows: better than none, and better than fitting each label with next to no pull. The draws are fixed.
func TestCalibrationOfFewPositives(t *testing.T) {
	lines := make([]line, 12)
	for j := range lines {
		lines[j] = line{0.6, 0.8}
	}
	var before, own, calibrated float64
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 5))
		labels, truth, logits := miscalibrated(rng, 60, lines)
		_, otherTruth, otherLogits := miscalibrated(rng, 5000, lines)
		c, other := calibrate(t, labels, truth, logits, Platt, seed), Data{labels, otherTruth, otherLogits}
		fitted := Data{labels, truth, logits}.fitLines(Platt)[len(calibrationPriors)-1]
		loss := func(lineOf func(int) line) float64 {
			q := other.measure(lineOf)
			return q.logLoss()
		}
		before += loss(func(int) line { return unchanged })
		own += loss(func(j int) line { return fitted[j] })
		calibrated += loss(func(j int) line { return line{c.Slope[j], c.Intercept[j]} })
	}
	t.Logf("log loss on other rows, mean of 5: before %.4f, own line of each label %.4f, calibrated %.4f", before/5, own/5, calibrated/5)
	if !(calibrated < own && calibrated < before) {
		t.Errorf("calibrated %.4f, own %.4f, before %.4f", calibrated/5, own/5, before/5)
	}
}

// TestFitLineIsAMinimum: no line around the fitted one has a lower objective, for hard data too: separable, extreme, one class.
func TestFitLineIsAMinimum(t *testing.T) {
	for name, cells := range map[string][]cell{
		"mixed":     {{-2, 0}, {-1, 0}, {0.5, 1}, {1, 0}, {3, 1}, {-0.5, 1}},
		"separable": {{-2, 0}, {-1, 0}, {1, 1}, {2, 1}},
		"extreme":   {{-1e4, 0}, {1e4, 1}, {1e4, 0}, {-5, 1}, {30, 1}},
		"negatives": {{-4, 0}, {-3, 0}, {-6, 0}},
		"constant":  {{-3, 0}, {-3, 0}, {-3, 1}},
		"none":      nil,
	} {
		for _, prior := range []float64{0.1, 1, 100} {
			for _, method := range []Method{Temperature, Platt} {
				centre := line{0.8, 0.3}
				l := fitLine(cells, centre, prior, method)
				least := newObjective(cells, l, centre, prior).f
				for _, h := range []float64{1e-4, 1e-2, 0.3} {
					for _, d := range []line{{h, 0}, {-h, 0}, {0, h}, {0, -h}, {h, h}, {h, -h}, {-h, h}, {-h, -h}} {
						if method == Temperature && d.intercept != 0 {
							continue
						}
						near := line{l.slope + d.slope, l.intercept + d.intercept}
						if f := newObjective(cells, near, centre, prior).f; f < least-1e-12*(1+least) {
							t.Errorf("%s, prior %g, method %d: %+v has %.15g, %+v less: %.15g", name, prior, method, l, least, near, f)
						}
					}
				}
			}
		}
	}
}

// TestObjectiveDerivatives compares gradient and Hessian with central differences.
func TestObjectiveDerivatives(t *testing.T) {
	cells := []cell{{-2, 0}, {-1, 1}, {0.5, 1}, {1, 0}, {3, 1}}
	at, centre, h := line{0.7, -0.4}, line{1, 0.2}, 1e-5
	o := newObjective(cells, at, centre, 2)
	difference := func(d line, value func(objective) float64) float64 {
		plus := newObjective(cells, line{at.slope + h*d.slope, at.intercept + h*d.intercept}, centre, 2)
		minus := newObjective(cells, line{at.slope - h*d.slope, at.intercept - h*d.intercept}, centre, 2)
		return (value(plus) - value(minus)) / (2 * h)
	}
	step, decrease := o.newtonStep(Platt) // ∂²f·step = −∂f
	near(t, "slope of the Newton equation", o.h11*step.slope+o.h12*step.intercept, -o.dSlope)
	near(t, "intercept of the Newton equation", o.h12*step.slope+o.h22*step.intercept, -o.dIntercept)
	near(t, "decrease", decrease, -(o.dSlope*step.slope + o.dIntercept*step.intercept))
	f := func(o objective) float64 { return o.f }
	dSlope := func(o objective) float64 { return o.dSlope }
	dIntercept := func(o objective) float64 { return o.dIntercept }
	for name, c := range map[string][2]float64{
		"dSlope":     {o.dSlope, difference(line{1, 0}, f)},
		"dIntercept": {o.dIntercept, difference(line{0, 1}, f)},
		"h11":        {o.h11, difference(line{1, 0}, dSlope)},
		"h12":        {o.h12, difference(line{0, 1}, dSlope)},
		"h22":        {o.h22, difference(line{0, 1}, dIntercept)},
	} {
		if !(math.Abs(c[0]-c[1]) <= 1e-8) { // h²·f‴ and ε/h, both near 1e-10
			t.Errorf("%s = %.12g, want %.12g", name, c[0], c[1])
		}
	}
}

// TestCalibrationKeepsTheOrder: the first label is scored upside down; its line stays the one of all labels.
func TestCalibrationKeepsTheOrder(t *testing.T) {
	labels, truth, logits := miscalibrated(rand.New(rand.NewPCG(6, 6)), 300, []line{{-1, 0}, {0.5, 0}, {0.7, 0.2}})
	for _, method := range []Method{Temperature, Platt} {
		if c := calibrate(t, labels, truth, logits, method, 3); !(slices.Min(c.Slope) > 0) {
			t.Errorf("method %d: slopes %v, want all positive", method, c.Slope)
		}
	}
}

func TestProbabilities(t *testing.T) {
	c := Calibration{Slope: []float64{0.5, 2}, Intercept: []float64{1, 0}}
	logits := []float32{-2, 0.5, 1e4, -1e4}
	want := []float32{0.5, 0.7310586, 1, 0} // σ(0), σ(1)
	got := make([]float32, 4)
	c.Probabilities(got, logits)
	c.Probabilities(logits, logits)
	if !slices.Equal(got, want) || !slices.Equal(logits, want) {
		t.Errorf("probabilities %v, in place %v, want %v", got, logits, want)
	}
}

func TestCalibrateIsDeterministic(t *testing.T) {
	labels, truth, logits := miscalibrated(rand.New(rand.NewPCG(8, 8)), 200, []line{{1, 0}, {2, 1}, {0.5, 0}, {1, 1}})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := calibrate(t, labels, truth, logits, Platt, 4)
	runtime.GOMAXPROCS(5)
	if got := calibrate(t, labels, truth, logits, Platt, 4); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v on 5 CPUs, %+v on 1", got, want)
	}
}

func TestCalibrateOddData(t *testing.T) {
	for _, rows := range []int{1, 2, 6} {
		var truth []int8
		var logits []float32
		for i := range rows {
			truth = append(truth, 0, 1, -1, int8(i%2))
			logits = append(logits, 1e4, 1e4, 3, 0)
		}
		c := calibrate(t, []string{"none", "all", "unknown", "constant"}, truth, logits, Platt, 1)
		for j := range c.Slope {
			if !(c.Slope[j] > 0) || c.Intercept[j]-c.Intercept[j] != 0 {
				t.Errorf("%d rows: line %d is %v·z + %v", rows, j, c.Slope[j], c.Intercept[j])
			}
		}
		if !c.Before.LogLoss.Defined() || !c.After.LogLoss.Defined() {
			t.Errorf("%d rows: before %+v, after %+v", rows, c.Before, c.After)
		}
	}
	for want, logits := range map[string][]float32{
		`row 2, label "b": logit is NaN`:  {0, 1, 2, float32(math.NaN())},
		`row 2, label "a": logit is -Inf`: {0, 1, float32(math.Inf(-1)), 0},
		"4 truths and 3 scores":           {0, 1, 2},
	} {
		_, err := Calibrate([]string{"a", "b"}, []int8{0, 1, -1, -1}, logits, Platt, rand.New(rand.NewPCG(1, 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestMethods(t *testing.T) {
	for _, m := range []Method{Temperature, Platt} {
		if got, err := ParseMethod(m.String()); got != m || err != nil {
			t.Errorf("%s is read as %s, %v", m, got, err)
		}
	}
	if m, err := ParseMethod("isotonic"); err == nil {
		t.Errorf("isotonic is read as %s", m)
	}
	if Method(0) != Temperature {
		t.Error("the zero method is not Temperature")
	}
}
