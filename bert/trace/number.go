package trace

import (
	"encoding/json"
	"math"
)

// Number is a float64 that JSON can take whatever it is: NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity", by
// which JavaScript's Number and Python's float read them. Weights that are broken can be traced, too.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) { return marshal(float64(n), float64(n)) }

// Number32 is a float32 in the same way, in the shortest form that gives it back.
type Number32 float32

// MarshalJSON implements json.Marshaler.
func (n Number32) MarshalJSON() ([]byte, error) { return marshal(float64(n), float32(n)) }

// marshal writes finite, which v is in the width that it came in, or the name of v.
func marshal(v float64, finite any) ([]byte, error) {
	switch {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	}
	return json.Marshal(finite)
}

// Numbers returns a copy of x for JSON.
func Numbers(x []float32) []Number32 {
	y := make([]Number32, len(x))
	for i, v := range x {
		y[i] = Number32(v)
	}
	return y
}
