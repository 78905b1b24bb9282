package layers_test

import (
	"fmt"

	"bertlabel/layers"
	"bertlabel/tensor"
)

// y = x·W + b, and what the backward pass makes of dy = (1, 0, 0): dx is the first column of W, dW has x in its first column.
func ExampleDense() {
	ws := tensor.NewWorkspace(nil)
	dense := layers.NewDense("dense", 2, 3)
	dense.Kernel.Value = []float32{ // [in, out]
		1, 2, 3,
		4, 5, 6,
	}
	dense.Bias.Value = []float32{0.5, 0, -0.5}
	dense.Pack()
	x, y := tensor.From([]float32{1, 10}, 1, 2), tensor.New(1, 3)
	dense.Forward(ws, y, x, layers.Linear)
	fmt.Printf("y  %.4f\n", y.Data)

	dense.Kernel.Grad, dense.Bias.Grad = make([]float32, 6), make([]float32, 3)
	dx, dy := tensor.New(1, 2), tensor.From([]float32{1, 0, 0}, 1, 3)
	dense.Backward(ws, dx, dy, x, nil)
	fmt.Printf("dx %.4f\ndW %.4f\ndb %.4f\n", dx.Data, dense.Kernel.Grad, dense.Bias.Grad)
	// Output:
	// y  [41.5000 52.0000 62.5000]
	// dx [1.0000 4.0000]
	// dW [1.0000 0.0000 0.0000 10.0000 0.0000 0.0000]
	// db [1.0000 0.0000 0.0000]
}

// Each row gets mean 0 and variance 1, whatever was added to it or multiplied with it before.
func ExampleLayerNorm() {
	norm := layers.NewLayerNorm("norm", 4, 1e-12)
	norm.Gamma.Value, norm.Beta.Value = []float32{1, 1, 1, 1}, []float32{0, 0, 0, 0}
	x := tensor.From([]float32{
		1, 2, 3, 6, // mean 3, variance 3.5
		101, 102, 103, 106,
		10, 20, 30, 60,
	}, 3, 4)
	var cache layers.LayerNormCache
	norm.Forward(tensor.NewWorkspace(nil), x, x, &cache)
	for i := range x.Rows {
		fmt.Printf("%7.4f  was divided by %.4f\n", x.Row(i), 1/cache.RStd[i])
	}
	// Output:
	// [-1.0690 -0.5345  0.0000  1.6036]  was divided by 1.8708
	// [-1.0690 -0.5345  0.0000  1.6036]  was divided by 1.8708
	// [-1.0690 -0.5345  0.0000  1.6036]  was divided by 18.7083
}

// One head of four columns looks at three tokens. The scores of the first query are 4, 0 and 0, divided by √4; the values are such that
// the context shows the probabilities: e²/(e² + 2) and twice 1/(e² + 2).
func ExampleAttention() {
	query := tensor.From([]float32{
		2, 0, 0, 0, // looks for keys like the first
		0, 0, 0, 0, // for nothing: all keys are equal
		0, 9, 0, 0, // for keys like the second, loudly
	}, 3, 4)
	key := tensor.From([]float32{
		2, 0, 0, 0,
		0, 2, 0, 0,
		0, 0, 2, 0,
	}, 3, 4)
	value := tensor.From([]float32{
		1, 0, 0, 0,
		0, 1, 0, 0,
		0, 0, 1, 0,
	}, 3, 4)
	attention, context := layers.Attention{Heads: 1}, tensor.New(3, 4)
	text := []int{0, 3} // rows 0, 1, 2 are one text
	attention.Forward(tensor.NewWorkspace(nil), &layers.AttentionWorkspace{}, context, query, key, value, text, text)
	for i := range context.Rows {
		fmt.Printf("%.4f\n", context.Row(i))
	}
	// Output:
	// [0.7870 0.1065 0.1065 0.0000]
	// [0.3333 0.3333 0.3333 0.0000]
	// [0.0001 0.9998 0.0001 0.0000]
}

