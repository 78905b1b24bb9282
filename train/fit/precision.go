package fit

import (
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train/data"
)

// reader returns the model that computes the features of a data set: in a low precision one that has the weights of the last follow,
// rounded. In int8 that is for the rows that judge only.
func (r *run) reader(set *data.Dataset) *model.Model {
	if r.rounded == nil || r.rounded.Precision() == bert.Int8 && set != r.o.Dev {
		return r.m
	}
	return r.low
}

// follow makes reader see the present weights.
func (r *run) follow() {
	if r.rounded != nil {
		r.rounded.Follow(r.m.Threads())
	}
}

// roundedMemory returns what reader takes beside the model.
func (r *run) roundedMemory() int {
	if r.rounded == nil {
		return 0
	}
	kernels, follow := r.m.Encoder.RoundedMemory(r.rounded.Precision(), r.m.Threads())
	return kernels + follow
}

// passesMemory returns what passes over the texts take, for features of the given width.
func (r *run) passesMemory(width int) int {
	return max(r.featuresMemory(r.rows, r.texts, width), r.devMemory(width))
}

// devMemory is passesMemory for the texts of Dev alone.
func (r *run) devMemory(width int) int { return r.featuresMemory(r.o.Dev, r.devTexts, width) }

// readRows returns what has a row of features of its own: the texts, or by noisy-or their windows. first says which rows are those of a
// text, as train.Features has it; nil where each has one.
func (r *run) readRows(texts []tokenizer.Encoding) (rows []tokenizer.Encoding, first []int) {
	if r.noisyOr() {
		if rows, first = model.Separate(texts); len(rows) > len(texts) {
			return rows, first
		}
	}
	return texts, nil
}

// featuresMemory returns what passes over texts take, for features of the given width.
func (r *run) featuresMemory(set *data.Dataset, texts []tokenizer.Encoding, width int) int {
	rows, _ := r.readRows(texts)
	return r.reader(set).FeaturesMemory(rows, width)
}
