package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The matrix: every flag that stands on the command line of a verb either acts, so that what the verb says or writes is other than without
// it, or is wrong usage (exit 2) that names the flag. There is no third kind. The flags are those of the commands: a new one without a row
// fails. In words of command lines @ is the file of rows, $ the folder for what is written, + the folder of the test's files, ~ a space
// in a word; H is a model with the labels joy and anger, R another, M one without a head, N one with another label.

// matrixTry is a flag with a value, and what stands beside it with the flag and without.
type matrixTry struct {
	value string
	with  string // more words
	only  string // formats, or a part of the mode (! a part that it must not have); "" for all
	file  string // of matrixFiles; "" for plain
	full  bool   // there is a file in $/o already
}

// matrixData are the flags of data: whether they are about labels, the formats for which they mean something ("" for all), and tries of
// which each acts where the flag means something.
var matrixData = map[string]struct {
	labels  bool
	formats string
	tries   []matrixTry
}{
	"format":           {tries: []matrixTry{{value: "FORMAT"}}},
	"no-header":        {formats: "csv tsv", tries: []matrixTry{{with: "--text-column=2"}}},
	"delimiter":        {formats: "csv tsv", tries: []matrixTry{{value: ";", file: "points"}}},
	"text-column":      {formats: "csv tsv jsonl", tries: []matrixTry{{value: "body"}}},
	"text-pair-column": {formats: "csv tsv jsonl", tries: []matrixTry{{value: "second"}}},
	"id-column": {formats: "csv tsv jsonl", tries: []matrixTry{{value: "nosuch", only: "csv tsv fasttext lines"},
		{value: "key", only: "jsonl"}}}, // whose keys are objects, and no ids
	"labels":        {labels: true, tries: []matrixTry{{value: "+calm"}}},
	"labels-column": {true, "csv tsv jsonl", []matrixTry{{value: "second", only: "csv tsv fasttext lines"}, {value: "names", only: "jsonl"}}},
	"label-columns": {true, "csv tsv jsonl", []matrixTry{{value: "anger", file: "others"}}},
	"label-separator": {true, "csv tsv", []matrixTry{{value: ";", file: "joined"},
		{value: ";", file: "columns", only: "csv tsv"}}}, // whose labels are columns: refused
	"missing-labels": {true, "csv tsv jsonl fasttext", []matrixTry{{value: "none", file: "nan"}}},
	"binarize":       {true, "csv tsv jsonl", []matrixTry{{value: "0.5", file: "shares"}}},
	"soft-labels":    {true, "csv tsv jsonl", []matrixTry{{file: "shares"}}},
	"label-prefix":   {formats: "fasttext", tries: []matrixTry{{value: "__tag__", file: "prefix"}}},
	"drop-unknown-labels": {true, "csv tsv jsonl fasttext", []matrixTry{{file: "unknown"}, // without a list refused, but where a model has one
		{file: "unknown", with: "--labels=+two"}}},
	"on-bad-row": {tries: []matrixTry{{value: "skip", file: "bytes", with: "--strict-utf8"}}},
	"max-bad-rows": {tries: []matrixTry{{value: "0", file: "bytes", with: "--strict-utf8"},
		{value: "0", file: "bytes", with: "--strict-utf8 --on-bad-row=skip"}}},
	"bad-rows": {tries: []matrixTry{{value: "$/list.jsonl", file: "bytes", with: "--strict-utf8"},
		{value: "$/list.jsonl", file: "bytes", with: "--strict-utf8 --on-bad-row=skip"}}},
	"on-long":     {tries: []matrixTry{{value: "error", file: "long", with: "--max-seq-length=4"}}},
	"strict-utf8": {tries: []matrixTry{{file: "bytes"}}},
}

