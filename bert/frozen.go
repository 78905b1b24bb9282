package bert

import "bertlabel/tensor"

// FrozenStates keeps what the frozen layers below a Trainer give for the texts of a training set: without dropout, and with the same
// bits in every batch, that is the same in each epoch.
type FrozenStates struct {
	states  tensor.Tensor // [tokens, hidden], the texts one after the other
	offsets []int         // text t has rows [offsets[t], offsets[t+1])
	known   []bool        // texts whose rows have been computed, [texts]
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
	return &FrozenStates{*tensor.New(texts.Tokens(), hidden), offsets, make([]bool, texts.Texts())}
}

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

// store keeps x, the states of these texts.
func (f *FrozenStates) store(x *tensor.Tensor, texts []int) {
	if f == nil {
		return
	}
	row := 0
	for _, t := range texts {
		states := f.of(t)
		copy(states.Data, x.Data[row*x.Cols:])
		f.known[t] = true
		row += states.Rows
	}
}

// of returns the rows of one text.
func (f *FrozenStates) of(text int) tensor.Tensor {
	return f.states.SliceRows(f.offsets[text], f.offsets[text+1])
}
