package checkpoint

// DType is the type of a tensor's elements, numbered as in TensorFlow's types.proto.
type DType uint8

// The element types that occur in BERT checkpoints.
const (
	Float32  DType = 1
	Float64  DType = 2
	Int32    DType = 3
	Uint8    DType = 4
	Int16    DType = 5
	Int8     DType = 6
	String   DType = 7
	Int64    DType = 9
	Bool     DType = 10 // one byte, 0 or 1
	BFloat16 DType = 14 // the upper half of a float32
	Uint16   DType = 17
	Float16  DType = 19
	Uint32   DType = 22
	Uint64   DType = 23
)
