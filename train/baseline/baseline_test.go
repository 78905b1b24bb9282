package baseline

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
)

// golden is what testdata/golden.py wrote.
type golden struct {
	Train, Test []string
	Labels      [][]int8
	Cases       []struct {
		MinDF       int  `json:"min_df"`
		SublinearTF bool `json:"sublinear_tf"`
		Terms       []string
		IDF         []float64
		Test        []map[string]float64
		Regressions []struct {
			C             float64
			Bias          []float64
			WeightNorm    []float64 `json:"weight_norm"`
			Probabilities [][]float64
		}
	}
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func parts(texts []string) (p [][]string) {
	for _, text := range texts {
		p = append(p, []string{text})
	}
	return p
}

// Terms, idf and vectors are scikit-learn's.
func TestVectorizer(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.Cases {
		v := NewVectorizer(parts(g.Train), Options{Words: 2, MinDF: c.MinDF, SublinearTF: c.SublinearTF})
		if v.Terms() != len(c.Terms) {
			t.Errorf("%d terms, want %d", v.Terms(), len(c.Terms))
		}
		for i, term := range c.Terms {
			if column, there := v.columns[term]; !there || int(column) != i || !(math.Abs(v.idf[i]-c.IDF[i]) <= 1e-14*c.IDF[i]) {
				t.Fatalf("%q: column %d %v, want %d", term, column, there, i)
			}
		}
		x := v.Transform(parts(g.Test))
		for i, want := range c.Test {
			columns, values := x.Row(i)
			if len(columns) != len(want) || !slices.IsSorted(columns) {
				t.Errorf("%q: columns %v, want %v", g.Test[i], columns, want)
			}
			for k, column := range columns {
				if w := want[strconv.Itoa(int(column))]; !(math.Abs(values[k]-w) <= 1e-14) { // some roundings of numbers up to 1
					t.Errorf("%q, %q: %v, want %v", g.Test[i], c.Terms[column], values[k], w)
				}
			}
		}
	}
}

// Bias, weights and probabilities are those of scikit-learn's newton-cholesky at a tolerance of 1e-13.
func TestTrain(t *testing.T) {
	g := readGolden(t)
	var truth []int8
	for _, row := range g.Labels {
		truth = append(truth, row...)
	}
	for _, c := range g.Cases {
		o := Options{Words: 2, MinDF: c.MinDF, SublinearTF: c.SublinearTF}
		for _, want := range c.Regressions {
			m, err := Train(context.Background(), Data{parts(g.Train), truth}, Data{}, 3, o, []float64{want.C}, nil)
			if err != nil {
				t.Fatal(err)
			}
			p := m.Predict(parts(g.Test))
			for label := range 3 {
				// A gradient of 1e-8 of at most C·120 leaves an error of at most that in w, as H is at least 1 there.
				tolerance := 2e-6 * max(1, want.C)
				norm := math.Sqrt(dot(m.Weights[label], m.Weights[label]))
				if !(math.Abs(m.Bias[label]-want.Bias[label]) <= tolerance) || !(math.Abs(norm-want.WeightNorm[label]) <= tolerance) ||
					m.C[label] != want.C {
					t.Errorf("C %v, label %d: bias %v, |w| %v, want %v and %v", want.C, label, m.Bias[label], norm, want.Bias[label],
						want.WeightNorm[label])
				}
				for i := range g.Test {
					if w := want.Probabilities[label][i]; !(math.Abs(float64(p[i*3+label])-w) <= tolerance) {
						t.Errorf("C %v, label %d, %q: %v, want %v", want.C, label, g.Test[i], p[i*3+label], w)
					}
				}
			}
		}
	}
}

// The gradient at the solution is zero, by central differences of the objective that the comment on logistic states.
func TestLogisticOptimum(t *testing.T) {
	g := readGolden(t)
	v := NewVectorizer(parts(g.Train), Options{Words: 2, MinDF: 2})
	x, c := v.Transform(parts(g.Train)), column{}
	for i, row := range g.Labels {
		if i%5 > 0 { // the others are unknown
			c.rows, c.y = append(c.rows, i), append(c.y, row[0])
		}
	}
	l := newLogistic(x, c.rows, c.y)
	l.solve(3)
	objective := func(w []float64) float64 {
		return dot(w[:len(w)-1], w[:len(w)-1])/2 + 3*logLoss(x, c, w)
	}
	for j := range l.w {
		at := l.w[j]
		l.w[j] = at + 1e-5
		up := objective(l.w)
		l.w[j] = at - 1e-5
		slope := (up - objective(l.w)) / 2e-5
		l.w[j] = at
		if !(math.Abs(slope) <= 1e-6) { // 1e-16 of an objective of 200, over the step, is 2e-9; the solver stops at 1e-6
			t.Errorf("slope %v in column %d", slope, j)
		}
	}
}

// C is the best on dev; labels of one class, unknown cells and texts without terms are no trouble; the end of the context is told.
func TestTrainChooses(t *testing.T) {
	g := readGolden(t)
	all := Data{Texts: parts(g.Train)}
	for i, row := range g.Labels {
		unknown := row[2]
		if i%3 == 0 {
			unknown = Unknown
		}
		all.Truth = append(all.Truth, row[0], 0, Unknown, unknown)
	}
	train, dev := Data{all.Texts[:80], all.Truth[:80*4]}, Data{all.Texts[80:], all.Truth[80*4:]}
	cs, o := []float64{0.01, 1, 100}, Options{Words: 2, MinDF: 1}
	m, err := Train(context.Background(), train, dev, 4, o, cs, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := math.Log(0.5 / 80.5); m.Bias[1] != want || m.Bias[2] != 0 || m.C[1] != 0 {
		t.Errorf("bias %v, want %v and 0; C %v", m.Bias, want, m.C)
	}
	loss := func(m *Model, label int) float64 {
		return logLoss(m.Vectorizer.Transform(dev.Texts), cells(dev.Truth, label, 4), append(slices.Clone(m.Weights[label]), m.Bias[label]))
	}
	for _, label := range []int{0, 3} {
		for _, c := range cs {
			single, err := Train(context.Background(), train, dev, 4, o, []float64{c}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := loss(m, label); got > loss(single, label)+1e-6 {
				t.Errorf("label %d: C %v has the loss %v on dev, but %v has %v", label, m.C[label], got, c, loss(single, label))
			}
		}
	}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Train(stopped, train, dev, 4, o, cs, nil); err != context.Canceled {
		t.Errorf("stopped: %v", err)
	}
}

// The zero Options are scikit-learn's: single words, and every one of them.
func TestZeroOptions(t *testing.T) {
	texts := parts(readGolden(t).Train)
	if zero, same, two := NewVectorizer(texts, Options{}), NewVectorizer(texts, Options{Words: 1, MinDF: 1}),
		NewVectorizer(texts, Options{Words: 2}); zero.Terms() == 0 ||
		zero.Terms() != same.Terms() || zero.Terms() >= two.Terms() {
		t.Errorf("%d terms, want %d, which are fewer than %d", zero.Terms(), same.Terms(), two.Terms())
	}
}

func ExampleTrain() {
	texts := [][]string{{"The sun is warm."}, {"A warm day"}, {"Cold rain"}, {"The rain is cold."}}
	m, err := Train(context.Background(), Data{texts, []int8{1, 1, 0, 0}}, Data{}, 1, Options{Words: 2, MinDF: 1}, []float64{10}, nil)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.2f\n", m.Predict([][]string{{"warm sun"}, {"cold"}}))
	// Output: [0.81 0.24]
}
