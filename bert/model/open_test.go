package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/checkpoint"
	"bertlabel/tensor/tensortest"
)

func TestOpenGoldenFolders(t *testing.T) {
	for _, dir := range numerics(t) {
		for _, c := range []struct {
			path   string
			labels bool
		}{
			{"model", false}, {"model/bert_model.ckpt", false}, {"model_with_head", true}, {"model_with_head/bert_model.ckpt", true},
			{"model_with_head/bert_model.ckpt.index", true},
		} {
			var messages []string
			m := open(t, filepath.Join(dir, filepath.FromSlash(c.path)), logged(&messages))
			if (m.Head != nil) != c.labels || m.Encoder.Pooler == nil || m.Pooling != bert.Pooled {
				t.Errorf("%s: head %v, pooler %v, pooling %v", c.path, m.Head != nil, m.Encoder.Pooler != nil, m.Pooling)
			}
			if want := strings.Contains(dir, "uncased"); m.Tokenizer.Options().LowerCase != want {
				t.Errorf("%s/%s: do_lower_case %t", dir, c.path, !want)
			}
			if m.MaxSeqLength != min(DefaultMaxSeqLength, m.Encoder.Config.MaxPositionEmbeddings) {
				t.Errorf("MaxSeqLength %d", m.MaxSeqLength)
			}
			if !c.labels {
				continue
			}
			want := strings.Fields(readText(t, filepath.Join(dir, "model_with_head/labels.txt")))
			if !slices.Equal(m.Labels, want) || len(m.Thresholds) != len(want) ||
				slices.ContainsFunc(m.Thresholds, func(v float32) bool { return v != 0.5 }) {
				t.Errorf("labels %v, thresholds %v", m.Labels, m.Thresholds)
			}
			if text := strings.Join(messages, "\n"); strings.Count(text, "do_lower_case") != 1 || len(messages) != 1 {
				t.Errorf("%s: logged %q", c.path, messages)
			}
		}
	}
}

// TF2's checkpoints have the bytes of Google's variables under other names and shapes.
func TestOpenTF2(t *testing.T) {
	testOpenTF2(t, "../../checkpoint/testdata", 2)
	t.Run("shared", func(t *testing.T) { testOpenTF2(t, tensortest.Shared(t, "fixtures/checkpoints"), 2) })
}

func testOpenTF2(t *testing.T, root string, fixtures int) {
	var manifest struct {
		Good []struct {
			Name    string
			Tensors []struct {
				Name, SHA256 string
				TF1Name      string `json:"tf1_name"`
			}
		}
	}
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(root, "manifest.json"))), &manifest); err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, c := range manifest.Good {
		if !strings.HasPrefix(c.Name, "object_based_bert") && c.Name != "saved_model" {
			continue
		}
		opened++
		dir := copyFolder(t, filepath.Join(root, "good", c.Name))
		vocab := tinyVocab()[:15]
		writeFile(t, filepath.Join(dir, "vocab.txt"), strings.Join(vocab, "\n"))
		var messages []string
		m := open(t, dir, logged(&messages))
		if text := strings.Join(messages, "\n"); !strings.Contains(text, "names of TensorFlow 2") ||
			!strings.Contains(text, "15 tokens for ") {
			t.Errorf("%s: logged %q", c.Name, messages)
		}
		// What Save writes under Google's names has the bytes that the manifest lists for them.
		bytesOf := map[string]string{}
		for _, tensor := range tensorsOf(t, saved(t, m)) {
			bytesOf[tensor.Name] = sha256Hex(tensor.Bytes)
		}
		compared := 0
		for _, tensor := range c.Tensors {
			if got, ok := bytesOf[tensor.TF1Name]; ok {
				compared++
				if got != tensor.SHA256 {
					t.Errorf("%s: %s has other bytes than %s", c.Name, tensor.TF1Name, tensor.Name)
				}
			}
		}
		if compared != len(m.Encoder.Params()) {
			t.Errorf("%s: compared %d of %d variables", c.Name, compared, len(m.Encoder.Params()))
		}
	}
	if opened != fixtures {
		t.Errorf("%d fixtures, want %d", opened, fixtures)
	}
}

