package tracecmd

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"bertlabel/bert/trace"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/tensor"
)

// columns is the width of the text.
const columns = 100

// blockOf returns the block that a stage belongs to, and its layer, −1 outside the layers.
func blockOf(stage string) (block string, layer int) {
	rest, ok := strings.CutPrefix(stage, "bert/encoder/layer_")
	if !ok {
		rest, ok = strings.CutPrefix(stage, "layer_")
	}
	if ok {
		number, rest, _ := strings.Cut(rest, "/")
		layer, _ = strconv.Atoi(number)
		if strings.HasPrefix(rest, "attention/") {
			return attentionBlock, layer
		}
		return feedBlock, layer
	}
	switch {
	case strings.Contains(stage, "embedding"):
		return embeddingsBlock, -1
	case strings.Contains(stage, "pool"):
		return poolerBlock, -1
	}
	return labelsBlock, -1
}

// shows says whether a block is printed.
func (t *tracing) shows(block string, layer int) bool {
	if t.Layer != nil && layer != *t.Layer {
		return false
	}
	return len(t.Stages) == 0 || slices.Contains(t.Stages, block)
}

// wholeStage says whether a stage is printed as a matrix.
func (t *tracing) wholeStage(name string) bool {
	return slices.Contains(t.Stages, name) || t.Whole && t.shows(blockOf(name))
}

// writeText prints the blocks of the report for people.
func (t *tracing) writeText() error {
	w := bufio.NewWriter(t.app.Stdout)
	if t.shows(tokensBlock, -1) {
		t.writeTokens(w)
	}
	if t.shows(embeddingsBlock, -1) {
		t.writeEmbeddings(w)
	}
	t.writeWhole(w, embeddingsBlock, -1)
	for n := range t.report.Layers {
		if t.shows(attentionBlock, n) {
			t.writeAttention(w, n)
		}
		t.writeWhole(w, attentionBlock, n)
		if t.shows(feedBlock, n) {
			t.writeFeedForward(w, n)
		}
		t.writeWhole(w, feedBlock, n)
	}
	if t.report.Pooled > 0 && t.shows(poolerBlock, -1) {
		heading(w, "pooler: pooled = tanh(x[0]·W + b)", "bert/pooler.go:Pooler.Forward")
		fmt.Fprintf(w, "  |pooled| %.4f, of √%d\n\n", t.report.Pooled, t.m.Encoder.Config.HiddenSize)
	}
	t.writeWhole(w, poolerBlock, -1)
	if len(t.report.Labels) > 0 && t.shows(labelsBlock, -1) {
		t.writeLabels(w)
	}
	t.writeWhole(w, labelsBlock, -1)
	return w.Flush()
}

// heading prints what a block is and where it is computed, at both ends of the line or on two.
func heading(w io.Writer, what, symbol string) {
	gap := columns - term.Width(what) - len(symbol)
	if symbol == "" {
		gap = 0
	}
	if gap < 2 && symbol != "" {
		fmt.Fprintf(w, "%s\n%*s\n", what, columns, symbol)
		return
	}
	fmt.Fprintf(w, "%s%*s%s\n", what, gap, "", symbol)
}

// nameWidth is the columns of a token in a table.
const nameWidth = 14

// name returns a token for a table.
func (t *tracing) name(i int) string { return term.Cell(t.report.Tokens[i].Token, nameWidth) }

// chosen returns the token that is looked at, for a sentence.
func (t *tracing) chosen() string {
	return fmt.Sprintf("token %d, %s", t.Token, term.Clipped(t.report.Tokens[t.Token].Token, nameWidth))
}

func (t *tracing) writeTokens(w io.Writer) {
	heading(w, fmt.Sprintf("tokens [%d]: WordPiece, greedy longest match", len(t.report.Tokens)), "bert/tokenizer/trie.go:trie.longest")
	fmt.Fprintf(w, "  position  %-*s      id  segment\n", nameWidth, "token")
	for i, token := range t.report.Tokens {
		fmt.Fprintf(w, "  %8d  %s%8d  %7d\n", i, t.name(i), token.ID, token.Segment)
	}
	fmt.Fprintln(w)
}

func (t *tracing) writeEmbeddings(w io.Writer) {
	heading(w, fmt.Sprintf("embeddings [%d, %d]: x = LayerNorm(word + token type + position)", len(t.report.Tokens),
		t.m.Encoder.Config.HiddenSize), "bert/embeddings.go:Embeddings.Forward")
	fmt.Fprintf(w, "  position  %-*s  |word|  |type|   |pos|   |sum|     mean       σ     |x|\n", nameWidth, "token")
	for i, e := range t.report.Embeddings {
		fmt.Fprintf(w, "  %8d  %s%8.4f%8.4f%8.4f%8.4f%9.4f%8.4f%8.4f\n", i, t.name(i), e.Word, e.TokenType, e.Position, e.Sum, e.Mean,
			e.Sigma, e.Output)
	}
	fmt.Fprintln(w)
}

