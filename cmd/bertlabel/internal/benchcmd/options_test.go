package benchcmd

import (
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
