package model

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/internal/strictjson"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
)

// savedHF writes a model into a new folder as transformers has it.
func savedHF(t testing.TB, m *Model) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.saveHuggingFace(unsynced{}, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// There and back: from a folder that finds special tokens in a text to Hugging Face's layout and to Google's again, nothing changes, not
// in the files either.
func TestHuggingFaceRoundTrip(t *testing.T) {
	var models []*Model
	for _, dir := range numerics(t) {
		models = append(models, open(t, filepath.Join(dir, "model_with_head"), nil), open(t, filepath.Join(dir, "model"), nil))
	}
	erf := tinyWithHead(t, 1, bert.Pooled)
	erf.Encoder.Config.HiddenAct, erf.Encoder.Config.LayerNormEps, erf.MaxSeqLength = "gelu_erf", 1e-6, 17
	noPooler := tiny(t, 2)
	noPooler.Encoder.DropPooler()
	no := false
	odd := tiny(t, 3)
	odd.Tokenizer = tokenizerWith(t, odd, tokenizer.Options{LowerCase: true, StripAccents: &no, TokenizeChinese: &no, MaxWordChars: 100})
	models = append(models, erf, noPooler, odd)
	for i, m := range models {
		google := saved(t, open(t, savedHF(t, m), nil)) // which finds special tokens in a text, as transformers does
		m = open(t, google, nil)
		hf := savedHF(t, m)
		var messages []string
		fromHF := open(t, hf, logged(&messages))
		sameModel(t, fromHF, m)
		if len(messages) > 1 || len(messages) == 1 && !strings.Contains(messages[0], "no pooler") {
			t.Errorf("model %d: logged %q", i, messages)
		}
		if string(fromHF.Fingerprint()) != string(m.Fingerprint()) {
			t.Errorf("model %d: the fingerprint has changed", i)
		}
		sameFiles(t, saved(t, fromHF), google)
		sameFiles(t, savedHF(t, fromHF), hf)

		// Without our own file the folder says the same, but for thresholds and the longest text.
		os.Remove(filepath.Join(hf, "bertlabel.json"))
		bare := open(t, hf, nil)
		bare.Thresholds, bare.MaxSeqLength = m.Thresholds, m.MaxSeqLength
		sameModel(t, bare, m)
		os.Remove(filepath.Join(hf, "vocab.txt"))
		bare = open(t, filepath.Join(hf, "model.safetensors"), nil)
		bare.Thresholds, bare.MaxSeqLength = m.Thresholds, m.MaxSeqLength
		sameModel(t, bare, m)
	}
}

func sameFiles(t *testing.T, got, want string) {
	t.Helper()
	entries, err := os.ReadDir(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if readText(t, filepath.Join(got, e.Name())) != readText(t, filepath.Join(want, e.Name())) {
			t.Errorf("%s has other bytes", e.Name())
		}
	}
	if found, _ := os.ReadDir(got); len(found) != len(entries) {
		t.Errorf("%d files, want %d", len(found), len(entries))
	}
}

// What transformers expects: names, transposed kernels, and a config that names the head.
func TestHuggingFaceFiles(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled)
	dir := savedHF(t, m)
	f, err := safetensors.Open(filepath.Join(dir, "model.safetensors"), checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Metadata["format"] != "pt" || len(f.Tensors()) != len(m.Params()) {
		t.Errorf("metadata %v, %d tensors", f.Metadata, len(f.Tensors()))
	}
	kernel := m.Encoder.Layers[1].Intermediate.Kernel // [16, 32]
	stored, value := make([]float32, kernel.Size()), m.value(kernel)
	const name = "bert.encoder.layer.1.intermediate.dense.weight"
	if err := f.ReadFloat32(name, stored); err != nil {
		t.Fatal(err)
	}
	if info, _ := f.Lookup(name); !slices.Equal(info.Shape, []int{32, 16}) || stored[3*16+5] != value[5*32+3] ||
		stored[31*16] != value[31] {
		t.Errorf("%s has shape %v, or is not the transpose", name, info.Shape)
	}
	if info, ok := f.Lookup("classifier.weight"); !ok || !slices.Equal(info.Shape, []int{3, 16}) {
		t.Errorf("classifier.weight %v", info.Shape)
	}
	var config struct {
		Architectures []string
		HiddenAct     string            `json:"hidden_act"`
		ProblemType   string            `json:"problem_type"`
		ModelType     string            `json:"model_type"`
		ID2Label      map[string]string `json:"id2label"`
		Label2ID      map[string]int    `json:"label2id"`
		LayerNormEps  float64           `json:"layer_norm_eps"`
	}
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(dir, "config.json"))), &config); err != nil {
		t.Fatal(err)
	}
	if config.Architectures[0] != "BertForSequenceClassification" || config.HiddenAct != "gelu_new" || config.ModelType != "bert" ||
		config.LayerNormEps != 1e-12 ||
		config.ProblemType != "multi_label_classification" || config.ID2Label["2"] != "Überraschung" || config.Label2ID[m.Labels[1]] != 1 {
		t.Errorf("%+v", config)
	}

	headless := savedHF(t, tiny(t, 1))
	f, err = safetensors.Open(filepath.Join(headless, "model.safetensors"), checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := f.Lookup("encoder.layer.0.attention.self.query.weight"); !ok ||
		!strings.Contains(readText(t, filepath.Join(headless, "config.json")), `"BertModel"`) {
		t.Error("a model without a head is no BertModel")
	}
}

