package serve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/queue"
	"bertlabel/bert/tokenizer"
)

// goldenTexts are what every model is passed over before it takes traffic: nothing, little, a pair, other writings, more than short texts.
var goldenTexts = []model.Text{{}, {A: "a"}, {A: "My parcel never came."}, {A: "a question?", B: "an answer"}, {A: "È già 1€ 我们 🙂"},
	{A: strings.Repeat("one two three four ", 12)}}

// try passes a model that is to be served over the golden texts and its own samples (model.Sample), by the queue as all texts, beside
// the traffic. The error says what a client would have seen.
func (ms *models) try(l *loaded) error {
	texts := slices.Clone(goldenTexts)
	for _, s := range l.Samples {
		texts = append(texts, model.Text{A: s.Text, B: s.Pair})
	}
	e, err := l.engine(l.Pooling)
	if err != nil {
		return err
	}
	encodings := make([]tokenizer.Encoding, len(texts))
	for i, t := range texts {
		encodings[i] = l.EncodeOne(t)
	}
	windows, first := model.Separate(encodings)
	result, err := ms.queue.Do(context.Background(), queue.Request{Target: e.target, Class: queue.Bulk, Stream: true, Flow: "load",
		Texts: windows})
	if err != nil {
		return err
	}
	if err := errors.Join(result.Errors...); err != nil {
		return err
	}
	rows := make([]row, len(windows))
	for i := range rows {
		rows[i].feature = result.Features.Row(i)
	}
	if rows, err = l.join(l.Pooling, encodings, rows, first); err != nil {
		return err
	}
	if l.dead(rows[:len(goldenTexts)]) {
		return errors.New("the encoder says the same of every text: its weights are broken")
	}
	if l.Head == nil {
		return nil
	}
	for i, t := range texts {
		r := &rows[i]
		r.logits, r.probabilities = make([]float32, len(l.Labels)), make([]float32, len(l.Labels))
		if err := l.score(r); err != nil {
			return fmt.Errorf("the text %.60q: %w", t.A, err)
		}
		if k := i - len(goldenTexts); k >= 0 {
			if err := l.CheckSample(&l.Samples[k], r.probabilities); err != nil {
				return err
			}
		}
	}
	return nil
}

// dead tells whether all golden texts have one feature, up to what sums in float32 may differ by. Texts of different words and lengths
// have different ones in every encoder whose layers do something.
func (l *loaded) dead(rows []row) bool {
	first, largest := rows[0].feature, 0.0
	for _, v := range first {
		largest = max(largest, math.Abs(float64(v)))
	}
	for _, r := range rows[1:] {
		for j, v := range r.feature {
			if math.Abs(float64(v-first[j])) > 1e-4*largest {
				return false
			}
		}
	}
	return true
}
