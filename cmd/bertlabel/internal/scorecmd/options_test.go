package scorecmd

import (
	"reflect"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"
)

// wrongUsage reports that a command line was not refused as it should be.
func wrongUsage(t *testing.T, args, want, stderr string, code int) {
	t.Helper()
	if code != cli.ExitUsage || !strings.Contains(stderr, want) {
		t.Errorf("%s: exit %d, %s; want wrong usage with %q", args, code, stderr, want)
	}
}

func TestPredictOptions(t *testing.T) {
	t.Parallel()
	got, stderr, code := cmdtest.Options(t, newPredictCmd,
		strings.Fields("predict --model m --input a.csv --threshold 0.3 --top-k 2 --logits --precision int8")...)
	if code != cli.ExitOK || got.Model.Path != "m" || got.Input != "a.csv" || got.Output != "-" || got.Threshold != "0.3" || got.TopK != 2 ||
		got.Model.Precision != bert.Int8 || !got.Logits || got.Format != "jsonl" || got.Pretty || got.Rows.OnBadRow != data.ReportBadRows {
		t.Errorf("%+v, exit %d %s", got, code, stderr)
	}
	if got, stderr, code := cmdtest.Options(t, newPredictCmd, "predict", "--model", "m"); code != cli.ExitOK || got.Threshold != "" {
		t.Errorf("%+v, exit %d %s", got, code, stderr)
	}
	for args, want := range map[string]string{
		"--output-format xml":            "want jsonl, csv, tsv",
		"--threshold 1.5":                "--threshold 1.5",
		"--top-k -1":                     "--top-k wants 1 or more",
		"--output-format csv --logits":   "the output format jsonl",
		"--pretty --output-format jsonl": "--pretty is for people",
		"--hidden-act gelu_new":          "--hidden-act",
	} {
		_, stderr, code := cmdtest.Options(t, newPredictCmd, append([]string{"predict", "--model", "m"}, strings.Fields(args)...)...)
		wrongUsage(t, args, want, stderr, code)
	}
}

func TestEvalOptions(t *testing.T) {
	t.Parallel()
	page := t.TempDir() + "/r.html"
	got, stderr, code := cmdtest.Options(t, newEvalCmd, "eval", "--model", "m", "--data", "d.csv", "--report", page, "--pretty",
		"--threshold", "0.25")
	if code != cli.ExitOK || got.Model.Path != "m" || got.Data != "d.csv" || got.Page != page || got.Plots != "" || !got.Pretty ||
		got.Threshold != "0.25" || got.Explained != 10 || got.Rows.OnBadRow != data.StopAtBadRow {
		t.Errorf("%+v, exit %d %s", got, code, stderr)
	} else if want := "bertlabel eval --model=m --data=d.csv --threshold=0.25 --report=" + page + " --pretty=true"; got.Call.Line != want {
		t.Errorf("called %s, want %s", got.Call.Line, want)
	}
	for args, want := range map[string]string{
		"--report -":              "stdout has the metrics",
		"--report no/such/r.html": "--report: ",
		"--report .":              "is a folder",
		"--plots eval.go":         "is a file",
		"--explain-rows -1":       "--explain-rows -1",
		"--threshold -1":          "--threshold -1",
	} {
		args := "eval --model m --data d " + args
		_, stderr, code := cmdtest.Options(t, newEvalCmd, strings.Fields(args)...)
		wrongUsage(t, args, want, stderr, code)
	}
}

// A precision that the model has already is nothing to compare with, by whatever name.
func TestEvalAgainstOptions(t *testing.T) {
	t.Parallel()
	const eval = "eval --model m --data d "
	for args, want := range map[string]bert.Precision{"--precision int8 --against fp32": bert.FP32, "--against bf16": bert.BF16} {
		got, stderr, code := cmdtest.Options(t, newEvalCmd, strings.Fields(eval+args)...)
		if code != cli.ExitOK || got.Against == nil || *got.Against != want {
			t.Errorf("%s: %+v, exit %d %s", args, got, code, stderr)
		}
	}
	if got, _, _ := cmdtest.Options(t, newEvalCmd, strings.Fields(eval+"--precision int8")...); got.Against != nil ||
		got.Model.Precision != bert.Int8 {
		t.Errorf("%+v", got)
	}
	auto := bert.Auto.Resolve().String()
	for args, want := range map[string]string{"--against fp32": "runs in fp32 already", "--precision auto --against " + auto: "already",
		"--precision int8 --against auto --precision " + auto: "already", "--against int4": `--against "int4": want fp32`} {
		_, stderr, code := cmdtest.Options(t, newEvalCmd, strings.Fields(eval+args)...)
		wrongUsage(t, args, want, stderr, code)
	}
}

