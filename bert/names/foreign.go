package names

import "strings"

// foreign lists what only the variables of BERT's relatives have in their names, at the beginning or behind a dot or a slash.
var foreign = []struct{ part, model string }{
	{"albert.", "ALBERT"}, {"albert_layer_groups.", "ALBERT"}, {"group_0/inner_group_0/", "ALBERT"}, {"embedding_hidden_mapping_in", "ALBERT"},
	{"roberta.", "RoBERTa"},
	{"distilbert.", "DistilBERT"}, {"attention.q_lin.", "DistilBERT"},
	{"electra.", "ELECTRA"}, {"electra/", "ELECTRA"}, {"embeddings_project", "ELECTRA"}, {"discriminator_predictions", "ELECTRA"}, {"generator_predictions", "ELECTRA"},
	{"deberta.", "DeBERTa"}, {"rel_embeddings.", "DeBERTa"},
	{"mpnet.", "MPNet"}, {"attention.attn.q.", "MPNet"},
	{"mobilebert.", "MobileBERT"}, {"embedding_transformation", "MobileBERT"}, {"bottleneck/", "MobileBERT"},
	{"convbert.", "ConvBERT"}, {"conv_kernel_layer", "ConvBERT"},
	{"layoutlm.", "LayoutLM"}, {"longformer.", "Longformer"}, {"funnel.", "Funnel Transformer"}, {"xlm.", "XLM"},
	{"embeddings.tok_embeddings.", "ModernBERT"}, {"emb_ln.", "NomicBERT"},
	{"transformer.word_embedding.", "XLNet"}, {"transformer/word_embedding/", "XLNet"},
	{"wte.", "GPT-2"}, {"SelfAttention.relative_attention_bias.", "T5"}, {"layernorm_embedding.", "BART"},
}

// Foreign returns the name of the architecture to which variables of these names belong, if it is one of BERT's relatives that
// is known by them, else "". A model of BERT's own names is not among them, whatever its architecture: its config has to tell.
func Foreign(stored []string) string {
	for _, name := range stored {
		for _, f := range foreign {
			if i := strings.Index(name, f.part); i == 0 || i > 0 && strings.IndexByte("./", name[i-1]) >= 0 {
				return f.model
			}
		}
	}
	return ""
}
