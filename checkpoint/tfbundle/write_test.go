package tfbundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/tensor/tensortest"
)

// tensorflowPrefixes returns the prefixes of the checkpoints that TensorFlow wrote: the committed ones, and those of the shared folder
// if it is here.
func tensorflowPrefixes(t *testing.T) []string {
	t.Helper()
	prefixes := append(listedPrefixes(t, committed), saverPrefix)
	if folder, ok := tensortest.SharedToo(t, "fixtures/checkpoints"); ok {
		prefixes = append(prefixes, listedPrefixes(t, folder)...)
	}
	return append(prefixes, numericsPrefixes(t)...)
}

// saverPrefix was written by tf.train.Saver, which sorts variables by name (bert/testdata/golden/golden.py).
const saverPrefix = "../../bert/testdata/golden/resume_tf/model.ckpt-5"

// numericsPrefixes returns the shared ones that tf.train.Saver wrote.
func numericsPrefixes(t *testing.T) (prefixes []string) {
	t.Helper()
	folder, ok := tensortest.SharedToo(t, "fixtures/numerics")
	if !ok {
		return nil
	}
	indexes, err := filepath.Glob(filepath.Join(folder, "*", "*", "*.index"))
	if err != nil || len(indexes) == 0 {
		t.Fatalf("%d checkpoints, %v", len(indexes), err)
	}
	for _, index := range indexes {
		prefixes = append(prefixes, strings.TrimSuffix(index, ".index"))
	}
	return prefixes
}

// listedPrefixes returns those that the manifest of a folder says TensorFlow wrote.
func listedPrefixes(t *testing.T, folder string) (prefixes []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Good []struct {
			Kind, Path string
			MadeBy     string `json:"made_by"`
		}
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Good {
		if c.Kind == "tf_v2" && c.MadeBy == "tensorflow" {
			prefixes = append(prefixes, filepath.Join(folder, c.Path))
		}
	}
	return prefixes
}

