package model

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/checkpoint"
)

// The parts of a folder that are not there, each and all at once.
func TestMissingFiles(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled)
	source := saved(t, m)
	for name, words := range map[string][]string{
		"bert_config.json":                      {"bert_config.json is missing"},
		"vocab.txt":                             {"vocab.txt is missing"},
		"bert_model.ckpt.index":                 {"bert_model.ckpt.index", "no such file"},
		"bert_model.ckpt.data-00000-of-00001":   {"bert_model.ckpt.data-00000-of-00001", "no such file"},
		"bert_config.json vocab.txt":            {"bert_config.json is missing", "vocab.txt is missing"},
		"checkpoint bert_model.ckpt.index":      {"no checkpoint in this folder"},
		"checkpoint bert_model.ckpt.index none": {"no checkpoint in this folder"},
	} {
		dir := copyFolder(t, source)
		for _, file := range strings.Fields(name) {
			os.Remove(filepath.Join(dir, file))
		}
		_, err := Open(dir, nil)
		failsWith(t, name, err, append(words, dir)...)
		if strings.Contains(name, "config") || strings.Contains(name, "vocab") {
			_, err = Open(filepath.Join(dir, CheckpointName), nil)
			failsWith(t, name+", by the prefix", err, append(words, dir)...)
		}
	}
	_, err := Open(filepath.Join(t.TempDir(), "none"), nil)
	failsWith(t, "no folder", err, "none", "missing")
	_, err = Open(t.TempDir(), nil)
	failsWith(t, "empty folder", err, "no checkpoint in this folder")
}

const wordEmbeddings = "bert/embeddings/word_embeddings"

// Every variable that is missing, unexpected or misshapen is in the one error.
func TestMisfits(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 2, bert.Pooled))
	const query = "bert/encoder/layer_0/attention/self/query/kernel"
	changeTensors(t, dir, func(t checkpoint.Tensor) []checkpoint.Tensor {
		switch t.Name {
		case "bert/embeddings/LayerNorm/gamma", "bert/pooler/dense/bias":
			return nil
		case "bert/encoder/layer_1/output/dense/kernel":
			t.Name = "bert/encoder/layer_1/output/Dense/kernel"
		case query:
			t.Shape = []int{256}
		case "bert/encoder/layer_0/attention/self/query/bias":
			t.DType = checkpoint.Int32
		case "output_bias":
			t.Shape, t.Bytes = []int{2}, t.Bytes[:8]
		case wordEmbeddings:
			return []checkpoint.Tensor{t, {Name: "bert/new", DType: checkpoint.Float32, Shape: []int{1}, Bytes: make([]byte, 4)},
				{Name: "bert/encoder/layer_2/output/dense/bias",
					DType: checkpoint.Float32, Shape: []int{16}, Bytes: make([]byte, 64)}}
		}
		return []checkpoint.Tensor{t}
	})
	_, err := Open(dir, nil)
	failsWith(t, "misfits", err, filepath.Join(dir, CheckpointName), "3 variables are missing, 3 unexpected, 3 of another shape or type",
		`tensor "bert/embeddings/LayerNorm/gamma" [16] is missing`,
		`tensor "bert/pooler/dense/bias" [16] is missing`,
		`tensor "bert/encoder/layer_1/output/dense/kernel" [32 16] is missing (there is "bert/encoder/layer_1/output/Dense/kernel", which differs in letter case)`,
		`tensor "bert/encoder/layer_1/output/Dense/kernel" [32 16] is unexpected`,
		`tensor "bert/new" [1] is unexpected`,
		`tensor "bert/encoder/layer_2/output/dense/bias" [16] is unexpected`,
		`tensor "`+query+`": shape [256], expected [16 16]`,
		`tensor "bert/encoder/layer_0/attention/self/query/bias": dtype int32, expected float32`,
		`tensor "output_bias": shape [2], expected [3]`)
	if lines := strings.Count(err.Error(), "\n"); lines != 9 {
		t.Errorf("%d lines below the first, want one for each of 9 variables:\n%v", lines, err)
	}
}

