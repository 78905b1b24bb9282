package benchcmd

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/bench"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// benchRows runs the verb with --json and returns its rows.
func benchRows(t *testing.T, args ...string) (rows []map[string]any) {
	t.Helper()
	stdout, stderr, code := bertlabel.Run(t, "", append([]string{"bench", "--json", "--runs", "1"}, args...)...)
	if code != cli.ExitOK {
		t.Fatalf("bench %v: exit %d, stderr %q", args, code, stderr)
	}
	for line := range strings.Lines(stdout) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v in line %q", err, line)
		}
		for _, field := range []string{"model", "threads", "batch", "seq", "ms", "ms_min", "gflops", "kernels", "peak_gflops",
			"percent_of_peak", "precision"} {
			if row[field] == nil {
				t.Errorf("bench %v: no %s in %s", args, field, line)
			}
		}
		if ms, least := row["ms"].(float64), row["ms_min"].(float64); !(least > 0 && ms >= least) {
			t.Errorf("bench %v: ms %v, ms_min %v", args, ms, least)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestBenchShapes(t *testing.T) {
	t.Parallel()
	rows := benchRows(t, "--model", "1x64", "--shape", "2x5,1x16", "--shape", "1x512")
	if len(rows) != 3 {
		t.Fatalf("%d rows, want 3", len(rows))
	}
	for i, want := range [][2]float64{{2, 5}, {1, 16}, {1, 512}} {
		if r := rows[i]; r["peer"] != "bertlabel" || r["model"] != "1x64" || r["batch"] != want[0] || r["seq"] != want[1] ||
			r["tokens_per_second"] == nil {
			t.Errorf("row %v, want peer bertlabel and shape %v", r, want)
		}
	}
}

func TestBenchLengths(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lengths.txt")
	cmdtest.WriteFile(t, file, "3\r\n17\n 5\n")
	rows := benchRows(t, "--model", "1x64", "--lengths", file)
	if len(rows) != 1 || rows[0]["peer"] != "bertlabel_lengths" || rows[0]["batch"] != 3.0 || rows[0]["seq"] != 0.0 {
		t.Errorf("rows %v, want one of three texts", rows)
	}
}

// A training step has three times the operations of a forward pass; a file of lengths gives whole batches, one time for all of them.
func TestBenchTrain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lengths.txt")
	cmdtest.WriteFile(t, file, "3\n17\n5\n9\n4\n")
	rows := benchRows(t, "--train", "--model", "1x64", "--shape", "2x5", "--lengths", file, "--batch", "2", "--steps", "2")
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2", len(rows))
	}
	if r := rows[0]; r["peer"] != "bertlabel_train" || r["batch"] != 2.0 || r["seq"] != 5.0 || r["tokens_per_second"] == nil {
		t.Errorf("row %v, want a step of 2x5", r)
	}
	if r := rows[1]; r["peer"] != "bertlabel_train_lengths" || r["batch"] != 2.0 || r["seq"] != 0.0 || r["ms"] != r["ms_min"] {
		t.Errorf("row %v, want the sum of steps of 2 texts", r)
	}
}

func TestBenchProducts(t *testing.T) {
	t.Parallel()
	rows := benchRows(t, "--gemm", "2x3x4,100x64x70")
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2", len(rows))
	}
	if r := rows[1]; r["peer"] != "bertlabel_gemm" || r["m"] != 100.0 || r["n"] != 64.0 || r["k"] != 70.0 ||
		!(r["percent_of_peak"].(float64) > 0) {
		t.Errorf("row %v, want product 100x64x70", r)
	}
}

