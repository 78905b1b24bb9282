package main

import (
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// What is said is what is to be done: each message is followed by the command, or the edit, that it names, and the error is gone. @ is the
// folder of the case, M a model without a head, H one with five labels, and $ a folder of the case's own.
func TestFieldAdvice(t *testing.T) {
	t.Parallel()
	plain := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, nil))
	head := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger", "sadness", "fear", "surprise"}))
	type step struct {
		args           string
		code           int
		stdout, stderr string // parts
	}
	for _, c := range []struct {
		folder string
		steps  []step
	}{
		{"23-all-unk", []step{
			{"train --model M --train @/cyrillic.csv --output $/o --max-steps 30 --pooling mean", 0, "", "100.0 % of the tokens are [UNK]"},
			{"predict --model $/o --input @/cyrillic.csv", 0, "", "100.0 % of the tokens are [UNK]"},
			{"eval --model $/o --data @/cyrillic.csv", 0, "", "100.0 % of the tokens are [UNK]"},
			{"embed --model $/o --input @/cyrillic.csv", 0, "", "100.0 % of the tokens are [UNK]"},
			{"tune --model $/o --dev @/cyrillic.csv", 0, "", "100.0 % of the tokens are [UNK]"},
			{"check-data --model M --train @/cyrillic.csv", 0, "", "100.0 % of the tokens are [UNK]"},
			{"train --model M --train @/capitals.csv --output $/c --max-steps 3 --do-lower-case=false", 0, "", "Give --do-lower-case, as"},
		}},
		{"25-threshold-out-of-range", []step{
			{"metrics --truth @/truth.csv --scores @/scores.csv --threshold 1.5", 2, "", "want 0 to 1"},
			{"metrics --truth @/truth.csv --scores @/scores.csv --threshold=-1", 2, "", "want 0 to 1"},
			{"metrics --truth @/truth.csv --scores @/scores.csv --threshold 0,5", 2, "", "a decimal point is a point"},
			{"metrics --truth @/truth.csv --scores @/scores.csv --threshold @/bad.json", 2, "", "found 5 for"},
			{"metrics --truth @/truth.csv --scores @/scores.csv --threshold 0.5", 0, "f1_macro", ""},
		}},
		{"27-output-suffix", []step{
			{"predict --model H --input @/texts.csv --output $/p.csv", 0, "", ""},
			{"metrics --truth @/truth.csv --scores $/p.csv", 0, "f1_macro", ""},
		}},
		{"28-thresholds-afterwards", []step{
			{"predict --model H --input @/dev.csv --threshold @/thresholds.json", 0, "probabilities", ""},
			{"predict --model H --input @/dev.csv --threshold 0.5,0.1,0.9,0.3,0.4", 0, "probabilities", ""},
			{"predict --model H --input @/dev.csv --threshold 0.5,0.1", 2, "", "found 2 numbers, want one, or one for each of 5 labels"},
			{"eval --model H --data @/dev.csv --threshold @/thresholds.json", 0, `"threshold":[0.5,0.1,0.9,0.3,0.4]`, ""},
			{"tune --model H --dev @/dev.csv --output $/tuned --threshold-objective f2", 0, "f1_macro", "thresholds were 0.5, are"},
			{"tune --model H --dev @/dev.csv --output $/tuned", 2, "", "--overwrite"},
			{"tune --model $/tuned --dev @/dev.csv --tune-thresholds global --precision int8", 0, "f1_macro", "wrote"},
			{"tune --model $/tuned --dev @/dev.csv --calibrate temperature", 0, "f1_macro", "calibrated on dev"},
			{"predict --model $/tuned --input @/dev.csv", 0, "probabilities", "tuned guarded for f1"},
		}},
		{"30-more-epochs", []step{
			{"train --model M --train @/train.csv --tune last:1 --train-batch-size 2 --output $/o --num-train-epochs 1", 0, "", ""},
			{"train --model M --train @/train.csv --tune last:1 --train-batch-size 2 --output $/o --num-train-epochs 2 --resume", 2, "",
				"train the finished model on: --model OLD --output NEW"},
			{"train --model $/o --train @/train.csv --tune last:1 --train-batch-size 2 --output $/new --num-train-epochs 1", 0, "", ""},
		}},
		{"32-pos-weight-number", []step{
			{"train --model M --train @/train.csv --output $/o --max-steps 2 --pos-weight 3", 0, "", ""},
			{"train --model M --train @/train.csv --output $/p --max-steps 2 --pos-weight three", 2, "", "want a number, balanced, or a JSON file"},
			{"train --model M --train @/train.csv --output $/p --max-steps 2 --pos-weight -1", 2, "", "want a number above 0"},
			{"train --model M --train @/train.csv --output $/p --max-steps 2 --pos-weight balanced", 0, "", ""},
		}},
		{"33-flags-that-may-stand-alone", []step{
			{"train --model M --train @/train.csv --dev @/train.csv --output $/a --max-steps 2 --tune-thresholds per-label", 0, "", "per-label"},
			{"train --model M --train @/train.csv --dev @/train.csv --output $/b --max-steps 2 --calibrate platt", 0, "", "platt"},
			{"train --model M --train @/train.csv --output $/c --max-steps 2 --do_lower_case False", 0, "", ""},
			{"train --model M --train @/train.csv --output $/d --max-steps 2 --calibrate maybe", 2, "", "unexpected argument"},
			{"help train", 0, "--calibrate[=platt|temperature]", ""},
			{"help train", 0, "--tune-thresholds[=guarded|per-label|global|none]", ""},
			{"train --model M --train @/train.csv --dev @/train.csv --output $/e --max-steps 2 --best-metric macro_f1", 2, "",
				"want f1_macro perhaps; there are precision_micro"},
			{"train --model M --train @/train.csv --dev @/train.csv --output $/e --max-steps 2 --best-metric f1_macro", 0, "", ""},
			{"predict --model M/vocab.txt --input @/train.csv", 4, "", "name its folder, M"},
			{"predict --model M/bert_config.json --input @/train.csv", 4, "", "name its folder, M"},
			{"predict --model H --input @/train.csv", 0, "probabilities", ""},
		}},
		{"33-flags-that-may-stand-alone", []step{ // whose rows have one label each
			{"check-data --train @/train.csv", 0, "", "every row has exactly one of 2 labels"},
			{"train --model M --train @/train.csv --output $/a --max-steps 2", 0, "", "train --exactly-one makes the model predict"},
			{"train --model M --train @/train.csv --output $/x --max-steps 2 --exactly-one", 0, "", ""},
			{"eval --model $/x --data @/train.csv", 0, `"accuracy":`, "accuracy "},
			{"eval --model $/a --data @/train.csv --exactly-one", 0, `"accuracy":`, "accuracy "},
			{"predict --model $/x --input @/train.csv --output-format jsonl", 0, `{"labels":["`, ""},
			{"predict --model $/x --input @/train.csv --output $/p.csv", 0, "", ""},
			{"metrics --truth @/train.csv --scores $/p.csv --exactly-one", 0, `"accuracy":`, "accuracy "},
			{"predict --model $/a --input @/train.csv --exactly-one --threshold 0.5", 2, "", "leave out --threshold"},
			{"train --model M --train @/../02-space-after-comma/train.csv --output $/y --max-steps 2 --exactly-one", 0, "",
				"not every row has exactly one label"},
		}},
		{"35-version-flag", []step{{"--version", 0, "bertlabel ", ""}, {"-v", 2, "", "--version"}, {"train --version", 2, "",
			"bertlabel --version"}}},
		{"39-soft-labels", []step{
			{"train --model M --train @/soft.csv --output $/o --max-steps 2", 3, "", "--binarize 0.5"},
			{"train --model M --train @/soft.csv --output $/o --max-steps 2 --binarize 0.5", 0, "", ""},
			{"check-data --train @/soft.csv --binarize 0.7 --json", 0, `"positive": 1`, ""},
			{"check-data --train @/soft.csv --binarize 0.71 --json", 0, `"positive": 0`, ""},
			{"train --model M --train @/soft.csv --output $/s --max-steps 2", 3, "", "train and embed take shares as they are with --soft-labels"},
			{"train --model M --train @/soft.csv --output $/s --max-steps 2 --soft-labels", 0, "", ""},
			{"train --model M --train @/soft.csv --output $/l --solver lbfgs --l2 1 --soft-labels", 0, "", ""},
			{"train --model M --train @/soft.csv --output $/d --solver lda --l2 1 --soft-labels", 0, "", ""},
			{"train --model M --train @/soft.csv --output $/t --tune last:1 --max-steps 2 --soft-labels", 0, "", ""},
			{"train --model M --train @/soft.csv --output $/t --tune last:1 --max-steps 2 --soft-labels --resume", 0, "", ""},
			{"train --model M --train @/soft.csv --output $/t --tune last:1 --max-steps 2 --binarize 0.5 --resume", 2, "", "soft_labels was true"},
			{"train --model M --train @/soft.csv --dev @/soft.csv --output $/e --max-steps 2 --soft-labels", 2, "", "give --binarize 0.5"},
			{"train --model M --train @/soft.csv --dev @/soft.csv --output $/e --max-steps 2 --soft-labels --binarize 0.5", 0, "", ""},
			{"train --model M --train @/soft.csv --output $/f --max-steps 2 --soft-labels --folds 2", 2, "", "give --binarize 0.5"},
			{"train --model M --train @/../32-pos-weight-number/train.csv --output $/h --max-steps 2 --soft-labels", 0, "", "changes nothing"},
			{"check-data --train @/soft.csv --soft-labels --json", 0, `"shares": 2`, "from 0.5 on are counted"},
			{"check-data --train @/soft.csv --soft-labels --binarize 0.1", 0, `"positive": 2`, "(2 shares in train, mean 0.300)"},
			{"eval --model $/s --data @/soft.csv --soft-labels", 2, "", "here --binarize T says"},
			{"eval --model $/s --data @/soft.csv", 3, "", "--binarize 0.5"}, {"eval --model $/s --data @/soft.csv --binarize 0.5", 0, "f1_macro",
				""},
			{"predict --model $/s --input @/soft.csv --output $/p.csv", 0, "", ""},
			{"metrics --truth @/soft.csv --scores $/p.csv", 3, "", "--binarize 0.5"},
			{"metrics --truth @/soft.csv --scores $/p.csv --binarize 0.5", 0, "f1_macro", ""},
			{"metrics --truth @/soft.csv --scores $/p.csv --binarize 0", 2, "", "--binarize 0: want"},
			{"check-data --train @/../12-jsonl-label-columns/words.fasttext --soft-labels", 2, "", "--soft-labels means nothing"},
		}},
	} {
		t.Run(c.folder, func(t *testing.T) {
			t.Parallel()
			own := t.TempDir()
			words := strings.NewReplacer("@/", filepath.Join("testdata", "field", c.folder)+"/", "$/", own+"/", "M/", plain+"/", " M ",
				" "+plain+" ",
				" H ", " "+head+" ")
			for _, s := range c.steps {
				stdout, stderr, code := bertlabel(t, "", strings.Fields(words.Replace(s.args+" "))...)
				want := strings.Replace(s.stderr, ", M", ", "+plain, 1)
				if code != s.code || !strings.Contains(stdout, s.stdout) || !strings.Contains(stderr, want) {
					t.Errorf("%s: exit %d, stdout %.300s, stderr %s\nwant exit %d, %q, %q", s.args, code, stdout, stderr, s.code, s.stdout, want)
				}
				if strings.Contains(c.folder, "unk") && (strings.Contains(stderr, "learning-rate") || strings.Contains(stderr, "check the weights")) {
					t.Errorf("%s blames something else: %s", s.args, stderr)
				}
			}
		})
	}
}

