package bert_test

import (
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

// goldenModels returns the folders of tiny BERTs whose activations Google's own TF1 code and a float64 replica computed.
func goldenModels(t *testing.T) []string {
	dirs, err := filepath.Glob(filepath.Join(tensortest.Shared(t, "fixtures/numerics"), "*", "forward64.safetensors"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no golden models (%v)", err)
	}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	return dirs
}

// The committed tiny model, and its outputs in float64 by the libraries that the file names say (testdata/golden/golden.py).
const (
	tinyModel  = "testdata/tiny"
	tinyGolden = "testdata/golden/"
)

var libraries = []string{"pytorch", "tensorflow"}

// tinyBound is the float32 error allowed on the tiny model, of the largest magnitude in the tensor: twice what was seen. Its trained
// weights are larger than the random ones of the shared models, and more cancels in their sums.
const tinyBound = 5e-6

// TestForwardGoldens compares every stage with float64. Our float32 error is within tinyBound; on the shared models at most 2e-6 of the
// largest magnitude in the tensor, the rounding of a few layers, or twice TensorFlow's own float32 error.
func TestForwardGoldens(t *testing.T) {
	for _, library := range libraries {
		t.Run("tiny/"+library, func(t *testing.T) {
			m, head := openGolden(t, tinyModel)
			truth := tensortest.ReadGolden(t, tinyGolden+library+".safetensors")
			got := forwardGolden(t, m, head, truth)
			if len(got) != 5 {
				t.Errorf("%d stages, want 5", len(got))
			}
			for name, got := range got {
				want := pickReal(truth[name], truth["input_mask"], len(got))
				checkGolden(t, name, got, want, tinyBound*tensortest.MaxAbs(want))
			}
		})
	}
	t.Run("shared", func(t *testing.T) {
		for _, dir := range goldenModels(t) {
			t.Run(filepath.Base(dir), func(t *testing.T) {
				m, head := openGolden(t, filepath.Join(dir, "model_with_head"))
				tf := tensortest.ReadGolden(t, filepath.Join(dir, "forward.safetensors"))
				truth := tensortest.ReadGolden(t, filepath.Join(dir, "forward64.safetensors"))
				for name, got := range forwardGolden(t, m, head, tf) {
					want := pickReal(truth[name], tf["input_mask"], len(got))
					theirs := tensortest.MaxDiff(t, pickReal(tf[name], tf["input_mask"], len(got)), want)
					checkGolden(t, name, got, want, max(2*theirs, 2e-6*tensortest.MaxAbs(want)))
				}
			})
		}
	})
}

func checkGolden(t *testing.T, name string, got, want []float64, bound float64) {
	t.Helper()
	diff := tensortest.MaxDiff(t, got, want)
	t.Logf("%-60s error %.1e, bound %.1e", name, diff, bound)
	if !(diff <= bound) {
		t.Errorf("%s: error %g, bound %g", name, diff, bound)
	}
}

func openGolden(t *testing.T, dir string) (*bert.Model, *layers.Classifier) {
	t.Helper()
	return openGoldenIn(t, dir, bert.FP32)
}

func openGoldenIn(t *testing.T, dir string, p bert.Precision) (*bert.Model, *layers.Classifier) {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(dir, "bert_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, unknown, err := bert.ParseConfig(config)
	if err != nil || len(unknown) > 0 {
		t.Fatal(err, unknown)
	}
	m, err := bert.New(c)
	if err != nil {
		t.Fatal(err)
	}
	m.SetPrecision(p)
	src, err := tfbundle.Open(filepath.Join(dir, "bert_model.ckpt"), checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	read := func(p *tensor.Param, dst []float32) error { return src.ReadFloat32(p.Name, dst) }
	if err := m.Load(2, read); err != nil {
		t.Fatal(err)
	}
	bias, _ := src.Lookup("output_bias")
	head := layers.NewClassifier(bias.Shape[0], c.HiddenSize)
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
		if err := read(p, p.Value); err != nil {
			t.Fatal(err)
		}
	}
	return m, head
}

// forwardGolden returns every quantity of the golden file, for the real tokens of its batch.
func forwardGolden(t *testing.T, m *bert.Model, head *layers.Classifier, golden map[string]tensortest.Golden) map[string][]float64 {
	t.Helper()
	b := realTokens(golden)
	ws := bert.NewWorkspace(tensor.NewWorkers(2))
	got := map[string][]float64{}
	_, err := m.Forward(ws, b, true, func(layer int, x *tensor.Tensor) {
		name := "embedding_output"
		if layer >= 0 {
			name = fmt.Sprintf("layer_%d", layer)
		}
		got[name] = tensortest.Widen(x.Data)
	})
	if err != nil {
		t.Fatal(err)
	}
	pooled := tensor.New(b.Texts(), m.Config.HiddenSize)
	if err := m.Features(ws, pooled, b, bert.Pooled); err != nil {
		t.Fatal(err)
	}
	got["pooled_output"] = tensortest.Widen(pooled.Data)
	logits := tensor.New(b.Texts(), head.Labels())
	head.Forward(logits, pooled)
	got["logits"] = tensortest.Widen(logits.Data)
	return got
}

// realTokens returns the batch of a golden file without its padding.
func realTokens(golden map[string]tensortest.Golden) *bert.Batch {
	ids, mask, segments := golden["input_ids"], golden["input_mask"], golden["segment_ids"]
	rows, seq := ids.Shape[0], ids.Shape[1]
	b := &bert.Batch{}
	for r := range rows {
		var id, segment []int32
		for i := r * seq; i < (r+1)*seq && mask.Data[i] == 1; i++ {
			id, segment = append(id, int32(ids.Data[i])), append(segment, int32(segments.Data[i]))
		}
		b.Append(id, segment)
	}
	return b
}

// pickReal returns the values of g without those of padding, if g has the axes of tokens; n is how many are wanted.
func pickReal(g, mask tensortest.Golden, n int) []float64 {
	if len(g.Data) == n {
		return g.Data
	}
	var out []float64
	width := g.Shape[len(g.Shape)-1]
	for i, m := range mask.Data {
		if m == 1 {
			out = append(out, g.Data[i*width:(i+1)*width]...)
		}
	}
	return out
}
