package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// documents returns n rows of CSV, each of some 60 words; what its labels are stands behind the first 24 tokens, which is what a row of the
// tiny models holds.
func documents(n int, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 9))
	text := "text,animal,colour\n"
	for range n {
		animal, colour := rng.IntN(2), rng.IntN(2)
		words := slices.Repeat([]string{"the", "sat", "home"}, 16+rng.IntN(6))
		for range 4 {
			words = append(words, []string{"on", "cat"}[animal], []string{"on", "red"}[colour])
		}
		rest := words[24:]
		rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		text += fmt.Sprintf("%s,%d,%d\n", strings.Join(words, " "), animal, colour)
	}
	return text
}

// TestWindows trains with --windows all and looks at what the other verbs make of the model: they read documents as it was trained.
func TestWindows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		cmdtest.WriteFile(t, path, text)
		return path
	}
	trainFile, devFile := file("train.csv", documents(150, 1)), file("dev.csv", documents(80, 2))
	start := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil))
	precision := func(model string, args ...string) float64 {
		stdout, stderr, code := bertlabel(t, "", append([]string{"eval", "--model", model, "--data", devFile}, args...)...)
		var report struct {
			Precision float64 `json:"average_precision_macro"`
		}
		if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 0 {
			t.Fatalf("%v, code %d: %s", err, code, stderr)
		}
		return report.Precision
	}
	for name, flags := range map[string]string{
		"head": "--tune head --pooling concat:mean,max --solver lda",
		"last": "--tune last:1 --pooling mean --optimizer adamw --learning-rate 0.005 --num-train-epochs 5 --train-batch-size 8",
	} {
		model := filepath.Join(dir, name)
		args := append([]string{"train", "--model", start, "--train", trainFile, "--dev", devFile, "--output", model, "--windows", "all"},
			strings.Fields(flags)...)
		if _, stderr, code := bertlabel(t, "", args...); code != 0 || strings.Contains(stderr, "were cut") {
			t.Fatalf("%s: code %d: %s", name, code, stderr)
		}
		if all, first := precision(model), precision(model, "--windows", "1"); !(all > first+0.15) {
			t.Errorf("%s: average precision %.3f, with --windows 1 %.3f", name, all, first)
		}
	}
	model := filepath.Join(dir, "head")
	texts := file("texts.jsonl", cmdtest.JSONLines([]string{strings.Repeat("the cat sat ", 30), "a dog", ""}))
	predicted := func(args ...string) string {
		stdout, stderr, code := bertlabel(t, "", append([]string{"predict", "--model", model, "--input", texts}, args...)...)
		if code != 0 {
			t.Fatalf("code %d: %s", code, stderr)
		}
		return stdout
	}
	own := strings.Split(predicted(), "\n")
	if all := strings.Split(predicted("--windows", "all"), "\n"); !slices.Equal(own, all) {
		t.Errorf("the model's own windows are others than --windows all: %q, %q", own, all)
	}
	one, other := strings.Split(predicted("--windows", "1"), "\n"), strings.Split(predicted("--window-overlap", "0"), "\n")
	if one[0] == own[0] || other[0] == own[0] || one[1] != own[1] || other[1] != own[1] || one[2] != own[2] {
		t.Errorf("one window %q, no overlap %q, as trained %q", one, other, own)
	}
	_, stderr, code := bertlabel(t, "", "predict", "--model", model, "--input", texts, "--windows", "2")
	if code != 0 || !strings.Contains(stderr, "longer than 2 windows of 24 tokens") {
		t.Errorf("what is cut is not said: code %d, %s", code, stderr)
	}
	stdout, _, code := bertlabel(t, "", "predict", "--model", model, "--input", texts, "--windows", "2", "--on-long", "error")
	if code != cli.ExitData || !strings.Contains(stdout, "a text of 92 tokens, expected at most 41") { // 22 + 17 of the text
		t.Errorf("--on-long error: code %d, %s", code, stdout)
	}
}

