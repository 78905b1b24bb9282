package checkpoint

import "fmt"

// DType is the type of a tensor's elements, numbered as in TensorFlow's types.proto.
type DType uint8

// The element types that the readers know.
const (
	Float32    DType = 1
	Float64    DType = 2
	Int32      DType = 3
	Uint8      DType = 4
	Int16      DType = 5
	Int8       DType = 6
	String     DType = 7
	Complex64  DType = 8
	Int64      DType = 9
	Bool       DType = 10 // one byte, 0 or 1
	BFloat16   DType = 14 // the upper half of a float32
	Uint16     DType = 17
	Complex128 DType = 18
	Float16    DType = 19
	Uint32     DType = 22
	Uint64     DType = 23
)

var dtypes = [...]struct {
	name string
	size int
}{
	Float32:    {"float32", 4},
	Float64:    {"float64", 8},
	Int32:      {"int32", 4},
	Uint8:      {"uint8", 1},
	Int16:      {"int16", 2},
	Int8:       {"int8", 1},
	String:     {"string", 0},
	Complex64:  {"complex64", 8},
	Int64:      {"int64", 8},
	Bool:       {"bool", 1},
	BFloat16:   {"bfloat16", 2},
	Uint16:     {"uint16", 2},
	Complex128: {"complex128", 16},
	Float16:    {"float16", 2},
	Uint32:     {"uint32", 4},
	Uint64:     {"uint64", 8},
}

// Known reports whether t is one of the constants above.
func (t DType) Known() bool { return int(t) < len(dtypes) && dtypes[t].name != "" }

// String returns the name that numpy and TensorFlow use, for example "float32".
func (t DType) String() string {
	if !t.Known() {
		return fmt.Sprintf("dtype %d", uint8(t))
	}
	return dtypes[t].name
}

// Size returns the bytes of one element; 0 for String, whose elements differ in length.
func (t DType) Size() int {
	if !t.Known() {
		return 0
	}
	return dtypes[t].size
}

// component returns the bytes of one number: half of Size for complex elements, which are two numbers.
func (t DType) component() int {
	if t == Complex64 || t == Complex128 {
		return t.Size() / 2
	}
	return t.Size()
}
