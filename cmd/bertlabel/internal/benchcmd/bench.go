// Package benchcmd is the verb bench.
package benchcmd

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"bertlabel/asm"
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/bench"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/term"

	"github.com/spf13/cobra"
)

// benchOptions say what is measured.
type benchOptions struct {
	Products []bench.Product
	Ladder   bool   // all ways to compute Products, instead of the best one
	Model    string // base, minilm, LxH, a folder or a hub.Ref; for the texts
	Offline  bool
	Shapes   [][2]int // texts of a call, and tokens of each
	Lengths  string   // file of token counts: all these texts in one call; "" for none
	Train    bool     // steps of training instead of forward passes
	Batch    int      // texts of a step of Train with Lengths
	Steps    int      // of these, at most
	Labels   int      // for a model that has no head of its own
	Runs     int      // of each case
	JSON     bool

	Precision  bert.Precision // of products, forward passes and training
	Embeddings bert.Precision // word embeddings in memory
	Windows    flags.Windows  // of texts that are longer than the model has positions
}

// NewBench returns the verb bench.
func NewBench(a *cli.App) *cobra.Command { return newBenchCmd(a, runBench) }

func newBenchCmd(a *cli.App, run cli.Runner[benchOptions]) *cobra.Command {
	var o benchOptions
	var products, shapes []string
	var precision, embeddings string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine: FMA peak, matrix products, forward passes, training steps",
		Example: "  bertlabel bench\n" +
			"  bertlabel bench --threads 1 --gemm all\n" +
			"  bertlabel bench --ladder\n" +
			"  bertlabel bench --model minilm --shape 1x16,8x128 --threads 2 --json\n" +
			"  bertlabel bench --model my-model --lengths token_counts.txt --precision int8\n" +
			"  bertlabel bench --train --model minilm --shape 16x32",
		Long: "Without --gemm, --model, --shape, --lengths and --train, everything is measured but training. " +
			"The peak is that of --threads goroutines that do nothing but\n" +
			"multiply and add in registers, in the bits of --precision; the % of it are of the shortest times, as other programs\n" +
			"disturb both. A forward pass is one call of\n" +
			"the engine behind predict, from tokens to logits, on random tokens; its GFLOP/s count the matrix products of the encoder,\n" +
			"24·tokens·L·H² + 4·B·S²·H·L, so that a program which leaves work out gains by it. With --train it is a step of " +
			"training everything\n" +
			"instead: forward, backward, clipping and AdamW, dropout 0.1, three times as many operations.",
	}
	f := cmd.Flags()
	f.StringSliceVar(&products, "gemm", nil, "product C[M×N] = A[M×K]·B[K×N], or all: those of BERT; `MxNxK` may be repeated")
	f.BoolVar(&o.Ladder, "ladder", false, "from three plain loops to the product in use, step by step (docs/guide/11-products.md); --gemm "+
		ladderProduct)
	f.StringVar(&o.Model, "model", "base", "random weights: base, minilm, `LxH` (layers, hidden size); or a model folder")
	f.StringSliceVar(&shapes, "shape", []string{"1x16", "1x128", "8x128", "32x32"},
		"texts of a call and tokens of each; `BxS` may be repeated")
	f.StringVar(&o.Lengths, "lengths", "", "`FILE` of token counts, one a line: all these texts in one call, shown as seq 0")
	f.BoolVar(&o.Train, "train", false, "time training steps; those of --lengths, shuffled, are added up")
	f.IntVar(&o.Batch, "batch", 16, "`N` texts a step, for --train --lengths")
	f.IntVar(&o.Steps, "steps", 100, "`N` steps at most, for --train --lengths")
	f.IntVar(&o.Labels, "num-labels", 28, "`N` labels, for a model that has no head of its own")
	f.IntVar(&o.Runs, "runs", 5, "`N` runs of each case, after one to warm up")
	flags.AddPrecision(cmd, &precision)
	flags.AddEmbeddings(cmd, &embeddings)
	cli.Minor(cmd, "Model flags", "embeddings")
	flags.AddWindows(cmd, &o.Windows)
	flags.AddOffline(cmd, &o.Offline)
	f.BoolVar(&o.JSON, "json", false, "print one JSON object a case: ms is the median, ms_min the least")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := flags.CheckRef(o.Model); err != nil {
			return err
		}
		if err := o.choose(products, shapes, f.Changed); err != nil {
			return err
		}
		if err := o.setPrecision(precision, embeddings); err != nil {
			return err
		}
		given := func(flag string) bool { return cli.OnCommandLine(cmd, flag) }
		texts := len(o.Shapes) > 0 || o.Lengths != ""
		err := cli.RefuseUnused(given,
			cli.Unused{If: !o.Train || o.Lengths == "", Why: "it is for --train --lengths", Flags: []string{"batch", "steps"}},
			cli.Unused{If: !texts, Why: "no model is measured: give --model, --shape, --lengths or --train", Flags: []string{"num-labels",
				"offline", "windows", "window-overlap"}})
		if err != nil {
			return err
		}
		if o.Train && (o.Windows.Most != 0 || o.Windows.Overlap != nil) {
			return cli.Usagef("--windows measures forward passes: it has no place beside --train")
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// choose sets what is measured: what was asked for by a flag, else products and texts.
func (o *benchOptions) choose(products, shapes []string, set func(flag string) bool) (err error) {
	ofTexts := slices.ContainsFunc([]string{"model", "shape", "lengths", "train"}, set)
	if o.Ladder && len(products) == 0 {
		products = []string{ladderProduct}
	}
	if o.Ladder || set("gemm") || !ofTexts {
		if o.Products, err = parseProducts(products); err != nil {
			return err
		}
	}
	if !ofTexts && (o.Ladder || set("gemm")) {
		return nil
	}
	if set("lengths") && !set("shape") {
		return nil
	}
	o.Shapes, err = parseShapes(shapes)
	return err
}

// setPrecision sets the precision; training is in fp32 or bf16, and no other is measured under its name.
func (o *benchOptions) setPrecision(precision, embeddings string) (err error) {
	if o.Embeddings, err = flags.ParseEmbeddings(embeddings); err != nil {
		return err
	}
	if o.Train && o.Embeddings != bert.FP32 {
		return cli.Usagef("--train trains word embeddings, which is in fp32: it has no place beside --embeddings %s", embeddings)
	}
	o.Precision, err = flags.ParsePrecision("precision", precision)
	if err == nil && o.Ladder && o.Precision.Resolve() != bert.FP32 {
		if o.Precision != bert.Auto {
			return cli.Usagef("--ladder is about products in fp32: it has no place beside --precision %s", precision)
		}
		o.Precision = bert.FP32
	}
	if err == nil && o.Train && o.Precision == bert.Int8 {
		return cli.Usagef("--train measures training, which is in fp32 or bf16: it has no place beside --precision %s", precision)
	}
	return err
}

// maxTokens bounds the tokens of a case: some GiB of tokens and features at most.
const maxTokens = 1 << 26

func parseProducts(specs []string) (products []bench.Product, err error) {
	for _, spec := range specs {
		if spec == "all" {
			products = append(products, bench.Products()...)
			continue
		}
		d, ok := dimensions(spec, 3)
		if !ok || d[0]*d[1] > maxTokens || d[0]*d[2] > maxTokens || d[1]*d[2] > maxTokens {
			return nil, cli.Usagef("--gemm %q: want all, or MxNxK such as 128x768x3072, matrices of at most %d elements", spec, maxTokens)
		}
		products = append(products, bench.Product{M: d[0], N: d[1], K: d[2]})
	}
	if len(specs) == 0 {
		products = bench.Products()
	}
	return products, nil
}

func parseShapes(specs []string) (shapes [][2]int, err error) {
	for _, spec := range specs {
		d, ok := dimensions(spec, 2)
		if !ok || d[0]*d[1] > maxTokens {
			return nil, cli.Usagef("--shape %q: want BATCHxSEQ such as 8x128, at most %d tokens", spec, maxTokens)
		}
		shapes = append(shapes, [2]int(d))
	}
	return shapes, nil
}

// dimensions reads n positive numbers with an x between.
func dimensions(spec string, n int) (d []int, ok bool) {
	for part := range strings.SplitSeq(spec, "x") {
		v, err := strconv.Atoi(part)
		if err != nil || v < 1 || v > maxTokens {
			return nil, false
		}
		d = append(d, v)
	}
	return d, len(d) == n
}

// benchmark is one run of the verb.
type benchmark struct {
	benchOptions
	app     *cli.App
	texts   []textCase
	threads int
	peak    float64           // FLOP/s of all threads
	lengths tokenizer.Lengths // how texts are cut into windows
}

// textCase is the texts of one call or training step: batch of length seq. With seq 0 they have the lengths of a file: all of them
// in one call, or batch after batch in a step each.
type textCase struct {
	peer       string
	batch, seq int
	lengths    []int
}

// cases returns the texts to measure.
func (b *benchmark) cases() (texts []textCase, err error) {
	for _, shape := range b.Shapes {
		texts = append(texts, textCase{b.peer(), shape[0], shape[1], slices.Repeat([]int{shape[1]}, shape[0])})
	}
	if b.Lengths == "" {
		return texts, nil
	}
	lengths, err := b.readLengths()
	if err != nil {
		return nil, err
	}
	batch := len(lengths)
	if b.Train {
		if lengths, err = b.shuffled(lengths); err != nil {
			return nil, err
		}
		batch = b.Batch
	}
	return append(texts, textCase{b.peer() + "_lengths", batch, 0, lengths}), nil
}

// peer is how we are called beside other programs.
func (b *benchmark) peer() string {
	if b.Train {
		return "bertlabel_train"
	}
	return "bertlabel"
}

// shuffled returns the lengths of the texts of --steps whole batches, or of as many as there are.
func (b *benchmark) shuffled(lengths []int) ([]int, error) {
	if b.Batch < 1 || b.Batch > len(lengths) || b.Steps < 1 || b.Steps > 1e6 {
		return nil, cli.Usagef("--batch %d, --steps %d: want 1 to %d, the number of lengths, and 1 to 1000000", b.Batch, b.Steps,
			len(lengths))
	}
	rng := rand.New(rand.NewPCG(7, 8))
	rng.Shuffle(len(lengths), func(i, j int) { lengths[i], lengths[j] = lengths[j], lengths[i] })
	return lengths[:b.Batch*min(b.Steps, len(lengths)/b.Batch)], nil
}

// readLengths reads the file of token counts.
func (b *benchmark) readLengths() (lengths []int, err error) {
	in, err := b.app.OpenInput(b.Lengths)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	total := 0
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			err = fmt.Errorf("%s:%d:1: found %.40q, want a number of tokens, 1 or more", b.Lengths, len(lengths)+1, text)
			return nil, cli.WithCode(cli.ExitData, err)
		}
		if total += min(n, maxTokens); total > maxTokens {
			return nil, cli.WithCode(cli.ExitData,
				fmt.Errorf("%s:%d:1: more than %d tokens together", b.Lengths, len(lengths)+1, maxTokens))
		}
		lengths = append(lengths, n)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Lengths, err)
	}
	if len(lengths) == 0 {
		return nil, cli.WithCode(cli.ExitData, fmt.Errorf("%s:1:1: no lengths, want a number of tokens a line", b.Lengths))
	}
	return lengths, nil
}

