package names

import (
	"strconv"
	"strings"
)

// Layout is one of the three ways to name and shape the variables.
type Layout int

// The layouts.
const (
	Google Layout = iota
	TF2
	HuggingFace
)

// String returns the layout's name for messages.
func (l Layout) String() string { return [...]string{"Google", "TensorFlow 2", "Hugging Face"}[l] }

// The variables of the classification head, in run_classifier.py's names. They are [labels, hidden] and [labels] in all layouts.
const (
	OutputWeights = "output_weights"
	OutputBias    = "output_bias"
)

// valueSuffix ends the key of every variable of tf.train.Checkpoint.
const valueSuffix = "/.ATTRIBUTES/VARIABLE_VALUE"

// row is one variable in the three layouts, without the prefix of the model, and for variables of encoder layers without
// that of the layer.
type row struct {
	google, tf2, hf string
	transpose       bool // Hugging Face has the transpose
}

// module is what holds variables: dense layers have kernel and bias, LayerNorms gamma and beta, tables one value.
type module struct{ google, tf2, hf string }

var (
	tables = []module{
		{"embeddings/word_embeddings", "layer_with_weights-0/embeddings", "embeddings.word_embeddings"},
		{"embeddings/position_embeddings", "layer_with_weights-1/embeddings", "embeddings.position_embeddings"},
		{"embeddings/token_type_embeddings", "layer_with_weights-2/embeddings", "embeddings.token_type_embeddings"},
	}
	embeddingNorm = module{"embeddings/LayerNorm", "layer_with_weights-3", "embeddings.LayerNorm"}
	pooler        = module{"pooler/dense", "next_sentence..pooler_dense", "pooler.dense"}

	layerDense = []module{
		{"attention/self/query", "_attention_layer/_query_dense", "attention.self.query"},
		{"attention/self/key", "_attention_layer/_key_dense", "attention.self.key"},
		{"attention/self/value", "_attention_layer/_value_dense", "attention.self.value"},
		{"attention/output/dense", "_attention_layer/_output_dense", "attention.output.dense"},
		{"intermediate/dense", "_intermediate_dense", "intermediate.dense"},
		{"output/dense", "_output_dense", "output.dense"},
	}
	layerNorms = []module{
		{"attention/output/LayerNorm", "_attention_layer_norm", "attention.output.LayerNorm"},
		{"output/LayerNorm", "_output_layer_norm", "output.LayerNorm"},
	}

	// olderTF2 is the place of the attention's output before tensorflow/models moved it into the attention layer.
	olderTF2 = module{"attention/output/dense", "_attention_output_dense", ""}
)

func (m module) dense() []row {
	return []row{
		{m.google + "/kernel", m.tf2 + "/kernel", m.hf + ".weight", true},
		{m.google + "/bias", m.tf2 + "/bias", m.hf + ".bias", false},
	}
}

func (m module) norm() []row {
	return []row{
		{m.google + "/gamma", m.tf2 + "/gamma", m.hf + ".weight", false},
		{m.google + "/beta", m.tf2 + "/beta", m.hf + ".bias", false},
	}
}

// Rows of the model outside the encoder layers, and of one encoder layer.
var modelRows, layerRows = rows()

func rows() (model, layer []row) {
	for _, m := range tables {
		model = append(model, row{m.google, m.tf2, m.hf + ".weight", false})
	}
	model = append(model, embeddingNorm.norm()...)
	model = append(model, pooler.dense()...)
	for _, m := range layerDense {
		layer = append(layer, m.dense()...)
	}
	for _, m := range layerNorms {
		layer = append(layer, m.norm()...)
	}
	return model, layer
}

// ToHuggingFace returns the name of a variable in the model.safetensors of a BertForSequenceClassification, and whether the
// matrix is stored transposed there. ok is false for a name that is not Google's.
func ToHuggingFace(google string) (hf string, transpose, ok bool) {
	switch google {
	case OutputWeights:
		return "classifier.weight", false, true
	case OutputBias:
		return "classifier.bias", false, true
	}
	name, ok := strings.CutPrefix(google, "bert/")
	if !ok {
		return "", false, false
	}
	for _, r := range modelRows {
		if r.google == name {
			return "bert." + r.hf, r.transpose, true
		}
	}
	if rest, isLayer := strings.CutPrefix(name, "encoder/layer_"); isLayer {
		if i, rest, ok := cutIndex(rest, "/"); ok {
			for _, r := range layerRows {
				if r.google == rest {
					return "bert.encoder.layer." + strconv.Itoa(i) + "." + r.hf, r.transpose, true
				}
			}
		}
	}
	return "", false, false
}

// StoredShape returns the shape under which a layout stores a variable that has the given shape in Google's layout. Heads is
// the number of attention heads; the bytes of TF2's are Google's, a matter of shape alone.
func StoredShape(layout Layout, google string, shape []int, heads int) []int {
	switch layout {
	case HuggingFace:
		if _, transpose, _ := ToHuggingFace(google); transpose && len(shape) == 2 {
			return []int{shape[1], shape[0]}
		}
	case TF2:
		switch { // H = A·D: [H, H] is [H, A, D] for query, key and value, and [A, D, H] for the output
		case strings.Contains(google, "/attention/self/") && strings.HasSuffix(google, "/kernel"):
			return []int{shape[0], heads, shape[1] / heads}
		case strings.Contains(google, "/attention/self/"):
			return []int{heads, shape[0] / heads}
		case strings.HasSuffix(google, "/attention/output/dense/kernel"):
			return []int{heads, shape[0] / heads, shape[1]}
		}
	}
	return shape
}

// cutIndex cuts a decimal number and a separator from the front of s. Numbers with leading zeros are none.
func cutIndex(s, separator string) (i int, rest string, ok bool) {
	digits, rest, ok := strings.Cut(s, separator)
	i, err := strconv.Atoi(digits)
	return i, rest, ok && err == nil && strconv.Itoa(i) == digits && i >= 0
}
