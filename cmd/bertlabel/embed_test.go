package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/tensor/tensortest"
)

// Both forms of the output have the bits of the library, for every pooling.
func TestEmbed(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 1, bert.CLS, cmdtest.TinyLabels)
	dir, texts := cmdtest.ModelFolder(t, m), cmdtest.TinyTexts(40)
	for _, c := range []struct {
		args    string
		pooling bert.Pooling
	}{{"", bert.CLS}, {"--pooling pooled", bert.Pooled}, {"--pooling cls", bert.CLS}, {"--pooling mean", bert.Mean}} {
		want, err := m.Embed(t.Context(), asTexts(texts), c.pooling)
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"embed", "--model", dir}, strings.Fields(c.args)...)
		stdout, stderr, code := bertlabel(t, cmdtest.JSONLines(texts), args...)
		lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
		if code != cli.ExitOK || len(lines) != len(texts) {
			t.Fatalf("exit %d, %d lines: %s", code, len(lines), stderr)
		}
		for i, line := range lines {
			var row struct {
				ID        int
				Embedding []json.Number
			}
			if err := json.Unmarshal([]byte(line), &row); err != nil || row.ID != i || len(row.Embedding) != 16 {
				t.Fatalf("%v: %s", err, line)
			}
			for j, printed := range row.Embedding {
				if v := float32Of(t, printed.String()); v != want.Row(i)[j] {
					t.Errorf("row %d, feature %d: %v, want %v", i, j, v, want.Row(i)[j])
				}
			}
		}
		file := filepath.Join(t.TempDir(), "e.safetensors")
		if stdout, stderr, code := bertlabel(t, cmdtest.JSONLines(texts), append(args, "--output", file)...); code != cli.ExitOK ||
			stdout != "" {
			t.Fatalf("exit %d, stdout %q: %s", code, stdout, stderr)
		}
		golden := tensortest.ReadGolden(t, file)
		if e := golden["embeddings"]; len(golden) != 1 || !slices.Equal(e.Shape, []int{40, 16}) ||
			!slices.Equal(e.Data, tensortest.Widen(want.Data)) {
			t.Errorf("%s: tensors of shape %v differ", c.args, e.Shape)
		}
	}
}

