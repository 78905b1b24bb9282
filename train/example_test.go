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

// The rate climbs for four steps and falls towards 0 at step 10. The very first step has rate 0, and the fall is that of a line which
// began at step 0: at step 4 the rate drops to 1 − 4/10 of the peak.
func ExampleSchedule() {
	schedule := train.Schedule{LearningRate: 1, Steps: 10, WarmupSteps: 4}
	for g := range int64(11) {
		fmt.Printf("%d: %.4f\n", g, schedule.Rate(g))
	}
	// Output:
	// 0: 0.0000
	// 1: 0.2500
	// 2: 0.5000
	// 3: 0.7500
	// 4: 0.6000
	// 5: 0.5000
	// 6: 0.4000
	// 7: 0.3000
	// 8: 0.2000
	// 9: 0.1000
	// 10: 0.0000
}

// One weight, gradients of 0.5 in two steps, weight decay 0.1. In its first step bias-corrected Adam moves by the learning rate, whatever
// the size of the gradient; Google's form, which does not correct m and v for their start at 0, by 0.1/√0.001 = 3.16 times as much.
func ExampleOptimizer() {
	for _, form := range []string{train.Google, train.AdamW} {
		w := tensor.NewParam("kernel", 1)
		w.Value = []float32{1}
		o, err := train.NewOptimizer([]*tensor.Param{w}, train.OptimizerConfig{Form: form, WeightDecay: 0.1}, nil)
		if err != nil {
			log.Fatal(err)
		}
		for done := range int64(2) {
			w.Grad[0] = 0.5
			norm, err := o.GlobalNorm(nil)
			if err == nil {
				err = o.Step(done, 0.01, train.ClipFactor(norm, 1))
			}
			if err != nil {
				log.Fatal(err)
			}
			m, v := o.State()[0].Value[0], o.State()[1].Value[0]
			fmt.Printf("%s, step %d: m %.4f, v %.6f, w %.4f\n", form, done+1, m, v, w.Value[0])
		}
	}
	// Output:
	// google, step 1: m 0.0500, v 0.000250, w 0.9674
	// google, step 2: m 0.0950, v 0.000500, w 0.9239
	// adamw, step 1: m 0.0500, v 0.000250, w 0.9890
	// adamw, step 2: m 0.0950, v 0.000500, w 0.9780
}
