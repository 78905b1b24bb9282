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
	"bertlabel/cmd/bertlabel/internal/bench"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"

	"github.com/spf13/cobra"
)

func NewBenchCmd(a *cli.App) *cobra.Command {
	b := &benchmark{a: a}
	var products, shapes []string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine: FMA peak, matrix products, forward passes, training steps",
		Example: "  bertlabel bench\n" +
			"  bertlabel bench --threads 1 --gemm all\n" +
			"  bertlabel bench --model minilm --shape 1x16,8x128 --threads 2 --json\n" +
			"  bertlabel bench --model my-model --lengths token_counts.txt\n" +
			"  bertlabel bench --train --model minilm --shape 16x32",
		Long: `Without --gemm, --model, --shape, --lengths and --train, everything is measured but training. The peak is that of --threads goroutines that do nothing but
multiply and add in registers; the % of it are of the shortest times, as other programs disturb both. A forward pass is one call of
the engine behind predict, from tokens to logits, on random tokens; its GFLOP/s count the matrix products of the encoder,
24·tokens·L·H² + 4·B·S²·H·L, so that a program which leaves work out gains by it. With --train it is a step of training everything
instead: forward, backward, clipping and AdamW, dropout 0.1, three times as many operations.`,
	}
	f := cmd.Flags()
	f.StringSliceVar(&products, "gemm", nil, "product C[M×N] = A[M×K]·B[K×N], or all: those of BERT; `MxNxK` may be repeated")
	f.StringVar(&b.model, "model", "base", "random weights: base, minilm, `LxH` (layers, hidden size); or a model folder")
	f.StringSliceVar(&shapes, "shape", []string{"1x16", "1x128", "8x128", "32x32"}, "texts of a call and tokens of each; `BxS` may be repeated")
	f.StringVar(&b.lengthsFile, "lengths", "", "`FILE` of token counts, one a line: all these texts in one call, shown as seq 0")
	f.BoolVar(&b.train, "train", false, "time training steps; those of --lengths, shuffled, are added up")
	f.IntVar(&b.batch, "batch", 16, "`N` texts a step, for --train --lengths")
	f.IntVar(&b.steps, "steps", 100, "`N` steps at most, for --train --lengths")
	f.IntVar(&b.labels, "num-labels", 28, "`N` labels, for a model that has no head of its own")
	f.IntVar(&b.runs, "runs", 5, "`N` runs of each case, after one to warm up")
	f.BoolVar(&b.asJSON, "json", false, "print one JSON object a case: ms is the median, ms_min the least")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		set := func(names ...string) bool { return slices.ContainsFunc(names, f.Changed) }
		if set("gemm") || !set("model", "shape", "lengths", "train") {
			if err := b.parseProducts(products); err != nil {
				return err
			}
		}
		if set("model", "shape", "lengths", "train") || !set("gemm") {
			if set("lengths") && !set("shape") {
				shapes = nil
			}
			if err := b.parseTexts(shapes); err != nil {
				return err
			}
		}
		return b.run(cmd.Context())
	}
	return cmd
}

// benchmark is one run of the verb.
type benchmark struct {
	a           *cli.App
	model       string
	lengthsFile string
	labels      int
	runs        int
	train       bool
	batch       int // texts of a step, and steps, of --train --lengths
	steps       int
	asJSON      bool

	products []bench.Product
	texts    []textCase

	threads int
	peak    float64 // FLOP/s of all threads
}

// textCase is the texts of one call or training step: batch of length seq. With seq 0 they have the lengths of a file: all of them
// in one call, or batch after batch in a step each.
type textCase struct {
	peer       string
	batch, seq int
	lengths    []int
}

// maxTokens bounds the tokens of a case: some GiB of tokens and features at most.
const maxTokens = 1 << 26

func (b *benchmark) parseProducts(specs []string) error {
	for _, spec := range specs {
		if spec == "all" {
			b.products = append(b.products, bench.Products()...)
			continue
		}
		d, ok := dimensions(spec, 3)
		if !ok || d[0]*d[1] > maxTokens || d[0]*d[2] > maxTokens || d[1]*d[2] > maxTokens {
			return cli.Usagef("--gemm %q: want all, or MxNxK such as 128x768x3072, matrices of at most %d elements", spec, maxTokens)
		}
		b.products = append(b.products, bench.Product{M: d[0], N: d[1], K: d[2]})
	}
	if len(specs) == 0 {
		b.products = bench.Products()
	}
	return nil
}

