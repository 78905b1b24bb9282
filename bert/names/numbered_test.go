package names

import (
	"slices"
	"testing"
)

func TestResolveNumbered(t *testing.T) {
	full := map[string]string{"variables/0/x": "bert_model/word_embeddings/embeddings",
		"variables/1/x": "bert_model/embeddings/layer_norm/gamma",
		"variables/2/x": "bert_model/transformer/layer_11/self_attention/query/kernel", "variables/3/x": "bert_model/pooler_transform/bias",
		"variables/4/x": "bert_model/transformer/layer_0/output_layer_norm/beta", "variables/5/x": "transformer/layer_0/pooler_transform/kernel",
		"variables/6/x": "mine/kernel", "variables/7/x": "transformer/layer_01/output/kernel", "variables/8/x": "word_embeddings/kernel"}
	stored := []string{"_CHECKPOINTABLE_OBJECT_GRAPH", "variables/9/x"}
	for key := range full {
		stored = append(stored, key)
	}
	if !Numbered(stored) || Numbered([]string{"bert/embeddings/word_embeddings"}) {
		t.Error("which names are numbers")
	}
	m, err := ResolveNumbered(stored, full, "mine/*")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"bert/embeddings/word_embeddings": "variables/0/x", "bert/embeddings/LayerNorm/gamma": "variables/1/x",
		"bert/encoder/layer_11/attention/self/query/kernel": "variables/2/x", "bert/pooler/dense/bias": "variables/3/x",
		"bert/encoder/layer_0/output/LayerNorm/beta": "variables/4/x"}
	for name, key := range want {
		if m.Places[name].Stored != key {
			t.Errorf("%s is %+v, want %s", name, m.Places[name], key)
		}
	}
	if len(m.Places) != len(want) || m.Layout != TF2 || m.Scope != "bert_model/" {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(m.Unknown, []string{"variables/5/x", "variables/7/x", "variables/8/x", "variables/9/x"}) ||
		!slices.Equal(m.Ignored, []string{"_CHECKPOINTABLE_OBJECT_GRAPH", "variables/6/x"}) {
		t.Errorf("unknown %v, ignored %v", m.Unknown, m.Ignored)
	}
	full["variables/9/x"] = "word_embeddings/embeddings"
	if _, err := ResolveNumbered(stored, full); err == nil {
		t.Error("two word embeddings")
	}
}
