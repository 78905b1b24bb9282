package score

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"bertlabel/bert/model"
	"bertlabel/train/data"
)

// Line is the form of a row as a line of JSON. The zero Line is that of predict:
//
//	{"id":"7","labels":["late"],"probabilities":{"late":0.93,"damaged":0.02}}
//	{…,"windows":[{"start":0,"end":310,"tokens":97,"logits":{"late":1.9,"damaged":-2.1}}]}     with Row.Windows: shares of the logits
//	{…,"windows":[{…,"probabilities":{"late":0.85,…},"shares":{"late":1.9,…}}]}     by noisy-or: p_w, and −ln(1 − p_w)
//	{"id":"7","embedding":[0.12,-0.5]}          with a Row.Vector
//	{"id":"7","error":"column 9 (text): found …"}   of a row that has no result
//
// The error of a bad row does not say where the row stands, so that a part of a file gives the lines that the whole file gives.
// Without an id the line has none; one that was a number in JSON stays as it was written. A number is the shortest that gives back the
// float32; all are taken to be finite, as those of Chunks are.
type Line struct {
	TopK   int  // the so many most probable labels are shown, most probable first; 0: all, in their order
	Logits bool // they are shown, too
}

// AppendJSON appends a row of Chunks as a line of JSON, its line end included, to dst: Line{}.Append.
func AppendJSON(dst []byte, m *model.Model, r *Row) []byte { return Line{}.Append(dst, m, r) }

// Append appends a row with a result of m, or a bad one, as a line of JSON, its line end included, to dst, and returns that.
func (l Line) Append(dst []byte, m *model.Model, r *Row) []byte {
	dst = AppendID(append(dst, '{'), &r.Example)
	switch {
	case r.Bad != nil:
		dst = AppendString(append(dst, `"error":`...), r.Bad.Fault())
	case r.Err != nil:
		dst = AppendString(append(dst, `"error":`...), r.Err.Error())
	case r.Vector != nil:
		dst = AppendVector(append(dst, `"embedding":`...), r.Vector)
	default:
		dst = l.appendPrediction(dst, m, r.Prediction)
		dst = l.appendWindows(dst, m, r)
	}
	return append(dst, "}\n"...)
}

// AppendID appends the member "id" of a row, with a comma after it, to dst; nothing if the row has no id.
func AppendID(dst []byte, ex *data.Example) []byte {
	if !ex.HasID {
		return dst
	}
	dst = append(dst, `"id":`...)
	if ex.NumericID {
		dst = append(dst, ex.ID...)
	} else {
		dst = AppendString(dst, ex.ID)
	}
	return append(dst, ',')
}

func (l Line) appendPrediction(dst []byte, m *model.Model, p model.Prediction) []byte {
	dst = append(dst, `"labels":[`...)
	first, top := true, m.Top(p.Probabilities)
	for i, v := range p.Probabilities {
		if i == top || top < 0 && m.Predicts(i, v) {
			dst = AppendString(appendComma(dst, &first), m.Labels[i])
		}
	}
	order := l.order(p.Probabilities)
	dst = appendObject(append(dst, `],"probabilities":`...), m.Labels, p.Probabilities, order)
	if l.Logits {
		dst = appendObject(append(dst, `,"logits":`...), m.Labels, p.Logits, order)
	}
	return dst
}

// appendWindows appends what the windows of a row have of its logits, or by noisy-or of −ln(1 − p) of its probabilities, for the labels
// that are shown; nothing if nobody asked for it.
func (l Line) appendWindows(dst []byte, m *model.Model, r *Row) []byte {
	if r.Windows == nil {
		return dst
	}
	dst, order := append(dst, `,"windows":[`...), l.order(r.Prediction.Probabilities)
	first := true
	for _, w := range r.Windows {
		dst = strconv.AppendInt(append(appendComma(dst, &first), `{"start":`...), int64(w.Start), 10)
		dst = strconv.AppendInt(append(dst, `,"end":`...), int64(w.End), 10)
		dst = strconv.AppendInt(append(dst, `,"tokens":`...), int64(w.Tokens), 10)
		shares, probabilities := make([]float32, len(w.Shares)), make([]float32, len(w.Shares))
		for i, share := range w.Shares {
			shares[i], probabilities[i] = float32(share), float32(-math.Expm1(-share))
		}
		if m.WindowPooling == model.NoisyOr {
			dst = appendObject(append(dst, `,"probabilities":`...), m.Labels, probabilities, order)
			dst = append(appendObject(append(dst, `,"shares":`...), m.Labels, shares, order), '}')
		} else {
			dst = append(appendObject(append(dst, `,"logits":`...), m.Labels, shares, order), '}')
		}
	}
	return append(dst, ']')
}

// order returns the labels that are shown; nil for all in their order.
func (l Line) order(probabilities []float32) []int {
	if l.TopK <= 0 {
		return nil
	}
	order := make([]int, len(probabilities))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(probabilities[b], probabilities[a]) })
	return order[:min(l.TopK, len(order))]
}

// appendObject appends {"label":value,…} for the labels in order, nil for all.
func appendObject(dst []byte, labels []string, values []float32, order []int) []byte {
	dst = append(dst, '{')
	first := true
	add := func(i int) {
		dst = append(AppendString(appendComma(dst, &first), labels[i]), ':')
		dst = AppendFloat(dst, values[i])
	}
	if order == nil {
		for i := range values {
			add(i)
		}
	}
	for _, i := range order {
		add(i)
	}
	return append(dst, '}')
}

// AppendVector appends x as a JSON list.
func AppendVector(dst []byte, x []float32) []byte {
	dst = append(dst, '[')
	first := true
	for _, v := range x {
		dst = AppendFloat(appendComma(dst, &first), v)
	}
	return append(dst, ']')
}

func appendComma(dst []byte, first *bool) []byte {
	if !*first {
		dst = append(dst, ',')
	}
	*first = false
	return dst
}

// AppendFloat appends a finite float32 as JSON: the shortest decimal that gives it back.
func AppendFloat(dst []byte, v float32) []byte {
	format := byte('f')
	if abs := math.Abs(float64(v)); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, float64(v), format, -1, 32)
}

// AppendString appends s as a JSON string; <, > and & stay as they are.
func AppendString(dst []byte, s string) []byte {
	if plain(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string can always be encoded
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// plain reports whether s needs no escape: printable ASCII without " and \.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
