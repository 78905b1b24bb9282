package trace

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/plain"
	"bertlabel/bert/tokenizer"
)

// Alteration is one change of the computation. Of the zero value nothing is changed.
type Alteration struct {
	Without string // scale, position, gelu, residual1, residual2, norm, or head:L.H

	// Instead, where Stage is not empty: element [Row, Col] of that stage becomes Value.
	Stage    string
	Row, Col int
	Value    float64
}

// Altered says what became of one stage.
type Altered struct {
	Stage   string  `json:"stage"`
	Largest float64 `json:"largest_change"` // of one element
	RMS     float64 `json:"rms_change"`     // root of the mean square over the elements
	Before  float64 `json:"rms_before"`     // root of the mean square of the stage as it is
}

// AlteredLabel says what became of the probability of one label.
type AlteredLabel struct {
	Label  string  `json:"label"`
	Before float64 `json:"probability"`
	After  float64 `json:"probability_altered"`
}

// withouts are the parts that can be left out. Each returns what a stage becomes, given its own value and the stages before it; without an
// entry for the name of a stage it stays.
var withouts = map[string]func(p *plain.Pass, name string, x plain.Matrix) plain.Matrix{
	"scale": func(p *plain.Pass, name string, x plain.Matrix) plain.Matrix { // scores = q·kᵀ, not divided by √D
		if !strings.HasSuffix(name, "/self/scores") {
			return x
		}
		d := len(p.Stages[strings.TrimSuffix(name, "scores")+"query"][0]) / p.Heads
		return each(x, func(_, _ int, v float64) float64 { return v * math.Sqrt(float64(d)) })
	},
	"position": func(_ *plain.Pass, name string, x plain.Matrix) plain.Matrix { // the position's vectors are 0
		if name != "bert/embeddings/position" {
			return x
		}
		return each(x, func(int, int, float64) float64 { return 0 })
	},
	"gelu":      replaced("/intermediate/act", "act", "dense"),                  // the FFN is linear
	"residual1": replaced("/attention/output/sum", "sum", "dense"),              // a = LayerNorm(MultiHead(x))
	"residual2": replaced("[0-9]/output/sum", "sum", "dense"),                   // y = LayerNorm(FFN(a))
	"norm":      replaced("/(embeddings|output)/LayerNorm", "LayerNorm", "sum"), // of all sums none is normed
}

// replaced gives stages whose names end in what the pattern says the value of the stage before it that is called to in place of from.
func replaced(pattern, from, to string) func(*plain.Pass, string, plain.Matrix) plain.Matrix {
	ends := regexp.MustCompile(pattern + "$")
	return func(p *plain.Pass, name string, x plain.Matrix) plain.Matrix {
		if ends.MatchString(name) {
			return p.Stages[strings.TrimSuffix(name, from)+to]
		}
		return x
	}
}

// Parts lists what ParseWithout knows, besides head:L.H.
func Parts() []string { return []string{"scale", "position", "gelu", "residual1", "residual2", "norm"} }

var headName = regexp.MustCompile(`^head:(\d{1,4})\.(\d{1,4})$`)

// setting is NAME[row,column]=value.
var setting = regexp.MustCompile(`^([^\[\]]+)\[(\d{1,9}), ?(\d{1,9})\]=(\S+)$`)

// ParseWithout reads the name of a part: one of Parts, or head:L.H for head H of layer L.
func ParseWithout(s string) (Alteration, error) {
	if !slices.Contains(Parts(), s) && !headName.MatchString(s) {
		return Alteration{}, fmt.Errorf("no part is called %q, want %s, or head:L.H as in head:1.0", s, strings.Join(Parts(), ", "))
	}
	return Alteration{Without: s}, nil
}

// ParseSetting reads NAME[3,5]=0.25, rows and columns from 0.
func ParseSetting(s string) (Alteration, error) {
	m := setting.FindStringSubmatch(s)
	if m == nil {
		return Alteration{}, fmt.Errorf("%q, want NAME[ROW,COLUMN]=NUMBER as in layer_0[3,5]=0.25", s)
	}
	row, _ := strconv.Atoi(m[2])
	col, _ := strconv.Atoi(m[3])
	value, err := strconv.ParseFloat(m[4], 64)
	if err != nil || math.IsInf(value, 0) || math.IsNaN(value) {
		return Alteration{}, fmt.Errorf("%q sets no finite number", s)
	}
	return Alteration{Stage: m[1], Row: row, Col: col, Value: value}, nil
}

