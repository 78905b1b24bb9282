package shard

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/atomic/atomictest"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/layers"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// tinyModel returns a random model with a head of two labels.
var tinyModel = sync.OnceValue(func() *model.Model {
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat a b c .")
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 16
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 16, 1, 2, 16
	lower := true
	m, err := model.New(config, []byte(strings.Join(vocab, "\n")), 3, &model.Options{LowerCase: &lower, Threads: 2})
	if err != nil {
		panic(err)
	}
	head := layers.NewClassifier(2, config.HiddenSize)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
		for i := range p.Value {
			p.Value[i] = float32(rng.NormFloat64())
		}
	}
	m.SetHead(head, []string{"x", "y"}, bert.Mean)
	return m
})

func openTiny() (*model.Model, error) { return tinyModel(), nil }

// notOpened is for shards that are there.
func notOpened() (*model.Model, error) { return nil, errors.New("the model is opened") }

// inMemory is a disk that is not waited for.
func inMemory() atomic.FS { return &atomictest.Faulty{Left: atomictest.Never} }

func optionsFor(input, output string, of int) Options {
	return Options{Input: input, Output: output, Of: of, Model: []byte{1, 2}, Version: "v1", FS: inMemory(),
		Data: data.Options{OnBadRow: data.ReportBadRows}, Settings: map[string]string{"precision": "fp32"}}
}