// A head without names takes those of --labels, and keeps them where it is tuned; a list that contradicts a model's is refused.
func TestFieldLabelList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger"}))
	cmdtest.WriteFile(t, filepath.Join(dir, "joy.txt"), "joy\nanger\n")
	cmdtest.WriteFile(t, filepath.Join(dir, "swapped.txt"), "anger\njoy\n")
	cmdtest.WriteFile(t, filepath.Join(dir, "three.txt"), "joy\nanger\nfear\n")
	cmdtest.WriteFile(t, filepath.Join(dir, "rows.csv"), "text,joy,anger\nthe cat,1,0\na dog,0,1\n")
	unnamed := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"LABEL_0", "LABEL_1"}))
	cmdtest.WriteFile(t, filepath.Join(unnamed, "labels.txt"), "LABEL_0\nLABEL_1\n")
	for _, c := range []struct {
		model, list    string
		code           int
		stdout, stderr string
	}{
		{model, "joy.txt", cli.ExitOK, `"joy"`, ""}, {model, "swapped.txt", cli.ExitUsage, "", `has "anger" as label 1, the model "joy"`},
		{model, "three.txt", cli.ExitUsage, "", "has 3 labels, the model 2"}, {unnamed, "joy.txt", cli.ExitOK, `"joy"`, ""},
		{unnamed, "three.txt", cli.ExitUsage, "", "has 3 labels, the model 2"},
	} {
		for _, verb := range []string{"predict --input", "eval --data", "tune --output " + filepath.Join(t.TempDir(), "t") + " --dev"} {
			args := append(strings.Fields(verb), filepath.Join(dir, "rows.csv"), "--model", c.model, "--labels", filepath.Join(dir, c.list))
			stdout, stderr, code := bertlabel(t, "", args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("%v: exit %d, %s, %s", args, code, stdout, stderr)
			}
		}
	}
	_, stderr, code := bertlabel(t, "", "embed", "--model", model, "--input", filepath.Join(dir, "rows.csv"), "--labels",
		filepath.Join(dir, "joy.txt"))
	if code != cli.ExitUsage || !strings.Contains(stderr, "--labels is about labels") {
		t.Errorf("embed: exit %d, %s", code, stderr)
	}
}
