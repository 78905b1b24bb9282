package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// shardedInput writes n rows, some of which are bad, in a folder of its own.
func shardedInput(t *testing.T, n int) (path string) {
	t.Helper()
	lines := strings.SplitAfter(cmdtest.JSONLines(cmdtest.TinyTexts(n)), "\n")
	for i := 3; i < n; i += 10 {
		lines[i] = fmt.Sprintf("{\"id\": %d, \"text\": 7}\n", i)
	}
	path = filepath.Join(cmdtest.FastDir(t), "in.jsonl")
	cmdtest.WriteFile(t, path, strings.TrimSuffix(strings.Join(lines, ""), "\n"))
	return path
}

// What predict and embed write of a file, they write in parts, with the exit codes of the whole; parts puts it together.
func TestShards(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	input := shardedInput(t, 45)
	table := filepath.Join(t.TempDir(), "in.tsv")
	cmdtest.WriteFile(t, table, "text\tid\r\nthe cat\t1\r\nsat\t2\r\nonly\r\na mat\t4")
	for name, args := range map[string]string{
		"jsonl": "predict --input " + input + " --top-k 2 --logits",
		"csv":   "predict --input " + input + " --output-format csv",
		"tsv":   "predict --input " + table + " --output-format tsv",
		"embed": "embed --input " + input + " --pooling cls",
	} {
		words := append(strings.Fields(args), "--model", model)
		want, _, code := bertlabel(t, "", words...)
		if code != cli.ExitData || strings.Count(want, "\n") < 4 {
			t.Fatalf("%s: exit %d, %s", name, code, want)
		}
		output := filepath.Join(t.TempDir(), "new", "parts")
		words = append(words, "--output", output, "--bad-rows", output+"-bad")
		for _, shard := range []string{"3/5", "0-1/5", "4/5", "2/5"} {
			if _, stderr, code := bertlabel(t, "", append(words, "--shard", shard, "--max-bad-rows", "100")...); code != cli.ExitOK {
				t.Fatalf("%s, %s: exit %d, %s", name, shard, code, stderr)
			}
		}
		got, stderr, code := bertlabel(t, "", "parts", output, "--cat")
		if code != cli.ExitOK || got != want || !strings.Contains(stderr, "complete: 5 of 5 parts") {
			t.Errorf("%s: exit %d, %s%s, want %s", name, code, stderr, got, want)
		}
		// What is there is found without a model; refused rows are still what they were.
		for limit, want := range map[string]int{"": cli.ExitData, "100": cli.ExitOK, "0": cli.ExitData} {
			if _, stderr, code := bertlabel(t, "", append(words, "--shard", "0-4/5", "--max-bad-rows", limit)...); code != want ||
				!strings.Contains(stderr, "part-00004-of-00005") || !strings.Contains(stderr, "is there") {
				t.Errorf("%s again, with %q bad rows: exit %d, %s", name, limit, code, stderr)
			}
		}
		bad, err := filepath.Glob(filepath.Join(output+"-bad", "bad-*-of-00005.jsonl"))
		if text, _ := os.ReadFile(bad[0]); err != nil || !strings.Contains(string(text), `"offset":`) || strings.Contains(string(text), "`") {
			t.Errorf("%s: bad rows in %v, %v: %s", name, bad, err, text)
		}
	}
}

// What programs read of a shard: lines of JSON on stderr, and figures for node_exporter.
func TestShardFigures(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	dir, input := t.TempDir(), shardedInput(t, 20)
	prom := filepath.Join(dir, "shard.prom")
	args := []string{"predict", "--model", model, "--input", input, "--output", filepath.Join(dir, "parts"), "--shard", "0-1/2",
		"--max-bad-rows", "5", "--log-format", "json", "--metrics-file", prom}
	for _, found := range []string{"false", "true"} {
		_, stderr, code := bertlabel(t, "", args...)
		for i := range 2 {
			want := fmt.Sprintf(`"msg":"part","shard":%d,"of":2,"path":"%s/parts/part-0000%d-of-00002.jsonl","found":%s,"rows":`, i, dir, i, found)
			if code != cli.ExitOK || !strings.Contains(stderr, want) {
				t.Errorf("exit %d, %s, want %s", code, stderr, want)
			}
		}
	}
	text, err := os.ReadFile(prom)
	if err != nil {
		t.Fatal(err)
	}
	figure := regexp.MustCompile(`^(bertlabel_shard_[a-z_]+)\{verb="predict",shard="1",of="2"\} [0-9.e+-]+$`)
	names := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if m := figure.FindStringSubmatch(line); m != nil {
			names[m[1]] = true
		} else if !strings.HasPrefix(line, "# HELP bertlabel_shard_") && !strings.HasPrefix(line, "# TYPE bertlabel_shard_") {
			t.Errorf("%s", line)
		}
	}
	if len(names) != 7 || !strings.Contains(string(text), `bertlabel_shard_done{verb="predict",shard="1",of="2"} 1`+"\n") {
		t.Errorf("%s", text)
	}
	args[len(args)-1] = filepath.Join(dir, "no", "shard.prom")
	if _, stderr, code := bertlabel(t, "", args...); code != cli.ExitOK || strings.Count(stderr, "--metrics-file: ") != 1 {
		t.Errorf("figures that cannot be written: exit %d, %s", code, stderr)
	}
}