// A SavedModel as TensorFlow Hub has it is one with the checkpoint that it was made from; its vocabulary is among its assets.
func TestOpenSavedModel(t *testing.T) {
	got, want := open(t, "../../checkpoint/testdata/good/saved_model", nil), open(t, "../testdata/tiny", nil)
	want.Head = nil // which the encoder's SavedModel does not have
	sameWeights(t, got, want)
	dir := copyFolder(t, "../../checkpoint/testdata/good/object_based_bert") // without a config nothing is guessed
	if err := os.Remove(filepath.Join(dir, "bert_config.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil); err == nil || !strings.Contains(err.Error(), "bert_config.json is missing") {
		t.Errorf("%v", err)
	}
}

// Any of config, vocabulary and checkpoint can be named apart, and all three make the folder unnecessary.
func TestOverrides(t *testing.T) {
	first, second := tinyWithHead(t, 1, bert.Mean), tinyWithHead(t, 2, bert.CLS)
	a, b := saved(t, first), saved(t, second)
	part := func(dir, name string) string { return filepath.Join(dir, name) }
	empty := t.TempDir()

	for _, o := range []*Options{
		{ConfigFile: part(b, "bert_config.json"), VocabFile: part(b, "vocab.txt"), InitCheckpoint: part(b, CheckpointName)},
		{ConfigFile: part(b, "bert_config.json"), VocabFile: part(b, "vocab.txt"), InitCheckpoint: b},
	} {
		sameModel(t, open(t, "", o), second) // labels and settings are those beside the checkpoint
		sameModel(t, open(t, empty, o), second)
	}
	sameModel(t, open(t, a, &Options{InitCheckpoint: part(b, CheckpointName)}), second)

	// A checkpoint that stands alone takes settings and labels from the folder.
	for _, name := range []string{CheckpointName + ".index", CheckpointName + ".data-00000-of-00001"} {
		writeFile(t, part(empty, name), readText(t, part(b, name)))
	}
	m := open(t, a, &Options{InitCheckpoint: part(empty, CheckpointName)})
	if sameWeights(t, m, second); m.Pooling != bert.Mean {
		t.Errorf("pooling %v", m.Pooling)
	}

	relu := tinyConfig()
	relu.HiddenAct = "relu"
	text, err := json.Marshal(relu)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, part(empty, "other.json"), string(text))
	for _, o := range []*Options{{ConfigFile: part(empty, "other.json")}, {HiddenAct: "relu"}} {
		if m := open(t, a, o); m.Encoder.Config != relu {
			t.Errorf("config %+v", m.Encoder.Config)
		}
	}
	upper := tinyVocab()
	upper[len(upper)-1] = "X"
	writeFile(t, part(empty, "other.txt"), strings.Join(upper, "\n"))
	if m := open(t, a, &Options{VocabFile: part(empty, "other.txt")}); m.Tokenizer.Vocab().Token(int32(len(upper)-1)) != "X" {
		t.Error("another vocabulary was read")
	}
	lower := false
	if m := open(t, a, &Options{LowerCase: &lower, KeepTokens: []string{"[NAME]"}, Threads: 3}); m.Tokenizer.Options().LowerCase ||
		len(m.Tokenizer.Options().KeepTokens) != 1 || m.threads != 3 {
		t.Errorf("%s, threads %d", optionsText(m), m.threads)
	}

	_, err = Open("", nil)
	failsWith(t, "nothing named", err, "no model is named")
	_, err = Open("", &Options{ConfigFile: part(b, "bert_config.json"), VocabFile: part(b, "vocab.txt")})
	failsWith(t, "no checkpoint", err, "no model is named")
	_, err = Open(a, &Options{HiddenAct: "swish"})
	failsWith(t, "activation", err, `"swish"`, "gelu_erf")
	_, err = Open(a, &Options{ConfigFile: part(empty, "none.json")})
	failsWith(t, "config not there", err, "none.json", "no such file")
}

// A state file decides between several checkpoints, and a checkpoint may lie in variables/.
func TestWhereCheckpointsLie(t *testing.T) {
	m := tinyWithHead(t, 3, bert.Mean)
	dir := saved(t, m)
	variables := filepath.Join(dir, "variables")
	if err := os.Mkdir(variables, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".index", ".data-00000-of-00001"} {
		writeFile(t, filepath.Join(variables, "variables"+suffix), readText(t, filepath.Join(dir, CheckpointName+suffix)))
		os.Remove(filepath.Join(dir, CheckpointName+suffix))
	}
	os.Remove(filepath.Join(dir, "checkpoint"))
	sameModel(t, open(t, dir, nil), m)
	sameModel(t, open(t, filepath.Join(variables, "variables"), nil), m)

	other := tinyWithHead(t, 4, bert.Mean)
	second := saved(t, other)
	for _, suffix := range []string{".index", ".data-00000-of-00001"} {
		writeFile(t, filepath.Join(dir, "model.ckpt-7"+suffix), readText(t, filepath.Join(second, CheckpointName+suffix)))
	}
	_, err := Open(dir, nil)
	failsWith(t, "two checkpoints", err, "several checkpoints", "model.ckpt-7", filepath.Join("variables", "variables"))
	writeFile(t, filepath.Join(dir, "checkpoint"), "model_checkpoint_path: \"model.ckpt-7\"\n")
	sameModel(t, open(t, dir, nil), other)
}

func TestScope(t *testing.T) {
	m := tinyWithHead(t, 5, bert.Pooled)
	dir := saved(t, m)
	changeTensors(t, dir, func(t checkpoint.Tensor) []checkpoint.Tensor {
		if strings.HasPrefix(t.Name, "bert/") {
			t.Name = "module/" + t.Name
		}
		return []checkpoint.Tensor{t, {Name: t.Name + "/adam_m", DType: t.DType, Shape: t.Shape, Bytes: t.Bytes}}
	})
	var messages []string
	sameModel(t, open(t, dir, logged(&messages)), m)
	if !slices.Contains(messages, `the scope "module/" is taken off the names of the variables`) {
		t.Errorf("logged %q", messages)
	}
}

