package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/record"
)

// fp32 is the default, byte for byte and without a word; the other precisions are named where the model is opened, with a line more where
// this CPU is no faster in them, and auto says what it takes.
func TestPrecisionSaid(t *testing.T) {
	t.Parallel()
	dir := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	texts := cmdtest.JSONLines(cmdtest.TinyTexts(20))
	for _, verb := range []string{"predict", "embed"} {
		want, wantSaid, code := bertlabel(t, texts, verb, "--model", dir)
		if code != cli.ExitOK || strings.Contains(wantSaid, "runs in") {
			t.Fatalf("%s: exit %d\n%s", verb, code, wantSaid)
		}
		for name, p := range map[string]bert.Precision{"fp32": bert.FP32, "bf16": bert.BF16, "int8": bert.Int8, "auto": bert.Auto} {
			got, said, code := bertlabel(t, texts, verb, "--model", dir, "--precision", name)
			twin, _, twinCode := bertlabelIn(t, map[string]string{"BERTLABEL_PRECISION": name}, texts, verb, "--model", dir)
			if code != cli.ExitOK || twinCode != cli.ExitOK || twin != got {
				t.Errorf("%s in %s: exit %d, and %d by its twin\n%s", verb, name, code, twinCode, said)
			}
			if same := got == want; same != (p.Resolve() == bert.FP32) {
				t.Errorf("%s in %s: the same bytes as without the flag: %v", verb, name, same)
			}
			if p == bert.FP32 && said != wantSaid || p != bert.FP32 && strings.Count(said, "the model runs in "+p.Resolve().String()) != 1 ||
				strings.Contains(said, "no faster") == p.Fast() || strings.Contains(said, "auto") != (p == bert.Auto) {
				t.Errorf("%s in %s says\n%s", verb, name, said)
			}
		}
	}
	_, said, code := bertlabel(t, "", "explain", "--model", dir, "--text", "the cat", "--precision", "bf16")
	if code != cli.ExitOK || !strings.Contains(said, "gradients are computed in fp32") {
		t.Errorf("explain: exit %d\n%s", code, said)
	}
	for _, verb := range []string{"predict", "embed", "explain", "eval", "bench"} {
		args := []string{verb, "--precision", "fp16"}
		if verb != "bench" {
			args = append(args, "--model", dir)
		}
		if verb == "eval" {
			args = append(args, "--data", "d.csv")
		}
		_, said, code := bertlabel(t, texts, args...)
		if code != cli.ExitUsage || !strings.Contains(said, `--precision "fp16": want fp32, bf16, int8`) {
			t.Errorf("%s --precision fp16: exit %d\n%s", verb, code, said)
		}
	}
}

// A row has the same bytes alone as among others, whatever the precision.
func TestPrecisionAlone(t *testing.T) {
	t.Parallel()
	dir := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	lines := strings.SplitAfter(strings.TrimSuffix(cmdtest.JSONLines(cmdtest.TinyTexts(40)), "\n"), "\n")
	for _, p := range []string{"bf16", "int8"} {
		for _, threads := range []string{"1", "2"} {
			args := []string{"predict", "--model", dir, "--logits", "--precision", p, "--threads", threads}
			all, _, _ := bertlabel(t, strings.Join(lines, ""), args...)
			together := strings.SplitAfter(strings.TrimSuffix(all, "\n"), "\n")
			if len(together) != len(lines) {
				t.Fatalf("%s: %d rows of %d", p, len(together), len(lines))
			}
			for i := 0; i < len(lines); i += 7 {
				alone, said, code := bertlabel(t, lines[i], args...)
				if code != cli.ExitOK || strings.TrimSpace(alone) != strings.TrimSpace(together[i]) {
					t.Errorf("%s, %s threads, row %d: exit %d, alone %s, among others %s\n%s", p, threads, i, code, alone, together[i], said)
				}
			}
		}
	}
}

