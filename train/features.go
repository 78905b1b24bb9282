package train

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bertlabel/asm"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/tensor"
)

// FeatureCache keeps the features of a frozen encoder on disk, so that the next head on the same texts starts at once. Each
// matrix is a safetensors file of its own, with a tensor "features" [rows, hidden] and, as the format has no checksums, its
// SHA-256 among the metadata.
type FeatureCache struct {
	Dir  string               // made when it is missing
	Warn func(message string) // told why a file is not used or was not written; nil for nobody
}

// FeatureKey names a matrix of features.
type FeatureKey [sha256.Size]byte

// featureFormat is the version of the files; another one is another key.
const featureFormat = "bertlabel features 1"

// NewFeatureKey returns SHA-256 over all that features depend on, which parts has to say: the encoder (model.Fingerprint), the
// texts or the data file's hash and how it is read, pooling, longest text. The kernel set is added, as
// that of generic differs in the last bits.
func NewFeatureKey(parts ...string) FeatureKey {
	h := sha256.New()
	for _, part := range slices.Concat([]string{featureFormat, asm.Best.Name}, parts) {
		fmt.Fprintf(h, "%d:%s", len(part), part) // with its length: a border cannot move
	}
	return FeatureKey(h.Sum(nil))
}

// Features returns the [rows, hidden] matrix that key names. A file that is whole is taken; without one, or when anything about
// it is wrong, the features are computed and kept. An error is one of compute: a cache that fails costs time, no more.
func (c FeatureCache) Features(key FeatureKey, rows, hidden int, compute func() (*tensor.Tensor, error)) (*tensor.Tensor, error) {
	path := filepath.Join(c.Dir, "features-"+hex.EncodeToString(key[:8])+".safetensors")
	x, err := readFeatures(path, key, rows, hidden)
	if err == nil {
		return x, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.warn("features cache %s is not used, the features are computed again: %v", path, err)
	}
	if x, err = compute(); err != nil {
		return nil, err
	}
	if err := writeFeatures(path, key, x); err != nil {
		c.warn("features cache %s could not be written: %v", path, err)
	}
	return x, nil
}

func (c FeatureCache) warn(format string, args ...any) {
	if c.Warn != nil {
		c.Warn(fmt.Sprintf(format, args...))
	}
}

// readFeatures reads a matrix and proves that it is the one that was written under key.
func readFeatures(path string, key FeatureKey, rows, hidden int) (*tensor.Tensor, error) {
	f, err := safetensors.Open(path, checkpoint.Limits{})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, _ := f.Lookup("features")
	if shape := []int{rows, hidden}; info.DType != checkpoint.Float32 || !slices.Equal(info.Shape, shape) {
		return nil, fmt.Errorf("tensor \"features\": %v %v, want %v %v", info.DType, info.Shape, checkpoint.Float32, shape)
	}
	x := tensor.New(rows, hidden)
	if err := f.ReadFloat32("features", x.Data); err != nil {
		return nil, err
	}
	for name, want := range featureMetadata(key, featureTensor(x)) {
		if got := f.Metadata[name]; got != want {
			return nil, fmt.Errorf("%s is %.80q, want %q", name, got, want)
		}
	}
	return x, nil
}

// writeFeatures puts a matrix in place in one piece.
func writeFeatures(path string, key FeatureKey, x *tensor.Tensor) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	t := featureTensor(x)
	files, err := atomic.NewFiles(atomic.OS{}, filepath.Dir(path), int64(len(t.Bytes)))
	if err != nil {
		return err
	}
	defer files.Abort()
	if err := safetensors.Write(files.Create, filepath.Base(path), []checkpoint.Tensor{t}, featureMetadata(key, t)); err != nil {
		return err
	}
	return files.Commit()
}

func featureTensor(x *tensor.Tensor) checkpoint.Tensor {
	return checkpoint.Float32Tensor("features", []int{x.Rows, x.Cols}, x.Data)
}

// featureMetadata is what stands beside the matrix: the whole key, and the hash of the bytes.
func featureMetadata(key FeatureKey, t checkpoint.Tensor) map[string]string {
	sum := sha256.Sum256(t.Bytes)
	return map[string]string{"key": hex.EncodeToString(key[:]), "sha256": hex.EncodeToString(sum[:])}
}
