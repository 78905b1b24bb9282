package solver_test

import (
	"context"
	"fmt"
	"log"

	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/solver"
)

// The head of train.TrainHead, solved to its optimum with a given strength of the penalty, which real data choose on dev rows.
func ExampleHead() {
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
	solutions, err := solver.Head(context.Background(), solver.Task{
		Labels:     []string{"first", "sum"},
		Train:      train.Features{X: tensor.From(features, 8, 2), Y: labels},
		Classifier: head,
		L2:         []float64{0.01},
	})
	if err != nil {
		log.Fatal(err)
	}

	texts, logits := tensor.From([]float32{2, -4, -1, 5}, 2, 2), tensor.New(2, 2)
	head.Forward(logits, texts)
	for i := range logits.Rows {
		fmt.Println(logits.Row(i)[0] > 0, logits.Row(i)[1] > 0)
	}
	fmt.Println("gradient below 1e-5:", solutions[0].Gradient < 1e-5 && solutions[1].Gradient < 1e-5)
	// Output:
	// true false
	// false true
	// gradient below 1e-5: true
}
