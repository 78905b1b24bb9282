package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Tensor is one tensor to be written.
type Tensor struct {
	Name  string
	DType DType
	Shape []int  // empty for a scalar
	Bytes []byte // row-major, little-endian; strings: each element after its length as a uint64, as Source.ReadRaw
}

// Float32Tensor returns a tensor of values, row-major. Its bytes may be the memory of values: leave that unchanged until
// the tensor is written.
func Float32Tensor(name string, shape []int, values []float32) Tensor {
	raw, ok := float32Bytes(values)
	if !ok {
		raw = make([]byte, 0, 4*len(values))
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
	}
	return Tensor{name, Float32, shape, raw}
}

// Int64Tensor returns a tensor of values, row-major.
func Int64Tensor(name string, shape []int, values []int64) Tensor {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return Tensor{name, Int64, shape, raw}
}

// Check reports what a reader of this package would refuse: name, dtype, shape, or bytes that do not fill the shape.
func (t Tensor) Check() error {
	l := Defaults()
	if err := CheckName(t.Name, l); err != nil {
		return err
	}
	if !t.DType.Known() {
		return fmt.Errorf("checkpoint: tensor %s: %v is unknown", Quote(t.Name), t.DType)
	}
	dims := make([]uint64, len(t.Shape))
	for i, d := range t.Shape {
		dims[i] = uint64(d) // a negative one becomes too large
	}
	n, err := l.Elements(dims)
	if err != nil {
		return fmt.Errorf("checkpoint: tensor %s: %w", Quote(t.Name), err)
	}
	if want := n * int64(t.DType.Size()); t.DType != String && want != int64(len(t.Bytes)) {
		return fmt.Errorf("checkpoint: tensor %s: %d bytes, shape %v of %v has %d", Quote(t.Name), len(t.Bytes), t.Shape, t.DType, want)
	}
	if t.DType == String {
		_, err = t.Strings()
	}
	return err
}

// Strings returns the elements of a tensor of strings, which share the memory of Bytes.
func (t Tensor) Strings() ([][]byte, error) {
	n := Info{Shape: t.Shape}.Elements()
	var out [][]byte
	rest := t.Bytes
	for len(rest) >= 8 && binary.LittleEndian.Uint64(rest) <= uint64(len(rest)-8) {
		end := 8 + int(binary.LittleEndian.Uint64(rest))
		out, rest = append(out, rest[8:end]), rest[end:]
	}
	if len(rest) > 0 || len(out) != n {
		return nil, fmt.Errorf("checkpoint: tensor %s: %d bytes are not %d strings behind their lengths", Quote(t.Name), len(t.Bytes), n)
	}
	return out, nil
}

// CheckName refuses a tensor name that is not UTF-8, holds a NUL, or is too long.
func CheckName(name string, l Limits) error {
	switch {
	case len(name) > l.NameBytes:
		return Refuse(BadName, "name of %d bytes, at most %d", len(name), l.NameBytes)
	case !utf8.ValidString(name):
		return Refuse(BadName, "name %s is not UTF-8", Quote(name))
	case strings.IndexByte(name, 0) >= 0:
		return Refuse(BadName, "name %s holds a NUL", Quote(name))
	}
	return nil
}
