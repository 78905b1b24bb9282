package checkpoint

// Source is an opened checkpoint of any format: a directory of named tensors whose bytes are read on demand. Opening has
// validated the whole directory against the files (names, dtypes, shapes, sizes, offsets); reading verifies the bytes.
// All methods but Close are safe for concurrent use.
type Source interface {
	Format() string  // "tf_v2", "tf_v1" or "safetensors"
	Tensors() []Info // sorted by name; the caller must not change it
	Lookup(name string) (Info, bool)

	// ReadFloat32 fills dst, whose length must be the tensor's number of elements, in row-major order. float32 is copied;
	// float16, bfloat16 and float64 are converted (Lookup tells which, for a caller that wants to say so; a float64 that is
	// finite but not in float32 is an error); any other dtype is an error. The checksum is verified.
	ReadFloat32(name string, dst []float32) error

	// StreamFloat32 is ReadFloat32 that hands the elements to visit in order, piece by piece, so that a tensor of any size costs
	// little memory. A piece is valid during the call; what visit has seen counts if StreamFloat32 returns nil, as in Stream.
	StreamFloat32(name string, visit func(piece []float32) error) error

	// ReadInt64 returns an integer tensor widened to int64 (for example global_step).
	ReadInt64(name string) ([]int64, error)

	// ReadRaw returns the tensor's bytes as stored, little-endian, after verification. A tensor of strings comes as its
	// elements, each after its length as a uint64.
	ReadRaw(name string) ([]byte, error)

	// Stream hands the bytes of ReadRaw to visit piece by piece, of whole elements each (of strings: any), so that a tensor
	// of any size costs little memory. A piece is valid during the call. The checksum is known at the end only: what visit
	// has seen counts if Stream returns nil. An error of visit ends it and is returned.
	Stream(name string, visit func(piece []byte) error) error

	Close() error
}

// Info is one entry of a checkpoint's directory.
type Info struct {
	Name   string
	DType  DType
	Shape  []int  // empty for a scalar
	Bytes  int64  // stored size
	File   string // base name of the file that holds the bytes; of the first slice for a partitioned variable
	Offset int64  // in that file
	CRC32C uint32 // masked, as stored; 0 where there is none for the whole tensor: other formats, partitioned variables
}

// Elements returns the product of the shape: 1 for a scalar. Opening has checked that it fits.
func (i Info) Elements() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}