// TestWindowsEmbed: the mean over all windows is that of the vectors of all tokens, each once; without overlap that is the mean of the
// rows.
func TestWindowsEmbed(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	embed := func(pooling string, texts []string, args ...string) (vectors [][]float64) {
		stdout, stderr, code := bertlabel(t, cmdtest.JSONLines(texts),
			append([]string{"embed", "--model", model, "--pooling", pooling}, args...)...)
		if code != 0 {
			t.Fatalf("code %d: %s", code, stderr)
		}
		for line := range strings.Lines(stdout) {
			var row struct{ Embedding []float64 }
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			vectors = append(vectors, row.Embedding)
		}
		return vectors
	}
	words := strings.Fields(strings.Repeat("the cat sat on a mat . ", 4) + strings.Repeat("a sad dog ran home ! ", 3))[:32]
	whole := embed("cls", []string{strings.Join(words, " ")}, "--windows", "all", "--window-overlap", "0")[0]
	rows := embed("cls", []string{strings.Join(words[:22], " "), strings.Join(words[22:], " ")})
	for i := range whole {
		if mean := (rows[0][i] + rows[1][i]) / 2; !(math.Abs(whole[i]-mean) <= 1e-6) {
			t.Errorf("[CLS] %d is %v, of its windows %v", i, whole[i], mean)
		}
	}
	_, stderr, code := bertlabel(t, "", "embed", "--model", model, "--windows", "2", "--all-layers", "--output",
		filepath.Join(t.TempDir(), "x.safetensors"))
	if code != cli.ExitUsage || !strings.Contains(stderr, "--all-layers") {
		t.Errorf("--all-layers of windows: code %d, %s", code, stderr)
	}
}

// TestWindowFlags: what is out of range, or what a verb cannot do with windows, is wrong usage.
func TestWindowFlags(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels)
	plain := cmdtest.ModelFolder(t, m)
	for _, c := range []struct{ args, want string }{
		{"predict --text a --windows 0", "want 1 or more, or all"},
		{"predict --text a --windows some", "want 1 or more, or all"},
		{"predict --text a --windows all --window-overlap 0.95", "want 0 to 0.9"},
		{"predict --text a --window-overlap 0.5", "--window-overlap would change nothing"},
	} {
		args := append(strings.Fields(c.args), "--model", plain)
		if _, stderr, code := bertlabel(t, "", args...); code != cli.ExitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: code %d, %s", c.args, code, stderr)
		}
	}
}

// TestWindowsCheckData counts windows, and what none holds.
func TestWindowsCheckData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "train.csv")
	cmdtest.WriteFile(t, path, "text,a\n"+strings.Repeat("the cat ", 50)+",1\nthe cat,0\n")
	m := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil))
	tokens := func(args ...string) (got struct {
		Windows              string
		WindowsMean          float64 `json:"windows_mean"`
		WindowsMax, Cut, Max int
	}) {
		stdout, stderr, code := bertlabel(t, "", append([]string{"check-data", "--train", path, "--model", m, "--json"}, args...)...)
		var report struct {
			Files []struct{ Tokens json.RawMessage }
		}
		err := json.Unmarshal([]byte(stdout), &report)
		if err == nil {
			err = json.Unmarshal(report.Files[0].Tokens, &got)
		}
		if err != nil || code != 0 {
			t.Fatalf("%v, code %d: %s", err, code, stderr)
		}
		return got
	}
	if got := tokens("--max-seq-length", "22"); got.Windows != "" || got.Cut != 1 || got.Max != 102 {
		t.Errorf("without windows %+v", got)
	}
	// 100 tokens in windows of 20, 15 apart: 1 + ⌈80/15⌉ = 7
	if got := tokens("--max-seq-length", "22", "--windows", "all"); got.Windows != "all" || got.WindowsMean != 4 || got.Cut != 0 {
		t.Errorf("all windows: %+v", got)
	}
	if got := tokens("--max-seq-length", "22", "--windows", "6"); got.Windows != "6" || got.WindowsMean != 3.5 || got.Cut != 1 {
		t.Errorf("six windows: %+v", got)
	}
}

