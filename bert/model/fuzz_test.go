package model

import (
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/internal/strictjson"
	"bertlabel/bert/tokenizer"
)

// The files of a folder that say how text is read and what the outputs mean (RELIABILITY H15): nothing panics, and what is accepted
// keeps the promises that the rest of the package relies on.

func FuzzConfig(f *testing.F) {
	f.Add(true, []byte(`{"model_type":"bert","architectures":["BertForSequenceClassification"],"vocab_size":10,"hidden_size":8,"num_attention_heads":2,"intermediate_size":9,
		"hidden_act":"gelu_new","layer_norm_eps":1e-7,"problem_type":"multi_label_classification","id2label":{"0":"a","1":"b"},"label2id":{"a":0,"b":1}}`))
	f.Add(true, []byte(`{"model_type":"roberta"}`))
	f.Add(true, []byte(`{"vocab_size":1,"pruned_heads":{"1":[0]},"position_embedding_type":"relative_key","is_decoder":true,"quantization_config":{}}`))
	f.Add(false, []byte(`{"vocab_size":10,"embedding_size":128,"num_hidden_groups":1,"type_vocab_size":2}`))
	f.Fuzz(func(t *testing.T, huggingFace bool, text []byte) {
		name := "bert_config.json"
		if huggingFace {
			name = hfConfigName
		}
		c, _, err := parseConfig(name, text)
		if err != nil {
			return
		}
		if err := c.Check(); err != nil {
			t.Fatalf("accepted, and %v", err)
		}
		if c.labels != nil && checkLabels(c.labels) != nil {
			t.Fatalf("labels %q", c.labels)
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"problem_type":"multi_label_classification","max_seq_length":40,"do_lower_case":true,"pooling":"mean:-2",
		"thresholds":{"joy":0.5},"keep_tokens":["[NAME]"],"strip_accents":null,"max_input_chars_per_word":100,"training":{"seed":1}}`))
	f.Add([]byte(`{"format_version":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, _, err := parseSettings(text)
		if err != nil {
			return
		}
		if _, err := bert.ParsePooling(s.Pooling); err != nil || s.check() != nil {
			t.Fatalf("accepted %+v", s)
		}
	})
}

func FuzzLabels(f *testing.F) {
	f.Add([]byte("joy\nanger\r\nlove"))
	f.Add([]byte("\ufeffjoy\n \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		labels, err := ParseLabels(text)
		if err != nil {
			return
		}
		if again, err := ParseLabels(labelsFile(labels)); checkLabels(labels) == nil && (err != nil || !slices.Equal(again, labels)) {
			t.Fatalf("%q reads back as %q, %v", labels, again, err)
		}
	})
}

// FuzzTokenizerFiles reads tokenizer.json and tokenizer_config.json, and makes the tokenizer that they describe.
func FuzzTokenizerFiles(f *testing.F) {
	const file = `{"version":"1.0","added_tokens":[{"id":0,"content":"[PAD]","special":true},{"id":6,"content":"[X]","single_word":false,"special":true}],
		"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
		"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]},
		"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
		"vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"a":4,"##b":5}}}`
	const template = `"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}]}`
	f.Add([]byte(file), []byte(`{"tokenizer_class":"BertTokenizer","do_lower_case":true,"strip_accents":null,"unk_token":{"content":"[UNK]"}}`))
	f.Add([]byte(strings.Replace(file, `"post_processor":{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}`, template, 1)),
		[]byte(`{}`))
	f.Add([]byte{}, []byte(`{"tokenizer_class":"BertTokenizerFast","do_basic_tokenize":true,"added_tokens_decoder":{"5":{"content":"x"}},"never_split":[]}`))
	f.Fuzz(func(t *testing.T, file, config []byte) {
		hf := hfTokenizer{options: tokenizer.Options{MaxWordChars: hfMaxWordChars}}
		err := readObject(file, hf.readTokenizer)
		if len(file) == 0 {
			hf.vocab, err = map[string]int{"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}, nil
		}
		if err == nil {
			err = readObject(config, func(o strictjson.Object) error { return hf.readConfig(o, len(file) > 0) })
		}
		if err != nil {
			return
		}
		var text []byte
		if text, err = hf.vocabText(); err != nil {
			return
		}
		vocab, err := tokenizer.ReadVocab(strings.NewReader(string(text)), "v")
		if err != nil {
			return
		}
		hf.addTokens(vocab)
		tok, err := tokenizer.New(vocab, canonical(hf.options))
		if err != nil {
			return
		}
		for _, a := range hf.added {
			if tok.Token(a.ID) != a.Content {
				t.Fatalf("added token %q has id %d, which is %q", a.Content, a.ID, tok.Token(a.ID))
			}
		}
		tok.Encode("a ab [X] é", "b", 8)
	})
}

func readObject(text []byte, read func(strictjson.Object) error) error {
	o, err := strictjson.Parse(text)
	if err != nil {
		return err
	}
	return read(o)
}
