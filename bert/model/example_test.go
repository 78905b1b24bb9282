package model_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/train"
)

// exampleModel returns a small BERT with random weights, in place of model.Open("uncased_L-12_H-768_A-12", nil).
func exampleModel() *model.Model {
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] my parcel card bill never came was charged twice is late again blocked wrong the , .")
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 32
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 64, 2, 4, 256
	lower := true
	m, err := model.New(config, []byte(strings.Join(vocab, "\n")), 1, &model.Options{LowerCase: &lower})
	if err != nil {
		log.Fatal(err)
	}
	return m
}

func ExampleModel_Embed() {
	m := exampleModel()
	texts := []model.Text{{A: "My parcel never came."}, {A: "my PARCEL never came ."}, {A: "The bill is wrong.", B: "Again."}}
	features, err := m.Embed(context.Background(), texts, bert.Mean)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(features.Rows, "texts,", features.Cols, "features each")
	fmt.Println(features.Row(0)[0] == features.Row(1)[0], features.Row(0)[0] == features.Row(2)[0])
	// Output:
	// 3 texts, 64 features each
	// true false
}

// A head is trained on features that the encoder computes once, given to the model, and saved with it.
func ExampleModel_SetHead() {
	ctx := context.Background()
	m := exampleModel()
	labels := []string{"delivery", "money"}
	texts := []model.Text{
		{A: "My parcel never came."}, {A: "The parcel is late."}, {A: "My card was charged twice."}, {A: "The bill is wrong."},
		{A: "The parcel never came, my card was charged."}, {A: "The parcel is late, the bill is wrong."},
	}
	truth := []int8{1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1} // a row of two for each text

	features, err := m.Embed(ctx, texts, bert.Mean)
	if err != nil {
		log.Fatal(err)
	}
	head := layers.NewClassifier(len(labels), features.Cols)
	train.InitClassifier(head, 42)
	config := train.DefaultHeadConfig()
	config.BatchSize, config.Epochs, config.LearningRate, config.Dropout = 6, 200, 0.05, 0
	if _, err = train.TrainHead(ctx,
		train.HeadTask{Config: config, Labels: labels, Classifier: head, Train: train.Features{X: features, Y: truth}}); err != nil {
		log.Fatal(err)
	}
	m.SetHead(head, labels, bert.Mean)

	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := m.Save(filepath.Join(dir, "complaints"), nil); err != nil {
		log.Fatal(err)
	}
	opened, err := model.Open(filepath.Join(dir, "complaints"), nil)
	if err != nil {
		log.Fatal(err)
	}
	predictions, err := opened.Predict(ctx, texts[1:5])
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range predictions {
		fmt.Println(opened.Predicted(p))
	}
	// Output:
	// [delivery]
	// [money]
	// [money]
	// [delivery money]
}

func ExampleOpen() {
	dir, err := trainedFolder()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	m, err := model.Open(dir, nil)
	if err != nil {
		log.Fatal(err) // names file, tensor, what was found and what was expected
	}
	predictions, err := m.Predict(context.Background(), []model.Text{{A: "My parcel is late again."}})
	if err != nil {
		log.Fatal(err)
	}
	for i, label := range m.Labels {
		fmt.Printf("%s: %.1f\n", label, predictions[0].Probabilities[i])
	}
	fmt.Println(m.Predicted(predictions[0]))
	// Output:
	// delivery: 0.9
	// money: 0.3
	// [delivery]
}

// trainedFolder stands for a folder that `bertlabel train` has written: a head that knows one answer for all texts.
func trainedFolder() (dir string, err error) {
	m := exampleModel()
	head := layers.NewClassifier(2, m.Encoder.Config.HiddenSize)
	head.Weights.Value, head.Bias.Value = make([]float32, head.Weights.Size()), []float32{2.2, -0.85}
	m.SetHead(head, []string{"delivery", "money"}, bert.Pooled)
	if dir, err = os.MkdirTemp("", "model"); err != nil {
		return "", err
	}
	return dir, m.Save(dir, nil)
}

// Contributions of the words to a logit add up to what the words have done to it.
func ExampleExplainer() {
	m := exampleModel()
	labels := []string{"delivery", "money"}
	head := layers.NewClassifier(len(labels), m.Encoder.Config.HiddenSize)
	train.InitClassifier(head, 1) // random, in place of a trained one
	m.SetHead(head, labels, bert.Mean)

	explainer, err := m.NewExplainer()
	if err != nil {
		log.Fatal(err)
	}
	found, err := explainer.Explain(context.Background(), model.Text{A: "My parcel never came."}, labels[:1], model.ExplainOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, word := range found[0].Words {
		fmt.Println(word.Word, word.Start, word.End, word.Pieces)
	}
	change := found[0].Logit - found[0].Baseline
	fmt.Println(math.Abs(found[0].Sum()-change) < 0.01*math.Abs(change))
	// Output:
	// My 0 2 [my]
	// parcel 3 9 [parcel]
	// never 10 15 [never]
	// came 16 20 [came]
	// . 20 21 [.]
	// true
}
