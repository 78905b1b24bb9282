package fit_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
	"bertlabel/train/fit/note"
	"bertlabel/train/score"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// exampleFolder returns a folder with a small random BERT, in place of one that was downloaded, and two files of labelled texts.
func exampleFolder() string {
	dir := must(os.MkdirTemp("", "fit"))
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] my parcel card never came was charged twice again late")
	config := bert.DefaultConfig()
	config.VocabSize, config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads = len(vocab), 32, 2, 2
	config.IntermediateSize, config.MaxPositionEmbeddings = 64, 16
	m := must(model.New(config, []byte(strings.Join(vocab, "\n")), 1, nil))
	if err := m.Save(filepath.Join(dir, "bert"), nil); err != nil {
		log.Fatal(err)
	}
	rows := "text,delivery,money\n" + strings.Repeat("my parcel never came,1,0\nmy card was charged twice,0,1\nmy parcel was late,1,0\n"+
		"parcel late card charged again,1,1\nmy card again,0,1\ntwice again,0,0\n", 5)
	for _, name := range []string{"train.csv", "dev.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(rows), 0o666); err != nil {
			log.Fatal(err)
		}
	}
	return dir
}

// A head on a frozen encoder, from a CSV file.
func ExampleModel() {
	dir := exampleFolder()
	defer os.RemoveAll(dir)
	ctx := context.Background()

	m := must(model.Open(filepath.Join(dir, "bert"), nil))
	rows := must(data.Load(filepath.Join(dir, "train.csv"), data.Options{}))
	must(fit.Model(ctx, m, rows, fit.Options{Pooling: bert.Mean}))
	test := must(data.Load(filepath.Join(dir, "dev.csv"), data.Options{Labels: rows.Labels}))
	fmt.Println("macro F1 above 0.9:", must(score.Evaluate(ctx, m, test, nil)).F1Macro > 0.9)
	if err := m.Save(filepath.Join(dir, "model"), nil); err != nil {
		log.Fatal(err)
	}
	// Output: macro F1 above 0.9: true
}

// The last layers of the encoder with their head, saved as they learn: after Ctrl-C the same program goes on.
func ExampleModel_resume() {
	dir := exampleFolder()
	defer os.RemoveAll(dir)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	m, rows := must(model.Open(filepath.Join(dir, "bert"), nil)), must(data.Load(filepath.Join(dir, "train.csv"), data.Options{}))
	dev := must(data.Load(filepath.Join(dir, "dev.csv"), data.Options{Labels: rows.Labels}))
	config := train.DefaultConfig()
	config.Optimizer, config.LearningRate, config.BatchSize, config.Epochs = train.AdamW, 1e-2, 6, 8
	result := must(fit.Model(ctx, m, rows, fit.Options{
		Dev: dev, Tune: fit.Last(2), Pooling: bert.Mean, Config: &config, Tuning: fit.Tuning{Thresholds: fit.PerLabel},
		Folder: fit.Folder{Path: filepath.Join(dir, "model"), Resume: true},
	}))
	fmt.Println(result.State.Step, "steps, macro F1", result.Dev.F1Macro, "at", len(m.Thresholds), "thresholds")
	// Output: 40 steps, macro F1 1 at 2 thresholds
}

// What is probably wrong is told with its remedy, and a run may be ended at any step.
func ExampleObserver() {
	dir := exampleFolder()
	defer os.RemoveAll(dir)
	m, rows := must(model.Open(filepath.Join(dir, "bert"), nil)), must(data.Load(filepath.Join(dir, "train.csv"), data.Options{}))

	enough := fmt.Errorf("a good loss was enough")
	_, err := fit.Model(context.Background(), m, rows, fit.Options{Pooling: bert.Mean, Observer: fit.Observer{
		Note: func(n fit.Note) {
			if n, ok := n.(note.Begun); ok {
				fmt.Println(n)
			}
		},
		Step: func(p train.Progress) error {
			if p.Loss < 0.69 {
				return enough
			}
			return nil
		},
	}})
	fmt.Println(err)
	// Output:
	// steps 1 to 9, of 32 rows
	// a good loss was enough
}

// A label is added to a trained model; the scores of the others keep their bits.
func ExampleOutputs() {
	dir := exampleFolder()
	defer os.RemoveAll(dir)
	ctx, m := context.Background(), must(model.Open(filepath.Join(dir, "bert"), nil))
	rows := must(data.Load(filepath.Join(dir, "train.csv"), data.Options{}))
	must(fit.Model(ctx, m, must(rows.Columns("delivery")), fit.Options{Pooling: bert.Mean, Solver: fit.LBFGS}))

	added := must(fit.Outputs(ctx, m, must(rows.Columns("money")), fit.Options{}))
	m.SetOutputs(append(m.Outputs(), added...))
	p := must(m.Predict(ctx, []model.Text{{A: "my card was charged twice"}}))
	fmt.Println(m.Labels, m.Predicted(p[0]))
	// Output: [delivery money] [money]
}