// matrixFiles are the rows that a verb reads, by format: plain ones, and such that a flag makes a difference for.
var matrixFiles = map[string]map[string]string{
	"csv": {
		"plain": "text,body,second,id,key,labels\nthe cat,the mat,big,1,x1,joy\na dog ran,the mat,red,2,x2,anger\nthe cat,the mat,sad,3,x3,joy\n" +
			"on a mat,the mat,home,4,x4,anger\nhome,the mat,sad,5,x5,anger\nthe cat ran,the mat,sad,6,x6,anger\n",
		"columns": "text,joy,anger\nthe cat,1,0\na dog ran,0,1\nthe mat,1,0\n",
		"others":  "text,joy,anger,note\nthe cat,1,0,a\na dog ran,0,1,b\n",
		"joined":  "text,labels\nthe cat,joy;anger\na dog ran,joy\nthe mat,anger\n",
		"nan":     "text,labels\nthe cat,joy\na dog ran,nan\nthe mat,anger\n",
		"shares":  "text,joy,anger\nthe cat,0.7,0\na dog ran,0.2,0.9\nthe mat,1,0.1\n",
		"unknown": "text,labels\nthe cat,joy\na dog ran,\"anger,fury\"\nthe mat,\"joy,anger\"\n",
		"bad":     "text,labels\nthe cat,joy\na dog ran,joy,surplus\nthe mat,anger\n",
		"bytes":   "text,labels\nthe cat\xff,joy\na dog ran,anger\n",
		"points":  "text;labels\nthe cat;joy\na dog ran;anger\n",
		"long":    "text,labels\nthe cat sat on a mat the dog ran home,joy\na dog ran,anger\n",
		"huge":    "text,labels\n" + strings.Repeat("a", 1<<20+1) + ",joy\na dog ran,anger\n",
	},
	"jsonl": {
		"plain": `{"text":"the cat","body":"the mat","second":"big","id":"1","key":{},"names":["anger"],"labels":["joy"]}` + "\n" +
			`{"text":"a dog ran","body":"the mat","second":"red","id":"2","key":{},"names":["joy"],"labels":["anger"]}` + "\n" +
			`{"text":"the cat","body":"the mat","second":"sad","id":"3","key":{},"names":["joy"],"labels":["joy"]}` + "\n" +
			`{"text":"on a mat","body":"the mat","second":"sad","id":"4","key":{},"names":["joy"],"labels":["anger"]}` + "\n",
		"others": `{"text":"the cat","joy":1,"anger":0}` + "\n" + `{"text":"a dog ran","joy":0,"anger":1}` + "\n",
		"nan": `{"text":"the cat","labels":["joy"]}` + "\n" + `{"text":"a dog ran","labels":null}` + "\n" +
			`{"text":"the mat","labels":["anger"]}` + "\n",
		"shares": `{"text":"the cat","labels":{"joy":0.7}}` + "\n" + `{"text":"a dog ran","labels":{"joy":0.2,"anger":0.9}}` + "\n" +
			`{"text":"the mat","labels":{"joy":1}}` + "\n",
		"unknown": `{"text":"the cat","labels":["joy"]}` + "\n" + `{"text":"a dog ran","labels":["anger","fury"]}` + "\n" +
			`{"text":"the mat","labels":["anger","joy"]}` + "\n",
		"bad":   `{"text":"the cat","labels":["joy"]}` + "\n{\n" + `{"text":"the mat","labels":["anger"]}` + "\n",
		"bytes": `{"text":"the cat` + "\xff" + `","labels":["joy"]}` + "\n" + `{"text":"a dog ran","labels":["anger"]}` + "\n",
		"long":  `{"text":"the cat sat on a mat the dog ran home","labels":["joy"]}` + "\n" + `{"text":"a dog ran","labels":["anger"]}` + "\n",
		"huge":  `{"text":"` + strings.Repeat("a", 1<<20+1) + `","labels":["joy"]}` + "\n" + `{"text":"a dog ran","labels":["anger"]}` + "\n",
	},
	"fasttext": {
		"plain":   "__label__joy the cat\n__label__anger a dog ran\n__label__joy the mat\n",
		"prefix":  "__tag__joy the cat\n__tag__anger a dog ran\n__tag__joy the mat\n",
		"nan":     "__label__joy the cat\n__label__nan a dog ran\n__label__anger the mat\n",
		"unknown": "__label__joy the cat\n__label__anger __label__fury a dog ran\n__label__joy __label__anger the mat\n",
		"bad":     "__label__joy the cat\n__label__joy a __label__anger dog\n__label__anger the mat\n",
		"bytes":   "__label__joy the cat\xff\n__label__anger a dog ran\n",
		"long":    "__label__joy the cat sat on a mat the dog ran home\n__label__anger a dog ran\n",
		"huge":    "__label__joy " + strings.Repeat("a", 1<<20+1) + "\n__label__anger a dog ran\n",
	},
	"lines": {
		"plain": "the cat\na dog ran\n", "bytes": "the cat\xff\na dog ran\n", "long": "the cat sat on a mat the dog ran home\na dog ran\n",
	},
}