func runBench(ctx context.Context, a *cli.App, o benchOptions) (err error) {
	b := &benchmark{benchOptions: o, app: a, threads: a.Parallel()}
	if b.texts, err = b.cases(); err != nil {
		return err
	}
	if b.Runs < 1 || b.Runs > 1e6 {
		return cli.Usagef("--runs %d: want 1 to 1000000", b.Runs)
	}
	if b.Labels < 1 || b.Labels > 1e6 {
		return cli.Usagef("--num-labels %d: want 1 to 1000000", b.Labels)
	}
	var m *model.Model
	if len(b.texts) > 0 {
		if m, err = b.open(); err != nil {
			return err
		}
	}
	b.peak = bench.Peak(b.threads, b.Precision)
	err = b.text("kernels %s, %s, %d threads: peak %.1f GFLOP/s\n", asm.Best.Name, b.Precision.Resolve(), b.threads, b.peak/1e9)
	if err != nil {
		return err
	}
	if err := b.runProducts(ctx); err != nil || m == nil {
		return err
	}
	return b.runTexts(ctx, m)
}

// open returns the model, and checks that it takes the texts.
func (b *benchmark) open() (m *model.Model, err error) {
	config, random := bench.ParseModel(b.Model)
	switch {
	case !random:
		o := b.options()
		path, err := flags.Local(b.app, b.Model, b.Offline)
		if err != nil {
			return nil, err
		}
		if m, err = model.Open(path, o); err != nil {
			return nil, cli.WithCode(cli.ExitModel, fmt.Errorf("--model %s is not base, minilm or LxH; as a model folder: %w", b.Model, err))
		}
		if config = m.Encoder.Config; m.Head == nil {
			bench.AddHead(m, b.Labels)
		}
	default:
		if err := config.Check(); err != nil {
			return nil, cli.Usagef("--model %s: %w", b.Model, err)
		}
		if err := b.admit(&config); err != nil {
			return nil, err
		}
		if m, err = bench.NewModel(config, b.Labels, b.options()); err != nil {
			return nil, err
		}
	}
	if !b.Train {
		flags.SayPrecision(b.app, b.Precision, m)
	}
	b.lengths = tokenizer.Lengths{MaxSeqLength: config.MaxPositionEmbeddings}
	if err := b.Windows.Apply(&b.lengths); err != nil {
		return nil, err
	}
	for _, c := range b.texts {
		if b.lengths.Windows.Several() {
			break
		}
		if longest := slices.Max(c.lengths); longest > config.MaxPositionEmbeddings {
			return nil, cli.Usagef("a text of %d tokens: model %s takes at most %d (max_position_embeddings)",
				longest, b.Model, config.MaxPositionEmbeddings)
		}
	}
	return m, nil
}