// A model folder keeps its head, and text for people names the case.
func TestBenchFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "model")
	config, _ := bench.ParseModel("1x64")
	config.VocabSize = 100
	m, err := bench.NewModel(config, 3, &model.Options{Threads: 1})
	if err == nil {
		err = m.Save(dir, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := bertlabel.Run(t, "", "bench", "--model", dir, "--shape", "1x4", "--runs", "1")
	if code != cli.ExitOK || !strings.Contains(stdout, "hidden size 64") || !strings.Contains(stdout, "3 labels") ||
		!strings.Contains(stdout, "% peak") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// Rows say in which precision they were measured, that of training is fp32, and the weights are counted in it.
func TestBenchPrecision(t *testing.T) {
	t.Parallel()
	auto := bert.Auto.Resolve().String()
	for _, c := range []struct{ args, want string }{
		{"", "fp32"}, {"--precision bf16", "bf16"}, {"--precision int8", "int8"}, {"--precision auto", auto},
		{"--train --precision auto", "fp32"}, {"--gemm 5x64x70 --precision int8", "int8"},
	} {
		for _, row := range benchRows(t, append([]string{"--model", "1x64", "--shape", "2x5"}, strings.Fields(c.args)...)...) {
			if row["precision"] != c.want {
				t.Errorf("bench %s: %v, want %s", c.args, row, c.want)
			}
		}
	}
	stdout, stderr, code := bertlabel.Run(t, "", strings.Fields("bench --model 1x64 --shape 1x4 --runs 1 --precision int8")...)
	if code != cli.ExitOK || !strings.Contains(stdout, ", int8, ") || !strings.Contains(stderr, "the model runs in int8") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	config, _ := bench.ParseModel("base")
	fp32, int8 := bench.Bytes(&config, bert.FP32, bert.FP32), bench.Bytes(&config, bert.Int8, bert.FP32)
	if !(int8 < fp32/3 && int8 > fp32/5) || !(bench.Bytes(&config, bert.Int8, bert.Int8) < 0.75*int8) {
		t.Errorf("BERT-Base takes %g bytes in fp32 and %g in int8", fp32, int8)
	}
}

func TestBenchRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		cmdtest.WriteFile(t, path, text)
		return path
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--shape 8", cli.ExitUsage, "BATCHxSEQ"},
		{"--shape 8x0", cli.ExitUsage, "BATCHxSEQ"},
		{"--shape 8x-1", cli.ExitUsage, "BATCHxSEQ"},
		{"--shape 8x9999999", cli.ExitUsage, "BATCHxSEQ"},
		{"--shape 9999999999x9999999999", cli.ExitUsage, "BATCHxSEQ"},
		{"--model 1x64 --shape 1x513", cli.ExitUsage, "max_position_embeddings"},
		{"--ladder --precision int8", cli.ExitUsage, "--ladder is about products in fp32"},
		{"--gemm 5x5", cli.ExitUsage, "MxNxK"},
		{"--gemm 5x5x-5", cli.ExitUsage, "MxNxK"},
		{"--gemm 66000x5x66000", cli.ExitUsage, "MxNxK"},
		{"--model 1x40", cli.ExitUsage, "num_attention_heads"},
		{"--model 0x64", cli.ExitUsage, "num_hidden_layers"},
		{"--model 1000x65536", cli.ExitResources, "--max-memory"},
		{"--model bsae", cli.ExitModel, "base, minilm or LxH"},
		{"--runs 0", cli.ExitUsage, "--runs"},
		{"--precision int4", cli.ExitUsage, "want fp32, bf16, int8 or auto"},
		{"--train --precision int8", cli.ExitUsage, "training, which is in fp32 or bf16"},
		{"--embeddings bf16", cli.ExitUsage, "want fp32 or int8"},
		{"--train --embeddings int8", cli.ExitUsage, "--train trains word embeddings"},
		{"--num-labels 0", cli.ExitUsage, "--num-labels"},
		{"--lengths " + filepath.Join(dir, "nowhere"), cli.ExitUsage, "nowhere"},
		{"--lengths " + file("word", "3\nx\n"), cli.ExitData, "word:2:1: found \"x\""},
		{"--lengths " + file("zero", "3\n4\n0\n"), cli.ExitData, "zero:3:1: found \"0\""},
		{"--lengths " + file("empty", ""), cli.ExitData, "no lengths"},
		{"--lengths " + file("huge", "60000000\n60000000\n"), cli.ExitData, "huge:2:1"},
		{"--model 1x64 --lengths " + file("long", "3\n600\n"), cli.ExitUsage, "max_position_embeddings"},
		{"--train --model base --shape 256x512 --max-memory 12GiB", cli.ExitResources, "needs about 7"},
		{"--train --model 1x64 --batch 3 --lengths " + file("two", "3\n4\n"), cli.ExitUsage, "--batch 3"},
		{"--train --model 1x64 --batch 0 --lengths " + file("two", "3\n4\n"), cli.ExitUsage, "--batch 0"},
		{"--train --model 1x64 --batch 1 --steps 0 --lengths " + file("two", "3\n4\n"), cli.ExitUsage, "--steps 0"},
	} {
		stdout, stderr, code := bertlabel.Run(t, "", append([]string{"bench"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || stdout != "" {
			t.Errorf("bench %s: exit %d, want %d; stderr %q, want %q; stdout %q", c.args, code, c.code, stderr, c.want, stdout)
		}
	}
}

// The ladder has a row a rung, each faster than nothing, and its own product unless --gemm names one.
func TestBenchLadder(t *testing.T) {
	t.Parallel()
	rows := benchRows(t, "--ladder", "--gemm", "8x33x9")
	peers := map[any]int{}
	for _, r := range rows {
		peers[r["peer"]]++
		if r["rung"] == nil || r["m"] != 8.0 || r["n"] != 33.0 || r["k"] != 9.0 || !(r["percent_of_peak"].(float64) >= 0) {
			t.Errorf("row %v, want a rung of 8x33x9", r)
		}
	}
	if peers["bertlabel_ladder"] < 5 || peers["bertlabel_epilogue"] != 5 || len(peers) != 2 {
		t.Errorf("rows %v, want rungs and five epilogues", peers)
	}
	stdout, stderr, code := bertlabel.Run(t, "", "bench", "--ladder", "--gemm", "8x33x9", "--runs", "1")
	if code != cli.ExitOK || !strings.Contains(stdout, "C[8×33] = A[8×9]·B[9×33]") ||
		!strings.Contains(stdout, "what follows the product") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
