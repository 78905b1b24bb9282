package benchcmd

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/bench"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// What is asked for by flags is measured, and nothing else; without them everything but training.
func TestOptions(t *testing.T) {
	t.Parallel()
	all, shapes := bench.Products(), [][2]int{{1, 16}, {1, 128}, {8, 128}, {32, 32}}
	for _, c := range []struct {
		args     string
		products []bench.Product
		shapes   [][2]int
		lengths  string
	}{
		{"", all, shapes, ""},
		{"--gemm all", all, nil, ""},
		{"--gemm 2x3x4,5x6x7", []bench.Product{{M: 2, N: 3, K: 4}, {M: 5, N: 6, K: 7}}, nil, ""},
		{"--model minilm", nil, shapes, ""},
		{"--train", nil, shapes, ""},
		{"--shape 2x5 --shape 1x7", nil, [][2]int{{2, 5}, {1, 7}}, ""},
		{"--lengths f", nil, nil, "f"},
		{"--lengths f --shape 2x5", nil, [][2]int{{2, 5}}, "f"},
		{"--gemm all --shape 2x5", all, [][2]int{{2, 5}}, ""},
		{"--ladder", []bench.Product{{M: 128, N: 3072, K: 768}}, nil, ""},
		{"--ladder --gemm 2x3x4", []bench.Product{{M: 2, N: 3, K: 4}}, nil, ""},
		{"--ladder --shape 2x5", []bench.Product{{M: 128, N: 3072, K: 768}}, [][2]int{{2, 5}}, ""},
	} {
		got, stderr, code := cmdtest.Options(t, newBenchCmd, append([]string{"bench"}, strings.Fields(c.args)...)...)
		if code != cli.ExitOK || !reflect.DeepEqual(got.Products, c.products) || !reflect.DeepEqual(got.Shapes, c.shapes) ||
			got.Lengths != c.lengths {
			t.Errorf("bench %s: %+v, exit %d %s", c.args, got, code, stderr)
		}
	}
}

// TestWindows: texts that are longer than the model's positions are measured in windows, all of whose tokens count; training has none.
func TestWindows(t *testing.T) {
	t.Parallel()
	m := cmdtest.Verbs(NewBench)
	args := []string{"bench", "--model", "1x64", "--shape", "1x1400", "--runs", "1", "--json"}
	if _, stderr, code := m.Run(t, "", args...); code != cli.ExitUsage || !strings.Contains(stderr, "at most 512") {
		t.Errorf("without windows: code %d, %s", code, stderr)
	}
	stdout, stderr, code := m.Run(t, "", append(args, "--windows", "all", "--window-overlap", "0.5")...)
	var row struct {
		MS     float64
		Tokens float64 `json:"tokens_per_second"`
	}
	if err := json.Unmarshal([]byte(stdout), &row); err != nil || code != 0 {
		t.Fatalf("%v, code %d: %s", err, code, stderr)
	}
	// 1,398 tokens of the text in windows of 510, 255 apart: 4 of 512 and one of 378 + 2
	if tokens := row.MS / 1000 * row.Tokens; !(tokens > 2428*0.99 && tokens < 2428*1.01) {
		t.Errorf("%.0f tokens, want 2428", tokens)
	}
	if _, stderr, code := m.Run(t, "", append(args, "--train", "--windows", "all")...); code != cli.ExitUsage || !strings.Contains(stderr, "--windows") {
		t.Errorf("with --train: code %d, %s", code, stderr)
	}
}

// Flags that nothing which is measured has a use for are wrong usage.
func TestUnusedFlags(t *testing.T) {
	t.Parallel()
	for args, flag := range map[string]string{
		"--batch 8": "batch", "--train --batch 8": "batch", "--lengths f --steps 3": "steps", "--gemm all --num-labels 3": "num-labels",
		"--ladder --offline": "offline", "--train --lengths f --batch 8 --steps 3 --num-labels 2 --offline": "",
		"--model 2x64 --num-labels 3": "",
	} {
		_, stderr, code := cmdtest.Options(t, newBenchCmd, append([]string{"bench"}, strings.Fields(args)...)...)
		if refused := code == cli.ExitUsage && strings.Contains(stderr, "--"+flag+" would change nothing"); refused != (flag != "") ||
			code != 0 && !refused {
			t.Errorf("bench %s: exit %d, %s", args, code, stderr)
		}
	}
}
