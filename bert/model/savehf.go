package model

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/names"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/safetensors"
)

// SaveHuggingFace writes the model into the folder dir as transformers reads it, a BertForSequenceClassification, or a BertModel
// without a head: vocab.txt, tokenizer.json, tokenizer_config.json, model.safetensors and config.json; and bertlabel.json, which
// transformers does not look at, with thresholds and the longest text. The values of the weights are the same bits, the
// kernels transposed. Open reads the folder back as this model.
//
// The error says so if the head reads other features than the pooled output, for which BertForSequenceClassification has no
// place, or if the folder holds a checkpoint of TensorFlow, which would be read in place of this one. Files are replaced as by
// Save; config.json comes last.
func (m *Model) SaveHuggingFace(dir string) error { return m.saveHuggingFace(atomic.OS{}, dir) }

func (m *Model) saveHuggingFace(fs atomic.FS, dir string) error {
	if m.Head != nil && m.Pooling != bert.Pooled {
		return fmt.Errorf("the head reads %q features, but BertForSequenceClassification has a place for a head on the pooled "+
			"output only", m.Pooling)
	}
	if prefixes, err := formats.Prefixes(dir); err == nil && len(prefixes) > 0 {
		return fmt.Errorf("%s: holds the TensorFlow checkpoint %s, which would be read in place of %s", dir, prefixes[0], hfWeightsName)
	}
	settings, err := m.settingsFile(m.training)
	if err != nil {
		return err
	}
	config, err := m.hfConfig()
	if err != nil {
		return err
	}
	tokens := m.hfVocab()
	return m.writeFolder(fs, dir, func(files *atomic.Files) error {
		return errors.Join(
			write(files, "vocab.txt", []byte(strings.Join(tokens, "\n")+"\n")),
			write(files, hfTokenizerName, m.hfTokenizer(tokens)),
			write(files, hfTokenizerConfigName, m.hfTokenizerConfig(tokens)),
			write(files, "bertlabel.json", settings),
			safetensors.Write(files.Create, hfWeightsName, m.hfTensors(), map[string]string{"format": "pt"}),
			write(files, hfConfigName, config))
	})
}

// hfTensors returns encoder, pooler and head under the names and in the shapes of transformers. A BertModel has its names without
// "bert." before them.
func (m *Model) hfTensors() (tensors []checkpoint.Tensor) {
	for _, p := range m.Params() {
		name, transposed, ok := names.ToHuggingFace(p.Name)
		if !ok {
			panic("model: parameter " + p.Name + " has no name in transformers")
		}
		if m.Head == nil {
			name = strings.TrimPrefix(name, "bert.")
		}
		shape, values := p.Shape, m.value(p)
		if transposed {
			shape = []int{p.Shape[1], p.Shape[0]}
			values = make([]float32, p.Size())
			transpose(values, m.value(p), shape[0], shape[1])
		}
		tensors = append(tensors, checkpoint.Float32Tensor(name, shape, values))
	}
	return tensors
}

