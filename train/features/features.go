package features

import (
	"encoding/hex"
	"fmt"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train/data"
)

// The names of the tensors of a part.
const (
	vectorsName = "embeddings" // float32 [rows, width]
	labelsName  = "labels"     // int8 or float32 [rows, labels]
)

// Set is a folder of parts. All parts are of one encoder, in one precision, by one pooling and of the same lengths, and have the same
// labels. A Set is for one goroutine at a time.
type Set struct {
	Dir       string
	Pooling   bert.Pooling
	Lengths   tokenizer.Lengths // that texts were read up to
	Precision string            // of the passes: fp32, bf16 or int8
	Labels    *data.LabelList
	Soft      bool    // the labels are shares
	Binarize  float64 // the share from which on a label counts; 0: a half, which nobody has said

	encoder     string // model.EncoderFingerprint of what they are of, in hex
	width, rows int
	parts       []part
	open        *safetensors.File // of the part that was read last; nil for none
	opened      int               // which that is
}

// part is a file of a Set.
type part struct {
	path  string
	rows  int
	sound int // rows from the first on that have been read and are numbers
}

// Error says what is wrong with a file of features.
type Error struct {
	File, Tensor    string // Tensor is "" for the file itself
	Found, Expected string
}

func (e *Error) Error() string {
	where := e.File
	if e.Tensor != "" {
		where += fmt.Sprintf(": tensor %q", e.Tensor)
	}
	return fmt.Sprintf("%s: found %s, want %s", where, e.Found, e.Expected)
}

// ModelError says that features are not those of a model.
type ModelError struct {
	Dir, Model      string // the set, and the path of the model
	What            string
	Found, Expected string // of the features, and of the model
}

func (e *ModelError) Error() string {
	return fmt.Sprintf("%s has features of another model than %s: %s %s, the model's is %s", e.Dir, e.Model, e.What, e.Found, e.Expected)
}

// Check returns a *ModelError unless the features are of the encoder of m. The head of m does not matter, nor do its lengths: those of the
// features are the ones that a head on them has to be used with.
func (s *Set) Check(m *model.Model) error {
	if own := hex.EncodeToString(m.EncoderFingerprint()); s.encoder != own {
		return &ModelError{s.Dir, m.Path(), "encoder", s.encoder, own}
	}
	if n, limit := s.Lengths.MaxSeqLength, m.Encoder.Config.MaxPositionEmbeddings; n > limit {
		return &ModelError{s.Dir, m.Path(), "max_seq_length", fmt.Sprint(n), fmt.Sprintf("%d positions", limit)}
	}
	width, err := m.Encoder.PoolingWidth(s.Pooling)
	if err == nil && width != s.width {
		err = &ModelError{s.Dir, m.Path(), "the width of " + s.Pooling.String(), fmt.Sprint(s.width), fmt.Sprint(width)}
	}
	return err
}

// Alike returns an error unless another set, the rows of which are to judge heads on s, is of the same encoder, precision, pooling, lengths
// and labels.
func (s *Set) Alike(other *Set) error {
	theirs := other.facts()
	for i, fact := range s.facts() {
		if theirs[i] != fact {
			return &Error{File: other.Dir, Found: fmt.Sprintf("%s %s", fact[0], theirs[i][1]),
				Expected: fmt.Sprintf("%s as %s has it", fact[1], s.Dir)}
		}
	}
	return nil
}

// facts lists what two sets have to agree on.
func (s *Set) facts() [][2]string {
	return [][2]string{{"encoder", s.encoder}, {"precision", s.Precision}, {"pooling", s.Pooling.String()},
		{"texts of up to", s.Lengths.String()}, {"width", fmt.Sprint(s.width)}, {"labels", fmt.Sprintf("%q", s.Labels.Names())}}
}

// Len returns the number of parts.
func (s *Set) Len() int { return len(s.parts) }

// Width returns the numbers of a row.
func (s *Set) Width() int { return s.width }