func mustPlan(t *testing.T, o Options) *Planned {
	t.Helper()
	p, err := Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustRun(t *testing.T, p *Planned, i int) *Receipt {
	t.Helper()
	r, err := Run(t.Context(), p, i, openTiny)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// whole is what one process writes of a file.
func whole(t *testing.T, path string) []byte {
	t.Helper()
	in, err := data.Open(path, data.Options{OnBadRow: data.ReportBadRows, IgnoreLabels: true})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out []byte
	for chunk, err := range score.Chunks(t.Context(), tinyModel(), in, score.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range chunk {
			out = score.AppendJSON(out, tinyModel(), &chunk[i])
		}
	}
	return out
}

func cat(t *testing.T, dir string) []byte {
	t.Helper()
	r, err := Verify(dir, VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Cat(&out); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	return out.Bytes()
}

// rows returns JSON lines, some of which are bad, some blank.
func rows(n int) string {
	var b strings.Builder
	rng := rand.New(rand.NewPCG(uint64(n), 5))
	for i := range n {
		switch i % 9 {
		case 4:
			fmt.Fprintf(&b, "{\"id\":%d,\"text\":%d}\n", i, i)
		case 7:
			b.WriteString("\n")
		default:
			fmt.Fprintf(&b, "{\"id\":%d,\"text\":\"the cat%s\"}\n", i, strings.Repeat(" sat on a mat", rng.IntN(4)))
		}
	}
	return b.String()
}

// inputs are files on which a cut may go wrong.
func inputs() map[string]string {
	return map[string]string{
		"rows.jsonl":     rows(40),
		"last.jsonl":     strings.TrimSuffix(rows(12), "\n"),
		"crlf.jsonl":     strings.ReplaceAll(rows(20), "\n", "\r\n"),
		"mark.jsonl":     "\ufeff" + rows(20),
		"long.jsonl":     rows(5) + "{\"text\":\"" + strings.Repeat("the cat ", 1<<17) + "\"}\n" + rows(4) + strings.Repeat("x", 1<<20) + "\n",
		"empty.jsonl":    "",
		"line.jsonl":     "\n",
		"texts.txt":      "the cat\n\nsat\r\non\nmat",
		"labels.ft":      "__label__x the cat\n__label__y __label__x sat\n",
		"table.tsv":      "id\ttext\n1\tthe cat\n2\tsat\ttoo much\n\n3\ta \"mat\"\n",
		"header.tsv":     "id\ttext\n",
		"windows.tsv":    "\ufefftext\tid\r\nthe cat\t1\r\nb\t2",
		"same-start.txt": strings.Repeat("\n", 50),
	}
}

// The parts of a file, one after the other, are what one process writes, into however many it is cut.
func TestParts(t *testing.T) {
	t.Parallel()
	for name, text := range inputs() {
		path := writeFile(t, filepath.Join(t.TempDir(), name), text)
		want := whole(t, path)
		for _, n := range []int{1, 2, 7, 16, strings.Count(text, "\n") + 3, 128} {
			if n > 64 && (testing.Short() || name[0] != 'r' && name[0] != 't') {
				continue // files take time to make
			}
			dir := filepath.Join(t.TempDir(), "parts")
			p := mustPlan(t, optionsFor(path, dir, n))
			total := 0
			for _, i := range rand.Perm(n) {
				total += mustRun(t, p, i).Rows
			}
			if got := cat(t, dir); !bytes.Equal(got, want) || total != bytes.Count(want, []byte("\n")) {
				t.Fatalf("%s in %d parts, %d rows: %.300q, want %.300q", name, n, total, got, want)
			}
		}
	}
}

// Every byte of a file belongs to one shard, which begins and ends with a line, and is no larger than its share and a line.
func TestCut(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		text := make([]byte, rng.IntN(60))
		for i := range text {
			text[i] = "ab\n"[rng.IntN(3)]
		}
		in, err := readInput(writeFile(t, filepath.Join(t.TempDir(), "f.jsonl"), string(text)), data.Options{})
		if err != nil {
			t.Fatal(err)
		}
		of, at := 1+rng.IntN(70), int64(0)
		for i := range of {
			pieces, err := in.pieces(i, of)
			if err != nil || len(pieces) != 1 {
				t.Fatalf("%v, %v", pieces, err)
			}
			p := pieces[0]
			if p.start != at || p.end < p.start || p.end < in.Bytes && p.end > 0 && text[p.end-1] != '\n' {
				t.Fatalf("%q: shard %d of %d is [%d, %d), the last ended at %d", text, i, of, p.start, p.end, at)
			}
			for k := p.start; k < p.end; k++ {
				if begins := k == 0 || text[k-1] == '\n'; begins && (k < border(in.Bytes, i, of) || k >= border(in.Bytes, i+1, of)) {
					t.Fatalf("%q: shard %d of %d has the line at %d", text, i, of, k)
				}
			}
			at = p.end
		}
		if at != in.Bytes {
			t.Fatalf("%q: %d shards end at %d", text, of, at)
		}
	}
	if got := border(1<<62, MaxShards-1, MaxShards); got != 1<<62-1<<62/MaxShards-1 {
		t.Errorf("a border of a very large file is %d", got)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for s, want := range map[string][3]int{"0/1": {0, 0, 1}, "3/128": {3, 3, 128}, "0-15/16": {0, 15, 16},
		"99999/100000": {99999, 99999, 100000}} {
		if first, last, of, err := Parse(s); err != nil || [3]int{first, last, of} != want {
			t.Errorf("%s: %d-%d/%d, %v", s, first, last, of, err)
		}
	}
	for _, s := range []string{"", "3", "/", "1/0", "4/4", "5-3/9", "0-4/4", "-1/4", "a/4", "1/b", "1/4/5", "1/100001", "+1/4", " 1/4",
		"1-/4", "1-2-3/4", "99999999999999999999/4"} {
		if _, _, _, err := Parse(s); !errors.As(err, new(*data.OptionError)) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, c := range []struct {
		numbers []int
		want    string
	}{{nil, ""}, {[]int{3}, "3"}, {[]int{0, 1, 2, 5, 7, 8}, "0-2,5,7-8"}} {
		if got := ranges(c.numbers); got != c.want {
			t.Errorf("%v: %s", c.numbers, got)
		}
		for _, s := range Shards(c.numbers, 9) {
			if _, _, _, err := Parse(s); err != nil {
				t.Errorf("%v", err)
			}
		}
	}
}

// Whole files are dealt, in the order of their names and each to one shard: csv and gzip too.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, rows(11))
	z.Close()
	files := []struct{ name, text string }{
		{"a.csv", "id,text\n1,\"the\ncat\"\n2,\"broken\n"}, {"b.jsonl", rows(30)}, {"c.jsonl", ""},
		{"d.jsonl.gz", packed.String()}, {"e.jsonl", rows(3)}, {"f.jsonl", ""},
	}
	var want []byte
	for _, f := range files {
		want = append(want, whole(t, writeFile(t, filepath.Join(dir, f.name), f.text))...)
	}
	writeFile(t, filepath.Join(dir, "_SUCCESS"), "")
	writeFile(t, filepath.Join(dir, ".hidden.xyz"), "")
	for _, n := range []int{1, 2, 3, 6, 20} {
		output, read := filepath.Join(t.TempDir(), "parts"), 0
		p := mustPlan(t, optionsFor(dir, output, n))
		for i := range n {
			read += len(mustRun(t, p, i).Read)
		}
		if got := cat(t, output); !bytes.Equal(got, want) || read != len(files) {
			t.Errorf("%d shards read %d files: %q, want %q", n, read, got, want)
		}
		if r, err := Verify(output, VerifyOptions{Input: dir}); err != nil || !r.Complete {
			t.Errorf("%d shards: %+v, %v", n, r, err)
		}
	}
	for name, want := range map[string]string{"g.xyz": "no suffix", "sub": "is no file"} {
		path := filepath.Join(dir, name)
		if name == "sub" {
			os.Mkdir(path, 0o700)
		} else {
			writeFile(t, path, "")
		}
		if _, err := Plan(optionsFor(dir, "x", 2)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		os.Remove(path)
	}
}

// What cannot be cut is refused with the remedy, as wrong usage, before anything is made.
func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := writeFile(t, filepath.Join(dir, "a.jsonl"), rows(3))
	change := func(f func(*Options)) Options {
		o := optionsFor(good, filepath.Join(dir, "out"), 2)
		f(&o)
		return o
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "sub", "a.csv"), "text\na\n")
	for want, o := range map[string]Options{
		"line break may stand inside quotes": change(func(o *Options) { o.Input = writeFile(t, filepath.Join(dir, "a.csv"), "text\n") }),
		"unpack it; or":                      change(func(o *Options) { o.Input = writeFile(t, filepath.Join(dir, "z.jsonl"), "\x1f\x8b\x08") }),
		"convert it to jsonl":                change(func(o *Options) { o.Data.Format = data.CSV }),
		"a stream cannot be cut":             change(func(o *Options) { o.Input = "-" }),
		"need a folder of their own": change(func(o *Options) {
			o.Input = filepath.Join(dir, "sub")
			o.Output = o.Input
		}),
		"no such file":                 change(func(o *Options) { o.Input = filepath.Join(dir, "none.jsonl") }),
		"no suffix that names":         change(func(o *Options) { o.Input = writeFile(t, filepath.Join(dir, "a.xyz"), "") }),
		"want from 1 to":               change(func(o *Options) { o.Of = 0 }),
		"want the folder of the parts": change(func(o *Options) { o.Output = "" }),
		"no stamp":                     change(func(o *Options) { o.Model = nil }),
		"both Suffix and NewWriter":    change(func(o *Options) { o.Suffix = "csv" }),
		"nothing to write":             change(func(o *Options) { o.Score.Result = score.Tokens }),
		"not those of a receipt": change(func(o *Options) {
			o.Suffix, o.NewWriter = "json", func(io.Writer, *model.Model, bool) Writer { return nil }
		}),
	} {
		if _, err := Plan(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	p := mustPlan(t, change(func(o *Options) { o.Output = writeFile(t, filepath.Join(dir, "file"), "") }))
	if _, err := Run(t.Context(), p, 0, openTiny); err == nil || !strings.Contains(err.Error(), "want a folder") {
		t.Errorf("the output is a file: %v", err)
	}
	p = mustPlan(t, change(func(*Options) {}))
	for _, i := range []int{-1, 2} {
		if _, err := Run(t.Context(), p, i, openTiny); !errors.As(err, new(*data.OptionError)) {
			t.Errorf("shard %d: %v", i, err)
		}
	}
	if _, err := os.Stat(p.options.Output); err == nil {
		t.Error("something was made")
	}
}

// A table needs ids: whether there are some, the first row of the file says to every shard.
func TestNeedIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		has        bool
	}{
		{"a.jsonl", "{\"id\":1,\"text\":\"a\"}\n{\"text\":\"b\"}\n", true},
		{"b.jsonl", "\n{\"text\":\"a\"}\n{\"id\":1,\"text\":\"b\"}\n", false},
		{"c.jsonl", "", true},
		{"d.tsv", "text\na\nb\n", false},
		{"e.tsv", "id\ttext\n1\ta\n2\tb\n", true},
		{"f.txt", "a\nb\n", false},
	} {
		o := optionsFor(writeFile(t, filepath.Join(t.TempDir(), c.name), c.text), filepath.Join(t.TempDir(), "out"), 2)
		o.NeedIDs = true
		for i := range 2 {
			if _, err := Run(t.Context(), mustPlan(t, o), i, openTiny); (err == nil) != c.has ||
				err != nil && (!strings.Contains(err.Error(), "has no ids") || !errors.As(err, new(*data.OptionError))) {
				t.Errorf("%s, shard %d: %v", c.name, i, err)
			}
		}
	}
}

// A receipt that agrees ends a run before the model is opened; one that differs in anything that changes bits is an error with both values.
func TestReceipts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input, output := writeFile(t, filepath.Join(dir, "in.jsonl"), rows(30)), filepath.Join(dir, "parts")
	o := optionsFor(input, output, 3)
	first := mustRun(t, mustPlan(t, o), 1)
	if first.Found || first.Rows == 0 || first.Refused == 0 || len(first.Fingerprint) != 64 || first.Part.Bytes == 0 || first.Version != "v1" {
		t.Errorf("%+v", first)
	}
	o.Version, o.Data.MaxBadRows = "v2", data.AtMost(1000) // neither changes bits
	again, err := Run(t.Context(), mustPlan(t, o), 1, notOpened)
	if err != nil || !again.Found || again.Rows != first.Rows || again.Version != "v1" {
		t.Errorf("%+v, %v", again, err)
	}
	other := writeFile(t, filepath.Join(dir, "other.jsonl"), rows(31))
	for want, change := range map[string]func(*Options){
		"shards: found 3, this run has 4":               func(o *Options) { o.Of = 4 },
		"bytes of the input: found ":                    func(o *Options) { o.Input = other },
		"model: found 0102, this run has 03":            func(o *Options) { o.Model = []byte{3} },
		"`precision`: found fp32, this run has int8":    func(o *Options) { o.Settings = map[string]string{"precision": "int8"} },
		"`on_long`: found none, this run has error":     func(o *Options) { o.Data.OnLong = data.LongError },
		"`on_bad_row`: found report, this run has skip": func(o *Options) { o.Data.OnBadRow = data.SkipBadRows },
		"`pooling`: found none, this run has mean":      func(o *Options) { o.Score = score.Options{Result: score.Vectors, Pooling: bert.Mean} },
	} {
		changed := optionsFor(input, output, 3)
		change(&changed)
		for i := range 2 { // the shard itself, and another one that sees its receipt
			var conflict *ConflictError
			if _, err := Run(t.Context(), mustPlan(t, changed), i, notOpened); !errors.As(err, &conflict) || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), "part-00001-of-00003.json is of another run") {
				t.Errorf("shard %d: %v, want %q", i, err, want)
			}
		}
	}
	p := mustPlan(t, o)
	p.job.Kernels = "none"
	if _, err := Run(t.Context(), p, 1, notOpened); err == nil || !strings.Contains(err.Error(), "kernels: found ") {
		t.Errorf("other kernels: %v", err)
	}
}

