package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/layers"
)

// jsonFile reads an object.
func jsonFile(t *testing.T, path string) (object map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(readText(t, path)), &object); err != nil {
		t.Fatal(path, err)
	}
	return object
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(text))
}

// sameObject compares a file with what it should say, key by key.
func sameObject(t *testing.T, path string, want map[string]any) {
	t.Helper()
	got := jsonFile(t, path)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(got[key], want[key]) {
			t.Errorf("%s: %s is %v, want %v", filepath.Base(path), key, got[key], want[key])
		}
	}
	for key, value := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: %s is %v, want no such key", filepath.Base(path), key, value)
		}
	}
}

// TestSettings: what bertlabel.json says, each with a value that is no default, is what Open finds, and what Save writes again.
func TestSettings(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 1, bert.Mean))
	path := filepath.Join(dir, "bertlabel.json")
	said := map[string]any{
		"format_version": 1.0, "problem_type": "multi_label_classification", "max_seq_length": 7.0, "do_lower_case": false,
		"keep_tokens": []any{"[NAME]"}, "strip_accents": true, "tokenize_chinese_chars": false, "max_input_chars_per_word": 3.0,
		"pooling": "mean", "thresholds": map[string]any{"joy": 0.125, `anger, "rage"`: 0.25, "Überraschung": 0.75},
		"training": map[string]any{"seed": 3.0},
		"samples":  []any{map[string]any{"text": "the cat", "text_pair": "sat", "probabilities": map[string]any{"joy": 0.5}}},
	}
	writeJSON(t, path, said)
	m := open(t, dir, nil)
	yes, no := true, false
	want := tokenizer.Options{StripAccents: &yes, TokenizeChinese: &no, MaxWordChars: 3, KeepTokens: []string{"[NAME]"}}
	if !sameOptions(m.Tokenizer.Options(), want) || m.MaxSeqLength != 7 || m.Pooling != bert.Mean ||
		!slices.Equal(m.Thresholds, []float32{0.125, 0.25, 0.75}) || string(m.Training()) != `{"seed":3}` {
		t.Errorf("found %s, length %d, pooling %s, thresholds %v, training %s",
			optionsText(m), m.MaxSeqLength, m.Pooling, m.Thresholds, m.Training())
	}
	// And it does what they say: "T" is no lower-case letter, the accent goes, "came" is too long, the text is cut.
	tokens := m.Tokenizer.Tokens(m.encode([]Text{{A: "The càt[NAME] came 我 my mat"}})[0].IDs)
	if got := strings.Join(tokens, " "); got != "[CLS] [UNK] cat [NAME] [UNK] [UNK] [SEP]" {
		t.Errorf("tokens %s", got)
	}
	if want := []Sample{{"the cat", "sat", map[string]float32{"joy": 0.5}}}; !reflect.DeepEqual(m.Samples, want) {
		t.Errorf("samples %+v", m.Samples)
	}
	sameObject(t, filepath.Join(saved(t, m), "bertlabel.json"), said)
	m.Pooling = bert.Pooled
	said["pooling"] = "pooled"
	sameObject(t, filepath.Join(savedHF(t, m), "bertlabel.json"), said)

	// A label without a threshold has the default, one that is no label is an error, and the labels' order counts.
	said["thresholds"] = map[string]any{"Überraschung": 0.75}
	writeJSON(t, path, said)
	if m := open(t, dir, nil); !slices.Equal(m.Thresholds, []float32{0.5, 0.5, 0.75}) {
		t.Errorf("thresholds %v", m.Thresholds)
	}
	said["thresholds"] = map[string]any{"Joy": 0.75}
	writeJSON(t, path, said)
	_, err := Open(dir, nil)
	failsWith(t, "threshold of another label", err, path, `"Joy" is no label`)
}

