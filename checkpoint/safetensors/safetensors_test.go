package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/tensor/tensortest"
)

// file returns a file of a header and its data.
func file(header string, data []byte) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), data...)
}

func openBytes(b []byte) (*File, error) {
	return open(&checkpoint.File{ReaderAt: bytes.NewReader(b), Closer: io.NopCloser(nil), Path: "m.safetensors", Size: int64(len(b))},
		checkpoint.Limits{})
}

// readAll reads everything in a file.
func readAll(b []byte) (map[string][]byte, error) {
	f, err := openBytes(b)
	if err != nil {
		return nil, err
	}
	tensors := map[string][]byte{}
	for _, info := range f.Tensors() {
		if tensors[info.Name], err = f.ReadRaw(info.Name); err != nil {
			return nil, err
		}
	}
	return tensors, nil
}

func classOf(t testing.TB, err error) checkpoint.Class {
	t.Helper()
	var refused *checkpoint.FormatError
	if !errors.As(err, &refused) {
		t.Fatalf("%v is no FormatError", err)
	}
	if refused.File == "" || refused.What == "" {
		t.Fatalf("%v does not say what is wrong where", err)
	}
	return refused.Class
}

// TestHeader has headers that differ from a good one in one place.
func TestHeader(t *testing.T) {
	const good = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}`
	data := make([]byte, 9)
	if _, err := readAll(file(good, data)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		want     checkpoint.Class // "" is legal
	}{
		{"", "", ""},
		{`"a"`, `"\u0061\ud83d\ude00\n\"\\\/\b\f\r\t"`, ""},
		{`"a"`, `"` + strings.Repeat("n", 1024) + `"`, ""},
		{`"a"`, `"` + strings.Repeat("n", 1025) + `"`, checkpoint.BadName},
		{`"a"`, `"\u0000"`, checkpoint.BadName},
		{`"a"`, `"\ud83d"`, checkpoint.STJSON},
		{`"a"`, `"\ud83d\u0061"`, checkpoint.STJSON},
		{`"a"`, `"\ude00\ud83d"`, checkpoint.STJSON},
		{`"a"`, `"\u00g0"`, checkpoint.STJSON},
		{`"a"`, `"\x"`, checkpoint.STJSON},
		{`"a"`, "\"\n\"", checkpoint.STJSON},
		{`"a"`, "\"\\n\x01\"", checkpoint.STJSON},
		{`"a"`, "\"\xff\"", checkpoint.STJSON},
		{`"a"`, "\"\xed\xa0\x80\"", checkpoint.STJSON},
		{`"a"`, `1`, checkpoint.STJSON},
		{`"a"`, `"b"`, checkpoint.STDuplicate},
		{`"a"`, `"\u0062"`, checkpoint.STDuplicate},
		{`{"a"`, `{"b":{"dtype":"F32","shape":[1],"data_offsets":[9,0]},"a"`, checkpoint.STDuplicate}, // before what the entries say
		{`{"a"`, "{ \t\r\n\"a\"", ""},
		{`{"a"`, `{"__metadata__":{},"a"`, ""},
		{`{"a"`, `{"__metadata__":{"k":"v","l":""},"a"`, ""},
		{`{"a"`, `{"__metadata__":{"k":"v","k":"v"},"a"`, checkpoint.STDuplicate},
		{`{"a"`, `{"__metadata__":{"k":1},"a"`, checkpoint.STJSON},
		{`{"a"`, `{"__metadata__":{"k":null},"a"`, checkpoint.STJSON},
		{`{"a"`, `{"__metadata__":"k","a"`, checkpoint.STJSON},
		{`{"a"`, `{"a":[],"a"`, checkpoint.STJSON},
		{`{"a"`, `{,"a"`, checkpoint.STJSON},
		{`}}`, `}} `, ""},
		{`}}`, `}},`, checkpoint.STJSON},
		{`}}`, `},}`, checkpoint.STJSON},
		{`}}`, `}`, checkpoint.STJSON},
		{`}}`, `}}{}`, checkpoint.STJSON},
		{`"F32"`, `"F64"`, checkpoint.STSize},
		{`"F32"`, `"I32"`, ""},
		{`"F32"`, `"F4"`, checkpoint.STDType},
		{`"F32"`, `"F8_E5M2"`, checkpoint.STDType},
		{`"F32"`, `true`, checkpoint.STDType},
		{`"F32"`, `{"x":[1,"y",null,{}]}`, checkpoint.STDType},
		{`"F32"`, `{"x":1,"x":2}`, checkpoint.STDuplicate},
		{`"F32"`, `-1`, checkpoint.STJSON},
		{`"F32"`, `1.5`, checkpoint.STJSON},
		{`"F32"`, `nul`, checkpoint.STJSON},
		{`"F32"`, `"F32","dtype":"F32"`, checkpoint.STDuplicate},
		{`"shape":[2]`, `"shape":[2,1,1,1,1,1,1,1]`, ""},
		{`"shape":[2]`, `"shape":[2,1,1,1,1,1,1,1,1]`, checkpoint.STShape},
		{`"shape":[2]`, `"shape":[02]`, checkpoint.STJSON},
		{`"shape":[2]`, `"shape":[2,]`, checkpoint.STJSON},
		{`"shape":[2]`, `"shape":[2 1]`, checkpoint.STJSON},
		{`"shape":[2]`, `"shape":2`, checkpoint.STShape},
		{`"shape":[2]`, `"shape":null`, checkpoint.STShape},
		{`"shape":[2]`, `"shape":[[2]]`, checkpoint.STShape},
		{`"shape":[2]`, `"shape":[2147483648]`, checkpoint.STShape},
		{`"shape":[2]`, `"shape":[18446744073709551616]`, checkpoint.STJSON},
		{`"shape":[2]`, `"shape":[4294967296,4294967296,2]`, checkpoint.STShape},
		{`"shape":[2]`, `"shape":[1e400]`, checkpoint.STJSON},
		{`"shape":[2]`, `"shape":[-1]`, checkpoint.STJSON},
		{`"shape":[2]`, `"shape":[2.0]`, checkpoint.STJSON},
		{`"shape":[2]`, `"shapes":[2]`, checkpoint.STJSON},
		{`"shape":[2],`, ``, checkpoint.STJSON},
		{`[0,8]`, `[0,8,9]`, checkpoint.STOffsets},
		{`[0,8]`, `[0]`, checkpoint.STOffsets},
		{`[0,8]`, `[]`, checkpoint.STOffsets},
		{`[0,8]`, `[8,0]`, checkpoint.STOffsets},
		{`[0,8]`, `[1,9]`, checkpoint.STOffsets},
		{`[0,8]`, `[0,7]`, checkpoint.STSize},
		{`[0,8]`, `[18446744073709551608,18446744073709551615]`, checkpoint.STSize},
		{`[8,9]`, `[0,1]`, checkpoint.STOffsets},
		{`[8,9]`, `[9,10]`, checkpoint.STOffsets},
	} {
		header := strings.Replace(good, c.from, c.to, 1)
		_, err := readAll(file(header, data))
		if c.want == "" && err != nil || c.want != "" && (err == nil || classOf(t, err) != c.want) {
			t.Errorf("%.70s for %s: %v, want class %q", c.to, c.from, err, c.want)
		}
		if c.want == "" && !json.Valid([]byte(header)) {
			t.Errorf("%s is no JSON, and yet legal here", header)
		}
	}
	// in two objects already
	for depth, want := range map[int]checkpoint.Class{30: checkpoint.STDType, 31: checkpoint.STJSON, 100_000: checkpoint.STJSON} {
		deep := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		if _, err := readAll(file(strings.Replace(good, `"F32"`, deep, 1), data)); err == nil || classOf(t, err) != want {
			t.Errorf("%d deep: %v, want class %s", depth+2, err, want)
		}
	}
}

// fixtures returns the safetensors files of the fixtures: the committed goldens, which the library wrote, and those of the shared folder
// if it is here.
func fixtures(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("../../bert/testdata/golden/*.safetensors")
	if err != nil || len(all) != 4 {
		t.Fatalf("%d goldens, %v", len(all), err)
	}
	for _, pattern := range []string{"fixtures/checkpoints/good/safetensors_*/*.safetensors", "fixtures/numerics/*/*.safetensors"} {
		dir, rest, _ := strings.Cut(pattern, "/")
		folder, ok := tensortest.SharedToo(t, dir)
		if !ok {
			continue
		}
		paths, err := filepath.Glob(filepath.Join(folder, filepath.FromSlash(rest)))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		all = append(all, paths...)
	}
	return all
}

// TestDamaged cuts files at every byte, and flips every bit of the header (RELIABILITY H1, H2): cut files are refused, no
// flip makes a panic or changes what is not in the header.
func TestDamaged(t *testing.T) {
	cuts, bits := 0, 0
	for _, path := range fixtures(t) {
		if strings.Contains(path, "numerics") || strings.Contains(path, "golden") && !strings.Contains(path, "trajectory") {
			continue // more of the same
		}
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(good); err != nil {
			t.Fatal(err)
		}
		header := 8 + int(binary.LittleEndian.Uint64(good))
		for n := range good {
			if n > header && n < len(good)-2 && n%4096 > 1 {
				continue
			}
			cuts++
			if _, err := openBytes(good[:n]); err == nil {
				t.Errorf("%s cut to %d of %d bytes was opened", path, n, len(good))
			} else {
				classOf(t, err)
			}
		}
		step := 1
		if testing.Short() || header > 5000 {
			step += header / 500
		}
		for bit := 0; bit < 8*header; bit += step {
			bits++
			bad := slices.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			if f, err := openBytes(bad); err != nil {
				classOf(t, err)
			} else if _, err := json.Marshal(f.Metadata); err != nil || !json.Valid(bad[8:header]) {
				t.Errorf("%s: bit %d flipped is no JSON, and was opened", path, bit)
			}
		}
	}
	t.Logf("%d cuts, %d bits", cuts, bits)
}

// TestManyTensors has more tensors than a file may have, and longer names (RELIABILITY H6): refused, within the memory that the
// limits allow.
func TestManyTensors(t *testing.T) {
	most := checkpoint.Defaults().Tensors
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"t%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for name, c := range map[string]struct {
		header string
		want   checkpoint.Class
	}{
		"as many as allowed": {many(most), ""},
		"one more":           {many(most + 1), checkpoint.OutOfRange},
		"a million":          {many(1_000_000), checkpoint.OutOfRange},
		"a name of a million bytes": {`{"` + strings.Repeat("n", 1_000_000) + `":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`,
			checkpoint.BadName},
		"a million dimensions": {`{"a":{"dtype":"U8","shape":[` + strings.Repeat("1,", 1_000_000) + `1],"data_offsets":[0,1]}}`,
			checkpoint.STShape},
		"a million keys of metadata": {`{"__metadata__":{"k":"v"` + strings.Repeat(`,"k":"v"`, 1_000_000) + `}}`, checkpoint.STDuplicate},
	} {
		data := file(c.header, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := openBytes(data)
		runtime.ReadMemStats(&after)
		if c.want == "" && err != nil || c.want != "" && (err == nil || classOf(t, err) != c.want) {
			t.Errorf("%s: %v, want class %q", name, err, c.want)
		}
		// The file once, and for each tensor what the directory takes, while it is sorted too.
		if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(len(data)+1000*most+1<<20); used > limit {
			t.Errorf("%s: %d bytes of memory for a file of %d, at most %d", name, used, len(data), limit)
		}
	}
}

// TestWriteAsLibrary writes files again that the safetensors library wrote: the same to the byte.
func TestWriteAsLibrary(t *testing.T) {
	for _, path := range fixtures(t) {
		if strings.Contains(path, "_dtypes") || strings.Contains(path, "_layout") || strings.Contains(path, "_empty") {
			continue // not the library's
		}
		tensors, metadata := readTensors(t, path)
		dir := t.TempDir()
		if err := save(dir, tensors, metadata); err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(filepath.Join(dir, "m.safetensors"))
		if want, _ := os.ReadFile(path); len(want) == 0 || !bytes.Equal(got, want) {
			t.Errorf("%s written again differs", path)
		}
	}
}

func readTensors(t *testing.T, path string) ([]checkpoint.Tensor, map[string]string) {
	t.Helper()
	f, err := Open(path, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var tensors []checkpoint.Tensor
	for _, info := range f.Tensors() {
		raw, err := f.ReadRaw(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, checkpoint.Tensor{Name: info.Name, DType: info.DType, Shape: info.Shape, Bytes: raw})
	}
	return tensors, f.Metadata
}

func save(dir string, tensors []checkpoint.Tensor, metadata map[string]string) error {
	files, err := atomic.NewFiles(atomic.OS{}, dir, 0)
	if err != nil {
		return err
	}
	defer files.Abort()
	if err := Write(files.Create, "m.safetensors", tensors, metadata); err != nil {
		return err
	}
	return files.Commit()
}

// TestWriteRead writes every good file again and reads it back: all dtypes, odd names, metadata.
func TestWriteRead(t *testing.T) {
	for _, path := range fixtures(t) {
		want, metadata := readTensors(t, path)
		dir := t.TempDir()
		if err := save(dir, want, metadata); err != nil {
			t.Fatal(err)
		}
		got, again := readTensors(t, filepath.Join(dir, "m.safetensors"))
		equal := slices.EqualFunc(got, want, func(a, b checkpoint.Tensor) bool {
			return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Bytes, b.Bytes)
		})
		if !equal || !maps.Equal(again, metadata) {
			t.Errorf("%s reads back differently", path)
		}
	}
}

// TestNames writes names and metadata of every kind of character.
func TestNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("ab\"\\/\b\f\n\r\t\x01\x1f\x7f é你😀\u2028\ufeff")
	for range 200 {
		name := make([]rune, rng.IntN(12))
		for i := range name {
			name[i] = alphabet[rng.IntN(len(alphabet))]
		}
		metadata := map[string]string{string(name): string(name), "a": "b", "z": string(name)}
		var text memory
		one := []checkpoint.Tensor{checkpoint.Float32Tensor(string(name), nil, []float32{1})}
		if err := Write(func(string) (io.WriteCloser, error) { return &text, nil }, "", one, metadata); err != nil {
			t.Fatal(err)
		}
		f, err := openBytes(text.Bytes())
		if err != nil || f.Tensors()[0].Name != string(name) || !maps.Equal(f.Metadata, metadata) {
			t.Errorf("%q does not read back: %v", string(name), err)
		}
	}
}

// TestEscapes: what a \\u stands for, with digits of either case, alone and in pairs.
func TestEscapes(t *testing.T) {
	for escaped, want := range map[string]string{
		`\u00e9\u00E9\u00Ff\u0abc`: "éé\u00ff\u0abc", `\uABCD\uabcd\uFEDC\ufedc`: "\uabcd\uabcd\ufedc\ufedc",
		`\ud83d\ude00\uD83D\uDE00`: "😀😀",
		`\u0030\u0039\u0041\u0061`: "09Aa", `\"\\\/\b\f\n\r\t`: "\"\\/\b\f\n\r\t",
	} {
		f, err := openBytes(file(`{"`+escaped+`":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, []byte{7}))
		if err != nil || f.Tensors()[0].Name != want {
			t.Errorf("%s: %v, want the name %q", escaped, err, want)
		}
	}
	for _, bad := range []string{
		`\u00g0`, `\u00G0`, `\u00:0`, `\u00@0`,
		"\\u00`0", `\u00/0`, `\ud83d`, `\ud83d\u0041`, `\ude00`, `\ud83dx`, `\u12`, `\x41`, `\'`,
	} {
		if _, err := openBytes(file(`{"`+bad+`":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, []byte{7})); err == nil {
			t.Errorf("%s: opened", bad)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	one := checkpoint.Float32Tensor("a", []int{1}, []float32{1})
	for name, tensors := range map[string][]checkpoint.Tensor{
		"twice":    {one, one},
		"metadata": {checkpoint.Float32Tensor("__metadata__", []int{1}, []float32{1})},
		"strings":  {{Name: "a", DType: checkpoint.String, Shape: []int{0}}},
		"complex":  {{Name: "a", DType: checkpoint.Complex64, Shape: []int{0}}},
		"size":     {checkpoint.Float32Tensor("a", []int{2}, []float32{1})},
	} {
		dir := t.TempDir()
		if err := save(dir, tensors, nil); err == nil {
			t.Errorf("%s: written", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
	full := func(string) (io.WriteCloser, error) { return failing{}, nil }
	if err := Write(full, "x", []checkpoint.Tensor{one}, nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a full disk: %v", err)
	}
}

// memory is a file in memory.
type memory struct{ bytes.Buffer }

func (*memory) Close() error { return nil }

// failing is a file on a full disk.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
func (failing) Close() error              { return nil }

// TestIndexLimits has an index that is good but for its size.
func TestIndexLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.json")
	const text = `{"weight_map":{"a":"s","b":"s"}}`
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	for limits, legal := range map[checkpoint.Limits]bool{
		{IndexBytes: int64(len(text)), Tensors: 2}: true,
		{IndexBytes: int64(len(text)) - 1}:         false,
		{Tensors: 1}:                               false,
	} {
		if _, err := readIndex(path, limits.OrDefaults()); (err == nil) != legal {
			t.Errorf("%+v: %v, want legal = %v", limits, err, legal)
		}
	}
}

// TestIndex has index files beside two shards, a.safetensors with tensor a and b.safetensors with tensor b.
func TestIndex(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(dir, "a.safetensors"), filepath.Join(dir, "b.safetensors"),
		filepath.Join(outside, "c.safetensors")} {
		name := filepath.Base(path)[:1]
		if err := os.WriteFile(path, file(fmt.Sprintf(`{%q:{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, name), []byte(name)),
			0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "c.safetensors"), filepath.Join(dir, "c.safetensors")); err != nil {
		t.Skip(err)
	}
	os.Mkdir(filepath.Join(dir, "d.safetensors"), 0o777)
	path := filepath.Join(dir, "model.safetensors.index.json")
	for text, want := range map[string]checkpoint.Class{
		`{"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}`:                                  "",
		`{"metadata":{"total_size":2.5e0,"x":[-1,true]},"weight_map":{"a":"a.safetensors"}}` + "\n": "",
		`{"weight_map":{"a":"a.safetensors","x":"a.safetensors"}}`:                                  checkpoint.STIndex,
		`{"weight_map":{"a":"b.safetensors","b":"a.safetensors"}}`:                                  checkpoint.STIndex,
		`{"weight_map":{"a":"a.safetensors","a":"a.safetensors"}}`:                                  checkpoint.STIndex,
		`{"weight_map":{"a":"a.safetensors"},"weight_map":{"b":"b.safetensors"}}`:                   checkpoint.STIndex,
		`{"metadata":{"x":1,"x":2},"weight_map":{"a":"a.safetensors"}}`:                             checkpoint.STIndex,
		`{"weight_map":{"c":"c.safetensors"}}`:                                                      checkpoint.MissingFile,
		`{"weight_map":{"d":"d.safetensors"}}`:                                                      checkpoint.MissingFile,
		`{"weight_map":{"e":"e.safetensors"}}`:                                                      checkpoint.MissingFile,
		`{"weight_map":{"a":"../a.safetensors"}}`:                                                   checkpoint.STIndex,
		`{"weight_map":{"a":"./a.safetensors"}}`:                                                    checkpoint.STIndex,
		`{"weight_map":{"a":"` + filepath.ToSlash(filepath.Join(dir, "a.safetensors")) + `"}}`:      checkpoint.STIndex,
		`{"weight_map":{"a":"x\\a.safetensors"}}`:                                                   checkpoint.STIndex,
		`{"weight_map":{"a":""}}`:                                                                   checkpoint.STIndex,
		`{"weight_map":{"a":"."}}`:                                                                  checkpoint.STIndex,
		`{"weight_map":{"a":".."}}`:                                                                 checkpoint.STIndex,
		`{"weight_map":{"a":"a.safetensors\u0000"}}`:                                                checkpoint.STIndex,
		`{"weight_map":{}}`:                                                                         checkpoint.STIndex,
		`{}`:                                                                                        checkpoint.STIndex,
		`[]`:                                                                                        checkpoint.STIndex,
		``:                                                                                          checkpoint.STIndex,
		"{\"weight_map\":{\"\xff\":\"a.safetensors\"}}":                                             checkpoint.STIndex,
		"{\"metadata\":\"\xff\",\"weight_map\":{\"a\":\"a.safetensors\"}}":                          checkpoint.STIndex,
		`{"weight_map":{"a":"a.safetensors"}}}`:                                                     checkpoint.STIndex,
		`{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `,"weight_map":{"a":"a"}}`: checkpoint.STIndex,
		`{"x":1`: checkpoint.STIndex, `{"x":-`: checkpoint.STIndex, `{"x":1.`: checkpoint.STIndex, `{"x":1e`: checkpoint.STIndex,
		`{"x":"`:   checkpoint.STIndex,
		`{"x":tru`: checkpoint.STIndex, `{"x":"\`: checkpoint.STIndex, `{"x":"\u004`: checkpoint.STIndex,
		`{"x":"\ud800\`: checkpoint.STIndex,
		`{"metadata":{"n":1.},"weight_map":{"a":"a.safetensors"}}`:      checkpoint.STIndex,
		`{"metadata":{"n":[1e+,2]},"weight_map":{"a":"a.safetensors"}}`: checkpoint.STIndex,
	} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := OpenIndex(path, checkpoint.Limits{})
		if want == "" && err != nil || want != "" && (err == nil || classOf(t, err) != want) {
			t.Errorf("%.90s: %v, want class %q", text, err, want)
		}
		if err != nil {
			continue
		}
		for _, info := range f.Tensors() {
			if raw, err := f.ReadRaw(info.Name); err != nil || string(raw) != info.Name {
				t.Errorf("%s: %q, %v", info.Name, raw, err)
			}
		}
		f.Close()
	}
}