// hfConfig returns config.json.
func (m *Model) hfConfig() ([]byte, error) {
	c := m.Encoder.Config
	eps := c.LayerNormEps
	if eps == 0 {
		eps = hfNormEps
	}
	config := map[string]any{
		"model_type": "bert", "architectures": []string{"BertModel"}, "torch_dtype": "float32", "position_embedding_type": "absolute",
		"pad_token_id": 0, "use_cache": true,
		"vocab_size": c.VocabSize, "hidden_size": c.HiddenSize, "num_hidden_layers": c.NumHiddenLayers,
		"num_attention_heads": c.NumAttentionHeads,
		"intermediate_size":   c.IntermediateSize, "hidden_dropout_prob": c.HiddenDropoutProb,
		"attention_probs_dropout_prob": c.AttentionProbsDropoutProb,
		"max_position_embeddings":      c.MaxPositionEmbeddings, "type_vocab_size": c.TypeVocabSize,
		"initializer_range": c.InitializerRange, "layer_norm_eps": eps,
		"classifier_dropout": nil,
	}
	for hf, google := range hfActivations {
		if google == c.HiddenAct && hf != "gelu_pytorch_tanh" { // gelu_new is the older name of the same
			config["hidden_act"] = hf
		}
	}
	if m.Head != nil {
		byID, byLabel := map[string]string{}, map[string]int{}
		for i, label := range m.Labels {
			byID[fmt.Sprint(i)], byLabel[label] = label, i
		}
		config["architectures"], config["problem_type"] = []string{"BertForSequenceClassification"}, problemType
		config["id2label"], config["label2id"] = byID, byLabel
	}
	text, err := indentedJSON(config)
	if err == nil && len(text) > bert.MaxConfigBytes {
		err = fmt.Errorf("%d bytes long, the limit is %d", len(text), bert.MaxConfigBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", hfConfigName, err)
	}
	return text, nil
}

// hfVocab returns the tokens by id. A word that is one token has the place of the [unusedN] that it stands for.
func (m *Model) hfVocab() []string {
	tokens := make([]string, m.Tokenizer.Vocab().Size())
	for id := range tokens {
		tokens[id] = m.Tokenizer.Token(int32(id))
	}
	return tokens
}

// special returns token if the vocabulary has it, else nil, which tells transformers not to add it.
func special(tokens []string, token string) any {
	if slices.Contains(tokens, token) {
		return token
	}
	return nil
}

// hfTokenizerConfig returns tokenizer_config.json.
func (m *Model) hfTokenizerConfig(tokens []string) []byte {
	o := m.Tokenizer.Options()
	config := map[string]any{
		"tokenizer_class": "BertTokenizer", "do_lower_case": o.LowerCase, "strip_accents": o.StripAccents,
		"tokenize_chinese_chars": o.TokenizeChinese == nil || *o.TokenizeChinese, "model_max_length": m.MaxSeqLength,
		"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": special(tokens, "[PAD]"),
		"mask_token": special(tokens, "[MASK]"),
	}
	if o.TruncateLeft {
		config["truncation_side"] = "left"
	}
	text, err := indentedJSON(config)
	if err != nil {
		panic(err) // strings, numbers and flags only
	}
	return text
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(m.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// hfTokenizer returns tokenizer.json, with the same choices as tokenizer_config.json, and with those for which that has no place:
// the longest word, and the words that are one token each.
func (m *Model) hfTokenizer(tokens []string) []byte {
	o := m.Tokenizer.Options()
	maxWordChars := o.MaxWordChars
	if maxWordChars == 0 {
		maxWordChars = tokenizer.GoogleMaxWordChars
	}
	ids := map[string]int{} // of equal tokens the last counts
	for id, token := range tokens {
		ids[token] = id
	}
	vocab, added := object{}, []object{}
	for id, token := range tokens {
		if token == "" || ids[token] != id {
			continue
		}
		vocab = append(vocab, member{token, id})
	}
	for _, a := range m.hfAddedTokens(tokens) {
		added = append(added, append(object{{"id", a.ID}}, hfFlags(a)...))
	}
	specials := object{}
	for _, token := range []string{"[CLS]", "[SEP]"} {
		specials = append(specials, member{token, object{{"id", token}, {"ids", []int{ids[token]}}, {"tokens", []string{token}}}})
	}
	text, err := indentedJSON(object{
		{"version", "1.0"}, {"truncation", nil}, {"padding", nil}, {"added_tokens", added},
		{"normalizer", object{{"type", "BertNormalizer"}, {"clean_text", true},
			{"handle_chinese_chars", o.TokenizeChinese == nil || *o.TokenizeChinese},
			{"strip_accents", o.StripAccents}, {"lowercase", o.LowerCase}}},
		{"pre_tokenizer", object{{"type", "BertPreTokenizer"}}},
		{"post_processor", object{{"type", "TemplateProcessing"},
			{"single", []object{hfPiece("[CLS]", 0), hfPiece("A", 0), hfPiece("[SEP]", 0)}},
			{"pair", []object{hfPiece("[CLS]", 0), hfPiece("A", 0), hfPiece("[SEP]", 0), hfPiece("B", 1), hfPiece("[SEP]", 1)}},
			{"special_tokens", specials}}},
		{"decoder", object{{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
		{"model", object{{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"continuing_subword_prefix", "##"},
			{"max_input_chars_per_word", maxWordChars}, {"vocab", vocab}}},
	})
	if err != nil {
		panic(err) // strings, numbers and flags only
	}
	return text
}

// hfAddedTokens returns the tokens that transformers looks for in a text first, by id: those of the model, the words that are one token
// each,
// and BERT's special tokens, which transformers finds in a text in any case.
func (m *Model) hfAddedTokens(tokens []string) []tokenizer.AddedToken {
	o := m.Tokenizer.Options()
	added := slices.Clone(o.Added)
	for i, a := range added {
		if slices.Contains(o.KeepTokens, a.Content) {
			added[i] = tokenizer.AddedToken{ID: a.ID, Content: a.Content}
		}
	}
	for id, token := range tokens {
		known := slices.ContainsFunc(added, func(a tokenizer.AddedToken) bool { return a.Content == token })
		last := !slices.Contains(tokens[id+1:], token) // of equal tokens the last counts
		if special := slices.Contains(hfSpecial, token); !known && last && (special || slices.Contains(o.KeepTokens, token)) {
			added = append(added, tokenizer.AddedToken{ID: int32(id), Content: token, Special: special})
		}
	}
	slices.SortFunc(added, func(a, b tokenizer.AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	return added
}

// hfFlags returns an added token as both files of the tokenizer have it, without its id.
func hfFlags(a tokenizer.AddedToken) object {
	return object{{"content", a.Content}, {"single_word", a.SingleWord}, {"lstrip", a.LStrip}, {"rstrip", a.RStrip},
		{"normalized", a.Normalized}, {"special", a.Special}}
}

// hfPiece is one part of a row: a text, A or B, or a special token.
func hfPiece(id string, segment int) object {
	kind := "SpecialToken"
	if len(id) == 1 {
		kind = "Sequence"
	}
	return object{{kind, object{{"id", id}, {"type_id", segment}}}}
}

// indentedJSON returns v as a JSON file; <, > and & stay as they are.
func indentedJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}
