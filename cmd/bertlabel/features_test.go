package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// featureTask is a model without a head, texts, and the features of the texts in folders of the same names.
type featureTask struct {
	t                      *testing.T
	dir, base, labels      string
	train, dev, parts, few string // few is one part of train
}

func newFeatureTask(t *testing.T) *featureTask {
	t.Helper()
	f := &featureTask{t: t, dir: t.TempDir(), base: cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 6, bert.Mean, nil))}
	f.train, f.dev, f.labels = filepath.Join(f.dir, "train.tsv"), filepath.Join(f.dir, "dev.tsv"), filepath.Join(f.dir, "labels.txt")
	cmdtest.WriteFile(t, f.train, strings.ReplaceAll(cmdtest.LabelledCSV(90, 1), ",", "\t"))
	cmdtest.WriteFile(t, f.dev, strings.ReplaceAll(cmdtest.LabelledCSV(60, 2), ",", "\t"))
	cmdtest.WriteFile(t, f.labels, "animal\ncolour\n")
	f.few, f.parts = f.embed(f.train, "train-1", 1), f.embed(f.train, "train-4", 4)
	f.dev = f.embed(f.dev, "dev", 2)
	return f
}

// embed makes a folder of features of the texts of a file.
func (f *featureTask) embed(input, name string, parts int, args ...string) (folder string) {
	f.t.Helper()
	folder = filepath.Join(f.dir, name)
	args = append([]string{"embed", "--model", f.base, "--input", input, "--labels", f.labels, "--pooling", "mean", "--output", folder,
		"--output-format", "safetensors", "--shard", fmt.Sprintf("0-%d/%d", parts-1, parts)}, args...)
	if _, stderr, code := bertlabel(f.t, "", args...); code != cli.ExitOK {
		f.t.Fatalf("embed: exit %d, %s", code, stderr)
	}
	return folder
}

// run trains into a folder of that name, in the environment of a user who has set nothing.
func (f *featureTask) run(name string, args ...string) (folder, stderr string, code int) {
	f.t.Helper()
	folder = filepath.Join(f.dir, "out", name)
	_, stderr, code = bertlabelIn(f.t, unset, "", append([]string{"train", "--model", f.base, "--output", folder}, args...)...)
	return folder, stderr, code
}

// must is run that has to succeed.
func (f *featureTask) must(name string, args ...string) (folder, stderr string) {
	f.t.Helper()
	folder, stderr, code := f.run(name, args...)
	if code != cli.ExitOK {
		f.t.Fatalf("%s: exit %d, %s", name, code, stderr)
	}
	return folder, stderr
}

// contentOf returns the hashes of a model's variables and settings, and that of its metrics.
func contentOf(t *testing.T, folder string) (c struct{ model, metrics string }) {
	t.Helper()
	c.model = matrixContent(t, filepath.Join(folder, "bert_model.ckpt.data-00000-of-00001")) +
		matrixContent(t, filepath.Join(folder, "bertlabel.json"))
	c.metrics = matrixContent(t, filepath.Join(folder, "metrics.csv"))
	return c
}

// A head on features is the head on their texts, bit by bit, with its metrics, thresholds and calibration: of lda and gradient steps with
// one part, of lbfgs with any number; and on any number of threads.
func TestFeatures(t *testing.T) {
	t.Parallel()
	f := newFeatureTask(t)
	texts := []string{"--train", f.train, "--dev", filepath.Join(f.dir, "dev.tsv"), "--baseline=false",
		"--pooling", "mean", "--max-seq-length", "24"}
	for name, c := range map[string]struct {
		texts, features string
		exact           bool // with several parts
	}{
		"lda":      {"--recipe fast", "", false},
		"lbfgs":    {"--solver lbfgs", "--solver lbfgs", true},
		"gradient": {"--recipe google", "--recipe google", false},
		"google": {"--recipe google --bias-init log-odds --pos-weight balanced",
			"--recipe google --bias-init log-odds --pos-weight balanced", false},
	} {
		ofTexts, _ := f.must(name+"-texts", append(strings.Fields(c.texts), texts...)...)
		of := func(parts, as string, args ...string) struct{ model, metrics string } {
			args = append(append(strings.Fields(c.features), "--features", parts, "--dev-features", f.dev), args...)
			folder, _ := f.must(name+as, args...)
			return contentOf(t, folder)
		}
		want := contentOf(t, ofTexts)
		if of(f.few, "-1") != want {
			t.Errorf("%s: a head on the features of one part is another than that on their texts", name)
		}
		several := of(f.parts, "-4", "--threads", "1")
		if of(f.parts, "-4-threads", "--threads", "2") != several {
			t.Errorf("%s: other bits on two threads", name)
		}
		if (several.model == want.model) != c.exact { // the others are cut otherwise
			t.Errorf("%s: four parts give the bits of one: %t, want %t", name, !c.exact, c.exact)
		}
	}
}

