package checkpoint

import (
	"fmt"
	"math"
)

// Limits bounds what a file may declare. A field that is zero has the default of Defaults.
type Limits struct {
	IndexBytes    int64 // TensorFlow's .index file; safetensors' index.json; the state file has 1 MiB
	HeaderBytes   int64 // safetensors header
	SnappyBytes   int64 // declared length of one compressed table block
	Entries       int   // of a table, slices included
	Tensors       int
	NameBytes     int // of a tensor's name
	Rank          int
	Dimension     int64 // largest size of one axis
	ElementsLimit int64 // of one tensor
	Shards        int   // data files
}

// Defaults returns the limits that hold unless others are given.
func Defaults() Limits {
	return Limits{
		IndexBytes:    64 << 20,
		HeaderBytes:   100_000_000, // the safetensors library's own limit
		SnappyBytes:   64 << 20,
		Entries:       1_000_000,
		Tensors:       100_000,
		NameBytes:     1024,
		Rank:          8,
		Dimension:     1<<31 - 1,
		ElementsLimit: 1 << 40,
		Shards:        100_000,
	}
}

// OrDefaults returns l with its zero fields set to the defaults.
func (l Limits) OrDefaults() Limits {
	d := Defaults()
	set(&l.IndexBytes, d.IndexBytes)
	set(&l.HeaderBytes, d.HeaderBytes)
	set(&l.SnappyBytes, d.SnappyBytes)
	set(&l.Entries, d.Entries)
	set(&l.Tensors, d.Tensors)
	set(&l.NameBytes, d.NameBytes)
	set(&l.Rank, d.Rank)
	set(&l.Dimension, d.Dimension)
	set(&l.ElementsLimit, d.ElementsLimit)
	set(&l.Shards, d.Shards)
	return l
}

func set[T int | int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Elements returns the product of a shape from a file, or an error that says which limit it breaks. Each dimension is
// checked also when another is 0; the product, times 16 bytes, fits an int.
func (l Limits) Elements(dims []uint64) (int64, error) {
	if len(dims) > l.Rank {
		return 0, fmt.Errorf("%d dimensions, at most %d", len(dims), l.Rank)
	}
	most := uint64(min(l.ElementsLimit, math.MaxInt/16))
	n, empty := uint64(1), false
	for _, d := range dims {
		if d > uint64(l.Dimension) {
			return 0, fmt.Errorf("dimension %d of shape %d, at most %d", d, dims, l.Dimension)
		}
		empty = empty || d == 0
	}
	if empty {
		return 0, nil
	}
	for _, d := range dims {
		if d > most/n {
			return 0, fmt.Errorf("shape %d has more than %d elements", dims, most)
		}
		n *= d
	}
	return int64(n), nil
}