// TestSettingsRefused: what is missing or out of range is named, and what is at the edge is taken.
func TestSettingsRefused(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 1, bert.Mean))
	path := filepath.Join(dir, "bertlabel.json")
	good := jsonFile(t, path)
	for _, c := range []struct {
		key   string
		value any // nil: left out
		want  string
	}{
		{"format_version", nil, "format_version is missing"}, {"problem_type", nil, "problem_type is missing"},
		{"pooling", nil, "pooling is missing"}, {"max_seq_length", nil, "max_seq_length is missing"},
		{"do_lower_case", nil, "do_lower_case is missing"},
		{"format_version", 0, "format_version is 0, this program reads 1 to 2"}, {"format_version", 3, "format_version is 3"},
		{"problem_type", "regression", `problem_type is "regression"`}, {"max_seq_length", 1, "max_seq_length is 1, expected 2 or more"},
		{"max_seq_length", 41, "max_seq_length is 41, over max_position_embeddings, 40"}, {"max_seq_length", 2, ""},
		{"max_seq_length", 40, ""},
		{"max_input_chars_per_word", -1, "max_input_chars_per_word is -1"}, {"max_input_chars_per_word", 1, ""},
		{"pooling", "average", `"average"`}, {"pooling", "mean:-4", "bertlabel.json"}, {"do_lower_case", "yes", "do_lower_case is"},
		{"thresholds", map[string]any{"joy": -0.001}, `"joy" is -0.001, expected 0 to 1`},
		{"thresholds", map[string]any{"joy": 1.001}, "expected 0 to 1"},
		{"window_pooling", "max", `window_pooling: found "max", want features or noisy-or`}, {"window_pooling", "features", ""},
		{"calibration", map[string]any{"joy": map[string]any{"slope": 2, "intercept": 1}},
			"calibration: it goes with a window_pooling of noisy-or"},
		{"thresholds", map[string]any{"joy": 0}, ""}, {"thresholds", map[string]any{"joy": 1}, ""},
		{"keep_tokens", "x", "keep_tokens is"}, {"strip_accents", 1, "strip_accents is"},
	} {
		said := maps.Clone(good)
		if said[c.key] = c.value; c.value == nil {
			delete(said, c.key)
		}
		writeJSON(t, path, said)
		m, err := Open(dir, nil)
		if c.want != "" {
			failsWith(t, fmt.Sprint(c.key, " ", c.value), err, path, c.want)
		} else if err != nil {
			t.Errorf("%s %v: %v", c.key, c.value, err)
		} else if c.key == "thresholds" && m.Thresholds[0] != float32(c.value.(map[string]any)["joy"].(int)) {
			t.Errorf("%v: %v", c.value, m.Thresholds)
		}
	}
	said := maps.Clone(good)
	said["b_new"], said["a_new"] = 1, 2
	writeJSON(t, path, said)
	var messages []string
	if open(t, dir, logged(&messages)); len(messages) != 1 || !strings.Contains(messages[0], "ignored the unknown keys a_new, b_new") {
		t.Errorf("logged %q", messages)
	}
}

// oddConfig is a config without a default in it, as Google and as transformers would say it.
func oddConfig() (c bert.Config, google, hf map[string]any) {
	c = bert.Config{
		VocabSize: len(tinyVocab()), HiddenSize: 12, NumHiddenLayers: 3, NumAttentionHeads: 4, IntermediateSize: 20, HiddenAct: "relu",
		HiddenDropoutProb: 0.25, AttentionProbsDropoutProb: 0.125, MaxPositionEmbeddings: 33, TypeVocabSize: 3, InitializerRange: 0.5,
		LayerNormEps: 0.0625,
	}
	google = map[string]any{
		"vocab_size": float64(c.VocabSize), "hidden_size": 12.0, "num_hidden_layers": 3.0, "num_attention_heads": 4.0,
		"intermediate_size": 20.0,
		"hidden_act":        "relu", "hidden_dropout_prob": 0.25, "attention_probs_dropout_prob": 0.125, "max_position_embeddings": 33.0,
		"type_vocab_size": 3.0, "initializer_range": 0.5, "layer_norm_eps": 0.0625,
	}
	hf = maps.Clone(google)
	maps.Copy(hf, map[string]any{
		"model_type": "bert", "architectures": []any{"BertForSequenceClassification"}, "torch_dtype": "float32",
		"position_embedding_type": "absolute", "pad_token_id": 0.0,
		"use_cache": true, "classifier_dropout": nil, "problem_type": "multi_label_classification",
		"id2label": map[string]any{"0": "no", "1": "yes"}, "label2id": map[string]any{"no": 0.0, "yes": 1.0},
	})
	return c, google, hf
}

