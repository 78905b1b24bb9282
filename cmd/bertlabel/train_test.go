package main

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/metrics"
)

// metricsTable reads metrics.csv: the header and the rows, NaN for an empty field.
func metricsTable(t *testing.T, dir string) (header []string, rows [][]float64) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "metrics.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range table[1:] {
		row := make([]float64, len(record))
		for i, field := range record {
			if row[i] = math.NaN(); field != "" {
				if row[i], err = strconv.ParseFloat(field, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
		rows = append(rows, row)
	}
	return table[0], rows
}

// report is the part of eval's JSON that the tests look at.
type report struct {
	F1Macro  float64 `json:"f1_macro"`
	Rows     int
	Average  float64                                    `json:"average_precision_macro"`
	PerLabel map[string]struct{ Threshold, F1 float64 } `json:"per_label"`
}

func evaluate(t *testing.T, args ...string) (r report) {
	t.Helper()
	stdout, stderr, code := bertlabel(t, "", append([]string{"eval"}, args...)...)
	if code != cli.ExitOK || !strings.Contains(stderr, "animal") {
		t.Fatalf("eval %v: exit %d, stderr %s", args, code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Training learns, keeps the weights that were best on dev, writes what the contract lists, and the folder stands alone.
func TestTrain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil))
	trainFile, devFile, output := filepath.Join(dir, "train.csv"), filepath.Join(dir, "dev.csv"), filepath.Join(dir, "out")
	cmdtest.WriteFile(t, trainFile, cmdtest.LabelledCSV(80, 1))
	// The labels of dev are swapped: the better the head has learnt, the worse it looks, and the best step is not the last.
	cmdtest.WriteFile(t, devFile, strings.Replace(cmdtest.LabelledCSV(40, 2), "animal,colour", "colour,animal", 1))
	stdout, stderr, code := bertlabel(t, "", "train", "--model", base, "--train", trainFile, "--dev", devFile, "--output", output,
		"--pooling", "mean",
		"--train-batch-size", "8", "--num-train-epochs", "6", "--learning-rate", "0.5", "--eval-steps", "4", "--log-steps", "7",
		"--max-seq-length", "16")
	if code != cli.ExitOK || stdout != "" || !strings.Contains(stderr, "kept the weights of step") {
		t.Fatalf("exit %d, stdout %q, stderr %s", code, stdout, stderr)
	}
	cmdtest.OnlyFile(t, output, "bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index", "bertlabel.json",
		"checkpoint", "labels.txt",
		"metrics.csv", "report.html", "vocab.txt")
	if err := os.RemoveAll(base); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(output, moved); err != nil {
		t.Fatal(err)
	}

	header, rows := metricsTable(t, moved)
	want := []string{"step", "epoch", "loss", "learning_rate", "grad_norm", "examples_per_second"}
	for name := range new(metrics.Summary).All() {
		want = append(want, "dev_"+name)
	}
	if !slices.Equal(header, want) {
		t.Errorf("columns %v", header)
	}
	f1, best, steps := slices.Index(header, "dev_f1_macro"), 0.0, []float64{}
	values := map[float64]bool{}
	for _, row := range rows {
		steps = append(steps, row[0])
		if dev := !math.IsNaN(row[f1]); dev != (int(row[0])%4 == 0) {
			t.Errorf("step %v: evaluated %t", row[0], dev)
		} else if dev {
			best, values[row[f1]] = max(best, row[f1]), true
		}
	}
	if want := []float64{4, 7, 8, 12, 14, 16, 20, 21, 24, 28, 32, 35, 36, 40, 42, 44, 48, 49, 52, 56, 60}; !slices.Equal(steps, want) {
		t.Errorf("rows of the steps %v, want %v", steps, want)
	}
	if len(values) < 2 || rows[len(rows)-1][f1] == best {
		t.Errorf("the last step is the best, %v of %v: the test shows nothing", best, values)
	}
	if last := rows[len(rows)-1]; !(last[2] < rows[0][2]/2) {
		t.Errorf("loss %v at the first row, %v at the last: nothing was learnt", rows[0][2], last[2])
	}
	got := evaluate(t, "--model", moved, "--data", devFile)
	if got.F1Macro != best || got.Rows != 40 {
		t.Errorf("f1_macro %v on %d rows, the best of the run was %v", got.F1Macro, got.Rows, best)
	}

	m, err := model.Open(moved, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Labels, []string{"animal", "colour"}) || m.MaxSeqLength != 16 || !m.Tokenizer.Options().LowerCase ||
		m.Pooling != bert.Mean {
		t.Errorf("labels %v, MaxSeqLength %d, options %+v, pooling %v", m.Labels, m.MaxSeqLength, m.Tokenizer.Options(), m.Pooling)
	}
	var settings struct {
		FormatVersion int            `json:"format_version"`
		ProblemType   string         `json:"problem_type"`
		Training      map[string]any `json:"training"`
	}
	text, err := os.ReadFile(filepath.Join(moved, "bertlabel.json"))
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil || settings.FormatVersion != 1 || settings.ProblemType != "multi_label_classification" {
		t.Errorf("%s, %v", text, err)
	}
	for key, value := range map[string]any{"learning_rate": 0.5, "train_batch_size": 8.0, "tune": "head", "seed": 42.0,
		"optimizer": "google", "clip_norm": 1.0, "eval_steps": 4.0} {
		if settings.Training[key] != value {
			t.Errorf("training config: %s is %v, want %v", key, settings.Training[key], value)
		}
	}
}

// Training goes on from a head for the same labels, and a threshold given to eval holds for it alone.
func TestTrainContinues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	data := filepath.Join(dir, "train.csv")
	cmdtest.WriteFile(t, data, cmdtest.LabelledCSV(40, 1))
	common := []string{"train", "--train", data, "--pooling", "cls", "--max-steps", "20", "--dropout", "0"}
	for _, run := range [][]string{{"--model", cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil)), "--output", first},
		{"--model", first, "--output", second}} {
		if _, stderr, code := bertlabel(t, "", append(slices.Clone(common), run...)...); code != cli.ExitOK ||
			strings.Contains(stderr, "own head") != (run[1] == first) {
			t.Fatalf("%v: exit %d, stderr %s", run, code, stderr)
		}
	}
	_, before := metricsTable(t, first)
	_, after := metricsTable(t, second)
	if !(after[0][2] < before[0][2]) {
		t.Errorf("loss %v at step 10 of the second run, %v in the first", after[0][2], before[0][2])
	}
	if r := evaluate(t, "--model", second, "--data", data, "--threshold", "0.25"); r.PerLabel["animal"].Threshold != 0.25 {
		t.Errorf("%+v", r)
	}
	if r := evaluate(t, "--model", second, "--data", data); r.PerLabel["animal"].Threshold != 0.5 {
		t.Errorf("%+v", r)
	}
}

func TestTrainRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil))
	good, bad, other, full := filepath.Join(dir, "good.csv"), filepath.Join(dir, "bad.csv"), filepath.Join(dir, "other.csv"),
		filepath.Join(dir, "full")
	cmdtest.WriteFile(t, good, cmdtest.LabelledCSV(20, 1))
	cmdtest.WriteFile(t, bad, "text,animal,colour\ncat,1,0\nmat,2,1\n")
	cmdtest.WriteFile(t, other, "text,labels\ncat,fish\n")
	if err := os.MkdirAll(filepath.Join(full, "something"), 0o777); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	flags := "--model " + base + " --train " + good + " --output "
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"", "train needs --train, --output", cli.ExitUsage},
		{"--train " + good + " --output " + out, "train needs --model", cli.ExitUsage},
		{flags + full, "is not empty", cli.ExitUsage},
		{flags + good, "would replace it", cli.ExitUsage},
		{flags + out + " --pooling avg", "--pooling", cli.ExitUsage},
		{flags + out + " --early-stopping 2", "--early-stopping stops when --dev", cli.ExitUsage},
		{flags + out + " --tune-thresholds=some", `"some": want per-label, global, guarded`, cli.ExitUsage},
		{flags + out + " --tune some", "--tune", cli.ExitUsage},
		{flags + out + " --learning-rate -1", "--learning-rate is -1", cli.ExitUsage},
		{flags + out + " --dropout 1", "dropout is 1", cli.ExitUsage},
		{flags + out + " --train-batch-size 0", "--train-batch-size is 0", cli.ExitUsage},
		{flags + out + " --best-metric f2", "--best-metric is f2", cli.ExitUsage},
		{flags + out + " --optimizer sgd", "optimizer is sgd", cli.ExitUsage},
		{flags + out + " --dev " + filepath.Join(dir, "none.csv"), "none.csv", cli.ExitUsage},
		{flags + out + " --dev " + bad, "bad.csv:3: column animal", cli.ExitData},
		{flags + out + " --dev " + other, "fish", cli.ExitData},
		{"--model " + base + " --train " + bad + " --output " + out, "bad.csv:3: column animal", cli.ExitData},
		{"--model " + dir + " --train " + good + " --output " + out, "no checkpoint in this folder", cli.ExitModel},
	} {
		stdout, stderr, code := bertlabel(t, "", append([]string{"train"}, strings.Fields(c.args)...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("train %s: exit %d, want %d; stdout %q, stderr %q, want %q", c.args, code, c.code, stdout, stderr, c.want)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a refused run has made its output folder")
	}
	if _, stderr, code := bertlabel(t, "", strings.Fields("train "+flags+full+" --overwrite --max-steps 2")...); code != cli.ExitOK {
		t.Errorf("--overwrite: exit %d, stderr %s", code, stderr)
	}
	// A run that diverges says so, and leaves no model.
	_, stderr, code := bertlabel(t, "", strings.Fields("train "+flags+out+" --learning-rate 1e38 --clip-norm 0 --warmup-proportion 0")...)
	if _, err := os.Stat(filepath.Join(out, "bert_config.json")); code != cli.ExitDiverged || err == nil {
		t.Errorf("exit %d, want %d; stderr %s", code, cli.ExitDiverged, stderr)
	}
}

// The features cache is used when it is whole, and the result is the same without it and when it is damaged.
func TestFeaturesCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cache, data := filepath.Join(dir, "cache"), filepath.Join(dir, "train.csv")
	base := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil))
	cmdtest.WriteFile(t, data, cmdtest.LabelledCSV(30, 1))
	train := func(name string, args ...string) (head string, stderr string) {
		t.Helper()
		out := filepath.Join(dir, name)
		args = append([]string{"train", "--model", base, "--train", data, "--output", out, "--pooling", "mean", "--max-steps", "5"},
			args...)
		if _, errs, code := bertlabel(t, "", args...); code != cli.ExitOK {
			t.Fatalf("exit %d: %s", code, errs)
		} else {
			stderr = errs
		}
		text, err := os.ReadFile(filepath.Join(out, "bert_model.ckpt.data-00000-of-00001"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text), stderr
	}
	want, _ := train("none")
	for _, name := range []string{"miss", "hit"} {
		if got, stderr := train(name, "--features-cache", cache); got != want || strings.Contains(stderr, "cache") {
			t.Errorf("%s: other weights, or stderr %s", name, stderr)
		}
	}
	files, err := filepath.Glob(filepath.Join(cache, "features-*.safetensors"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{"flipped": string(good[:len(good)-1]) + "\x00", "cut": string(good[:len(good)/2]),
		"empty": "", "other": "not a tensor file"} {
		cmdtest.WriteFile(t, files[0], damaged)
		if got, stderr := train(name, "--features-cache", cache); got != want ||
			!strings.Contains(stderr, "is not used, the features are computed again") {
			t.Errorf("%s: other weights, or stderr %s", name, stderr)
		}
		if again, _ := os.ReadFile(files[0]); string(again) != string(good) {
			t.Errorf("%s: the cache was not put right", name)
		}
	}
	// Other features under the same key show that it is read at all.
	cmdtest.WriteFile(t, files[0], string(good))
	forge(t, files[0])
	if got, stderr := train("forged", "--features-cache", cache); got == want || strings.Contains(stderr, "cache") {
		t.Errorf("the cache was not read; stderr %s", stderr)
	}
	if got, _ := train("pooling", "--features-cache", cache, "--pooling", "cls"); got == want {
		t.Error("another pooling gave the same weights")
	}
}

// forge puts zeros into a file of cached features, and the checksum that belongs to them.
func forge(t *testing.T, path string) {
	t.Helper()
	f, err := safetensors.Open(path, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	info, _ := f.Lookup("features")
	key := f.Metadata["key"]
	f.Close()
	zeros := checkpoint.Float32Tensor("features", info.Shape, make([]float32, info.Elements()))
	metadata := map[string]string{"key": key, "sha256": fmt.Sprintf("%x", sha256.Sum256(zeros.Bytes))}
	create := func(string) (io.WriteCloser, error) { return os.Create(path) }
	if err := safetensors.Write(create, "", []checkpoint.Tensor{zeros}, metadata); err != nil {
		t.Fatal(err)
	}
}

func TestEvalRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, []string{"animal", "colour"}))
	good, bad, other := filepath.Join(dir, "good.csv"), filepath.Join(dir, "bad.csv"), filepath.Join(dir, "other.csv")
	cmdtest.WriteFile(t, good, cmdtest.LabelledCSV(10, 1))
	cmdtest.WriteFile(t, bad, "text,animal,colour\ncat,1,0\nmat,2,0\n")
	cmdtest.WriteFile(t, other, "text,labels\ncat,fish\n")
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--model " + folder, "eval needs --data", cli.ExitUsage},
		{"--data " + good, "eval needs --model", cli.ExitUsage},
		{"--model " + folder + " --data " + good + " --threshold 2", "--threshold 2", cli.ExitUsage},
		{"--model " + folder + " --data " + good + "x", "good.csvx", cli.ExitUsage},
		{"--model " + folder + " --data " + bad, "bad.csv:3: column animal", cli.ExitData},
		{"--model " + folder + " --data " + other, "fish", cli.ExitData},
		{"--model " + cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil)) + " --data " + good, "has no head", cli.ExitModel},
	} {
		stdout, stderr, code := bertlabel(t, "", append([]string{"eval"}, strings.Fields(c.args)...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("eval %s: exit %d, want %d; stdout %q, stderr %q, want %q", c.args, code, c.code, stdout, stderr, c.want)
		}
	}
}