// matrixModes are ways to run each verb that can be run here.
var matrixModes = map[string][]string{
	"predict": {"--model H --input @ --output $/p.jsonl", "--model H --input @ --output $/p.csv", "--model H --input @ --output $/p.tsv",
		"--model H --text The~cat~##s~sat~on --output $/p.jsonl", "--model H --input @ --output $/parts --shard 0/2"},
	"embed": {"--model H --input @ --output $/e.jsonl", "--model H --input @ --output $/e.safetensors",
		"--model H --input @ --output $/parts --shard 0/2 --output-format safetensors --labels +two"},
	"explain":    {"--model H --input @ --steps 2", "--model H --text The~cat~##s~sat~on --steps 2"},
	"eval":       {"--model H --data @", "--model H --data @ --report $/r.html"},
	"tune":       {"--model H --dev @ --output $/o", "--model H --dev @ --output $/o --calibrate"},
	"check-data": {"--train @", "--train @ --model H"},
	"tokenize":   {"--input @ --vocab-file H/vocab.txt"},
	"split":      {"--input @ --output $/o --parts a=0.5,b=0.5"},
	"train": {"--model M --train @ --output $/o --max-steps 4 --train-batch-size 4",
		"--model M --train @ --dev @ --output $/o --max-steps 8 --train-batch-size 4 --eval-steps 1",
		"--model M --train @ --output $/o --solver lbfgs --l2 0.1",
		"--model M --train @ --dev @ --output $/o --solver lda",
		"--model M --train @ --dev @ --output $/o --tune last:1 --max-steps 8 --train-batch-size 4 --eval-steps 1",
		"--model M --features +vectors --dev-features +vectors --output $/o --max-steps 8 --train-batch-size 4 --eval-steps 1",
		"--model M --features +vectors --dev-features +vectors --output $/o --solver lda"},
	"labels": {"add --model N --train @ --names joy --output $/o", "add --model N --train @ --names joy --output $/o --dev @",
		"merge --model H --names joy,anger --into mood --train @ --output $/o", "drop --model H --names joy --output $/o",
		"rename --model H --names joy --into glee --output $/o"},
	"convert": {"--model H --to google --output $/o", "--model H --to hf --output $/o"},
	"inspect": {"H"},
	"metrics": {"--truth +truth.csv --scores +scores.csv"},
	"trace": {"--model H The~cat~##s~sat~on", "--model H The~cat~##s~sat~on --json", "--model H The~cat~##s~sat~on --backward --labels joy",
		"--model H The~cat~##s~sat~on --without position"},
}

// matrixElsewhere are the flags of the verbs that cannot be run here: they measure, serve, use the network, or take long. Those of bench and
// of serve have tests of their own (benchcmd, servecmd).
var matrixElsewhere = map[string]string{
	"bench": "gemm ladder model shape lengths train batch steps num-labels runs precision embeddings windows window-overlap offline json",
	"serve": "model listen precision embeddings offline debug-addr allow-dimensions max-wait bulk-queue batch-tokens max-texts max-body max-bodies cache on-long timeout api-key-file " +
		"insecure tls-cert tls-key metrics-listen drain-delay grace watch cors trust-proxy explain no-ui no-get access-log log-texts check",
	"demo": "tiny output overwrite", "pull": "output offline", "parts": "cat clean json input", "version": "json", "completion": "",
}

// matrixUnseen are flags of which there may be nothing to see, and why.
var matrixUnseen = map[string]string{
	"offline": "it forbids what is not done with a folder", "no-holdout": "it forbids what is not done with few rows",
	"verify-save": "checkpoints have the same bits", "resume-from": "it needs a checkpoint of TensorFlow: trainall_test.go",
}

