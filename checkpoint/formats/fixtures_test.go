package formats_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/tensor/tensortest"
)

// manifest is ../testdata/manifest.json, or fixtures/checkpoints/manifest.json of the shared folder; the section of fixtures/README.md says
// what each field means.
type manifest struct {
	Good    []fixture
	Hostile []fixture
}

type fixture struct {
	Name, Kind, Path string
	OrRefuse         checkpoint.Class `json:"or_refuse"`
	Expect           string
	Class            checkpoint.Class
	Files            []struct{ Bytes int64 }
	Tensors          []struct {
		Name, DType, SHA256 string
		Shape               []int
	}
}

// committed has small checkpoints by TensorFlow's own writers.
const committed = "../testdata"

func readManifest(t *testing.T, folder string) (m manifest) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Good) == 0 {
		t.Fatal("the manifest lists no cases")
	}
	return m
}

// TestGood reads every good fixture: the tensors of the manifest and no others, bit for bit.
func TestGood(t *testing.T) {
	testGood(t, committed)
	t.Run("shared", func(t *testing.T) { testGood(t, tensortest.Shared(t, "fixtures/checkpoints")) })
}

func testGood(t *testing.T, folder string) {
	for _, c := range readManifest(t, folder).Good {
		t.Run(c.Name, func(t *testing.T) {
			src, err := formats.Open(filepath.Join(folder, c.Path), checkpoint.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			if want := strings.TrimSuffix(c.Kind, "_index"); src.Format() != want {
				t.Errorf("format %q, want %q", src.Format(), want)
			}
			if len(src.Tensors()) != len(c.Tensors) {
				t.Errorf("%d tensors, want %d", len(src.Tensors()), len(c.Tensors))
			}
			for _, want := range c.Tensors {
				got, ok := src.Lookup(want.Name)
				if !ok || got.DType.String() != want.DType || !slices.Equal(got.Shape, want.Shape) {
					t.Errorf("%q: %v of %v, want %v of %v", want.Name, got.Shape, got.DType, want.Shape, want.DType)
					continue
				}
				raw, err := src.ReadRaw(want.Name)
				if err != nil {
					t.Errorf("%q: %v", want.Name, err)
				}
				if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != want.SHA256 {
					t.Errorf("%q: other bytes than the manifest's", want.Name)
				}
				if folder == committed { // whose numbers are small
					checkNumbers(t, src, got, raw)
				}
			}
		})
	}
}

// checkNumbers compares the numbers that the readers make of a tensor with its bytes: each type is read by one of them, and refused by the
// other.
func checkNumbers(t *testing.T, src checkpoint.Source, info checkpoint.Info, raw []byte) {
	t.Helper()
	floats := make([]float32, info.Elements())
	floatsErr, integers, integersErr := src.ReadFloat32(info.Name, floats), []int64(nil), error(nil)
	integers, integersErr = src.ReadInt64(info.Name)
	name, le := info.DType.String(), binary.LittleEndian
	isFloat := strings.Contains(name, "float")
	isInteger := strings.Contains(name, "int")
	if (floatsErr == nil) != isFloat || (integersErr == nil) != isInteger {
		t.Errorf("%q of %s: as floats %v, as integers %v", info.Name, name, floatsErr, integersErr)
	}
	for i := range info.Elements() {
		if !isFloat && !isInteger {
			return
		}
		b, want := raw[i*info.DType.Size():], float64(0)
		switch info.DType {
		case checkpoint.Float32:
			want = float64(math.Float32frombits(le.Uint32(b)))
		case checkpoint.Float64:
			want = float64(float32(math.Float64frombits(le.Uint64(b))))
		case checkpoint.BFloat16:
			want = float64(math.Float32frombits(uint32(le.Uint16(b)) << 16))
		case checkpoint.Float16:
			h := le.Uint16(b)
			want = math.Ldexp(float64(h&1023)/1024+1, int(h>>10&31)-15) // no zeros here
			if h>>15 == 1 {
				want = -want
			}
		case checkpoint.Int8:
			want = float64(int8(b[0]))
		case checkpoint.Uint8:
			want = float64(b[0])
		case checkpoint.Int16, checkpoint.Uint16:
			want = float64(int16(le.Uint16(b)))
		case checkpoint.Int32, checkpoint.Uint32:
			want = float64(int32(le.Uint32(b)))
		case checkpoint.Int64, checkpoint.Uint64:
			want = float64(int64(le.Uint64(b)))
		}
		got := float64(floats[i])
		if isInteger {
			got = float64(integers[i])
		}
		if got != want && !strings.Contains(name, "uint") { // unsigned ones beyond half: TestToInt64
			t.Errorf("%q of %s: element %d is %v, want %v", info.Name, name, i, got, want)
			return
		}
	}
}

// readAll opens a checkpoint and reads everything in it, in all ways.
func readAll(path string) error {
	src, err := formats.Open(path, checkpoint.Limits{})
	if err != nil {
		return err
	}
	defer src.Close()
	for _, info := range src.Tensors() {
		if err := src.Stream(info.Name, func([]byte) error { return nil }); err != nil {
			return err
		}
		if info.DType == checkpoint.Float32 {
			if err := src.ReadFloat32(info.Name, make([]float32, info.Elements())); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestHostile refuses every hostile fixture with the class of the manifest, in time, and without taking more memory than
// the files are long and 1 MiB (a snappy block: 32 times its length and 64 KiB).
func TestHostile(t *testing.T) {
	folder := tensortest.Shared(t, "fixtures/checkpoints")
	m := readManifest(t, folder)
	if len(m.Hostile) == 0 {
		t.Fatal("the manifest lists no cases")
	}
	refused := map[checkpoint.Class]int{}
	var slowest time.Duration
	var most, mostBeyond uint64
	for _, c := range m.Hostile {
		t.Run(c.Name, func(t *testing.T) {
			budget := uint64(1 << 20)
			files := uint64(0)
			for _, f := range c.Files {
				files += uint64(f.Bytes)
			}
			budget += files
			if strings.HasPrefix(c.Name, "snappy_") {
				budget += 32*uint64(c.Files[len(c.Files)-1].Bytes) + 64<<10
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := readAll(filepath.Join(folder, c.Path))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			var refusal *checkpoint.FormatError
			switch {
			case err == nil && c.Expect == "refuse or read":
			case !errors.As(err, &refusal):
				t.Fatalf("read, or refused by another kind of error (%v), want class %s", err, c.Class)
			// which holds 2³¹ elements in 32 bits
			case refusal.Class != c.Class && (math.MaxInt > math.MaxInt32 || refusal.Class != checkpoint.BadShape):
				t.Errorf("refused as %v, want class %s", err, c.Class)
			case refusal.File == "" || !strings.Contains(err.Error(), filepath.Base(refusal.File)):
				t.Errorf("%q names no file", err)
			default:
				refused[refusal.Class]++
			}
			used := after.TotalAlloc - before.TotalAlloc
			if used > budget {
				t.Errorf("took %d bytes of memory, at most %d", used, budget)
			}
			slowest, most, mostBeyond = max(slowest, took), max(most, used), max(mostBeyond, used-min(used, files))
			if took > 2*time.Second { // a guard against hanging: usually under a millisecond
				t.Errorf("took %v", took)
			}
		})
	}
	t.Logf("%d cases; the slowest took %v; the most memory is %d bytes, %d beyond the files; refused by class: %v", len(m.Hostile),
		slowest, most, mostBeyond, refused)
}
