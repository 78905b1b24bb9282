package fit

import (
	"slices"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/fit/note"
)

// startHead returns the head that training starts from: the model's own if it is for the same labels, features and windows, its rows in the
// order of the run's labels, else a new one.
func (r *run) startHead(pooling bert.Pooling, width int) *layers.Classifier {
	m := r.m
	if m.Head == nil {
		return r.newHead(width, r.rows.Y, r.rows.Shares)
	}
	names := m.Labels
	if m.Unnamed && len(names) == len(r.labels) {
		names = r.labels // in their order, as there is no other
	}
	if !sameSet(names, r.labels) || m.Pooling != pooling || r.before.String() != m.WindowPooling.String() {
		r.watch.note(note.FromHead{Own: false})
		return r.newHead(width, r.rows.Y, r.rows.Shares)
	}
	order := make([]int, len(r.labels))
	for i, label := range r.labels {
		order[i] = slices.Index(names, label)
	}
	r.watch.note(note.FromHead{Own: true})
	return m.Head.Select(order)
}

// newHead returns a head as before any training, whose bias the training cells y, and their shares, may decide.
func (r *run) newHead(width int, y []int8, shares []float32) *layers.Classifier {
	head := layers.NewClassifier(len(r.labels), width)
	train.InitClassifier(head, r.config.Seed)
	if r.o.LogOddsBias {
		train.LogOddsBias(head, y, shares)
	}
	if r.noisyOr() { // a text of as many windows as it has on average starts where one of one window does
		windows := 0
		for i := range r.texts {
			windows += r.texts[i].Sequences()
		}
		for l, b := range head.Bias.Value {
			head.Bias.Value[l] = float32(layers.NoisyOrPart(float64(b), float64(windows)/float64(len(r.texts))))
		}
	}
	return head
}

// sameSet reports whether two lists have the same names, in any order.
func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