// options returns how models are opened or made.
func (b *benchmark) options() *model.Options {
	precision := b.Precision
	if b.Train {
		precision = bert.FP32 // which weights are trained in
	}
	return &model.Options{Threads: b.app.Threads, Precision: precision, Embeddings: b.Embeddings,
		Log: func(s string) { b.app.Log.Infof("%s", s) }}
}

// admit refuses a model of random weights that the memory budget does not allow.
func (b *benchmark) admit(c *bert.Config) error {
	need := bench.Bytes(c, b.Precision, b.Embeddings)
	if b.Train {
		var size bert.BatchSize
		for _, t := range b.texts {
			longest := slices.Max(t.lengths)
			size.Texts, size.Longest = max(size.Texts, t.batch), max(size.Longest, longest)
			size.Tokens = max(size.Tokens, t.batch*longest)
		}
		var err error
		if need, err = bench.TrainBytes(c, b.Precision.Resolve(), size, b.app.Threads); err != nil {
			return err
		}
	}
	if b.app.MaxMemory > 0 && need > float64(b.app.MaxMemory) {
		return cli.WithCode(cli.ExitResources, fmt.Errorf("--model %s needs about %s, the memory budget is %s (--max-memory)",
			b.Model, term.Bytes(int(need)), term.Bytes(int(b.app.MaxMemory))))
	}
	return nil
}

