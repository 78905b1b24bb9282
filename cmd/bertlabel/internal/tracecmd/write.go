package tracecmd

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bertlabel/bert/trace"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/tensor"
)

// tokenColumns is how wide a token is shown.
const tokenColumns = 14

// cell is a token in a column of its own, unable to steer the terminal.
func cell(token string, columns int) string {
	s := term.Clipped(term.Printable(token), columns)
	return s + strings.Repeat(" ", max(0, columns-term.Width(s)))
}

// writeSummary writes the blocks of a summary, or the one that stage names, at most 100 columns wide.
func writeSummary(w io.Writer, s *trace.Summary, stage string) {
	if stage == "" || stage == "tokens" {
		fmt.Fprintf(w, "tokens  [%d]\n  %3s %-*s %6s %8s\n", len(s.Tokens), "", tokenColumns, "token", "id", "segment")
		for i, t := range s.Tokens {
			fmt.Fprintf(w, "  %3d %s %6d %8d\n", i, cell(t.Token, tokenColumns), t.ID, t.Segment)
		}
	}
	if stage == "" || stage == "embeddings" {
		header(w, "embeddings", s.Embeddings.Code)
		fmt.Fprintf(w, "  %3s %-*s %8s %8s %8s %8s %8s %8s %9s\n", "", tokenColumns, "token", "|word|", "|type|", "|pos|", "|sum|", "mean", "σ",
			"|output|")
		for i, r := range s.Embeddings.Rows {
			fmt.Fprintf(w, "  %3d %s %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %9.4f\n", i, cell(s.Tokens[i].Token, tokenColumns), r.Word, r.Type,
				r.Position, r.Sum, r.Mean, r.SD, r.Output)
		}
	}
	if stage == "" || stage == "layers" {
		for i := range s.Layers {
			writeLayer(w, s, &s.Layers[i])
		}
	}
	if stage == "" || stage == "output" {
		writeOutput(w, s)
	}
}

// header opens a block.
func header(w io.Writer, name string, c trace.Code) {
	fmt.Fprintf(w, "%s  %s  %s  %s\n", name, c.Formula, c.Shape, c.Source)
}

func writeLayer(w io.Writer, s *trace.Summary, l *trace.Layer) {
	fmt.Fprintf(w, "layer %d, of token %d %s\n", l.Layer, s.Chosen, term.Clipped(term.Printable(s.Tokens[s.Chosen].Token), tokenColumns))
	header(w, "  attention", l.Attention.Code)
	fmt.Fprintf(w, "    %4s %8s %8s %8s %8s  %s\n", "head", "|q|", "|k|", "|v|", "entropy", "looks at")
	for i, h := range l.Attention.Heads {
		var top []string
		columns := 0
		for _, a := range h.Top {
			item := fmt.Sprintf("%s %.2f", term.Clipped(term.Printable(a.Token), 10), a.Probability)
			if columns += term.Width(item) + 2; columns > 54 {
				break
			}
			top = append(top, item)
		}
		fmt.Fprintf(w, "    %4d %8.4f %8.4f %8.4f %8.4f  %s\n", i, h.Query, h.Key, h.Value, h.Entropy, strings.Join(top, ", "))
	}
	writeResidual(w, "x", &l.Residual1)
	header(w, "  feed-forward", l.FFN.Code)
	fmt.Fprintf(w, "    |inner| %.4f, below 0: %.0f %%, |act| %.4f\n", l.FFN.Inner, 100*l.FFN.Negative, l.FFN.Act)
	writeResidual(w, "a", &l.Residual2)
	fmt.Fprintf(w, "  cos(y, x) %.4f\n", l.Cosine)
}

func writeResidual(w io.Writer, past string, r *trace.Residual) {
	header(w, "  add & norm", r.Code)
	fmt.Fprintf(w, "    |h| %.4f against |%s| %.4f; of the sum mean %.4f, σ %.4f; |output| %.4f\n", r.Branch, past, r.Past, r.Mean, r.SD, r.Output)
}

func writeOutput(w io.Writer, s *trace.Summary) {
	if s.Pooled != nil {
		header(w, "pooler", s.Pooled.Code)
		fmt.Fprintf(w, "  |pooled| %.4f\n", s.Pooled.Norm)
	}
	if s.Output == nil {
		return
	}
	header(w, "head", s.Output.Code)
	fmt.Fprintf(w, "  %-24s %9s %7s %10s\n", "label", "logit", "σ", "threshold")
	for _, l := range s.Output.Labels {
		verdict := ""
		if l.Predicted {
			verdict = "  yes"
		}
		fmt.Fprintf(w, "  %s %9.4f %7.4f %10.4f%s\n", cell(l.Label, 24), l.Logit, l.Probability, l.Threshold, verdict)
	}
}

