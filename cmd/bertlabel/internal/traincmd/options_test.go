package traincmd

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bertlabel/train/fit"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// parse returns what a command line of train says, without running it. It asks for no baseline, and trains on texts unless it has
// --features.
func parse(t *testing.T, args ...string) (said *training, err error) {
	t.Helper()
	cmd := newTrain(func(_ context.Context, _ *cobra.Command, parsed *training) error {
		said = parsed
		return nil
	})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	args = append([]string{"--model", "m", "--output", "o", "--baseline=false"}, args...)
	if !slices.Contains(args, "--features") {
		args = append(args, "--train", "t.csv")
	}
	cmd.SetArgs(args)
	err = cmd.Execute()
	return said, err
}

// flat writes every field of v that is not zero as path=value.
func flat(to map[string]string, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			if v.Kind() == reflect.Interface {
				to[path] = fmt.Sprintf("%s%+v", v.Elem().Type().Name(), v.Elem())
				return
			}
			if v.Elem().Kind() != reflect.Struct {
				to[path] = fmt.Sprint(v.Elem())
			}
			flat(to, path, v.Elem())
		}
	case reflect.Struct:
		if v.NumField() == 2 && v.Type().Name() == "Aim" {
			to[path] = v.Field(0).String()
			return
		}
		for i := range v.NumField() {
			flat(to, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Func:
	default:
		switch {
		case v.IsZero():
		case v.CanInterface():
			to[path] = fmt.Sprint(v.Interface())
		default:
			to[path] = fmt.Sprint(v)
		}
	}
}

// fieldsOf returns what a command line says, field by field.
func fieldsOf(t *training) map[string]string {
	all := map[string]string{}
	for name, part := range map[string]any{"model": t.model, "rows": t.rows, "options": t.options, "train": t.train,
		"features": t.features, "devFeatures": t.devFeatures, "auto": t.auto,
		"weights": t.weights, "baseline": t.baseline, "exactlyOne": t.exactlyOne, "tensorboard": t.tensorboard, "plots": t.plots,
		"autoLength": t.autoLength,
		"choice":     t.choice} {
		flat(all, name, reflect.ValueOf(part))
	}
	return all
}