// Blank lines and lines that come again have no place in tokenizer.json; what they do to the ids has.
func TestHuggingFaceOddVocabulary(t *testing.T) {
	m := tiny(t, 1)
	m.vocab = []byte(strings.NewReplacer("cat\n", "the\n", "mat\n", "\n").Replace(string(m.vocab)))
	m.Tokenizer = tokenizerWith(t, m, m.Tokenizer.Options())
	texts := []Text{{A: "the cat sat on a mat"}}
	want := m.encode(texts)[0].IDs
	dir := savedHF(t, m)
	for _, file := range []string{"bertlabel.json", "vocab.txt"} {
		os.Remove(filepath.Join(dir, file))
		got := open(t, dir, nil)
		if ids := got.encode(texts)[0].IDs; !slices.Equal(ids, want) || got.Tokenizer.Vocab().Size() != m.Tokenizer.Vocab().Size() {
			t.Errorf("without %q: ids %v, want %v", file, ids, want)
		}
	}
}

// A word that is one token keeps its id on the way.
func TestHuggingFaceKeepTokens(t *testing.T) {
	m := tiny(t, 1)
	m.Tokenizer = tokenizerWith(t, m, tokenizer.Options{LowerCase: true, KeepTokens: []string{"[NAME]"}})
	texts := []Text{{A: "the [NAME] sat [name]"}}
	want := m.encode(texts)[0].IDs
	dir := savedHF(t, m)
	for _, own := range []bool{true, false} {
		got := open(t, dir, nil)
		if ids := got.encode(texts)[0].IDs; !slices.Equal(ids, want) {
			t.Errorf("with bertlabel.json %t: ids %v, want %v", own, ids, want)
		}
		os.Remove(filepath.Join(dir, "bertlabel.json"))
	}
}

func TestSaveHuggingFaceRefuses(t *testing.T) {
	for _, pooling := range []bert.Pooling{bert.CLS, bert.Mean} {
		dir := filepath.Join(t.TempDir(), "new")
		failsWith(t, pooling.String(), tinyWithHead(t, 1, pooling).SaveHuggingFace(dir), fmt.Sprintf("%q", pooling))
		if _, err := os.Stat(dir); err == nil {
			t.Error("a folder was made")
		}
	}
	google := saved(t, tiny(t, 1))
	failsWith(t, "a checkpoint of TensorFlow", tiny(t, 2).SaveHuggingFace(google), google, "bert_model.ckpt",
		"in place of model.safetensors")
	sameModel(t, open(t, google, nil), tiny(t, 1))
	// The other way round TensorFlow's files count, as they should.
	hf := savedHF(t, tiny(t, 1))
	if err := tiny(t, 2).Save(hf, nil); err != nil {
		t.Fatal(err)
	}
	sameModel(t, open(t, hf, nil), tiny(t, 2))
}

func TestSaveHuggingFaceInterrupted(t *testing.T) {
	old, updated := tinyWithHead(t, 1, bert.Pooled), tinyWithHead(t, 2, bert.Pooled)
	updated.MaxSeqLength = 30
	source := savedHF(t, old)
	for n, done := 0, false; !done; n++ {
		dir := copyFolder(t, source)
		err := updated.saveHuggingFace(brokenAfter(n), dir)
		done = err == nil
		if m, err := Open(dir, nil); err != nil {
			if done {
				t.Error(err)
			}
		} else if m.MaxSeqLength == 30 {
			sameModel(t, m, updated)
		} else {
			sameModel(t, m, old)
		}
	}
}

