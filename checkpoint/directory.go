package checkpoint

import (
	"bytes"
	"fmt"
	"sort"
)

// Store is a format's part of a Directory: it knows where the bytes of the i-th tensor of the directory lie.
type Store interface {
	// Fill reads the little-endian elements of a tensor that is not of strings into dst, of exactly its size, and verifies them.
	Fill(i int, dst []byte) error
	// Stream is Source.Stream.
	Stream(i int, visit func(piece []byte) error) error
	Close() error
}

// Directory is a Source over the tensors of a Store.
type Directory struct {
	format  string
	tensors []Info
	store   Store
}

// NewDirectory returns the source of validated tensors, which must be sorted by name.
func NewDirectory(format string, tensors []Info, store Store) *Directory {
	return &Directory{format, tensors, store}
}

// Format returns "tf_v2", "tf_v1" or "safetensors".
func (d *Directory) Format() string { return d.format }

// Tensors returns the directory, sorted by name. The caller must not change it.
func (d *Directory) Tensors() []Info { return d.tensors }

// Lookup returns the tensor of that name.
func (d *Directory) Lookup(name string) (Info, bool) {
	i, err := d.find(name)
	if err != nil {
		return Info{}, false
	}
	return d.tensors[i], true
}

// Close closes the files.
func (d *Directory) Close() error { return d.store.Close() }

// ReadFloat32 implements Source. A float32 tensor goes straight into dst.
func (d *Directory) ReadFloat32(name string, dst []float32) error {
	i, err := d.find(name)
	if err != nil {
		return err
	}
	info := &d.tensors[i]
	if n := info.Elements(); n != len(dst) {
		return d.at(i, Refuse(BadShape, "shape %v has %d elements, want %d", info.Shape, n, len(dst)))
	}
	if raw, ok := float32Bytes(dst); ok && info.DType == Float32 {
		return d.at(i, d.store.Fill(i, raw))
	}
	done := 0
	return d.at(i, d.store.Stream(i, func(piece []byte) error {
		n, err := toFloat32(dst[done:], piece, info.DType)
		done += n
		return err
	}))
}

// StreamFloat32 implements Source.
func (d *Directory) StreamFloat32(name string, visit func(piece []float32) error) error {
	i, err := d.find(name)
	if err != nil {
		return err
	}
	var values []float32
	return d.at(i, d.store.Stream(i, func(piece []byte) error {
		if n := len(piece) / max(1, d.tensors[i].DType.Size()); len(values) < n {
			values = make([]float32, n)
		}
		n, err := toFloat32(values, piece, d.tensors[i].DType)
		if err != nil {
			return err
		}
		return visit(values[:n])
	}))
}

// ReadInt64 implements Source.
func (d *Directory) ReadInt64(name string) ([]int64, error) {
	i, err := d.find(name)
	if err != nil {
		return nil, err
	}
	info := &d.tensors[i]
	if !isInteger(info.DType) {
		return nil, d.at(i, Refuse(BadDType, "is of %v, want integers", info.DType))
	}
	dst, done := make([]int64, info.Elements()), 0
	err = d.store.Stream(i, func(piece []byte) error {
		n, err := toInt64(dst[done:], piece, info.DType)
		done += n
		return err
	})
	if err != nil {
		return nil, d.at(i, err)
	}
	return dst, nil
}

// ReadRaw implements Source.
func (d *Directory) ReadRaw(name string) ([]byte, error) {
	i, err := d.find(name)
	if err != nil {
		return nil, err
	}
	if d.tensors[i].DType != String {
		raw := make([]byte, d.tensors[i].Elements()*d.tensors[i].DType.Size())
		if err := d.store.Fill(i, raw); err != nil {
			return nil, d.at(i, err)
		}
		return raw, nil
	}
	var raw bytes.Buffer
	err = d.store.Stream(i, func(piece []byte) error {
		_, err := raw.Write(piece)
		return err
	})
	return raw.Bytes(), d.at(i, err)
}

// Stream implements Source.
func (d *Directory) Stream(name string, visit func(piece []byte) error) error {
	i, err := d.find(name)
	if err != nil {
		return err
	}
	return d.at(i, d.store.Stream(i, visit))
}

func (d *Directory) find(name string) (int, error) {
	i := sort.Search(len(d.tensors), func(i int) bool { return d.tensors[i].Name >= name })
	if i == len(d.tensors) || d.tensors[i].Name != name {
		return 0, fmt.Errorf("checkpoint: no tensor %s", Quote(name))
	}
	return i, nil
}

// at names the i-th tensor in an error of the store.
func (d *Directory) at(i int, err error) error {
	if err == nil {
		return nil
	}
	return InFile(AtOffset(OfTensor(err, d.tensors[i].Name), d.tensors[i].Offset), d.tensors[i].File)
}
