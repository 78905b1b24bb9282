package checkpoint

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestTensorCheck: what a writer must refuse, and what is at the edge of it.
func TestTensorCheck(t *testing.T) {
	text := func(strings ...string) (raw []byte) {
		for _, s := range strings {
			raw = append(binary.LittleEndian.AppendUint64(raw, uint64(len(s))), s...)
		}
		return raw
	}
	for _, c := range []struct {
		tensor Tensor
		says   string // "": it is right
	}{
		{Tensor{"a", Float32, []int{2, 3}, make([]byte, 24)}, ""},
		{Tensor{"a", Float32, []int{2, 3}, make([]byte, 23)}, "23 bytes"},
		{Tensor{"a", Float32, []int{2, 3}, make([]byte, 28)}, "28 bytes"},
		{Tensor{"a", Float32, nil, make([]byte, 4)}, ""},
		{Tensor{"a", Float32, nil, nil}, "0 bytes"},
		{Tensor{"a", Float64, []int{0, 7}, nil}, ""},
		{Tensor{"a", Float64, []int{0, 7}, make([]byte, 8)}, "8 bytes"},
		{Tensor{"a", Complex64, []int{2}, make([]byte, 16)}, ""},
		{Tensor{"a", Int8, []int{1, 1, 1, 1, 1, 1, 1, 1}, make([]byte, 1)}, ""},
		{Tensor{"a", Int8, []int{1, 1, 1, 1, 1, 1, 1, 1, 1}, make([]byte, 1)}, "9 dimensions"},
		{Tensor{"a", Int8, []int{-1}, nil}, "dimension"},
		{Tensor{"a", 11, []int{1}, make([]byte, 4)}, "unknown"},
		{Tensor{"a", 0, []int{1}, make([]byte, 4)}, "unknown"},
		{Tensor{"a\x00", Int8, nil, make([]byte, 1)}, "NUL"},
		{Tensor{"a\xff", Int8, nil, make([]byte, 1)}, "UTF-8"},
		{Tensor{strings.Repeat("a", 1024), Int8, nil, make([]byte, 1)}, ""},
		{Tensor{strings.Repeat("a", 1025), Int8, nil, make([]byte, 1)}, "1025 bytes"},
		{Tensor{"a", String, []int{2}, text("x", "")}, ""},
		{Tensor{"a", String, nil, text("x")}, ""},
		{Tensor{"a", String, []int{0}, nil}, ""},
		{Tensor{"a", String, []int{2}, text("x")}, "are not 2 strings"},
		{Tensor{"a", String, []int{1}, text("x", "")}, "are not 1 strings"},
		{Tensor{"a", String, []int{1}, append(text("x"), 0)}, "are not 1 strings"},
		{Tensor{"a", String, []int{1}, append(text("x"), 0, 0, 0, 0, 0, 0, 0)}, "are not 1 strings"},
		{Tensor{"a", String, []int{1}, text("xyz")[:10]}, "are not 1 strings"},
	} {
		err := c.tensor.Check()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%v %v of %d bytes: %v, want %q", c.tensor.DType, c.tensor.Shape, len(c.tensor.Bytes), err, c.says)
		}
	}
	got, err := Tensor{"a", String, []int{3}, text("x", "", "yz")}.Strings()
	if err != nil || len(got) != 3 || string(got[0]) != "x" || string(got[1]) != "" || string(got[2]) != "yz" {
		t.Errorf("%q, %v", got, err)
	}
	if raw := Int64Tensor("a", nil, []int64{-2}).Bytes; !slices.Equal(raw, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) {
		t.Errorf("-2 is % x", raw)
	}
	if raw := Float32Tensor("a", nil, []float32{1}).Bytes; !slices.Equal(raw, []byte{0, 0, 0x80, 0x3f}) {
		t.Errorf("1 is % x", raw)
	}
}

// TestTypes: numbers, names and widths of TensorFlow's types.proto.
func TestTypes(t *testing.T) {
	known := map[DType]string{
		1: "float32 4", 2: "float64 8", 3: "int32 4", 4: "uint8 1", 5: "int16 2", 6: "int8 1", 7: "string 0", 8: "complex64 8",
		9: "int64 8", 10: "bool 1",
		14: "bfloat16 2", 17: "uint16 2", 18: "complex128 16", 19: "float16 2", 22: "uint32 4", 23: "uint64 8",
	}
	for n := range 256 {
		dtype := DType(n)
		name, size := dtype.String(), string(rune('0'+dtype.Size()))
		if dtype.Size() == 16 {
			size = "16"
		}
		if want, ok := known[dtype]; ok != dtype.Known() || ok && name+" "+size != want || !ok && dtype.Size() != 0 {
			t.Errorf("type %d is %s %s, want %q", n, name, size, want)
		}
	}
	// As integers and as numbers, each type to its last bit.
	all := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x80}
	for dtype, want := range map[DType][2]int64{
		Int8: {-1, -1}, Uint8: {255, 255}, Int16: {-1, -1}, Uint16: {65535, 65535}, Int32: {-1, math.MaxInt32},
		Uint32: {math.MaxUint32, math.MaxInt32}, Int64: {math.MaxInt64, math.MinInt64 + 0x07060504030201},
	} {
		var got [2]int64
		if n, err := toInt64(got[:], all, dtype); n != 2 || err != nil || got != want {
			t.Errorf("%v: %v, %v, want %v", dtype, got, err, want)
		}
		var floats [2]float64
		if n := Float64s(floats[:], all, dtype); n != 2 || floats != [2]float64{float64(want[0]), float64(want[1])} {
			t.Errorf("%v: %v as floats, want %v", dtype, floats, want)
		}
	}
	var floats [2]float64
	if n := Float64s(floats[:], all, Uint64); n != 2 || floats[0] != math.MaxInt64 || floats[1] != 0x8007060504030201 {
		t.Errorf("uint64: %v", floats)
	}
	if n, err := toInt64(make([]int64, 2), all, Uint64); n != 1 || err == nil {
		t.Errorf("an uint64 beyond int64: %d, %v", n, err)
	}
	for _, dtype := range []DType{String, Complex64, Complex128, 0, 11, 200} {
		if n := Float64s(floats[:], all, dtype); n != 0 {
			t.Errorf("%v: %d numbers", dtype, n)
		}
	}
}
