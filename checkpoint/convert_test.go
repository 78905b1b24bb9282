package checkpoint

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
)

// TestFloat16 compares all 65,536 values with the definition: (−1)^sign · 2^(exponent−15) · 1.fraction, subnormals
// 2^−14 · 0.fraction, computed in float64, which holds them exactly.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		exponent, fraction := h>>10&31, float64(h&1023)/1024
		want := math.Ldexp(1+fraction, exponent-15)
		switch {
		case exponent == 0:
			want = math.Ldexp(fraction, -14)
		case exponent == 31 && fraction == 0:
			want = math.Inf(1)
		case exponent == 31:
			want = math.NaN()
		}
		if h>>15 == 1 {
			want = -want
		}
		got := float64(float16(uint16(h)))
		if bits := math.Float32bits(float16(uint16(h))); exponent == 31 && bits&(1<<23-1) != uint32(h&1023)<<13 {
			t.Fatalf("%04x: %08x, want the payload of the NaN at its upper end", h, bits)
		}
		if math.Signbit(got) != (h>>15 == 1) || got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%04x: %g, want %g", h, got, want)
		}
	}
}

func TestToFloat32(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		dtype DType
		raw   []byte
		want  []float32
	}{
		{Float32, le.AppendUint32(le.AppendUint32(nil, math.Float32bits(1.5)), math.Float32bits(-2)), []float32{1.5, -2}},
		{BFloat16, []byte{0x80, 0x3f, 0x20, 0xc0}, []float32{1, -2.5}},
		{Float16, []byte{0x00, 0x3c, 0x00, 0xc1}, []float32{1, -2.5}},
		{Float64, le.AppendUint64(le.AppendUint64(nil, math.Float64bits(0.1)), math.Float64bits(math.Inf(-1))),
			[]float32{0.1, float32(math.Inf(-1))}},
	} {
		got := make([]float32, 3)
		if n, err := toFloat32(got, c.raw, c.dtype); n != 2 || err != nil || !slices.Equal(got[:2], c.want) {
			t.Errorf("%v: %v, %d, %v, want %v", c.dtype, got, n, err, c.want)
		}
	}
	tooLarge := le.AppendUint64(nil, math.Float64bits(1e300))
	var refused *FormatError
	if _, err := toFloat32(make([]float32, 1), tooLarge, Float64); !errors.As(err, &refused) || refused.Class != OutOfFloat32 {
		t.Errorf("1e300 as float32: %v", err)
	}
	if _, err := toFloat32(make([]float32, 1), tooLarge, Int64); !errors.As(err, &refused) || refused.Class != BadDType {
		t.Errorf("int64 as float32: %v", err)
	}
}

func TestToInt64(t *testing.T) {
	raw := []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for dtype, want := range map[DType]int64{
		Int8: -2, Int16: -2, Int32: -2, Int64: -2, Uint8: 0xfe, Uint16: 0xfffe, Uint32: 0xfffffffe,
	} {
		got := make([]int64, 1)
		if _, err := toInt64(got, raw, dtype); err != nil || got[0] != want {
			t.Errorf("%v: %d, %v, want %d", dtype, got[0], err, want)
		}
	}
	if _, err := toInt64(make([]int64, 1), raw, Uint64); err == nil {
		t.Error("2^64 - 2 fits int64")
	}
	got := make([]int64, 1)
	if _, err := toInt64(got, []byte{7, 0, 0, 0, 0, 0, 0, 0}, Uint64); err != nil || got[0] != 7 {
		t.Errorf("uint64 7: %d, %v", got[0], err)
	}
}

func TestReverse(t *testing.T) {
	for width, want := range map[int][]byte{1: {1, 2, 3, 4}, 2: {2, 1, 4, 3}, 4: {4, 3, 2, 1}} {
		b := []byte{1, 2, 3, 4}
		if reverse(b, width); !slices.Equal(b, want) {
			t.Errorf("width %d: %v, want %v", width, b, want)
		}
	}
}

func TestDType(t *testing.T) {
	for dtype, want := range map[DType]struct {
		name            string
		size, component int
	}{Float32: {"float32", 4, 4}, String: {"string", 0, 0}, Complex128: {"complex128", 16, 8}, Complex64: {"complex64", 8, 4},
		11: {"dtype 11", 0, 0}, 24: {"dtype 24", 0, 0}, 200: {"dtype 200", 0, 0}} {
		if dtype.String() != want.name || dtype.Size() != want.size || dtype.component() != want.component {
			t.Errorf("%d: %v, %d, %d, want %v", dtype, dtype, dtype.Size(), dtype.component(), want)
		}
	}
}

// TestCRC32C has the check value of the polynomial (RFC 3720 B.4) and the mask of the empty checksum.
func TestCRC32C(t *testing.T) {
	if got := CRC32C(CRC32C(0, []byte("1234")), []byte("56789")); got != 0xe3069283 {
		t.Errorf("CRC32C %08x, want e3069283", got)
	}
	if got := MaskCRC(0); got != 0xa282ead8 {
		t.Errorf("masked %08x, want a282ead8", got)
	}
}
