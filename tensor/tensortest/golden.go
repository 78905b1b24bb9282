package tensortest

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// Golden is one tensor of a golden file, widened to float64.
type Golden struct {
	Shape []int
	Data  []float64 // row-major
}

// ReadGolden returns the tensors of a safetensors file of goldens, by name. It trusts the file, unlike the reader under test:
// F32, F64, I32 and I64 only.
func ReadGolden(t testing.TB, path string) map[string]Golden {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(file)
	var header map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	goldens := map[string]Golden{}
	for name, h := range header {
		if name == "__metadata__" {
			continue
		}
		goldens[name] = Golden{h.Shape, decode(t, h.DType, file[8+n:][h.Offsets[0]:h.Offsets[1]])}
	}
	return goldens
}

func decode(t testing.TB, dtype string, b []byte) (x []float64) {
	for le := binary.LittleEndian; len(b) > 0; {
		switch dtype {
		case "F32":
			x, b = append(x, float64(math.Float32frombits(le.Uint32(b)))), b[4:]
		case "F64":
			x, b = append(x, math.Float64frombits(le.Uint64(b))), b[8:]
		case "I32":
			x, b = append(x, float64(int32(le.Uint32(b)))), b[4:]
		case "I64":
			x, b = append(x, float64(int64(le.Uint64(b)))), b[8:]
		default:
			t.Fatalf("golden of dtype %s", dtype)
		}
	}
	return x
}

// MaxAbs returns the largest magnitude in x.
func MaxAbs(x []float64) (m float64) {
	for _, v := range x {
		m = max(m, math.Abs(v))
	}
	return m
}

// MaxDiff returns the largest |x[i] − y[i]|, NaN if there is one. It fails the test unless the lengths are equal.
func MaxDiff(t testing.TB, x, y []float64) (m float64) {
	t.Helper()
	if len(x) != len(y) {
		t.Fatalf("%d values, want %d", len(x), len(y))
	}
	for i := range x {
		m = max(m, math.Abs(x[i]-y[i]))
	}
	return m
}

// Widen returns x in float64.
func Widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}
