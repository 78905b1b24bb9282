package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// samplesHold checks that a folder has samples, and that its model says what they say.
func samplesHold(t *testing.T, m *model.Model) {
	t.Helper()
	if len(m.Samples) != 4 {
		t.Errorf("%s has %d samples", m.Path(), len(m.Samples))
	}
	for i := range m.Samples {
		p, err := m.Predict(t.Context(), []model.Text{{A: m.Samples[i].Text, B: m.Samples[i].Pair}})
		if err == nil {
			err = m.CheckSample(&m.Samples[i], p[0].Probabilities)
		}
		if err != nil {
			t.Errorf("%s: %v", m.Path(), err)
		}
	}
}

// logitsOf predicts some texts and returns each label's logits. The folder's samples hold.
func logitsOf(t *testing.T, dir string) map[string][]float32 {
	t.Helper()
	m, err := model.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	samplesHold(t, m)
	var texts []model.Text
	for _, text := range cmdtest.TinyTexts(20) {
		texts = append(texts, model.Text{A: text})
	}
	predictions, err := m.Predict(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	logits := map[string][]float32{}
	for _, p := range predictions {
		for i, label := range m.Labels {
			logits[label] = append(logits[label], p.Logits[i])
		}
	}
	return logits
}

// Every change leaves the logits and thresholds of the other labels as they are, to the bit; what is new is learnt.
func TestLabels(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := cmdtest.TinyModel(t, 1, "mean:-1..-2", nil)
	task := headTask{base: cmdtest.ModelFolder(t, m), train: filepath.Join(dir, "train.csv"), dir: dir}
	cmdtest.WriteFile(t, task.train, cmdtest.LabelledCSV(120, 1))
	base, _ := task.run(t, "base", "--pooling", "mean:-1..-2", "--solver", "lbfgs", "--dev", task.train, "--tune-thresholds", "--calibrate")
	baseDir := filepath.Join(dir, "base")
	before := logitsOf(t, baseDir)

	change := func(name string, args ...string) (*model.Model, string) {
		t.Helper()
		out := filepath.Join(dir, name)
		_, stderr, code := bertlabel(t, "", append([]string{"labels"}, append(args, "--output", out)...)...)
		if code != cli.ExitOK {
			t.Fatalf("%v: exit %d, stderr %s", args, code, stderr)
		}
		changed, err := model.Open(out, nil)
		if err != nil {
			t.Fatal(err)
		}
		for label, logits := range logitsOf(t, out) {
			if old, ok := before[label]; ok && !slices.Equal(logits, old) {
				t.Errorf("%v: label %s has other logits", args, label)
			}
		}
		return changed, stderr
	}

	// New rows: one label the model has, one that it is to learn, and one that nobody asked for.
	fresh := filepath.Join(dir, "new.csv")
	rng := rand.New(rand.NewPCG(8, 8))
	text := "text,animal,colour,home,noise\n"
	for i := range 90 {
		home, cell := rng.IntN(2), ""
		if i%9 != 0 {
			cell = fmt.Sprint(home)
		}
		text += fmt.Sprintf("the cat %s,,1,%s,%d\n", []string{"sat", "ran home"}[home], cell, rng.IntN(2))
	}
	cmdtest.WriteFile(t, fresh, text)
	added, said := change("added", "add", "--model", baseDir, "--names", "home", "--train", fresh, "--dev", fresh, "--tune-thresholds",
		"--calibrate=temperature")
	if !slices.Equal(added.Labels, []string{"animal", "colour", "home"}) || !slices.Equal(added.Thresholds[:2], base.Thresholds) ||
		added.Pooling != base.Pooling {
		t.Errorf("labels %v, thresholds %v, pooling %s", added.Labels, added.Thresholds, added.Pooling)
	}
	if !strings.Contains(said, "rows that say 1") || !strings.Contains(said, "calibrated on dev (temperature)") ||
		strings.Contains(said, "noise") || added.Thresholds[2] == 0.5 {
		t.Errorf("thresholds %v, stderr %s", added.Thresholds, said)
	}
	// Rows that say nothing of the label change nothing: without them the same head comes out.
	var known []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, ",1,,") {
			known = append(known, line)
		}
	}
	cmdtest.WriteFile(t, fresh, strings.Join(known, ""))
	again, said := change("again", "add", "--model", baseDir, "--names", "home", "--train", fresh)
	cmdtest.WriteFile(t, fresh, text)
	plain, _ := change("plain", "add", "--model", baseDir, "--names", "home", "--train", fresh)
	if len(known) != 81 || !slices.Equal(again.Outputs()[2].Weights, plain.Outputs()[2].Weights) ||
		!strings.Contains(said, "calibrated (platt), and those of home are not") {
		t.Errorf("%d lines, stderr %s", len(known), said)
	}
	// Cells that name labels by their index in --labels, of which only one is wanted.
	list, indexed := filepath.Join(dir, "list.txt"), filepath.Join(dir, "indexed.tsv")
	cmdtest.WriteFile(t, list, "noise\nhome\n")
	cmdtest.WriteFile(t, indexed, strings.Repeat("the cat sat\t0\nthe cat ran home\t0,1\n", 30))
	if m, said := change("indexed", "add", "--model", baseDir, "--names", "home", "--train", indexed, "--labels", list,
		"--no-header", "--text-column", "1", "--labels-column", "2"); m.Labels[2] != "home" ||
		!strings.Contains(said, "from 30 rows that say 1 and 30 that say 0") {
		t.Errorf("labels %v, stderr %s", m.Labels, said)
	}
	r := evaluate(t, "--model", filepath.Join(dir, "added"), "--data", fresh, "--drop-unknown-labels")
	if !(r.PerLabel["home"].F1 > 0.99) {
		t.Errorf("%+v", r)
	}

	dropped, _ := change("dropped", "drop", "--model", filepath.Join(dir, "added"), "--names", "animal")
	if !slices.Equal(dropped.Labels, []string{"colour", "home"}) || dropped.Thresholds[0] != base.Thresholds[1] {
		t.Errorf("labels %v, thresholds %v", dropped.Labels, dropped.Thresholds)
	}
	renamed, _ := change("renamed", "rename", "--model", baseDir, "--names", "animal", "--into", "beast, wild")
	if !slices.Equal(renamed.Labels, []string{"beast, wild", "colour"}) ||
		!slices.Equal(logitsOf(t, filepath.Join(dir, "renamed"))["beast, wild"], before["animal"]) {
		t.Errorf("labels %v, or other logits", renamed.Labels)
	}

	merged, _ := change("merged", "merge", "--model", filepath.Join(dir, "added"), "--names", "colour,animal", "--into", "any", "--train",
		task.train)
	if !slices.Equal(merged.Labels, []string{"any", "home"}) {
		t.Errorf("labels %v", merged.Labels)
	}
	either := filepath.Join(dir, "either.csv")
	both := strings.Replace(cmdtest.LabelledCSV(60, 3), "animal,colour", "any,x", 1)
	lines := strings.Split(strings.TrimSpace(both), "\n")
	for i, line := range lines[1:] {
		f := strings.Split(line, ",")
		if f[3] == "1" {
			f[2] = "1"
		}
		lines[i+1] = strings.Join(f[:3], ",") + ","
	}
	lines[0] = "id,text,any,home"
	cmdtest.WriteFile(t, either, strings.Join(lines, "\n")+"\n")
	var r2 report
	stdout, stderr, code := bertlabel(t, "", "eval", "--model", filepath.Join(dir, "merged"), "--data", either)
	if err := json.Unmarshal([]byte(stdout), &r2); err != nil || !(r2.PerLabel["any"].F1 > 0.95) {
		t.Errorf("exit %d, %v, %+v, %s", code, err, r2, stderr)
	}
	var record struct {
		Solver  string
		Changes []struct {
			Action string
			Names  []string
		} `json:"label_changes"`
	}
	if err := json.Unmarshal(merged.Training(), &record); err != nil || record.Solver != "lbfgs" || len(record.Changes) != 2 ||
		record.Changes[1].Action != "merge" {
		t.Errorf("%s, %v", merged.Training(), err)
	}

	// In place.
	if _, stderr, code := bertlabel(t, "", "labels", "drop", "--model", baseDir, "--names", "colour", "--output", baseDir,
		"--overwrite"); code != cli.ExitOK {
		t.Errorf("in place: exit %d, %s", code, stderr)
	} else if !slices.Equal(logitsOf(t, baseDir)["animal"], before["animal"]) {
		t.Error("in place: other logits")
	}
}