// The finished folder is a whole model: what train says of it, what it predicts, and what it says of its training.
func TestFeaturesModel(t *testing.T) {
	t.Parallel()
	f := newFeatureTask(t)
	short := f.embed(f.train, "short", 3, "--max-seq-length", "6", "--windows", "2")
	dev := f.embed(filepath.Join(f.dir, "dev.tsv"), "short-dev", 1, "--max-seq-length", "6", "--windows", "2")
	folder, stderr := f.must("out", "--features", short, "--dev-features", dev)
	for _, want := range []string{"90 rows of 16 features (mean, 2 windows of 6 tokens), 2 labels, in 3 parts", "recipe fast",
		"calibrated on dev",
		"kept the guarded thresholds", "wrote " + filepath.Join(folder, "report.html")} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
	m, err := model.Open(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.MaxSeqLength != 6 || m.Windows.Most != 2 || m.Pooling != bert.Mean || strings.Join(m.Labels, " ") != "animal colour" {
		t.Errorf("%d tokens, %v windows, %s, %q", m.MaxSeqLength, m.Windows, m.Pooling, m.Labels)
	}
	config := trainingOf(t, m)
	for key, want := range map[string]any{"recipe": "fast", "tune": "head", "solver": "lda", "pooling": "mean", "train": short, "dev": dev,
		"calibrate": "platt", "tune_thresholds": "guarded"} {
		if config[key] != want {
			t.Errorf("%s is %v, want %v", key, config[key], want)
		}
	}
	if _, stderr, code := bertlabel(t, "", "eval", "--model", folder, "--data", filepath.Join(f.dir, "dev.tsv")); code != cli.ExitOK {
		t.Errorf("eval: exit %d, %s", code, stderr)
	}
	// Without rows to choose by it is recipe google, and a fixed penalty serves lda.
	_, stderr = f.must("bare", "--features", f.parts)
	if !strings.Contains(stderr, "head trained in") || strings.Contains(stderr, "held out") {
		t.Errorf("no dev: %s", stderr)
	}
	f.must("fixed", "--features", f.parts, "--solver", "lda", "--l2", "1")
	f.must("again", "--features", f.parts, "--solver", "lbfgs")
	_, stderr, code := f.run("again", "--features", f.parts, "--solver", "lbfgs")
	if code != cli.ExitUsage || !strings.Contains(stderr, "is not empty") {
		t.Errorf("a folder with a model: exit %d, %s", code, stderr)
	}
}

// Shares travel as float32: embed --soft-labels writes them, train --soft-labels takes them, and they give the head of their texts.
func TestFeaturesSoft(t *testing.T) {
	t.Parallel()
	f := newFeatureTask(t)
	soft := filepath.Join(f.dir, "soft.tsv")
	text, err := os.ReadFile(f.train)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.ReplaceAll(string(text), "\t1", "\t0.7"), "\n")
	lines[3] = lines[3][:strings.LastIndexByte(lines[3], '\t')+1] // an unknown cell
	cmdtest.WriteFile(t, soft, strings.Join(lines, "\n"))
	parts := f.embed(soft, "soft", 1, "--soft-labels")
	for _, solver := range []string{"lda --l2 1", "lbfgs --l2 0.1", "gradient"} {
		args := append([]string{"--recipe", "google", "--soft-labels", "--solver"}, strings.Fields(solver)...)
		name := strings.Fields(solver)[0]
		want, _ := f.must(name+"-texts", append(args, "--train", soft, "--pooling", "mean", "--max-seq-length", "24")...)
		got, _ := f.must(name, append(args, "--features", parts)...)
		if contentOf(t, got) != contentOf(t, want) {
			t.Errorf("%s: another head than that on the texts", solver)
		}
	}
	for args, want := range map[string]string{
		"--features " + parts:                       "float32 [90 2], want int8 [90 2], or --soft-labels for shares",
		"--soft-labels --features " + f.parts:       "--soft-labels: takes shares, and the labels of ",
		"--features " + f.parts + " --binarize 0.5": "counts shares, which the labels are with --soft-labels only",
		"--soft-labels --features " + parts + " --dev-features " + parts + " --recipe fast": "from which share on a label counts",
		"--soft-labels --features " + parts + " --dev-features " + parts + " --binarize 7":  "7 is not between 0 and 1",
	} {
		if _, stderr, code := f.run("no", strings.Fields(args)...); code == cli.ExitOK || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s, want %s", args, code, stderr, want)
		}
	}
	f.must("binarized", "--soft-labels", "--features", parts, "--dev-features", parts, "--binarize", "0.5")
	_, stderr, code := bertlabel(t, "", "embed", "--model", f.base, "--input", soft, "--labels", f.labels, "--output", f.dir+"/x",
		"--output-format", "safetensors", "--shard", "0/1", "--soft-labels", "--binarize", "0.5")
	if code != cli.ExitUsage || !strings.Contains(stderr, "--binarize is for train --features") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// What is said of labels, and weights of them, are those of a head on the texts.