// change returns the hook of plain that makes the alteration. hit is set when it has come to the stage that it is about.
func (a Alteration) change(hit *bool) func(p *plain.Pass, name string, x plain.Matrix) plain.Matrix {
	if a.Stage != "" {
		return func(_ *plain.Pass, name string, x plain.Matrix) plain.Matrix {
			if name != a.Stage || a.Row >= len(x) || a.Col >= len(x[0]) {
				return x
			}
			*hit = true
			return each(x, func(i, j int, v float64) float64 {
				if i == a.Row && j == a.Col {
					return a.Value
				}
				return v
			})
		}
	}
	if m := headName.FindStringSubmatch(a.Without); m != nil {
		layer, _ := strconv.Atoi(m[1])
		head, _ := strconv.Atoi(m[2])
		return func(p *plain.Pass, name string, x plain.Matrix) plain.Matrix {
			if name != fmt.Sprintf("bert/encoder/layer_%d/attention/self/context", layer) || head >= p.Heads {
				return x
			}
			*hit = true
			return each(x, func(_, j int, v float64) float64 {
				if j/(len(x[0])/p.Heads) == head { // the columns of this head
					return 0
				}
				return v
			})
		}
	}
	*hit = true
	return withouts[a.Without]
}

// Alter runs a text through package plain twice, as the model is and with the alteration, and returns the stages that changed, in the order
// of the computation, and the probabilities of both. It takes the time of plain: seconds for a large model. The error says that the model
// has no such stage, element or head.
func Alter(m *model.Model, text tokenizer.Encoding, a Alteration) ([]Altered, []AlteredLabel, error) {
	p := plainOf(m)
	vectors, err := vectorsOf(m)
	if err != nil {
		return nil, nil, err
	}
	var ids, segments []int
	for i := range text.IDs {
		ids, segments = append(ids, int(text.IDs[i])), append(segments, int(text.Segments[i]))
	}
	before := p.Forward(ids, segments, vectors...)
	hit := false
	p.Change = a.change(&hit)
	after := p.Forward(ids, segments, vectors...)
	if !hit {
		return nil, nil, a.missed(before)
	}
	var changed []Altered
	for _, name := range before.Names {
		if c := difference(name, before.Stages[name], after.Stages[name]); c.Largest != 0 {
			changed = append(changed, c)
		}
	}
	var labels []AlteredLabel
	if m.Head != nil {
		for i, label := range m.Labels {
			labels = append(labels, AlteredLabel{label, before.Stages[Probabilities][0][i], after.Stages[Probabilities][0][i]})
		}
	}
	return changed, labels, nil
}

// missed says what the model does not have.
func (a Alteration) missed(p *plain.Pass) error {
	if a.Stage == "" {
		return fmt.Errorf("%s: the model has layers 0 to %d with heads 0 to %d", a.Without, p.Layers-1, p.Heads-1)
	}
	if x := p.Stages[a.Stage]; x != nil {
		return fmt.Errorf("%s has %d rows and %d columns, no [%d,%d]", a.Stage, len(x), len(x[0]), a.Row, a.Col)
	}
	return fmt.Errorf("no stage is called %q: the names are those of the stages that the trace has", a.Stage)
}

func difference(name string, before, after plain.Matrix) Altered {
	c, squares, were, n := Altered{Stage: name}, 0.0, 0.0, 0.0
	for i, row := range before {
		for j, v := range row {
			d := after[i][j] - v
			c.Largest = max(c.Largest, math.Abs(d))
			squares, were, n = squares+d*d, were+v*v, n+1
		}
	}
	c.RMS, c.Before = math.Sqrt(squares/n), math.Sqrt(were/n)
	return c
}

// each is a matrix of f of the elements.
func each(x plain.Matrix, f func(i, j int, v float64) float64) plain.Matrix {
	y := make(plain.Matrix, len(x))
	for i := range x {
		y[i] = make([]float64, len(x[i]))
		for j, v := range x[i] {
			y[i][j] = f(i, j, v)
		}
	}
	return y
}
