package tfbundle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"bertlabel/checkpoint"
)

// v1 is an opened V1 checkpoint: one table, or one for each shard of PREFIX-?????-of-NNNNN, whose values hold the tensors themselves
// (core/util/saved_tensor_slice.proto). The key "" has SavedTensorSlices{meta 1}, every other key is that of a slice, also for whole
// tensors, and has SavedTensorSlices{data 2}. Each shard lists the tensors and the slices that it holds; the slices of one tensor may
// be in several. Regions number the stored values: offset is an index into places.
type v1 struct {
	contents
	files  []*checkpoint.File
	limits checkpoint.Limits
	places []valuePlace
	byName map[string]int // into tensors, while the entries are read
	round  int            // shards whose directory is read
	listed []int          // round in which a tensor was listed last, while the directories are read
}

// valuePlace is where in the table a SavedTensorSlices message is.
type valuePlace struct {
	place
	file   int // into files
	length int
}

// metaSlices is the number of the field of SavedSliceMeta that lists the slices.
const metaSlices protowire.Number = 4

// shardName is the end of the name of a V1 checkpoint's shard.
var shardName = regexp.MustCompile(`-([0-9]{5})-of-([0-9]{5})$`)

// Shards returns the files of the V1 checkpoint that path names: all shards if it ends as the name of one, or in -?????-of-NNNNN, which
// TensorFlow's state file has; else path alone.
func Shards(path string) []string {
	prefix, of := "", ""
	if i := strings.LastIndex(path, "-?????-of-"); i >= 0 {
		prefix, of = path[:i], path[i+len("-?????-of-"):]
	} else if m := shardName.FindStringSubmatchIndex(path); m != nil {
		prefix, of = path[:m[0]], path[m[4]:m[5]]
	}
	n, err := strconv.Atoi(of)
	if err != nil || n < 1 || len(of) != 5 {
		return []string{path}
	}
	shards := make([]string, n)
	for i := range shards {
		shards[i] = fmt.Sprintf("%s-%05d-of-%s", prefix, i, of)
	}
	return shards
}

// maxShards is how many files of one checkpoint are opened: no more are open at a time.
const maxShards = 512

// OpenV1 opens a V1 checkpoint, a single file or the shards that Shards names. The files are read once for the checks. Zero limits are the
// defaults.
func OpenV1(path string, limits checkpoint.Limits) (*checkpoint.Directory, error) {
	shards := Shards(path)
	if len(shards) > maxShards {
		return nil, checkpoint.InFile(checkpoint.Refuse(checkpoint.BadShard, "%d shards, at most %d are read", len(shards), maxShards), path)
	}
	var files []*checkpoint.File
	for _, shard := range shards {
		f, err := checkpoint.OpenFile(shard)
		if err != nil {
			(&v1{files: files}).Close()
			return nil, err
		}
		files = append(files, f)
	}
	return openV1(files, limits)
}

// openV1 takes the files over.
func openV1(files []*checkpoint.File, limits checkpoint.Limits) (*checkpoint.Directory, error) {
	v := &v1{files: files, limits: limits.OrDefaults(), byName: map[string]int{}}
	v.slices = map[string]*slice{}
	if err := checkpoint.InFile(v.open(), files[0].Path); err != nil {
		v.Close()
		return nil, err
	}
	return checkpoint.NewDirectory("tf_v1", v.tensors, v), nil
}

func (v *v1) open() error {
	tables := make([]*table, len(v.files))
	for n, f := range v.files {
		t, err := openTable(f, v.limits)
		if err == nil {
			err = v.directory(t)
		}
		if err != nil {
			return checkpoint.InFile(err, f.Path)
		}
		tables[n] = t
	}
	v.sort()
	for n, t := range tables {
		first := true
		err := t.each(func(key, value []byte, at place) error {
			if first {
				first = false
				return nil
			}
			return v.data(key, value, at, n)
		})
		if err != nil {
			return checkpoint.InFile(err, v.files[n].Path)
		}
	}
	for i := range v.variables {
		if err := v.joinSaved(i); err != nil {
			return checkpoint.OfTensor(err, v.tensors[i].Name)
		}
	}
	v.byName = nil
	return v.noOrphans()
}