// A part that was cut short, one that is gone and a receipt that is none are made again; an input that grew is an error for every shard.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input, output := writeFile(t, filepath.Join(dir, "in.jsonl"), rows(30)), filepath.Join(dir, "parts")
	want := whole(t, input)
	o := optionsFor(input, output, 3)
	var notes []string
	o.Observer.Note = func(message string) { notes = append(notes, message) }
	for i := range 3 {
		mustRun(t, mustPlan(t, o), i)
	}
	part, receipt := filepath.Join(output, "part-00001-of-00003.jsonl"), filepath.Join(output, "part-00001-of-00003.json")
	for what, harm := range map[string]func() error{
		"bytes, its receipt says": func() error { return os.Truncate(part, 10) },
		"is not there":            func() error { return os.Remove(part) },
		"no receipt":              func() error { return os.Truncate(receipt, 20) },
		"it says format_version":  func() error { return os.WriteFile(receipt, []byte(`{"format_version":1,"shard":2,"of":3}`), 0o600) },
		"":                        func() error { return os.Remove(receipt) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(output, VerifyOptions{})
		if err != nil || r.Complete || r.Done != 2 || r.MissingArray != "1" || !slices.Equal(r.MissingShards, []string{"1/3"}) ||
			what != "" && (len(r.Damaged) != 1 || !strings.Contains(r.Damaged[0].What, what)) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		if err := r.Cat(io.Discard); err == nil {
			t.Errorf("%s: an incomplete folder is written", what)
		}
		notes = nil
		if mustRun(t, mustPlan(t, o), 1); what != "" && (len(notes) != 1 || !strings.Contains(notes[0], what)) {
			t.Errorf("%s: %q", what, notes)
		}
		if got := cat(t, output); !bytes.Equal(got, want) {
			t.Errorf("%s: %q", what, got)
		}
	}
	// Bytes that have changed show to Verify alone; Clean takes them away.
	writeFile(t, part, strings.Replace(string(must(os.ReadFile(part))), "x", "z", 1))
	r, err := Verify(output, VerifyOptions{})
	if err != nil || r.Complete || len(r.Damaged) != 1 || !strings.Contains(r.Damaged[0].What, "SHA-256") {
		t.Errorf("%+v, %v", r, err)
	}
	if removed, err := r.Clean(nil); err != nil || !slices.Equal(removed, []string{filepath.Base(receipt), filepath.Base(part)}) {
		t.Errorf("removed %v, %v", removed, err)
	}
	mustRun(t, mustPlan(t, o), 1)
	if !bytes.Equal(cat(t, output), want) {
		t.Error("not made again")
	}
	// The input grows.
	if r, err := Verify(output, VerifyOptions{Input: input}); err != nil || !r.Complete {
		t.Errorf("%+v, %v", r, err)
	}
	writeFile(t, input, rows(30)+"{\"text\":\"more\"}\n")
	var conflict *ConflictError
	if _, err := Run(t.Context(), mustPlan(t, o), 2, notOpened); !errors.As(err, &conflict) ||
		conflict.Differences[0].What != "bytes of the input" {
		t.Errorf("%v", err)
	}
	writeFile(t, input, strings.Replace(rows(30), "cat", "mat", 1))
	if r, err := Verify(output, VerifyOptions{Input: input}); err != nil || len(r.Damaged) != 1 ||
		!strings.Contains(r.Damaged[0].What, "input has changed") {
		t.Errorf("%+v, %v", r, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An input that changes while a shard is being made is an error, and nothing counts.
func TestInputChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := writeFile(t, filepath.Join(dir, "in.jsonl"), rows(30))
	o := optionsFor(input, filepath.Join(dir, "parts"), 1)
	o.Observer.Chunk = func(int, []score.Row) {
		f := must(os.OpenFile(input, os.O_APPEND|os.O_WRONLY, 0))
		io.WriteString(f, "more")
		f.Close()
	}
	var conflict *ConflictError
	if _, err := Run(t.Context(), mustPlan(t, o), 0, openTiny); !errors.As(err, &conflict) || conflict.Path != input {
		t.Errorf("%v", err)
	}
	if names := must(os.ReadDir(o.Output)); len(names) > 0 {
		t.Errorf("left %v", names)
	}
}

// TestEveryFault makes each single operation of a shard fail in turn, alone or with all that follow: an error with path and errno, no part
// counts without its receipt, nothing temporary is left, and the next run makes it right.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := writeFile(t, filepath.Join(dir, "in.jsonl"), rows(30))
	want := whole(t, input)
	for _, broken := range []bool{false, true} {
		for n, done := 1, false; !done; n++ {
			output := filepath.Join(dir, fmt.Sprint("parts-", broken, n))
			faults := &atomictest.Faulty{Err: syscall.ENOSPC, Broken: broken, Left: atomictest.Never}
			o := optionsFor(input, output, 2)
			o.BadRows = output
			mustRun(t, mustPlan(t, o), 0)
			o.FS = faults
			faults.Left = n
			_, err := Run(t.Context(), mustPlan(t, o), 1, openTiny)
			if done = faults.Left > 0; done != (err == nil) ||
				err != nil && (!errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), output)) {
				t.Errorf("fault %d: %v", n, err)
			}
			r, err := Verify(output, VerifyOptions{})
			if err != nil || len(r.Damaged) > 0 || len(r.Temporary) > 0 || r.Complete && !bytes.Equal(cat(t, output), want) {
				t.Errorf("fault %d leaves %+v, %v", n, r, err)
			}
			o.FS = inMemory()
			mustRun(t, mustPlan(t, o), 1)
			if got := cat(t, output); !bytes.Equal(got, want) {
				t.Errorf("after fault %d: %q", n, got)
			}
			if lists, _ := filepath.Glob(filepath.Join(output, "bad-*-of-00002.jsonl")); len(lists) != 2 {
				t.Errorf("after fault %d: lists of bad rows %v", n, lists)
			}
			if done && n < 20 {
				t.Errorf("only %d operations were made to fail", n-1)
			}
		}
	}
}