func (b *benchmark) runProducts(ctx context.Context) error {
	if b.Ladder {
		return b.runLadders(ctx)
	}
	if len(b.Products) == 0 {
		return nil
	}
	err := b.text("\nmatrix products C[m×n] = A[m×k]·B[k×n]\n%6s %6s %6s %10s %10s %8s %7s\n", "m", "n", "k", "ms", "least ms", "GFLOP/s",
		"% peak")
	if err != nil {
		return err
	}
	for _, p := range b.Products {
		times, err := p.Run(ctx, b.Precision.Resolve(), b.threads, b.Runs)
		if err != nil {
			return err
		}
		row := b.row("bertlabel_gemm", times, p.FLOP())
		row.Model, row.M, row.N, row.K = fmt.Sprintf("%dx%dx%d", p.M, p.N, p.K), p.M, p.N, p.K
		err = b.print(row, "%6d %6d %6d %10.3f %10.3f %8.1f %7.1f\n", p.M, p.N, p.K, row.MS, row.MSMin, row.GFLOPS, row.PercentOfPeak)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *benchmark) runTexts(ctx context.Context, m *model.Model) error {
	c := m.Encoder.Config
	work := "forward pass"
	if b.Train {
		work = "training step"
	}
	err := b.text("\n%s of %s: %d layers, hidden size %d, %d heads, %d labels\n%6s %6s %10s %10s %10s %8s %7s\n",
		work, b.Model, c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads, len(m.Labels),
		"batch", "seq", "ms", "least ms", "tokens/s", "GFLOP/s", "% peak")
	if err != nil {
		return err
	}
	for _, t := range b.texts {
		times, flop, err := b.measure(ctx, m, t)
		if err != nil {
			return err
		}
		row := b.row(t.peer, times, flop)
		tokens := 0
		for _, n := range sequences(b.encodings(&c, t.lengths)) {
			tokens += n
		}
		row.Model, row.Batch, row.Seq, row.TokensPerSecond = b.Model, t.batch, t.seq, round(float64(tokens)/times.Median().Seconds(), 1)
		err = b.print(row, "%6d %6d %10.3f %10.3f %10.0f %8.1f %7.1f\n",
			t.batch, t.seq, row.MS, row.MSMin, row.TokensPerSecond, row.GFLOPS, row.PercentOfPeak)
		if err != nil {
			return err
		}
	}
	return nil
}

// measure times a case, and counts its operations.
func (b *benchmark) measure(ctx context.Context, m *model.Model, t textCase) (times bench.Times, flop float64, err error) {
	c := &m.Encoder.Config
	flop = bench.ForwardFLOP(c, t.lengths)
	switch {
	case !b.Train:
		texts := b.encodings(c, t.lengths)
		times, err = bench.Forward(ctx, m, texts, b.Runs)
		return times, bench.ForwardFLOP(c, sequences(texts)), err
	case t.seq > 0:
		times, err = bench.Train(ctx, m, b.Precision.Resolve(), t.lengths, t.batch, b.Runs, b.threads)
	default: // all steps together are one run
		times, err = bench.Train(ctx, m, b.Precision.Resolve(), t.lengths, t.batch, len(t.lengths)/t.batch, b.threads)
		times = bench.Times{times.Sum()}
	}
	return times, 3 * flop, err // a backward pass has two products for each one of the forward pass
}

// encodings returns texts of random tokens, with windows where they are longer than a row.
func (b *benchmark) encodings(c *bert.Config, lengths []int) []tokenizer.Encoding {
	texts := bench.Texts(c, lengths)
	for i := range texts {
		texts[i] = b.lengths.Windows.Cut(texts[i], b.lengths.MaxSeqLength, false)
	}
	return texts
}

// sequences returns the lengths of all rows.
func sequences(texts []tokenizer.Encoding) (lengths []int) {
	for i := range texts {
		for w := range texts[i].Sequences() {
			s := texts[i].Sequence(w)
			lengths = append(lengths, s.End-s.Start)
		}
	}
	return lengths
}

// benchRow is one case. The first eight fields are those of every program that is compared.
type benchRow struct {
	Peer    string  `json:"peer"` // "bertlabel", "bertlabel_train"; with "_lengths" for a file of lengths; "bertlabel_gemm" for a product
	Model   string  `json:"model"`
	Threads int     `json:"threads"`
	Batch   int     `json:"batch"`
	Seq     int     `json:"seq"`
	MS      float64 `json:"ms"`     // median
	MSMin   float64 `json:"ms_min"` // least
	GFLOPS  float64 `json:"gflops"` // 10⁹ operations per second, by the median

	Kernels         string  `json:"kernels"`
	Precision       string  `json:"precision"`       // fp32, bf16 or int8
	PeakGFLOPS      float64 `json:"peak_gflops"`     // of all threads, in that precision
	PercentOfPeak   float64 `json:"percent_of_peak"` // by the least time
	TokensPerSecond float64 `json:"tokens_per_second,omitempty"`
	M               int     `json:"m,omitempty"`
	N               int     `json:"n,omitempty"`
	K               int     `json:"k,omitempty"`

	Rung  string   `json:"rung,omitempty"`          // of "bertlabel_ladder" and "bertlabel_epilogue"
	Loads float64  `json:"loads_per_fma,omitempty"` // of "bertlabel_ladder", and so the next
	Sums  *float64 `json:"sums,omitempty"`          // that are under way in registers at once
}

func (b *benchmark) row(peer string, times bench.Times, flop float64) benchRow {
	return benchRow{
		Peer: peer, Threads: b.threads, Kernels: asm.Best.Name, Precision: b.Precision.Resolve().String(),
		PeakGFLOPS: round(b.peak/1e9, 1),
		MS:         round(times.Median().Seconds()*1e3, 4), MSMin: round(times.Least().Seconds()*1e3, 4),
		GFLOPS:        round(flop/times.Median().Seconds()/1e9, 1),
		PercentOfPeak: round(100*flop/times.Least().Seconds()/b.peak, 1),
	}
}

// print writes a row as JSON, or as the formatted line.
func (b *benchmark) print(row benchRow, format string, args ...any) error {
	if b.JSON {
		return json.NewEncoder(b.app.Stdout).Encode(row)
	}
	return b.text(format, args...)
}

// text writes what is for people only.
func (b *benchmark) text(format string, args ...any) error {
	if b.JSON {
		return nil
	}
	_, err := fmt.Fprintf(b.app.Stdout, format, args...)
	return err
}

func round(x float64, digits int) float64 {
	unit := math.Pow10(digits)
	return math.Round(x*unit) / unit
}