// Vectors in files of tensors, with the labels of the rows where a list of them is given.
func TestEmbedShards(t *testing.T) {
	t.Parallel()
	folder := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	dir := t.TempDir()
	input, labels, output := filepath.Join(dir, "in.tsv"), filepath.Join(dir, "labels.txt"), filepath.Join(dir, "parts")
	cmdtest.WriteFile(t, input, strings.ReplaceAll(cmdtest.LabelledCSV(30, 4), ",", "\t"))
	cmdtest.WriteFile(t, labels, "animal\ncolour\n")
	embed := []string{"embed", "--model", folder, "--input", input, "--output", output, "--output-format", "safetensors"}
	if _, stderr, code := bertlabel(t, "", append(embed, "--labels", labels, "--shard", "0-2/3")...); code != cli.ExitOK {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	stdout, stderr, code := bertlabel(t, "", "inspect", filepath.Join(output, "part-00001-of-00003.safetensors"))
	for _, want := range []string{"embeddings", "id_offsets", "labels", "int8"} {
		if code != cli.ExitOK || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, %s%s, want %s", code, stdout, stderr, want)
		}
	}
	if stdout, stderr, code := bertlabel(t, "", "parts", output); code != cli.ExitOK || !strings.Contains(stdout, "rows 30,") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	for args, want := range map[string]string{
		"--shard 0/3":                                "--labels: found ",
		"--shard 0/3 --labels " + input:              "--labels",
		"--shard 0/3 --output-format csv":            "want jsonl, safetensors",
		"--labels " + labels:                         "--output-format is for parts",
		"--shard 0/3 --output-format jsonl --labels": "not read here: embed writes them into parts, by --shard with",
		"--shard 0/3 --soft-labels":                  "--soft-labels says how labels are read: give --labels",
	} {
		if strings.HasSuffix(args, "--labels") {
			args += " " + labels
		}
		_, stderr, code := bertlabel(t, "", append(embed, strings.Fields(args)...)...)
		if code != cli.ExitUsage && code != cli.ExitData || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s, want %s", args, code, stderr, want)
		}
	}
}

// The exit codes by which engines know whether to try again, and the errors with both values.
func TestShardsRefused(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	dir := t.TempDir()
	input, output := shardedInput(t, 20), filepath.Join(dir, "parts")
	csv := filepath.Join(dir, "in.csv")
	cmdtest.WriteFile(t, csv, "text\na\n")
	texts := filepath.Join(dir, "in.txt")
	cmdtest.WriteFile(t, texts, "a\nb\n")
	predict := func(args ...string) (stderr string, code int) {
		_, stderr, code = bertlabel(t, "{\"text\":\"a\"}", append([]string{"predict", "--model", model}, args...)...)
		return stderr, code
	}
	if stderr, code := predict("--input", input, "--output", output, "--shard", "1/3"); code != cli.ExitOK {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	cmdtest.OnlyFile(t, output, "part-00001-of-00003.json", "part-00001-of-00003.jsonl")
	to := " --input " + input + " --output " + output + " --shard "
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--output " + output + " --shard 0/3", "--shard 0/3 cuts a file", cli.ExitUsage},
		{"--output " + output + " --shard 0/3 --text a", "--shard 0/3 cuts a file", cli.ExitUsage},
		{"--input " + input + " --shard 0/3", "name it by --output", cli.ExitUsage},
		{to + "3/3", "shards of 3 are 0 to 2", cli.ExitUsage},
		{to + "1", "want I/N, as 3/128", cli.ExitUsage},
		{to + "0/3 --pretty", "--pretty is for people", cli.ExitUsage},
		{"--input " + input + " --output " + input + " --shard 0/3", "would replace it", cli.ExitUsage},
		{"--input " + input + " --output " + csv + " --shard 0/3", "is a file, want a folder", cli.ExitUsage},
		{"--input " + input + ".no --output " + output + " --shard 0/3", "no such file", cli.ExitUsage},
		{"--input " + csv + " --output " + output + " --shard 0/3", "convert it to jsonl or tsv; or cut it into files", cli.ExitUsage},
		{"--input " + texts + " --output " + dir + "/t --output-format csv --shard 0/3",
			"add ids (--id-column), or give --output-format jsonl", cli.ExitUsage},
		{"--input " + texts + " --output " + output + " --text-column a --shard 0/3", "--text-column means nothing", cli.ExitUsage},
		{to + "1/4", "shards: found 3, this run has 4; take another folder for --output", cli.ExitUsage},
		{to + "1/3 --precision int8", "--precision: found fp32, this run has int8", cli.ExitUsage},
		{to + "2/3 --threshold 0.1", "--threshold: found none, this run has 0.1", cli.ExitUsage},
		{to + "0/3 --max-bad-rows 0", "1 bad rows", cli.ExitData},
		{to + "0/3 --on-bad-row error", "--on-bad-row: found report", cli.ExitUsage},
		{"--input " + input + " --output " + dir + "/e --shard 0/3 --on-bad-row error", "byte ", cli.ExitData},
		{to + "0/3 --init-checkpoint " + input, "model: found ", cli.ExitUsage},
		{"--input " + input + " --output " + dir + "/m --shard 0/3 --init-checkpoint " + input, input, cli.ExitModel},
	} {
		if stderr, code := predict(strings.Fields(c.args)...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %d; %s, want %q", c.args, code, c.code, stderr, c.want)
		}
	}
	cmdtest.OnlyFile(t, output, "part-00001-of-00003.json", "part-00001-of-00003.jsonl")
}

