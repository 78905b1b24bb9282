// Package inspect describes a checkpoint: its directory, and if asked the hash and the statistics of every tensor, read in
// pieces, so that memory does not grow with the file.
package inspect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"bertlabel/checkpoint"
)

// Report is what `inspect --json` prints.
type Report struct {
	Format  string   `json:"format"` // "tf_v2", "tf_v1" or "safetensors"
	Tensors []Tensor `json:"tensors"`
}

// Tensor is one tensor of a checkpoint.
type Tensor struct {
	Name   string `json:"name"`
	DType  string `json:"dtype"`
	Shape  []int  `json:"shape"`
	Bytes  int64  `json:"bytes"`            // stored size
	File   string `json:"file"`             // base name
	Offset int64  `json:"offset"`           // in the file
	CRC32C string `json:"crc32c,omitempty"` // as stored (masked), where there is one
	SHA256 string `json:"sha256,omitempty"` // with Options.Verify: of the little-endian bytes; strings each after their length as uint64
	*Stats        // with Options.Stats; nil for strings and complex numbers
}

// Options say what is read besides the directory.
type Options struct {
	Verify  bool // read all data, check every checksum, add SHA256
	Stats   bool // read all data, check every checksum, add Stats
	Threads int  // tensors read at a time; 0: runtime.GOMAXPROCS
}

// Describe returns the report of an opened checkpoint. An error names the first tensor, in the order of the directory, that
// cannot be read.
func Describe(src checkpoint.Source, o Options) (*Report, error) {
	infos := src.Tensors()
	r := &Report{Format: src.Format(), Tensors: make([]Tensor, len(infos))}
	for i, info := range infos {
		r.Tensors[i] = Tensor{Name: info.Name, DType: info.DType.String(), Shape: info.Shape, Bytes: info.Bytes, File: info.File,
			Offset: info.Offset}
		if info.CRC32C != 0 {
			r.Tensors[i].CRC32C = fmt.Sprintf("%08x", info.CRC32C)
		}
	}
	if !o.Verify && !o.Stats {
		return r, nil
	}
	errs := make([]error, len(infos))
	var next atomic.Int64
	var group sync.WaitGroup
	for range threads(o.Threads) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(infos)); i = next.Add(1) - 1 {
				errs[i] = r.Tensors[i].read(src, infos[i], o)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func threads(n int) int {
	if n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// read adds what needs the bytes.
func (t *Tensor) read(src checkpoint.Source, info checkpoint.Info, o Options) error {
	hash, sums := sha256.New(), &moments{}
	err := src.Stream(info.Name, func(piece []byte) error {
		if o.Verify {
			hash.Write(piece)
		}
		if o.Stats {
			sums.add(piece, info.DType)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if o.Verify {
		t.SHA256 = hex.EncodeToString(hash.Sum(nil))
	}
	if o.Stats && info.DType != checkpoint.String && info.DType != checkpoint.Complex64 && info.DType != checkpoint.Complex128 {
		t.Stats = sums.stats()
	}
	return nil
}