func TestEmbedOptions(t *testing.T) {
	t.Parallel()
	got, stderr, code := cmdtest.Options(t, newEmbedCmd,
		strings.Fields("embed --model m --pooling mean --output v.safetensors --all-layers")...)
	if code != cli.ExitOK || got.Pooling != "mean" || !got.tensorFile() || !got.AllLayers || got.Input != "-" {
		t.Errorf("%+v, exit %d %s", got, code, stderr)
	}
	_, stderr, code = cmdtest.Options(t, newEmbedCmd, "embed", "--model", "m", "--all-layers")
	wrongUsage(t, "--all-layers", "--all-layers needs", stderr, code)
}

func TestShardOptions(t *testing.T) {
	t.Parallel()
	const where = " --model m --input a.jsonl --output parts --shard "
	got, stderr, code := cmdtest.Options(t, newPredictCmd, strings.Fields("predict"+where+"0-15/128 --metrics-file f.prom")...)
	if code != cli.ExitOK || got.Shard != (shards{0, 15, 128}) || got.Output != "parts" || got.Format != "jsonl" || got.Pretty ||
		got.MetricsFile != "f.prom" || got.Shard.String() != "0-15/128" {
		t.Errorf("%+v, exit %d %s", got, code, stderr)
	}
	vectors, stderr, code := cmdtest.Options(t, newEmbedCmd, strings.Fields("embed"+where+"3/4")...)
	if code != cli.ExitOK || vectors.Shard != (shards{3, 3, 4}) || vectors.Shard.String() != "3/4" || vectors.tensorFile() {
		t.Errorf("%+v, exit %d %s", vectors, code, stderr)
	}
	for args, want := range map[string]string{
		"--metrics-file f.prom":                                   "--metrics-file has figures of shards",
		"--input a.jsonl --output p --shard 4/4":                  `"4/4" for "--shard" flag: "4/4": shards of 4 are 0 to 3`,
		"--output p --shard 0/4":                                  "name it by --input",
		"--input a.jsonl --shard 0/4":                             "name it by --output",
		"--input a.jsonl --output p --shard 0/4 --bad-rows p":     "--bad-rows p is the file of --output, too",
		"--input a.jsonl --output p --shard 0/4 --metrics-file p": "--metrics-file p is the file of --output, too",
	} {
		for _, verb := range []string{"predict", "embed"} {
			_, stderr, code := bertlabel.Run(t, "", append([]string{verb, "--model", "m"}, strings.Fields(args)...)...)
			wrongUsage(t, verb+" "+args, want, stderr, code)
		}
	}
	parts, stderr, code := cmdtest.Options(t, newPartsCmd, strings.Fields("parts dir --cat --clean --input a.jsonl")...)
	if code != cli.ExitOK || *parts != (partsOptions{Dir: "dir", Input: "a.jsonl", Cat: true, Clean: true}) {
		t.Errorf("%+v, exit %d %s", parts, code, stderr)
	}
}

func TestExplainOptions(t *testing.T) {
	t.Parallel()
	got, stderr, code := cmdtest.Options(t, newExplainCmd, "explain", "--model", "m", "--text", "a b", "--label", "x,y", "--label", "z",
		"--json=false")
	want := model.ExplainOptions{Method: model.IntegratedGradients, Steps: model.DefaultSteps}
	if code != cli.ExitOK || *got.Text != "a b" || !reflect.DeepEqual(got.Labels, []string{"x,y", "z"}) || *got.JSON ||
		!reflect.DeepEqual(got.ExplainOptions, want) {
		t.Errorf("%+v, exit %d %s", got, code, stderr)
	}
	if got, _, _ := cmdtest.Options(t, newExplainCmd, "explain", "--model", "m"); got.Text != nil || got.JSON != nil || got.Labels != nil {
		t.Errorf("%+v", got)
	}
	for args, want := range map[string]string{
		"--method lime":      "want integrated-gradients",
		"--steps 0":          "--steps 0",
		"--text a --input b": "[input text]",
	} {
		_, stderr, code := cmdtest.Options(t, newExplainCmd, append([]string{"explain", "--model", "m"}, strings.Fields(args)...)...)
		wrongUsage(t, args, want, stderr, code)
	}
}

func TestMetricsOptions(t *testing.T) {
	t.Parallel()
	got, stderr, code := cmdtest.Options(t, newMetricsCmd, "metrics", "--truth", "t", "--scores", "s", "--exactly-one", "--binarize", "0.6")
	if code != cli.ExitOK || *got != (metricsOptions{"t", "s", "0.5", true, 0.6}) {
		t.Errorf("%+v, exit %d %s", got, code, stderr)
	}
	_, stderr, code = cmdtest.Options(t, newMetricsCmd, "metrics", "--truth", "t")
	wrongUsage(t, "metrics", "metrics needs --scores", stderr, code)
}