// A long list is cut, what is missing before what is unexpected; patterns leave out what the model has no place for.
func TestManyVariables(t *testing.T) {
	dir := saved(t, tiny(t, 3))
	changeTensors(t, dir, func(t checkpoint.Tensor) []checkpoint.Tensor {
		all := []checkpoint.Tensor{t}
		if t.Name != wordEmbeddings {
			return all
		}
		for i := range 30 {
			for _, name := range []string{"slots/%02d/m", "bert/x%02d/Adam"} {
				all = append(all, checkpoint.Tensor{Name: fmt.Sprintf(name, i), DType: checkpoint.Float32, Shape: []int{1}, Bytes: make([]byte, 4)})
			}
		}
		return all
	})
	_, err := Open(dir, nil)
	failsWith(t, "slots", err, "0 variables are missing, 30 unexpected", `"slots/19/m"`, "\n… and 10 more")
	if misfit := new(MisfitError); !errors.As(err, &misfit) || misfit.Unexpected != 30 || strings.Contains(err.Error(), "slots/20/m") {
		t.Errorf("%v", err)
	}
	var said []string
	_, err = Open(dir, &Options{IgnoreVariables: []string{"slots/*/m"}, Log: func(line string) { said = append(said, line) }})
	log := strings.Join(said, "\n")
	if err != nil || !strings.Contains(log, "30 variables that an optimizer keeps") || !strings.Contains(log, "30 variables are ignored") {
		t.Errorf("%v, said %s", err, log)
	}
}

// What lies in the place of a file is said by its first bytes.
func TestForeignFiles(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"vocab.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"},
		{"bert_config.json", "\n<!DOCTYPE html><html>", "a web page"},
		{"vocab.txt", "\x1f\x8b\x08\x00", "gunzip"},
		{CheckpointName + ".index", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
		{CheckpointName + ".data-00000-of-00001", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
		{CheckpointName + ".index", "\x80\x04\x95", "a pickle"},
	} {
		dir := saved(t, tiny(t, 3))
		writeFile(t, filepath.Join(dir, c.name), c.text)
		_, err := Open(dir, nil)
		failsWith(t, c.name, err, filepath.Join(dir, c.name), c.says)
	}
}

func TestLetterCase(t *testing.T) {
	dir := saved(t, tiny(t, 3))
	changeTensors(t, dir, func(t checkpoint.Tensor) []checkpoint.Tensor {
		t.Name = strings.ToUpper(t.Name)
		return []checkpoint.Tensor{t}
	})
	_, err := Open(dir, nil)
	failsWith(t, "all names in capitals", err,
		`"bert/embeddings/word_embeddings" [`+number(len(tinyVocab()))+` 16] is missing (there is "BERT/EMBEDDINGS/WORD_EMBEDDINGS"`)
}

// A head of odd shapes is misshapen, not another number of labels.
func TestMisshapenHead(t *testing.T) {
	source := saved(t, tinyWithHead(t, 4, bert.Pooled))
	for name, c := range map[string]struct {
		weights, bias []int
		words         []string
	}{
		"other width": {[]int{3, 8}, []int{3}, []string{`"output_weights": shape [3 8], expected [3 16]`}},
		"transposed": {[]int{16, 3}, []int{3},
			[]string{`"output_bias": shape [3], expected [16]`, `"output_weights": shape [16 3], expected [16 16]`}},
		"scalar bias":   {[]int{3, 16}, []int{}, []string{`"output_bias": shape [], expected [3]`}},
		"too many axes": {[]int{3, 4, 4}, []int{3}, []string{`"output_weights": shape [3 4 4], expected [3 16]`}},
		"scalars": {[]int{}, []int{},
			[]string{`"output_weights": shape [], expected [1 16]`, `"output_bias": shape [], expected [1]`}},
		"no labels":         {[]int{0, 16}, []int{0}, []string{`"output_bias"`, "no labels"}},
		"weights missing":   {nil, []int{3}, []string{`"output_weights" [3 16] is missing`}},
		"bias missing":      {[]int{3, 16}, nil, []string{`"output_bias" [3] is missing`}},
		"other than labels": {[]int{5, 16}, []int{5}, []string{"labels.txt", "3 labels", "5 outputs"}},
	} {
		dir := copyFolder(t, source)
		changeTensors(t, dir, func(t checkpoint.Tensor) []checkpoint.Tensor {
			shape := map[string][]int{"output_weights": c.weights, "output_bias": c.bias}
			switch dims, head := shape[t.Name]; {
			case head && dims == nil:
				return nil
			case head:
				t.Shape = dims
				t.Bytes = make([]byte, 4*checkpoint.Info{Shape: dims}.Elements())
			}
			return []checkpoint.Tensor{t}
		})
		_, err := Open(dir, nil)
		failsWith(t, name, err, append(c.words, dir)...)
	}
}