// Processes that make the same shard at the same time all succeed.
func TestTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input, output := writeFile(t, filepath.Join(dir, "in.jsonl"), rows(60)), filepath.Join(dir, "parts")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			p, err := Plan(optionsFor(input, output, 5))
			for i := 0; i < 5 && err == nil; i++ {
				_, err = Run(context.Background(), p, i, openTiny)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := cat(t, output); !bytes.Equal(got, whole(t, input)) {
		t.Errorf("%q", got)
	}
	if r := must(Verify(output, VerifyOptions{})); len(r.Temporary)+len(r.Strays) > 0 {
		t.Errorf("%+v", r)
	}
}

// A process whose temporary file was taken away ends well if the part is there, and with an error if it is not.
func TestTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := writeFile(t, filepath.Join(dir, "in.jsonl"), rows(30))
	for _, made := range []bool{true, false} {
		o := optionsFor(input, filepath.Join(dir, fmt.Sprint("parts-", made)), 1)
		taking := o
		taking.Observer.Chunk = func(int, []score.Row) {
			for _, path := range must(filepath.Glob(filepath.Join(o.Output, ".part-*"))) {
				os.Remove(path)
			}
		}
		if made {
			taking.FS = renaming{inMemory(), func() { mustRun(t, mustPlan(t, o), 0) }}
		}
		r, err := Run(t.Context(), mustPlan(t, taking), 0, openTiny)
		if made && (err != nil || !r.Found) || !made && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("made by another %v: %+v, %v", made, r, err)
		}
	}
}