// matrixTries are tries of the other flags, of the verb or of all.
var matrixTries = map[string][]matrixTry{
	"model": {{value: "R"}}, "bert-config-file": {{value: "+config.json"}}, "vocab-file": {{value: "+vocab.txt"}},
	"init-checkpoint": {{value: "R/bert_model.ckpt"}}, "hidden-act": {{value: "relu"}}, "do-lower-case": {{value: "false"}},
	"max-seq-length": {{value: "4"}}, "keep-tokens": {{value: "##s"}}, "ignore-variables": {{value: "x*"}}, "precision": {{value: "int8"}},
	"embeddings": {{value: "int8"}}, "windows": {{value: "all", with: "--max-seq-length=5", only: "--model"}, {value: "all", only: "!--model"}},
	"window-overlap": {{value: "0.4", with: "--windows=all --max-seq-length=5", only: "--model"}, {value: "0.4"}},
	"windows-detail": {{with: "--windows=all --max-seq-length=5"}, {}}, "metrics-file": {{value: "$/figures.prom"}},
	"overwrite": {{full: true}}, "output": {{value: "$/q.jsonl"}}, "seed": {{value: "7"}}, "json": {{only: "!--json"}},
	"plots": {{value: "$/plots"}}, "dev": {{value: "@"}}, "test": {{value: "@"}}, "labels": {{value: "anger"}}, "binarize": {{value: "0.5",
		with: "--truth +shares.csv"}},

	"output-format": {{value: "tsv", only: "!.tsv"}, {value: "csv", only: ".tsv"}}, "threshold": {{value: "1"}}, "exactly-one": {{}},
	"top-k": {{value: "1"}}, "logits": {{}}, "pretty": {{}}, "shard": {{value: "0/2", only: "!--shard"}}, "text": {{value: "a~dog"}},
	"input": {{value: "+truth.csv"}}, "pooling": {{value: "mean"}}, "all-layers": {{}}, "label": {{value: "anger"}},
	"method": {{value: "gradient-x-input"}}, "steps": {{value: "5"}}, "explain json": {{value: "false"}}, "against": {{value: "int8"}},
	"report": {{value: "$/page.html"}}, "explain-rows": {{value: "0"}}, "to": {{value: "hf", only: "google"}, {value: "google", only: "hf"}},
	"verify": {{}}, "stats": {{}}, "parts": {{value: "a=0.34,b=0.66"}}, "truth": {{value: "+shares.csv"}}, "scores": {{value: "+other.csv"}},

	"tune-thresholds": {{value: "global"}}, "threshold-objective": {{value: "f2"}}, "calibrate": {{value: "temperature"}},
	"features": {{value: "+vectors"}}, "dev-features": {{value: "+vectors"}},
	"recipe": {{value: "best"}}, "tune": {{value: "last:2"}}, "features-cache": {{value: "$/cache"}}, "baseline": {{value: "true"}},
	"folds": {{value: "3"}}, "train-batch-size": {{value: "2"}}, "learning-rate": {{value: "0.5"}}, "num-train-epochs": {{value: "9"}},
	"max-steps": {{value: "3"}}, "warmup-proportion": {{value: "0.9"}}, "weight-decay": {{value: "0.9"}}, "optimizer": {{value: "adamw"}},
	"clip-norm": {{value: "0.001"}}, "dropout": {{value: "0.5"}}, "gradient-accumulation-steps": {{value: "2"}},
	"shuffle": {{value: "false"}}, "log-steps": {{value: "1", only: "!--eval-steps"}}, "eval-steps": {{value: "2"}},
	"best-metric":    {{value: "log_loss"}},
	"early-stopping": {{value: "1"}}, "on-nan": {{value: "restore"}}, "refit": {{value: "lda"}}, "refit-pooling": {{value: "mean"}},
	"window-pooling": {{value: "noisy-or", with: "--windows=all --max-seq-length=5"}, {value: "noisy-or"}},
	"solver":         {{value: "lbfgs", only: "!lbfgs"}, {value: "lda", only: "!lda"}}, "l2": {{value: "0.9"}}, "loss": {{value: "focal"}},
	"pos-weight": {{value: "3"}}, "pos-weight-cap": {{value: "2"}}, "label-smoothing": {{value: "0.1"}}, "bias-init": {{value: "log-odds"}},
	"resume": {{full: true, only: "!--tune"}, {only: "--tune"}}, "save-checkpoints-steps": {{value: "1"}},
	"keep-checkpoints": {{value: "1", with: "--save-checkpoints-steps=1", only: "--tune"}, {value: "1", only: "!--tune"}},
	"tensorboard":      {{value: "false"}}, "recompute": {{}},
	"layerwise-lr-decay": {{value: "0.5"}}, "into": {{value: "glum"}}, "names": {{value: "anger"}}, "train": {{value: "+truth.csv"}},

	"pair": {{value: "a~dog"}}, "token": {{value: "1"}}, "layer": {{value: "1"}}, "stage": {{value: "attention"}}, "whole": {{}},
	"csv": {{value: "$/csv"}}, "html": {{value: "$/t.html"}}, "without": {{value: "gelu"}}, "set": {{value: "output_bias[0]=1"}},
	"backward": {{}}, "check": {{}}, "entry": {{value: "output_bias[0]"}}, "data": {{value: "+truth.csv"}},
}

