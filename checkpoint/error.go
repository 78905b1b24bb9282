package checkpoint

import (
	"errors"
	"fmt"
	"strings"
)

// Class is the reason of a refusal in one word, which scripts can rely on.
type Class string

// The classes. Those that begin with st_ come from safetensors files, the others from TensorFlow's.
const (
	MissingFile    Class = "missing_file"    // a file that the checkpoint needs is not there, or is no regular file
	Truncated      Class = "truncated"       // the file ends before what its own structure says
	BadMagic       Class = "bad_magic"       // not a checkpoint at all, or a format that is not read
	BadHandle      Class = "bad_handle"      // a block handle is malformed or points outside the file or into another block
	BlockChecksum  Class = "block_checksum"  // a table block does not match its CRC32C
	BadCompression Class = "bad_compression" // unknown compression, or snappy data that does not decode to its declared length
	BadBlock       Class = "bad_block"       // a table block is malformed: restart array, lengths, varints, shared prefix
	KeyOrder       Class = "key_order"       // keys do not strictly rise, or lie outside the range of their index key
	BadHeader      Class = "bad_header"      // the entry under the empty key is missing or no usable header
	Version        Class = "version"         // the header asks for a newer reader
	BadProto       Class = "bad_proto"       // a protobuf message is malformed, or a field does not fit its type
	BadName        Class = "bad_name"        // a name is not UTF-8, has a NUL, or is too long
	BadDType       Class = "bad_dtype"       // an element type that is unknown, or not the kind that was asked for
	BadShape       Class = "bad_shape"       // rank unknown or too high, a dimension negative or too large, product too large
	BadShard       Class = "bad_shard"       // shard_id is not in [0, num_shards)
	SizeMismatch   Class = "size_mismatch"   // the stored size is not elements × bytes per element
	OutOfRange     Class = "out_of_range"    // negative, or outside the file, or over a limit
	Overlap        Class = "overlap"         // two tensors claim the same bytes
	BadSlices      Class = "bad_slices"      // the slices of a partitioned variable do not tile it
	BadString      Class = "bad_string"      // the lengths of strings, their checksum and the size do not agree
	DataChecksum   Class = "data_checksum"   // a tensor's bytes do not match their CRC32C
	BadState       Class = "bad_state"       // the `checkpoint` state file is malformed or names a path outside its folder
	BadManifest    Class = "bad_manifest"    // a saved folder does not match its MANIFEST.json
	Ambiguous      Class = "ambiguous"       // a folder holds several checkpoints and nothing says which is meant
	OutOfFloat32   Class = "out_of_float32"  // a float64 value that float32 cannot hold

	STHeaderLength Class = "st_header_length" // header length over the limit or over the file
	STJSON         Class = "st_json"          // the header is not the JSON that the format asks for
	STDuplicate    Class = "st_duplicate"     // the same key twice in one object
	STDType        Class = "st_dtype"         // unknown dtype
	STShape        Class = "st_shape"         // not a list of non-negative integers, or too large
	STOffsets      Class = "st_offsets"       // malformed, overlapping, with a hole, or not ending with the file
	STSize         Class = "st_size"          // offsets and shape × dtype disagree
	STIndex        Class = "st_index"         // the index file is malformed, leaves the folder, or disagrees with the shards
)

// FormatError is the refusal of a checkpoint file.
type FormatError struct {
	File   string // path of the file that is wrong
	Offset int64  // of the wrong bytes in it; −1 where there is no such place
	Tensor string // name of the tensor; empty where it concerns the file as a whole
	Class  Class
	What   string // what was found and what was expected
	Err    error  // the cause, where there is one
}

// Refuse returns a *FormatError that does not say yet where it is: InFile, AtOffset and OfTensor add that.
func Refuse(class Class, format string, args ...any) error {
	return &FormatError{Offset: -1, Class: class, What: fmt.Sprintf(format, args...)}
}

// InFile names the file of a *FormatError that names none, and returns err. Other errors, and nil, stay as they are; the same
// holds for AtOffset and OfTensor.
func InFile(err error, path string) error {
	if e := refusal(err); e != nil && e.File == "" {
		e.File = path
	}
	return err
}

// AtOffset sets the offset of a *FormatError that has none.
func AtOffset(err error, offset int64) error {
	if e := refusal(err); e != nil && e.Offset < 0 {
		e.Offset = offset
	}
	return err
}

// OfTensor names the tensor of a *FormatError that names none.
func OfTensor(err error, name string) error {
	if e := refusal(err); e != nil && e.Tensor == "" {
		e.Tensor = name
	}
	return err
}

// refusal returns the *FormatError in err, or nil.
func refusal(err error) *FormatError {
	var e *FormatError
	errors.As(err, &e)
	return e
}

func (e *FormatError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Tensor != "" {
		fmt.Fprintf(&b, ": tensor %s", Quote(e.Tensor))
	}
	fmt.Fprintf(&b, ": %s (%s", e.What, e.Class)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " at byte %d", e.Offset)
	}
	b.WriteByte(')')
	return b.String()
}

func (e *FormatError) Unwrap() error { return e.Err }

// Quote returns a name from a file in Go's quoted form, cut to a length that fits a message.
func Quote(name string) string {
	const most = 120
	if len(name) > most {
		return fmt.Sprintf("%q… (%d bytes)", name[:most], len(name))
	}
	return fmt.Sprintf("%q", name)
}