// Rows returns the rows of a part; some parts may have none.
func (s *Set) Rows(part int) int { return s.parts[part].rows }

// Total returns the rows of all parts.
func (s *Set) Total() int { return s.rows }

// Read sets x [n, Width] to the rows [first, first+n) of a part, of which only these are read. The error, an *Error or one of the file
// system, is also about a number that is not finite.
func (s *Set) Read(i, first int, x *tensor.Tensor) error {
	p := &s.parts[i]
	f, err := s.openPart(i)
	if err != nil {
		return err
	}
	for row := 0; row < x.Rows; { // at once where rows follow one another
		n := 1
		if x.Stride == s.width {
			n = x.Rows
		}
		if err := f.ReadFloat32At(vectorsName, (first+row)*s.width, x.Data[row*x.Stride:row*x.Stride+n*s.width]); err != nil {
			return err
		}
		row += n
	}
	for row := max(0, p.sound-first); row < x.Rows; row++ {
		if j := tensor.NotFinite(x.Row(row)); j >= 0 {
			return &Error{p.path, vectorsName, fmt.Sprintf("%v in row %d, column %d", x.Row(row)[j], first+row, j), "a finite number"}
		}
	}
	if first <= p.sound {
		p.sound = max(p.sound, first+x.Rows)
	}
	return nil
}

// Cells returns the cells of all rows of a part, row-major [rows, labels]: 1, 0, or −1 for unknown; and where the labels are shares also
// these, of which Binarize says what counts.
func (s *Set) Cells(i int) (y []int8, shares []float32, err error) {
	f, err := s.openPart(i)
	if err != nil {
		return nil, nil, err
	}
	n := s.parts[i].rows * s.Labels.Len()
	y = make([]int8, n)
	if s.Soft {
		shares = make([]float32, n)
		err = f.ReadFloat32(labelsName, shares)
	} else {
		var raw []byte
		raw, err = f.ReadRaw(labelsName)
		for j, b := range raw {
			y[j] = int8(b)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	for j := range y {
		if !s.settle(j, y, shares) {
			return nil, nil, s.badCell(i, j, y, shares)
		}
	}
	return y, shares, nil
}

// settle makes the cell of a share, and reports whether it is one.
func (s *Set) settle(j int, y []int8, shares []float32) bool {
	if shares == nil {
		return y[j] == layers.Unknown || y[j] == layers.Negative || y[j] == layers.Positive
	}
	from := s.Binarize
	if from == 0 {
		from = 0.5
	}
	switch share := shares[j]; {
	case share == float32(layers.Unknown):
		y[j], shares[j] = layers.Unknown, 0
	case !(share >= 0 && share <= 1):
		return false
	case share >= float32(from): // which stands for the shares that were rounded to it
		y[j] = layers.Positive
	}
	return true
}

func (s *Set) badCell(part, j int, y []int8, shares []float32) error {
	found, expected := fmt.Sprint(y[j]), "1, 0, or −1 for unknown"
	if shares != nil {
		found, expected = fmt.Sprint(shares[j]), "a share from 0 to 1, or −1 for unknown"
	}
	labels := s.Labels.Len()
	found = fmt.Sprintf("%s in row %d for label %q", found, j/labels, s.Labels.Names()[j%labels])
	return &Error{s.parts[part].path, labelsName, found, expected}
}

// openPart opens the file of a part, unless it is open, and closes the one before it.
func (s *Set) openPart(i int) (*safetensors.File, error) {
	if s.open != nil && s.opened == i {
		return s.open, nil
	}
	s.Close()
	f, err := safetensors.Open(s.parts[i].path, checkpoint.Limits{})
	if err != nil {
		return nil, err
	}
	s.open, s.opened = f, i
	return f, nil
}

// Close closes the file that was read last; the set can be read on.
func (s *Set) Close() {
	if s.open != nil {
		s.open.Close() // it was only read
		s.open = nil
	}
}
