package names

import (
	"fmt"
	"slices"
	"strings"
)

// kerasModules are the layers of tensorflow/models' BertEncoder by their Keras names (official/nlp/modeling/networks/bert_encoder.py and
// layers/transformer_encoder_block.py), which TensorFlow Hub's encoders are saved from, with Google's names of the same. Those of an
// encoder layer stand after transformer/layer_i/.
var kerasModules = map[string]string{
	"word_embeddings": "embeddings/word_embeddings", "position_embedding": "embeddings/position_embeddings",
	"type_embeddings": "embeddings/token_type_embeddings", "embeddings/layer_norm": "embeddings/LayerNorm", "pooler_transform": "pooler/dense",

	"self_attention/query": "attention/self/query", "self_attention/key": "attention/self/key", "self_attention/value": "attention/self/value",
	"self_attention/attention_output": "attention/output/dense", "self_attention_layer_norm": "attention/output/LayerNorm",
	"intermediate": "intermediate/dense", "output": "output/dense", "output_layer_norm": "output/LayerNorm",
}

// Numbered reports whether the keys of a file say nothing of its variables: they are items of a list, as a SavedModel has them.
func Numbered(stored []string) bool {
	return slices.ContainsFunc(stored, func(key string) bool { return strings.HasPrefix(key, "variables/0/") })
}

// ResolveNumbered is Resolve for a file whose keys are numbers; full has the full name of the variable under a key, by the object graph.
// Shapes are those of TF2.
func ResolveNumbered(stored []string, full map[string]string, ignore ...string) (Map, error) {
	m := Map{Layout: TF2, Places: map[string]Place{}}
	for _, key := range slices.Sorted(slices.Values(stored)) {
		google, scope, ok := fromKeras(full[key])
		if !ok {
			if m.ignorable(key) || Matches(key, ignore) || Matches(full[key], ignore) {
				m.Ignored = append(m.Ignored, key)
			} else {
				m.Unknown = append(m.Unknown, key)
			}
			continue
		}
		if first, twice := m.Places[google]; twice {
			return Map{}, fmt.Errorf("%q and %q are both %s", first.Stored, key, google)
		}
		m.Places[google], m.Scope = Place{Stored: key}, scope
	}
	return m, nil
}

// fromKeras returns Google's name of a variable with a full name such as transformer/layer_0/self_attention/query/kernel, and the scope
// before that.
func fromKeras(full string) (google, scope string, ok bool) {
	module, leaf, _ := cutLast(full)
	if i := strings.LastIndex("/"+module, "/transformer/layer_"); i >= 0 {
		layer, inLayer, ok := cutIndex(module[i+len("transformer/layer_"):], "/")
		to := kerasModules[inLayer]
		if !ok || to == "" || strings.Contains(to, "embeddings") || strings.HasPrefix(to, "pooler") {
			return "", "", false
		}
		google = fmt.Sprintf("bert/encoder/layer_%d/%s/%s", layer, to, leaf)
		_, _, ok = ToHuggingFace(google) // whether it is in the table
		return google, module[:i], ok
	}
	for from, to := range kerasModules {
		scope, ok := strings.CutSuffix(module, from)
		if !ok || scope != "" && !strings.HasSuffix(scope, "/") {
			continue
		}
		google = "bert/" + to
		if leaf != "embeddings" {
			google += "/" + leaf
		}
		if _, _, ok := ToHuggingFace(google); ok {
			return google, scope, true
		}
	}
	return "", "", false
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	return s[:max(i, 0)], s[i+1:], i >= 0
}