// hfGolden turns a golden folder into the one that transformers would have, by hand: what is tested is reading, not our writer.
func hfGolden(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "hf")
	if err := os.Mkdir(to, 0o777); err != nil {
		t.Fatal(err)
	}
	m := open(t, filepath.Join(dir, "model_with_head"), nil)
	tensors := m.hfTensors()
	ids := checkpoint.Int64Tensor("bert.embeddings.position_ids", []int{1, 3}, []int64{0, 1, 2})
	tensors = append(tensors, ids, checkpoint.Float32Tensor("cls.predictions.bias", []int{2}, []float32{1, 2}))
	writeSafetensors(t, filepath.Join(to, "model.safetensors"), tensors)
	var config map[string]any
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(dir, "model", "bert_config.json"))), &config); err != nil {
		t.Fatal(err)
	}
	config["hidden_act"], config["model_type"], config["layer_norm_eps"] = "gelu_pytorch_tanh", "bert", 1e-12
	config["id2label"] = map[string]string{}
	for i, label := range m.Labels {
		config["id2label"].(map[string]string)[number(i)] = label
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(to, "config.json"), string(text))
	writeFile(t, filepath.Join(to, "vocab.txt"), readText(t, filepath.Join(dir, "model", "vocab.txt")))
	writeFile(t, filepath.Join(to, "tokenizer_config.json"),
		fmt.Sprintf(`{"do_lower_case": %t, "tokenizer_class": "BertTokenizer", "model_max_length": 512}`, m.Tokenizer.Options().LowerCase))
	return to
}