// TestTableAsTensorFlow builds the tables of TensorFlow's own index files again: byte for byte the same, of 1 block and
// of 3. Entries of whole tensors are encoded anew too.
func TestTableAsTensorFlow(t *testing.T) {
	for _, prefix := range tensorflowPrefixes(t) {
		t.Run(filepath.Base(filepath.Dir(prefix)), func(t *testing.T) {
			want, err := os.ReadFile(prefix + ".index")
			if err != nil {
				t.Fatal(err)
			}
			f, err := checkpoint.OpenFile(prefix + ".index")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			limits := checkpoint.Defaults()
			table, err := openTable(f, limits)
			if err != nil {
				t.Fatal(err)
			}
			var pairs []pair
			err = table.each(func(key, value []byte, _ place) error {
				p := pair{slices.Clone(key), slices.Clone(value)}
				if pairs = append(pairs, p); len(key) == 0 {
					h, err := parseHeader(value)
					p.value = appendHeader(nil, int(h.shards))
					pairs[0] = p
					return err
				}
				var e entry
				err := e.parse(value, limits)
				if err == nil && !e.partitioned {
					again := appendEntry(nil, e.dtype, e.shape(), e.shard, e.offset, e.size, e.crc)
					pairs[len(pairs)-1].value = again
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := buildTable(pairs); !bytes.Equal(got, want) {
				t.Errorf("the table built again has %d bytes, differs from TensorFlow's %d", len(got), len(want))
			}
		})
	}
}

// TestBlockSizes has blocks that are just as long as TensorFlow lets them be, and one byte shorter (table_builder.cc, Add).
func TestBlockSizes(t *testing.T) {
	blocks := func(pairs ...pair) (n int) {
		f := memoryFile("t", buildTable(pairs))
		table, err := openTable(f, checkpoint.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		last := int64(-1)
		err = table.each(func(_, _ []byte, at place) error {
			if int64(at.block.offset) != last {
				last = int64(at.block.offset)
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// A block of one entry: three lengths of 1, 1 and 3 bytes, key, value, one restart point, their number.
	const exact = blockSize - (1 + 1 + 3 + 1) - 4 - 4
	second := pair{[]byte("b"), nil}
	for size, want := range map[int]int{exact: 2, exact - 1: 1} {
		if n := blocks(pair{[]byte("a"), make([]byte, size)}, second); n != want {
			t.Errorf("value of %d bytes: %d blocks, want %d", size, n, want)
		}
	}
	for size, want := range map[int]int{2*blockSize - 1: 2, 2*blockSize - 2: 1} { // with a key of 1 byte
		if n := blocks(pair{[]byte("a"), nil}, pair{[]byte("b"), make([]byte, size)}); n != want {
			t.Errorf("value of %d bytes after another: %d blocks, want %d", size, n, want)
		}
	}
	if n := blocks(pair{[]byte("a"), make([]byte, 2*blockSize)}); n != 1 {
		t.Errorf("a large value alone: %d blocks", n)
	}
}

func TestSeparator(t *testing.T) {
	for _, c := range []struct{ last, next, want string }{
		{"abc", "abf", "abd"}, {"abc", "abd", "abc"}, {"abcx", "abd", "abcx"}, {"ab", "abc", "ab"}, {"a\xff", "b", "a\xff"},
		{"a\xff", "c", "b"},
		{"\xff", "\xff\x01", "\xff"}, {"", "a", ""},
	} {
		if got := string(separator([]byte(c.last), []byte(c.next))); got != c.want {
			t.Errorf("between %q and %q: %q, want %q", c.last, c.next, got, c.want)
		}
	}
	for last, want := range map[string]string{"abc": "b", "\xff\xffa": "\xff\xffb", "\xff": "\xff", "": ""} {
		if got := string(successor([]byte(last))); got != want {
			t.Errorf("after %q: %q, want %q", last, got, want)
		}
	}
}

// readTensors returns all tensors of a checkpoint.
func readTensors(t *testing.T, prefix string) []checkpoint.Tensor {
	t.Helper()
	src, err := Open(prefix, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var tensors []checkpoint.Tensor
	for _, info := range src.Tensors() {
		raw, err := src.ReadRaw(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, checkpoint.Tensor{Name: info.Name, DType: info.DType, Shape: info.Shape, Bytes: raw})
	}
	return tensors
}

// TestWriteAsTensorFlow writes checkpoints again that tf.train.Saver wrote, which sorts variables by name as Write does:
// both files are the same to the byte.
func TestWriteAsTensorFlow(t *testing.T) {
	for _, prefix := range append(numericsPrefixes(t), saverPrefix, "../../bert/testdata/tiny/bert_model.ckpt") {
		dir, base := t.TempDir(), filepath.Base(prefix)
		if err := save(dir, base, readTensors(t, prefix)); err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{".index", ".data-00000-of-00001"} {
			got, _ := os.ReadFile(filepath.Join(dir, base+suffix))
			want, _ := os.ReadFile(prefix + suffix)
			if len(want) == 0 || !bytes.Equal(got, want) {
				t.Errorf("%s%s written again differs", prefix, suffix)
			}
		}
	}
}

func save(dir, base string, tensors []checkpoint.Tensor) error {
	files, err := atomic.NewFiles(atomic.OS{}, dir, 0)
	if err != nil {
		return err
	}
	defer files.Abort()
	if err := Write(files.Create, base, tensors); err != nil {
		return err
	}
	return files.Commit()
}

// TestWriteRead writes every good checkpoint again and reads it back equal: all dtypes, strings, scalars, empty tensors,
// names of all kinds, slices joined, several files made one.
func TestWriteRead(t *testing.T) {
	for _, prefix := range tensorflowPrefixes(t) {
		want, dir := readTensors(t, prefix), t.TempDir()
		if err := save(dir, "again", want); err != nil {
			t.Errorf("%s: %v", prefix, err)
			continue
		}
		got := readTensors(t, filepath.Join(dir, "again"))
		equal := slices.EqualFunc(got, want, func(a, b checkpoint.Tensor) bool {
			return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Bytes, b.Bytes)
		})
		if !equal {
			t.Errorf("%s reads back differently", prefix)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	good := checkpoint.Float32Tensor("a", []int{2}, []float32{1, 2})
	for name, tensors := range map[string][]checkpoint.Tensor{
		"twice":      {good, good},
		"no name":    {checkpoint.Float32Tensor("", []int{1}, []float32{1})},
		"NUL":        {checkpoint.Float32Tensor("a\x00", []int{1}, []float32{1})},
		"no UTF-8":   {checkpoint.Float32Tensor("\xff", []int{1}, []float32{1})},
		"too few":    {checkpoint.Float32Tensor("a", []int{3}, []float32{1, 2})},
		"negative":   {checkpoint.Float32Tensor("a", []int{-2, -1}, []float32{1, 2})},
		"dtype":      {{Name: "a", DType: 99}},
		"no strings": {{Name: "a", DType: checkpoint.String, Shape: []int{2}, Bytes: make([]byte, 8)}},
	} {
		dir := t.TempDir()
		if err := save(dir, "x", tensors); err == nil {
			t.Errorf("%s: written", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// failingFile takes left bytes.
type failingFile struct{ left int }

func (f *failingFile) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func (f *failingFile) Close() error { return nil }

func TestWriteFails(t *testing.T) {
	tensors := []checkpoint.Tensor{checkpoint.Int64Tensor("step", nil, []int64{7})}
	for calls := range 2 {
		create := func(string) (io.WriteCloser, error) {
			if calls--; calls < 0 {
				return &failingFile{}, nil
			}
			return &failingFile{1 << 20}, nil
		}
		if err := Write(create, "x", tensors); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%v, want the error of the file", err)
		}
	}
}
