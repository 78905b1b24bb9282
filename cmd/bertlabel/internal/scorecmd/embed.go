package scorecmd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/tensor"
	"bertlabel/train/data"
	"bertlabel/train/score"
	"bertlabel/train/shard"

	"github.com/spf13/cobra"
)

// embedOptions say which texts become vectors, and how they are written.
type embedOptions struct {
	Model         flags.Source
	Rows          *flags.Data
	Input, Output string
	Pooling       string // "": what the model's head reads, else pooled
	AllLayers     bool   // the output of every layer
	Shard         shards
	MetricsFile   string // figures of shards; "": nowhere
	Format        string // of shards: jsonl or safetensors
}

// tensorFile reports whether a safetensors file is written, instead of lines.
func (o *embedOptions) tensorFile() bool {
	return o.Shard.Of == 0 && strings.HasSuffix(o.Output, ".safetensors")
}

// NewEmbed returns the verb embed.
func NewEmbed(a *cli.App) *cobra.Command { return newEmbedCmd(a, runEmbed) }

func newEmbedCmd(a *cli.App, run cli.Runner[embedOptions]) *cobra.Command {
	var o embedOptions
	cmd := &cobra.Command{
		Use:   "embed",
		Short: "Turn texts into vectors: JSON lines, or one safetensors file",
		Example: "  bertlabel embed --model minilm --input texts.csv --pooling mean > vectors.jsonl\n" +
			"  bertlabel embed --model minilm --input texts.csv --pooling mean --output vectors.safetensors\n" +
			"  bertlabel embed --model minilm --input texts.jsonl --pooling mean --output parts --shard 3/128",
		Long: `Writes {"id": …, "embedding": […]} a row, or with --output F.safetensors one float32 tensor "embeddings" [rows, hidden]. With
--all-layers the file has what golden tests need: input_ids, input_mask, segment_ids, embedding_output, layer_0 …, pooled_output,
and with a head logits and probabilities; padding rows are zero. It holds everything in memory: small inputs only.`,
	}
	models := flags.AddRunModel(cmd)
	flags.AddWindows(cmd, &models.Windows)
	o.Rows = flags.AddData(cmd, data.ReportBadRows)
	flags.AddSoftLabels(cmd, o.Rows)
	f := cmd.Flags()
	f.Lookup("soft-labels").Usage = "numbers between 0 and 1 in place of 0 and 1 are written into the parts as they are"
	f.StringVar(&o.Input, "input", "-", "`FILE` of texts; - is stdin")
	f.StringVar(&o.Output, "output", "-", "`FILE` to write, .safetensors for a tensor file; - is stdout")
	f.StringVar(&o.Pooling, "pooling", "",
		"pooled, cls, mean, max, mean:-1..-3 (these layers side by side), concat:cls,mean (default: what the model's head "+
			"reads or its folder says, else pooled)")
	f.BoolVar(&o.AllLayers, "all-layers", false, "write the output of every layer (safetensors only)")
	addShard(cmd, &o.Shard, &o.MetricsFile)
	f.StringVar(&o.Format, "output-format", "jsonl",
		"of the parts of --shard: jsonl, or safetensors with ids, and with labels where --labels lists them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.AllLayers && !o.tensorFile() {
			return cli.Usagef("--all-layers needs --output FILE.safetensors")
		}
		if err := o.Shard.check(o.Input, o.Output, o.MetricsFile, 0); err != nil {
			return err
		}
		if err := cli.OneOf("output-format", o.Format, "jsonl", shard.Tensors); err != nil {
			return err
		}
		if o.Shard.Of == 0 && cli.OnCommandLine(cmd, "output-format") {
			return cli.Usagef("--output-format is for parts (--shard): the suffix of --output says what a file is to be")
		}
		if o.Model, err = models.Source(); err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// embedding is one run of the verb.
type embedding struct {
	embedOptions
	app *cli.App
	m   *model.Model
	as  bert.Pooling
}

func runEmbed(ctx context.Context, a *cli.App, o embedOptions) (err error) {
	e := &embedding{embedOptions: o, app: a}
	if o.Shard.Of > 0 {
		return e.makeParts(ctx)
	}
	if e.m, err = o.Model.Open(a); err != nil {
		return err
	}
	if e.as, err = poolingOf(o.Pooling, e.m); err != nil {
		return err
	}
	if o.AllLayers && e.m.Windows.Several() {
		return cli.Usagef("--all-layers shows texts of one row: give --windows 1")
	}
	scoring := score.Options{Result: score.Vectors, Pooling: e.as}
	if o.AllLayers {
		scoring.Result = score.Tokens
	}
	// In a tensor a row that is missing would shift all that come after it.
	stream, err := newRowStream(a, e.m, o.Rows, o.Input, "embed", scoring, o.tensorFile())
	if err != nil {
		return err
	}
	if o.tensorFile() {
		return e.tensors(ctx, stream)
	}
	return e.lines(ctx, stream)
}

// whereEmbedHasLabels says which output of embed has a place for labels.
const whereEmbedHasLabels = "embed writes them into parts, by --shard with --output-format safetensors"

// makeParts makes shards instead of one output.
func (e *embedding) makeParts(ctx context.Context) error {
	o := shard.Options{Input: e.Input, Output: e.Output, Score: score.Options{Result: score.Vectors}, ModelPooling: e.Pooling == ""}
	var pooling *bert.Pooling // the model's own
	if !o.ModelPooling {
		var err error
		if o.Score.Pooling, err = bert.ParsePooling(e.Pooling); err != nil {
			return cli.Usagef("--pooling: %v", err)
		}
		pooling = &o.Score.Pooling
	}
	rows := *e.Rows
	if e.Format == shard.Tensors {
		if rows.SoftLabels && rows.Binarize != 0 {
			return cli.Usagef("--soft-labels writes shares as they are: --binarize is for train --features, which counts them")
		}
		var names []string
		if rows.LabelsFile != "" {
			list, err := rows.ReadLabels()
			if err != nil {
				return err
			}
			names = list.Names()
		}
		if rows.SoftLabels && names == nil {
			return cli.Usagef("--soft-labels says how labels are read: give --labels, the list of them")
		}
		if rows.OnBadRow == data.ReportBadRows {
			rows.OnBadRow = data.StopAtBadRow // the output has no place for it
		}
		o.Suffix, o.NewWriter = shard.Tensors, shard.NewTensors(names, rows.SoftLabels, pooling)
	} else if err := rows.RefuseLabels(whereEmbedHasLabels); err != nil {
		return err
	}
	s := &sharding{app: e.app, work: "embed", shards: e.Shard, source: &e.Model, rows: rows, Options: o, labels: e.Format == shard.Tensors,
		metrics: metricsFile{path: e.MetricsFile}}
	s.open = func() (*model.Model, error) {
		m, err := e.Model.Open(e.app)
		if err == nil {
			_, err = poolingOf(e.Pooling, m)
		}
		return m, err
	}
	return s.run(ctx)
}

// poolingOf returns the pooling called name, or the model's own if name is empty.
func poolingOf(name string, m *model.Model) (bert.Pooling, error) {
	pooling := m.Pooling
	if name == "" && m.NoPooling != "" {
		return "", cli.WithCode(cli.ExitModel, fmt.Errorf("%s: name features by --pooling", m.NoPooling))
	}
	if name != "" {
		var err error
		if pooling, err = bert.ParsePooling(name); err != nil {
			return "", cli.Usagef("--pooling: %v", err)
		}
	}
	return pooling, flags.CheckPooling(m, pooling)
}

// lines writes one JSON object a row, as soon as it is known.
func (e *embedding) lines(ctx context.Context, in *rowStream) error {
	out, err := e.app.CreateOutput(e.Output)
	if err != nil {
		return err
	}
	defer out.Discard()
	w := bufio.NewWriterSize(out, 1<<16)
	var line []byte
	err = in.run(ctx, func(chunk []score.Row) error {
		for i := range chunk {
			line = score.AppendJSON(line[:0], e.m, &chunk[i])
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return w.Flush()
	})
	if err != nil {
		return err
	}
	return errors.Join(w.Flush(), out.Commit(), in.verdict())
}

// tensors writes one safetensors file.
func (e *embedding) tensors(ctx context.Context, in *rowStream) error {
	var rows []score.Row
	var vectors []float32
	err := in.run(ctx, func(chunk []score.Row) error {
		for i := range chunk {
			vectors = append(vectors, chunk[i].Vector...)
			chunk[i].Vector = nil // as rows are kept
		}
		rows = append(rows, chunk...)
		return nil
	})
	if err != nil {
		return err
	}
	width, err := e.m.Encoder.PoolingWidth(e.as)
	if err != nil {
		return err
	}
	tensors := []checkpoint.Tensor{checkpoint.Float32Tensor("embeddings", []int{len(rows), width}, vectors)}
	if e.AllLayers {
		if tensors, err = e.stages(rows); err != nil {
			return err
		}
	}
	out, err := e.app.CreateOutput(e.Output)
	if err != nil {
		return err
	}
	defer out.Discard()
	create := func(string) (io.WriteCloser, error) { return nopCloser{out}, nil }
	return errors.Join(safetensors.Write(create, e.Output, tensors, nil), out.Commit(), in.verdict())
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// stages returns every stage of the forward pass over all rows, padded with zeros to the longest one.
func (e *embedding) stages(rows []score.Row) ([]checkpoint.Tensor, error) {
	batch, seq := &bert.Batch{}, 0
	for i := range rows {
		batch.Append(rows[i].Tokens.IDs, rows[i].Tokens.Segments)
		seq = max(seq, len(rows[i].Tokens.IDs))
	}
	n, h := len(rows), e.m.Encoder.Config.HiddenSize
	mask := make([]int32, batch.Tokens())
	for i := range mask {
		mask[i] = 1
	}
	tensors := []checkpoint.Tensor{
		int32Tensor("input_ids", n, seq, pad(batch, seq, 1, batch.IDs)),
		int32Tensor("input_mask", n, seq, pad(batch, seq, 1, mask)),
		int32Tensor("segment_ids", n, seq, pad(batch, seq, 1, batch.Segments)),
	}
	ws := bert.NewWorkspace(tensor.NewWorkers(e.app.Threads))
	_, err := e.m.Encoder.Forward(ws, batch, true, func(layer int, x *tensor.Tensor) {
		name := "embedding_output"
		if layer >= 0 {
			name = fmt.Sprintf("layer_%d", layer)
		}
		tensors = append(tensors, checkpoint.Float32Tensor(name, []int{n, seq, h}, pad(batch, seq, h, x.Data)))
	})
	if err != nil || e.m.Encoder.Pooler == nil {
		return tensors, err
	}
	pooled := tensor.New(n, h)
	if err := e.m.Encoder.Features(ws, pooled, batch, bert.Pooled); err != nil {
		return nil, err
	}
	tensors = append(tensors, checkpoint.Float32Tensor("pooled_output", []int{n, h}, pooled.Data))
	if e.m.Head == nil {
		return tensors, nil
	}
	features := tensor.New(n, e.m.Head.Weights.Shape[1])
	if err := e.m.Encoder.Features(ws, features, batch, e.m.Pooling); err != nil {
		return nil, err
	}
	logits, probabilities := e.m.Score(features)
	shape := []int{n, logits.Cols}
	return append(tensors, checkpoint.Float32Tensor("logits", shape, logits.Data),
		checkpoint.Float32Tensor("probabilities", shape, probabilities.Data)), nil
}

// pad spreads the tokens of a batch, width values each, over [texts, seq, width].
func pad[T int32 | float32](b *bert.Batch, seq, width int, x []T) []T {
	padded := make([]T, b.Texts()*seq*width)
	for t := range b.Texts() {
		copy(padded[t*seq*width:], x[b.Offsets[t]*width:b.Offsets[t+1]*width])
	}
	return padded
}

func int32Tensor(name string, rows, cols int, values []int32) checkpoint.Tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	return checkpoint.Tensor{Name: name, DType: checkpoint.Int32, Shape: []int{rows, cols}, Bytes: raw}
}
