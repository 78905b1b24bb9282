package bert_test

import (
	"fmt"
	"log"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// What a gradient promises, and how far: after a small step against it the loss has fallen by step·|g|². The tiny model is told that "the
// food was good ." is a complaint, which it does not believe.
func ExampleTrainer() {
	m, err := model.Open("testdata/tiny", nil)
	if err != nil {
		log.Fatal(err)
	}
	var batch bert.Batch
	for _, e := range m.Encode([]string{"the food was good ."}, nil) {
		batch.Append(e.IDs, e.Segments)
	}
	labels := []int8{1, 0, 0, 1} // food, staff, praise, complaint
	trainer, err := m.Encoder.NewTrainer(bert.TrainerOptions{Layers: 2, Embeddings: true}, nil)
	if err != nil {
		log.Fatal(err)
	}
	x, dx, dz := tensor.New(1, 8), tensor.New(1, 8), tensor.New(1, 4)
	loss := func() float64 {
		if err := trainer.Forward(x, &batch, 0); err != nil {
			log.Fatal(err)
		}
		z, _ := m.Head.Score(x)
		return layers.MeanLoss(layers.SigmoidCrossEntropy{}, dz, z, labels, 0)
	}
	before := loss()
	for _, p := range m.Head.Params() {
		p.Grad = make([]float32, p.Size())
	}
	m.Head.Backward(dx, dz, x)
	trainer.Backward(dx)

	moved := float32(0)
	for _, step := range []float32{0.01, 1} { // small and large, both from where we are
		squares := 0.0
		for _, p := range append(trainer.Params(), m.Head.Params()...) {
			for i, g := range p.Grad {
				squares += float64(g) * float64(g)
				p.Value[i] -= (step - moved) * g
			}
		}
		moved = step
		fmt.Printf("a step of %.2f should take %.4f off %.4f, and takes off %.4f\n", step, float64(step)*squares, before, before-loss())
	}
	// Output:
	// a step of 0.01 should take 0.0110 off 2.1517, and takes off 0.0110
	// a step of 1.00 should take 1.0951 off 2.1517, and takes off 1.0715
}