// renaming does something just before the first renaming.
type renaming struct {
	atomic.FS
	before func()
}

func (r renaming) Rename(from, to string) error {
	r.before()
	return r.FS.Rename(from, to)
}

// Bad rows are listed beside the part, each with the byte at which it begins; a limit is for the shard.
func TestBadRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := rows(40)
	input := writeFile(t, filepath.Join(dir, "in.jsonl"), text)
	o := optionsFor(input, filepath.Join(dir, "parts"), 2)
	o.BadRows = filepath.Join(dir, "bad")
	o.ShowBad = func(bad *data.RowError) *data.RowError {
		shown := *bad
		shown.Hint = "do better"
		return &shown
	}
	p := mustPlan(t, o)
	for i := range 2 {
		r := mustRun(t, p, i)
		list := string(must(os.ReadFile(filepath.Join(o.BadRows, fmt.Sprintf("bad-%05d-of-00002.jsonl", i)))))
		if r.Refused == 0 || strings.Count(list, "\n") != r.Refused || r.Allows(data.Limit{}) || r.Allows(data.AtMost(r.Refused-1)) ||
			!r.Allows(data.AtMost(r.Refused)) {
			t.Errorf("%+v, %q", r, list)
		}
		for line := range strings.Lines(list) {
			var at int
			if _, err := fmt.Sscanf(line[strings.Index(line, `"offset":`):], `"offset":%d}`, &at); err != nil ||
				!strings.Contains(text[at:strings.IndexByte(text[at:], '\n')+at], `"text":`) || at > 0 && text[at-1] != '\n' ||
				!strings.Contains(line, "do better") || strings.Contains(line, `"line"`) {
				t.Errorf("%d, %v: %s", at, err, line)
			}
		}
	}
	if part := string(must(os.ReadFile(p.path(0, "jsonl")))); strings.Count(part, "fix: do better") != 2 || strings.Contains(part, input) {
		t.Errorf("%s", part)
	}
	o.Output, o.Data.MaxBadRows = filepath.Join(dir, "limited"), data.AtMost(1)
	if _, err := Run(t.Context(), mustPlan(t, o), 0, openTiny); !errors.Is(err, data.ErrRefused) {
		t.Errorf("two bad rows of one: %v", err)
	}
	if names := must(os.ReadDir(o.Output)); len(names) > 0 {
		t.Errorf("left %v", names)
	}
	o.Data.OnBadRow, o.Data.MaxBadRows = data.SkipBadRows, data.Limit{}
	if r := mustRun(t, mustPlan(t, o), 0); r.Refused != 2 || !r.Allows(data.Limit{}) || r.Allows(data.AtMost(1)) ||
		!r.Allows(data.AtMostPercent(11)) || r.Allows(data.AtMostPercent(10)) {
		t.Errorf("%+v", r)
	}
}