// Damage of any byte of the weights is found, and cutting the file anywhere.
func TestDamage(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 5, bert.Pooled))
	const data = "bert_model.ckpt.data-00000-of-00001"
	path := filepath.Join(dir, data)
	good := readText(t, path)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		damaged := []byte(good)
		at := rng.IntN(len(damaged))
		damaged[at] ^= 1 << rng.IntN(8)
		writeFile(t, path, string(damaged))
		_, err := Open(dir, nil)
		failsWith(t, fmt.Sprintf("byte %d flipped", at), err, dir, data, "tensor", "data_checksum")
	}
	for _, n := range []int{0, 1, 4, len(good) / 2, len(good) - 1} {
		writeFile(t, path, good[:n])
		_, err := Open(dir, nil)
		failsWith(t, fmt.Sprintf("%d bytes left", n), err, dir, data)
	}
	writeFile(t, path, good)
	index := filepath.Join(dir, "bert_model.ckpt.index")
	text := readText(t, index)
	for range 100 {
		damaged := []byte(text)
		damaged[rng.IntN(len(damaged))] ^= 1 << rng.IntN(8)
		writeFile(t, index, string(damaged))
		if m, err := Open(dir, nil); err == nil { // bytes that nothing reads
			sameModel(t, m, tinyWithHead(t, 5, bert.Pooled))
		} else if !strings.Contains(err.Error(), index) {
			t.Errorf("%v does not name %s", err, index)
		}
	}
}

// A safetensors file has no checksums, so a flipped bit of a weight cannot be seen. One of the header can: names, types, shapes and
// places must fit the config, so a model is refused or unchanged (row H2).
func TestDamagedHeader(t *testing.T) {
	dir := savedHF(t, tinyWithHead(t, 5, bert.Pooled))
	m := open(t, dir, nil)
	path := filepath.Join(dir, hfWeightsName)
	good := []byte(readText(t, path))
	header := 8 + int(binary.LittleEndian.Uint64(good))
	step, unchanged := 127, 0 // a prime beside 8: every bit of a byte has its turn
	if testing.Short() {
		step = 1009
	}
	for bit := 0; bit < 8*header; bit += step {
		damaged := bytes.Clone(good)
		damaged[bit/8] ^= 1 << (bit % 8)
		writeFile(t, path, string(damaged))
		if got, err := Open(dir, nil); err == nil {
			unchanged++
			sameModel(t, got, m)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("bit %d flipped: %v does not name %s", bit, err, path)
		}
	}
	t.Logf("%d bits of %d, %d of them without effect", 8*header/step, 8*header, unchanged)
}

