package formats

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// refused lists what holds weights too but is never read, because the format can run code or because reading it would gain
// nothing: by the ends of the names, and by what the files begin with.
var refused = []struct {
	suffixes []string
	begin    string // "" where only the name tells
	what     string
	instead  string
}{
	{[]string{".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".mar"}, "PK\x03\x04",
		"a pickle of PyTorch or an archive of one, which can run code when it is read", toSafetensors},
	{[]string{".h5", ".hdf5", ".keras"}, "\x89HDF", "a file of Keras (HDF5)", toSafetensors},
	{[]string{".msgpack"}, "", "weights of Flax (msgpack)", toSafetensors},
	{[]string{".onnx", ".ort"}, "", "an ONNX graph", "name the model that it was exported from"},
	{[]string{".gguf", ".ggml"}, "GGUF", "weights of llama.cpp (GGUF)", "name the model that they were converted from"},
	{[]string{".tflite"}, "", "a TensorFlow Lite graph", "name the model that it was exported from"},
	{[]string{".npz", ".npy"}, "\x93NUMPY", "NumPy arrays", toSafetensors},
	{[]string{".ot", ".pdparams", ".mlmodel", ".caffemodel", ".nemo", ".params"}, "", "weights of another framework", toSafetensors},
	{[]string{".pb", ".pbtxt"}, "", "a TensorFlow graph without weights",
		"name the folder of the SavedModel, whose weights are in variables/"},
	{[]string{".meta"}, "", "the graph of a TensorFlow checkpoint, which is not needed", "name the checkpoint without .meta"},
	{[]string{".zip", ".tar", ".tgz", ".7z"}, "\x1f\x8b", "an archive", "unpack it and name the folder"},
}

const toSafetensors = "convert it to safetensors, for example with save_pretrained of transformers"

// refusal says in one sentence what a file that is never read is and what to do, "" for any other file. head is what it begins
// with. What the file holds counts more than how it is called.
func refusal(path string, head []byte) string {
	name := strings.ToLower(filepath.Base(path))
	for _, f := range refused {
		if f.begin != "" && bytes.HasPrefix(head, []byte(f.begin)) && !(f.begin == "PK\x03\x04" && isArchive(name)) {
			return f.what + ": " + f.instead
		}
	}
	if len(head) > 1 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 { // the opcode PROTO and a protocol
		return refused[0].what + ": " + refused[0].instead
	}
	for _, f := range refused {
		if slices.Contains(f.suffixes, filepath.Ext(name)) {
			return f.what + ": " + f.instead
		}
	}
	return ""
}

// isArchive reports whether a name is that of a zip file which need not be PyTorch's.
func isArchive(name string) bool {
	return slices.Contains([]string{".zip", ".keras", ".npz", ".mlmodel", ".nemo"}, filepath.Ext(name))
}

// hint names a file of a refused format in a folder that has nothing else.
func hint(folder string) string {
	files, _ := os.ReadDir(folder) // a folder that cannot be read is no news here
	for _, f := range files {
		if sentence := refusal(f.Name(), nil); sentence != "" && !f.IsDir() {
			return "; " + f.Name() + " is " + sentence
		}
	}
	return ""
}
