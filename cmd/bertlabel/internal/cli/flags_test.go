package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// onlyVersion are the verbs of a program with one.
func onlyVersion(a *App) []*cobra.Command { return []*cobra.Command{NewVersion(a)} }

// writeFile is that of cmdtest, which imports this package.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// resolved runs a verb with the flags of run_classifier.py through the whole frame and returns what its RunE finds.
func resolved(t *testing.T, env map[string]string, args ...string) (rate float64, length int, output string, code int, stderr string) {
	t.Helper()
	var errs strings.Builder
	a := New(Process{Env: func(name string) string { return env[name] }}, onlyVersion, strings.NewReader(""), &strings.Builder{}, &errs)
	root := a.Root()
	cmd := &cobra.Command{Use: "study", Short: "A verb", Run: func(*cobra.Command, []string) {}}
	cmd.Flags().Float64Var(&rate, "learning-rate", 5e-5, "")
	cmd.Flags().IntVar(&length, "max-seq-length", 128, "")
	cmd.Flags().StringVar(&output, "output", "", "")
	Required(cmd, "output")
	root.AddCommand(cmd)
	root.SetArgs(append([]string{"study"}, args...))
	ran, err := root.ExecuteC()
	return rate, length, output, a.finish(t.Context(), ran, err), errs.String()
}

// The command line wins over the environment, that over the config file, that over the default.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "study.json")
	writeFile(t, config, `{"max_seq_length": 16, "learning_rate": 1e-3, "output_dir": "c", "json": true}`)
	env := map[string]string{"BERTLABEL_MAX_SEQ_LENGTH": "32", "BERTLABEL_OUTPUT": "e", "BERTLABEL_CONFIG": config}
	for _, c := range []struct{ args, want string }{
		{"", "0.001 32 e"},
		{"--max_seq_length 64", "0.001 64 e"},
		{"--max-seq-length=128 --output_dir o", "0.001 128 o"}, // a flag that says the default still wins
		{"--learning_rate 2 --output-dir o --config=", "2 32 o"},
	} {
		rate, length, output, code, stderr := resolved(t, env, strings.Fields(c.args)...)
		if got := fmt.Sprint(rate, length, " ", output); got != c.want || code != ExitOK {
			t.Errorf("study %s: %s, want %s; exit %d %s", c.args, got, c.want, code, stderr)
		}
	}
}

// A required flag may come from the environment, and its absence is wrong usage.
func TestRequired(t *testing.T) {
	t.Parallel()
	if _, _, _, code, stderr := resolved(t, nil); code != ExitUsage || !strings.Contains(stderr, "study needs --output\n") {
		t.Errorf("without --output: exit %d, %q", code, stderr)
	}
	if _, _, _, code, stderr := resolved(t, map[string]string{"BERTLABEL_OUTPUT": "e"}); code != ExitOK {
		t.Errorf("with BERTLABEL_OUTPUT: exit %d, %q", code, stderr)
	}
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"max_seq_lenth": 16}`:                     "did you mean max_seq_length?",
		`{"max-seq-length": 16}`:                    "did you mean max_seq_length?",
		`{"config": "other.json"}`:                  `unknown key "config"`,
		`{"help": true}`:                            `unknown key "help"`,
		`{"threads": 1, "threads": 2}`:              `key "threads" comes twice, on line 1 and on line 1`,
		"{\"output\": \"a\",\n\"output_dir\":\"\"}": `"output" on line 1 and "output_dir" on line 2 set the same flag`,
		`{"threads": 1.5}`:                          `key "threads": "1.5"`,
		`{"threads": null}`:                         "found <nil>, want a string",
		`{"threads": {"n": 1}}`:                     "found {, want a string",
		`{"output": [["a"]]}`:                       "found [, want a string",
		"{\n\n\"threads\": }":                       "line 3",
		`[1]`:                                       "want one JSON object",
		`{} {}`:                                     "after the object",
		`{"threads": 1`:                             "EOF",
		``:                                          "EOF",
		`{"output": "` + strings.Repeat("a", maxConfigBytes) + `"}`: "larger than",
	} {
		path := filepath.Join(t.TempDir(), "c.json")
		writeFile(t, path, text)
		_, _, _, code, stderr := resolved(t, nil, "--config", path)
		if code != ExitUsage || !strings.Contains(stderr, want) || !strings.Contains(stderr, path) {
			t.Errorf("config %.60s: exit %d, want 2; no %q or no path in %q", text, code, want, stderr)
		}
	}
}

func TestEditDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"train", "train", 0}, {"trian", "train", 1}, {"tran", "train", 1}, {"trains", "train", 1},
		{"brain", "train", 1}, {"ca", "abc", 3}} {
		if got := editDistance(c.a, c.b); got != c.want || editDistance(c.b, c.a) != c.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestByteSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ByteSize{"3GiB": 3 << 30, "1.5 g": 3 << 29, "500MB": 5e8, "123": 123, "64k": 64 << 10, "7B": 7,
		"0": 0} {
		var got ByteSize
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("Set(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "NaN", "Inf", "9e30", "1 zb", "1G1"} {
		var got ByteSize
		if got.Set(text) == nil {
			t.Errorf("Set(%q) = %d, want an error", text, got)
		}
	}
}
