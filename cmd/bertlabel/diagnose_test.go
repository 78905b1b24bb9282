package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// untrainedFolder saves a BERT as it is before training, with a head.
func untrainedFolder(t *testing.T) string {
	t.Helper()
	m := cmdtest.TinyModel(t, 1, bert.CLS, []string{"animal", "colour"})
	fresh, err := bert.New(m.Encoder.Config)
	if err != nil {
		t.Fatal(err)
	}
	fresh.Init(rand.New(rand.NewPCG(1, 2)))
	m.Encoder = fresh
	return cmdtest.ModelFolder(t, m)
}

// halfLoadedFolder saves a model of which one layer's normalisations were lost, large enough for its parts to be judged.
func halfLoadedFolder(t *testing.T) string {
	t.Helper()
	m := cmdtest.ModelOfWidth(t, 32, 1, bert.CLS, []string{"animal", "colour"})
	norm := m.Encoder.Layers[1].OutputNorm
	for i := range norm.Gamma.Value {
		norm.Gamma.Value[i], norm.Beta.Value[i] = 1, 0
	}
	return cmdtest.ModelFolder(t, m)
}

// headFolder saves a model with two labels whose head is changed by f, given its weights [2, 16] and bias [2].
func headFolder(t *testing.T, f func(weights, bias []float32)) string {
	t.Helper()
	m := cmdtest.TinyModel(t, 1, bert.CLS, []string{"animal", "colour"})
	f(m.Head.Weights.Value, m.Head.Bias.Value)
	return cmdtest.ModelFolder(t, m)
}

// Each way to a useless model is named, with its remedy, by the verbs that see it.
func TestDiagnosis(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		cmdtest.WriteFile(t, path, text)
		return path
	}
	rows, dev := file("rows.csv", cmdtest.LabelledCSV(80, 1)), file("dev.csv", cmdtest.LabelledCSV(80, 2))
	swapped := file("swapped.csv", strings.Replace(cmdtest.LabelledCSV(80, 3), "animal,colour", "colour,animal", 1))
	animals := file("animals.csv", strings.ReplaceAll(cmdtest.LabelledCSV(80, 4), "mat", "cat")+strings.Repeat("x,the cat,1,0\n", 80))
	long := file("long.csv", strings.ReplaceAll(cmdtest.LabelledCSV(80, 5), "home", strings.Repeat("home ", 12)))
	base := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil))
	sound := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.CLS, []string{"animal", "colour"}))
	constant := headFolder(t, func(weights, _ []float32) { clear(weights) })
	oneConstant := headFolder(t, func(weights, _ []float32) { clear(weights[:16]) })
	softmax := headFolder(t, func(weights, bias []float32) {
		for i := range 16 {
			weights[16+i] = -weights[i]
		}
		bias[1] = -bias[0]
	})
	for _, c := range []struct{ args, want string }{
		{"eval --model " + untrainedFolder(t) + " --data " + rows, "before any training"},
		{"predict --model " + untrainedFolder(t) + " --input " + rows, "before any training"},
		{"train --model " + untrainedFolder(t) + " --train " + rows, "before any training"},
		{"eval --model " + halfLoadedFolder(t) + " --data " + rows, "(layer_1; such as bert/encoder/layer_1/output/LayerNorm/gamma)"},
		{"predict --model " + halfLoadedFolder(t) + " --input " + rows, "1 of the encoder's 3 parts"},
		{"train --tune all --model " + halfLoadedFolder(t) + " --max-steps 1 --train " + rows, "1 of the encoder's 4 parts"},
		{"train --learning-rate 5e-5 --model " + base + " --train " + rows, "far too low for a head"},
		{"train --tune all --learning-rate 1e-2 --max-steps 1 --model " + base + " --train " + rows,
			"far too high for a pre-trained encoder"},
		{"train --learning-rate 1e-3 --max-steps 3 --model " + base + " --train " + rows, "learnt nothing"},
		{"train --tune last:1 --max-steps 3 --model " + base + " --train " + rows, "learnt nothing"},
		{"train --pooling mean --learning-rate 0.5 --model " + base + " --train " + rows + " --dev " + swapped, "by heart"},
		{"train --tune all --pooling mean --learning-rate 1e-3 --num-train-epochs 30 --eval-steps 10 --model " + base + " --train " +
			rows + " --dev " + swapped, "the loss on dev rose"},
		{"train --max-steps 1 --model " + base + " --train " + rows + " --dev " + animals, `1 of 2 labels are far more frequent in one of`},
		{"train --max-steps 1 --model " + base + " --train " + rows + " --dev " + long, "differ in length"},
		{"train --max-steps 1 --max-seq-length 5 --model " + base + " --train " + rows,
			"Raise --max-seq-length (the model takes up to 24)"},
		{"eval --max-seq-length 5 --model " + sound + " --data " + rows, "80 of 80 texts (100.0 %) were longer than 5 tokens"},
		{"predict --max-seq-length 5 --model " + sound + " --input " + rows, "80 of 80 texts (100.0 %) were longer than 5 tokens"},
		{"eval --model " + constant + " --data " + rows, "all 80 rows have the same scores"},
		{"predict --model " + constant + " --input " + rows, "all 80 rows have the same scores"},
		{"predict --model " + oneConstant + " --input " + rows, `the same score for "animal"`},
		{"eval --model " + softmax + " --data " + rows, "of 80 rows add up to 1"},
		{"predict --model " + softmax + " --input " + rows, "of 80 rows add up to 1"},
		{"eval --threshold 1 --model " + sound + " --data " + rows, `2 of 2 labels are predicted for none of 80 rows`},
		{"eval --threshold 0 --model " + sound + " --data " + rows, `2 of 2 labels are predicted for every row`},
		{"predict --threshold 1 --model " + sound + " --input " + rows, `labels are predicted for none of 80 rows`},
		{"predict --threshold 0 --model " + sound + " --input " + rows, `2 of 2 labels are predicted for every row`},
		{"train --max-steps 1 --learning-rate 1e-3 --bias-init log-odds --model " + base + " --train " + rows + " --dev " + dev,
			"are predicted for"},
	} {
		args := strings.Fields(c.args)
		if args[0] == "train" {
			args = append(args, "--output", filepath.Join(t.TempDir(), "out"))
		}
		_, stderr, code := bertlabel(t, "", append(args, "--quiet")...)
		found := false
		for line := range strings.Lines(stderr) {
			found = found || strings.HasPrefix(line, "warning: ") && strings.Contains(line, c.want)
		}
		if code != cli.ExitOK || !found {
			t.Errorf("bertlabel %s: exit %d, want a warning with %q\n%s", c.args, code, c.want, stderr)
		}
	}
}

