package formats_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/checkpoint/tfbundle"
)

// saveV2 writes one tensor under a V2 prefix.
func saveV2(t *testing.T, prefix string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(prefix), 0o777); err != nil {
		t.Fatal(err)
	}
	files, err := atomic.NewFiles(atomic.OS{}, filepath.Dir(prefix), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Abort()
	one := []checkpoint.Tensor{checkpoint.Float32Tensor(filepath.Base(prefix), []int{1}, []float32{1})}
	if err := tfbundle.Write(files.Create, filepath.Base(prefix), one); err != nil {
		t.Fatal(err)
	}
	if err := files.Commit(); err != nil {
		t.Fatal(err)
	}
}

func saveSafetensors(t *testing.T, path string) {
	t.Helper()
	files, err := atomic.NewFiles(atomic.OS{}, filepath.Dir(path), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Abort()
	one := []checkpoint.Tensor{checkpoint.Float32Tensor(filepath.Base(path), []int{1}, []float32{1})}
	if err := safetensors.Write(files.Create, filepath.Base(path), one, nil); err != nil {
		t.Fatal(err)
	}
	if err := files.Commit(); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestFolders opens folders: the tensor that is found says which checkpoint was taken.
func TestFolders(t *testing.T) {
	file, err := os.ReadFile("../testdata/good/v1/model.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	v1 := string(file)
	for _, c := range []struct {
		name string
		make func(dir string)
		want string           // tensor
		no   checkpoint.Class // or refusal
	}{
		{"one prefix", func(dir string) { saveV2(t, dir+"/x.ckpt-3") }, "x.ckpt-3", ""},
		{"variables/", func(dir string) { saveV2(t, dir+"/variables/variables") }, "variables", ""},
		{"bert_model.ckpt among others", func(dir string) { saveV2(t, dir+"/a"); saveV2(t, dir+"/bert_model.ckpt") }, "bert_model.ckpt",
			""},
		{"several", func(dir string) { saveV2(t, dir+"/a"); saveV2(t, dir+"/b") }, "", checkpoint.Ambiguous},
		{"state file", func(dir string) {
			saveV2(t, dir+"/bert_model.ckpt")
			saveV2(t, dir+"/b")
			write(t, dir+"/checkpoint", `model_checkpoint_path: "b"`)
		}, "b", ""},
		{"state file of another folder", func(dir string) {
			saveV2(t, dir+"/b")
			write(t, dir+"/checkpoint", `model_checkpoint_path: "/tmp/b"`)
		}, "", checkpoint.BadState},
		{"safetensors", func(dir string) { saveSafetensors(t, dir+"/model.safetensors") }, "model.safetensors", ""},
		{"sharded safetensors", func(dir string) {
			saveSafetensors(t, dir+"/s1.safetensors")
			write(t, dir+"/model.safetensors.index.json", `{"weight_map":{"s1.safetensors":"s1.safetensors"}}`)
		}, "s1.safetensors", ""},
		{"Google's first", func(dir string) { saveSafetensors(t, dir+"/model.safetensors"); saveV2(t, dir+"/a") }, "a", ""},
		{"V1", func(dir string) { write(t, dir+"/bert_model.ckpt", v1); saveSafetensors(t, dir+"/model.safetensors") }, "bias", ""},
		{"V1 of the state file", func(dir string) {
			write(t, dir+"/model.ckpt-3", v1)
			write(t, dir+"/checkpoint", `model_checkpoint_path: "model.ckpt-3"`)
		}, "bias", ""},
		{"nothing", func(dir string) {}, "", checkpoint.MissingFile},
		{"a pickle alone", func(dir string) { write(t, dir+"/pytorch_model.bin", "x") }, "", checkpoint.MissingFile},
		{"index without data", func(dir string) { saveV2(t, dir+"/a"); os.Remove(dir + "/a.data-00000-of-00001") }, "",
			checkpoint.MissingFile},
	} {
		dir := t.TempDir()
		c.make(dir)
		src, err := formats.Open(dir, checkpoint.Limits{})
		var refused *checkpoint.FormatError
		if c.no != "" {
			if !errors.As(err, &refused) || refused.Class != c.no {
				t.Errorf("%s: %v, want class %s", c.name, err, c.no)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := src.Tensors()[0].Name; got != c.want {
			t.Errorf("%s: took %s, want %s", c.name, got, c.want)
		}
		src.Close()
	}
}

// TestRecognise opens files under all names that people give, and refuses what is no checkpoint.
func TestRecognise(t *testing.T) {
	dir := t.TempDir()
	saveV2(t, dir+"/model.ckpt")
	saveSafetensors(t, dir+"/model.safetensors")
	os.Link(dir+"/model.safetensors", dir+"/weights")
	v1, err := os.ReadFile("../testdata/good/v1/model.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/old.ckpt", string(v1))
	for name, want := range map[string]string{
		"model.ckpt": "tf_v2", "model.ckpt.index": "tf_v2", "model.ckpt.data-00000-of-00001": "tf_v2",
		"model.safetensors": "safetensors", "weights": "safetensors", "old.ckpt": "tf_v1",
	} {
		src, err := formats.Open(filepath.Join(dir, name), checkpoint.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if src.Format() != want {
			t.Errorf("%s: format %s, want %s", name, src.Format(), want)
		}
		src.Close()
	}
	for name, c := range map[string]struct{ text, says string }{
		"empty": {"", "neither"}, "text": {"hello", "neither"}, "long": {strings.Repeat("x", 1000), "neither"},
		"model.ckpt-1.txt": {"x", "neither"},
		"a.bin":            {"PK\x03\x04zip", "PyTorch"}, "b.pt": {"\x80\x02}q", "PyTorch"}, "unnamed": {"PK\x03\x04zip", "PyTorch"},
		"pickled":                      {"\x80\x04\x95", "PyTorch"},
		"pytorch_model.bin.index.json": {"{}", "PyTorch"}, "X.PTH": {"", "PyTorch"}, "c.h5": {"\x89HDF\r\n\x1a\n", "Keras"},
		"h":       {"\x89HDF\r\n\x1a\n", "Keras"},
		"m.keras": {"PK\x03\x04", "Keras"}, "flax_model.msgpack": {"\x82", "Flax"}, "model.onnx": {"\x08\x07", "ONNX"},
		"q.gguf":    {"GGUF\x03", "llama.cpp"},
		"model.bin": {"GGUF\x03", "llama.cpp"}, "m.tflite": {"\x1c\x00\x00\x00TFL3", "Lite"}, "w.npz": {"PK\x03\x04", "NumPy"},
		"uncased_L-12.zip": {"PK\x03\x04", "unpack"},
		"x":                {"\x1f\x8b\x08", "unpack"}, "saved_model.pb": {"\x08\x01", "variables/"},
		"model.ckpt.meta": {"\x0a", "without .meta"},
		"lfs":             {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"},
		"rust_model.ot":   {"PK\x03\x04", "PyTorch"},
	} {
		write(t, filepath.Join(dir, name), c.text)
		_, err := formats.Open(filepath.Join(dir, name), checkpoint.Limits{})
		var refused *checkpoint.FormatError
		if !errors.As(err, &refused) || refused.Class != checkpoint.BadMagic || !strings.Contains(err.Error(), c.says) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want that it says %q", name, err, c.says)
		}
	}
}

// TestCrowdedFolder finds the checkpoint in a folder of many other files (RELIABILITY H13; 100,000 by hand, making them takes a while).
func TestCrowdedFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 10,000 files")
	}
	dir := t.TempDir()
	saveV2(t, dir+"/m")
	for i := range 10_000 {
		f, err := os.Create(fmt.Sprintf("%s/%d.txt", dir, i))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	start := time.Now()
	src, err := formats.Open(dir, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	src.Close()
	if took := time.Since(start); took > 10*time.Second { // a guard: usually some 100 ms
		t.Errorf("took %v", took)
	}
}
