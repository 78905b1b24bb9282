package tfbundle

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"bertlabel/checkpoint"
)

// v1 is an opened V1 checkpoint: one table, whose values hold the tensors themselves (core/util/saved_tensor_slice.proto).
// The key "" has SavedTensorSlices{meta 1}, every other key is that of a slice, also for whole tensors, and has
// SavedTensorSlices{data 2}. Regions number the stored values: offset is an index into places.
type v1 struct {
	contents
	file   *checkpoint.File
	limits checkpoint.Limits
	places []valuePlace
	byName map[string]int // into tensors, while the data entries are read
}

// valuePlace is where in the table a SavedTensorSlices message is.
type valuePlace struct {
	place
	length int
}

// metaSlices is the number of the field of SavedSliceMeta that lists the slices.
const metaSlices protowire.Number = 4

// OpenV1 opens a V1 checkpoint, a single file. The file is read once for the checks. Zero limits are the defaults.
func OpenV1(path string, limits checkpoint.Limits) (*checkpoint.Directory, error) {
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	return openV1(f, limits)
}

// openV1 takes the file over.
func openV1(f *checkpoint.File, limits checkpoint.Limits) (*checkpoint.Directory, error) {
	v := &v1{file: f, limits: limits.OrDefaults()}
	v.slices = map[string]*slice{}
	if err := checkpoint.InFile(v.open(), f.Path); err != nil {
		f.Close()
		return nil, err
	}
	return checkpoint.NewDirectory("tf_v1", v.tensors, v), nil
}

func (v *v1) open() error {
	t, err := openTable(v.file, v.limits)
	if err != nil {
		return err
	}
	entries := 0
	if err := t.each(func(_, _ []byte, _ place) error { entries++; return nil }); err != nil {
		return err
	}
	if entries == 0 {
		return checkpoint.Refuse(checkpoint.BadHeader, "the table is empty")
	}
	if err := t.each(func(key, value []byte, at place) error {
		if v.byName == nil {
			return v.meta(key, value)
		}
		return v.data(key, value, at)
	}); err != nil {
		return err
	}
	for i := range v.variables {
		if err := v.joinSaved(i); err != nil {
			return checkpoint.OfTensor(err, v.tensors[i].Name)
		}
	}
	v.byName = nil
	return v.noOrphans()
}

