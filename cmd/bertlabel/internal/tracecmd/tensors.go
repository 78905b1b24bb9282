package tracecmd

import (
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
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/tensor"
)

// writeTensors writes the file of --output: ids, segments, and then what walk shows. Nothing of it is held in memory.
func (t *tracing) writeTensors(walk func(add sink) error) error {
	ids := [][]int32{t.text.IDs, t.text.Segments}
	tensors := []checkpoint.Tensor{
		{Name: "input_ids", DType: checkpoint.Int32, Shape: []int{len(ids[0])}},
		{Name: "segment_ids", DType: checkpoint.Int32, Shape: []int{len(ids[1])}},
	}
	for _, s := range t.report.Stages {
		tensors = append(tensors, checkpoint.Tensor{Name: s.Name, DType: checkpoint.Float32, Shape: s.Shape})
	}
	out, err := t.app.CreateOutput(t.Output)
	if err != nil {
		return err
	}
	defer out.Discard()
	create := func(string) (io.WriteCloser, error) { return nopCloser{out}, nil }
	err = safetensors.Stream(create, t.Output, tensors, nil, func(w io.Writer) error {
		for _, x := range ids {
			if err := binary.Write(w, binary.LittleEndian, x); err != nil {
				return err
			}
		}
		return walk(func(_ trace.Stage, x *tensor.Tensor) error {
			for i := range x.Rows {
				if err := binary.Write(w, binary.LittleEndian, x.Row(i)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return out.Commit()
}

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