func TestNoPooler(t *testing.T) {
	m := tiny(t, 6)
	m.Encoder.DropPooler()
	dir := saved(t, m)
	var messages []string
	opened := open(t, dir, logged(&messages))
	sameModel(t, opened, m)
	if len(messages) != 1 || !strings.Contains(messages[0], "no pooler") {
		t.Errorf("logged %q", messages)
	}
	if _, err := opened.Embed(t.Context(), []Text{{A: "a cat"}}, bert.Mean); err != nil {
		t.Error(err)
	}
	_, err := opened.Embed(t.Context(), []Text{{A: "a cat"}}, bert.Pooled)
	failsWith(t, "pooled features", err, "bert/pooler/dense")

	withHead := tinyWithHead(t, 6, bert.Mean)
	withHead.Encoder.DropPooler()
	sameModel(t, open(t, saved(t, withHead), nil), withHead)
	withHead.Pooling = bert.Pooled
	_, err = Open(saved(t, withHead), nil)
	failsWith(t, "a head on what is not there", err, CheckpointName, "bert/pooler/dense/kernel", "missing")
}

func TestLabels(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 7, bert.Pooled))
	labels := filepath.Join(dir, "labels.txt")
	for text, words := range map[string][]string{
		"joy\nanger\n":                       {"2 labels", "3 outputs"},
		"a\nb\nc\nd\n":                       {"4 labels", "3 outputs"},
		"":                                   {":1: no labels"},
		"a\n\nc\n":                           {":2: blank line"},
		"a\nb\na\n":                          {`:3: label "a" stands on line 1 too`},
		"a\nb\xff\nc\n":                      {":2:", "not UTF-8"},
		"a\nb\nc\n" + strings.Repeat(" ", 9): {":4: blank line"},
	} {
		writeFile(t, labels, text)
		_, err := Open(dir, nil)
		failsWith(t, text, err, append(words, labels)...)
	}
	os.Remove(filepath.Join(dir, "bertlabel.json"))
	writeFile(t, labels, "\ufeffjoy\r\nanger \r\n[x]")
	if m := open(t, dir, nil); !slices.Equal(m.Labels, []string{"joy", "anger ", "[x]"}) {
		t.Errorf("labels %q", m.Labels)
	}
	os.Remove(labels)
	var messages []string
	m := open(t, dir, logged(&messages))
	if !slices.Equal(m.Labels, []string{"label_0", "label_1", "label_2"}) ||
		!strings.Contains(strings.Join(messages, "\n"), "no labels.txt") {
		t.Errorf("labels %q, logged %q", m.Labels, messages)
	}
}

func TestVocabularySize(t *testing.T) {
	dir := saved(t, tiny(t, 8))
	path := filepath.Join(dir, "vocab.txt")
	vocab := readText(t, path)
	writeFile(t, path, vocab+"one\ntwo\n")
	_, err := Open(dir, nil)
	n := len(tinyVocab())
	failsWith(t, "longer vocabulary", err, path, number(n+2), number(n), "vocab_size")

	var messages []string
	lines := strings.SplitAfter(vocab, "\n")
	for lost := 1; lost <= lostLines; lost++ { // somewhere in the middle: all ids behind are wrong
		writeFile(t, path, strings.Join(slices.Concat(lines[:20], lines[20+lost:]), ""))
		_, err = Open(dir, nil)
		failsWith(t, "lost lines", err, path, number(n-lost)+" tokens", number(n))
	}
	writeFile(t, path, strings.Join(lines[:n-3], "")) // an embedding with rows to spare
	if open(t, dir, logged(&messages)); len(messages) != 1 || !strings.Contains(messages[0], number(n-3)+" tokens for "+number(n)+" rows") {
		t.Errorf("shorter vocabulary: logged %q", messages)
	}
	writeFile(t, path, "new\n"+strings.Join(lines[:n-1], ""))
	_, err = Open(dir, nil)
	failsWith(t, "moved", err, path, "[PAD] has id 1, but pad_token_id", "is 0")
}

// pad_token_id of a Hugging Face config is where [PAD] must be, null says nothing of it, and without the key it is 0.
func TestPadToken(t *testing.T) {
	for value, wrong := range map[string]string{`"pad_token_id": 1`: "", `"pad_token_id": null`: "", `"pad_token_id": 0`: "is 0",
		`"pad_token_id": 2`: "is 2", `"unheard_of": 1`: "is 0"} {
		dir := bareHF(t)
		os.Remove(filepath.Join(dir, "tokenizer.json"))
		os.Remove(filepath.Join(dir, "tokenizer_config.json"))
		lines := strings.SplitAfter(readText(t, filepath.Join(dir, "vocab.txt")), "\n")
		lines[0], lines[1] = lines[1], lines[0]
		writeFile(t, filepath.Join(dir, "vocab.txt"), strings.Join(lines, ""))
		replaceIn(t, filepath.Join(dir, "config.json"), `"pad_token_id": 0`, value)
		if _, err := Open(dir, nil); wrong != "" {
			failsWith(t, value, err, "[PAD] has id 1, but pad_token_id", wrong)
		} else if err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
}