// Every flag of train sets what it says and nothing else: the fields that are not as without it.
func TestTrainFlags(t *testing.T) {
	t.Parallel()
	bare, err := parse(t, "--recipe", fit.Google)
	if err != nil {
		t.Fatal(err)
	}
	base := fieldsOf(bare)
	layers, err := parse(t, "--recipe", fit.Google, "--tune", "last:1")
	if err != nil {
		t.Fatal(err)
	}
	const onLayers = "--tune  last:1 "                                                                       // two spaces: not the cases that are about it
	tested := map[string]bool{"model": true, "train": true, "output": true, "recipe": true, "offline": true} // TestRecipes
	for _, c := range []struct{ args, want string }{
		{"--bert-config-file c", "model.ConfigFile=c"},
		{"--vocab-file v", "model.VocabFile=v"},
		{"--init-checkpoint i", "model.InitCheckpoint=i"},
		{"--hidden-act gelu_erf", "model.HiddenAct=gelu_erf"},
		{"--do-lower-case", "model.LowerCase=true"},
		{"--max-seq-length 9", "model.MaxSeqLength=9"},
		{"--keep-tokens [A],[B]", "model.KeepTokens=[[A] [B]]"},
		{"--format jsonl", "rows.Options.Format=jsonl"},
		{"--no-header", "rows.Options.NoHeader=true"},
		{"--text-column x", "rows.Options.TextColumn=x"},
		{"--text-pair-column x", "rows.Options.PairColumn=x"},
		{"--id-column x", "rows.Options.IDColumn=x"},
		{"--labels-column x", "rows.Options.LabelsColumn=x"},
		{"--label-columns x,y", "rows.Options.LabelColumns=[x y]"},
		{"--label-separator ;", "rows.Options.LabelSeparator=;"},
		{"--label-prefix __tag__", "rows.Options.LabelPrefix=__tag__"},
		{"--ignore-variables */m,x/*", "model.IgnoreVariables=[*/m x/*] model.strictPatterns=true"},
		{"--exactly-one", "exactlyOne=true"},
		{"--binarize 0.5", "rows.Options.Binarize=0.5"},
		{"--missing-labels none", "rows.Options.Missing=none"},
		{"--delimiter ;", "rows.Options.Delimiter=;"},
		{"--labels l.txt", "rows.LabelsFile=l.txt"},
		{"--on-bad-row skip", "rows.Options.OnBadRow=skip"},
		{"--max-bad-rows 3%", "rows.MaxBad=3%"},
		{"--bad-rows b", "rows.BadRowsFile=b"},
		{"--on-long error", "options.OnLong=error rows.Options.OnLong=error"},
		{"--strict-utf8", "rows.Options.StrictUTF8=true"},
		{"--drop-unknown-labels", "rows.Options.DropUnknown=true"},
		{"--soft-labels", "rows.Options.SoftLabels=true"},
		{"--dev d.csv", "options.Dev.File=d.csv"},
		{"--precision bf16", "options.Precision=bf16"},
		{"--overwrite", "options.Folder.Overwrite=true"},
		{"--tune last:2", "options.Config.Epochs=3 options.Config.LearningRate=5e-05 options.Tune=last:2"},
		{"--tune all", "options.Config.Epochs=3 options.Config.LearningRate=5e-05 options.Tune=all"},
		{"--pooling mean:-1..-3", "options.Pooling=mean:-1..-3"},
		{"--pooling auto --dev d --solver lbfgs", "auto=true options.Dev.File=d options.Poolings=[cls mean] options.Solver=lbfgs"},
		{"--features-cache c", "options.Cache=c"},
		{"--baseline --dev d", "baseline=true options.Dev.File=d"},
		{"--folds 4", "options.Folds=4"},
		{"--train-batch-size 7", "options.Config.BatchSize=7"},
		{"--learning-rate 0.5", "options.Config.LearningRate=0.5"},
		{"--num-train-epochs 2.5", "options.Config.Epochs=2.5"},
		{"--max-steps 7", "options.Config.MaxSteps=7"},
		{"--warmup-proportion 0.3", "options.Config.WarmupProportion=0.3"},
		{"--weight-decay 0.3", "options.Config.WeightDecay=0.3"},
		{"--optimizer adamw", "options.Config.Optimizer=adamw"},
		{"--clip-norm 0", "options.Config.ClipNorm="},
		{"--dropout 0.3", "options.Config.Dropout=0.3 options.EncoderDropout=0.3"},
		{"--gradient-accumulation-steps 3", "options.Config.AccumulationSteps=3"},
		{"--seed 7", "options.Config.Seed=7"},
		{"--shuffle=false", "options.Config.Shuffle="},
		{"--log-steps 3", "options.Config.LogSteps=3"},
		{"--eval-steps 3 --dev d", "options.Config.EvalSteps=3 options.Dev.File=d"},
		{"--best-metric roc_auc_macro --dev d", "options.Config.BestMetric=roc_auc_macro options.Dev.File=d"},
		{"--early-stopping 3 --dev d", "options.Config.EarlyStopping=3 options.Dev.File=d"},
		{"--on-nan skip", "options.Config.OnNaN=skip"},
		{"--tune-thresholds --dev d", "options.Dev.File=d options.Tuning.Thresholds=guarded"},
		{"--tune-thresholds=per-label --dev d", "options.Dev.File=d options.Tuning.Thresholds=per-label"},
		{"--tune-thresholds=global --dev d --threshold-objective f2",
			"options.Dev.File=d options.Tuning.Aim=f2 options.Tuning.Thresholds=global"},
		{"--tune last:1 --refit none", "options.Config.Epochs=3 options.Config.LearningRate=5e-05 options.Tune=last:1"},
		{"--tune last:1 --dev d --refit lda",
			"options.Config.Epochs=3 options.Config.LearningRate=5e-05 options.Dev.File=d options.Refit=lda " +
				"options.Tune=last:1"},
		{"--tune last:1 --dev d --refit lbfgs --refit-pooling mean:-1..-2", "options.Config.Epochs=3 options.Config.LearningRate=5e-05 " +
			"options.Dev.File=d options.Refit=lbfgs options.RefitPooling=mean:-1..-2 options.Tune=last:1"},
		{"--calibrate --dev d", "options.Dev.File=d options.Tuning.Calibrate=platt"},
		{"--solver lda --l2 0.5", "options.L2=0.5 options.Solver=lda"},
		{"--loss focal", "options.Loss=Focal{Gamma:2 Alpha:0.25}"},
		{"--pos-weight balanced --pos-weight-cap 5", "options.Balance=5"},
		{"--pos-weight w.json", "options.Loss=WeightedSigmoidCrossEntropy{PosWeight:[]} options.LossSource=w.json weights=w.json"},
		{"--label-smoothing 0.1", "options.Loss=LabelSmoothing{Epsilon:0.1}"},
		{"--bias-init log-odds", "options.LogOddsBias=true"},
		{"--resume", "options.Folder.Resume=true"},
		{"--tune last:1 --resume-from p",
			"model.InitCheckpoint=p options.Config.Epochs=3 options.Config.LearningRate=5e-05 options.Folder.From=p options.Tune=last:1"},
		{onLayers + "--save-checkpoints-steps 0", "options.Folder.SaveSteps=-1"},
		{onLayers + "--keep-checkpoints 5", "options.Folder.Keep=5"},
		{onLayers + "--verify-save=false", "options.Folder.NoVerify=true"},
		{onLayers + "--tensorboard=false", "tensorboard="},
		{onLayers + "--recompute", "options.Recompute=true"},
		{onLayers + "--layerwise-lr-decay 0.9", "options.Config.LayerDecay=0.9"},
		{"--plots p", "plots=p"},
		{"--max-seq-length auto", "autoLength=true"},
		{"--windows all", "model.Windows.Most=-1"},
		{"--windows 3 --window-overlap 0.5", "model.Windows.Most=3 model.Windows.Overlap=0.5"},
		{"--windows all --window-pooling noisy-or", "model.Windows.Most=-1 options.WindowPooling=noisy-or"},
		{"--no-holdout", ""},
		{"--features f", "features=f train="},
		{"--features f --dev-features g", "devFeatures=g features=f options.Dev.File=g train="},
	} {
		said, err := parse(t, append([]string{"--recipe", fit.Google}, strings.Fields(c.args)...)...)
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		base, now := base, fieldsOf(said)
		if strings.HasPrefix(c.args, onLayers) {
			base = fieldsOf(layers)
		}
		var changed []string
		for path := range maps.Keys(union(base, now)) {
			if base[path] != now[path] {
				changed = append(changed, path+"="+now[path])
			}
		}
		slices.Sort(changed)
		if got := strings.Join(changed, " "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.args, got, c.want)
		}
		for _, word := range strings.Fields(c.args) {
			name, _, _ := strings.Cut(word, "=")
			tested[strings.TrimPrefix(name, "--")] = true
		}
	}
	newTrain(nil).Flags().VisitAll(func(f *pflag.Flag) {
		if !tested[f.Name] {
			t.Errorf("--%s is not tested", f.Name)
		}
	})
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// The recipe is what was asked for, else google where that is spelt or where there is nothing to choose by, else best; flags go first.
func TestRecipes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"", "best, a tenth held out: --tune last:2 --pooling mean --optimizer adamw --learning-rate 0.0003 --num-train-epochs 2 --refit lda " +
			"--tune-thresholds guarded"},
		{"--dev d", "best: --tune last:2 --pooling mean --optimizer adamw --learning-rate 0.0003 --num-train-epochs 2 --refit lda " +
			"--tune-thresholds guarded"},
		{"--no-holdout", "google: --tune head --pooling pooled --solver gradient --optimizer google --learning-rate 0.01 --num-train-epochs 10"},
		{"--folds 3", "google: --tune head --pooling pooled --solver gradient --optimizer google --learning-rate 0.01 --num-train-epochs 10"},
		{"--recipe google --dev d --tune all",
			"google: --tune all --pooling pooled --optimizer google --learning-rate 5e-05 --num-train-epochs 3"},
		{"--recipe fast", "fast, a tenth held out: --tune head --pooling auto --solver lda --tune-thresholds guarded"},
		{"--recipe fast --tune last:1 --dev d",
			"fast: --tune last:1 --pooling mean --optimizer google --learning-rate 5e-05 --num-train-epochs 3 --tune-thresholds guarded"},
		{"--recipe fast --solver gradient --dev d", "fast: --tune head --pooling mean --solver gradient --optimizer google " +
			"--learning-rate 0.01 --num-train-epochs 10 --tune-thresholds guarded"},
		{"--dev d --tune head", "best: --tune head --pooling mean --solver gradient --optimizer google --learning-rate 0.01 " +
			"--num-train-epochs 10 --tune-thresholds guarded"},
		{"--dev d --solver lbfgs --pooling cls", "best: --tune head --pooling cls --solver lbfgs --tune-thresholds guarded"},
		{"--dev d --tune all", "best: --tune all --pooling mean --optimizer google --learning-rate 5e-05 --num-train-epochs 2 --refit lda " +
			"--tune-thresholds guarded"},
		{"--dev d --refit none --tune-thresholds=none --learning-rate 1e-3 --optimizer google --num-train-epochs 1 --pooling cls",
			"best: --tune last:2 --pooling cls --optimizer google --learning-rate 0.001 --num-train-epochs 1"},
		{"--features f", "google: --tune head --pooling pooled --solver gradient --optimizer google --learning-rate 0.01 --num-train-epochs 10"},
		{"--features f --dev-features g", "fast: --tune head --pooling pooled --solver lda --tune-thresholds guarded"},
		{"--features f --dev-features g --solver lbfgs", "fast: --tune head --pooling pooled --solver lbfgs --tune-thresholds guarded"},
	} {
		said, err := parse(t, strings.Fields(c.args)...)
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		got := said.choice.name
		if said.choice.holdOut {
			got += ", a tenth held out"
		}
		if got += ": " + said.summary(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.args, got, c.want)
		}
		if want := said.choice.name != fit.Google; said.autoLength != want {
			t.Errorf("%s: --max-seq-length auto is %v, want %v", c.args, said.autoLength, want)
		}
	}
}