func writeSafetensors(t *testing.T, path string, tensors []checkpoint.Tensor) {
	t.Helper()
	files := unsyncedFiles(t, filepath.Dir(path))
	if err := safetensors.Write(files.Create, filepath.Base(path), tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	if err := files.Commit(); err != nil {
		t.Fatal(err)
	}
}

// A Hugging Face folder of the golden weights gives the golden logits, to the bit what the Google folder gives.
func TestOpenHuggingFace(t *testing.T) {
	for _, dir := range numerics(t) {
		texts, _ := goldenRows(t, dir)
		m := open(t, filepath.Join(dir, "model_with_head"), nil)
		want, err := m.Predict(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		var messages []string
		hf := open(t, hfGolden(t, dir), logged(&messages))
		got, err := hf.Predict(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if !slices.EqualFunc(got[i].Logits, want[i].Logits, sameBits) {
				t.Errorf("%s: text %d has other logits", dir, i)
			}
		}
		if said := strings.Join(messages, ""); !slices.Equal(hf.Labels, m.Labels) || !strings.Contains(said, "there is no problem_type") {
			t.Errorf("labels %v, logged %q", hf.Labels, messages)
		}
		if o := hf.Tokenizer.Options(); o.MaxWordChars != 100 || o.StripAccents != nil || o.TokenizeChinese != nil {
			t.Errorf("options %+v", o)
		}
	}
}

func TestHuggingFaceActivations(t *testing.T) {
	dir := hfGolden(t, numerics(t)[0])
	path := filepath.Join(dir, "config.json")
	for hf, google := range map[string]string{"gelu": "gelu_erf", "gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "relu": "relu",
		"tanh": "tanh", "linear": "linear"} {
		text := readText(t, path)
		replaceIn(t, path, `"hidden_act":"gelu_pytorch_tanh"`, `"hidden_act":"`+hf+`"`)
		if m := open(t, dir, nil); m.Encoder.Config.HiddenAct != google {
			t.Errorf("%s is %s, want %s", hf, m.Encoder.Config.HiddenAct, google)
		}
		if m := open(t, dir, &Options{HiddenAct: "gelu"}); m.Encoder.Config.HiddenAct != "gelu" {
			t.Errorf("an override has Google's meaning: %s", m.Encoder.Config.HiddenAct)
		}
		writeFile(t, path, text)
	}
	// The default is gelu, the exact one; that of bert_config.json is the tanh form.
	replaceIn(t, path, `"hidden_act":"gelu_pytorch_tanh",`, "")
	if m := open(t, dir, nil); m.Encoder.Config.HiddenAct != "gelu_erf" {
		t.Errorf("default %s", m.Encoder.Config.HiddenAct)
	}
	replaceIn(t, path, `"model_type":"bert",`, "")
	if err := os.Rename(path, filepath.Join(dir, "bert_config.json")); err != nil {
		t.Fatal(err)
	}
	if m := open(t, dir, nil); m.Encoder.Config.HiddenAct != "gelu" {
		t.Errorf("default of bert_config.json: %s", m.Encoder.Config.HiddenAct)
	}
}

// Half-precision weights and shards are read; of prefixes all that are usual.
func TestHuggingFaceWeights(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled)
	for i, v := range []float32{1, -2.5, 0.125, 65504, 0x1p-24} { // all are float16 and, but for the last two, bfloat16
		m.Head.Bias.Value[i%3] = v
	}
	tensors := m.hfTensors()
	shard := func(dir string, rename func(string) string) {
		weightMap := map[string]string{}
		for s := range 2 {
			var part []checkpoint.Tensor
			name := fmt.Sprintf("model-%05d-of-00002.safetensors", s+1)
			for i, tensor := range tensors {
				if i%2 == s {
					tensor.Name = rename(tensor.Name)
					part = append(part, tensor)
					weightMap[tensor.Name] = name
				}
			}
			writeSafetensors(t, filepath.Join(dir, name), part)
		}
		text, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": weightMap})
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "model.safetensors.index.json"), string(text))
	}
	for prefix, rename := range map[string]func(string) string{
		"bert.":       func(s string) string { return s },
		"none":        func(s string) string { return strings.TrimPrefix(s, "bert.") },
		"model.":      func(s string) string { return "model." + strings.TrimPrefix(s, "bert.") },
		"model.bert.": func(s string) string { return "model." + s },
		"gamma": func(s string) string {
			return strings.NewReplacer("LayerNorm.weight", "LayerNorm.gamma", "LayerNorm.bias", "LayerNorm.beta").Replace(s)
		},
	} {
		dir := savedHF(t, m)
		os.Remove(filepath.Join(dir, "model.safetensors"))
		shard(dir, rename)
		sameModel(t, open(t, dir, nil), m)
		sameModel(t, open(t, filepath.Join(dir, "model.safetensors.index.json"), nil), m)
		if prefix == "bert." {
			os.Remove(filepath.Join(dir, "model-00002-of-00002.safetensors"))
			_, err := Open(dir, nil)
			failsWith(t, "a shard is missing", err, "model-00002-of-00002.safetensors")
		}
	}

	dir := savedHF(t, m)
	for i := range tensors {
		if tensors[i].Name == "classifier.bias" {
			half := []byte{0x00, 0x7b, 0xff, 0x7b, 0x01, 0x00} // 57344, 65504, 2⁻²⁴
			tensors[i] = checkpoint.Tensor{Name: tensors[i].Name, DType: checkpoint.Float16, Shape: []int{3}, Bytes: half}
		}
	}
	writeSafetensors(t, filepath.Join(dir, "model.safetensors"), tensors)
	var messages []string
	got := open(t, dir, logged(&messages))
	if want := []float32{57344, 65504, 0x1p-24}; !slices.Equal(got.Head.Bias.Value, want) ||
		!slices.Contains(messages, "1 tensors of dtype float16 are converted to float32") {
		t.Errorf("bias %v, logged %q", got.Head.Bias.Value, messages)
	}
	tensors = m.hfTensors()
	for i := range tensors {
		if strings.HasSuffix(tensors[i].Name, "layer.0.intermediate.dense.weight") {
			values := make([]float32, 32*16)
			values[5*16+3] = float32(math.NaN())
			tensors[i] = checkpoint.Float32Tensor(tensors[i].Name, tensors[i].Shape, values)
		}
	}
	writeSafetensors(t, filepath.Join(dir, "model.safetensors"), tensors)
	_, err := Open(dir, nil)
	failsWith(t, "NaN", err, "model.safetensors", `"bert.encoder.layer.0.intermediate.dense.weight": element [5 3] is NaN`)
}