// rareCSV returns 600 rows with a label that one row in ten has: four in ten of those with a word, few of the others.
func rareCSV(seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 8))
	text := "text,animal\n"
	for range 600 {
		word, share, animal := "mat", 0.04, 0
		if rng.IntN(6) == 0 {
			word, share = "cat", 0.4
		}
		if rng.Float64() < share {
			animal = 1
		}
		text += fmt.Sprintf("the %s %s %s,%d\n", word, []string{"sat", "ran"}[rng.IntN(2)], strings.Repeat("home ", rng.IntN(9)), animal)
	}
	return text
}

// A run that goes well is told nothing, from the training to the prediction.
func TestNoFalseDiagnosis(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows, dev, output := filepath.Join(dir, "rows.csv"), filepath.Join(dir, "dev.csv"), filepath.Join(dir, "out")
	cmdtest.WriteFile(t, rows, cmdtest.LabelledCSV(200, 1))
	cmdtest.WriteFile(t, dev, cmdtest.LabelledCSV(60, 2))
	rare, rareDev := filepath.Join(dir, "rare.csv"), filepath.Join(dir, "rare-dev.csv")
	cmdtest.WriteFile(t, rare, rareCSV(3))
	cmdtest.WriteFile(t, rareDev, rareCSV(4))
	base := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil))
	for _, args := range []string{
		"train --pooling mean --solver lbfgs --pos-weight balanced --calibrate --tune-thresholds --model " + base + " --train " + rare +
			" --dev " + rareDev + " --output " + output,
		"train --overwrite --pooling mean --solver lda --l2 1 --model " + base + " --train " + rare + " --output " + output,
		"train --overwrite --pooling mean --solver lda --tune-thresholds --model " + base + " --train " + rare + " --dev " + rareDev +
			" --output " + output,
		"eval --model " + output + " --data " + rareDev,
		"train --overwrite --pooling mean --learning-rate 0.1 --num-train-epochs 20 --model " + base + " --train " + rows + " --output " +
			output,
		"eval --model " + output + " --data " + dev,
		"predict --model " + output + " --input " + dev,
		"train --overwrite --tune all --pooling mean --learning-rate 1e-3 --num-train-epochs 20 --model " + base + " --train " + rows +
			" --output " + output,
		"eval --model " + output + " --data " + dev,
		"predict --model " + output + " --input " + dev,
	} {
		_, stderr, code := bertlabel(t, "", append(strings.Fields(args), "--quiet")...)
		for line := range strings.Lines(stderr) {
			ofTheData := strings.Contains(line, "with different labels") || strings.Contains(line, "have a text that is in")
			if strings.HasPrefix(line, "warning: ") && !ofTheData {
				t.Errorf("bertlabel %s: %s", args, line)
			}
		}
		if code != cli.ExitOK {
			t.Errorf("bertlabel %s: exit %d\n%s", args, code, stderr)
		}
	}
}
