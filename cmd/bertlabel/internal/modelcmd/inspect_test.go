package modelcmd

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/inspect"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/tensor/tensortest"
)

// The verb reports each good checkpoint, verified, as the manifest has it, and refuses each hostile one with exit code 4 and a
// JSON object that says why.
func TestInspectFixtures(t *testing.T) {
	t.Parallel()
	folder := tensortest.Shared(t, "fixtures/checkpoints")
	text, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Good []struct {
			Path    string
			Tensors []inspect.Tensor
		}
		Hostile []struct {
			Path, Expect string
			Class        checkpoint.Class
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, c := range manifest.Good {
		stdout, stderr, code := bertlabel.Run(t, "", "inspect", "--json", "--verify", filepath.Join(folder, c.Path))
		var got inspect.Report
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != cli.ExitOK || len(got.Tensors) != len(c.Tensors) {
			t.Errorf("%s: exit %d, %v, %d tensors\n%s", c.Path, code, err, len(got.Tensors), stderr)
			continue
		}
		for i, want := range c.Tensors { // sorted by name, as the report
			if g := got.Tensors[i]; g.Name != want.Name || g.DType != want.DType || g.SHA256 != want.SHA256 ||
				len(g.Shape) != len(want.Shape) {
				t.Errorf("%s: %+v, want %+v", c.Path, g, want)
			}
		}
	}
	for _, c := range manifest.Hostile {
		stdout, stderr, code := bertlabel.Run(t, "", "inspect", "--verify", "--json", filepath.Join(folder, c.Path))
		var got refusal
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Errorf("%s: stdout %q: %v", c.Path, stdout, err)
		}
		refused := code == cli.ExitModel && got.Error.Class == c.Class && got.Error.File != "" && strings.Contains(stderr, got.Error.File)
		if !refused && !(code == cli.ExitOK && c.Expect == "refuse or read") {
			t.Errorf("%s: exit %d, %+v, want class %s\n%s", c.Path, code, got.Error, c.Class, stderr)
		}
	}
}

func TestInspectTable(t *testing.T) {
	t.Parallel()
	prefix := filepath.Join(tensortest.Shared(t, "fixtures/checkpoints/good/names"), "model.ckpt")
	stdout, stderr, code := bertlabel.Run(t, "", "inspect", prefix)
	for _, want := range []string{"name ", "crc32c", `tab\there`, "café/你好", "tf_v2: 20 tensors"} {
		if code != cli.ExitOK || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, no %q in\n%s%s", code, want, stdout, stderr)
		}
	}
	stdout, _, _ = bertlabel.Run(t, "", "inspect", "--stats", "--verify", filepath.Join(filepath.Dir(prefix), "..", "dtypes", "model.ckpt"))
	for _, want := range []string{"sha256", "mean", "NaN"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if _, stderr, code := bertlabel.Run(t, "", "inspect", filepath.Join(t.TempDir(), "nothing")); code != cli.ExitModel ||
		!strings.Contains(stderr, "nothing") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if _, _, code := bertlabel.Run(t, "", "inspect"); code != cli.ExitUsage {
		t.Errorf("without a path: exit %d", code)
	}
}

// Tensors of another architecture are listed, and called what they are.
func TestInspectForeign(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := atomic.NewFiles(atomic.OS{}, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	tensors := []checkpoint.Tensor{checkpoint.Float32Tensor("roberta.embeddings.word_embeddings.weight", []int{1}, []float32{2})}
	if err := errors.Join(safetensors.Write(files.Create, "model.safetensors", tensors, nil), files.Commit()); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := bertlabel.Run(t, "", "inspect", "--json", dir)
	if code != cli.ExitOK || !json.Valid([]byte(stdout)) || !strings.Contains(stderr, "RoBERTa") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}