// A run that is stopped leaves nothing, and neither does one that died before: but what another machine writes stays.
func TestStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input, output := writeFile(t, filepath.Join(dir, "in.jsonl"), rows(30)), filepath.Join(dir, "parts")
	o := optionsFor(input, output, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, mustPlan(t, o), 0, openTiny); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	failing := errors.New("no model")
	if _, err := Run(t.Context(), mustPlan(t, o), 0, func() (*model.Model, error) { return nil, failing }); !errors.Is(err, failing) {
		t.Errorf("%v", err)
	}
	if names := must(os.ReadDir(output)); len(names) > 0 {
		t.Errorf("left %v", names)
	}
	host := must(os.Hostname())
	dead := fmt.Sprintf(".part-00000-of-00002.jsonl.tmp-%s-%d-0123456789abcdef", host, 1<<22+1)
	others := []string{".part-00000-of-00002.jsonl.tmp-elsewhere-7-0123456789abcdef", strings.Replace(dead, "00000", "00001", 1)}
	for _, n := range append(others, dead) {
		writeFile(t, filepath.Join(output, n), "half")
	}
	mustRun(t, mustPlan(t, o), 0)
	if r := must(Verify(output, VerifyOptions{})); !slices.Equal(r.Temporary, others) || r.Done != 1 {
		t.Errorf("%+v", r)
	} else if removed, err := r.Clean(nil); err != nil || !slices.Equal(removed, others[1:]) {
		t.Errorf("cleaned %v, %v", removed, err)
	}
	if _, err := Verify(dir, VerifyOptions{}); err == nil || !strings.Contains(err.Error(), "has no parts") {
		t.Errorf("a folder without parts: %v", err)
	}
	stray := filepath.Join(output, "part-00003-of-00007.jsonl")
	writeFile(t, stray, "")
	if r := must(Verify(output, VerifyOptions{})); !slices.Equal(r.Strays, []string{filepath.Base(stray)}) || r.Of != 2 {
		t.Errorf("%+v", r)
	}
}

