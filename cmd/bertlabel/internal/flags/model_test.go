package flags

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"

	"github.com/spf13/cobra"
)

// What the flags of a model come to; values that are not set stay the model's own.
func TestSource(t *testing.T) {
	t.Parallel()
	yes, no, length := true, false, 64
	for _, c := range []struct {
		args string
		want Source
		code int
	}{
		{"--model m", Source{Path: "m"}, cli.ExitOK},
		{"--model m --do-lower-case --max-seq-length 64", Source{Path: "m", LowerCase: &yes, MaxSeqLength: &length}, cli.ExitOK},
		{"--model m --do-lower-case=false --keep-tokens [A],[B]", Source{Path: "m", LowerCase: &no, KeepTokens: []string{"[A]", "[B]"}},
			cli.ExitOK},
		{"--bert-config-file c --vocab-file v --init-checkpoint i --hidden-act relu",
			Source{ConfigFile: "c", VocabFile: "v", InitCheckpoint: "i", HiddenAct: "relu"}, cli.ExitOK},
		{"--model m --precision int8", Source{Path: "m", Precision: bert.Int8}, cli.ExitOK},
		{"--model m --precision auto", Source{Path: "m", Precision: bert.Auto}, cli.ExitOK},
		{"--model m --precision fp16", Source{}, cli.ExitUsage},
		{"--bert-config-file c --vocab-file v", Source{}, cli.ExitUsage},
		{"--model m --hidden-act gelu_new", Source{}, cli.ExitUsage},
	} {
		cmd := &cobra.Command{Use: "verb"}
		m := AddRunModel(cmd)
		c.want.HasPrecision = c.code == cli.ExitOK
		if err := cmd.ParseFlags(strings.Fields(c.args)); err != nil {
			t.Fatal(err)
		}
		if got, err := m.Source(); !reflect.DeepEqual(got, c.want) || cli.ExitCode(t.Context(), err) != c.code {
			t.Errorf("%s: %+v, %v, want %+v and exit code %d", c.args, got, err, c.want, c.code)
		}
	}
}

// The tuning flags that stand alone have a value, and each is one of its list.
func TestTuning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want string // calibration, thresholds, aim
		bad  string
	}{
		{"", "  f1", ""},
		{"--calibrate --tune-thresholds", "platt guarded f1", ""},
		{"--calibrate=temperature --tune-thresholds=global --threshold-objective f2", "temperature global f2", ""},
		{"--tune-thresholds=all", "", "want per-label, global, guarded"},
		{"--calibrate=isotonic", "", "want temperature, platt"},
		{"--threshold-objective f", "", "--threshold-objective"},
	} {
		cmd := &cobra.Command{Use: "verb"}
		var parsed Tuning
		AddTuning(cmd, &parsed)
		if err := cmd.ParseFlags(strings.Fields(c.args)); err != nil {
			t.Fatal(err)
		}
		got, err := parsed.Tuning()
		text := fmt.Sprintf("%s %s %s", got.Calibrate, got.Thresholds, got.Aim)
		if (err == nil) != (c.bad == "") || err == nil && text != c.want || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %q, %v; want %q, %q", c.args, text, err, c.want, c.bad)
		}
	}
}