// TestConfigKeys: every key of either config goes where it belongs, and is written again; and the encoder is what they say.
func TestConfigKeys(t *testing.T) {
	c, google, hf := oddConfig()
	lower := false
	m, err := New(c, []byte(strings.Join(tinyVocab(), "\n")), 3, &Options{LowerCase: &lower})
	if err != nil {
		t.Fatal(err)
	}
	head := layers.NewClassifier(2, 12)
	head.Weights.Value, head.Bias.Value = make([]float32, 24), []float32{1, 2}
	m.SetHead(head, []string{"no", "yes"}, bert.Pooled)
	folder, hfFolder := saved(t, m), savedHF(t, m)
	sameObject(t, filepath.Join(folder, "bert_config.json"), google)
	sameObject(t, filepath.Join(hfFolder, "config.json"), hf)

	writeJSON(t, filepath.Join(folder, "bert_config.json"), google)
	writeJSON(t, filepath.Join(hfFolder, "config.json"), hf)
	for _, dir := range []string{folder, hfFolder} {
		got := open(t, dir, nil)
		if got.Encoder.Config != c || !slices.Equal(got.Labels, m.Labels) {
			t.Errorf("%s: config %+v, labels %q", dir, got.Encoder.Config, got.Labels)
		}
		read, err := ReadConfig(dir, nil)
		if err == nil && read != c {
			err = fmt.Errorf("config %+v", read)
		}
		if err != nil {
			t.Errorf("ReadConfig: %v", err)
		}
		norms := []*layers.LayerNorm{got.Encoder.Embeddings.Norm}
		for _, l := range got.Encoder.Layers {
			norms = append(norms, l.AttentionNorm, l.OutputNorm)
			if l.Activation != layers.ReLU || l.Attention.Heads != 4 {
				t.Errorf("%s: activation %v, %d heads", dir, l.Activation, l.Attention.Heads)
			}
		}
		for _, n := range norms {
			if n.Eps != 0.0625 {
				t.Errorf("%s: %s has ε %v", dir, n.Gamma.Name, n.Eps)
			}
		}
		if len(norms) != 7 {
			t.Errorf("%s: %d norms", dir, len(norms))
		}
	}
}

// TestConfigDefaults: what a config leaves out has the values of its own library.
func TestConfigDefaults(t *testing.T) {
	common := bert.Config{
		HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072, HiddenAct: "gelu", HiddenDropoutProb: 0.1,
		AttentionProbsDropoutProb: 0.1, MaxPositionEmbeddings: 512, TypeVocabSize: 16, InitializerRange: 0.02, VocabSize: 7,
	}
	hf := common
	hf.HiddenAct, hf.TypeVocabSize, hf.VocabSize = "gelu_erf", 2, 30522
	for _, c := range []struct {
		path, text string
		want       bert.Config
		odd        string
	}{
		{"bert_config.json", `{"vocab_size": 7}`, common, ""},
		{"config.json", `{}`, hf, ""},
		{"bert_config.json", `{"model_type": "bert"}`, hf, ""},
		{"bert_config.json", `{"vocab_size": 7, "directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12,
			"pooler_num_fc_layers": 3, "pooler_size_per_head": 128, "pooler_type": "first_token_transform"}`, common, ""},
		{"bert_config.json", `{"vocab_size": 7, "directions": "bidi"}`, common, "ignored the unknown keys directions"},
	} {
		got, odd, err := parseConfig(c.path, []byte(c.text))
		if err != nil || got.Config != c.want || strings.Join(odd, "; ") != c.odd {
			t.Errorf("%s %s: %+v, %q, %v", c.path, c.text, got.Config, odd, err)
		}
	}
}