// Row H14 of the hostile files: numbers that are none are named with their tensor and place; others are kept to the bit.
func TestOddWeights(t *testing.T) {
	source := saved(t, tinyWithHead(t, 6, bert.Pooled))
	for _, name := range []string{wordEmbeddings, "bert/encoder/layer_1/intermediate/dense/kernel", "bert/embeddings/LayerNorm/beta",
		"output_weights", "output_bias"} {
		for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			dir := copyFolder(t, source)
			var index []int
			changeTensors(t, dir, named(name, func(t *checkpoint.Tensor) {
				if index = []int{2}; len(t.Shape) == 2 {
					index = []int{2, t.Shape[1] - 3}
				}
				at := index[0]
				if len(index) == 2 {
					at = index[0]*t.Shape[1] + index[1]
				}
				t.Bytes = append([]byte(nil), t.Bytes...)
				binary.LittleEndian.PutUint32(t.Bytes[4*at:], math.Float32bits(float32(value)))
			}))
			_, err := Open(dir, nil)
			failsWith(t, fmt.Sprint(name, " with ", value), err, dir,
				fmt.Sprintf("tensor %q: element %v is %v, expected a finite number", name, index, value))
		}
	}

	m := tiny(t, 7)
	for i, v := range []float32{math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, math.MaxFloat32, -math.MaxFloat32,
		float32(math.Copysign(0, -1))} {
		m.Encoder.Embeddings.Word.Table.Value[i] = v
	}
	sameModel(t, open(t, saved(t, m), nil), m)

	// Weights so large that the features overflow are noticed where that happens.
	for i := range m.Encoder.Embeddings.Norm.Gamma.Value {
		m.Encoder.Embeddings.Norm.Gamma.Value[i] = math.MaxFloat32
	}
	_, err := open(t, saved(t, m), nil).Embed(t.Context(), []Text{{A: "the cat"}, {A: "a mat"}}, bert.Mean)
	failsWith(t, "overflow", err, "feature 0 of text", "the weights or the input are broken")
}

// Row H11: a config costs nothing before the checkpoint has shown that it means it.
func TestConfigAllocatesNothing(t *testing.T) {
	dir := copyFolder(t, filepath.Join(numerics(t)[0], "model_with_head"))
	path := filepath.Join(dir, "bert_config.json")
	var config map[string]any
	if err := json.Unmarshal([]byte(readText(t, path)), &config); err != nil {
		t.Fatal(err)
	}
	for key, values := range map[string][]any{
		"hidden_size":             {64, 65536, 1 << 30, -1},
		"num_hidden_layers":       {1, 3, 100, 1_000_000_000, -1},
		"intermediate_size":       {1 << 20, 1 << 40},
		"vocab_size":              {999, 1 << 24, math.MaxInt64},
		"max_position_embeddings": {65, 1 << 24},
		"type_vocab_size":         {1, 1 << 16},
	} {
		for _, value := range values {
			good := config[key]
			config[key] = value
			text, err := json.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			config[key] = good
			writeFile(t, path, string(text))
			used := allocated(func() { _, err = Open(dir, nil) })
			failsWith(t, fmt.Sprint(key, " ", value), err, dir)
			const files, slack = 400_000, 4 << 20 // all of the folder is 190 kB; 100 layers of parameters and as many messages
			if used > files+slack {
				t.Errorf("%s %v: %d bytes allocated", key, value, used)
			}
		}
	}
}

