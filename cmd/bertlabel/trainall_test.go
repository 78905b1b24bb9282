package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/tensor/tensortest"
)

// childVariable makes the test binary be the program, for what only a process of its own shows.
const childVariable = "BERTLABEL_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Unsetenv(childVariable)
		main()
	}
	os.Exit(m.Run())
}

// child returns the program as a process of its own, and its stderr.
func child(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd, stderr := exec.Command(os.Args[0], args...), &bytes.Buffer{}
	cmd.Env, cmd.Stderr = append(os.Environ(), childVariable+"=1"), stderr
	for name, value := range plainTraining {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd, stderr
}

// tinyTask writes a tiny random BERT, 25 training and 9 dev rows, and returns the flags of a run of 40 steps with dropout and
// accumulation, whose epochs end within a step.
func tinyTask(t *testing.T, dir string) []string {
	t.Helper()
	words := []string{"bad", "good", "late", "broken", "kind", "slow", "cheap", "loud"}
	config := bert.DefaultConfig()
	config.VocabSize, config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 5+len(words), 16, 2,
		2, 32
	config.MaxPositionEmbeddings, config.TypeVocabSize = 16, 2
	lower := true
	vocab := strings.Join(append([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, words...), "\n") + "\n"
	m, err := model.New(config, []byte(vocab), 1, &model.Options{LowerCase: &lower})
	if err == nil {
		err = m.Save(filepath.Join(dir, "bert"), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for name, rows := range map[string]int{"train.csv": 25, "dev.csv": 9} {
		text := "text,labels\n"
		for range rows {
			var said, labels []string
			for range 2 + rng.IntN(6) {
				i := rng.IntN(len(words))
				said = append(said, words[i])
				if label := fmt.Sprint("l", i%3); !slices.Contains(labels, label) {
					labels = append(labels, label)
				}
			}
			text += fmt.Sprintf("%s,\"%s\"\n", strings.Join(said, " "), strings.Join(labels, ","))
		}
		cmdtest.WriteFile(t, filepath.Join(dir, name), text)
	}
	return []string{"train", "--model", filepath.Join(dir, "bert"), "--train", filepath.Join(dir, "train.csv"), "--dev",
		filepath.Join(dir, "dev.csv"),
		"--tune", "all", "--learning-rate", "0.01", "--train-batch-size", "3", "--gradient-accumulation-steps", "2", "--max-steps", "40",
		"--save-checkpoints-steps", "5", "--eval-steps", "7", "--log-steps", "4"}
}

var speed = regexp.MustCompile(`(?m)^((?:[^,\n]*,){5})[^,\n]*`)

// runResult is what equal runs have in common: the model, the last training checkpoint, the log without the speed.
func runResult(t *testing.T, output string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index", "bertlabel.json", "labels.txt",
		"checkpoints/ckpt-000040/model.ckpt-40.data-00000-of-00001", "checkpoints/latest", "metrics.csv"} {
		text, err := os.ReadFile(filepath.Join(output, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "metrics.csv" {
			text = speed.ReplaceAll(text, []byte("$1"))
		}
		fmt.Fprintf(&all, "%s\n%q\n", name, text)
	}
	return all.String()
}

// TestKills ends runs at random points by kill -9 or a signal, and lets them go on with another number of threads: they end with
// the bits of the run that was never stopped, and need nothing but --resume. BERTLABEL_TEST_KILLS is how many kill -9; docs/testing.md has
// the long runs.
func TestKills(t *testing.T) {
	t.Parallel()
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("BERTLABEL_TEST_KILLS")); err == nil {
		kills = n
	}
	if testing.Short() {
		kills = 3
	}
	if runtime.GOOS == "windows" {
		t.Skip("has no signals")
	}
	dir := cmdtest.FastDir(t)
	args := tinyTask(t, dir)
	output := filepath.Join(dir, "whole")
	start := time.Now()
	cmd, stderr := child(append(args, "--output", output)...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	took, want := time.Since(start), runResult(t, output)

	rng := rand.New(rand.NewPCG(uint64(kills), 7))
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT}
	killed, deaths, midway := 0, 0, 0
	for run := 0; killed < kills; run++ {
		output := filepath.Join(dir, fmt.Sprint("run-", run))
		for life := 0; ; life++ {
			cmd, stderr := child(append(args, "--output", output, "--resume", "--threads", []string{"1", "2", "4"}[life%3])...)
			start := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			sig := signals[rng.IntN(len(signals))]
			if life < 3 {
				kill := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { cmd.Process.Signal(sig) })
				defer kill.Stop()
			}
			err := cmd.Wait()
			if err == nil {
				if life == 0 {
					took = min(took, time.Since(start)) // later kills are to come before the end
				}
				break
			}
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			ours := life < 3 && (status.Signaled() && status.Signal() == sig || status.ExitStatus() == 128+int(sig))
			theirs := status.Signaled() && status.Signal() == syscall.SIGKILL // by the machine, short of memory: a kill -9 like ours
			if !ours && !theirs || life == 20 {
				t.Fatalf("run %d, life %d, %v: %v\n%s", run, life, sig, err, stderr)
			}
			if bytes.Contains(stderr.Bytes(), []byte("going on behind step")) ||
				bytes.Contains(stderr.Bytes(), []byte("last good checkpoint")) {
				midway++
			}
			if deaths++; sig == syscall.SIGKILL {
				killed++
			}
		}
		if got := runResult(t, output); got != want {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			near := func(s string) string { return s[max(0, min(i, len(s))-300):min(len(s), i+100)] }
			t.Fatalf("run %d ends differently from the undisturbed one:\n…%s…\nwant\n…%s…", run, near(got), near(want))
		}
		os.RemoveAll(output)
	}
	t.Logf("%d runs ended, %d of them by kill -9; %d had a checkpoint", deaths, killed, midway)
}

// TestSignalExit: a signal ends training with its exit code after a checkpoint that was verified (C7).
func TestSignalExit(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("has no signals")
	}
	dir := cmdtest.FastDir(t)
	args := tinyTask(t, dir)
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		output := filepath.Join(dir, fmt.Sprint("out-", code))
		cmd, stderr := child(append(args, "--output", output, "--max-steps", "100000000", "--save-checkpoints-steps", "0", "--eval-steps",
			"1000000")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if log, _ := os.ReadFile(filepath.Join(output, "metrics.csv")); bytes.Count(log, []byte("\n")) > 3 ||
				time.Now().After(deadline) {
				break
			}
		}
		cmd.Process.Signal(sig)
		err := cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%v: exit %d (%v), want %d\n%s", sig, got, err, code, stderr)
		}
		found, err := filepath.Glob(filepath.Join(output, "checkpoints", "ckpt-*", "MANIFEST.json"))
		if err != nil || len(found) != 1 || !strings.Contains(stderr.String(), "last good checkpoint") {
			t.Errorf("%v: checkpoints %v, %v\n%s", sig, found, err, stderr)
		}
	}
}

