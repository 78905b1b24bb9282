package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/tensor/tensortest"
)

// Google's layout to Hugging Face's and back: the last folder has the bytes of the first, and all three predict the same.
func TestConvert(t *testing.T) {
	t.Parallel()
	source := filepath.Join(tensortest.Shared(t, "fixtures/numerics/tiny-uncased"), "model_with_head")
	dir := t.TempDir()
	first := filepath.Join(dir, "first") // which finds special tokens in a text, as transformers does
	google, hf, back := filepath.Join(dir, "google"), filepath.Join(dir, "hf"), filepath.Join(dir, "back")
	for _, args := range [][]string{{source, first, "hf"}, {first, google, "google"}, {google, hf, "hf"}, {hf, back, "google"}} {
		stdout, stderr, code := bertlabel(t, "", "convert", "--model", args[0], "--output", args[1], "--to", args[2], "--do-lower-case")
		if code != cli.ExitOK || stdout != "" || !strings.Contains(stderr, "wrote "+args[1]) {
			t.Fatalf("%v: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	cmdtest.OnlyFile(t, hf, "bertlabel.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
	cmdtest.OnlyFile(t, google, "bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index", "bertlabel.json",
		"checkpoint", "labels.txt", "vocab.txt")
	entries, err := os.ReadDir(google)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		want, err := os.ReadFile(filepath.Join(google, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(back, e.Name())); err != nil || string(got) != string(want) {
			t.Errorf("%s has other bytes, %v", e.Name(), err)
		}
	}
	texts := filepath.Join(filepath.Dir(source), "texts.jsonl")
	want, _, _ := bertlabel(t, "", "predict", "--model", source, "--input", texts, "--logits", "--do-lower-case")
	for _, folder := range []string{google, hf, back} {
		if got, stderr, code := bertlabel(t, "", "predict", "--model", folder, "--input", texts, "--logits"); code != cli.ExitOK ||
			got != want {
			t.Errorf("%s predicts otherwise: exit %d, %s", folder, code, stderr)
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	pooled := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, cmdtest.TinyLabels))
	mean := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--model " + pooled, "convert needs --to, --output", cli.ExitUsage},
		{"--to hf --output " + out, "convert needs --model", cli.ExitUsage},
		{"--model " + pooled + " --output " + out + " --to onnx", "want google, hf", cli.ExitUsage},
		{"--model " + pooled + " --to hf --output " + mean, "is not empty", cli.ExitUsage},
		{"--model " + mean + " --to hf --output " + out, "the head reads mean features", cli.ExitUsage},
		{"--model " + t.TempDir() + " --to hf --output " + out, "no checkpoint in this folder", cli.ExitModel},
		{"--model " + pooled + " --to hf --overwrite --output " + pooled, "would be read in place of model.safetensors", cli.ExitFailure},
	} {
		stdout, stderr, code := bertlabel(t, "", append([]string{"convert"}, strings.Fields(c.args)...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("convert %s: exit %d, want %d; stdout %q, stderr %q, want %q", c.args, code, c.code, stdout, stderr, c.want)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a refused conversion has left a folder")
	}
	// What Google's scripts would not see is said.
	_, stderr, code := bertlabel(t, "", "convert", "--model", mean, "--to", "google", "--output", out, "--hidden-act", "gelu_erf")
	if code != cli.ExitOK || !strings.Contains(stderr, "reads mean features, which bertlabel.json says") ||
		!strings.Contains(stderr, "gelu_erf") {
		t.Errorf("exit %d, stderr %s", code, stderr)
	}
}

// A model that is converted to be read otherwise than before still says what its samples say: a server would refuse it.
func TestConvertSamples(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 3, bert.Pooled, []string{"animal", "colour"})
	if err := m.MakeSamples(t.Context()); err != nil {
		t.Fatal(err)
	}
	folder := cmdtest.ModelFolder(t, m)
	for _, args := range [][]string{nil, {"--max-seq-length", "6"}, {"--hidden-act", "relu"}, {"--do-lower-case=false"},
		{"--keep-tokens", "dog"}} {
		for _, to := range []string{"google", "hf"} {
			output := filepath.Join(t.TempDir(), "out")
			all := append([]string{"convert", "--model", folder, "--output", output, "--to", to}, args...)
			if _, stderr, code := bertlabel(t, "", all...); code != cli.ExitOK {
				t.Fatalf("%v: exit %d, %s", args, code, stderr)
			}
			converted, err := model.Open(output, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(converted.Samples) != len(m.Samples) {
				t.Errorf("%v to %s: %d samples, want %d", args, to, len(converted.Samples), len(m.Samples))
			}
			for k := range converted.Samples {
				s := &converted.Samples[k]
				p, err := converted.Predict(t.Context(), []model.Text{{A: s.Text, B: s.Pair}})
				if err == nil {
					err = converted.CheckSample(s, p[0].Probabilities)
				}
				if err != nil {
					t.Errorf("%v to %s: %v", args, to, err)
				}
			}
			if args == nil && !reflect.DeepEqual(converted.Samples, m.Samples) {
				t.Errorf("to %s: other samples", to)
			}
		}
	}
}
