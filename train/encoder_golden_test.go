package train

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bertlabel/bert"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// encoderGolden is one tiny BERT that Google's TF1 code has trained for ten steps; or the committed one, which numpy has trained on
// TensorFlow's gradients.
type encoderGolden struct {
	dir  string
	task EncoderTask
	log  []goldenStep
	kept map[string]tensortest.Golden // stepN/NAME
}

type goldenStep struct {
	LearningRate float64 `json:"learning_rate"`
	Loss         float64
	GlobalNorm   float64 `json:"global_norm"`
}

// TestEncoderTrajectory follows the ten steps with all variables trained: rate, loss, the norm that TensorFlow clips by, and
// the variables after steps 5 and 10.
func TestEncoderTrajectory(t *testing.T) {
	forEachGolden(t, func(t *testing.T, g *encoderGolden) {
		g.run(t, nil, 2)
	})
}

// TestEncoderResumeTF goes on from TensorFlow's own training checkpoint of step 5.
func TestEncoderResumeTF(t *testing.T) {
	forEachGolden(t, func(t *testing.T, g *encoderGolden) {
		src, err := tfbundle.Open(filepath.Join(g.dir, "resume_tf", "model.ckpt-5"), checkpoint.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		g.run(t, func(loop *Loop) {
			for _, p := range loop.Variables() {
				if err := src.ReadFloat32(p.Name, p.Value); err != nil {
					t.Fatal(err)
				}
			}
			loop.Restore(State{Step: 5})
		}, 1)
	})
}

// run makes the steps that are left after prepare and compares them; snapshots is how many of the two kept ones it passes. The
// tolerances are those of the goldens' README: three to ten times TensorFlow's own distance from float64.
func (g *encoderGolden) run(t *testing.T, prepare func(*Loop), snapshots int) {
	seen := 0
	var loop *Loop
	g.task.Observe = func(p Progress) error {
		want := g.log[p.Step-1]
		near(t, p.Step, "learning rate", float64(p.LearningRate), want.LearningRate, 1e-7*want.LearningRate)
		near(t, p.Step, "loss", p.Loss, want.Loss, 2e-6)
		near(t, p.Step, "norm", p.GradNorm, want.GlobalNorm, 1e-5*want.GlobalNorm)
		for _, param := range loop.model.Params() {
			golden, ok := g.kept[fmt.Sprintf("step%d/%s", p.Step, param.Name)]
			if !ok {
				continue
			}
			seen++
			diff := tensortest.MaxDiff(t, tensortest.Widen(param.Value), golden.Data)
			near(t, p.Step, param.Name, diff, 0, 1e-5)
		}
		return nil
	}
	loop, encoder, err := NewEncoderLoop(g.task)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Release()
	if prepare != nil {
		prepare(loop)
	}
	if err := loop.Run(context.Background()); err != nil || loop.State().Step != 10 {
		t.Fatalf("%d steps, %v, want 10", loop.State().Step, err)
	}
	if want := snapshots * len(loop.model.Params()); seen != want {
		t.Errorf("%d variables compared, want %d", seen, want)
	}
}

func forEachGolden(t *testing.T, f func(*testing.T, *encoderGolden)) {
	t.Run("tiny", func(t *testing.T) {
		f(t, readEncoderGolden(t, "../bert/testdata/golden", "../bert/testdata/tiny", "trajectory.safetensors", "tensorflow.safetensors"))
	})
	t.Run("shared", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(tensortest.Shared(t, "fixtures/numerics"), "*", "trajectory.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no golden models (%v)", err)
		}
		for _, file := range files {
			dir := filepath.Dir(file)
			t.Run(filepath.Base(dir), func(t *testing.T) {
				model := filepath.Join(dir, "model_with_head")
				f(t, readEncoderGolden(t, dir, model, "trajectory_all.safetensors", "forward.safetensors"))
			})
		}
	})
}