// TestTokenizerFiles: what transformers reads of how text is read is what the model does.
func TestTokenizerFiles(t *testing.T) {
	no := false
	m := tiny(t, 3)
	m.MaxSeqLength = 21
	m.Tokenizer = tokenizerWith(t, m, tokenizer.Options{
		LowerCase: true, StripAccents: &no, TokenizeChinese: &no, MaxWordChars: 3, KeepTokens: []string{"[unused1]"},
	})
	dir := savedHF(t, m)
	sameObject(t, filepath.Join(dir, "tokenizer_config.json"), map[string]any{
		"tokenizer_class": "BertTokenizer", "do_lower_case": true, "strip_accents": false, "tokenize_chinese_chars": false,
		"model_max_length": 21.0, "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]",
		"mask_token": "[MASK]",
	})
	fast := jsonFile(t, filepath.Join(dir, "tokenizer.json"))
	const want = "map[clean_text:true handle_chinese_chars:false lowercase:true strip_accents:false type:BertNormalizer]"
	if got := fmt.Sprint(fast["normalizer"]); got != want {
		t.Errorf("normalizer %s, want %s", got, want)
	}
	wordPiece := fast["model"].(map[string]any)
	vocab := wordPiece["vocab"].(map[string]any)
	if wordPiece["max_input_chars_per_word"] != 3.0 || wordPiece["unk_token"] != "[UNK]" ||
		wordPiece["continuing_subword_prefix"] != "##" || len(vocab) != len(tinyVocab()) {
		t.Errorf("model %v", wordPiece)
	}
	for i, token := range tinyVocab() {
		if vocab[token] != float64(i) {
			t.Errorf("%s has id %v, want %d", token, vocab[token], i)
		}
	}
	var added []string
	for _, a := range fast["added_tokens"].([]any) {
		added = append(added, fmt.Sprint(a))
	}
	special := []string{}
	for id, token := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "", "[unused1]"} {
		if token != "" {
			const form = "map[content:%s id:%d lstrip:false normalized:false rstrip:false single_word:false special:%t]"
			special = append(special, fmt.Sprintf(form, token, id, id < 5))
		}
	}
	if !slices.Equal(added, special) {
		t.Errorf("added tokens\n%q\nwant\n%q", added, special)
	}
	processor := fmt.Sprint(fast["post_processor"].(map[string]any)["special_tokens"])
	if processor != "map[[CLS]:map[id:[CLS] ids:[2] tokens:[[CLS]]] [SEP]:map[id:[SEP] ids:[3] tokens:[[SEP]]]]" {
		t.Errorf("special tokens %s", processor)
	}
	whole := m.Tokenizer.Options() // without our own file a word that is one token is an added one
	whole.KeepTokens, whole.Added = nil, []tokenizer.AddedToken{{ID: 6, Content: "[unused1]"}}
	if os.Remove(filepath.Join(dir, "bertlabel.json")); !sameOptions(open(t, dir, nil).Tokenizer.Options(), whole) {
		t.Errorf("read back: %s", optionsText(open(t, dir, nil)))
	}
}

// TestStoredTypes: float64, float16 and bfloat16 are read as float32, and said to be; integers are refused.
func TestStoredTypes(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Mean)
	for _, p := range m.Encoder.Params() { // eighths below 4, which every type has
		for i, v := range p.Value {
			if p.Value[i] = float32(math.Round(8*float64(min(max(v, -3), 3)))) / 8; p.Value[i] == 0 {
				p.Value[i] = 0 // and not −0
			}
		}
	}
	m.Encoder.Pack()
	const name = "bert/encoder/layer_1/output/dense/bias"
	for dtype, encode := range map[checkpoint.DType]func(v float32) []byte{
		checkpoint.Float64:  func(v float32) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(v))) },
		checkpoint.BFloat16: func(v float32) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(math.Float32bits(v)>>16)) },
		checkpoint.Float16: func(v float32) []byte { // of an eighth
			if v == 0 {
				return []byte{0, 0}
			}
			fraction, exponent := math.Frexp(math.Abs(float64(v)))
			bits := uint16(exponent+14)<<10 | uint16((2*fraction-1)*1024)
			if v < 0 {
				bits |= 1 << 15
			}
			return binary.LittleEndian.AppendUint16(nil, bits)
		},
		checkpoint.Int32: func(v float32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) },
	} {
		dir := saved(t, m)
		changeTensors(t, dir, named(name, func(t *checkpoint.Tensor) {
			values := make([]float32, t.Shape[0])
			for i := range values {
				values[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Bytes[4*i:]))
			}
			t.DType, t.Bytes = dtype, nil
			for _, v := range values {
				t.Bytes = append(t.Bytes, encode(v)...)
			}
		}))
		var messages []string
		got, err := Open(dir, logged(&messages))
		if dtype == checkpoint.Int32 {
			failsWith(t, "integers", err, name, "dtype int32, expected float32")
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", dtype, err)
			continue
		}
		if sameModel(t, got, m); len(messages) != 1 || messages[0] != fmt.Sprintf("1 tensors of dtype %v are converted to float32", dtype) {
			t.Errorf("%v: logged %q", dtype, messages)
		}
	}
}