// TestWindowsDetail: the shares of the windows add up to the logit, in predict and in explain, and their passages are the text.
func TestWindowsDetail(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	text := strings.TrimSpace(strings.Repeat("the cat sat on a mat . ", 9))
	stdout, stderr, code := bertlabel(t, "", "predict", "--model", model, "--windows", "all", "--windows-detail", "--logits", "--text", text, "--text",
		"a dog")
	if code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	type window struct {
		Start, End, Tokens int
		Logits             map[string]float64
		Share              float64
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	for i, want := range []int{4, 1} { // 63 tokens of the text: 22 in a row, 17 apart
		var row struct {
			Logits  map[string]float64
			Windows []window
		}
		if err := json.Unmarshal([]byte(lines[i]), &row); err != nil {
			t.Fatal(err)
		}
		if len(row.Windows) != want || i == 0 && text[row.Windows[0].Start:row.Windows[0].End] != strings.Join(strings.Fields(text)[:20], " ") {
			t.Errorf("windows %+v, want %d", row.Windows, want)
		}
		for label, logit := range row.Logits {
			sum := 0.0
			for _, w := range row.Windows {
				sum += w.Logits[label]
			}
			if !(math.Abs(sum-logit) <= 1e-5*max(1, math.Abs(logit))) {
				t.Errorf("the shares in %q add up to %v, the logit is %v", label, sum, logit)
			}
		}
	}
	stdout, stderr, code = bertlabel(t, "", "explain", "--model", model, "--windows", "all", "--steps", "4", "--label", cmdtest.TinyLabels[0], "--text", text)
	var row struct {
		Logit   float64
		Windows []window
	}
	if err := json.Unmarshal([]byte(stdout), &row); err != nil || code != 0 {
		t.Fatalf("%v, code %d: %s", err, code, stderr)
	}
	sum := 0.0
	for _, w := range row.Windows {
		sum += w.Share
	}
	if len(row.Windows) != 4 || !(math.Abs(sum-row.Logit) <= 1e-5*max(1, math.Abs(row.Logit))) {
		t.Errorf("%+v: the shares add up to %v, the logit is %v", row.Windows, sum, row.Logit)
	}
	shown, _, _ := bertlabel(t, "", "explain", "--model", model, "--windows", "all", "--steps", "4", "--json=false", "--text", text)
	if !strings.Contains(shown, "windows: ") || !strings.Contains(shown, "together the logit") {
		t.Errorf("for people: %s", shown)
	}
	if _, stderr, code := bertlabel(t, "", "predict", "--model", model, "--windows-detail", "--output-format", "csv", "--text", text); code != cli.ExitUsage {
		t.Errorf("--windows-detail in CSV: code %d, %s", code, stderr)
	}
}

// TestNoisyOr trains with --window-pooling noisy-or, as recipe best does without its exact head, and looks at what the other verbs make of
// the model: it is read as it was trained.
func TestNoisyOr(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		cmdtest.WriteFile(t, path, text)
		return path
	}
	run := func(want int, args string, more ...string) (stdout, stderr string) {
		t.Helper()
		stdout, stderr, code := bertlabel(t, "", append(strings.Fields(args), more...)...)
		if code != want {
			t.Fatalf("%s: code %d: %s", args, code, stderr)
		}
		return stdout, stderr
	}
	trainFile, devFile := file("train.csv", documents(150, 1)), file("dev.csv", documents(80, 2))
	start, model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil)), filepath.Join(dir, "m")
	rows := " --model " + start + " --train " + trainFile + " --dev " + devFile + " --output "
	_, stderr := run(0, "train --recipe best --tune last:1 --windows all --max-seq-length 24 --window-pooling noisy-or --learning-rate 0.005 "+
		"--train-batch-size 8 --calibrate=platt"+rows+model)
	if !strings.Contains(stderr, "--window-pooling noisy-or") || strings.Contains(stderr, "--refit lda") {
		t.Errorf("what the recipe comes to: %s", stderr)
	}
	var report struct {
		Precision float64 `json:"average_precision_macro"`
	}
	stdout, _ := run(0, "eval --model "+model+" --data "+devFile)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || !(report.Precision > 0.65) { // chance is a half
		t.Errorf("%v, average precision %.3f", err, report.Precision)
	}
	long := strings.TrimSpace(strings.Repeat("the cat sat on a mat . ", 9))
	detail, _ := run(0, "predict --windows-detail --model "+model, "--text", long, "--text", "a dog")
	checkNoisyOrDetail(t, detail)
	texts := file("texts.jsonl", cmdtest.JSONLines([]string{long, "a dog", ""}))
	whole, _ := run(0, "predict --model "+model+" --input "+texts)
	run(0, "predict --model "+model+" --input "+texts+" --shard 0/1 --output "+filepath.Join(dir, "parts"))
	if parts, _ := run(0, "parts --cat "+filepath.Join(dir, "parts")); parts != whole {
		t.Errorf("parts %s, whole %s", parts, whole)
	}
	explained, _ := run(0, "explain --steps 4 --label animal --model "+model, "--text", long)
	if !strings.Contains(explained, `"window_pooling":"noisy-or"`) {
		t.Errorf("explained: %s", explained)
	}
	shown, _ := run(0, "explain --steps 4 --json=false --label animal --model "+model, "--text", long)
	if !strings.Contains(shown, "together −ln(1 − p)") {
		t.Errorf("for people: %s", shown)
	}
	_, stderr = run(0, "convert --to google --model "+model+" --output "+filepath.Join(dir, "google"))
	if !strings.Contains(stderr, "noisy-or") {
		t.Errorf("convert: %s", stderr)
	}
	run(0, "eval --against int8 --model "+model+" --data "+devFile)
	added, tuned := filepath.Join(dir, "added"), filepath.Join(dir, "tuned")
	run(0, "labels drop --names colour --model "+model+" --output "+filepath.Join(dir, "dropped"))
	_, stderr = run(0, "labels add --names colour --model "+filepath.Join(dir, "dropped")+" --train "+trainFile+" --output "+added)
	if !strings.Contains(stderr, "by gradient steps") {
		t.Errorf("labels add: %s", stderr)
	}
	run(0, "tune --calibrate --model "+added+" --dev "+devFile+" --output "+tuned)
	if settings, err := os.ReadFile(filepath.Join(tuned, "bertlabel.json")); err != nil || strings.Count(string(settings), `"slope"`) != 2 {
		t.Errorf("tune --calibrate wrote %s, %v", settings, err)
	}
	for want, args := range map[string]string{
		"give --solver gradient": "--window-pooling noisy-or --windows all --solver lda",
		"give --refit none":      "--window-pooling noisy-or --windows all --tune last:1 --refit lda",
		"give --windows all":     "--window-pooling noisy-or",
		"features or noisy-or":   "--window-pooling max --windows all",
	} {
		if _, stderr := run(cli.ExitUsage, "train "+args+rows+filepath.Join(dir, "refused")); !strings.Contains(stderr, want) {
			t.Errorf("%s: %s", args, stderr)
		}
	}
}

// checkNoisyOrDetail: the shares add up to −ln(1 − p) of the text, and the windows' probabilities make its probability.
func checkNoisyOrDetail(t *testing.T, lines string) {
	t.Helper()
	for i, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		var row struct {
			Probabilities map[string]float64
			Windows       []struct{ Probabilities, Shares, Logits map[string]float64 }
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || len(row.Windows) != []int{4, 1}[i] {
			t.Fatalf("%v: %s", err, line)
		}
		for label, p := range row.Probabilities {
			sum, without := 0.0, 1.0
			for _, w := range row.Windows {
				sum, without = sum+w.Shares[label], without*(1-w.Probabilities[label])
				if w.Logits != nil {
					t.Errorf("logits of a window: %s", line)
				}
			}
			// a float32 p near 1 has few digits of 1 − p: the sum is looked at through p
			if !(math.Abs(-math.Expm1(-sum)-p) <= 1e-6) || !(math.Abs(1-without-p) <= 1e-6) {
				t.Errorf("%s: probability %v, shares add up to %v, without any window %v", label, p, sum, without)
			}
		}
	}
}