// parts says what is missing in the words of engines, ends with 1 as long as something is, and cleans.
func TestPartsVerb(t *testing.T) {
	t.Parallel()
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	input, output := shardedInput(t, 40), filepath.Join(t.TempDir(), "parts")
	for _, shard := range []string{"0-1/8", "3/8", "7/8"} {
		bertlabel(t, "", "predict", "--model", model, "--input", input, "--output", output, "--shard", shard)
	}
	stdout, stderr, code := bertlabel(t, "", "parts", output)
	if code != cli.ExitFailure || !strings.Contains(stdout, "incomplete: 4 of 8 parts") ||
		!strings.Contains(stdout, "sbatch --array=2,4-6\n") || !strings.Contains(stdout, "--shard 2/8, 4-6/8\n") ||
		!strings.Contains(stderr, "4 of 8 parts are missing") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	if stdout, _, code := bertlabel(t, "", "parts", output, "--cat"); code != cli.ExitFailure || stdout != "" {
		t.Errorf("--cat of an incomplete folder: exit %d, %s", code, stdout)
	}
	damaged := filepath.Join(output, "part-00003-of-00008.jsonl")
	text, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	cmdtest.WriteFile(t, damaged, strings.ToUpper(string(text)))
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range []string{fmt.Sprintf("%s-%d", host, 1<<22+1), "elsewhere-1"} {
		cmdtest.WriteFile(t, filepath.Join(output, ".part-00002-of-00008.jsonl.tmp-"+process+"-0123456789abcdef"), "half")
	}
	stdout, stderr, code = bertlabel(t, "", "parts", output, "--json", "--clean")
	var r struct {
		Complete          bool
		Done, Of          int
		Rows, Refused     int
		Missing           string
		MissingShards     []string `json:"missing_shards"`
		Damaged           []struct{ Shard int }
		Temporary, Strays []string
		Versions          []string
		Job               struct{ Settings map[string]string }
	}
	err = json.Unmarshal([]byte(stdout), &r)
	if err != nil || code != cli.ExitFailure || r.Complete || r.Done != 3 || r.Of != 8 ||
		r.Rows == 0 || r.Missing != "2-6" || !slices.Equal(r.MissingShards, []string{"2-6/8"}) || len(r.Damaged) != 1 || len(r.Temporary) != 1 ||
		r.Job.Settings["verb"] != "predict" || strings.Count(stderr, "removed") != 3 || !strings.Contains(stderr, "of other machines") {
		t.Errorf("exit %d, %v, %s%s", code, err, stdout, stderr)
	}
	bertlabel(t, "", "predict", "--model", model, "--input", input, "--output", output, "--shard", "2-6/8")
	stdout, stderr, code = bertlabel(t, "", "parts", output, "--input", input)
	if code != cli.ExitOK || !strings.Contains(stdout, "is complete") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	// A receipt of another run beside.
	receipt, err := os.ReadFile(filepath.Join(output, "part-00007-of-00008.json"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(output, "part-00005-of-00008.json")
	other := strings.NewReplacer(`"shard": 7`, `"shard": 5`, "part-00007", "part-00005", `"precision": "fp32"`, `"precision": "bf16"`)
	cmdtest.WriteFile(t, path, other.Replace(string(receipt)))
	if _, stderr, code := bertlabel(t, "", "parts", output); code != cli.ExitFailure ||
		!strings.Contains(stderr, "--precision bf16 and fp32") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	for args, want := range map[string]string{"parts": "want one: the folder of the parts", "parts a b": "found 2 arguments",
		"parts a --cat --json": "want one of the two", "parts " + filepath.Dir(input): "has no parts",
		"parts " + output + "/no": "no such file"} {
		if _, stderr, code := bertlabel(t, "", strings.Fields(args)...); code == cli.ExitOK || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s", args, code, stderr)
		}
	}
}

// TestShardKills makes shards by processes that are ended by kill -9 at random points, a fifth of them twice at the same time: no row is
// lost, none is there twice, and the bytes are those of the undisturbed run. BERTLABEL_TEST_KILLS is how many kills; docs/testing.md has
// the long runs.
func TestShardKills(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("has no signals")
	}
	kills := 50
	if n, err := strconv.Atoi(os.Getenv("BERTLABEL_TEST_KILLS")); err == nil {
		kills = n
	}
	if testing.Short() {
		kills = 3
	}
	model := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels))
	const of = 8
	k := &shardKiller{t: t, rng: rand.New(rand.NewPCG(uint64(kills), 3))}
	input, dir := shardedInput(t, 4000), cmdtest.FastDir(t)
	k.args = []string{"predict", "--model", model, "--input", input, "--max-bad-rows", "100%", "--threads", "1"}
	want, _, _ := bertlabel(t, "", k.args...)
	start := time.Now()
	k.make(filepath.Join(dir, "first"), 0, of, false)
	k.took = time.Since(start)
	for round := 0; k.killed < kills; round++ {
		output := filepath.Join(dir, fmt.Sprint("round-", round))
		shards := make(chan int, of)
		for _, i := range k.rng.Perm(of) {
			shards <- i
		}
		close(shards)
		var workers sync.WaitGroup
		for range 2 {
			workers.Go(func() {
				for i := range shards {
					k.make(output, i, of, true)
				}
			})
		}
		workers.Wait()
		got, stderr, code := bertlabel(t, "", "parts", output, "--cat", "--clean")
		left, err := filepath.Glob(filepath.Join(output, ".*"))
		if code != cli.ExitOK || got != want || err != nil || len(left) > 0 {
			t.Fatalf("round %d: exit %d, %d bytes, want %d; left %v, %v\n%s", round, code, len(got), len(want), left, err, stderr)
		}
		os.RemoveAll(output)
	}
	t.Logf("%d kill -9, %d of them left a temporary file; %d shards were made twice at the same time", k.killed, k.midway, k.doubled)
}