// eval gives what the library computes from the library's predictions.
func TestEval(t *testing.T) {
	t.Parallel()
	labels := []string{"animal", "colour"}
	m := cmdtest.TinyModel(t, 1, bert.CLS, labels)
	m.Thresholds[0] = 0.4
	data := filepath.Join(t.TempDir(), "data.csv")
	cmdtest.WriteFile(t, data, cmdtest.LabelledCSV(50, 3))
	stdout, stderr, code := bertlabel(t, "", "eval", "--model", cmdtest.ModelFolder(t, m), "--data", data)
	if code != cli.ExitOK || !strings.Contains(stderr, "animal") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var d metrics.Data
	d.Labels = labels
	table, err := csv.NewReader(strings.NewReader(cmdtest.LabelledCSV(50, 3))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table[1:] {
		p, err := m.Predict(t.Context(), []model.Text{{A: row[1]}})
		if err != nil {
			t.Fatal(err)
		}
		d.Scores = append(d.Scores, p[0].Probabilities...)
		for _, cell := range row[2:] {
			d.Truth = append(d.Truth, int8(cell[0]-'0'))
		}
	}
	want, err := metrics.Evaluate(d, m.Thresholds)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got, expected any
	if json.Unmarshal([]byte(stdout), &got) != nil || json.Unmarshal(text, &expected) != nil || !reflect.DeepEqual(got, expected) {
		t.Errorf("eval printed\n%s\nwant\n%s", stdout, text)
	}
}
