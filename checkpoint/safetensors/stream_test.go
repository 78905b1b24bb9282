package safetensors_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
)

// TestStream writes two tensors in an order that is not the library's, and reads them; what comes out of turn is refused.
func TestStream(t *testing.T) {
	b := checkpoint.Float32Tensor("b", []int{2}, []float32{1, 2})
	a := checkpoint.Float32Tensor("a", []int{1, 3}, []float32{3, 4, 5})
	infos := []checkpoint.Info{{Name: "b", DType: b.DType, Shape: b.Shape}, {Name: "a", DType: a.DType, Shape: a.Shape}}
	var file bytes.Buffer
	s, err := safetensors.NewStream(&file, infos)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(a); err == nil || !strings.Contains(err.Error(), `expected "b"`) {
		t.Errorf("a before b: %v", err)
	}
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), `the first is "a"`) {
		t.Errorf("without a: %v", err)
	}
	if err := s.Write(a); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(a); err == nil || s.Close() != nil {
		t.Errorf("a third tensor: %v", err)
	}
	path := filepath.Join(t.TempDir(), "s.safetensors")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := safetensors.Open(path, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got := make([]float32, 3)
	if err := src.ReadFloat32("a", got); err != nil || got[0] != 3 || got[2] != 5 {
		t.Errorf("a is %v, error %v", got, err)
	}
	if _, err := safetensors.NewStream(&file, append(infos, infos[0])); err == nil {
		t.Error("a name that comes twice was taken")
	}
}
