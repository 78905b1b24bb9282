package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"testing"
)

// memoryStore is a store of spans over one piece of memory.
type memoryStore []Span

func (s memoryStore) Fill(i int, dst []byte) error                 { return s[i].Fill(dst) }
func (s memoryStore) Stream(i int, visit func([]byte) error) error { return s[i].Stream(visit) }
func (s memoryStore) Close() error                                 { return nil }

// directoryOf returns a source of tensors, which must be sorted by name; swap stores them big-endian.
func directoryOf(swap bool, tensors ...Tensor) *Directory {
	var data []byte
	f := &File{Path: "memory"}
	var store memoryStore
	var infos []Info
	for _, t := range tensors {
		stored := slices.Clone(t.Bytes)
		if swap {
			reverse(stored, t.DType.component())
		}
		info := Info{Name: t.Name, DType: t.DType, Shape: t.Shape, Bytes: int64(len(stored)), Offset: int64(len(data)),
			CRC32C: MaskCRC(CRC32C(0, stored))}
		store = append(store, Span{File: f, Offset: info.Offset, Size: info.Bytes, DType: t.DType, Swap: swap, Checked: true,
			CRC: info.CRC32C})
		infos, data = append(infos, info), append(data, stored...)
	}
	f.ReaderAt = bytes.NewReader(data)
	return NewDirectory("memory", infos, store)
}

// long is more than one step of reading.
func long() (values []float32, float64s, bfloat16s []byte) {
	for i := range step/2 + 77 {
		v := math.Float32frombits(uint32(i) << 16) // exact in bfloat16: zeros, subnormals, ordinary numbers
		values = append(values, v)
		float64s = binary.LittleEndian.AppendUint64(float64s, math.Float64bits(float64(v)))
		bfloat16s = binary.LittleEndian.AppendUint16(bfloat16s, uint16(i))
		if i == 0x7f7f { // the largest; infinities and NaN come after
			break
		}
	}
	return values, float64s, bfloat16s
}

// TestDirectory reads the same values from all types, in both byte orders, in pieces.
func TestDirectory(t *testing.T) {
	values, float64s, bfloat16s := long()
	values = slices.Repeat(values, 5)
	shape := []int{len(values)}
	tensors := []Tensor{
		{"bfloat16", BFloat16, shape, slices.Repeat(bfloat16s, 5)},
		Float32Tensor("float32", shape, values),
		{"float64", Float64, shape, slices.Repeat(float64s, 5)},
		Int64Tensor("int64", []int{3}, []int64{math.MinInt64, 0, math.MaxInt64}),
		{"uint8", Uint8, nil, []byte{200}},
	}
	for _, swap := range []bool{false, true} {
		d := directoryOf(swap, tensors...)
		for _, name := range []string{"bfloat16", "float32", "float64"} {
			got := make([]float32, len(values))
			if err := d.ReadFloat32(name, got); err != nil || !slices.Equal(got, values) {
				t.Errorf("%s, big-endian %v: other values, or %v", name, swap, err)
			}
			var streamed []float32
			pieces := 0
			if err := d.StreamFloat32(name, func(piece []float32) error {
				streamed = append(streamed, piece...)
				pieces++
				return nil
			}); err != nil || !slices.Equal(streamed, values) || pieces < 2 {
				t.Errorf("%s, big-endian %v: other values in %d pieces, or %v", name, swap, pieces, err)
			}
			enough := errors.New("enough")
			if err := d.StreamFloat32(name, func([]float32) error { return enough }); !errors.Is(err, enough) {
				t.Errorf("%s: an error of visit comes back as %v", name, err)
			}
		}
		for _, want := range tensors {
			if raw, err := d.ReadRaw(want.Name); err != nil || !bytes.Equal(raw, want.Bytes) {
				t.Errorf("%s, big-endian %v: other bytes, or %v", want.Name, swap, err)
			}
		}
		if got, err := d.ReadInt64("int64"); err != nil || !slices.Equal(got, []int64{math.MinInt64, 0, math.MaxInt64}) {
			t.Errorf("int64: %v, %v", got, err)
		}
		if got, err := d.ReadInt64("uint8"); err != nil || !slices.Equal(got, []int64{200}) {
			t.Errorf("uint8: %v, %v", got, err)
		}
	}
}

func TestDirectoryRefuses(t *testing.T) {
	d := directoryOf(false, Float32Tensor("a", []int{2}, []float32{1, 2}), Int64Tensor("b", nil, []int64{3}))
	for name, err := range map[string]error{
		"integers as floats": d.ReadFloat32("b", make([]float32, 1)),
		"integers in pieces": d.StreamFloat32("b", func([]float32) error { return nil }),
		"floats as integers": second(d.ReadInt64("a")),
		"another length":     d.ReadFloat32("a", make([]float32, 3)),
	} {
		var refused *FormatError
		if !errors.As(err, &refused) || refused.Tensor == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"ReadFloat32": d.ReadFloat32("c", nil), "ReadInt64": second(d.ReadInt64("c")), "ReadRaw": second(d.ReadRaw("c")),
		"Stream": d.Stream("c", func([]byte) error { return nil }),
	} {
		if err == nil {
			t.Errorf("%s of a tensor that is not there", name)
		}
	}
	if err := d.Stream("a", func([]byte) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the error of visit became %v", err)
	}
	if _, ok := d.Lookup("c"); ok {
		t.Error("Lookup finds what is not there")
	}
	if info, ok := d.Lookup("b"); !ok || info.Name != "b" || d.Format() != "memory" || d.Close() != nil {
		t.Errorf("Lookup finds %+v", info)
	}
}

// TestNoAllocations: a model is loaded without garbage.
func TestNoAllocations(t *testing.T) {
	if _, direct := float32Bytes(nil); !direct {
		t.Skip("this build converts through a buffer")
	}
	dst := make([]float32, step)
	d := directoryOf(false, Float32Tensor("a", []int{step}, make([]float32, step)))
	if n := testing.AllocsPerRun(10, func() { d.ReadFloat32("a", dst) }); n > 0 {
		t.Errorf("ReadFloat32 allocates %v times", n)
	}
}

func second[T any](_ T, err error) error { return err }
