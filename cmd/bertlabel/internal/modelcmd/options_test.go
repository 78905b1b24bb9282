package modelcmd

import (
	"strings"
	"testing"

	"bertlabel/checkpoint/inspect"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

func TestInspectOptions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]inspectOptions{
		"m":                                 {Path: "m"},
		"m --stats --threads 3":             {Path: "m", Options: inspect.Options{Stats: true, Threads: 3}},
		"--json --verify m/bert_model.ckpt": {Path: "m/bert_model.ckpt", Options: inspect.Options{Verify: true}, JSON: true},
	} {
		got, stderr, code := cmdtest.Options(t, newInspectCmd, append([]string{"inspect"}, strings.Fields(args)...)...)
		if code != cli.ExitOK || *got != want {
			t.Errorf("inspect %s: %+v, exit %d %s, want %+v", args, got, code, stderr, want)
		}
	}
}

func TestConvertOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, refused string }{
		{"--model m --to hf --output o --overwrite", ""},
		{"--model m --to onnx --output o", "--to \"onnx\": want google, hf"},
		{"--model m --to hf", "convert needs --output"},
		{"--to hf --output o", "convert needs --model"},
	} {
		got, stderr, code := cmdtest.Options(t, newConvertCmd, append([]string{"convert"}, strings.Fields(c.args)...)...)
		switch {
		case c.refused != "":
			if code != cli.ExitUsage || !strings.Contains(stderr, c.refused) {
				t.Errorf("convert %s: %+v, exit %d %s, want %s", c.args, got, code, stderr, c.refused)
			}
		case code != cli.ExitOK || got.From.Path != "m" || got.To != "hf" || got.Folder != "o" || !got.Overwrite:
			t.Errorf("convert %s: %+v, exit %d %s", c.args, got, code, stderr)
		}
	}
}
