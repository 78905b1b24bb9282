package score

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/train/data"
)

func TestLine(t *testing.T) {
	m := &model.Model{Labels: testLabels, Thresholds: []float32{0.5, 0.5, 0.25}}
	p := model.Prediction{Probabilities: []float32{0.5, 0.75, 0.26}, Logits: []float32{0, 1.0986123, -1e-7}}
	for _, c := range []struct {
		line Line
		row  Row
		want string
	}{
		{Line{}, Row{Prediction: p}, `{"labels":["broken \"<b>\"","größe"],"probabilities":{"late":0.5,"broken \"<b>\"":0.75,"größe":0.26}}`},
		{Line{TopK: 2, Logits: true}, Row{Prediction: p},
			`{"labels":["broken \"<b>\"","größe"],"probabilities":{"broken \"<b>\"":0.75,"late":0.5},"logits":{"broken \"<b>\"":1.0986123,"late":0}}`},
		{Line{TopK: 9}, Row{Prediction: p},
			`{"labels":["broken \"<b>\"","größe"],"probabilities":{"broken \"<b>\"":0.75,"late":0.5,"größe":0.26}}`},
		{Line{Logits: true}, Row{Example: data.Example{HasID: true, ID: "7\u2028"}, Prediction: p},
			`{"id":"7\u2028","labels":["broken \"<b>\"","größe"],"probabilities":{"late":0.5,"broken \"<b>\"":0.75,"größe":0.26},"logits":{"late":0,"broken \"<b>\"":1.0986123,"größe":-1e-07}}`},
		{Line{}, Row{Example: data.Example{HasID: true, NumericID: true, ID: "2.50"},
			Vector: []float32{1, -0.5, 1e21, float32(math.Copysign(0, -1))}},
			`{"id":2.50,"embedding":[1,-0.5,1e+21,-0]}`},
		{Line{}, Row{Example: data.Example{HasID: true, Bad: &data.RowError{File: "f", Line: 1, Found: "a", Expected: "\"b\" & <c>"}},
			Vector: []float32{1}},
			`{"id":"","error":"found a, expected \"b\" & <c>"}`},
		{Line{}, Row{Vector: []float32{}}, `{"embedding":[]}`},
	} {
		if got := string(c.line.Append([]byte("before "), m, &c.row)); got != "before "+c.want+"\n" {
			t.Errorf("%+v:\n%s\nwant\n%s", c.line, got, c.want)
		}
		if !json.Valid([]byte(c.want)) {
			t.Errorf("%s is no JSON", c.want)
		}
	}
	if got := AppendJSON(nil, m, &Row{Prediction: p}); string(got) != string(Line{}.Append(nil, m, &Row{Prediction: p})) {
		t.Errorf("AppendJSON: %s", got)
	}
}

// Strings and numbers are what encoding/json reads back.
func TestLineRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var b strings.Builder
		for range rng.IntN(8) {
			b.WriteRune([]rune("ab\"\\\n\t\x00\x7f<>&é漢\u2028😀 ~")[rng.IntN(17)])
		}
		var s string
		if err := json.Unmarshal(AppendString(nil, b.String()), &s); err != nil || s != b.String() {
			t.Fatalf("%q is read as %q, %v", b.String(), s, err)
		}
		v, got := math.Float32frombits(rng.Uint32()), float32(0)
		if v-v != 0 {
			continue
		}
		if err := json.Unmarshal(AppendFloat(nil, v), &got); err != nil || math.Float32bits(got) != math.Float32bits(v) {
			t.Fatalf("%v is read as %v, %v", v, got, err)
		}
		if marshalled, err := json.Marshal(v); err != nil || v != 0 && strings.Replace(string(marshalled), "e-", "e-0",
			1) != string(AppendFloat(nil, v)) && string(marshalled) != string(AppendFloat(nil, v)) {
			t.Fatalf("%v is written as %s, by encoding/json as %s", v, AppendFloat(nil, v), marshalled)
		}
	}
}

// A prediction is written without garbage.
func TestLineAllocs(t *testing.T) {
	labels := []string{"late", "damaged", "wrong"}
	m := &model.Model{Labels: labels, Thresholds: []float32{0.5, 0.5, 0.5}}
	row := &Row{Example: data.Example{HasID: true, ID: "a-17"}, Prediction: model.Prediction{Probabilities: []float32{0.1, 0.7,
		0.20000001}}}
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst = AppendJSON(dst[:0], m, row) }); n > 0 {
		t.Errorf("%v allocations a line", n)
	}
	if !slices.Contains(labels, "late") || !strings.HasPrefix(string(dst), `{"id":"a-17"`) {
		t.Errorf("%s", dst)
	}
}