// allocated returns the bytes that f allocates, live or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Row H12: vocabularies that are refused, and those that have a meaning.
func TestVocabularies(t *testing.T) {
	good := strings.Join(tinyVocab(), "\n")
	dir := saved(t, tiny(t, 8))
	path := filepath.Join(dir, "vocab.txt")
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "empty"},
		"blank lines only":   {"\n\n\n", "empty"},
		"no [UNK]":           {strings.Replace(good, "[UNK]", "[Unk]", 1), "[UNK]"},
		"no [CLS], [SEP]":    {strings.NewReplacer("[CLS]", "[cls]", "[SEP]", "").Replace(good), "[CLS], [SEP]"},
		"byte order mark":    {"\ufeff" + good, ":1: starts with a byte order mark"},
		"invalid UTF-8":      {good[:60] + "\xff" + good[60:], "not UTF-8"},
		"long token":         {good + "\n" + strings.Repeat("x", 1025), "token of 1025 bytes"},
		"carriage returns":   {strings.ReplaceAll(good, "\n", "\r"), "carriage return"},
		"1,000,001 lines":    {strings.Repeat("x\n", 1_000_001), "more than 1000000 lines"},
		"binary":             {string(make([]byte, 3000)), "token of 3000 bytes"},
		"JSON":               {`{"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}`, "[UNK], [CLS], [SEP]"},
		"longer by one line": {good + "\nmore", "vocab_size"},
		"one line":           {"[UNK]", "[CLS], [SEP]"},
		"33 MiB":             {strings.Repeat("x\n", 17<<20), "limit"},
	} {
		writeFile(t, path, c.text)
		_, err := Open(dir, nil)
		failsWith(t, name, err, path, c.want)
	}
	for name, text := range map[string]string{
		"CRLF":           strings.ReplaceAll(good, "\n", "\r\n"),
		"no end":         good,
		"blanks behind":  good + "\n\n \n",
		"spaces round":   strings.ReplaceAll(good, "\n", " \n\t"),
		"double at end":  strings.Replace(good, "broken", "the", 1), // the last of equal lines counts, as in Google's tokenizer
		"blank line":     strings.Replace(good, "broken", "\n", 1),
		"Unicode":        strings.Replace(good, "broken", "ü", 1),
		"line separator": strings.Replace(good, "broken", "a\u2028b", 1),
	} {
		writeFile(t, path, text)
		if _, err := Open(dir, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Row H13: what is no regular file is refused without being opened, and names in a file do not lead out of the folder.
func TestPathTricks(t *testing.T) {
	m := tinyWithHead(t, 9, bert.Pooled)
	source := saved(t, m)
	names := []string{"bert_config.json", "vocab.txt", "labels.txt", "bertlabel.json", "bert_model.ckpt.index",
		"bert_model.ckpt.data-00000-of-00001", "checkpoint"}
	for _, name := range names {
		for kind, put := range map[string]func(path string) error{
			"folder":        func(path string) error { return os.Mkdir(path, 0o777) },
			"pipe":          makePipe,
			"device":        func(path string) error { return os.Symlink("/dev/zero", path) },
			"dangling link": func(path string) error { return os.Symlink("nowhere", path) },
		} {
			if name == "checkpoint" && kind == "dangling link" {
				continue // no state file
			}
			dir := copyFolder(t, source)
			path := filepath.Join(dir, name)
			os.Remove(path)
			if err := put(path); err != nil {
				t.Logf("%s as a %s: %v", name, kind, err) // not on this system
				continue
			}
			_, err := Open(dir, nil)
			failsWith(t, name+" is a "+kind, err, name)
		}
	}
	for what, state := range map[string]string{
		"above":    `model_checkpoint_path: "../other/bert_model.ckpt"`,
		"absolute": fmt.Sprintf("model_checkpoint_path: %q", filepath.Join(source, CheckpointName)),
		"link":     `model_checkpoint_path: "link/bert_model.ckpt"`,
		"garbage":  "\x00\x01",
	} {
		dir := copyFolder(t, source)
		if err := os.Symlink(source, filepath.Join(dir, "link")); err != nil {
			t.Log(err)
			continue
		}
		writeFile(t, filepath.Join(dir, "checkpoint"), state)
		_, err := Open(dir, nil)
		failsWith(t, "state file names what is "+what, err, dir)
	}
	// The user's own links are followed: caches of downloads are made of them.
	linked := filepath.Join(t.TempDir(), "linked")
	if err := os.Symlink(source, linked); err == nil {
		sameModel(t, open(t, linked, nil), m)
	}
}

// A folder with very many other files is no trouble.
func TestCrowdedFolder(t *testing.T) {
	m := tiny(t, 10)
	dir := saved(t, m)
	os.Remove(filepath.Join(dir, "checkpoint")) // so that the folder is searched
	for i := range 500 {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("other-%d.txt", i)), "")
	}
	sameModel(t, open(t, dir, nil), m)
}