func (b *benchmark) parseTexts(shapes []string) error {
	for _, spec := range shapes {
		d, ok := dimensions(spec, 2)
		if !ok || d[0]*d[1] > maxTokens {
			return cli.Usagef("--shape %q: want BATCHxSEQ such as 8x128, at most %d tokens", spec, maxTokens)
		}
		b.texts = append(b.texts, textCase{b.peer(), d[0], d[1], slices.Repeat([]int{d[1]}, d[0])})
	}
	if b.lengthsFile == "" {
		return nil
	}
	lengths, err := b.readLengths()
	if err != nil {
		return err
	}
	batch := len(lengths)
	if b.train {
		if lengths, err = b.shuffled(lengths); err != nil {
			return err
		}
		batch = b.batch
	}
	b.texts = append(b.texts, textCase{b.peer() + "_lengths", batch, 0, lengths})
	return nil
}

// peer is how we are called beside other programs.
func (b *benchmark) peer() string {
	if b.train {
		return "bertlabel_train"
	}
	return "bertlabel"
}

// shuffled returns the lengths of the texts of --steps whole batches, or of as many as there are.
func (b *benchmark) shuffled(lengths []int) ([]int, error) {
	if b.batch < 1 || b.batch > len(lengths) || b.steps < 1 || b.steps > 1e6 {
		return nil, cli.Usagef("--batch %d, --steps %d: want 1 to %d, the number of lengths, and 1 to 1000000", b.batch, b.steps, len(lengths))
	}
	rng := rand.New(rand.NewPCG(7, 8))
	rng.Shuffle(len(lengths), func(i, j int) { lengths[i], lengths[j] = lengths[j], lengths[i] })
	return lengths[:b.batch*min(b.steps, len(lengths)/b.batch)], nil
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

// readLengths reads the file of token counts.
func (b *benchmark) readLengths() (lengths []int, err error) {
	in, err := b.a.OpenInput(b.lengthsFile)
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
			return nil, cli.WithCode(cli.ExitData, fmt.Errorf("%s:%d:1: found %.40q, want a number of tokens, 1 or more", b.lengthsFile, len(lengths)+1, text))
		}
		if total += min(n, maxTokens); total > maxTokens {
			return nil, cli.WithCode(cli.ExitData, fmt.Errorf("%s:%d:1: more than %d tokens together", b.lengthsFile, len(lengths)+1, maxTokens))
		}
		lengths = append(lengths, n)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", b.lengthsFile, err)
	}
	if len(lengths) == 0 {
		return nil, cli.WithCode(cli.ExitData, fmt.Errorf("%s:1:1: no lengths, want a number of tokens a line", b.lengthsFile))
	}
	return lengths, nil
}

func (b *benchmark) run(ctx context.Context) error {
	if b.runs < 1 || b.runs > 1e6 {
		return cli.Usagef("--runs %d: want 1 to 1000000", b.runs)
	}
	if b.labels < 1 || b.labels > 1e6 {
		return cli.Usagef("--num-labels %d: want 1 to 1000000", b.labels)
	}
	var m *model.Model
	if len(b.texts) > 0 {
		var err error
		if m, err = b.open(); err != nil {
			return err
		}
	}
	b.threads = b.a.Parallel()
	b.peak = bench.Peak(b.threads)
	if err := b.text("kernels %s, %d threads: peak %.1f GFLOP/s\n", asm.Best.Name, b.threads, b.peak/1e9); err != nil {
		return err
	}
	if err := b.runProducts(ctx); err != nil || m == nil {
		return err
	}
	return b.runTexts(ctx, m)
}

// open returns the model, and checks that it takes the texts.
func (b *benchmark) open() (m *model.Model, err error) {
	config, random := bench.ParseModel(b.model)
	switch {
	case !random:
		if m, err = model.Open(b.model, &model.Options{Threads: b.a.Threads, Log: func(s string) { b.a.Log.Infof("%s", s) }}); err != nil {
			return nil, cli.WithCode(cli.ExitModel, fmt.Errorf("--model %s is not base, minilm or LxH; as a model folder: %w", b.model, err))
		}
		if config = m.Encoder.Config; m.Head == nil {
			bench.AddHead(m, b.labels)
		}
	default:
		if err := config.Check(); err != nil {
			return nil, cli.Usagef("--model %s: %w", b.model, err)
		}
		if err := b.admit(&config); err != nil {
			return nil, err
		}
		if m, err = bench.NewModel(config, b.labels, b.a.Threads); err != nil {
			return nil, err
		}
	}
	for _, c := range b.texts {
		if longest := slices.Max(c.lengths); longest > config.MaxPositionEmbeddings {
			return nil, cli.Usagef("a text of %d tokens: model %s takes at most %d (max_position_embeddings)", longest, b.model, config.MaxPositionEmbeddings)
		}
	}
	return m, nil
}

