package tfbundle

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"bertlabel/checkpoint"
)

// damaged are the good checkpoints that the tests below damage in every place: TensorFlow's own and one made here.
func damaged(t *testing.T) map[string]files {
	t.Helper()
	all := map[string]files{"small": small()}
	for _, name := range []string{"single/model.ckpt-7", "dtypes/model.ckpt", "partitioned/model.ckpt", "object_based/ckpt-1",
		"aligned/model.ckpt",
		"big_endian/model.ckpt", "scalars_and_empty/model.ckpt", "proto_variants/model.ckpt"} {
		if testing.Short() && len(all) == 4 {
			break
		}
		if f := load(t, filepath.Dir(name), filepath.Base(name)); f != nil {
			all[name] = f
		}
	}
	return all
}

// bounded calls read and fails if that allocates more than the files are long and 1 MiB, or hangs.
func bounded(t *testing.T, f files, read func() error) error {
	t.Helper()
	budget := uint64(1 << 20)
	for _, data := range f {
		budget += uint64(len(data))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := read()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > budget {
		t.Errorf("took %d bytes of memory, at most %d: %v", used, budget, err)
	}
	if took > 2*time.Second { // a guard: usually some 50 µs
		t.Errorf("took %v: %v", took, err)
	}
	return err
}

// TestTruncated cuts the index at every byte, and the data at every 32nd and the last ones: refused within the memory of the files
// and 1 MiB (RELIABILITY H1).
func TestTruncated(t *testing.T) {
	cases := 0
	for name, good := range damaged(t) {
		if _, err := good.readAll(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for file, data := range good {
			for n := 0; n < len(data); n++ {
				if file != "m.index" && n%32 != 0 && n < len(data)-4 {
					continue
				}
				bad := maps.Clone(good)
				bad[file] = data[:n]
				cases++
				if err := bounded(t, bad, func() error { _, err := bad.readAll(); return err }); err == nil {
					if name == "aligned/model.ckpt" && file != "m.index" {
						continue // what is cut off may be a gap
					}
					t.Errorf("%s: %s cut to %d of %d bytes was read", name, file, n, len(data))
				} else {
					classOf(t, err)
				}
			}
		}
	}
	if t.Logf("%d cases", cases); cases < 1500 && !testing.Short() { // with the shared folder 5,000
		t.Errorf("%d cases, want 1,500", cases)
	}
}

// TestFlipped flips every bit of the index, and one bit of every byte of the data: an error, or the same tensors where
// the bit means nothing (padding of the footer, gaps between tensors). RELIABILITY H2, H3.
func TestFlipped(t *testing.T) {
	cases := map[bool]int{} // of the index and of the data
	for name, good := range damaged(t) {
		want, err := good.readAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for file, data := range good {
			harmless := 0
			for bit := range 8 * len(data) {
				if file != "m.index" && bit%8 != bit/8%8 || len(data) > 10000 && bit/8%7 != 0 {
					continue
				}
				bad := maps.Clone(good)
				bad[file] = slices.Clone(data)
				bad[file][bit/8] ^= 1 << (bit % 8)
				cases[file == "m.index"]++
				got, err := bad.readAll()
				if err == nil {
					harmless++
					if !maps.EqualFunc(got, want, bytes.Equal) {
						t.Errorf("%s: bit %d of %s flipped changes a tensor in silence", name, bit, file)
					}
				} else {
					classOf(t, err)
				}
			}
			if harmless > 8*40 && name != "aligned/model.ckpt" {
				t.Errorf("%s: %d flips of %s have no effect", name, harmless, file)
			}
		}
	}
	t.Logf("%d bits of indexes, %d bytes of data", cases[true], cases[false])
	if (cases[true] < 10_000 || cases[false] < 1_500) && !testing.Short() {
		t.Error("want 10,000 bits and 1,500 bytes; with the shared folder there are 30,000 and 10,000")
	}
}

// TestDamagedV1 does both to a V1 file, which has its data in the table.
func TestDamagedV1(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(committed, "good/v1/model.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := readV1(good)
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := readV1(good[:n]); err == nil {
			t.Errorf("cut to %d of %d bytes and read", n, len(good))
		} else {
			classOf(t, err)
		}
	}
	for bit := range 8 * len(good) {
		bad := slices.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		if got, err := readV1(bad); err == nil && !maps.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("bit %d flipped changes a tensor in silence", bit)
		} else if err != nil {
			classOf(t, err)
		}
	}
}

// TestChanging is a file that shrinks after it was opened.
func TestChanging(t *testing.T) {
	good := small()
	shrunk := false
	src, err := open("m", checkpoint.Limits{}, func(path string) (*checkpoint.File, error) {
		f, err := good.open(path)
		if path != "m.index" {
			f.ReaderAt = shrinking{good[path], &shrunk}
		}
		return f, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.ReadFloat32("layer/kernel", make([]float32, 6)); err != nil {
		t.Fatal(err)
	}
	shrunk = true
	for _, info := range src.Tensors() {
		if _, err := src.ReadRaw(info.Name); info.Bytes > 0 && (err == nil || classOf(t, err) != checkpoint.Truncated) {
			t.Errorf("%s of a file that has shrunk: %v", info.Name, err)
		}
	}
}

type shrinking struct {
	data   []byte
	shrunk *bool
}

func (s shrinking) ReadAt(p []byte, at int64) (int, error) {
	if *s.shrunk {
		return bytes.NewReader(s.data[:1]).ReadAt(p, at)
	}
	return bytes.NewReader(s.data).ReadAt(p, at)
}
