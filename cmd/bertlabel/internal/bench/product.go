package bench

import (
	"context"
	"math/rand/v2"
	"time"

	"bertlabel/bert"
	"bertlabel/tensor"
)

// Product is the matrix product C[M×N] = A[M×K]·B[K×N] of a dense layer: M tokens, K inputs, N outputs.
type Product struct{ M, N, K int }

// Products are those of BERT-base, of MiniLM and of a tiny BERT, for 1 to 1024 tokens.
func Products() (list []Product) {
	for _, layer := range []Product{{N: 768, K: 768}, {N: 2304, K: 768}, {N: 3072, K: 768}, {N: 768, K: 3072}, {N: 384, K: 384},
		{N: 1536, K: 384}, {N: 128, K: 128}} {
		for _, m := range []int{1, 12, 128, 1024} {
			list = append(list, Product{m, layer.N, layer.K})
		}
	}
	return list
}

// FLOP returns the operations of the product, a multiplication and an addition each.
func (p Product) FLOP() float64 { return 2 * float64(p.M) * float64(p.N) * float64(p.K) }

// leastRun is how long one run lasts at least, for the sake of the clock: short products are repeated.
const leastRun = time.Millisecond

// Run times the product in a precision on so many threads, B packed beforehand. In int8 as many channels count as outliers as in a model.
func (p Product) Run(ctx context.Context, precision bert.Precision, threads, runs int) (Times, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	a, b, c := uniform(rng, p.M, p.K), uniform(rng, p.K, p.N), tensor.New(p.M, p.N)
	outliers := make([]int, bert.OutlierCount(p.K))
	for i := range outliers {
		outliers[i] = i
	}
	packed := tensor.NewOperandIn(nil, precision, p.K, p.N, outliers)
	packed.SetRows(0, b)
	ws := tensor.NewWorkspace(tensor.NewWorkers(threads))
	ws.Workers.Start()
	defer ws.Workers.Stop()

	multiply := func(times int) func() error {
		return func() error {
			for range times {
				ws.MatMul(c, a, packed, tensor.Epilogue{})
			}
			return nil
		}
	}
	single, err := measure(ctx, 3, multiply(1))
	if err != nil {
		return nil, err
	}
	repeat := 1 + int(leastRun/(single.Least()+1))
	times, err := measure(ctx, runs, multiply(repeat))
	for i := range times {
		times[i] /= time.Duration(repeat)
	}
	return times, err
}

// uniform returns a [rows, cols] matrix of numbers between −½ and ½.
func uniform(rng *rand.Rand, rows, cols int) *tensor.Tensor {
	t := tensor.New(rows, cols)
	for i := range t.Data {
		t.Data[i] = rng.Float32() - 0.5
	}
	return t
}