// Under an encoder that was trained for other labels a new one is found too: the encoder stays as it is from here on.
func TestLabelsOfTunedEncoder(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	task.run(t, "tuned", "--tune", "last:1", "--pooling", "mean", "--train-batch-size", "16", "--tensorboard=false")
	before := logitsOf(t, filepath.Join(task.dir, "tuned"))
	fresh, out := filepath.Join(task.dir, "new.csv"), filepath.Join(task.dir, "added")
	cmdtest.WriteFile(t, fresh, strings.Replace(cmdtest.LabelledCSV(60, 3), "animal,colour", "beast,hue", 1))
	if _, stderr, code := bertlabel(t, "", "labels", "add", "--model", filepath.Join(task.dir, "tuned"), "--names", "beast,hue",
		"--train", fresh, "--output", out); code != cli.ExitOK {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	after := logitsOf(t, out)
	for label := range before {
		if !slices.Equal(after[label], before[label]) {
			t.Errorf("label %s has other logits", label)
		}
	}
	lines := strings.Split(strings.TrimSpace(strings.Replace(cmdtest.LabelledCSV(60, 4), "animal,colour", "beast,hue", 1)), "\n")
	cmdtest.WriteFile(t, fresh, lines[0]+",animal,colour\n"+strings.Join(lines[1:], ",,\n")+",,\n")
	if r := evaluate(t, "--model", out, "--data", fresh); len(after) != 4 || !(r.PerLabel["beast"].F1 > 0.9) {
		t.Errorf("%d labels, %+v", len(after), r)
	}
}

func TestLabelsRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, []string{"animal", "colour"}))
	good := filepath.Join(dir, "good.csv")
	cmdtest.WriteFile(t, good, "text,fish\ncat,1\nmat,1\nhat,\n")
	out := " --output " + filepath.Join(dir, "out")
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"", "needs one of add, drop, rename, merge", cli.ExitUsage},
		{"remove --model m --names a" + out, "add, drop, rename, merge", cli.ExitUsage},
		{"drop --model " + folder + out, "labels needs --names", cli.ExitUsage},
		{"add --model " + folder + " --names fish" + out, "needs --train", cli.ExitUsage},
		{"drop --train x --model " + folder + " --names animal" + out, "no use for --train", cli.ExitUsage},
		{"rename --model " + folder + " --names animal" + out, "--into", cli.ExitUsage},
		{"drop --into x --model " + folder + " --names animal" + out, "--into", cli.ExitUsage},
		{"rename --into x --model " + folder + " --names animal,colour" + out, "takes one", cli.ExitUsage},
		{"rename --into colour --model " + folder + " --names animal" + out, `"colour" already`, cli.ExitUsage},
		{"merge --into x --train " + good + " --model " + folder + " --names animal" + out, "two or more", cli.ExitUsage},
		{"drop --model " + folder + " --names animal,animal" + out, "twice", cli.ExitUsage},
		{"drop --model " + folder + " --names animl" + out, "did you mean animal?", cli.ExitUsage},
		{"drop --model " + folder + " --names animal,colour" + out, "no label would be left", cli.ExitUsage},
		{"add --model " + folder + " --names colour --train " + good + out, `"colour" already`, cli.ExitUsage},
		{"add --tune-thresholds --model " + folder + " --names fish --train " + good + out, "--dev", cli.ExitUsage},
		{"drop --calibrate --model " + folder + " --names animal" + out, "makes no new label", cli.ExitUsage},
		{"add --model " + folder + " --names bird --train " + good + out, "bird", cli.ExitData},
		{"add --model " + folder + " --names fish --train " + good + out, "2 rows that say 1 and 0 that say 0", cli.ExitData},
		{"drop --model " + cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil)) + " --names animal" + out, "has no head",
			cli.ExitModel},
		{"drop --model " + folder + " --names animal --output " + folder, "is not empty", cli.ExitUsage},
	} {
		stdout, stderr, code := bertlabel(t, "", append([]string{"labels"}, strings.Fields(c.args)...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("labels %s: exit %d, want %d; stdout %q, stderr %q, want %q", c.args, code, c.code, stdout, stderr, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("a refused change has made its output folder")
	}
}

// A head that tune has calibrated has samples of its own; a model without samples stays without.
func TestTuneSamples(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	task.run(t, "base")
	base := filepath.Join(task.dir, "base")
	open := func(dir string) *model.Model {
		m, err := model.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	tune := func(name string) *model.Model {
		out := filepath.Join(task.dir, name)
		if _, stderr, code := bertlabel(t, "", "tune", "--model", base, "--dev", task.train, "--calibrate=platt", "--output",
			out); code != cli.ExitOK {
			t.Fatalf("exit %d, %s", code, stderr)
		}
		return open(out)
	}
	m := open(base)
	samplesHold(t, m)
	tuned := tune("tuned")
	samplesHold(t, tuned)
	p, err := m.Predict(t.Context(), []model.Text{{A: tuned.Samples[0].Text}})
	if err != nil {
		t.Fatal(err)
	}
	if tuned.CheckSample(&tuned.Samples[0], p[0].Probabilities) == nil {
		t.Error("the samples of a calibrated head hold for the one before")
	}
	m.Samples = nil
	if err := m.Save(base, nil); err != nil {
		t.Fatal(err)
	}
	if old := tune("old"); old.Samples != nil {
		t.Errorf("a model without samples has %d now", len(old.Samples))
	}
}