// embed --all-layers writes what Google's code computes, stage by stage. Our error against float64 is at most twice TensorFlow's
// own, or 2e-6 of the largest magnitude in the tensor where that is tiny; padding is zero.
func TestEmbedAllLayers(t *testing.T) {
	t.Parallel()
	root := tensortest.Shared(t, "fixtures/numerics")
	for _, name := range []string{"tiny-uncased", "tiny-cased"} {
		dir, file := filepath.Join(root, name), filepath.Join(t.TempDir(), "all.safetensors")
		tf := tensortest.ReadGolden(t, filepath.Join(dir, "forward.safetensors"))
		truth := tensortest.ReadGolden(t, filepath.Join(dir, "forward64.safetensors"))
		mask := tf["input_mask"]
		rows, seq := mask.Shape[0], mask.Shape[1]
		_, stderr, code := bertlabel(t, "", "embed", "--model", filepath.Join(dir, "model_with_head"),
			"--input", filepath.Join(dir, "texts.jsonl"),
			"--max-seq-length", fmt.Sprint(seq), "--all-layers", "--output", file)
		if code != cli.ExitOK {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		got := tensortest.ReadGolden(t, file)
		for stage, want := range truth {
			if stage == "labels" || strings.Contains(stage, "loss") {
				continue
			}
			g, ok := got[stage]
			if !ok || !slices.Equal(g.Shape, want.Shape) {
				t.Errorf("%s: %s is %v, want %v", name, stage, g.Shape, want.Shape)
				continue
			}
			ours, theirs, reference := g.Data, tf[stage].Data, want.Data
			if len(want.Shape) == 3 || want.Shape[1] == seq && len(want.Data) == len(mask.Data) {
				ours, theirs, reference = withoutPadding(t, stage, g, mask), unpadded(tf[stage], mask), unpadded(want, mask)
			}
			bound := max(2*tensortest.MaxDiff(t, theirs, reference), 2e-6*tensortest.MaxAbs(reference))
			if diff := tensortest.MaxDiff(t, ours, reference); !(diff <= bound) {
				t.Errorf("%s: %s differs by %g, bound %g", name, stage, diff, bound)
			}
		}
		if len(got) != len(truth)-3 || rows != got["logits"].Shape[0] { // labels, per_example_loss, loss
			t.Errorf("%s: %d tensors, want %d", name, len(got), len(truth)-3)
		}
	}
}

// withoutPadding returns the rows of a padded tensor that are no padding, and checks that the others are zero.
func withoutPadding(t *testing.T, name string, g, mask tensortest.Golden) []float64 {
	t.Helper()
	width := len(g.Data) / len(mask.Data)
	for i, m := range mask.Data {
		if m == 0 && tensortest.MaxAbs(g.Data[i*width:(i+1)*width]) != 0 {
			t.Errorf("%s: padding row %d is not zero", name, i)
		}
	}
	return unpadded(g, mask)
}

func unpadded(g, mask tensortest.Golden) (out []float64) {
	width := len(g.Data) / len(mask.Data)
	for i, m := range mask.Data {
		if m == 1 {
			out = append(out, g.Data[i*width:(i+1)*width]...)
		}
	}
	return out
}

// Without a head or a pooler the stages above are left out, and the rows are as wide as the longest.
func TestEmbedAllLayersParts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "all.safetensors")
	bare := cmdtest.TinyModel(t, 1, bert.CLS, nil)
	bare.Encoder.DropPooler()
	for _, c := range []struct {
		dir   string
		names []string
	}{
		{cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.CLS, nil)),
			[]string{"embedding_output", "input_ids", "input_mask", "layer_0", "layer_1", "pooled_output", "segment_ids"}},
		{cmdtest.ModelFolder(t, bare), []string{"embedding_output", "input_ids", "input_mask", "layer_0", "layer_1", "segment_ids"}},
	} {
		_, stderr, code := bertlabel(t, cmdtest.JSONLines([]string{"the cat", "", "the cat sat"}), "embed", "--model", c.dir, "--pooling",
			"mean", "--all-layers", "--output", file)
		if code != cli.ExitOK {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		got := tensortest.ReadGolden(t, file)
		var names []string
		for name := range got {
			names = append(names, name)
		}
		if slices.Sort(names); !slices.Equal(names, c.names) || !slices.Equal(got["layer_1"].Shape, []int{3, 5, 16}) {
			t.Errorf("tensors %v, layer_1 %v", names, got["layer_1"].Shape)
		}
		if want := []float64{1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1}; !slices.Equal(got["input_mask"].Data, want) {
			t.Errorf("input_mask %v", got["input_mask"].Data)
		}
	}
}

func TestEmbedRefuses(t *testing.T) {
	t.Parallel()
	dir := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.CLS, nil))
	bare := cmdtest.TinyModel(t, 1, bert.CLS, nil)
	bare.Encoder.DropPooler()
	file := filepath.Join(t.TempDir(), "e.safetensors")
	for _, c := range []struct {
		args, stdin, want string
		code              int
	}{
		{"", "", "embed needs --model", cli.ExitUsage},
		{"--model " + dir + " --pooling avg", "", `pooling "avg": found "avg", want pooled`, cli.ExitUsage},
		{"--model " + dir + " --all-layers", "", "--all-layers needs --output", cli.ExitUsage},
		{"--model " + cmdtest.ModelFolder(t, bare) + " --pooling pooled", "", "try --pooling mean", cli.ExitModel},
		{"--model " + dir + " --output " + file, "{\"text\": \"cat\"}\nnonsense\n", "stdin:2:", cli.ExitData},
	} {
		stdout, stderr, code := bertlabel(t, c.stdin, append([]string{"embed"}, strings.Fields(c.args)...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("embed %s: exit %d, want %d; stdout %q, stderr %q, want %q", c.args, code, c.code, stdout, stderr, c.want)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a refused input has left an output")
	}
	// In lines a bad row has its error in its place.
	stdout, _, code := bertlabel(t, "{\"text\": \"cat\"}\nnonsense\n{\"text\": \"mat\"}\n", "embed", "--model", dir)
	if lines := bytes.Split([]byte(stdout), []byte("\n")); code != cli.ExitData || len(lines) != 4 ||
		!bytes.HasPrefix(lines[1], []byte(`{"error":"column 1: found nonsense`)) || !bytes.HasPrefix(lines[2], []byte(`{"embedding":[`)) {
		t.Errorf("exit %d: %s", code, stdout)
	}
}
