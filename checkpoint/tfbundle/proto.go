package tfbundle

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"bertlabel/checkpoint"
)

// The messages of core/protobuf/tensor_bundle.proto, core/framework/{tensor_shape,tensor_slice,versions}.proto. Fields may come in
// any order, unknown ones are skipped, of a number or string given twice the last counts, repeated messages are merged.

// header is BundleHeaderProto.
type header struct {
	shards     int32
	endianness int32 // 0 little, 1 big
	version
}

// version is VersionDef.
type version struct {
	producer    int32
	minConsumer int32
	badConsumer bool // the consumer that we are is listed as bad
}

// consumer is the version of the formats that this reader knows (kTensorBundleVersion, TF_CHECKPOINT_VERSION).
const consumer = 1

// tensorType is what a message says about a tensor's elements, and what check makes of it.
type tensorType struct {
	number      int32 // of the dtype
	unknownRank bool
	dims        []uint64

	dtype    checkpoint.DType
	elements int64
}

// entry is BundleEntryProto.
type entry struct {
	tensorType
	shard       int32
	offset      int64
	size        int64
	crc         uint32 // masked
	partitioned bool   // the message lists slices: eachSlice
}

// extent is a stretch of one dimension of a slice; length −1 is the whole dimension.
type extent struct{ start, length int64 }

// field is one field of a message: n for varint, fixed32 and fixed64, bytes for bytes.
type field struct {
	number protowire.Number
	wire   protowire.Type
	n      uint64
	bytes  []byte
}

// nextField returns the first field of a message and what follows it. Groups, which these messages never had, are refused.
func nextField(msg []byte) (f field, rest []byte, err error) {
	number, wire, n := protowire.ConsumeTag(msg)
	if n < 0 || !number.IsValid() {
		return f, nil, checkpoint.Refuse(checkpoint.BadProto, "malformed tag")
	}
	f, rest = field{number: number, wire: wire}, msg[n:]
	switch wire {
	case protowire.VarintType:
		f.n, n = protowire.ConsumeVarint(rest)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(rest)
		f.n = uint64(v)
	case protowire.Fixed64Type:
		f.n, n = protowire.ConsumeFixed64(rest)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(rest)
	default:
		return f, nil, checkpoint.Refuse(checkpoint.BadProto, "field %d has wire type %d", number, wire)
	}
	if n < 0 {
		return f, nil, checkpoint.Refuse(checkpoint.BadProto, "field %d is cut or malformed", number)
	}
	return f, rest[n:], nil
}

// eachField calls visit for the fields of a message.
func eachField(msg []byte, visit func(f field) error) error {
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		msg = rest
	}
	return nil
}

// is refuses a field of another wire type than the message declares.
func (f field) is(wire protowire.Type) error {
	if f.wire != wire {
		return checkpoint.Refuse(checkpoint.BadProto, "field %d has wire type %d, want %d", f.number, f.wire, wire)
	}
	return nil
}

func (f field) int64(dst *int64) error {
	*dst = int64(f.n)
	return f.is(protowire.VarintType)
}

// int32 refuses what protobuf would silently cut to 32 bits.
func (f field) int32(dst *int32) error {
	if v := int64(f.n); v < math.MinInt32 || v > math.MaxInt32 {
		return checkpoint.Refuse(checkpoint.BadProto, "field %d is %d, which does not fit int32", f.number, v)
	}
	*dst = int32(f.n)
	return f.is(protowire.VarintType)
}

func (f field) fixed32(dst *uint32) error {
	*dst = uint32(f.n)
	return f.is(protowire.Fixed32Type)
}

// message calls visit for the fields of the message that f holds.
func (f field) message(visit func(f field) error) error {
	if err := f.is(protowire.BytesType); err != nil {
		return err
	}
	return eachField(f.bytes, visit)
}

func parseHeader(msg []byte) (h header, err error) {
	err = eachField(msg, func(f field) error {
		switch f.number {
		case 1:
			return f.int32(&h.shards)
		case 2:
			return f.int32(&h.endianness)
		case 3:
			return f.message(h.version.field)
		}
		return nil
	})
	return h, err
}

// field takes one field of the message.
func (v *version) field(f field) error {
	switch f.number {
	case 1:
		return f.int32(&v.producer)
	case 2:
		return f.int32(&v.minConsumer)
	case 3:
		return v.badConsumers(f)
	}
	return nil
}

// check refuses a checkpoint that is not for this reader.
func (v version) check() error {
	if v.minConsumer > consumer {
		return checkpoint.Refuse(checkpoint.Version, "asks for a reader of version %d, this is version %d", v.minConsumer, consumer)
	}
	if v.badConsumer {
		return checkpoint.Refuse(checkpoint.Version, "readers of version %d are said to read it wrongly", consumer)
	}
	return nil
}

// badConsumers takes a repeated int32, packed or not.
func (v *version) badConsumers(f field) error {
	if f.wire == protowire.VarintType {
		v.badConsumer = v.badConsumer || f.n == consumer
		return nil
	}
	for rest := f.bytes; len(rest) > 0; {
		bad, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			return checkpoint.Refuse(checkpoint.BadProto, "malformed varint in bad_consumers")
		}
		v.badConsumer = v.badConsumer || bad == consumer
		rest = rest[n:]
	}
	return f.is(protowire.BytesType)
}

