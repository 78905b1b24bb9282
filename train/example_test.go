package train_test

import (
	"context"
	"fmt"
	"log"

	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
)

// A head with two labels on features of width two: the first label is true when the first feature is positive, the second when
// the sum of both is. Real features come from the encoder: bert/model has them.
func ExampleTrainHead() {
	features := []float32{
		+1, +2,
		+2, -1,
		-1, +3,
		-2, -2,
		+1, -3,
		-3, +1,
		+3, +1,
		-1, -1,
	}
	labels := []int8{
		1, 1,
		1, 1,
		0, 1,
		0, 0,
		1, 0,
		0, 0,
		1, -1, // nobody looked at this cell
		0, 0,
	}
	head := layers.NewClassifier(2, 2)
	train.InitClassifier(head, 42)

	config := train.DefaultHeadConfig()
	config.BatchSize, config.Epochs, config.LearningRate, config.Dropout = 4, 50, 0.1, 0
	state, err := train.TrainHead(context.Background(), train.HeadTask{
		Config:     config,
		Labels:     []string{"first", "sum"},
		Train:      train.Features{X: tensor.From(features, 8, 2), Y: labels},
		Classifier: head,
	})
	if err != nil {
		log.Fatal(err)
	}

	texts, logits := tensor.From([]float32{2, -4, -1, 5}, 2, 2), tensor.New(2, 2)
	head.Forward(logits, texts) // positive: more likely true than not
	fmt.Println("steps:", state.Step)
	for i := range logits.Rows {
		fmt.Println(logits.Row(i)[0] > 0, logits.Row(i)[1] > 0)
	}
	// Output:
	// steps: 100
	// true false
	// false true
}
