package names

import "testing"

func TestForeign(t *testing.T) {
	for name, want := range map[string]string{
		"bert/encoder/transformer/group_0/inner_group_0/attention_1/self/query/kernel": "ALBERT", // Google's
		"bert/encoder/embedding_hidden_mapping_in/kernel":                              "ALBERT",
		"albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight":  "ALBERT", // Hugging Face's
		"encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight":         "ALBERT",
		"roberta.encoder.layer.0.attention.self.query.weight":                          "RoBERTa",
		"distilbert.transformer.layer.0.attention.q_lin.weight":                        "DistilBERT",
		"transformer.layer.0.attention.q_lin.weight":                                   "DistilBERT",
		"electra/encoder/layer_0/attention/self/query/kernel":                          "ELECTRA",
		"electra.embeddings_project.weight":                                            "ELECTRA",
		"deberta.encoder.rel_embeddings.weight":                                        "DeBERTa",
		"encoder.layer.0.attention.attn.q.weight":                                      "MPNet",
		"bert/encoder/layer_0/bottleneck/input/dense/kernel":                           "MobileBERT",
		"mobilebert.encoder.layer.0.bottleneck.input.dense.weight":                     "MobileBERT",
		"transformer.attentions.0.q_lin.weight":                                        "XLM",
		"attentions.0.q_lin.weight":                                                    "XLM",
		"bert.encoder.layer.0.attention.ln.weight":                                     "Megatron-BERT",
		"ernie.embeddings.word_embeddings.weight":                                      "ERNIE",
		"transformer.embeddings.word_embeddings.weight":                                "SqueezeBERT",
		"model.embed_tokens.weight":                                                    "some decoder, such as Llama",
		"encoder/block_000/layer_000/SelfAttention/q":                                  "T5",
		"model/h0/attn/c_attn/w":                                                       "GPT-2",
		"model.embeddings.tok_embeddings.weight":                                       "ModernBERT",
		"model/transformer/word_embedding/lookup_table":                                "XLNet",
		"transformer.h.0.attn.c_attn.weight":                                           "",
		"transformer.wte.weight":                                                       "GPT-2",
		"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight":         "T5",
		"bert.encoder.layer.0.attention.self.query.weight":                             "",
		"notalbert.x": "", // not behind a dot
	} {
		if got := Foreign([]string{"first", name}); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := Foreign([]string{"roformer.embeddings_project.weight",
		"roformer.encoder.layer.0.attention.self.query.weight"}); got != "RoFormer" {
		t.Errorf("a model that gives its name is taken for %s", got)
	}
	for _, google := range googleNames(3) {
		hf, _, _ := ToHuggingFace(google)
		if got := Foreign([]string{google, hf}); got != "" {
			t.Errorf("%s is taken for %s", google, got)
		}
	}
}
