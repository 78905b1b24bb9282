package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
	"bertlabel/train/record"
	"bertlabel/train/score"
)

// comparedModel saves a model for the labels of cmdtest.LabelledCSV, and such a file. The first threshold is a probability in fp32 that
// int8 raises, so that a decision flips.
func comparedModel(t *testing.T) (dir, rows string) {
	t.Helper()
	m := cmdtest.TinyModel(t, 1, bert.Mean, []string{"animal", "colour"})
	dir, rows = filepath.Join(t.TempDir(), "model"), filepath.Join(t.TempDir(), "rows.csv")
	cmdtest.WriteFile(t, rows, cmdtest.LabelledCSV(60, 1))
	if err := m.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	fp32, int8 := rowByRow(t, dir, rows, bert.FP32), rowByRow(t, dir, rows, bert.Int8)
	for i, p := range fp32.probabilities {
		if i%2 == 0 && int8.probabilities[i] > p {
			m.Thresholds = []float32{p, 0.6}
		}
	}
	if err := m.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir, rows
}

// rowResults is what the library says of a model over a file, a row at a time: two numbers a row, and its vector.
type rowResults struct {
	logits, probabilities []float32
	vectors               [][]float32
	predicted             []string
	report                *metrics.Report
}

func rowByRow(t *testing.T, dir, path string, p bert.Precision) (r rowResults) {
	t.Helper()
	m, err := model.Open(dir, &model.Options{Precision: p})
	if err != nil {
		t.Fatal(err)
	}
	list, err := data.NewLabelList(m.Labels, "")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := data.Load(path, data.Options{Labels: list})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range rows.Texts {
		one := []model.Text{{A: text}}
		v, err := m.Embed(context.Background(), one, bert.Mean)
		if err != nil {
			t.Fatal(err)
		}
		found, err := m.Predict(context.Background(), one)
		if err != nil {
			t.Fatal(err)
		}
		r.vectors, r.logits = append(r.vectors, v.Data), append(r.logits, found[0].Logits...)
		r.probabilities = append(r.probabilities, found[0].Probabilities...)
		r.predicted = append(r.predicted, m.Predicted(found[0])...)
		r.predicted = append(r.predicted, "|")
	}
	r.report, err = metrics.Evaluate(metrics.Data{Labels: m.Labels, Truth: rows.Y, Scores: r.probabilities}, m.Thresholds)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// figures are those of a comparison, worked out by hand. Flips are counted in the names that are predicted.
func figures(t *testing.T, dir, path string, p bert.Precision) (want score.Comparison) {
	t.Helper()
	got, fp32 := rowByRow(t, dir, path, p), rowByRow(t, dir, path, bert.FP32)
	want.Rows, want.Labels, want.CosineLeast = len(got.vectors), 2, 1
	want.F1Macro.Change = got.report.F1Macro - fp32.report.F1Macro
	want.AveragePrecisionMacro.Change = got.report.AveragePrecisionMacro - fp32.report.AveragePrecisionMacro
	want.ROCAUCMacro.Change = got.report.ROCAUCMacro - fp32.report.ROCAUCMacro
	for i, v := range got.vectors {
		var xy, xx, yy float64
		for j, x := range v {
			y := fp32.vectors[i][j]
			xy, xx, yy = xy+float64(x)*float64(y), xx+float64(x)*float64(x), yy+float64(y)*float64(y)
		}
		want.CosineLeast = min(want.CosineLeast, xy/math.Sqrt(xx*yy))
		want.CosineMean += xy / math.Sqrt(xx*yy) / float64(want.Rows)
	}
	for i, z := range got.logits {
		d := float64(z) - float64(fp32.logits[i])
		want.LogitRMS += d * d / float64(len(got.logits))
		want.LogitMax = max(want.LogitMax, math.Abs(d))
	}
	want.LogitRMS = math.Sqrt(want.LogitRMS)
	before, after := strings.Split(strings.Join(fp32.predicted, " "), "|"), strings.Split(strings.Join(got.predicted, " "), "|")
	for i, labels := range after {
		for _, label := range []string{"animal", "colour"} {
			if strings.Contains(labels, label) != strings.Contains(before[i], label) {
				want.Flips++
			}
		}
		if labels != before[i] {
			want.FlippedRows++
		}
	}
	want.FlipsPer1000 = 1000 * float64(want.Flips) / 120
	return want
}

// eval --against says what a precision changes, as JSON and for people, with the figures that are worked out by hand, and the rest of its
// JSON is that without it. It keeps them in the model's folder, one record a precision, and an old reader is not disturbed.
func TestEvalAgainst(t *testing.T) {
	t.Parallel()
	dir, rows := comparedModel(t)
	file, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(file)
	settings, _ := os.ReadFile(filepath.Join(dir, "bertlabel.json"))
	for _, p := range []bert.Precision{bert.BF16, bert.Int8} {
		args := []string{"eval", "--model", dir, "--data", rows, "--precision", p.String()}
		plain, _, _ := bertlabel(t, "", args...)
		stdout, stderr, code := bertlabel(t, "", append(args, "--against", "fp32")...)
		if code != cli.ExitOK || !strings.Contains(stderr, p.String()+" against fp32") || !strings.Contains(stderr, "decisions that flip: ") ||
			!strings.Contains(stderr, "kept what "+p.String()+" changes in ") {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		var got struct{ Against score.Comparison }
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatal(err)
		}
		before, _, _ := strings.Cut(stdout, `,"against":{"precision"`)
		if before+"}\n" != plain {
			t.Errorf("without the comparison:\n%s\nbefore it:\n%s", plain, before)
		}
		c, want := got.Against, figures(t, dir, rows, p)
		for what, pair := range map[string][2]float64{
			"F1":  {float64(c.F1Macro.Change), float64(want.F1Macro.Change)},
			"mAP": {float64(c.AveragePrecisionMacro.Change), float64(want.AveragePrecisionMacro.Change)},
			"AUC": {float64(c.ROCAUCMacro.Change), float64(want.ROCAUCMacro.Change)}, "flips": {c.FlipsPer1000, want.FlipsPer1000},
			"rms": {c.LogitRMS, want.LogitRMS}, "greatest": {c.LogitMax, want.LogitMax},
			"cosine": {c.CosineMean, want.CosineMean}, "least cosine": {c.CosineLeast, want.CosineLeast},
		} {
			if !(math.Abs(pair[0]-pair[1]) < 1e-9) {
				t.Errorf("%s, %s: %v, want %v", p, what, pair[0], pair[1])
			}
		}
		if c.LogitMax == 0 || p == bert.Int8 && c.Flips == 0 || c.Flips != want.Flips ||
			c.FlippedRows != want.FlippedRows || c.Rows != want.Rows || c.Labels != 2 || c.Against != "fp32" {
			t.Errorf("%s: %+v, want %+v", p, c, want)
		}
		m, err := model.Open(dir, &model.Options{Precision: p})
		if err != nil {
			t.Fatal(err)
		}
		kept, err := record.PrecisionOf(m)
		if err != nil || kept == nil || !kept.Of(m) || kept.Comparison != c || kept.Data != rows ||
			kept.DataSHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: kept %+v, %v", p, kept, err)
		}
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "bertlabel.json")); !bytes.Equal(after, settings) {
		t.Error("bertlabel.json has changed")
	}
	stdout, stderr, code := bertlabel(t, "", "eval", "--model", dir, "--data", rows, "--precision", "int8", "--against", "bf16", "--pretty")
	if code != cli.ExitOK || !strings.Contains(stdout, "int8 against bf16") || !strings.Contains(stderr, "that would need --against fp32") {
		t.Errorf("against bf16: exit %d\n%s%s", code, stdout, stderr)
	}
}

