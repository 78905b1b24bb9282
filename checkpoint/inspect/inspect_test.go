package inspect

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/tensor/tensortest"
)

// TestStats compares with two passes over the whole in float64.
func TestStats(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 5000
	var raw []byte
	var sum, squares, low, high float64 = 0, 0, math.Inf(1), math.Inf(-1)
	x := make([]float64, n)
	for i := range x {
		v := float32(rng.NormFloat64()*0.02 + 1000) // a large mean: Σx² − n·mean² would lose everything
		x[i] = float64(v)
		sum, low, high = sum+x[i], min(low, x[i]), max(high, x[i])
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	for _, v := range x {
		squares += (v - sum/n) * (v - sum/n)
	}
	m := &moments{}
	m.add(raw[:4*1234], checkpoint.Float32)
	m.add(raw[4*1234:], checkpoint.Float32)
	s := m.stats()
	std := math.Sqrt(squares / n)
	// Each mean is off by some n·2⁻⁵³ relative at most, here 6e-10; the deviation is that of differences of 0.02 around it.
	if !(math.Abs(*s.Mean-sum/n) <= 1e-9) || !(math.Abs(*s.Std-std) <= 1e-6*std) || *s.Min != low || *s.Max != high || s.NaN+s.Inf != 0 {
		t.Errorf("mean %v, std %v, min %v, max %v, want %v, %v, %v, %v", *s.Mean, *s.Std, *s.Min, *s.Max, sum/n, std, low, high)
	}
}

func TestStatsSpecial(t *testing.T) {
	le := binary.LittleEndian
	floats := func(values ...float64) (raw []byte) {
		for _, v := range values {
			raw = le.AppendUint64(raw, math.Float64bits(v))
		}
		return raw
	}
	for _, c := range []struct {
		raw   []byte
		dtype checkpoint.DType
		want  string
	}{
		{nil, checkpoint.Float32, `{"mean":null,"std":null,"min":null,"max":null,"nan":0,"inf":0}`},
		{floats(math.NaN(), math.Inf(1), math.Inf(-1)), checkpoint.Float64,
			`{"mean":null,"std":null,"min":null,"max":null,"nan":1,"inf":2}`},
		{floats(1, math.NaN(), 3), checkpoint.Float64, `{"mean":2,"std":1,"min":1,"max":3,"nan":1,"inf":0}`},
		{floats(math.MaxFloat64, math.MaxFloat64), checkpoint.Float64,
			`{"mean":1.7976931348623157e+308,"std":0,"min":1.7976931348623157e+308,"max":1.7976931348623157e+308,"nan":0,"inf":0}`},
		{floats(math.MaxFloat64, -math.MaxFloat64), checkpoint.Float64,
			`{"mean":0,"std":null,"min":-1.7976931348623157e+308,"max":1.7976931348623157e+308,"nan":0,"inf":0}`},
		{append(slices.Repeat(floats(math.MaxFloat64), 512), floats(-math.MaxFloat64)...), checkpoint.Float64,
			`{"mean":null,"std":null,"min":-1.7976931348623157e+308,"max":1.7976931348623157e+308,"nan":0,"inf":0}`},
		{[]byte{1, 3}, checkpoint.Uint8, `{"mean":2,"std":1,"min":1,"max":3,"nan":0,"inf":0}`},
		{[]byte{0xff, 1}, checkpoint.Int8, `{"mean":0,"std":1,"min":-1,"max":1,"nan":0,"inf":0}`},
		{[]byte{1, 0, 1, 0}, checkpoint.Bool, `{"mean":0.5,"std":0.5,"min":0,"max":1,"nan":0,"inf":0}`},
		{[]byte{0, 0x3c, 0, 0x7c, 1, 0x7c}, checkpoint.Float16, `{"mean":1,"std":0,"min":1,"max":1,"nan":1,"inf":1}`},
		{[]byte{0x80, 0x3f}, checkpoint.BFloat16, `{"mean":1,"std":0,"min":1,"max":1,"nan":0,"inf":0}`},
		{le.AppendUint64(nil, math.MaxUint64), checkpoint.Uint64,
			`{"mean":18446744073709552000,"std":0,"min":18446744073709552000,"max":18446744073709552000,"nan":0,"inf":0}`},
	} {
		m := &moments{}
		m.add(c.raw, c.dtype)
		if got, err := json.Marshal(m.stats()); err != nil || string(got) != c.want {
			t.Errorf("%v: %s, %v, want %s", c.dtype, got, err, c.want)
		}
	}
}

// TestDescribe checks the form of the report, and that nothing is read that was not asked for.
func TestDescribe(t *testing.T) {
	src, err := formats.Open("../testdata/good/dtypes/model.ckpt", checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for _, o := range []Options{{}, {Verify: true}, {Stats: true, Threads: 1}, {Verify: true, Stats: true}} {
		r, err := Describe(src, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, tensor := range r.Tensors {
			noNumbers := tensor.DType == "string" || strings.HasPrefix(tensor.DType, "complex") // no numbers
			if (tensor.SHA256 != "") != o.Verify || (tensor.Stats != nil) != (o.Stats && !noNumbers) {
				t.Errorf("%+v: %+v", o, tensor)
			}
			text, err := json.Marshal(tensor)
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range map[string]bool{`"shape":[`: true, `"sha256":"`: o.Verify, `"mean":`: o.Stats && !noNumbers,
				`"crc32c":"`: true} {
				if strings.Contains(string(text), key) != want {
					t.Errorf("%+v: %s", o, text)
				}
			}
		}
	}
}

// TestMemory verifies 91 MB of weights in a tenth of that.
func TestMemory(t *testing.T) {
	src, err := formats.Open(filepath.Join(tensortest.Shared(t, "models/minilm-l6-uncased"), "bert_model.ckpt"), checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := Describe(src, Options{Verify: true, Threads: 2}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// TestDescribeLarge: hash and statistics of a tensor that is read in several pieces are those of the whole, and damage in any of them is
// an error that names the tensor.
func TestDescribeLarge(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, 200_001)
	var sum, squares, low, high float64
	for i := range x {
		x[i] = float32(rng.NormFloat64())
		sum, low, high = sum+float64(x[i]), min(low, float64(x[i])), max(high, float64(x[i]))
	}
	mean := sum / float64(len(x))
	for _, v := range x {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	special := slices.Clone(x)
	special[70_000], special[150_000], special[150_001] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))
	dir := t.TempDir()
	create := func(name string) (io.WriteCloser, error) { return os.Create(filepath.Join(dir, name)) }
	plain := checkpoint.Float32Tensor("plain", []int{len(x)}, x)
	err := tfbundle.Write(create, "m", []checkpoint.Tensor{plain, checkpoint.Float32Tensor("special", []int{len(x)}, special)})
	if err != nil {
		t.Fatal(err)
	}
	describe := func() (*Report, error) {
		src, err := formats.Open(filepath.Join(dir, "m"), checkpoint.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		return Describe(src, Options{Verify: true, Stats: true, Threads: 2})
	}
	r, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(plain.Bytes)
	if s := r.Tensors[0]; s.Name != "plain" || s.SHA256 != hex.EncodeToString(hash[:]) || !(math.Abs(*s.Mean-mean) <= 1e-12) ||
		!(math.Abs(*s.Std-math.Sqrt(squares/float64(len(x)))) <= 1e-12) || *s.Min != low || *s.Max != high || s.NaN+s.Inf != 0 {
		t.Errorf("%+v %+v, want mean %v, std %v", s, s.Stats, mean, math.Sqrt(squares/float64(len(x))))
	}
	if s := r.Tensors[1]; s.NaN != 1 || s.Inf != 2 || s.SHA256 == r.Tensors[0].SHA256 {
		t.Errorf("%+v %+v", s, s.Stats)
	}
	path := filepath.Join(dir, "m.data-00000-of-00001")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 4 * len(x); at < len(good); at += 110_000 {
		bad := slices.Clone(good)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := describe(); err == nil || !strings.Contains(err.Error(), `"special"`) {
			t.Errorf("byte %d flipped: %v", at, err)
		}
	}
}