// Configs that are not BERT's, or not all that we run, are refused by one sentence that says what they are.
func TestHuggingFaceConfigs(t *testing.T) {
	dir := hfGolden(t, numerics(t)[0])
	path := filepath.Join(dir, "config.json")
	good := readText(t, path)
	for _, c := range []struct{ old, replacement, want string }{
		{`"model_type":"bert"`, `"model_type":"albert"`, "ALBERT"},
		{`"model_type":"bert"`, `"model_type":"roberta"`, "RoBERTa"},
		{`"model_type":"bert"`, `"model_type":"xlm-roberta"`, "XLM-RoBERTa"},
		{`"model_type":"bert"`, `"model_type":"distilbert"`, "DistilBERT"},
		{`"model_type":"bert"`, `"model_type":"electra"`, "ELECTRA"},
		{`"model_type":"bert"`, `"model_type":"deberta-v2"`, "DeBERTa"},
		{`"model_type":"bert"`, `"model_type":"new_thing"`, `model_type is "new_thing"`},
		{`"model_type":"bert"`, `"model_type":7`, "model_type is 7, expected a string"},
		{`"model_type":"bert"`, `"architectures":["RobertaModel"]`, `"RobertaModel"`},
		{`"model_type":"bert"`, `"model_type":"bert","architectures":["BertForTokenClassification"]`, "does not label texts"},
		{`"model_type":"bert"`, `"model_type":"bert","position_embedding_type":"relative_key"`,
			`position_embedding_type is "relative_key", expected "absolute"`},
		{`"model_type":"bert"`, `"model_type":"bert","is_decoder":true`, "a decoder"},
		{`"model_type":"bert"`, `"model_type":"bert","pruned_heads":{"0":[1]}`, "pruned_heads"},
		{`"model_type":"bert"`, `"model_type":"bert","quantization_config":{"bits":8}`, "quantised"},
		{`"model_type":"bert"`, `"model_type":"bert","num_hidden_groups":1`, "ALBERT"},
		{`"model_type":"bert"`, `"model_type":"bert","use_bottleneck":true`, "MobileBERT"},
		{`"model_type":"bert"`, `"model_type":"bert","embedding_size":7`, "embedding_size is 7"},
		{`"hidden_act":"gelu_pytorch_tanh"`, `"hidden_act":"swish"`, `hidden_act is "swish", expected one of`},
		{`"hidden_act":"gelu_pytorch_tanh"`, `"hidden_act":"gelu_erf"`, `hidden_act is "gelu_erf", expected one of`}, // Google's name
		{`"layer_norm_eps":1e-12`, `"layer_norm_eps":0`, "layer_norm_eps is 0, expected more than 0"},
		{`"layer_norm_eps":1e-12`, `"layer_norm_eps":"x"`, "layer_norm_eps is \"x\", expected a number"},
		{`"hidden_size":`, `"hidden_size":1,"hidden_size":`, `key "hidden_size" comes twice`},
		{`"id2label":{`, `"id2label":{"9":"x",`, "id2label has 5 members, but none is \"4\""},
		{`"id2label":{`, `"id2label":{"4":"x",`, "5 labels, but the head of checkpoint"},
		{`"id2label":{"0":"`, `"id2label":{"0":"\n`, "cannot be written one a line"},
		{`"id2label":{`, `"id2label":["x"],"y":{`, "expected an object of strings"},
	} {
		writeFile(t, path, good)
		replaceIn(t, path, c.old, c.replacement)
		_, err := Open(dir, nil)
		failsWith(t, c.replacement, err, path, c.want)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", c.replacement, err)
		}
	}
	for _, c := range []struct{ old, replacement, want string }{
		{`"model_type":"bert"`, `"model_type":"bert","new":1`, "ignored the unknown keys new"},
		{`"model_type":"bert"`, `"model_type":"bert","problem_type":"single_label_classification"`,
			`problem_type is "single_label_classification"`},
		{`"model_type":"bert"`, `"model_type":"bert","label2id":{"x":0}`, "label2id"},
		{`"model_type":"bert"`, `"model_type":"bert","problem_type":null,"pruned_heads":{},"torch_dtype":"float16"`,
			"there is no problem_type: transformers would apply a softmax"},
		{`"model_type":"bert",`, ``, "there is no problem_type"}, // configs of 2019
		{`"model_type":"bert"`, `"model_type":"bert","problem_type":"regression"`, "would apply nothing"},
		{`"model_type":"bert"`, `"model_type":"bert","problem_type":"multi_label_classification"`, ""},
	} {
		writeFile(t, path, good)
		replaceIn(t, path, c.old, c.replacement)
		var messages []string
		open(t, dir, logged(&messages))
		if text := strings.Join(messages, "\n"); !strings.Contains(text, c.want) || (text == "") != (c.want == "") {
			t.Errorf("%s: logged %q, want %q", c.replacement, text, c.want)
		}
	}
	writeFile(t, path, good)
	replaceIn(t, path, `"id2label"`, `"old"`)
	if m := open(t, dir, nil); m.Labels[0] != "label_0" || !m.Unnamed {
		t.Errorf("labels %v", m.Labels)
	}
}