// meta takes the first entry of the table: the directory.
func (v *v1) meta(key, value []byte) error {
	if len(key) > 0 {
		return checkpoint.Refuse(checkpoint.BadHeader, "no entry under the empty key, the first is %s", quote(key))
	}
	var ver version
	err := eachField(value, func(f field) error {
		if f.number != 1 {
			return nil
		}
		return f.message(func(f field) error {
			switch f.number {
			case 1:
				return v.savedSliceMeta(f)
			case 2:
				return f.message(ver.field)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	order := make([]int, len(v.tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(v.tensors[i].Name, v.tensors[j].Name) })
	tensors, variables := make([]checkpoint.Info, len(order)), make([]variable, len(order))
	v.byName = make(map[string]int, len(order))
	for to, from := range order {
		tensors[to], variables[to] = v.tensors[from], v.variables[from]
		v.byName[tensors[to].Name] = to
	}
	if v.tensors, v.variables = tensors, variables; len(v.byName) < len(tensors) {
		return checkpoint.Refuse(checkpoint.BadHeader, "a tensor is listed twice")
	}
	return ver.check()
}

// savedSliceMeta takes a tensor of the directory: SavedSliceMeta{name 1, shape 2, type 3, slice 4}.
func (v *v1) savedSliceMeta(msg field) error {
	var name string
	var t tensorType
	listed := 0
	err := msg.message(func(f field) error {
		switch f.number {
		case 1:
			name = string(f.bytes[:min(len(f.bytes), v.limits.NameBytes+1)])
			return f.is(protowire.BytesType)
		case 2:
			return f.message(func(f field) error { return t.shapeField(f, v.limits) })
		case 3:
			return f.int32(&t.number)
		case metaSlices:
			listed++
			return f.is(protowire.BytesType)
		}
		return nil
	})
	if err == nil {
		err = checkpoint.CheckName(name, v.limits)
	}
	if err == nil {
		err = t.check(v.limits)
	}
	if err == nil && (listed == 0 || listed > 1 && t.dtype == checkpoint.String) {
		err = checkpoint.Refuse(checkpoint.BadSlices, "%d slices of %v", listed, t.dtype)
	}
	if err == nil && len(v.tensors) == v.limits.Tensors {
		err = checkpoint.Refuse(checkpoint.OutOfRange, "more than %d tensors", v.limits.Tensors)
	}
	if err != nil {
		return checkpoint.OfTensor(err, name)
	}
	v.tensors = append(v.tensors, checkpoint.Info{Name: name, DType: t.dtype, Shape: t.shape()})
	v.variables = append(v.variables, variable{listed: slices.Clone(msg.bytes)})
	return nil
}

// data takes any other entry: the values of a slice.
func (v *v1) data(key, value []byte, at place) error {
	s, err := parseSaved(value, v.limits)
	if err != nil {
		return err
	}
	i, ok := v.byName[s.name]
	if !ok {
		return checkpoint.OfTensor(checkpoint.Refuse(checkpoint.BadSlices, "a slice of a tensor that is not listed"), s.name)
	}
	if string(key) != string(appendSliceKey(nil, s.name, s.extents)) {
		return checkpoint.OfTensor(checkpoint.Refuse(checkpoint.BadSlices, "the slice %v is under another key", s.extents), s.name)
	}
	count := values{dtype: v.tensors[i].DType}
	if err := count.read(s.tensor); err != nil {
		return checkpoint.OfTensor(err, s.name)
	}
	v.slices[string(key)] = &slice{region: region{offset: int64(len(v.places)), size: count.bytes}, dtype: count.dtype,
		dims: []uint64{count.n}}
	v.places = append(v.places, valuePlace{at, len(value)})
	return nil
}

// joinSaved gives a tensor its slices.
func (v *v1) joinSaved(i int) error {
	holds := func(s *slice, box []extent) bool { return s.dims[0] == uint64(volume(box)) }
	if err := v.join(i, metaSlices, v.limits, holds); err != nil {
		return err
	}
	info := &v.tensors[i]
	for _, p := range v.variables[i].parts {
		info.Bytes += p.size
	}
	info.File, info.Offset = filepath.Base(v.file.Path), int64(v.places[v.variables[i].parts[0].offset].block.offset)
	return nil
}

// saved is SavedSlice{name 1, slice 2, data 3}.
type saved struct {
	name    string
	extents []extent
	tensor  []byte // TensorProto
}

// parseSaved parses SavedTensorSlices{data 2}.
func parseSaved(msg []byte, limits checkpoint.Limits) (s saved, err error) {
	err = eachField(msg, func(f field) error {
		if f.number != 2 {
			return nil
		}
		return f.message(func(f field) error {
			switch f.number {
			case 1:
				s.name = string(f.bytes[:min(len(f.bytes), limits.NameBytes+1)])
			case 2:
				return f.message(func(f field) error { return sliceField(f, &s.extents, limits) })
			case 3:
				s.tensor = f.bytes
			default:
				return nil
			}
			return f.is(protowire.BytesType)
		})
	})
	return s, err
}

// values gathers the value list of a TensorProto, the one field that V1 files set. Integers narrower than 64 bits all are in
// int_val, which holds int32 as varints.
type values struct {
	dtype checkpoint.DType
	n     uint64 // elements
	bytes int64  // that they take
	keep  bool   // whether to append them to raw, little-endian, strings after their length as uint64
	raw   []byte
}

// valueField is the number of the value list of a type in TensorProto (core/framework/tensor.proto); 0 for a type that V1 files do not
// hold.
func valueField(t checkpoint.DType) protowire.Number {
	switch t {
	case checkpoint.Float32:
		return 5
	case checkpoint.Float64:
		return 6
	case checkpoint.Int32, checkpoint.Int16, checkpoint.Int8, checkpoint.Uint16, checkpoint.Uint8:
		return 7
	case checkpoint.String:
		return 8
	case checkpoint.Int64:
		return 10
	case checkpoint.Bool:
		return 11
	case checkpoint.Float16, checkpoint.BFloat16:
		return 13
	}
	return 0
}

func (v *values) read(tensor []byte) error {
	number := valueField(v.dtype)
	if number == 0 {
		return checkpoint.Refuse(checkpoint.BadDType, "%v in a V1 checkpoint", v.dtype)
	}
	return eachField(tensor, func(f field) error {
		if f.number != number {
			return nil
		}
		return v.list(f)
	})
}

// list takes one field of the list: packed, or an element of its own.
func (v *values) list(f field) error {
	if v.dtype == checkpoint.String {
		if v.keep {
			v.raw = append(binary.LittleEndian.AppendUint64(v.raw, uint64(len(f.bytes))), f.bytes...)
		}
		v.n, v.bytes = v.n+1, v.bytes+int64(len(f.bytes))
		return f.is(protowire.BytesType)
	}
	switch width := v.dtype.Size(); {
	case f.wire == protowire.Fixed32Type && v.dtype == checkpoint.Float32, f.wire == protowire.Fixed64Type && v.dtype == checkpoint.Float64:
		return v.add(f.n)
	case f.wire == protowire.VarintType && v.dtype != checkpoint.Float32 && v.dtype != checkpoint.Float64:
		return v.add(f.n)
	case f.wire != protowire.BytesType:
		return checkpoint.Refuse(checkpoint.BadProto, "field %d has wire type %d", f.number, f.wire)
	case v.dtype == checkpoint.Float32 || v.dtype == checkpoint.Float64: // stored as in memory
		if len(f.bytes)%width != 0 {
			return checkpoint.Refuse(checkpoint.BadProto, "%d bytes of %v", len(f.bytes), v.dtype)
		}
		if v.keep {
			v.raw = append(v.raw, f.bytes...)
		}
		v.n, v.bytes = v.n+uint64(len(f.bytes)/width), v.bytes+int64(len(f.bytes))
		return nil
	}
	for rest := f.bytes; len(rest) > 0; {
		x, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			return checkpoint.Refuse(checkpoint.BadProto, "malformed varint among %v", v.dtype)
		}
		if err := v.add(x); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// add takes one number, which must fit the type.
func (v *values) add(x uint64) error {
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	switch v.dtype {
	case checkpoint.Int32:
		least, most = math.MinInt32, math.MaxInt32
	case checkpoint.Int16:
		least, most = math.MinInt16, math.MaxInt16
	case checkpoint.Int8:
		least, most = math.MinInt8, math.MaxInt8
	case checkpoint.Uint16, checkpoint.Float16, checkpoint.BFloat16:
		least, most = 0, math.MaxUint16
	case checkpoint.Uint8:
		least, most = 0, math.MaxUint8
	case checkpoint.Bool:
		least, most = 0, 1
	}
	if int64(x) < least || int64(x) > most {
		return checkpoint.Refuse(checkpoint.BadProto, "%d does not fit %v", int64(x), v.dtype)
	}
	width := v.dtype.Size()
	if v.keep {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], x)
		v.raw = append(v.raw, b[:width]...)
	}
	v.n, v.bytes = v.n+1, v.bytes+int64(width)
	return nil
}

// value reads one stored slice.
func (v *v1) value(r region, dtype checkpoint.DType) ([]byte, error) {
	at := v.places[r.offset]
	t := &table{file: v.file, path: v.file.Path, size: uint64(v.file.Size), limits: v.limits} // its own buffers
	block, err := t.readBlock(at.block)
	if err != nil {
		return nil, checkpoint.InFile(err, v.file.Path)
	}
	if at.at+at.length > len(block) {
		return nil, checkpoint.InFile(checkpoint.Refuse(checkpoint.BadBlock, "the file has changed since it was opened"), v.file.Path)
	}
	s, err := parseSaved(block[at.at:][:at.length], v.limits)
	got := values{dtype: dtype, keep: true}
	if err == nil {
		got.raw = make([]byte, 0, r.size)
		err = got.read(s.tensor)
	}
	if err == nil && got.bytes != r.size {
		err = checkpoint.Refuse(checkpoint.SizeMismatch, "%d bytes, had %d when it was opened", got.bytes, r.size)
	}
	return got.raw, checkpoint.InFile(checkpoint.AtOffset(err, int64(at.block.offset)), v.file.Path)
}

// Fill implements checkpoint.Store.
func (v *v1) Fill(i int, dst []byte) error {
	info := &v.tensors[i]
	for _, p := range v.variables[i].parts {
		raw, err := v.value(p.region, info.DType)
		if err != nil {
			return err
		}
		scatter(dst, raw, p.box, info)
	}
	return nil
}

// Stream implements checkpoint.Store.
func (v *v1) Stream(i int, visit func(piece []byte) error) error {
	info, parts := &v.tensors[i], v.variables[i].parts
	whole, err := []byte(nil), error(nil)
	if info.DType == checkpoint.String {
		whole, err = v.value(parts[0].region, info.DType)
	} else {
		whole = make([]byte, info.Bytes)
		err = v.Fill(i, whole)
	}
	if err != nil {
		return err
	}
	return visit(whole)
}

// Close implements checkpoint.Store.
func (v *v1) Close() error { return v.file.Close() }
