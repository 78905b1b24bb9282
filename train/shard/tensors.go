package shard

import (
	"encoding/json"
	"fmt"
	"io"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/train/score"
)

// Tensors is the suffix of parts that NewTensors writes.
const Tensors = "safetensors"

// NewTensors makes a Writer of vectors (score.Vectors) as one safetensors file, for Options.NewWriter with the suffix Tensors:
//
//	embeddings   float32 [rows, width]
//	ids          uint8 [bytes], id_offsets int64 [rows+1]: the id of row i is ids[id_offsets[i]:id_offsets[i+1]], as UTF-8; only where every
//	             row has one
//	labels       int8 [rows, labels]: 1, 0, or −1 for unknown; only with Options.Data.Labels
//
// The metadata have the pooling and, as a list in JSON, the labels. All of a part is held in memory, 4·rows·width bytes. A row without a
// result is an error: it would shift all that come after it.
//
// A nil pooling is the model's own (Options.ModelPooling).
func NewTensors(labels []string, pooling *bert.Pooling) func(w io.Writer, m *model.Model, first bool) Writer {
	return func(w io.Writer, m *model.Model, _ bool) Writer {
		t := &tensorRows{w: w, m: m, names: labels, pooling: m.Pooling, offsets: []int64{0}}
		if pooling != nil {
			t.pooling = *pooling
		}
		return t
	}
}

// tensorRows holds the rows of a part.
type tensorRows struct {
	w       io.Writer
	m       *model.Model
	names   []string // nil: no labels
	pooling bert.Pooling

	rows, withID int
	vectors      []float32 // [rows, width]
	ids          []byte
	offsets      []int64 // [rows+1]
	labels       []byte  // [rows, labels], int8
}

// Row implements Writer.
func (t *tensorRows) Row(row *score.Row) error {
	switch {
	case row.Err != nil:
		return fmt.Errorf("a tensor has no place for a row without a result: %w", row.Err)
	case len(row.Labels) != len(t.names):
		return fmt.Errorf("%s: %d label cells, want %d", row.Place(), len(row.Labels), len(t.names))
	}
	t.rows++
	t.vectors = append(t.vectors, row.Vector...)
	if row.HasID {
		t.withID++
		t.ids = append(t.ids, row.ID...)
	}
	t.offsets = append(t.offsets, int64(len(t.ids)))
	for _, y := range row.Labels {
		t.labels = append(t.labels, byte(y))
	}
	return nil
}

// Flush implements Writer: it writes the file, once.
func (t *tensorRows) Flush() error {
	width, err := t.m.Encoder.PoolingWidth(t.pooling)
	if err != nil {
		return err
	}
	metadata := map[string]string{"pooling": t.pooling.String()}
	tensors := []checkpoint.Tensor{checkpoint.Float32Tensor("embeddings", []int{t.rows, width}, t.vectors)}
	if t.rows > 0 && t.withID == t.rows {
		tensors = append(tensors, checkpoint.Tensor{Name: "ids", DType: checkpoint.Uint8, Shape: []int{len(t.ids)}, Bytes: t.ids},
			checkpoint.Int64Tensor("id_offsets", []int{t.rows + 1}, t.offsets))
	}
	if t.names != nil {
		text, err := json.Marshal(t.names)
		if err != nil {
			return err
		}
		metadata["labels"] = string(text)
		tensors = append(tensors, checkpoint.Tensor{Name: "labels", DType: checkpoint.Int8, Shape: []int{t.rows, len(t.names)}, Bytes: t.labels})
	}
	create := func(string) (io.WriteCloser, error) { return unclosed{t.w}, nil }
	return safetensors.Write(create, "a part", tensors, metadata)
}

// unclosed is a file that others close.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
