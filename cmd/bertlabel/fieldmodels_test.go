package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/tensor/tensortest"
)

// fieldFolder is where a case's files lie.
func fieldFolder(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "field", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// hfFolder converts a model of the shared fixtures to Hugging Face's layout, as others make such folders: without our own file.
func hfFolder(t *testing.T, model string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "hf")
	if _, stderr, code := bertlabel(t, "", "convert", "--model", model, "--to", "hf", "--output", out); code != cli.ExitOK {
		t.Fatal(stderr)
	}
	if err := os.Remove(filepath.Join(out, "bertlabel.json")); err != nil {
		t.Fatal(err)
	}
	return out
}

// edit replaces text in a file.
func edit(t *testing.T, path, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q, %v", path, old, err)
	}
	cmdtest.WriteFile(t, path, strings.Replace(string(text), old, replacement, 1))
}

// copyFiles copies a case's files into a folder.
func copyFiles(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		cmdtest.WriteFile(t, filepath.Join(to, name), string(text))
	}
}

// The tokens that a folder of Hugging Face's layout makes of a text are those of tokenizers 0.23.3 (the cases' expect.txt), and they stay
// in the layout of Google, also when that is trained.
func TestFieldTokens(t *testing.T) {
	t.Parallel()
	model := filepath.Join(tensortest.Shared(t, "fixtures/numerics/tiny-uncased"), "model_with_head")
	long := filepath.Join(t.TempDir(), "long.jsonl")
	cmdtest.WriteFile(t, long, `{"text":"`+strings.Repeat("alpha ", 80)+`omega"}`)
	for _, c := range []struct {
		name    string
		prepare func(folder string)
		texts   string
		ids     []int64 // the last ones
	}{
		{"15-special-tokens-in-text", func(string) {}, filepath.Join(fieldFolder(t, "15-special-tokens-in-text"), "text.jsonl"),
			[]int64{2, 56, 983, 93, 86, 3, 408, 4, 1, 3}},
		{"16-added-token-in-wordpiece", func(folder string) {
			copyFiles(t, fieldFolder(t, "16-added-token-in-wordpiece"), folder, "tokenizer.json", "vocab.txt")
		}, filepath.Join(fieldFolder(t, "16-added-token-in-wordpiece"), "text.jsonl"), []int64{2, 998, 120, 572, 103, 90, 85, 3}},
		{"18-truncation-side", func(folder string) {
			edit(t, filepath.Join(folder, "tokenizer_config.json"), `"do_lower_case"`, `"truncation_side": "left", "do_lower_case"`)
		}, long, []int64{97, 89, 82, 51, 94, 86, 847, 3}},
	} {
		hf := hfFolder(t, model)
		c.prepare(hf)
		google := filepath.Join(t.TempDir(), "google")
		back := filepath.Join(t.TempDir(), "back")
		for _, args := range [][]string{{hf, google, "google"}, {google, back, "hf"}} {
			if _, stderr, code := bertlabel(t, "", "convert", "--model", args[0], "--output", args[1], "--to", args[2]); code != cli.ExitOK {
				t.Fatal(stderr)
			}
		}
		for _, folder := range []string{hf, google, back} {
			out := filepath.Join(t.TempDir(), "e.safetensors")
			_, stderr, code := bertlabel(t, "", "embed", "--model", folder, "--input", c.texts, "--all-layers", "--output", out)
			if code != cli.ExitOK {
				t.Fatal(stderr)
			}
			if ids := idsIn(t, out); len(ids) < len(c.ids) || !slices.Equal(ids[len(ids)-len(c.ids):], c.ids) {
				t.Errorf("%s in %s: %v, want %v", c.name, filepath.Base(folder), ids, c.ids)
			}
			if c.name == "18-truncation-side" && !strings.Contains(stderr, "what stands before is not seen") {
				t.Errorf("%s does not say which side was cut: %s", c.name, stderr)
			}
		}
	}
}