// matrix runs command lines in a folder of its own.
type matrix struct {
	t      *testing.T
	dir    string
	models *strings.Replacer
	bases  map[string]string // what there is to see of a command line
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{t: t, dir: t.TempDir(), bases: map[string]string{}}
	sure := cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger"}) // of both labels, so that thresholds and the surest one differ
	sure.Head.Bias.Value[0] += 9
	sure.Head.Bias.Value[1] += 8
	another := cmdtest.TinyModel(t, 2, bert.Pooled, []string{"joy", "anger"})
	another.MaxSeqLength = 5
	head, rival := cmdtest.ModelFolder(t, sure), cmdtest.ModelFolder(t, another)
	plain, other := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, nil)), cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1,
		bert.Pooled,
		[]string{"calm"}))
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(head, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, text := range map[string]string{
		"two": "joy\nanger\n", "calm": "calm\n", "truth.csv": "text,joy,anger\nx,1,0\ny,0,1\n", "shares.csv": "joy,anger\n0.8,0\n0,1\n",
		"other.csv":   "joy,anger\n0.2,0.3\n0.6,0.7\n",
		"scores.csv":  "joy,anger\n0.8,0.3\n0.6,0.7\n",
		"config.json": strings.Replace(read("bert_config.json"), `"gelu"`, `"relu"`, 1),
		"vocab.txt":   strings.Replace(read("vocab.txt"), "cat\n", "zebra\n", 1),
	} {
		cmdtest.WriteFile(t, filepath.Join(m.dir, name), text)
	}
	vectors := filepath.Join(m.dir, "vectors")
	cmdtest.WriteFile(t, vectors+".tsv", "text\tjoy\tanger\nthe cat\t1\t0\na dog ran\t0\t1\n"+
		"big red mat\t1\t1\nsad dog\t0\t1\nhappy cat\t1\t0\n"+
		"the big dog\t0\t1\na red cat\t1\t0\nhome\t1\t1\nthe mat\t0\t0\nsad cat\t1\t0\nhome ran\t0\t1\nred home\t0\t1\n")
	if _, stderr, code := bertlabel(t, "", "embed", "--model", plain, "--input", vectors+".tsv", "--output", vectors, "--pooling", "mean",
		"--output-format", "safetensors", "--labels", filepath.Join(m.dir, "two"), "--shard", "0-1/2"); code != cli.ExitOK {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	m.models = strings.NewReplacer(" H ", " "+head+" ", " H/", " "+head+"/", " M ", " "+plain+" ", " N ", " "+other+" ", "=R ",
		"="+rival+" ", "=R/",
		"="+rival+"/")
	return m
}

var matrixVaries = regexp.MustCompile(`[0-9][0-9.]*( ?(ms|s|min|h)\b| [a-z]+/s|/s)|[0-9.]+ (KiB|MiB|GiB|B)\b`)

// run runs a command line on a file of rows, and returns what there is to see of it, but for times and sizes of memory.
func (m *matrix) run(words, file string, full bool) (seen string, code int, stderr string) {
	m.t.Helper()
	out := filepath.Join(m.dir, "out")
	os.RemoveAll(out)
	folder := out
	if full {
		folder = filepath.Join(out, "o")
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		m.t.Fatal(err)
	}
	if full {
		cmdtest.WriteFile(m.t, filepath.Join(folder, "a.tsv"), "x")
	}
	var args []string
	paths := strings.NewReplacer("@", file, "$/", out+"/", "+", m.dir+"/", "~", " ")
	for _, w := range strings.Fields(m.models.Replace(words + " ")) {
		args = append(args, paths.Replace(w))
	}
	stdout, stderr, code := bertlabel(m.t, "", args...)
	var b strings.Builder
	fmt.Fprintf(&b, "exit %d\n%s\n%s\n", code, matrixVaries.ReplaceAllString(stdout, "T"), matrixVaries.ReplaceAllString(stderr, "T"))
	filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			fmt.Fprintf(&b, "%s %s\n", strings.TrimPrefix(path, out), matrixContent(m.t, path))
		}
		return err
	})
	return b.String(), code, stderr
}