// Verbs that write a model work in float32: a precision of the environment or of a config file passes them by, as a flag it is unknown.
func TestPrecisionPassesBy(t *testing.T) {
	t.Parallel()
	dir := cmdtest.FastDir(t)
	config := filepath.Join(dir, "config.json")
	cmdtest.WriteFile(t, config, `{"precision": "int8"}`)
	trained, environment := filepath.Join(dir, "a"), map[string]string{"BERTLABEL_PRECISION": "int8"}
	if _, said, code := bertlabel(t, "", append(tinyTask(t, dir), "--tune", "last:1", "--max-steps", "2", "--output", trained)...); code != 0 {
		t.Fatal(said)
	}
	verbs := [][]string{
		{"labels", "drop", "--model", trained, "--names", "l0", "--overwrite", "--output", filepath.Join(dir, "b")},
		{"convert", "--model", trained, "--to", "google", "--overwrite", "--output", filepath.Join(dir, "c")},
	}
	for _, args := range verbs {
		for _, c := range []struct {
			env   map[string]string
			flags []string
			code  int
		}{
			{nil, []string{"--precision", "int8"}, cli.ExitUsage},
			{environment, nil, cli.ExitOK},
			{nil, []string{"--config", config}, cli.ExitOK},
		} {
			_, said, code := bertlabelIn(t, c.env, "", append(args, c.flags...)...)
			if code != c.code || strings.Contains(said, "runs in") {
				t.Errorf("%s %v %v: exit %d, want %d\n%s", args[0], c.env, c.flags, code, c.code, said)
			}
		}
	}
}

// --embeddings int8 is said, changes bits and goes with every precision; eval compares it with embeddings in float32, also where both
// models run in fp32, and keeps the figures under a name of their own, by which predict knows them.
func TestEmbeddingsFlag(t *testing.T) {
	t.Parallel()
	dir, rows := comparedModel(t)
	texts := cmdtest.JSONLines(cmdtest.TinyTexts(20))
	for _, verb := range [][]string{{"predict", "--logits"}, {"embed"}} {
		for _, p := range []string{"fp32", "bf16", "int8"} {
			args := append(verb, "--model", dir, "--precision", p)
			want, _, _ := bertlabel(t, texts, args...)
			got, said, code := bertlabel(t, texts, append(args, "--embeddings", "int8")...)
			if code != cli.ExitOK || got == want || !strings.Contains(said, "the model runs in "+p+", its word embeddings in int8") {
				t.Errorf("%s in %s: exit %d, other bytes: %t\n%s", verb[0], p, code, got != want, said)
			}
		}
	}
	for _, c := range []struct{ precision, name string }{{"fp32", "fp32+embeddings"}, {"int8", "int8+embeddings"}} {
		stdout, said, code := bertlabel(t, "", "eval", "--model", dir, "--data", rows, "--precision", c.precision, "--embeddings", "int8",
			"--against", "fp32")
		if code != cli.ExitOK || !strings.Contains(said, c.name+" against fp32") || !strings.Contains(said, "kept what "+c.name+" changes") ||
			!strings.Contains(stdout, `"precision":"`+c.precision+`","embeddings":"int8","against":"fp32"`) {
			t.Errorf("eval in %s: exit %d\n%s%s", c.precision, code, stdout, said)
		}
		p, _ := bert.ParsePrecision(c.precision)
		m, err := model.Open(dir, &model.Options{Precision: p, Embeddings: bert.Int8})
		if err != nil {
			t.Fatal(err)
		}
		if kept, err := record.PrecisionOf(m); err != nil || kept == nil || !kept.Of(m) || kept.Name() != c.name {
			t.Errorf("%s: kept %+v, %v", c.name, kept, err)
		}
	}
	_, said, _ := bertlabel(t, texts, "predict", "--model", dir, "--precision", "int8", "--embeddings", "int8")
	if strings.Contains(said, "labelled texts tell") {
		t.Errorf("proved, and predict says\n%s", said)
	}
	_, said, _ = bertlabel(t, texts, "predict", "--model", dir, "--precision", "int8")
	if !strings.Contains(said, "nothing in its folder says") {
		t.Errorf("int8 alone is not proved, and predict says\n%s", said)
	}
	for _, args := range [][]string{
		{"predict", "--model", dir, "--embeddings", "bf16"}, {"serve", "--model", dir, "--embeddings", "auto"},
		{"train", "--model", dir, "--train", rows, "--output", dir, "--embeddings", "int8"},
	} {
		if _, said, code := bertlabel(t, texts, args...); code != cli.ExitUsage {
			t.Errorf("%v: exit %d\n%s", args, code, said)
		}
	}
}