func TestFeaturesLabels(t *testing.T) {
	t.Parallel()
	f := newFeatureTask(t)
	weights, list := filepath.Join(f.dir, "weights.json"), filepath.Join(f.dir, "three.txt")
	cmdtest.WriteFile(t, weights, `{"colour": 5}`)
	cmdtest.WriteFile(t, list, "animal\ncolour\nnumber\n")
	more := filepath.Join(f.dir, "more.tsv") // number: no row has it
	text, err := os.ReadFile(f.train)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := range lines {
		lines[i] += "\t0"
	}
	lines[0] = strings.TrimSuffix(lines[0], "0") + "number"
	cmdtest.WriteFile(t, more, strings.Join(lines, "\n"))
	f.labels = list
	parts := f.embed(more, "more", 1)
	args := []string{"--recipe", "google", "--pos-weight", weights, "--exactly-one"}
	ofTexts, said := f.must("texts", append(args, "--train", more, "--labels", list, "--pooling", "mean", "--max-seq-length", "24")...)
	folder, stderr := f.must("features", append(args, "--features", parts)...)
	if contentOf(t, folder) != contentOf(t, ofTexts) {
		t.Error("--pos-weight FILE gives another head than on the texts")
	}
	for _, want := range []string{`: no row has 1 of 3 labels: "number"`, "--exactly-one, but not every row has exactly one label"} {
		if !strings.Contains(said, want) || !strings.Contains(stderr, parts) || !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s\nor, of texts, in\n%s", want, stderr, said)
		}
	}
	cmdtest.WriteFile(t, weights, `{"smell": 5}`)
	_, stderr, code := f.run("no", append(args, "--features", parts)...)
	if code != cli.ExitData || !strings.Contains(stderr, `a weight for "smell"`) {
		t.Errorf("a weight of no label: exit %d, %s", code, stderr)
	}
}

// What does not go beside --features is wrong usage that says why.
func TestFeaturesUsage(t *testing.T) {
	t.Parallel()
	f := newFeatureTask(t)
	for args, want := range map[string]string{
		"--train " + f.train:               "--features are rows to train on, and so are those of --train",
		"--dev " + f.train:                 "--dev is texts, and --features have none: give --dev-features",
		"--tune last:1":                    "--tune last:1 trains the encoder, which needs texts",
		"--recipe best":                    "--recipe best trains layers of the encoder",
		"--recipe fast":                    "--recipe fast chooses by rows that are not trained on: give --dev-features",
		"--solver lda":                     "--solver lda chooses its strength on --dev-features: give that, or --l2",
		"--tune-thresholds":                "--tune-thresholds needs --dev-features",
		"--early-stopping 2":               "when --dev-features gets no better: give --dev-features",
		"--folds 3":                        "--folds would change nothing: it needs texts",
		"--max-seq-length 9":               "say how far their texts were read",
		"--windows 3":                      "say how far their texts were read",
		"--pooling cls":                    "--pooling would change nothing: --features are computed",
		"--features-cache c":               "--features-cache would change nothing",
		"--text-column x":                  "--text-column would change nothing: --features have no texts",
		"--no-holdout":                     "nothing is held out of --features",
		"--baseline":                       "TF-IDF needs texts",
		"--features " + f.dir + "/nowhere": "nowhere: no such file",
		"--features " + f.dir:              "has no parts",
	} {
		_, stderr, code := f.run("no", append([]string{"--features", f.parts}, strings.Fields(args)...)...)
		if code != cli.ExitUsage && code != cli.ExitFailure || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s, want %s", args, code, stderr, want)
		}
	}
	_, stderr, code := f.run("no", "--train", f.train, "--dev-features", f.dev)
	if code != cli.ExitUsage || !strings.Contains(stderr, "--dev-features are rows to choose by for a head on --features") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if _, stderr, code := f.run("no"); code != cli.ExitUsage || !strings.Contains(stderr, "train") {
		t.Errorf("neither: exit %d, %s", code, stderr)
	}
	_, stderr, code = f.run("no", "--features", f.parts, "--max-memory", "1MB")
	if code != cli.ExitResources || !strings.Contains(stderr, "more parts than 4 (--shard), of fewer rows each") {
		t.Errorf("no memory: exit %d, %s", code, stderr)
	}
}