// TestRunRefused: what cannot go on says why, with its exit code, and harms nothing.
func TestRunRefused(t *testing.T) {
	t.Parallel()
	dir := cmdtest.FastDir(t)
	output := filepath.Join(dir, "out")
	args := append(tinyTask(t, dir), "--output", output)
	train := func(more ...string) (string, int) {
		_, stderr, code := bertlabel(t, "", append(slices.Clone(args), more...)...)
		return stderr, code
	}
	if stderr, code := train(); code != cli.ExitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	want := runResult(t, output)
	for _, c := range []struct {
		flags, want string
		code        int
	}{
		{"", "not empty", cli.ExitUsage},
		{"--resume --overwrite", "give one of them", cli.ExitUsage},
		{"--resume --seed 43", "seed was 42, is 43", cli.ExitUsage},
		{"--resume --max-steps 50", "max_steps was 40, is 50", cli.ExitUsage},
		{"--resume --tune last:1", `tune was "all", is "last:1"`, cli.ExitUsage},
		{"--resume --dropout 0", "hidden_dropout was 0.1, is 0", cli.ExitUsage},
		{"--resume --tune last:3", "the model has 2 layers", cli.ExitUsage},
		{"--resume --tune last:0", "want head, last:N or all", cli.ExitUsage},
		{"--resume --keep-checkpoints 0", "want at least", cli.ExitUsage},
		{"--resume --dev " + filepath.Join(dir, "train.csv"), "SHA-256 of the dev rows", cli.ExitUsage},
		{"--resume --train " + filepath.Join(dir, "dev.csv"), "SHA-256 of the training rows", cli.ExitUsage},
		{"--resume --learning-rate 1e30", "learning_rate", cli.ExitUsage},
		{"--tune head --overwrite --resume-from x", "--tune all", cli.ExitUsage},
		{"--tune head --overwrite --on-nan restore", "--on-nan restore", cli.ExitUsage},
		{"--overwrite --on-nan ignore", "--on-nan is ignore, want stop, skip or restore", cli.ExitUsage},
	} {
		stderr, code := train(strings.Fields(c.flags)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%s", c.flags, code, c.code, c.want, stderr)
		}
	}
	if stderr, code := train("--resume"); code != cli.ExitOK || runResult(t, output) != want {
		t.Errorf("resuming a run that is done: exit %d\n%s", code, stderr)
	}
	stderr, code := train("--overwrite", "--learning-rate", "1e30", "--save-checkpoints-steps", "1")
	if code != cli.ExitDiverged || !regexp.MustCompile(`diverged at step \d+: [^ ]+ is [-+]?(NaN|Inf)`).MatchString(stderr) ||
		!strings.Contains(stderr, "last good checkpoint") {
		t.Errorf("rate 1e30: exit %d, want %d, step and tensor\n%s", code, cli.ExitDiverged, stderr)
	}
	for flags, want := range map[string]string{ // weights that are finite and of no use
		"skip": "left out (--on-nan skip)", "restore": "no checkpoint to go back to yet",
		"restore --save-checkpoints-steps 1": "left out (--on-nan restore)",
	} {
		stderr, code := train(append([]string{"--overwrite", "--learning-rate", "1e38", "--on-nan"}, strings.Fields(flags)...)...)
		if code != cli.ExitDiverged || !strings.Contains(stderr, want) {
			t.Errorf("rate 1e38, --on-nan %s: exit %d, want %d and %q\n%s", flags, code, cli.ExitDiverged, want, stderr)
		}
	}
}