// matrixContent tells a file from another, but for what only records how it was made and when.
func matrixContent(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch name := filepath.Base(path); {
	case name == "bertlabel.json":
		var settings map[string]json.RawMessage
		if err := json.Unmarshal(text, &settings); err != nil {
			t.Fatal(err)
		}
		delete(settings, "training")
		if text, err = json.Marshal(settings); err != nil {
			t.Fatal(err)
		}
	case name == "metrics.csv":
		var kept []string
		for _, line := range strings.Split(string(text), "\n") {
			fields := strings.Split(line, ",") // the sixth is the speed
			kept = append(kept, strings.Join(slices.Delete(fields, min(5, len(fields)), min(6, len(fields))), ","))
		}
		text = []byte(strings.Join(kept, "\n"))
	case strings.Contains(path, "checkpoints"), strings.Contains(path, "tensorboard"), name == "manifest.json", name == "plan.json":
		return ""
	case strings.HasSuffix(name, ".html"): // which has the command line
		return fmt.Sprint(bytes.Count(text, []byte("class=")))
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// The kinds of outcome.
const (
	acts    = "acts"
	refused = "refused"
	nothing = "nothing"
)

// kind runs a command line with a flag, and where that is not refused without it.
func (m *matrix) kind(words, flag string, try matrixTry, file, id string) (kind, stderr string) {
	m.t.Helper()
	base, word := words+" "+try.with, "--"+flag
	if try.value != "" {
		word += "=" + try.value
	}
	with, code, stderr := m.run(base+" "+word, file, try.full)
	i := strings.Index(stderr, "bertlabel "+strings.Fields(words)[0]+": ")
	said := stderr[max(i, 0):]
	if code == cli.ExitUsage && strings.Contains(said, "--"+flag) {
		return refused, said
	}
	key := fmt.Sprint(base, id, try.full)
	without, ran := m.bases[key]
	if !ran {
		without, _, _ = m.run(base, file, try.full)
		m.bases[key] = without
	}
	if with == without || code == cli.ExitInternal {
		return nothing, said
	}
	return acts, said
}

// applies reports whether a try is for a mode, or a format.
func (t matrixTry) applies(to string) bool {
	if without, not := strings.CutPrefix(t.only, "!"); not {
		return !strings.Contains(to, without)
	}
	return strings.Contains(to, t.only) || slices.Contains(strings.Fields(t.only), to)
}

func TestFlagMatrix(t *testing.T) {
	t.Parallel()
	for _, cmd := range cli.New(cli.Process{}, verbs, nil, nil, nil).Root().Commands() {
		modes := matrixModes[cmd.Name()]
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			_, ofData := matrixData[f.Name]
			known := len(matrixTries[f.Name]) > 0 || len(matrixTries[cmd.Name()+" "+f.Name]) > 0 || matrixUnseen[f.Name] != "" ||
				ofData && readsRows(cmd)
			if modes == nil {
				known = slices.Contains(strings.Fields(matrixElsewhere[cmd.Name()]), f.Name)
			}
			if !known {
				t.Errorf("%s --%s has no row: say how it acts, or where it is refused", cmd.Name(), f.Name)
			}
		})
		if modes == nil {
			continue
		}
		t.Run(cmd.Name(), func(t *testing.T) {
			t.Parallel()
			m := newMatrix(t)
			if readsRows(cmd) {
				m.data(cmd, cmd.Name()+" "+modes[0])
			}
			for i, mode := range modes {
				if i == 0 || !testing.Short() {
					m.mode(cmd, mode)
				}
			}
		})
	}
}

// readsRows reports whether a verb has the flags of data.
func readsRows(cmd *cobra.Command) bool { return cmd.Flags().Lookup("label-prefix") != nil }

// data tries the flags of data, for each format.
func (m *matrix) data(cmd *cobra.Command, words string) {
	labels := cmd.Flags().Lookup("train") != nil || slices.Contains([]string{"eval", "tune", "split"}, cmd.Name())
	for format, suffix := range map[string]string{"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "fasttext": ".ft", "lines": ".txt"} {
		switch {
		case format == "lines" && labels: // which has none, and is refused whole
		case format == "tsv" && cmd.Name() != "split": // one verb is enough for what is as in csv
		case testing.Short() && format != "jsonl":
		default:
			m.format(cmd, words, format, suffix, labels)
		}
	}
}

