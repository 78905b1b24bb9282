package checkpoint

import (
	"encoding/binary"
	"math"
)

// toFloat32 converts the little-endian elements of raw, all or as many as dst has room for, and returns their number.
func toFloat32(dst []float32, raw []byte, t DType) (int, error) {
	le := binary.LittleEndian
	switch t {
	case Float32:
		dst = dst[:min(len(dst), len(raw)/4)]
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		}
	case BFloat16:
		dst = dst[:min(len(dst), len(raw)/2)]
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(raw[2*i:])) << 16)
		}
	case Float16:
		dst = dst[:min(len(dst), len(raw)/2)]
		for i := range dst {
			dst[i] = float16(le.Uint16(raw[2*i:]))
		}
	case Float64:
		dst = dst[:min(len(dst), len(raw)/8)]
		for i := range dst {
			v := math.Float64frombits(le.Uint64(raw[8*i:]))
			dst[i] = float32(v)
			if math.IsInf(float64(dst[i]), 0) && !math.IsInf(v, 0) {
				return i, Refuse(OutOfFloat32, "value %g does not fit float32", v)
			}
		}
	default:
		return 0, Refuse(BadDType, "is of %v, want float32, float16, bfloat16 or float64", t)
	}
	return len(dst), nil
}

// float16 returns the value of an IEEE 754 binary16: sign, 5 bits of exponent (bias 15), 10 bits of fraction.
func float16(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0: // zero and subnormals, multiples of 2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 31: // infinity and NaN, payload kept
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// Float64s sets dst to the little-endian numbers of raw, all or as many as dst has room for, and returns how many they are: none
// of strings and complex numbers. Integers beyond 2⁵³ are rounded.
func Float64s(dst []float64, raw []byte, t DType) int {
	if !(isInteger(t) || t == Float32 || t == Float64 || t == Float16 || t == BFloat16 || t == Bool) {
		return 0
	}
	width := t.Size()
	dst = dst[:min(len(dst), len(raw)/width)]
	if t == Float32 { // nearly all there is, without a switch for each
		for i := range dst {
			dst[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		}
		return len(dst)
	}
	for i := range dst {
		dst[i] = number(raw[i*width:], t)
	}
	return len(dst)
}

// number returns the first number of raw, of any type but Float32.
func number(raw []byte, t DType) float64 {
	le := binary.LittleEndian
	switch t {
	case Float64:
		return math.Float64frombits(le.Uint64(raw))
	case Float16:
		return float64(float16(le.Uint16(raw)))
	case BFloat16:
		return float64(math.Float32frombits(uint32(le.Uint16(raw)) << 16))
	case Uint64:
		return float64(le.Uint64(raw))
	case Bool:
		return float64(raw[0])
	}
	v, _ := integer(raw, t)
	return float64(v)
}

func isInteger(t DType) bool {
	switch t {
	case Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64:
		return true
	}
	return false
}

// toInt64 widens the little-endian integers of raw, all or as many as dst has room for, and returns their number.
func toInt64(dst []int64, raw []byte, t DType) (int, error) {
	width := t.Size()
	dst = dst[:min(len(dst), len(raw)/width)]
	for i := range dst {
		v, err := integer(raw[i*width:], t)
		if err != nil {
			return i, err
		}
		dst[i] = v
	}
	return len(dst), nil
}

// integer returns the first integer of raw.
func integer(raw []byte, t DType) (int64, error) {
	le := binary.LittleEndian
	switch t {
	case Int8:
		return int64(int8(raw[0])), nil
	case Uint8:
		return int64(raw[0]), nil
	case Int16:
		return int64(int16(le.Uint16(raw))), nil
	case Uint16:
		return int64(le.Uint16(raw)), nil
	case Int32:
		return int64(int32(le.Uint32(raw))), nil
	case Uint32:
		return int64(le.Uint32(raw)), nil
	case Int64:
		return int64(le.Uint64(raw)), nil
	}
	v := le.Uint64(raw) // Uint64, the last of isInteger
	if v > math.MaxInt64 {
		return 0, Refuse(OutOfRange, "value %d does not fit int64", v)
	}
	return int64(v), nil
}