// TestSetHead: a head that is given to a model has the names it is given with, and thresholds of 0.5, whatever was there before.
func TestSetHead(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 1, bert.Mean))
	os.Remove(filepath.Join(dir, "labels.txt"))
	os.Remove(filepath.Join(dir, "bertlabel.json"))
	m := open(t, dir, nil)
	if !m.Unnamed {
		t.Error("a head without labels.txt has names")
	}
	head := layers.NewClassifier(2, 48)
	m.SetHead(head, []string{"a", "b"}, "mean:-1..-3")
	if m.Unnamed || m.Head != head || !slices.Equal(m.Labels, []string{"a", "b"}) || m.Pooling != "mean:-1..-3" ||
		!slices.Equal(m.Thresholds, []float32{0.5, 0.5}) {
		t.Errorf("%t, %q, %s, %v", m.Unnamed, m.Labels, m.Pooling, m.Thresholds)
	}
	for name, call := range map[string]func(){
		"labels":  func() { m.SetHead(head, []string{"a"}, "mean:-1..-3") },
		"width":   func() { m.SetHead(head, []string{"a", "b"}, bert.Mean) },
		"pooling": func() { m.SetHead(head, []string{"a", "b"}, "mean:-1..-9") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s that do not fit: no panic", name)
				}
			}()
			call()
		}()
	}
}

// Labels that exclude each other: a folder keeps that they do, and then the most probable one is predicted, the first of equals, whatever
// the thresholds are.
func TestExactlyOne(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled) // thresholds 0.5, 0.25 and 0.75
	for _, one := range []bool{true, false} {
		m.ExactlyOne = one
		for name, dir := range map[string]string{"Google's layout": saved(t, m), "Hugging Face's": savedHF(t, m)} {
			again := open(t, dir, nil)
			if again.ExactlyOne != one {
				t.Errorf("%s: exactly_one %t was written, %t is read", name, one, again.ExactlyOne)
			}
			for _, c := range []struct {
				p         []float32
				top       int
				one, many []string
			}{
				{[]float32{0.1, 0.2, 0.2}, 1, m.Labels[1:2], []string{}},
				{[]float32{0.6, 0.4, 0.7}, 2, m.Labels[2:], m.Labels[:2]},
				{[]float32{0.2, 0.1, 0.2}, 0, m.Labels[:1], []string{}},
			} {
				top, want := -1, c.many
				if one {
					top, want = c.top, c.one
				}
				if got := again.Predicted(Prediction{Probabilities: c.p}); again.Top(c.p) != top || !slices.Equal(got, want) {
					t.Errorf("%s, exactly one %t, %v: top %d, predicted %q, want %d, %q", name, one, c.p, again.Top(c.p), got, top, want)
				}
			}
		}
	}
}

// Which end of a long text is cut is kept by a folder, in either layout.
func TestTruncationSide(t *testing.T) {
	for _, left := range []bool{true, false} {
		m := tiny(t, 1)
		m.Tokenizer = tokenizerWith(t, m, tokenizer.Options{LowerCase: true, TruncateLeft: left})
		m.MaxSeqLength = 3
		want := map[bool]string{true: "[CLS] cat [SEP]", false: "[CLS] the [SEP]"}[left]
		for name, dir := range map[string]string{"Google's layout": saved(t, m), "Hugging Face's": savedHF(t, m)} {
			again := open(t, dir, nil)
			row := again.Encode([]string{"the cat"}, nil)[0]
			if got := strings.Join(again.Tokenizer.Tokens(row.IDs), " "); got != want {
				t.Errorf("%s, left %t: %s, want %s", name, left, got, want)
			}
		}
	}
}
