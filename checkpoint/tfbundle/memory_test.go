package tfbundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/tensor/tensortest"
)

// committed has small checkpoints that TensorFlow wrote, and says what they hold (../testdata/make.py).
const committed = "../testdata"

// files are a checkpoint in memory, by name; its prefix is "m".
type files map[string][]byte

func memoryFile(path string, data []byte) *checkpoint.File {
	return &checkpoint.File{ReaderAt: bytes.NewReader(data), Closer: io.NopCloser(nil), Path: path, Size: int64(len(data))}
}

func (m files) open(path string) (*checkpoint.File, error) {
	data, ok := m[path]
	if !ok {
		return nil, &checkpoint.FormatError{File: path, Offset: -1, Class: checkpoint.MissingFile, What: "not there", Err: fs.ErrNotExist}
	}
	return memoryFile(path, data), nil
}

// bundleOf returns an index, and one data file.
func bundleOf(index, data []byte) files {
	return files{"m.index": index, dataName("m", 0, 1): data}
}

// readAll opens a V2 checkpoint and reads everything in it.
func (m files) readAll() (map[string][]byte, error) {
	return readSource(open("m", checkpoint.Limits{}, m.open))
}

// readV1 does it for a V1 file.
func readV1(data []byte) (map[string][]byte, error) {
	return readSource(openV1([]*checkpoint.File{memoryFile("v1", data)}, checkpoint.Limits{}))
}

// readSource reads everything, in all ways, which must agree.
func readSource(src *checkpoint.Directory, err error) (map[string][]byte, error) {
	if err != nil {
		return nil, err
	}
	tensors := map[string][]byte{}
	for _, info := range src.Tensors() {
		raw, err := src.ReadRaw(info.Name)
		if err != nil {
			return nil, err
		}
		tensors[fmt.Sprint(info.Name, info.DType, info.Shape)] = raw
		var streamed []byte
		if err := src.Stream(info.Name, func(piece []byte) error { streamed = append(streamed, piece...); return nil }); err != nil {
			return nil, err
		}
		if !bytes.Equal(streamed, raw) {
			panic("Stream and ReadRaw differ for " + info.Name)
		}
		if info.DType == checkpoint.Float32 {
			values := make([]float32, info.Elements())
			if err := src.ReadFloat32(info.Name, values); err != nil {
				return nil, err
			}
			if !bytes.Equal(checkpoint.Float32Tensor("", nil, values).Bytes, raw) {
				panic("ReadFloat32 and ReadRaw differ for " + info.Name)
			}
		}
	}
	return tensors, nil
}

// load returns a fixture of one data file, or nil if it has more: of the shared folder, or, smaller, a committed one, or nil if the
// shared folder is not here and that one is not committed.
func load(t testing.TB, name, base string) files {
	t.Helper()
	folder, ok := tensortest.SharedToo(t, "fixtures/checkpoints/good")
	if !ok {
		folder = filepath.Join(committed, "good")
	}
	prefix := filepath.Join(folder, name, base)
	index, err := os.ReadFile(prefix + ".index")
	if errors.Is(err, fs.ErrNotExist) && !ok {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dataName(prefix, 0, 1))
	if err != nil {
		return nil
	}
	return bundleOf(index, data)
}

// classOf returns the class of a refusal, and fails for another kind of error.
func classOf(t testing.TB, err error) checkpoint.Class {
	t.Helper()
	var refused *checkpoint.FormatError
	if !errors.As(err, &refused) {
		t.Fatalf("%v is no FormatError", err)
	}
	if refused.File == "" || refused.What == "" {
		t.Fatalf("%v does not say what is wrong where", err)
	}
	return refused.Class
}

// small is a checkpoint of some tensors, made here.
func small() files {
	text := checkpoint.Tensor{Name: "text", DType: checkpoint.String, Shape: []int{2},
		Bytes: []byte("\x02\x00\x00\x00\x00\x00\x00\x00hi\x00\x00\x00\x00\x00\x00\x00\x00")}
	return written(
		checkpoint.Float32Tensor("layer/kernel", []int{2, 3}, []float32{1, -2, 3, 4.5, 5, 6}),
		checkpoint.Float32Tensor("layer/bias", []int{3}, []float32{7, 8, 9}),
		checkpoint.Float32Tensor("empty", []int{0, 4}, nil),
		checkpoint.Int64Tensor("step", nil, []int64{123}),
		text,
	)
}

// written returns what Write makes of tensors.
func written(tensors ...checkpoint.Tensor) files {
	out := files{}
	err := Write(func(name string) (io.WriteCloser, error) { return &memoryWriter{name: name, to: out}, nil }, "m", tensors)
	if err != nil {
		panic(err)
	}
	return out
}

type memoryWriter struct {
	bytes.Buffer
	name string
	to   files
}

func (w *memoryWriter) Close() error {
	w.to[w.name] = slices.Clone(w.Bytes())
	return nil
}
