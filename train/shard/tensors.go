package shard

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/layers"
	"bertlabel/train/score"
)

// Tensors is the suffix of parts that NewTensors writes.
const Tensors = "safetensors"

// NewTensors makes a Writer of vectors (score.Vectors) as one safetensors file, for Options.NewWriter with the suffix Tensors:
//
//	embeddings   float32 [rows, width]
//	ids          uint8 [bytes], id_offsets int64 [rows+1]: the id of row i is ids[id_offsets[i]:id_offsets[i+1]], as UTF-8; only where every
//	             row has one
//	labels       int8 [rows, labels]: 1, 0, or −1 for unknown; float32 with soft: the shares, from 0 to 1, or −1. Only where labels, those of
//	             Options.Data.Labels, are not nil; soft goes with Options.Data.SoftLabels
//
// The metadata say what the vectors are of: encoder (model.EncoderFingerprint in hex), precision and, where they are rounded, that of the
// word embeddings as embeddings_precision, pooling, max_seq_length, of a model that reads several windows of a text windows and
// window_overlap; and labels, as a list in JSON. Package features reads such files. All of a part is held in memory, 4·rows·width bytes. A
// row without a result is an error: it would shift all that come after it.
//
// A nil pooling is the model's own (Options.ModelPooling).
func NewTensors(labels []string, soft bool, pooling *bert.Pooling) func(w io.Writer, m *model.Model, first bool) Writer {
	var of *model.Model // whose fingerprint that is
	var encoder string
	return func(w io.Writer, m *model.Model, _ bool) Writer {
		if of != m {
			of, encoder = m, hex.EncodeToString(m.EncoderFingerprint())
		}
		t := &tensorRows{w: w, m: m, encoder: encoder, names: labels, soft: soft, pooling: m.Pooling, offsets: []int64{0}}
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
	encoder string   // its fingerprint
	names   []string // nil: no labels
	soft    bool
	pooling bert.Pooling

	rows, withID int
	vectors      []float32 // [rows, width]
	ids          []byte
	offsets      []int64   // [rows+1]
	labels       []byte    // [rows, labels], int8
	shares       []float32 // instead, with soft
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
	for i, y := range row.Labels {
		switch {
		case !t.soft:
			t.labels = append(t.labels, byte(y))
		case y == layers.Unknown:
			t.shares = append(t.shares, float32(layers.Unknown))
		default:
			t.shares = append(t.shares, row.Shares[i])
		}
	}
	return nil
}

// Flush implements Writer: it writes the file, once.
func (t *tensorRows) Flush() error {
	width, err := t.m.Encoder.PoolingWidth(t.pooling)
	if err != nil {
		return err
	}
	metadata := t.metadata()
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
		cells := checkpoint.Tensor{Name: "labels", DType: checkpoint.Int8, Shape: []int{t.rows, len(t.names)}, Bytes: t.labels}
		if t.soft {
			cells = checkpoint.Float32Tensor(cells.Name, cells.Shape, t.shares)
		}
		tensors = append(tensors, cells)
	}
	create := func(string) (io.WriteCloser, error) { return unclosed{t.w}, nil }
	return safetensors.Write(create, "a part", tensors, metadata)
}

// metadata says what the vectors are of.
func (t *tensorRows) metadata() map[string]string {
	says := map[string]string{"encoder": t.encoder, "precision": t.m.Precision().String(), "pooling": t.pooling.String(),
		"max_seq_length": strconv.Itoa(t.m.MaxSeqLength)}
	if p := t.m.Encoder.EmbeddingsPrecision(); p != bert.FP32 {
		says["embeddings_precision"] = p.String()
	}
	if w := t.m.Windows; w.Several() {
		says["windows"], says["window_overlap"] = w.MostText(), strconv.FormatFloat(w.Share(), 'g', -1, 64)
	}
	return says
}

// unclosed is a file that others close.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