// train runs in the precision that it is asked for, by the flag or its twins, says so and records it; what it says of dev is what eval says
// of the model in that precision; and a run does not go on in another one.
func TestTrainPrecision(t *testing.T) {
	t.Parallel()
	dir := cmdtest.FastDir(t)
	args := append(tinyTask(t, dir), "--tune", "last:1", "--max-steps", "6", "--eval-steps", "3", "--tune-thresholds")
	config := filepath.Join(dir, "config.json")
	cmdtest.WriteFile(t, config, `{"precision": "int8"}`)
	for name, c := range map[string]struct {
		env   map[string]string
		flags []string
		said  string
	}{
		"fp32": {nil, nil, ""},
		"bf16": {nil, []string{"--precision", "bf16"}, "training in bf16; weights, gradients and sums stay float32"},
		"int8": {nil, []string{"--config", config}, "training in fp32; held-out rows are judged in int8"},
		"auto": {map[string]string{"BERTLABEL_PRECISION": "auto"}, nil, "training in " + bert.Auto.Resolve().String()},
	} {
		out := filepath.Join(dir, name)
		_, said, code := bertlabelIn(t, c.env, "", append(args, append(c.flags, "--output", out)...)...)
		if code != cli.ExitOK || !strings.Contains(said, c.said) || (name == "fp32") == strings.Contains(said, "training in") {
			t.Fatalf("%s: exit %d\n%s", name, code, said)
		}
		m, err := model.Open(out, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Of(m)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"fp32": "", "bf16": "bf16", "int8": "int8", "auto": ""}[name]
		if name == "auto" && bert.Auto.Resolve() != bert.FP32 {
			want = bert.Auto.Resolve().String()
		}
		if r.Precision != want {
			t.Errorf("%s: the record says %q, want %q", name, r.Precision, want)
		}
	}
	_, said, code := bertlabel(t, "", append(args, "--output", filepath.Join(dir, "bf16"), "--resume", "--precision", "fp32")...)
	if code != cli.ExitUsage || !strings.Contains(said, "precision was") {
		t.Errorf("a run in bf16 goes on in fp32: exit %d\n%s", code, said)
	}
	_, said, code = bertlabel(t, "", "train", "--model", filepath.Join(dir, "bert"), "--train", filepath.Join(dir, "train.csv"),
		"--no-holdout", "--precision", "int8", "--output", filepath.Join(dir, "x"))
	if code != cli.ExitUsage || !strings.Contains(said, "--precision would change nothing: int8 is what --dev is judged in") {
		t.Errorf("int8 without dev: exit %d\n%s", code, said)
	}
}

// version says what this CPU and kernel set run fast, and what auto is.
func TestPrecisionVersion(t *testing.T) {
	t.Parallel()
	text, _, _ := bertlabel(t, "", "version")
	fast := "fp32"
	for _, p := range []bert.Precision{bert.BF16, bert.Int8} {
		if p.Fast() {
			fast += " " + p.String()
		}
	}
	auto := bert.Auto.Resolve().String()
	if want := "\nprecisions fp32 bf16 int8, fast: " + fast + "; auto is " + auto + "\n"; !strings.Contains(text, want) {
		t.Errorf("%s\nhas no line %s", text, want)
	}
	var b cli.BuildInfo
	object, _, _ := bertlabel(t, "", "version", "--json")
	if err := json.Unmarshal([]byte(object), &b); err != nil || strings.Join(b.Precisions, " ") != "fp32 bf16 int8" ||
		strings.Join(b.FastPrecisions, " ") != fast || b.AutoPrecision != auto {
		t.Errorf("%v: %s", err, object)
	}
}

// A model that the memory budget has no room for is refused before its weights are read.
func TestPrecisionMemory(t *testing.T) {
	t.Parallel()
	dir := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	for args, code := range map[string]int{"--max-memory 100": cli.ExitResources, "--max-memory 100 --precision int8": cli.ExitResources,
		"--max-memory 1MiB": cli.ExitOK, "--max-memory 1MiB --precision int8": cli.ExitOK} {
		_, said, got := bertlabel(t, "{\"text\": \"cat\"}\n", append([]string{"predict", "--model", dir}, strings.Fields(args)...)...)
		if got != code || code == cli.ExitResources && !strings.Contains(said, "for its weights alone, the memory budget is") {
			t.Errorf("%s: exit %d, want %d\n%s", args, got, code, said)
		}
	}
}