// "Add & Norm" lets a branch that says nothing pass: with W = 0 the result is the norm of the residual. What the branch says is added.
func ExampleAddNorm() {
	ws := tensor.NewWorkspace(nil)
	add := layers.AddNorm{Dense: layers.NewDense("dense", 1, 2), Norm: layers.NewLayerNorm("norm", 2, 1e-12)}
	add.Dense.Bias.Value = []float32{0, 0}
	add.Norm.Gamma.Value, add.Norm.Beta.Value = []float32{1, 1}, []float32{0, 0}
	x, residual, y := tensor.From([]float32{1}, 1, 1), tensor.From([]float32{3, 1}, 1, 2), tensor.New(1, 2)
	for _, w := range [][]float32{{0, 0}, {0, 4}} {
		add.Dense.Kernel.Value = w
		add.Forward(ws, y, x, residual, make([]layers.Place, 1), &layers.AddNormCache{})
		fmt.Printf("W = %.0f: %.4f\n", w, y.Data)
	}
	// Output:
	// W = [0 0]: [1.0000 -1.0000]
	// W = [0 4]: [-1.0000 1.0000]
}

// A mask depends on the place of its row alone. What is kept is doubled at p = 1/2, so that the expectation stays.
func ExampleDropout() {
	dropout := layers.NewDropout(0.5, 42, 1)
	x := tensor.From([]float32{1, 2, 3, 4, 5, 6, 7, 8}, 1, 8)
	y := tensor.New(1, 8)
	for _, at := range []layers.Place{{Example: 0, Token: 0}, {Example: 0, Token: 1}, {Example: 0, Token: 0}} {
		dropout.Forward(y, x, []layers.Place{at})
		fmt.Printf("token %d: %4.1f\n", at.Token, y.Data)
	}
	// Output:
	// token 0: [ 2.0  0.0  6.0  0.0  0.0  0.0 14.0  0.0]
	// token 1: [ 0.0  4.0  6.0  0.0  0.0  0.0  0.0  0.0]
	// token 0: [ 2.0  0.0  6.0  0.0  0.0  0.0 14.0  0.0]
}

// A text may have several labels: each has a probability of its own, and they do not add up to 1.
func ExampleClassifier() {
	head := layers.NewClassifier(3, 2)
	head.Weights.Value = []float32{ // [labels, hidden]
		1, 0,
		0, 1,
		1, 1,
	}
	head.Bias.Value = []float32{0, 0, -1}
	logits, probabilities := head.Score(tensor.From([]float32{2, -1}, 1, 2))
	fmt.Printf("z    %7.4f\nσ(z) %7.4f\n", logits.Data, probabilities.Data)
	// Output:
	// z    [ 2.0000 -1.0000  0.0000]
	// σ(z) [ 0.8808  0.2689  0.5000]
}

// Three cells of one text: a label that it has, one that it has not, and one that nobody knows. The mean is over two cells, and the
// gradient of each is σ(z) − y, halved.
func ExampleMeanLoss() {
	logits, dz := tensor.From([]float32{2, -1, 5}, 1, 3), tensor.New(1, 3)
	loss := layers.MeanLoss(layers.SigmoidCrossEntropy{}, dz, logits, []int8{layers.Positive, layers.Negative, layers.Unknown}, 0)
	fmt.Printf("loss %.4f\ndz   %.4f\n", loss, dz.Data)
	// Output:
	// loss 0.2201
	// dz   [-0.0596 0.1345 0.0000]
}

// Looking up copies rows; the way back adds to them. A word that stands twice in a text gets both gradients.
func ExampleEmbedding() {
	table := layers.NewEmbedding("word_embeddings", 3, 2)
	table.Table.Value = []float32{
		0, 0,
		1, 2,
		3, 4,
	}
	ids := []int32{2, 1, 2}
	for _, id := range ids {
		fmt.Printf("%.4f\n", table.Row(int(id)))
	}
	table.Table.Grad = make([]float32, 6)
	dy := tensor.From([]float32{
		0.5, 0.25,
		1, 1,
		0.5, 0.25,
	}, 3, 2)
	table.Backward(tensor.NewWorkspace(nil), &layers.EmbeddingWorkspace{}, dy, ids)
	fmt.Printf("gradient %.4f\n", table.Table.Grad)
	// Output:
	// [3.0000 4.0000]
	// [1.0000 2.0000]
	// [3.0000 4.0000]
	// gradient [0.0000 0.0000 1.0000 1.0000 1.0000 0.5000]
}