// format tries the flags of data for one format.
func (m *matrix) format(cmd *cobra.Command, words, format, suffix string, labels bool) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		row, there := matrixData[f.Name]
		if !there {
			return
		}
		means := (row.formats == "" || slices.Contains(strings.Fields(row.formats), format)) && (labels || !row.labels)
		acted := false
		for _, try := range row.tries {
			if try.only != "" && !slices.Contains(strings.Fields(try.only), format) {
				continue
			}
			kind, stderr := m.dataKind(cmd, words, f.Name, format, suffix, try, labels)
			acted = acted || kind == acts
			if kind == nothing || kind == acts && !means {
				m.t.Errorf("%s of %s with --%s %s %s: %s, means something %t: %.200s", words, format, f.Name, try.value, try.with, kind, means, stderr)
			}
		}
		if means && !acted && f.Name != "labels" && cmd.Name() != "labels" { // which have labels of their own
			m.t.Errorf("%s of %s: --%s never acts", words, format, f.Name)
		}
	})
}

// dataKind makes the file of a try, and runs it.
func (m *matrix) dataKind(cmd *cobra.Command, words, flag, format, suffix string, try matrixTry, labels bool) (kind, stderr string) {
	text := matrixFile(m.t, format, try.file)
	switch {
	case flag == "format":
		if suffix = ".jsonl"; format == "jsonl" {
			suffix = ".csv"
		}
		try.value = format
	case flag == "on-long" && (cmd.Flags().Lookup("max-seq-length") == nil || cmd.Name() == "check-data"):
		text, try.with = matrixFile(m.t, format, "huge"), ""
	case strings.Contains(try.with, "--labels") && !labels:
		try.with = ""
	}
	file := filepath.Join(m.dir, "rows"+suffix)
	cmdtest.WriteFile(m.t, file, text)
	return m.kind(words, flag, try, file, format+try.file+flag)
}

// matrixFile returns the rows of a file, the plain ones where a format has no file of that name.
func matrixFile(t *testing.T, format, name string) string {
	files := matrixFiles[format]
	if format == "tsv" {
		files = matrixFiles["csv"]
	}
	text := files["plain"]
	if own, there := files[name]; there {
		text = own
	}
	if format != "tsv" {
		return text
	}
	rows := csv.NewReader(strings.NewReader(text))
	rows.FieldsPerRecord = -1
	all, err := rows.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, row := range all {
		b.WriteString(strings.Join(row, "\t") + "\n")
	}
	return b.String()
}

// mode tries the other flags in one mode of a verb, and all of them where the mode reads no rows.
func (m *matrix) mode(cmd *cobra.Command, mode string) {
	file := filepath.Join(m.dir, "rows.tsv")
	cmdtest.WriteFile(m.t, file, strings.ReplaceAll("text,joy,anger\nThe cat ##s sat on a mat,0,0\na dog ran home,0,1\nbig red mat,1,1\nsad dog,0,1\nhappy cat,1,0\n"+
		"the big dog,0,1\na red cat,1,0\nhome,1,1\nthe mat,0,0\nsad cat,1,0\nhome ran,0,1\nred home,0,1\na mat,0,0\non a mat,0,0\nhome on a mat,0,0\n", ",", "\t"))
	unread := strings.HasPrefix(mode, "drop") || strings.HasPrefix(mode, "rename") || strings.Contains(mode, "--features")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		tries := matrixTries[f.Name]
		if own := matrixTries[cmd.Name()+" "+f.Name]; own != nil {
			tries = own
		}
		if row, ofData := matrixData[f.Name]; ofData && readsRows(cmd) {
			if tries = nil; unread {
				tries = []matrixTry{{value: strings.Replace(row.tries[0].value, "FORMAT", "csv", 1)}}
			}
		}
		for _, try := range tries {
			if !try.applies(mode) || strings.Contains(mode+" ", strings.TrimRight("--"+f.Name+" "+try.value, " ")+" ") {
				continue
			}
			if strings.Contains(mode, "--features") {
				try.with = "" // refused by themselves
			}
			kind, stderr := m.kind(cmd.Name()+" "+mode, f.Name, try, file, "")
			if kind == nothing && matrixUnseen[f.Name] == "" || kind == acts && unread && matrixData[f.Name].tries != nil {
				m.t.Errorf("%s %s with --%s %s %s: %s: %.200s", cmd.Name(), mode, f.Name, try.value, try.with, kind, stderr)
			}
		}
	})
}
