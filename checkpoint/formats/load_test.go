package formats_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/tensor/tensortest"
)

// openBERT opens real weights, 23 million float32 of MiniLM, and returns memory for all of them.
func openBERT(t testing.TB) (src checkpoint.Source, dst map[string][]float32, bytes int64) {
	t.Helper()
	src, err := tfbundle.Open(filepath.Join(tensortest.Shared(t, "models/minilm-l6-uncased"), "bert_model.ckpt"), checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	dst = map[string][]float32{}
	for _, info := range src.Tensors() {
		dst[info.Name] = make([]float32, info.Elements())
		bytes += info.Bytes
	}
	return src, dst, bytes
}

// TestReadFloat32 reads many tensors at once: those of the tiny model, and of real weights if they are here.
func TestReadFloat32(t *testing.T) {
	src, err := tfbundle.Open("../../bert/testdata/tiny/bert_model.ckpt", checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	testReadFloat32(t, src)
	t.Run("shared", func(t *testing.T) {
		src, _, _ := openBERT(t)
		testReadFloat32(t, src)
	})
}

func testReadFloat32(t *testing.T, src checkpoint.Source) {
	defer src.Close()
	dst := map[string][]float32{}
	for _, info := range src.Tensors() {
		dst[info.Name] = make([]float32, info.Elements())
	}
	var group sync.WaitGroup
	for name := range dst {
		group.Go(func() {
			if err := src.ReadFloat32(name, dst[name]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for name, got := range dst {
		raw, err := src.ReadRaw(name)
		if err != nil {
			t.Fatal(err)
		}
		if want := checkpoint.Float32Tensor(name, nil, got).Bytes; string(raw) != string(want) {
			t.Errorf("%s: ReadFloat32 and ReadRaw differ", name)
		}
	}
	bias := dst["bert/pooler/dense/bias"]
	for _, length := range []int{0, len(bias) - 1, len(bias) + 1} {
		if err := src.ReadFloat32("bert/pooler/dense/bias", make([]float32, length)); err == nil {
			t.Errorf("%d elements read into %d", len(bias), length)
		}
	}
	if err := src.ReadFloat32("no/such", nil); err == nil {
		t.Error("read a tensor that is not there")
	}
}

// BenchmarkLoad reads all weights of MiniLM, 91 MB, on one core from the page cache, checksums included.
func BenchmarkLoad(b *testing.B) {
	src, dst, bytes := openBERT(b)
	defer src.Close()
	b.SetBytes(bytes)
	for b.Loop() {
		for _, info := range src.Tensors() {
			if err := src.ReadFloat32(info.Name, dst[info.Name]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, name := range []string{"single", "many", "safetensors_single"} {
		b.Run(name, func(b *testing.B) {
			paths, _ := filepath.Glob(filepath.Join(tensortest.Shared(b, "fixtures/checkpoints/good"), name, "model.*"))
			if len(paths) == 0 {
				b.Fatal(fmt.Sprint("no files of ", name))
			}
			for b.Loop() {
				src, err := formats.Open(paths[len(paths)-1], checkpoint.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				src.Close()
			}
		})
	}
}