// shardKiller makes shards by processes of their own, and kills some.
type shardKiller struct {
	t    *testing.T
	args []string
	took time.Duration // of an undisturbed process

	mu                      sync.Mutex
	rng                     *rand.Rand
	killed, midway, doubled int
}

// make makes shard i, with disturbance by processes that are killed before, and maybe by one beside.
func (k *shardKiller) make(output string, i, of int, disturb bool) {
	for disturb && k.random(2) == 0 {
		k.start(output, i, of, time.Duration(k.random(int(k.took))))
	}
	var beside sync.WaitGroup
	if disturb && k.random(5) == 0 {
		k.mu.Lock()
		k.doubled++
		k.mu.Unlock()
		beside.Go(func() { k.start(output, i, of, 0) })
	}
	k.start(output, i, of, 0)
	beside.Wait()
}

func (k *shardKiller) random(n int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rng.IntN(n)
}

// start runs a process to its end, or kills it after a time that is not 0.
func (k *shardKiller) start(output string, i, of int, kill time.Duration) {
	cmd, stderr := child(append(slices.Clone(k.args), "--output", output, "--shard", fmt.Sprintf("%d/%d", i, of))...)
	if err := cmd.Start(); err != nil {
		k.t.Error(err)
		return
	}
	if kill > 0 {
		defer time.AfterFunc(kill, func() { cmd.Process.Signal(syscall.SIGKILL) }).Stop()
	}
	err := cmd.Wait()
	if err == nil {
		return
	}
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); kill == 0 || status.Signal() != syscall.SIGKILL {
		k.t.Errorf("shard %d: %v\n%s", i, err, stderr)
		return
	}
	left, _ := filepath.Glob(filepath.Join(output, fmt.Sprintf(".part-%05d-*-%d-*", i, cmd.Process.Pid)))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.killed++; len(left) > 0 {
		k.midway++
	}
}