// closable is a buffer that can be closed.
type closable struct{ *bytes.Buffer }

func (closable) Close() error { return nil }

// spoil copies a folder of parts and changes the copy.
func (f *featureTask) spoil(name, from string, change func(folder string)) string {
	folder := filepath.Join(f.dir, name)
	if err := os.CopyFS(folder, os.DirFS(from)); err != nil {
		f.t.Fatal(err)
	}
	change(folder)
	return folder
}

// rewrite changes the tensors and the metadata of a part, and makes its receipt agree.
func (f *featureTask) rewrite(path string, change func(tensors map[string]*checkpoint.Tensor, metadata map[string]string)) {
	f.t.Helper()
	in, err := safetensors.Open(path, checkpoint.Limits{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer in.Close()
	tensors := map[string]*checkpoint.Tensor{}
	for _, info := range in.Tensors() {
		raw, err := in.ReadRaw(info.Name)
		if err != nil {
			f.t.Fatal(err)
		}
		tensors[info.Name] = &checkpoint.Tensor{Name: info.Name, DType: info.DType, Shape: info.Shape, Bytes: raw}
	}
	change(tensors, in.Metadata)
	var all []checkpoint.Tensor
	for _, tensor := range tensors {
		all = append(all, *tensor)
	}
	var b bytes.Buffer
	create := func(string) (io.WriteCloser, error) { return closable{&b}, nil }
	if err := safetensors.Write(create, "part", all, in.Metadata); err != nil {
		f.t.Fatal(err)
	}
	cmdtest.WriteFile(f.t, path, b.String())
	receipt := strings.TrimSuffix(path, ".safetensors") + ".json"
	var said map[string]any
	text, err := os.ReadFile(receipt)
	if err != nil || json.Unmarshal(text, &said) != nil {
		f.t.Fatal(err)
	}
	said["part"].(map[string]any)["bytes"] = b.Len()
	if text, err = json.Marshal(said); err != nil {
		f.t.Fatal(err)
	}
	cmdtest.WriteFile(f.t, receipt, string(text))
}

// Parts that are not what they have to be are refused with the file, the tensor, what was found and what is wanted: exit code 3; those of
// another model with exit code 2.
func TestFeaturesRefused(t *testing.T) {
	t.Parallel()
	f := newFeatureTask(t)
	const part = "part-00002-of-00004.safetensors"
	rewritten := func(change func(tensors map[string]*checkpoint.Tensor, metadata map[string]string)) func(string) {
		return func(folder string) { f.rewrite(filepath.Join(folder, part), change) }
	}
	type tensors = map[string]*checkpoint.Tensor
	for name, c := range map[string]struct {
		spoil func(folder string)
		want  string
		code  int
	}{
		"a part that is cut short": {func(folder string) {
			if err := os.Truncate(filepath.Join(folder, part), 900); err != nil {
				t.Fatal(err)
			}
		}, "1 of 4 parts are missing, shards 2/4; " + part + " has 900 bytes, its receipt says", cli.ExitData},
		"a part that is missing": {func(folder string) { os.Remove(filepath.Join(folder, part)) },
			"shards 2/4; " + part + " is not there, only its receipt", cli.ExitData},
		"a receipt that is missing": {func(folder string) { os.Remove(filepath.Join(folder, strings.Replace(part, "safetensors", "json", 1))) },
			"is not complete: 1 of 4 parts are missing, shards 2/4", cli.ExitData},
		"receipts of another n": {func(folder string) {
			if err := os.CopyFS(folder, os.DirFS(f.few)); err != nil {
				t.Fatal(err)
			}
		}, "the parts are of different runs", cli.ExitData},
		"an empty folder": {func(folder string) {
			os.RemoveAll(folder)
			os.Mkdir(folder, 0o777)
		}, "has no parts (part-00000-of-….json): name the folder that --output named", cli.ExitUsage},
		"labels that are missing": {rewritten(func(of tensors, _ map[string]string) { delete(of, "labels") }),
			part + `: tensor "labels": found none, want int8 [`, cli.ExitData},
		"labels of which there are fewer": {rewritten(func(of tensors, _ map[string]string) {
			of["labels"].Shape, of["labels"].Bytes = []int{1, 2}, []byte{1, 0}
		}), part + `: tensor "labels": found int8 [1 2], want int8 [`, cli.ExitData},
		"a label that is none": {rewritten(func(of tensors, _ map[string]string) { of["labels"].Bytes[3] = 2 }),
			part + `: tensor "labels": found 2 in row 1 for label "colour", want 1, 0, or −1 for unknown`, cli.ExitData},
		"another width": {rewritten(func(of tensors, _ map[string]string) {
			of["embeddings"].Shape[1], of["embeddings"].Bytes = 15, of["embeddings"].Bytes[:len(of["embeddings"].Bytes)/16*15]
		}), part + `: tensor "embeddings": found float32 [`, cli.ExitData},
		"features that are no numbers": {rewritten(func(of tensors, _ map[string]string) {
			copy(of["embeddings"].Bytes[4*(16*2+5):], []byte{0, 0, 0xc0, 0x7f})
		}), part + `: tensor "embeddings": found NaN in row 2, column 5, want a finite number`, cli.ExitData},
		"other metadata": {rewritten(func(_ tensors, says map[string]string) { says["max_seq_length"] = "9" }),
			part + ": found metadata map[", cli.ExitData},
		"no header": {func(folder string) {
			path := filepath.Join(folder, part)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			cmdtest.WriteFile(t, path, strings.Repeat("x", int(info.Size())))
		}, part, cli.ExitData},
	} {
		folder := f.spoil(name, f.parts, c.spoil)
		for _, solver := range []string{"lda", "lbfgs", "gradient"} {
			out, stderr, code := f.run(name+solver, "--features", folder, "--dev-features", f.dev, "--solver", solver)
			if code != c.code || !strings.Contains(stderr, c.want) {
				t.Errorf("%s, %s: exit %d, %s, want %d with %s", name, solver, code, stderr, c.code, c.want)
			}
			if _, err := os.Stat(filepath.Join(out, "bertlabel.json")); err == nil {
				t.Errorf("%s, %s: there is a model", name, solver)
			}
		}
	}
	for name, c := range map[string]struct {
		args, want string
		code       int
	}{
		"lines": {"--features " + f.lines(), "found a part of lines, want one of tensors: embed with --output-format safetensors", cli.ExitData},
		"dev of other lengths": {"--features " + f.parts + " --dev-features " + f.embed(f.train, "lengths", 1, "--max-seq-length", "9"),
			"found texts of up to 9 tokens, want 24 tokens as " + f.parts + " has it", cli.ExitData},
		"dev of another pooling": {"--features " + f.parts + " --dev-features " + f.embed(f.train, "cls", 1, "--pooling", "cls"),
			"found pooling cls, want mean as", cli.ExitData},
	} {
		if _, stderr, code := f.run(name, strings.Fields(c.args)...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %s, want %d with %s", name, code, stderr, c.code, c.want)
		}
	}
	own := f.base
	f.base = cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 7, bert.Mean, nil))
	other := f.embed(f.train, "other", 1)
	if _, stderr, code := f.run("model", "--features", f.parts); code != cli.ExitUsage ||
		!strings.Contains(stderr, "has features of another model than "+f.base+": encoder ") {
		t.Errorf("another model: exit %d, %s", code, stderr)
	}
	f.base = own
	if _, stderr, code := f.run("dev", "--features", f.parts, "--dev-features", other); code != cli.ExitUsage ||
		!strings.Contains(stderr, other+" has features of another model than "+own) {
		t.Errorf("dev of another model: exit %d, %s", code, stderr)
	}
}

// lines makes parts of lines of JSON.
func (f *featureTask) lines() string {
	folder := filepath.Join(f.dir, "lines")
	_, stderr, code := bertlabel(f.t, "", "embed", "--model", f.base, "--input", f.train, "--output", folder, "--shard", "0/1")
	if code != cli.ExitOK {
		f.t.Fatalf("exit %d, %s", code, stderr)
	}
	return folder
}
