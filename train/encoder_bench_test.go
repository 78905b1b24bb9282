package train

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// BenchmarkEncoderStep is a whole step of training everything, with dropout, clipping and AdamW, on random weights and tokens and
// 28 labels: forward, backward, update. The shapes are batches of equal texts, and for "goemotions" batches of 16 texts with the
// lengths of that data set's test texts, shuffled. GFLOP/s counts the matrix products of the encoder, 3·(24·tokens·L·H² +
// 4·B·S²·H·L), as programs that compare libraries do; a step is ns/op.
//
//	go test ./train -run '^$' -bench 'EncoderStep/minilm' -benchtime 3x
func BenchmarkEncoderStep(b *testing.B) {
	for _, model := range []struct {
		name          string
		layers, width int
		shapes        []string
	}{
		{"minilm", 6, 384, []string{"16x32", "goemotions"}},
		{"base", 12, 768, []string{"16x32", "16x128"}},
	} {
		for _, threads := range []int{1, 2} {
			for _, shape := range model.shapes {
				b.Run(fmt.Sprintf("%s/threads=%d/%s", model.name, threads, shape), func(b *testing.B) {
					benchmarkEncoderStep(b, model.layers, model.width, threads, shape)
				})
			}
		}
	}
}

func benchmarkEncoderStep(b *testing.B, depth, width, threads int, shape string) {
	lengths, work := stepLengths(b, shape), 0.0
	for _, n := range lengths {
		work += 3 * float64(depth*width) * (24*float64(n*width) + 4*float64(n*n)) / float64(len(lengths)) * 16
	}
	timeSteps(b, benchmarkTask(b, depth, width, threads, lengths))
	b.ReportMetric(work*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

// timeSteps makes steps behind a first one, which sizes the memory.
func timeSteps(b *testing.B, task EncoderTask) {
	loop, _, err := NewEncoderLoop(task)
	if err != nil {
		b.Fatal(err)
	}
	step := func() {
		if _, err := loop.step(); err != nil {
			b.Fatal(err)
		}
	}
	step()
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

// BenchmarkRecompute is a step on 16 texts of 32 tokens whose layers run again on the way back, beside one whose do not.
//
//	go test ./train -run '^$' -bench Recompute -benchtime 5x
func BenchmarkRecompute(b *testing.B) {
	for _, recompute := range []bool{false, true} {
		b.Run(fmt.Sprintf("minilm/recompute=%t", recompute), func(b *testing.B) {
			task := benchmarkTask(b, 6, 384, 2, stepLengths(b, "16x32"))
			task.Tune.Recompute = recompute
			timeSteps(b, task)
		})
	}
}

// benchmarkTask is the training of a random BERT on random texts of the given lengths, 16 a step.
func benchmarkTask(b *testing.B, depth, width, threads int, lengths []int) EncoderTask {
	const labels = 28
	c := bert.DefaultConfig()
	c.VocabSize, c.TypeVocabSize = 30522, 2
	c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads, c.IntermediateSize = depth, width, 12, 4*width
	m, err := bert.New(c)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	m.Init(rng)
	task := EncoderTask{
		Config: DefaultConfig(), Encoder: m, Classifier: layers.NewClassifier(labels, width), Texts: &bert.Batch{},
		Tune:    bert.TrainerOptions{Layers: depth, Embeddings: true, HiddenDropout: 0.1, AttentionDropout: 0.1},
		Workers: tensor.NewWorkers(threads),
	}
	task.Config.BatchSize, task.Config.MaxSteps, task.Config.LearningRate, task.Config.Optimizer = 16, math.MaxInt32, 1e-5, AdamW
	InitClassifier(task.Classifier, 1)
	for _, n := range lengths {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = 1000 + rng.Int32N(19000)
		}
		task.Texts.Append(ids, make([]int32, n))
		for range labels {
			task.Y = append(task.Y, int8(rng.IntN(10)/9))
		}
	}
	return task
}

// stepLengths returns the lengths of the training texts of a shape "16xS", or of "goemotions".
func stepLengths(b *testing.B, shape string) (lengths []int) {
	if s := 0; shape != "goemotions" {
		if _, err := fmt.Sscanf(shape, "16x%d", &s); err != nil {
			b.Fatal(err)
		}
		for range 16 {
			lengths = append(lengths, s)
		}
		return lengths
	}
	file, err := os.Open(tensortest.Shared(b, "bench/goemotions_test_lengths.txt"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			b.Fatal(err)
		}
		lengths = append(lengths, n)
	}
	return lengths
}

// BenchmarkFrozenEpochs is a run of three epochs that trains the last layers of MiniLM's shape, with and without the outputs of the
// frozen ones kept; an operation is the whole run.
//
//	go test ./train -run '^$' -bench FrozenEpochs -benchtime 3x
func BenchmarkFrozenEpochs(b *testing.B) {
	for _, n := range []int{1, 2} {
		for _, keep := range []bool{false, true} {
			b.Run(fmt.Sprintf("last=%d/keep=%t", n, keep), func(b *testing.B) {
				for b.Loop() {
					task := benchmarkTask(b, 6, 384, 2, stepLengths(b, "goemotions")[:20*16])
					task.Tune.Layers, task.Tune.Embeddings, task.KeepFrozen = n, false, keep
					task.Config.MaxSteps, task.Config.Epochs = 0, 3
					loop, _, err := NewEncoderLoop(task)
					if err != nil {
						b.Fatal(err)
					}
					if err := loop.Run(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
