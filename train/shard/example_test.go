package shard_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/train/data"
	"bertlabel/train/shard"
)

// Two shards, as two machines would make them; the second run of one finds its part and does not open the model.
func Example() {
	dir := must(os.MkdirTemp("", "shard"))
	defer os.RemoveAll(dir)
	folder, input, output := saveModel(dir), filepath.Join(dir, "texts.jsonl"), filepath.Join(dir, "parts")
	check(os.WriteFile(input, []byte(`{"id": 1, "text": "My parcel never came."}
{"id": 2, "text": ["no text"]}
{"id": 3, "text": "The bill is wrong."}
`), 0o666))

	p := must(shard.Plan(shard.Options{Input: input, Output: output, Of: 2, Model: must(model.Stamp(folder, nil)),
		Data: data.Options{OnBadRow: data.ReportBadRows}}))
	open := func() (*model.Model, error) { return model.Open(folder, nil) }
	for _, i := range []int{1, 0, 1} {
		r := must(shard.Run(context.Background(), p, i, open))
		fmt.Println(r.Part.Name, "rows:", r.Rows, "refused:", r.Refused, "found:", r.Found)
	}
	r := must(shard.Verify(output, shard.VerifyOptions{}))
	fmt.Println("complete:", r.Complete)
	check(r.Cat(os.Stdout))
	// Output:
	// part-00001-of-00002.jsonl rows: 1 refused: 0 found: false
	// part-00000-of-00002.jsonl rows: 2 refused: 1 found: false
	// part-00001-of-00002.jsonl rows: 1 refused: 0 found: true
	// complete: true
	// {"id":1,"labels":["delivery"],"probabilities":{"delivery":1,"money":0.5}}
	// {"id":2,"error":"column 19 (text): found an array, expected a string; fix: put the text in double quotes"}
	// {"id":3,"labels":["delivery"],"probabilities":{"delivery":1,"money":0.5}}
}

// saveModel writes a model that thinks everything to be about delivery, and leaves open whether it is about money.
func saveModel(dir string) (folder string) {
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] my parcel never came the bill is wrong .")
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 32
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 16, 1, 2, 16
	lower := true
	m := must(model.New(config, []byte(strings.Join(vocab, "\n")), 1, &model.Options{LowerCase: &lower}))
	head := layers.NewClassifier(2, config.HiddenSize)
	head.Weights.Value, head.Bias.Value = make([]float32, head.Weights.Size()), []float32{20, 0} // σ(20) is 1 in float32
	m.SetHead(head, []string{"delivery", "money"}, bert.Mean)
	folder = filepath.Join(dir, "model")
	check(m.Save(folder, nil))
	return folder
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
