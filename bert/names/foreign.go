package names

import "strings"

// foreign lists what only the variables of BERT's relatives have in their names, at the beginning or after a dot or a slash: first
// the names that models give themselves, then parts that several models may share.
var foreign = []struct{ part, model string }{
	{"albert.", "ALBERT"}, {"roberta.", "RoBERTa"}, {"distilbert.", "DistilBERT"}, {"electra.", "ELECTRA"}, {"electra/", "ELECTRA"},
	{"deberta.", "DeBERTa"},
	{"mpnet.", "MPNet"}, {"mobilebert.", "MobileBERT"}, {"convbert.", "ConvBERT"}, {"layoutlm.", "LayoutLM"}, {"longformer.", "Longformer"},
	{"funnel.", "Funnel Transformer"}, {"xlm.", "XLM"}, {"ernie.", "ERNIE"}, {"ernie_m.", "ERNIE-M"}, {"rembert.", "RemBERT"},
	{"roformer.", "RoFormer"},
	{"nezha.", "NEZHA"}, {"splinter.", "Splinter"}, {"luke.", "LUKE"}, {"canine.", "CANINE"}, {"ibert.", "I-BERT"}, {"fnet.", "FNet"},
	{"nystromformer.", "Nyströmformer"}, {"yoso.", "YOSO"},

	{"albert_layer_groups.", "ALBERT"}, {"group_0/inner_group_0/", "ALBERT"}, {"embedding_hidden_mapping_in", "ALBERT"},
	{"attention.q_lin.", "DistilBERT"}, {"transformer.attentions.", "XLM"}, {"attentions.0.q_lin.", "XLM"},
	{"discriminator_predictions", "ELECTRA"}, {"generator_predictions", "ELECTRA"}, {"embeddings_project", "ELECTRA"},
	{"rel_embeddings.", "DeBERTa"}, {"attention.attn.q.", "MPNet"}, {"attention.ln.", "Megatron-BERT"},
	{"embedding_transformation", "MobileBERT"}, {"bottleneck/", "MobileBERT"}, {"conv_kernel_layer", "ConvBERT"},
	{"embeddings.tok_embeddings.", "ModernBERT"}, {"emb_ln.", "NomicBERT"}, {"transformer.embeddings.word_embeddings.", "SqueezeBERT"},
	{"transformer.word_embedding.", "XLNet"}, {"transformer/word_embedding/", "XLNet"},
	{"wte.", "GPT-2"}, {"attn/c_attn/", "GPT-2"}, {"layernorm_embedding.", "BART"}, {"SelfAttention.relative_attention_bias.", "T5"},
	{"SelfAttention/", "T5"}, {"embed_tokens.", "some decoder, such as Llama"},
}

// Foreign returns the name of the architecture to which variables of these names belong, if it is one of BERT's relatives that
// is known by them, else "". A model of BERT's own names is not among them, whatever its architecture: its config has to tell.
func Foreign(stored []string) string {
	for _, f := range foreign {
		for _, name := range stored {
			if i := strings.Index(name, f.part); i == 0 || i > 0 && strings.IndexByte("./", name[i-1]) >= 0 {
				return f.model
			}
		}
	}
	return ""
}