// directory reads a whole table, and takes its first entry.
func (v *v1) directory(t *table) error {
	entries := 0
	if err := t.each(func(_, _ []byte, _ place) error { entries++; return nil }); err != nil {
		return err
	}
	if entries == 0 {
		return checkpoint.Refuse(checkpoint.BadHeader, "the table is empty")
	}
	taken := errors.New("taken")
	err := t.each(func(key, value []byte, _ place) error {
		if err := v.meta(key, value); err != nil {
			return err
		}
		return taken
	})
	if err == taken {
		return nil
	}
	return err
}

// meta takes the first entry of the table: the directory.
func (v *v1) meta(key, value []byte) error {
	if len(key) > 0 {
		return checkpoint.Refuse(checkpoint.BadHeader, "no entry under the empty key, the first is %s", quote(key))
	}
	var ver version
	v.round++
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
	return ver.check()
}

// sort puts the tensors of all shards into the order of their names.
func (v *v1) sort() {
	order := make([]int, len(v.tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(v.tensors[i].Name, v.tensors[j].Name) })
	tensors, variables := make([]checkpoint.Info, len(order)), make([]variable, len(order))
	for to, from := range order {
		tensors[to], variables[to] = v.tensors[from], v.variables[from]
		v.byName[tensors[to].Name] = to
	}
	v.tensors, v.variables = tensors, variables
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
	if i, known := v.byName[name]; known {
		return checkpoint.OfTensor(v.again(i, &t, msg.bytes), name)
	}
	v.byName[name] = len(v.tensors)
	v.tensors = append(v.tensors, checkpoint.Info{Name: name, DType: t.dtype, Shape: t.shape()})
	v.variables = append(v.variables, variable{listed: slices.Clone(msg.bytes)})
	v.listed = append(v.listed, v.round)
	return nil
}

// again takes what a further shard lists of a tensor: more slices of the same.
func (v *v1) again(i int, t *tensorType, msg []byte) error {
	info := &v.tensors[i]
	switch {
	case v.listed[i] == v.round:
		return checkpoint.Refuse(checkpoint.BadHeader, "listed twice")
	case info.DType != t.dtype || !slices.Equal(info.Shape, t.shape()):
		return checkpoint.Refuse(checkpoint.BadSlices, "%v of %v in one shard, %v of %v in another", info.DType, info.Shape, t.dtype, t.shape())
	case info.DType == checkpoint.String:
		return checkpoint.Refuse(checkpoint.BadSlices, "a partitioned tensor of strings")
	}
	v.listed[i] = v.round
	v.variables[i].listed = append(v.variables[i].listed, msg...) // fields of protobuf: one message after the other lists all slices
	return nil
}

// data takes any other entry: the values of a slice.
func (v *v1) data(key, value []byte, at place, file int) error {
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
	if v.slices[string(key)] != nil {
		return checkpoint.OfTensor(checkpoint.Refuse(checkpoint.BadSlices, "the slice %v is in two shards", s.extents), s.name)
	}
	v.slices[string(key)] = &slice{region: region{offset: int64(len(v.places)), size: count.bytes}, dtype: count.dtype,
		dims: []uint64{count.n}}
	v.places = append(v.places, valuePlace{at, file, len(value)})
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
	at := v.places[v.variables[i].parts[0].offset]
	info.File, info.Offset = filepath.Base(v.files[at.file].Path), int64(at.block.offset)
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
	file := v.files[at.file]
	t := &table{file: file, path: file.Path, size: uint64(file.Size), limits: v.limits} // its own buffers
	block, err := t.readBlock(at.block)
	if err != nil {
		return nil, checkpoint.InFile(err, file.Path)
	}
	if at.at+at.length > len(block) {
		return nil, checkpoint.InFile(checkpoint.Refuse(checkpoint.BadBlock, "the file has changed since it was opened"), file.Path)
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
	return got.raw, checkpoint.InFile(checkpoint.AtOffset(err, int64(at.block.offset)), file.Path)
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
func (v *v1) Close() error {
	var errs []error
	for _, f := range v.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
