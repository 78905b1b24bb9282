package names

import (
	"slices"
	"strings"
	"testing"
)

// FuzzResolve takes the names of a checkpoint, one a line: each ends up in one of the three lists, and no variable has two places.
func FuzzResolve(f *testing.F) {
	f.Add(strings.Join(googleNames(2), "\n") + "\nglobal_step\nbert/pooler/dense/kernel/adam_m\ncls/x")
	f.Add("model.bert.embeddings.word_embeddings.weight\nmodel.bert.encoder.layer.1.output.LayerNorm.gamma\nmodel.classifier.weight\nembeddings.position_ids")
	f.Add("encoder/layer_with_weights-0/embeddings/.ATTRIBUTES/VARIABLE_VALUE\nencoder/layer_with_weights-4/_attention_layer/_query_dense/kernel/.ATTRIBUTES/VARIABLE_VALUE\n" +
		"next_sentence..pooler_dense/bias/.ATTRIBUTES/VARIABLE_VALUE\n_CHECKPOINTABLE_OBJECT_GRAPH")
	f.Fuzz(func(t *testing.T, text string) {
		stored := strings.Split(text, "\n")
		slices.Sort(stored)
		stored = slices.Compact(stored)
		Foreign(stored)
		m, err := Resolve(stored)
		if err != nil {
			return
		}
		all := slices.Concat(m.Ignored, m.Unknown)
		for google, place := range m.Places {
			if _, _, ok := ToHuggingFace(google); !ok {
				t.Fatalf("%q is taken for %q, which is no variable", place.Stored, google)
			}
			all = append(all, place.Stored)
		}
		if slices.Sort(all); !slices.Equal(all, stored) {
			t.Fatalf("%q became %q", stored, all)
		}
	})
}