// Variables of relatives are known by their names, whatever the config says, also without one.
func TestForeignVariables(t *testing.T) {
	source := saved(t, tiny(t, 1))
	for name, want := range map[string]string{
		"bert/encoder/transformer/group_0/inner_group_0/ffn_1/intermediate/dense/kernel": "ALBERT",
		"electra/embeddings/word_embeddings":                                             "ELECTRA",
		"roberta.embeddings.word_embeddings.weight":                                      "RoBERTa",
	} {
		for _, config := range []bool{true, false} {
			dir := copyFolder(t, source)
			changeTensors(t, dir, func(t checkpoint.Tensor) []checkpoint.Tensor {
				if t.Name == wordEmbeddings {
					t.Name = name
				}
				return []checkpoint.Tensor{t}
			})
			if !config {
				os.Remove(filepath.Join(dir, "bert_config.json"))
			}
			_, err := Open(dir, nil)
			failsWith(t, name, err, dir, "variables of "+want)
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
		}
	}
	dir := copyFolder(t, source)
	replaceIn(t, filepath.Join(dir, "bert_config.json"), "{", `{"embedding_size": 8, `)
	_, err := Open(dir, nil)
	failsWith(t, "factorised embeddings", err, "bert_config.json", "embedding_size is 8", "ALBERT")
}

// Files of formats that run code, or that we do not read, are refused with a hint.
func TestRefusedFormats(t *testing.T) {
	for _, name := range []string{"pytorch_model.bin", "model.pt", "tf_model.h5", "flax_model.msgpack",
		"pytorch_model-00001-of-00002.bin"} {
		dir := hfGolden(t, numerics(t)[0])
		os.Remove(filepath.Join(dir, "model.safetensors"))
		path := filepath.Join(dir, name)
		writeFile(t, path, "PK\x03\x04 and so on")
		_, err := Open(dir, nil)
		failsWith(t, name, err, dir, name, "convert it to safetensors")
		_, err = Open(path, nil)
		failsWith(t, name+" by its name", err, path, "convert it to safetensors")
		os.Remove(filepath.Join(dir, hfConfigName))
		_, err = Open(path, nil)
		failsWith(t, name+" without a config", err, path, "convert it to safetensors")
		writeFile(t, filepath.Join(dir, hfConfigName), `{"model_type": "xlm"}`)
		_, err = Open(dir, nil)
		failsWith(t, name+" of another architecture", err, hfConfigName, "architecture XLM")
	}
}

// Where label2id says otherwise than id2label, that is said once, and id2label counts.
func TestHuggingFaceLabelIDs(t *testing.T) {
	for ids, odd := range map[string]string{
		`{"no": 0, "yes": 1}`:             "",
		`{"no": 1, "yes": 0}`:             `label2id does not have "no" as 0`,
		`{"no": 0, "yes": 2}`:             `label2id does not have "yes" as 1`,
		`{"no": 0}`:                       `label2id does not have "yes" as 1`,
		`{"no": 0, "yes": 1, "other": 2}`: "",
	} {
		o, err := strictjson.Parse([]byte(`{"id2label": {"0": "no", "1": "yes"}, "label2id": ` + ids + `}`))
		if err != nil {
			t.Fatal(err)
		}
		labels, said, err := hfLabels(o)
		if err != nil || !slices.Equal(labels, []string{"no", "yes"}) || len(said) > 1 ||
			!strings.Contains(strings.Join(said, ""), odd) || (odd == "") != (len(said) == 0) {
			t.Errorf("%s: labels %q, said %q, %v", ids, labels, said, err)
		}
	}
}

// Names that transformers makes up, LABEL_0 and on, are no names: the model says so, and all others are.
func TestMadeUpLabels(t *testing.T) {
	for _, c := range []struct {
		labels []string
		want   bool
	}{{[]string{"LABEL_0", "LABEL_1"}, true}, {[]string{"LABEL_1", "LABEL_2"}, false}, {[]string{"LABEL_0", "joy"}, false},
		{[]string{"LABEL_1", "LABEL_0"}, false}} {
		m := tinyWithHead(t, 1, bert.Pooled)
		m.SetOutputs(m.Outputs()[:2])
		m.Labels = c.labels
		if got := open(t, savedHF(t, m), nil); got.Unnamed != c.want || !slices.Equal(got.Labels, c.labels) {
			t.Errorf("%q: labels %q, unnamed %t, want %t", c.labels, got.Labels, got.Unnamed, c.want)
		}
	}
}