// Vectors go into files of tensors with their ids and labels; the rows of all files are those of one process.
func TestTensors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "{\"id\":\"n%d\",\"text\":\"the cat%s\",\"labels\":[\"y\"]}\n", i*i, strings.Repeat(" sat", i%4))
	}
	input := writeFile(t, filepath.Join(dir, "in.jsonl"), text.String())
	o := optionsFor(input, filepath.Join(dir, "parts"), 40)
	o.Data.OnBadRow, o.Data.Labels = data.StopAtBadRow, must(data.NewLabelList([]string{"x", "y"}, "a test"))
	o.Score, o.Suffix = score.Options{Result: score.Vectors, Pooling: bert.CLS}, Tensors
	o.NewWriter = NewTensors([]string{"x", "y"}, false, &o.Score.Pooling)
	p := mustPlan(t, o)
	row, empty := 0, 0
	for i := range 40 {
		r := mustRun(t, p, i)
		f, err := safetensors.Open(p.path(i, Tensors), checkpoint.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		tensor := func(name string) []byte { return must(f.ReadRaw(name)) }
		vectors, labels := tensor("embeddings"), tensor("labels")
		if len(vectors) != r.Rows*16*4 || len(labels) != 2*r.Rows {
			t.Fatalf("shard %d of %d rows has %d and %d bytes", i, r.Rows, len(vectors), len(labels))
		}
		if r.Rows == 0 {
			empty++
			f.Close()
			continue
		}
		ids, offsets := tensor("ids"), tensor("id_offsets")
		for k := range r.Rows {
			from, to := binary.LittleEndian.Uint64(offsets[8*k:]), binary.LittleEndian.Uint64(offsets[8*k+8:])
			want := must(tinyModel().Embed(t.Context(), []model.Text{{A: "the cat" + strings.Repeat(" sat", row%4)}}, bert.CLS)).Row(0)
			first := math.Float32frombits(binary.LittleEndian.Uint32(vectors[4*16*k:]))
			if got := string(ids[from:to]); got != fmt.Sprint("n", row*row) || first != want[0] || labels[2*k] != 0 || labels[2*k+1] != 1 {
				t.Errorf("row %d: id %s, %v, want %v, labels %v", row, got, first, want[0], labels[2*k:2*k+2])
			}
			row++
		}
		f.Close()
	}
	r := must(Verify(o.Output, VerifyOptions{}))
	if row != 30 || empty < 10 || !r.Complete {
		t.Errorf("%d rows, %d empty parts, %+v", row, empty, r)
	}
	if err := r.Cat(io.Discard); err == nil || !strings.Contains(err.Error(), "cannot be joined") {
		t.Errorf("joined: %v", err)
	}
	if _, err := Run(t.Context(), mustPlan(t, o), 0, notOpened); err != nil {
		t.Error(err)
	}
	o.Data.Labels = must(data.NewLabelList([]string{"y", "x"}, "a test"))
	if _, err := Run(t.Context(), mustPlan(t, o), 0, notOpened); err == nil || !strings.Contains(err.Error(), "`labels`: found [") {
		t.Errorf("other labels: %v", err)
	}
	o.Data.Labels, o.Data.SoftLabels = must(data.NewLabelList([]string{"x", "y"}, "a test")), true
	if _, err := Run(t.Context(), mustPlan(t, o), 0, notOpened); err == nil || !strings.Contains(err.Error(), "`soft_labels`: found none, ") {
		t.Errorf("shares: %v", err)
	}
	bad := optionsFor(writeFile(t, filepath.Join(dir, "bad.jsonl"), rows(9)), filepath.Join(dir, "bad"), 1)
	bad.Score, bad.Suffix, bad.NewWriter = score.Options{Result: score.Vectors}, Tensors, NewTensors(nil, false, nil)
	if _, err := Run(t.Context(), mustPlan(t, bad), 0, openTiny); !errors.Is(err, data.ErrRefused) {
		t.Errorf("a bad row: %v", err)
	}
}
