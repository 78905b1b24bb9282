package safetensors

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bertlabel/checkpoint"
)

// A file that was streamed has its tensors in the order given, and reads as one that was written from memory; bytes that do not fill the
// shapes, too few or too many, are an error.
func TestStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.safetensors")
	create := func(name string) (io.WriteCloser, error) { return os.Create(name) }
	values := map[string][]float32{"b": {1, 2, 3, 4, 5, 6}, "a": {7}}
	tensors := []checkpoint.Tensor{{Name: "b", DType: checkpoint.Float32, Shape: []int{2, 3}}, {Name: "a", DType: checkpoint.Float32}}
	stream := func(more int) error {
		return Stream(create, path, tensors, nil, func(w io.Writer) error {
			for _, x := range tensors {
				if _, err := w.Write(checkpoint.Float32Tensor("", nil, values[x.Name]).Bytes); err != nil {
					return err
				}
			}
			_, err := w.Write(make([]byte, more))
			return err
		})
	}
	if err := stream(0); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, want := range values {
		got := make([]float32, len(want))
		if err := f.ReadFloat32(name, got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %v, %v, want %v", name, got, err, want)
		}
	}
	if a, _ := f.Lookup("a"); a.Offset <= 0 {
		t.Error("a has no place")
	} else if b, _ := f.Lookup("b"); b.Offset >= a.Offset {
		t.Errorf("b stands at %d, a at %d: want them in the order given", b.Offset, a.Offset)
	}
	if err := stream(4); err == nil {
		t.Error("four bytes too many")
	}
	values["b"] = values["b"][:5]
	if err := stream(0); err == nil {
		t.Error("a number is missing")
	}
	if err := Stream(create, path, append(tensors, tensors[0]), nil, nil); err == nil {
		t.Error("a name that is given twice")
	}
}
