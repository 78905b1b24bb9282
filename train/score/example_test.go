package score_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// A stream: the rows of standard input become lines of JSON on standard output, each as soon as it is known.
func ExampleChunks() {
	m := must(model.Open(exampleFolder, nil))
	stdin := strings.NewReader(`{"id": 1, "text": "My parcel never came."}
{"id": 2, "text": ["no text"]}
{"id": 3, "text": "The bill is wrong."}
`)
	in := must(data.NewReader(stdin, "stdin", data.Options{Format: data.JSONL, IgnoreLabels: true, OnBadRow: data.ReportBadRows}))
	for chunk, err := range score.Chunks(context.Background(), m, in, score.Options{}) {
		var out []byte
		for i := range must(chunk, err) {
			out = score.AppendJSON(out, m, &chunk[i])
		}
		must(os.Stdout.Write(out)) // as soon as it is known
	}
	// Output:
	// {"id":1,"labels":["delivery"],"probabilities":{"delivery":1,"money":0.5}}
	// {"id":2,"error":"column 19 (text): found an array, expected a string; fix: put the text in double quotes"}
	// {"id":3,"labels":["delivery"],"probabilities":{"delivery":1,"money":0.5}}
}

// What labelled rows say of a model: they have to have its labels.
func ExampleEvaluate() {
	m := must(model.Open(exampleFolder, nil))
	labels := must(data.NewLabelList(m.Labels, exampleFolder))
	test := must(data.LoadFrom(strings.NewReader("text,labels\nMy parcel never came.,delivery\nThe bill is wrong.,money\n"), "test.csv",
		data.Options{Labels: labels}))
	report := must(score.Evaluate(context.Background(), m, test, nil))
	fmt.Printf("f1_micro %.2f, of delivery %.2f\n", report.F1Micro, report.PerLabel[0].F1)
	// Output:
	// f1_micro 0.50, of delivery 0.67
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// exampleFolder has a model that takes every text to be about delivery, and leaves open whether it is about money.
var exampleFolder string

func TestMain(t *testing.M) {
	dir := must(os.MkdirTemp("", "score"))
	exampleFolder = filepath.Join(dir, "model")
	saveExample(exampleFolder)
	code := t.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func saveExample(folder string) {
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] my parcel never came the bill is wrong .")
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 32
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 16, 1, 2, 16
	lower := true
	m := must(model.New(config, []byte(strings.Join(vocab, "\n")), 1, &model.Options{LowerCase: &lower}))
	head := layers.NewClassifier(2, config.HiddenSize)
	head.Weights.Value, head.Bias.Value = make([]float32, head.Weights.Size()), []float32{20, 0} // σ(20) is 1 in float32
	m.SetHead(head, []string{"delivery", "money"}, bert.Mean)
	if err := m.Save(folder, nil); err != nil {
		log.Fatal(err)
	}
}