func writeAltered(w io.Writer, changed []trace.Altered, labels []trace.AlteredLabel) {
	fmt.Fprintf(w, "%-54s %12s %12s %12s\n", "stages that change", "largest", "rms change", "rms before")
	for _, c := range changed {
		fmt.Fprintf(w, "%s %12.6f %12.6f %12.6f\n", cell(c.Stage, 54), c.Largest, c.RMS, c.Before)
	}
	if len(changed) == 0 {
		fmt.Fprintln(w, "none")
	}
	if len(labels) > 0 {
		fmt.Fprintf(w, "%-54s %12s %12s\n", "label", "σ", "σ then")
	}
	for _, l := range labels {
		fmt.Fprintf(w, "%s %12.4f %12.4f\n", cell(l.Label, 54), l.Before, l.After)
	}
}

// writeMatrix writes a matrix in blocks of 8 columns, each row with its number.
func writeMatrix(w io.Writer, name string, x *tensor.Tensor) {
	fmt.Fprintf(w, "%s  [%d, %d]\n", name, x.Rows, x.Cols)
	for from := 0; from < x.Cols; from += 8 {
		to := min(from+8, x.Cols)
		if x.Cols > 8 {
			fmt.Fprintf(w, "  columns %d to %d\n", from, to-1)
		}
		for i := range x.Rows {
			fmt.Fprintf(w, "  %4d", i)
			for _, v := range x.Row(i)[from:to] {
				fmt.Fprintf(w, " %8.4f", v)
			}
			fmt.Fprintln(w)
		}
	}
}

// dtypeOf returns the type of a stage in the file: whole numbers are int32 in the file, as embed --all-layers has them.
func dtypeOf(name string) checkpoint.DType {
	if name == trace.InputIDs || name == trace.SegmentIDs {
		return checkpoint.Int32
	}
	return checkpoint.Float32
}

// writeTensors writes the stages one by one: a first walk tells the header names and shapes, a second has the bytes.
func (t *tracing) writeTensors() error {
	var infos []checkpoint.Info
	err := t.walk(func(name string, x *tensor.Tensor) error {
		infos = append(infos, checkpoint.Info{Name: name, DType: dtypeOf(name), Shape: []int{x.Rows, x.Cols}})
		return nil
	})
	if err != nil {
		return err
	}
	return t.writeStream(infos, func(file *safetensors.Stream) error {
		return t.walk(func(name string, x *tensor.Tensor) error { return file.Write(tensorOf(name, x)) })
	})
}

// tensorOf copies a stage, which may be a view.
func tensorOf(name string, x *tensor.Tensor) checkpoint.Tensor {
	if dtypeOf(name) == checkpoint.Int32 {
		var raw []byte
		for _, v := range x.Row(0) {
			raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
		}
		return checkpoint.Tensor{Name: name, DType: checkpoint.Int32, Shape: []int{1, x.Cols}, Bytes: raw}
	}
	values := make([]float32, 0, x.Rows*x.Cols)
	for i := range x.Rows {
		values = append(values, x.Row(i)...)
	}
	return checkpoint.Float32Tensor(name, []int{x.Rows, x.Cols}, values)
}

// writeCSV writes a file of numbers for each stage, called as the stage with - for /.
func (t *tracing) writeCSV() error {
	if err := os.MkdirAll(t.CSV, 0o755); err != nil {
		return err
	}
	return t.walk(func(name string, x *tensor.Tensor) error {
		out, err := t.app.CreateOutput(filepath.Join(t.CSV, strings.ReplaceAll(name, "/", "-")+".csv"))
		if err != nil {
			return err
		}
		defer out.Discard()
		w := bufio.NewWriter(out)
		for i := range x.Rows {
			if _, err := w.Write(appendCells(nil, x.Row(i))); err != nil {
				return err
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return out.Commit()
	})
}

// appendCells appends a line of numbers with as many digits as float32 needs to come back.
func appendCells(line []byte, row []float32) []byte {
	for j, v := range row {
		if j > 0 {
			line = append(line, ',')
		}
		line = strconv.AppendFloat(line, float64(v), 'g', -1, 32)
	}
	return append(line, '\n')
}