func (t *tracing) writeAttention(w io.Writer, n int) {
	l, s, h := &t.report.Layers[n], len(t.report.Tokens), t.m.Encoder.Config.HiddenSize
	heads := len(l.Heads)
	heading(w, fmt.Sprintf("layer %d, attention: q, k, v = x·W + b, [%d, %d]; %d heads of D = %d", n, s, h, heads, h/heads),
		"bert/layer.go:Layer.Forward")
	heading(w, fmt.Sprintf("  probs = softmax(q·kᵀ/√D), [%d, %d] a head; row of %s", s, s, t.chosen()),
		"layers/attention.go:attentionJob.probs")
	fmt.Fprintf(w, "  head     |q|     |k|     |v|  entropy  looks at (entropy is at most ln %d = %.4f)\n", s, math.Log(float64(s)))
	for i := range l.Heads {
		head := &l.Heads[i]
		fmt.Fprintf(w, "  %4d%8.4f%8.4f%8.4f%9.4f  %s\n", i, head.Query, head.Key, head.Value, head.Entropy, t.looks(head))
	}
	heading(w, "  a = LayerNorm(h + x), h = Concat(heads)·W + b", "bert/layer.go:Layer.afterQKV")
	addNorm(w, "h", "x", "a", &l.Attention)
}

// looks lists the tokens that a head looks at most.
func (t *tracing) looks(h *trace.Head) string {
	text := ""
	for _, i := range h.Looks(5) {
		next := fmt.Sprintf("%s %.3f", term.Clipped(t.report.Tokens[i].Token, nameWidth), h.Probs[i])
		if text != "" {
			next = ", " + next
		}
		if 41+term.Width(text+next) > columns {
			break
		}
		text += next
	}
	return text
}

func addNorm(w io.Writer, f, x, y string, n *trace.AddNorm) {
	fmt.Fprintf(w, "  |%s| %.4f  |%s| %.4f  sum: mean %.4f, σ %.4f  |%s| %.4f  cos(%s, %s) %.4f\n\n", f, n.Branch, x, n.Residual, n.Mean,
		n.Sigma, y, n.Output, y, x, n.Cos)
}

func (t *tracing) writeFeedForward(w io.Writer, n int) {
	l, c := &t.report.Layers[n], t.m.Encoder.Config
	heading(w, fmt.Sprintf("layer %d, feed-forward: inner = a·W + b, [%d, %d]; act = %s(inner)", n, len(t.report.Tokens),
		c.IntermediateSize, c.HiddenAct), "bert/layer.go:Layer.afterQKV")
	fmt.Fprintf(w, "  %s: inner < 0 in %.1f %%  |act| %.4f\n", t.chosen(), 100*l.Negative, l.Act)
	heading(w, "  y = LayerNorm(f + a), f = act·W + b", "bert/layer.go:Layer.afterQKV")
	addNorm(w, "f", "a", "y", &l.FeedForward)
}

func (t *tracing) writeLabels(w io.Writer) {
	heading(w, fmt.Sprintf("labels [%d]: z = features·Wᵀ + b of %s features, σ(z) = 1/(1 + e^−z)", len(t.report.Labels), t.m.Pooling),
		"layers/classifier.go:Classifier.Score")
	fmt.Fprintf(w, "  %-30s%10s%10s%12s\n", "label", "z", "σ(z)", "threshold")
	for _, l := range t.report.Labels {
		verdict := "no"
		if l.Predicted {
			verdict = "yes"
		}
		fmt.Fprintf(w, "  %s%10.4f%10.4f%12.4f  %s\n", term.Cell(l.Label, 30), l.Logit, l.Probability, l.Threshold, verdict)
	}
	fmt.Fprintln(w)
}

// writeWhole prints the matrices of a block, eight columns below one another.
func (t *tracing) writeWhole(w io.Writer, block string, layer int) {
	for _, s := range t.report.Stages {
		if b, n := blockOf(s.Name); b != block || n != layer || t.whole[s.Name] == nil {
			continue
		}
		heading(w, s.String(), s.Symbol)
		fmt.Fprintf(w, "  %s\n", s.Formula)
		t.writeMatrix(w, t.whole[s.Name])
	}
}

func (t *tracing) writeMatrix(w io.Writer, x *tensor.Tensor) {
	const group = 8
	for from := 0; from < x.Cols; from += group {
		to := min(from+group, x.Cols)
		fmt.Fprintf(w, "  %*s", nameWidth+5, "")
		for j := from; j < to; j++ {
			fmt.Fprintf(w, "%9d", j)
		}
		fmt.Fprintln(w)
		for i := range x.Rows {
			label := strings.Repeat(" ", nameWidth)
			if x.Rows >= len(t.report.Tokens) { // rows are tokens, of one head after the other
				label = t.name(i % len(t.report.Tokens))
			}
			fmt.Fprintf(w, "  %4d %s", i, label)
			for _, v := range x.Row(i)[from:to] {
				fmt.Fprintf(w, " %8.4f", v)
			}
			fmt.Fprintln(w)
		}
	}
	fmt.Fprintln(w)
}

// writeJSON prints the report, with the matrices that --whole or --stage name.
func (t *tracing) writeJSON() error {
	object := struct {
		Text string `json:"text"`
		Pair string `json:"text_pair,omitempty"`
		*trace.Report
		Values map[string][][]trace.Number32 `json:"values,omitempty"`
	}{t.Text, t.Pair, t.report, map[string][][]trace.Number32{}}
	for name, x := range t.whole {
		for i := range x.Rows {
			object.Values[name] = append(object.Values[name], trace.Numbers(x.Row(i)))
		}
	}
	return cli.WriteIndented(t.app.Stdout, object)
}
