package score

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor/parallel"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

var testLabels = []string{"late", "broken \"<b>\"", "größe"}

// tinyModel returns a random model with a head of three labels.
func tinyModel(t testing.TB) *model.Model {
	t.Helper()
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat my parcel never came it is broken a b c d e , .")
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 24
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 16, 2, 2, 32
	lower := true
	m, err := model.New(config, []byte(strings.Join(vocab, "\n")), 7, &model.Options{LowerCase: &lower, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 1))
	for _, p := range m.Encoder.Params() {
		for i := range p.Value {
			p.Value[i] += float32(rng.NormFloat64() * 0.2)
		}
	}
	m.Encoder.Pack()
	head := layers.NewClassifier(len(testLabels), config.HiddenSize)
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
		for i := range p.Value {
			p.Value[i] = float32(rng.NormFloat64())
		}
	}
	m.SetHead(head, testLabels, bert.Mean)
	m.Thresholds[1] = 0.3
	return m
}

func reader(t testing.TB, in io.Reader, o data.Options) *data.Reader {
	t.Helper()
	o.IgnoreLabels = true
	r, err := data.NewReader(in, "in.jsonl", o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// texts returns n lines of JSON, some of them pairs, and the texts in them.
func texts(n int) (lines string, all []model.Text) {
	rng, words := rand.New(rand.NewPCG(1, 2)), strings.Fields("the cat sat on my mat parcel never came it is broken x")
	sentence := func() string {
		var b strings.Builder
		for range 1 + rng.IntN(12) {
			b.WriteString(words[rng.IntN(len(words))] + " ")
		}
		return b.String()
	}
	var b strings.Builder
	for i := range n {
		text := model.Text{A: sentence()}
		row := map[string]any{"id": i, "text": text.A}
		if i%3 == 0 {
			text.B = sentence()
			row["text_pair"] = text.B
		}
		line, err := json.Marshal(row)
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
		all = append(all, text)
	}
	return b.String(), all
}

// collect returns all rows of a sequence, and its error.
func collect(chunks func(func([]Row, error) bool)) (rows []Row, err error) {
	for chunk, err := range chunks {
		if err != nil {
			return rows, err
		}
		rows = append(rows, chunk...)
	}
	return rows, nil
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// Rows come in order, with the bits that Predict and Embed give them.
func TestChunks(t *testing.T) {
	m := tinyModel(t)
	lines, all := texts(300)
	predictions, err := m.Predict(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	features, err := m.Embed(t.Context(), all, bert.CLS)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {Result: Vectors, Pooling: bert.CLS}, {Result: Tokens}} {
		r := reader(t, strings.NewReader(lines), data.Options{})
		rows, err := collect(Chunks(t.Context(), m, r, o))
		if err != nil || len(rows) != len(all) || r.Stats().Rows != len(all) {
			t.Fatalf("%+v: %d rows, %+v, %v", o, len(rows), r.Stats(), err)
		}
		for i := range rows {
			row := &rows[i]
			if row.ID != fmt.Sprint(i) || row.Line != i+1 || row.Text != all[i].A || row.Pair != all[i].B || row.Bad != nil {
				t.Fatalf("row %d: %+v", i, row)
			}
			if want := m.Tokenizer.Encode(all[i].A, all[i].B, m.MaxSeqLength); !slices.Equal(row.Tokens.IDs, want.IDs) ||
				row.Tokens.Cut != want.Cut {
				t.Fatalf("row %d has other tokens", i)
			}
			wantVector, want := []float32(nil), model.Prediction{}
			switch o.Result {
			case Predictions:
				want = predictions[i]
			case Vectors:
				wantVector = features.Row(i)
			}
			if !sameBits(row.Prediction.Logits, want.Logits) || !sameBits(row.Prediction.Probabilities, want.Probabilities) ||
				!sameBits(row.Vector, wantVector) {
				t.Fatalf("%+v: row %d has other bits", o, i)
			}
		}
	}
}

// badLines has a row that cannot be read, and one of 7 tokens.
const badLines = `{"id": "a", "text": "the cat"}
{"id": "b", "text": 5}
{"id": "c", "text": "my parcel never came ."}
{"id": "d", "text": "it is"}
`

// A row that cannot be used stands in its place, is left out, or ends the reading after the rows before it.
func TestBadRows(t *testing.T) {
	m := tinyModel(t)
	m.MaxSeqLength = 5
	for _, c := range []struct {
		policy data.BadRows
		long   data.LongTexts
		want   string // ids, bad ones in capitals
		stats  data.Stats
		last   string // the error
	}{
		{data.ReportBadRows, "", "aBcd", data.Stats{Rows: 3, Bad: 1}, ""},
		{data.ReportBadRows, data.LongError, "aBCd", data.Stats{Rows: 2, Bad: 2}, ""},
		{data.SkipBadRows, "", "acd", data.Stats{Rows: 3, Bad: 1}, ""},
		{data.SkipBadRows, data.LongError, "ad", data.Stats{Rows: 2, Bad: 2}, ""},
		{"", data.LongError, "a", data.Stats{Rows: 1}, "in.jsonl:2: "},
	} {
		var shown []int
		o := data.Options{OnBadRow: c.policy, OnLong: c.long, OnBad: func(bad *data.RowError) { shown = append(shown, bad.Line) }}
		r := reader(t, strings.NewReader(badLines), o)
		rows, err := collect(Chunks(t.Context(), m, r, Options{}))
		got := ""
		for _, row := range rows {
			if row.Bad == nil {
				got += row.ID
				if len(row.Prediction.Logits) != 3 {
					t.Errorf("row %s without a prediction", row.ID)
				}
				continue
			}
			got += strings.ToUpper(row.ID)
			if row.Prediction.Logits != nil || row.Bad.Line != row.Line || row.Err != error(row.Bad) {
				t.Errorf("bad row %+v", row)
			}
		}
		if got != c.want || r.Stats() != c.stats || len(shown) != c.stats.Bad || (err == nil) != (c.last == "") || err != nil &&
			!strings.HasPrefix(err.Error(), c.last) {
			t.Errorf("%s %s: rows %s, %+v, shown %v, %v", c.policy, c.long, got, r.Stats(), shown, err)
		}
	}
	// The text that is too long ends the reading, too, and counts against the limit.
	long := strings.Split(badLines, "\n")[2] + "\n"
	r := reader(t, strings.NewReader(long+long), data.Options{OnLong: data.LongError})
	var bad *data.RowError
	if _, err := collect(Chunks(t.Context(), m, r, Options{})); !errors.As(err, &bad) || bad.Found != "a text of 7 tokens" ||
		bad.Expected != "at most 5 with [CLS] and [SEP]" {
		t.Errorf("too long: %v", err)
	}
	r = reader(t, strings.NewReader(long+long), data.Options{OnLong: data.LongError, OnBadRow: data.ReportBadRows,
		MaxBadRows: data.AtMost(0)})
	rows, err := collect(Chunks(t.Context(), m, r, Options{}))
	var many *data.BadRowsError
	if len(rows) != 1 || rows[0].Bad == nil || !errors.As(err, &many) || many.Last != rows[0].Bad {
		t.Errorf("limit of 0: %d rows, %v", len(rows), err)
	}
}

// What is missing is said, and nothing panics.
func TestMisuse(t *testing.T) {
	m, r := tinyModel(t), reader(t, strings.NewReader(""), data.Options{})
	headless := tinyModel(t)
	headless.Head = nil
	labelled, err := data.LoadFrom(strings.NewReader("text,late\na,1\n"), "f.csv", data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	unlabelled, err := data.LoadFrom(strings.NewReader("text,late\na,1\n"), "f.csv", data.Options{IgnoreLabels: true})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	stream := func(ctx context.Context, m *model.Model, r *data.Reader, o Options) error {
		_, err := collect(Chunks(ctx, m, r, o))
		return err
	}
	evaluate := func(m *model.Model, rows *data.Dataset, thresholds ...float32) error {
		_, err := Evaluate(t.Context(), m, rows, thresholds)
		return err
	}
	encode := func(m *model.Model, rows *data.Dataset) error { _, _, err := Encode(m, rows, ""); return err }
	_, short := Probabilities(t.Context(), m, labelled, m.Encode([]string{"a", "b"}, nil), nil)
	for _, c := range []struct {
		err  error
		want string
	}{
		{stream(t.Context(), nil, r, Options{}), "no model"},
		{stream(t.Context(), &model.Model{}, r, Options{}), "no encoder"},
		{stream(t.Context(), headless, r, Options{}), "no head"},
		{stream(t.Context(), headless, r, Options{Result: Vectors}), ""},
		{stream(t.Context(), m, nil, Options{}), "no reader"},
		{stream(t.Context(), m, r, Options{Result: 7}), "result 7"},
		{stream(t.Context(), m, r, Options{Result: Vectors, Pooling: "mean:-9"}), "layer"},
		{stream(ended, m, r, Options{}), "enough"},
		{evaluate(nil, labelled), "no model"},
		{evaluate(headless, labelled), "no head"},
		{evaluate(m, nil), "no rows"},
		{evaluate(m, unlabelled), "without its labels"},
		{evaluate(m, labelled), "are not those of the model"},
		{encode(nil, labelled), "no model"},
		{encode(m, nil), "no rows"},
		{short, "2 rows of tokens for 1"},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("error %v, want %q", c.err, c.want)
		}
	}
}

// A number that is none is an error with the place of its row and the label.
func TestBrokenNumbers(t *testing.T) {
	m := tinyModel(t)
	m.Head.Bias.Value[1] = float32(math.NaN())
	rows, err := collect(Chunks(t.Context(), m, reader(t, strings.NewReader("{\"text\": 1}\n\n{\"text\": \"a\"}\n"),
		data.Options{OnBadRow: data.ReportBadRows}), Options{}))
	var logit *model.LogitError
	var number *NumberError
	if want := `in.jsonl:3: the logit of label "broken \"<b>\"" is NaN: the weights are broken`; err == nil || err.Error() != want ||
		!errors.As(err, &logit) || !errors.As(err, &number) || number.Line != 3 {
		t.Errorf("%d rows, %v, want %s", len(rows), err, want)
	}
	labels, err := data.NewLabelList(testLabels, "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := data.LoadFrom(strings.NewReader("{\"text\": \"a\", \"labels\": []}\n"), "f.jsonl", data.Options{Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Evaluate(t.Context(), m, set, nil); err == nil || !strings.HasPrefix(err.Error(), "f.jsonl:1: the logit of label") {
		t.Errorf("evaluate: %v", err)
	}
	m = tinyModel(t)
	m.Encoder.Layers[1].OutputNorm.Gamma.Value[0] = float32(math.Inf(1))
	for _, o := range []Options{{}, {Result: Vectors, Pooling: bert.CLS}} {
		_, err = collect(Chunks(t.Context(), m, reader(t, strings.NewReader("\n{\"text\": \"a\"}\n"), data.Options{}), o))
		if err == nil || !strings.HasPrefix(err.Error(), "in.jsonl:2: feature 0 is") || !errors.Is(err, model.ErrNotFinite) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// ends waits until no more goroutines run than before.
func ends(t *testing.T, what string, before int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: %d goroutines, %d before", what, runtime.NumGoroutine(), before)
}

// counted counts the bytes that are read.
type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// endless is text that never ends.
type endless struct {
	line string
	rest string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		e.rest = e.line
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// The first row is answered before the second is there; breaking out ends the goroutine; so does the end of ctx, once the source that
// is being read returns.
func TestChunksEnd(t *testing.T) {
	m := tinyModel(t)
	if _, err := m.Predict(t.Context(), []model.Text{{A: "a"}}); err != nil { // the worker of its pass stays
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for chunk, err := range Chunks(t.Context(), m, reader(t, &endless{line: "{\"text\": \"the cat\"}\n"}, data.Options{}), Options{}) {
		if err != nil || len(chunk) == 0 || len(chunk) > aheadRows {
			t.Errorf("%d rows, %v", len(chunk), err)
		}
		break
	}
	ends(t, "break", before)

	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	source, w := io.Pipe()
	go io.WriteString(w, "{\"text\": \"the cat\"}\n{\"text\"")
	seen, last := 0, error(nil)
	for chunk, err := range Chunks(ctx, m, reader(t, source, data.Options{}), Options{}) {
		if seen, last = seen+len(chunk), err; err == nil {
			cancel(enough) // while the goroutine waits for the second row
		}
	}
	if seen != 1 || last != enough {
		t.Errorf("ended with %d rows, %v", seen, last)
	}
	w.Close()
	ends(t, "end of ctx", before)

	ctx, cancel = context.WithCancelCause(t.Context())
	defer cancel(nil)
	for _, err := range Chunks(ctx, m, reader(t, &endless{line: "{\"text\": \"the cat\"}\n"}, data.Options{}), Options{}) {
		if last = err; err == nil {
			cancel(enough)
		}
	}
	if last != enough {
		t.Errorf("ended with %v", last)
	}
	ends(t, "end of ctx in the middle", before)
}

// A panic of the goroutine that reads and tokenises ends Chunks with an error, not the process.
func TestChunksPanic(t *testing.T) {
	m := tinyModel(t)
	m.Tokenizer = &tokenizer.Tokenizer{} // without a vocabulary
	var last error
	for _, err := range Chunks(t.Context(), m, reader(t, strings.NewReader("{\"text\": \"the cat\"}\n"), data.Options{}), Options{}) {
		last = err
	}
	var p *parallel.Panic
	if !errors.As(last, &p) || !strings.Contains(string(p.Stack), "tokenizer") {
		t.Errorf("ended with %v", last)
	}
}

// However long the input and its rows are, reading is ahead of the model by so many rows and bytes at most.
func TestAhead(t *testing.T) {
	m := tinyModel(t)
	for _, line := range []string{"{\"text\": \"a\"}\n", "{\"text\": \"" + strings.Repeat("a", 400_000) + "\"}\n"} {
		in := &counted{Reader: &endless{line: line}}
		rows := 0
		for chunk, err := range Chunks(t.Context(), m, reader(t, in, data.Options{}), Options{Result: Tokens}) {
			if err != nil {
				t.Fatal(err)
			}
			size := 0
			for i := range chunk {
				size += len(chunk[i].Text)
			}
			if len(chunk) > aheadRows || size > aheadBytes {
				t.Errorf("a chunk of %d rows, %d bytes", len(chunk), size)
			}
			rows += len(chunk)
			for at := int64(-1); at != in.n.Load(); time.Sleep(50 * time.Millisecond) {
				at = in.n.Load() // until reading waits
			}
			// Beyond what is queued there are the row that waits, the buffer of 64 KiB for lines, and that of bufio.
			ahead := in.n.Load() - int64(rows*len(line))
			if limit := int64(min(aheadRows*len(line), aheadBytes) + 2*len(line) + 1<<17); ahead > limit {
				t.Errorf("%d bytes are read ahead in rows of %d, want at most %d", ahead, len(line), limit)
			}
			if rows > min(aheadRows, aheadBytes/len(line)) {
				break
			}
		}
	}
	var q = newQueue()
	if !q.put(Row{Example: data.Example{Text: strings.Repeat("a", 2*aheadBytes)}}) {
		t.Error("a row that is longer than all that may wait is not taken")
	}
}

// Evaluate is what metrics says of the probabilities that Predict gives, at the model's thresholds or others.
func TestEvaluate(t *testing.T) {
	m := tinyModel(t)
	labels, err := data.NewLabelList(testLabels, "")
	if err != nil {
		t.Fatal(err)
	}
	_, all := texts(60)
	var lines strings.Builder
	for i, text := range all {
		row, err := json.Marshal(map[string]any{"text": text.A, "text_pair": text.B, "labels": testLabels[i%4%3 : i%4%3+i%2]})
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(row, '\n'))
	}
	set, err := data.LoadFrom(strings.NewReader(lines.String()), "f.jsonl", data.Options{Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	predictions, err := m.Predict(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	var scores []float32
	for _, p := range predictions {
		scores = append(scores, p.Probabilities...)
	}
	for _, thresholds := range [][]float32{nil, {0.4}} {
		want, err := metrics.Evaluate(metrics.Data{Labels: testLabels, Truth: set.Y, Scores: scores},
			append(thresholds, m.Thresholds[:3*(1-len(thresholds))]...))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Evaluate(t.Context(), m, set, thresholds)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("at %v: %v\n%+v\n%+v", thresholds, err, got, want)
		}
	}
	if _, err := Evaluate(t.Context(), m, set, []float32{0.1, 0.2}); err == nil {
		t.Error("two thresholds for three labels: no error")
	}
	var done atomic.Int64
	p, err := Probabilities(t.Context(), m, set, nil, func(n int) { done.Store(max(done.Load(), int64(n))) })
	if err != nil || !sameBits(p.Data, scores) || done.Load() != 60 {
		t.Errorf("probabilities: %v, done %d", err, done.Load())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Probabilities(ended, m, set, nil, nil); err != context.Canceled {
		t.Errorf("ended: %v", err)
	}
}

func TestEncode(t *testing.T) {
	m := tinyModel(t)
	m.MaxSeqLength = 6
	set, err := data.LoadFrom(strings.NewReader("text,text_pair,late\nthe cat,,1\nthe cat sat on the mat .,,0\na b,c d,1\n"), "f.csv",
		data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	texts, cut, err := Encode(m, set, "")
	if err != nil || cut != 2 || len(texts) != 3 || texts[0].Cut != 0 || texts[1].Cut != 3 || texts[2].Cut != 1 || len(texts[1].IDs) != 6 {
		t.Errorf("%+v, %d cut, %v", texts, cut, err)
	}
	var bad *data.RowError
	if _, _, err := Encode(m, set, data.LongError); !errors.As(err, &bad) || bad.Line != 3 || bad.Found != "a text of 9 tokens" {
		t.Errorf("%v", err)
	}
}

// Rows that were made by hand and are not whole, a length that no text fits, and no context are errors.
func TestMadeRows(t *testing.T) {
	m := tinyModel(t)
	labels, err := data.NewLabelList(testLabels, "test")
	if err != nil {
		t.Fatal(err)
	}
	made := &data.Dataset{Labels: labels, Texts: []string{"the cat", "my mat"}, Y: []int8{1, 0, 0, 0, 1, -1}}
	if _, err := Evaluate(t.Context(), m, made, nil); err != nil {
		t.Error(err)
	}
	var none context.Context
	if _, err := Evaluate(none, m, made, nil); err == nil {
		t.Error("no context")
	}
	for rows, err := range Chunks(none, m, reader(t, strings.NewReader("{}"), data.Options{}), Options{}) {
		if rows != nil || err == nil {
			t.Errorf("no context: %v, %v", rows, err)
		}
	}
	short := *made
	short.Pairs = []string{"x"}
	if _, err := Evaluate(t.Context(), m, &short, nil); err == nil || !strings.Contains(err.Error(), "1 second texts") {
		t.Error(err)
	}
	if _, _, err := Encode(m, &short, ""); err == nil {
		t.Error("Encode took rows that are not whole")
	}
	for _, n := range []int{-1, 1, 25} {
		m.MaxSeqLength = n
		if _, err := Evaluate(t.Context(), m, made, nil); err == nil || !strings.Contains(err.Error(), "max_seq_length") {
			t.Errorf("%d tokens: %v", n, err)
		}
	}
}