// readEncoderGolden reads trajectory.json in dir, the variables of some steps, and the texts.
func readEncoderGolden(t *testing.T, dir, model, variables, texts string) *encoderGolden {
	t.Helper()
	var golden struct {
		All struct {
			LearningRate float64      `json:"init_lr"`
			Steps        int          `json:"num_train_steps"`
			WarmupSteps  int          `json:"num_warmup_steps"`
			BatchSize    int          `json:"batch_size"`
			ClipNorm     float64      `json:"clip_norm"`
			Log          []goldenStep `json:"steps"`
		}
	}
	readJSON(t, filepath.Join(dir, "trajectory.json"), &golden)
	all := golden.All
	encoder, head := openTiny(t, model)
	g := &encoderGolden{dir: dir, log: all.Log, kept: tensortest.ReadGolden(t, filepath.Join(dir, variables))}
	g.task = EncoderTask{
		Config: Config{
			BatchSize: all.BatchSize, MaxSteps: all.Steps, LearningRate: all.LearningRate,
			WarmupProportion: float64(all.WarmupSteps) / float64(all.Steps), WeightDecay: 0.01, ClipNorm: all.ClipNorm,
		},
		Encoder: encoder, Classifier: head,
		Tune:    bert.TrainerOptions{Layers: len(encoder.Layers), Embeddings: true},
		Workers: tensor.NewWorkers(2),
	}
	g.task.Texts, g.task.Y = realTexts(tensortest.ReadGolden(t, filepath.Join(dir, texts)))
	return g
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatal(path, err)
	}
}

// openTiny reads the encoder and head of a folder of Google's layout.
func openTiny(t *testing.T, dir string) (*bert.Model, *layers.Classifier) {
	t.Helper()
	config := bert.DefaultConfig()
	readJSON(t, filepath.Join(dir, "bert_config.json"), &config)
	m, err := bert.New(config)
	if err != nil {
		t.Fatal(err)
	}
	src, err := tfbundle.Open(filepath.Join(dir, "bert_model.ckpt"), checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	read := func(p *tensor.Param, dst []float32) error { return src.ReadFloat32(p.Name, dst) }
	if err := m.Load(1, read); err != nil {
		t.Fatal(err)
	}
	bias, _ := src.Lookup("output_bias")
	head := layers.NewClassifier(bias.Shape[0], config.HiddenSize)
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
		if err := read(p, p.Value); err != nil {
			t.Fatal(err)
		}
	}
	return m, head
}

// realTexts returns the texts of a golden batch without their padding, and their labels.
func realTexts(golden map[string]tensortest.Golden) (*bert.Batch, []int8) {
	ids, mask, segments := golden["input_ids"], golden["input_mask"], golden["segment_ids"]
	texts := &bert.Batch{}
	for seq, r := ids.Shape[1], 0; r < ids.Shape[0]; r++ {
		var id, segment []int32
		for i := r * seq; i < (r+1)*seq && mask.Data[i] == 1; i++ {
			id, segment = append(id, int32(ids.Data[i])), append(segment, int32(segments.Data[i]))
		}
		texts.Append(id, segment)
	}
	var y []int8
	for _, v := range golden["labels"].Data {
		y = append(y, int8(v))
	}
	return texts, y
}

// TestSparseNorm: what the goldens' norm hangs on. Without the squares of single tokens the norm would be off by far more than the
// tolerance of TestEncoderTrajectory.
func TestSparseNorm(t *testing.T) {
	forEachGolden(t, func(t *testing.T, g *encoderGolden) {
		loop, encoder, err := NewEncoderLoop(g.task)
		if err != nil {
			t.Fatal(err)
		}
		defer encoder.Release()
		if _, norm, err := loop.gradient(0); err != nil || !(norm > 0) {
			t.Fatal(norm, err)
		}
		dense, err := loop.optimizer.GlobalNorm(nil)
		if err != nil {
			t.Fatal(err)
		}
		var golden struct {
			All struct {
				Log []struct {
					Dense float64 `json:"global_norm_dense"`
				} `json:"steps"`
			}
		}
		readJSON(t, filepath.Join(g.dir, "trajectory.json"), &golden)
		want := golden.All.Log[0].Dense
		near(t, 1, "dense norm", dense, want, 1e-5*want)
		if sparse := g.log[0].GlobalNorm; !(max(sparse, want)-min(sparse, want) > 1e-4*want) {
			t.Errorf("the two norms, %v and %v, are too close to tell apart", sparse, want)
		}
	})
}