// TestTwoProcesses: the second of two runs on one folder is refused, the first goes on (C9).
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	dir := cmdtest.FastDir(t)
	args := append(tinyTask(t, dir), "--output", filepath.Join(dir, "out"))
	first, stderr := child(append(args, "--max-steps", "100000000")...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		first.Process.Kill()
		first.Wait()
	}()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "out", "metrics.csv")); err == nil || time.Now().After(deadline) {
			break
		}
	}
	_, second, code := bertlabel(t, "", append(args, "--resume")...)
	if code == cli.ExitOK || !strings.Contains(second, "another process") || !strings.Contains(second, fmt.Sprint(first.Process.Pid)) {
		t.Errorf("exit %d\n%s\nthe first: %s", code, second, stderr)
	}
	if err := first.Process.Signal(syscall.Signal(0)); runtime.GOOS != "windows" && err != nil {
		t.Errorf("the first run has ended: %v", err)
	}
}

// TestResumeFromTF goes on from TensorFlow's training checkpoint of step 5 to step 10. The bound is that of the goldens' README.
func TestResumeFromTF(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(tensortest.Shared(t, "fixtures/numerics"), "*", "trajectory.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden models (%v)", err)
	}
	for _, file := range files {
		dir, output := filepath.Dir(file), filepath.Join(cmdtest.FastDir(t), "out")
		var about struct {
			Settings struct {
				MaxSeqLength int `json:"max_seq_length"`
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "about.json"))
		if err := errors.Join(err, json.Unmarshal(text, &about)); err != nil {
			t.Fatal(err)
		}
		_, stderr, code := bertlabel(t, "", "train", "--model", filepath.Join(dir, "model"), "--train", filepath.Join(dir, "texts.jsonl"),
			"--labels", filepath.Join(dir, "model_with_head", "labels.txt"), "--resume-from",
			filepath.Join(dir, "resume_tf", "model.ckpt-5"),
			"--tune", "all", "--shuffle=false", "--train-batch-size", "4", "--max-steps", "10", "--warmup-proportion", "0.2",
			"--learning-rate", "1e-3",
			"--dropout", "0", "--max-seq-length", fmt.Sprint(about.Settings.MaxSeqLength), "--log-steps", "1", "--output", output)
		if code != cli.ExitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		src, err := tfbundle.Open(filepath.Join(output, "checkpoints", "ckpt-000010", "model.ckpt-10"), checkpoint.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		compared := 0
		for name, want := range tensortest.ReadGolden(t, filepath.Join(dir, "trajectory_all.safetensors")) {
			name, ok := strings.CutPrefix(name, "step10/")
			if !ok {
				continue
			}
			got := make([]float32, len(want.Data))
			if err := src.ReadFloat32(name, got); err != nil {
				t.Fatal(err)
			}
			compared++
			if diff := tensortest.MaxDiff(t, tensortest.Widen(got), want.Data); !(diff <= 1e-5) {
				t.Errorf("%s: %s is off by %g", dir, name, diff)
			}
		}
		src.Close()
		if log, err := os.ReadFile(filepath.Join(output, "metrics.csv")); err != nil || bytes.Count(log, []byte("\n")) != 6 ||
			compared < 30 {
			t.Errorf("%d variables compared; metrics.csv\n%s", compared, log)
		}
	}
}