// What does not go together is refused, in the words of the command line, before anything is read.
func TestTrainFlagsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"--tune last:0", "last:N"},
		{"--tune layers", `tune "layers": want head, last:N or all`},
		{"--loss hinge", "bce, focal, asymmetric"},
		{"--loss focal --label-smoothing 0.1", "losses of their own"},
		{"--pos-weight balanced --pos-weight-cap 0", "--pos-weight-cap 0"},
		{"--bias-init one", "zero, log-odds"},
		{"--solver lbfgs --tune all", "`tune` head"},
		{"--solver lda", "lda chooses its strength"},
		{"--l2 1", "`weight_decay`"},
		{"--pooling auto", "give `dev` and `solver`"},
		{"--pooling sum", "--pooling: "},
		{"--baseline", "--dev or --folds"},
		{"--folds 3 --dev d", "takes the place"},
		{"--calibrate", "needs `dev`"},
		{"--resume --overwrite --tune all", "one of them"},
		{"--resume-from p", "give `tune` all or last:N"},
		{"--resume-from p --tune all --init-checkpoint i", "no place beside it"},
		{"--keep-checkpoints 0", "--keep-checkpoints 0"},
		{"--on-nan restore", "`tune` head writes none"},
		{"--learning-rate -1", "learning_rate is -1"},
		{"--refit newton --tune all --dev d", `refit "newton": want none, lbfgs, lda`},
		{"--refit lda --dev d", "follows the steps of `tune` last:N or all"},
		{"--refit lda --tune all", "`dev` chooses its share"},
		{"--refit-pooling mean --tune all", "give `refit` lbfgs or lda"},
		{"--refit lda --tune all --dev d --refit-pooling sum", "--refit-pooling: "},
		{"--refit lbfgs --loss focal --tune all --dev d", "not convex"},
		{"--early-stopping 2", "give `dev`"},
		{"--recipe good", `want best, fast, google`},
		{"--recipe best --no-holdout", "--recipe best chooses by rows that are not trained on"},
		{"--recipe fast --folds 3", "--recipe fast chooses by rows that are not trained on"},
		{"--no-holdout --dev d", "--no-holdout is for training without --dev"},
	} {
		if _, err := parse(t, append([]string{"--recipe", fit.Google}, strings.Fields(c.args)...)...); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}

