package tracecmd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bertlabel/bert/trace"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/tensor"
)

// tensorFile is a safetensors file that stages are written to as they come: nothing of it is held in memory.
type tensorFile struct {
	out *cli.Output
	w   *bufio.Writer
}

// createTensors begins the file of --output: its header, then ids and segments.
func (t *tracing) createTensors() (*tensorFile, error) {
	n := len(t.text.IDs)
	tensors := []checkpoint.Info{
		{Name: "input_ids", DType: checkpoint.Int32, Shape: []int{n}, Bytes: int64(4 * n)},
		{Name: "segment_ids", DType: checkpoint.Int32, Shape: []int{n}, Bytes: int64(4 * n)},
	}
	for _, s := range t.report.Stages {
		tensors = append(tensors, checkpoint.Info{Name: s.Name, DType: checkpoint.Float32, Shape: s.Shape, Bytes: int64(4 * s.Shape[0] * s.Shape[1])})
	}
	out, err := t.app.CreateOutput(t.Output)
	if err != nil {
		return nil, err
	}
	f := &tensorFile{out, bufio.NewWriterSize(out, 1<<16)}
	err = safetensors.WriteHeader(f.w, tensors)
	for _, x := range [][]int32{t.text.IDs, t.text.Segments} {
		for _, v := range x {
			err = errors.Join(err, binary.Write(f.w, binary.LittleEndian, v))
		}
	}
	if err != nil {
		out.Discard()
	}
	return f, err
}

// add writes a stage.
func (f *tensorFile) add(_ trace.Stage, x *tensor.Tensor) error {
	var raw []byte
	for i := range x.Rows {
		raw = raw[:0]
		for _, v := range x.Row(i) {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		if _, err := f.w.Write(raw); err != nil {
			return err
		}
	}
	return nil
}

func (f *tensorFile) finish() error { return errors.Join(f.w.Flush(), f.out.Commit()) }

// tables is a folder with a CSV file for each stage.
type tables struct {
	dir  string
	next int
}

// createTables makes the folder of --csv.
func (t *tracing) createTables() (*tables, error) {
	if err := cli.CheckOutputDir(t.CSV, false, false); err != nil {
		return nil, err
	}
	return &tables{dir: t.CSV}, os.MkdirAll(t.CSV, 0o755)
}

// add writes a stage, numbered in the order of the computation: numbers only, a row a line, in the shortest form that gives back the
// float32, so that a spreadsheet can multiply them.
func (f *tables) add(s trace.Stage, x *tensor.Tensor) error {
	var b []byte
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
		}
		b = append(b, '\n')
	}
	f.next++
	name := fmt.Sprintf("%03d-%s.csv", f.next, strings.ReplaceAll(s.Name, "/", "."))
	return os.WriteFile(filepath.Join(f.dir, name), b, 0o644)
}