// parse sets e to the entry of a message, reusing the memory of its dims, and checks dtype and shape.
func (e *entry) parse(msg []byte, limits checkpoint.Limits) error {
	*e = entry{tensorType: tensorType{dims: e.dims[:0]}}
	err := eachField(msg, func(f field) error {
		switch f.number {
		case 1:
			return f.int32(&e.number)
		case 2:
			return f.message(func(f field) error { return e.shapeField(f, limits) })
		case 3:
			return f.int32(&e.shard)
		case 4:
			return f.int64(&e.offset)
		case 5:
			return f.int64(&e.size)
		case 6:
			return f.fixed32(&e.crc)
		case entrySlices:
			e.partitioned = true
			return f.is(protowire.BytesType)
		}
		return nil
	})
	if err == nil {
		err = e.check(limits)
	}
	if err == nil && e.partitioned {
		err = eachSlice(msg, entrySlices, limits, func([]extent) error { return nil })
	}
	return err
}

// shapeField takes one field of TensorShapeProto.
func (t *tensorType) shapeField(f field, limits checkpoint.Limits) error {
	switch f.number {
	case 2:
		var size int64
		if err := f.message(func(f field) error {
			if f.number == 1 {
				return f.int64(&size)
			}
			return nil
		}); err != nil {
			return err
		}
		if size < 0 {
			return checkpoint.Refuse(checkpoint.BadShape, "dimension %d", size)
		}
		if len(t.dims) == limits.Rank {
			return checkpoint.Refuse(checkpoint.BadShape, "more than %d dimensions", limits.Rank)
		}
		t.dims = append(t.dims, uint64(size))
	case 3:
		t.unknownRank = f.n != 0
		return f.is(protowire.VarintType)
	}
	return nil
}

// check sets dtype and elements.
func (t *tensorType) check(limits checkpoint.Limits) error {
	if t.dtype = checkpoint.DType(t.number); int32(t.dtype) != t.number || !t.dtype.Known() {
		return checkpoint.Refuse(checkpoint.BadDType, "dtype %d is not one that is read", t.number)
	}
	if t.unknownRank {
		return checkpoint.Refuse(checkpoint.BadShape, "unknown rank")
	}
	n, err := limits.Elements(t.dims)
	if err != nil {
		return checkpoint.Refuse(checkpoint.BadShape, "%v", err)
	}
	t.elements = n
	return nil
}

func (t *tensorType) shape() []int {
	shape := make([]int, len(t.dims))
	for i, d := range t.dims {
		shape[i] = int(d)
	}
	return shape
}

// entrySlices is the number of the field of BundleEntryProto that lists the slices.
const entrySlices protowire.Number = 7

// eachSlice calls visit for the slices that a message lists in a repeated field, with an extent for each dimension that
// the slice has. The extents are valid during the call.
func eachSlice(msg []byte, number protowire.Number, limits checkpoint.Limits, visit func(extents []extent) error) error {
	extents := make([]extent, 0, limits.Rank)
	return eachField(msg, func(f field) error {
		if f.number != number {
			return nil
		}
		extents = extents[:0]
		if err := f.message(func(f field) error { return sliceField(f, &extents, limits) }); err != nil {
			return err
		}
		return visit(extents)
	})
}

// sliceField takes one field of TensorSliceProto.
func sliceField(f field, extents *[]extent, limits checkpoint.Limits) error {
	if f.number != 1 {
		return nil
	}
	e := extent{length: -1}
	if err := f.message(func(f field) error {
		switch f.number {
		case 1:
			return f.int64(&e.start)
		case 2:
			return f.int64(&e.length)
		}
		return nil
	}); err != nil {
		return err
	}
	if len(*extents) == limits.Rank {
		return checkpoint.Refuse(checkpoint.BadSlices, "a slice of more than %d dimensions", limits.Rank)
	}
	*extents = append(*extents, e)
	return nil
}

// appendHeader appends a little-endian header in the form that TensorFlow writes: fields by number, zeros left out.
func appendHeader(b []byte, shards int) []byte {
	b = appendInt(b, 1, int64(shards))
	return appendMessage(b, 3, appendInt(nil, 1, consumer)) // version: producer
}

// appendEntry appends the message of a tensor that is stored whole.
func appendEntry(b []byte, dtype checkpoint.DType, shape []int, shard int32, offset, size int64, crc uint32) []byte {
	var dims []byte
	for _, d := range shape {
		dims = appendMessage(dims, 2, appendInt(nil, 1, int64(d)))
	}
	b = appendInt(b, 1, int64(dtype))
	b = appendMessage(b, 2, dims)
	b = appendInt(b, 3, int64(shard))
	b = appendInt(b, 4, offset)
	b = appendInt(b, 5, size)
	if crc != 0 {
		b = protowire.AppendTag(b, 6, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, crc)
	}
	return b
}

// appendInt appends a proto3 integer field: nothing if it is zero.
func appendInt(b []byte, number protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(v))
}

func appendMessage(b []byte, number protowire.Number, msg []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), msg)
}