// idsIn returns input_ids of what embed --all-layers writes.
func idsIn(t *testing.T, path string) []int64 {
	t.Helper()
	f, err := safetensors.Open(path, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ids, err := f.ReadInt64("input_ids")
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// What a folder says of its head and its vectors is honoured, or said; a cache of links is the folder that it stands for.
func TestFieldFolders(t *testing.T) {
	t.Parallel()
	shared := tensortest.Shared(t, "fixtures/numerics/tiny-uncased")
	const text = `{"text":"hello world"}`
	hf := hfFolder(t, filepath.Join(shared, "model_with_head"))
	plain, stderr, code := bertlabel(t, text, "predict", "--model", hf, "--quiet")
	if code != cli.ExitOK || strings.Contains(stderr, "problem_type") {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	cached := filepath.Join(t.TempDir(), "models--a--b", "snapshots", "abc")
	sharded := shardedFolder(t, hf)
	linkAll(t, sharded, cached)
	for _, folder := range []string{sharded, cached} {
		if stdout, stderr, code := bertlabel(t, text, "predict", "--model", folder, "--quiet"); code != cli.ExitOK || stdout != plain {
			t.Errorf("%s: exit %d, %s, %s", folder, code, stdout, stderr)
		}
	}
	config := filepath.Join(hf, "config.json")
	for _, problem := range []string{`"problem_type": "single_label_classification",`, `"problem_type": "regression",`, ``} {
		edit(t, config, `"problem_type": "multi_label_classification",`, problem)
		_, stderr, code := bertlabel(t, text, "predict", "--model", hf, "--quiet")
		if code != cli.ExitOK || !strings.Contains(stderr, "warning: ") || !strings.Contains(stderr, "transformers would apply") {
			t.Errorf("%s: exit %d, %s", problem, code, stderr)
		}
		if problem != "" {
			edit(t, config, problem, `"problem_type": "multi_label_classification",`)
		}
	}
	sentence := hfFolder(t, filepath.Join(shared, "model"))
	from := fieldFolder(t, "19-sentence-transformers-pooling")
	copyFiles(t, from, sentence, "modules.json", "sentence_bert_config.json")
	if err := os.Mkdir(filepath.Join(sentence, "1_Pooling"), 0o755); err != nil {
		t.Fatal(err)
	}
	copyFiles(t, from, filepath.Join(sentence, "1_Pooling"), "pooling.json")
	if err := os.Rename(filepath.Join(sentence, "1_Pooling", "pooling.json"), filepath.Join(sentence, "1_Pooling", "config.json")); err != nil {
		t.Fatal(err)
	}
	own, stderr, _ := bertlabel(t, text, "embed", "--model", sentence)
	mean, _, _ := bertlabel(t, text, "embed", "--model", sentence, "--pooling", "mean")
	if own == "" || own != mean || !strings.Contains(stderr, "features are mean, texts have up to 16 tokens") {
		t.Errorf("%s\n%s\n%s", own, mean, stderr)
	}
}

// linkAll makes a folder of a hub cache's links to the files of another.
func linkAll(t *testing.T, from, to string) {
	t.Helper()
	blobs := filepath.Join(filepath.Dir(filepath.Dir(to)), "blobs")
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{to, blobs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range entries {
		copyFiles(t, from, blobs, e.Name())
		if err := os.Symlink(filepath.Join("..", "..", "blobs", e.Name()), filepath.Join(to, e.Name())); err != nil {
			t.Skip(err)
		}
	}
}

// shardedFolder returns a copy of a Hugging Face folder whose weights are in two files.
func shardedFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	copyFiles(t, from, to, "config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json")
	file, err := os.ReadFile(filepath.Join(from, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, n := map[string]json.RawMessage{}, 8+int(binary.LittleEndian.Uint64(file))
	if err := json.Unmarshal(file[8:n], &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "__metadata__")
	where, shards, data := map[string]string{}, [2]map[string]entry{{}, {}}, [2][]byte{}
	for i, name := range slices.Sorted(maps.Keys(header)) {
		var e entry
		if err := json.Unmarshal(header[name], &e); err != nil {
			t.Fatal(err)
		}
		part := i % 2
		values := file[n+e.Offsets[0] : n+e.Offsets[1]]
		e.Offsets = [2]int{len(data[part]), len(data[part]) + len(values)}
		shards[part][name], data[part] = e, append(data[part], values...)
		where[name] = fmt.Sprintf("model-0000%d-of-00002.safetensors", part+1)
	}
	for part := range shards {
		text, err := json.Marshal(shards[part])
		if err != nil {
			t.Fatal(err)
		}
		whole := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
		cmdtest.WriteFile(t, filepath.Join(to, fmt.Sprintf("model-0000%d-of-00002.safetensors", part+1)), string(append(whole, data[part]...)))
	}
	index, err := json.Marshal(map[string]any{"weight_map": where})
	if err != nil {
		t.Fatal(err)
	}
	cmdtest.WriteFile(t, filepath.Join(to, "model.safetensors.index.json"), string(index))
	return to
}