func TestHostileSettings(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 11, bert.Mean))
	path := filepath.Join(dir, "bertlabel.json")
	good := readText(t, path)
	for _, c := range []struct{ old, replacement, want string }{
		{"{", "", "expected a JSON object"},
		{"{", `{"pooling": "cls",`, `key "pooling" comes twice`},
		{"{", `{"deep": ` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + ",", "nested more than 32 deep"},
		{"{", `{"x": "` + strings.Repeat("x", bert.MaxConfigBytes) + `",`, "the limit is 1048576"},
		{`"pooling"`, `"Pooling"`, "pooling is missing"},
		{`"do_lower_case"`, `"lower"`, "do_lower_case is missing"},
		{`"mean"`, `"avg"`, `pooling "avg": found "avg", want pooled, cls, mean or max`},
		{`"mean"`, `"mean:-9"`, "pooling mean:-9: the model has the layers -1 to "},
		{`"mean"`, "3", "pooling is 3, expected a string"},
		{`"max_seq_length": 40`, `"max_seq_length": 1`, "max_seq_length is 1, expected 2 or more"},
		{`"max_seq_length": 40`, `"max_seq_length": 41`, "max_seq_length is 41, over max_position_embeddings, 40"},
		{`"max_seq_length": 40`, `"max_seq_length": 4e1`, "max_seq_length is 4e1, expected an integer"},
		{`"max_seq_length": 40`, `"max_seq_length": null`, "max_seq_length is null"},
		{`"do_lower_case": true`, `"do_lower_case": 1`, "do_lower_case is 1, expected true or false"},
		{`"format_version": 1`, `"format_version": 3`, "format_version is 3, this program reads 1 to 2"},
		{`"format_version": 1`, `"format_version": 0`, "format_version is 0"},
		{"multi_label_classification", "regression", `problem_type is "regression"`},
		{`"joy": 0.5`, `"joy": 1.5`, `"joy" is 1.5, expected 0 to 1`},
		{`"joy": 0.5`, `"joy": -0.1`, `"joy" is -0.1`},
		{`"joy": 0.5`, `"joy": NaN`, `joy: found "NaN"`},
		{`"joy": 0.5`, `"joy": "0.5"`, "expected an object of numbers"},
		{`"joy": 0.5`, `"sorrow": 0.5`, `"sorrow" is no label`},
		{"{", `{"keep_tokens": ["a b"],`, `"a b"`},
		{"{", `{"keep_tokens": ["[A]", "[B]", "[C]"],`, `"[C]": not in the vocabulary, and no [unusedN]`},
		{"{", `{"keep_tokens": [1],`, "expected a list of strings"},
	} {
		writeFile(t, path, good)
		replaceIn(t, path, c.old, c.replacement)
		_, err := Open(dir, nil)
		where := path
		if strings.Contains(c.replacement, "keep_tokens") && !strings.Contains(c.want, "list") {
			where = "vocab.txt" // it is the vocabulary that has no place for the words
		}
		failsWith(t, c.replacement, err, where, c.want)
	}
	writeFile(t, path, good)
	replaceIn(t, path, "{", `{"new": [], `)
	var messages []string
	if open(t, dir, logged(&messages)); len(messages) != 1 || !strings.Contains(messages[0], "unknown keys new") {
		t.Errorf("logged %q", messages)
	}
}

// Errors of the formats keep their type through Open: the exit code hangs on it.
func TestErrorType(t *testing.T) {
	dir := saved(t, tiny(t, 12))
	os.Remove(filepath.Join(dir, "bert_model.ckpt.data-00000-of-00001"))
	_, err := Open(dir, nil)
	var format *checkpoint.FormatError
	if !errors.As(err, &format) || format.Class != checkpoint.MissingFile {
		t.Errorf("%v is no FormatError of class missing_file", err)
	}
}
