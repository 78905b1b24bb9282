package bert

import (
	"fmt"

	"bertlabel/tensor"
)

// FrozenStates keeps what the frozen layers below a Trainer give for the texts of a set: without dropout, and with the same bits in every
// batch, that is the same in each epoch, and for inference too. After Pool it keeps with them the vectors that a pooling has of the frozen
// layers, so that Model.FeaturesKept runs the trained layers only.
type FrozenStates struct {
	states  tensor.Tensor // [tokens, hidden], the texts one after the other
	offsets []int         // text t has rows [offsets[t], offsets[t+1])
	known   []bool        // texts whose rows have been computed, [texts]

	plan     *poolingPlan   // of Pool; nil: no vectors are kept
	frozen   int            // layers below the trained ones
	features *tensor.Tensor // [texts, width]; of a known text the vectors of the frozen layers stand there
	pooled   tensor.Tensor  // those of a trainer's batch, [sequences, width]
}

// NewFrozenStates returns room for the states of width hidden of all texts, which are not computed yet: 4·tokens·hidden bytes.
func NewFrozenStates(texts *Batch, hidden int) *FrozenStates {
	offsets := texts.Offsets
	if texts.windowed() {
		offsets = []int{0}
		for t := range texts.Texts() {
			_, end := texts.Text(t)
			offsets = append(offsets, end)
		}
	}
	return &FrozenStates{states: *tensor.New(texts.Tokens(), hidden), offsets: offsets, known: make([]bool, texts.Texts())}
}

// Pool makes f keep the vectors that pooling has of the frozen layers of m, of which so many of the last are trained, for all texts whose
// states are computed from now on: 4·texts·width bytes, in which FeaturesKept completes them. The error says what m lacks for pooling, or
// that it reads none of the trained layers, or that none are frozen.
func (f *FrozenStates) Pool(m *Model, trained int, pooling Pooling) error {
	plan, err := m.planPooling(pooling)
	if err != nil {
		return err
	}
	frozen := len(m.Layers) - trained
	if frozen < 1 || plan.depth <= frozen {
		return fmt.Errorf("pooling %s with %d of %d layers frozen: want one that reads a trained layer, above a frozen one", pooling, frozen,
			len(m.Layers))
	}
	f.plan, f.frozen, f.features = plan, frozen, tensor.New(len(f.known), len(plan.parts)*m.Config.HiddenSize)
	return nil
}

// Pooling returns that of Pool, which must have been called.
func (f *FrozenStates) Pooling() Pooling { return f.plan.pooling }

// Features returns the features of Pooling, [texts, width], which belong to f: the vectors of trained layers are those of the last
// FeaturesKept for a text.
func (f *FrozenStates) Features() *tensor.Tensor { return f.features }

// Known returns for how many texts f has what it keeps; 0 on a nil receiver.
func (f *FrozenStates) Known() (n int) {
	if f == nil {
		return 0
	}
	for _, known := range f.known {
		if known {
			n++
		}
	}
	return n
}

// Complete says that FeaturesKept has seen all sequences of a text, and that its row of Features has the vectors of the frozen layers.
func (f *FrozenStates) Complete(text int) { f.known[text] = true }

// load sets x to the states of these texts; false if one is not known. It is false on a nil receiver.
func (f *FrozenStates) load(x *tensor.Tensor, texts []int) bool {
	if f == nil {
		return false
	}
	for _, t := range texts {
		if !f.known[t] {
			return false
		}
	}
	row := 0
	for _, t := range texts {
		states := f.of(t)
		copy(x.Data[row*x.Cols:], states.Data)
		row += states.Rows
	}
	return true
}

// pool keeps what the pooling has of frozen layer n, −1 for the embeddings, whose output for the batch is x.
func (f *FrozenStates) pool(ws *Workspace, x *tensor.Tensor, n int, b *Batch) {
	if f == nil || f.plan == nil {
		return
	}
	f.pooled.Resize(b.Sequences(), f.features.Cols)
	f.plan.read(ws, &f.pooled, x, n, b.Offsets, b.Kept)
}

// store keeps x, the states of these texts, which are those of the batch, and what pool has of them.
func (f *FrozenStates) store(x *tensor.Tensor, texts []int, b *Batch) {
	if f == nil {
		return
	}
	row := 0
	for i, t := range texts {
		states := f.of(t)
		copy(states.Data, x.Data[row*x.Cols:])
		f.known[t] = true
		row += states.Rows
		if f.plan == nil {
			continue
		}
		first, end := b.sequencesOf(i)
		if !b.windowed() {
			copy(f.features.Row(t), f.pooled.Row(first))
			continue
		}
		parts := f.pooled.SliceRows(first, end)
		f.plan.join(f.features.Row(t), &parts, b.Kept[first:end])
	}
}

// of returns the rows of one text.
func (f *FrozenStates) of(text int) tensor.Tensor {
	return f.states.SliceRows(f.offsets[text], f.offsets[text+1])
}

// FrozenPlace says where a sequence stands among the texts of FrozenStates.
type FrozenPlace struct {
	Text  int
	Token int // of the text, the first one of the sequence
}

// FeaturesKept is Features for the pooling of kept, of a batch whose sequences stand at these places, [sequences]: y is [sequences, width],
// and windows of a text are not joined. Where kept has all texts, only its trained layers are run. Else all layers are run, and the states
// of the frozen ones are kept; the caller tells Complete. The vectors that a known text has of the frozen layers are those of the whole
// text, in each of its windows: joined, they are themselves, as they are means and maxima of equal numbers. m may be the model of Pool in
// a low precision, if kept has nothing of another one.
//
// Passes may run at once, if each has its own workspace, y and sequences.
func (m *Model) FeaturesKept(ws *Workspace, y *tensor.Tensor, b *Batch, kept *FrozenStates, at []FrozenPlace) error {
	plan, err := m.planFor(ws, kept.plan.pooling)
	if err != nil {
		return err
	}
	known := true
	for _, p := range at {
		known = known && kept.known[p.Text]
	}
	from := 0
	var seen func(n int, x *tensor.Tensor)
	if known {
		if err := b.Check(&m.Config); err != nil {
			return err
		}
		ws.x.Resize(b.Tokens(), m.Config.HiddenSize)
		kept.each(&ws.x, b, at, func(row, state []float32) { copy(row, state) })
		from = kept.frozen
	} else {
		seen = func(n int, x *tensor.Tensor) {
			if n == kept.frozen-1 {
				kept.each(x, b, at, func(row, state []float32) { copy(state, row) })
			}
		}
	}
	if err := plan.run(ws, y, b, from, seen); err != nil {
		return err
	}
	for s, p := range at {
		if kept.known[p.Text] {
			kept.recall(y.Row(s), p.Text)
		}
	}
	return nil
}

// each calls f with the rows of each sequence in x [tokens, hidden], and their place among the states.
func (f *FrozenStates) each(x *tensor.Tensor, b *Batch, at []FrozenPlace, do func(rows, states []float32)) {
	for s, p := range at {
		rows := x.SliceRows(b.Offsets[s], b.Offsets[s+1])
		first := f.offsets[p.Text] + p.Token
		states := f.states.SliceRows(first, first+rows.Rows)
		do(rows.Data, states.Data)
	}
}

// recall sets the vectors of frozen layers in y [width] to those of a text.
func (f *FrozenStates) recall(y []float32, text int) {
	hidden := len(y) / len(f.plan.parts)
	for i, part := range f.plan.parts {
		if part.layer < f.frozen {
			copy(y[i*hidden:(i+1)*hidden], f.features.Row(text)[i*hidden:])
		}
	}
}