// predict in int8 says once that nobody has looked, with the command that does, until eval has; and again when the model has changed.
func TestPredictUnproved(t *testing.T) {
	t.Parallel()
	dir, rows := comparedModel(t)
	command := "bertlabel eval --precision int8 --against fp32 --data FILE --model " + dir
	says := func(what string, times int, flags ...string) {
		t.Helper()
		_, stderr, code := bertlabel(t, cmdtest.JSONLines(cmdtest.TinyTexts(5)), append([]string{"predict", "--model", dir}, flags...)...)
		if code != cli.ExitOK || strings.Count(stderr, command) != times || times > 0 && !strings.Contains(stderr, what) {
			t.Errorf("%v: exit %d, want %d times %s and %q\n%s", flags, code, times, command, what, stderr)
		}
	}
	says("", 0)
	says("", 0, "--precision", "bf16")
	says("nothing in its folder says", 1, "--precision", "int8")
	eval := func(flags ...string) string {
		t.Helper()
		args := append([]string{"eval", "--model", dir, "--data", rows, "--precision", "int8", "--against", "fp32"}, flags...)
		_, stderr, code := bertlabel(t, "", args...)
		if code != cli.ExitOK {
			t.Errorf("eval %v: exit %d\n%s", flags, code, stderr)
		}
		return stderr
	}
	if stderr := eval("--threshold", "0.3"); !strings.Contains(stderr, "not at the model's own thresholds") {
		t.Errorf("with --threshold:\n%s", stderr)
	}
	says("nothing in its folder says", 1, "--precision", "int8")
	eval()
	says("", 0, "--precision", "int8")
	says("", 0, "--precision", "int8", "--threshold", "0.3")
	says("of another state of this model", 1, "--precision", "int8", "--max-seq-length", "12")

	// A folder that cannot be written to is a warning, and so is a record that cannot be read.
	path := filepath.Join(dir, record.PrecisionFile)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if stderr := eval(); !strings.Contains(stderr, "warning: the comparison is not kept in the model's folder: ") {
		t.Errorf("without a place:\n%s", stderr)
	}
	says("no regular file", 1, "--precision", "int8")
	cmdtest.OnlyFile(t, path)
	if os.Geteuid() == 0 {
		return // may write anywhere
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	if stderr := eval(); !strings.Contains(stderr, "warning: the comparison is not kept in the model's folder: ") {
		t.Errorf("in a folder that is read-only:\n%s", stderr)
	}
}