// admit refuses a model of random weights that the memory budget does not allow.
func (b *benchmark) admit(c *bert.Config) error {
	need := bench.Bytes(c)
	if b.train {
		var size bert.BatchSize
		for _, t := range b.texts {
			longest := slices.Max(t.lengths)
			size.Texts, size.Longest = max(size.Texts, t.batch), max(size.Longest, longest)
			size.Tokens = max(size.Tokens, t.batch*longest)
		}
		var err error
		if need, err = bench.TrainBytes(c, size, b.a.Threads); err != nil {
			return err
		}
	}
	if b.a.MaxMemory > 0 && need > float64(b.a.MaxMemory) {
		return cli.WithCode(cli.ExitResources, fmt.Errorf("--model %s needs about %s, the memory budget is %s (--max-memory)", b.model, term.Bytes(int(need)), term.Bytes(int(b.a.MaxMemory))))
	}
	return nil
}

func (b *benchmark) runProducts(ctx context.Context) error {
	if len(b.products) == 0 {
		return nil
	}
	if err := b.text("\nmatrix products C[m×n] = A[m×k]·B[k×n]\n%6s %6s %6s %10s %10s %8s %7s\n", "m", "n", "k", "ms", "least ms", "GFLOP/s", "% peak"); err != nil {
		return err
	}
	for _, p := range b.products {
		times, err := p.Run(ctx, b.threads, b.runs)
		if err != nil {
			return err
		}
		row := b.row("bertlabel_gemm", times, p.FLOP())
		row.Model, row.M, row.N, row.K = fmt.Sprintf("%dx%dx%d", p.M, p.N, p.K), p.M, p.N, p.K
		if err := b.print(row, "%6d %6d %6d %10.3f %10.3f %8.1f %7.1f\n", p.M, p.N, p.K, row.MS, row.MSMin, row.GFLOPS, row.PercentOfPeak); err != nil {
			return err
		}
	}
	return nil
}

func (b *benchmark) runTexts(ctx context.Context, m *model.Model) error {
	c := m.Encoder.Config
	work := "forward pass"
	if b.train {
		work = "training step"
	}
	if err := b.text("\n%s of %s: %d layers, hidden size %d, %d heads, %d labels\n%6s %6s %10s %10s %10s %8s %7s\n",
		work, b.model, c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads, len(m.Labels), "batch", "seq", "ms", "least ms", "tokens/s", "GFLOP/s", "% peak"); err != nil {
		return err
	}
	for _, t := range b.texts {
		times, flop, err := b.measure(ctx, m, t)
		if err != nil {
			return err
		}
		row := b.row(t.peer, times, flop)
		tokens := 0
		for _, n := range t.lengths {
			tokens += n
		}
		row.Model, row.Batch, row.Seq, row.TokensPerSecond = b.model, t.batch, t.seq, round(float64(tokens)/times.Median().Seconds(), 1)
		if err := b.print(row, "%6d %6d %10.3f %10.3f %10.0f %8.1f %7.1f\n", t.batch, t.seq, row.MS, row.MSMin, row.TokensPerSecond, row.GFLOPS, row.PercentOfPeak); err != nil {
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
	case !b.train:
		times, err = bench.Forward(ctx, m, bench.Texts(c, t.lengths), b.runs)
		return times, flop, err
	case t.seq > 0:
		times, err = bench.Train(ctx, m, t.lengths, t.batch, b.runs, b.threads)
	default: // all steps together are one run
		times, err = bench.Train(ctx, m, t.lengths, t.batch, len(t.lengths)/t.batch, b.threads)
		times = bench.Times{times.Sum()}
	}
	return times, 3 * flop, err // a backward pass has two products for each one of the forward pass
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
	PeakGFLOPS      float64 `json:"peak_gflops"`     // of all threads
	PercentOfPeak   float64 `json:"percent_of_peak"` // by the least time
	TokensPerSecond float64 `json:"tokens_per_second,omitempty"`
	M               int     `json:"m,omitempty"`
	N               int     `json:"n,omitempty"`
	K               int     `json:"k,omitempty"`
}

func (b *benchmark) row(peer string, times bench.Times, flop float64) benchRow {
	return benchRow{
		Peer: peer, Threads: b.threads, Kernels: asm.Best.Name, PeakGFLOPS: round(b.peak/1e9, 1),
		MS: round(times.Median().Seconds()*1e3, 4), MSMin: round(times.Least().Seconds()*1e3, 4),
		GFLOPS:        round(flop/times.Median().Seconds()/1e9, 1),
		PercentOfPeak: round(100*flop/times.Least().Seconds()/b.peak, 1),
	}
}

// print writes a row as JSON, or as the formatted line.
func (b *benchmark) print(row benchRow, format string, args ...any) error {
	if b.asJSON {
		return json.NewEncoder(b.a.Stdout).Encode(row)
	}
	return b.text(format, args...)
}

// text writes what is for people only.
func (b *benchmark) text(format string, args ...any) error {
	if b.asJSON {
		return nil
	}
	_, err := fmt.Fprintf(b.a.Stdout, format, args...)
	return err
}

func round(x float64, digits int) float64 {
	unit := math.Pow10(digits)
	return math.Round(x*unit) / unit
}