// A command line of labels says what is to be done to which labels.
func TestLabelsFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want, bad string }{
		{"add --names a,b --train t --dev d --tune-thresholds", "add [a b]  t d guarded lbfgs 42", ""},
		{"merge --names a,b --into c --train t --seed 7", "merge [a b] c t   lbfgs 7", ""},
		{"rename --names a --into b", "rename [a] b    lbfgs 42", ""},
		{"drop --names a,b", "drop [a b]     lbfgs 42", ""},
		{"add --names a", "", "needs --train"},
		{"drop --names a --train t", "", "no use for --train"},
		{"rename --names a,b --into c", "", "takes one"},
		{"rename --names a", "", "--into"},
		{"merge --names a --into c --train t", "", "two or more"},
		{"drop --names a --calibrate", "", "no new label"},
		{"add --names a --train t --calibrate", "", "needs `dev`"},
		{"paint --names a", "", "add, drop, rename, merge"},
	} {
		var got string
		cmd := newLabels(func(_ context.Context, e *editing) error {
			x := e.change
			dev := ""
			if e.options.Dev != nil {
				dev = e.options.Dev.File
			}
			got = fmt.Sprintf("%s %v %s %s %s %s %s %d", x.Action, x.Names, x.Into, x.Train, dev, x.Thresholds, e.options.Solver,
				e.options.Config.Seed)
			return nil
		})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(append(strings.Fields(c.args), "--model", "m", "--output", "o"))
		if err := cmd.Execute(); got != c.want || (err == nil) != (c.bad == "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %q, %v; want %q, %q", c.args, got, err, c.want, c.bad)
		}
	}
}
