package scorecmd

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"
	"bertlabel/train/score"
	"bertlabel/train/shard"

	"github.com/spf13/pflag"
)

// sameBytes are the flags that change no byte of a shard, or are compared otherwise: the model by its stamp, the input by size and time.
// Those that say how labels are read, the last line, TestTensors of train/shard has.
var sameBytes = strings.Fields("model bert-config-file vocab-file init-checkpoint offline input output shard bad-rows max-bad-rows metrics-file " +
	"text pretty all-layers threads quiet log-format max-memory config kernels help " +
	"labels-column label-columns label-separator binarize missing-labels drop-unknown-labels soft-labels")

// otherBytes are the flags that do, with a value that is not the default.
var otherBytes = map[string]string{
	"hidden-act": "relu", "do-lower-case": "true", "max-seq-length": "9", "keep-tokens": "[A]", "ignore-variables": "x", "precision": "int8",
	"embeddings": "int8", "windows": "3", "window-overlap": "0.5", "format": "tsv", "no-header": "true", "text-column": "2",
	"text-pair-column": "2", "id-column": "2", "label-prefix": "#", "delimiter": ";", "labels": "FILE", "on-bad-row": "skip",
	"on-long": "error", "strict-utf8": "true",
	"output-format": "csv", "threshold": "0.3", "exactly-one": "true", "top-k": "2", "logits": "true", "windows-detail": "true", "pooling": "max",
}

// Every flag of predict and embed that changes the bytes of a part is compared between the runs of a folder. A flag that is new has to be
// in one of the two lists.
func TestShardSettings(t *testing.T) {
	t.Parallel()
	input := filepath.Join(t.TempDir(), "in.jsonl")
	cmdtest.WriteFile(t, input, "{}\n")
	base := []string{"--model", "m", "--input", input, "--output", "parts", "--shard", "0/1"}
	plan := func(source map[string]string, o shard.Options, rows *data.Options) map[string]string {
		t.Helper()
		maps.Copy(source, o.Settings)
		o.Input, o.Output, o.Of, o.Model, o.Data, o.Settings = input, "parts", 1, []byte{1}, *rows, source
		p, err := shard.Plan(o)
		if err != nil {
			t.Fatal(err)
		}
		return p.Job().Settings
	}
	settings := map[string]func(args ...string) map[string]string{
		"predict": func(args ...string) map[string]string {
			o, stderr, code := cmdtest.Options(t, newPredictCmd, slices.Concat([]string{"predict"}, base, args)...)
			if code != cli.ExitOK {
				t.Fatalf("%s: %s", args, stderr)
			}
			own, err := o.settings()
			if err != nil {
				t.Fatal(err)
			}
			return plan(o.Model.Settings(), shard.Options{Settings: own, Score: score.Options{Windows: o.WindowsDetail}}, &o.Rows.Options)
		},
		"embed": func(args ...string) map[string]string {
			o, stderr, code := cmdtest.Options(t, newEmbedCmd, slices.Concat([]string{"embed"}, base, args)...)
			if code != cli.ExitOK {
				t.Fatalf("%s: %s", args, stderr)
			}
			options := shard.Options{Score: score.Options{Result: score.Vectors}, ModelPooling: o.Pooling == ""}
			options.Score.Pooling = bert.Pooling(o.Pooling)
			return plan(o.Model.Settings(), options, &o.Rows.Options)
		},
	}
	app := cli.New(cli.Process{}, nil, nil, nil, nil)
	for verb, flags := range map[string]*pflag.FlagSet{"predict": NewPredict(app).Flags(), "embed": NewEmbed(app).Flags()} {
		before := fmt.Sprint(settings[verb]())
		flags.VisitAll(func(f *pflag.Flag) {
			value, changes := otherBytes[f.Name]
			if same := slices.Contains(sameBytes, f.Name); same == changes && !(verb == "embed" && f.Name == "labels") {
				t.Errorf("%s --%s: is in %v of the lists of flags that change a part and that do not", verb, f.Name, same && changes)
			}
			if !changes || f.Name == "output-format" /* the suffix of the parts */ || verb == "embed" && f.Name == "labels" {
				return
			}
			if value == "FILE" {
				value = input
			}
			if got := fmt.Sprint(settings[verb]("--" + f.Name + "=" + value)); got == before {
				t.Errorf("%s --%s %s leaves the settings as they are: %s", verb, f.Name, value, got)
			}
		})
	}
}
