package tfbundle

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"bertlabel/checkpoint"
)

// saved1 is a slice in a V1 file: the extents under which it is listed, and its value list.
type saved1 struct {
	extents []extent
	values  []byte // of a TensorProto
}

// tensor1 is a tensor of a V1 file.
type tensor1 struct {
	name   string
	dtype  int64
	dims   []int64
	slices []saved1
}

func sliceMessage(extents []extent) []byte {
	var b []byte
	for _, e := range extents {
		var ext []byte
		if e != (extent{0, -1}) {
			ext = protowire.AppendVarint(protowire.AppendTag(appendInt(nil, 1, e.start), 2, protowire.VarintType), uint64(e.length))
		}
		b = appendMessage(b, 1, ext)
	}
	return b
}

// v1File builds a V1 checkpoint. change, where it is not nil, changes the pairs before they are written.
func v1File(tensors []tensor1, change func(pairs map[string][]byte)) []byte {
	pairs, meta := map[string][]byte{}, []byte(nil)
	for _, t := range tensors {
		var shape []byte
		for _, d := range t.dims {
			shape = appendMessage(shape, 2, appendInt(nil, 1, d))
		}
		m := appendInt(appendMessage(appendMessage(nil, 1, []byte(t.name)), 2, shape), 3, t.dtype)
		for _, s := range t.slices {
			m = appendMessage(m, metaSlices, sliceMessage(s.extents))
			data := appendMessage(appendMessage(nil, 1, []byte(t.name)), 2, sliceMessage(s.extents))
			pairs[string(appendSliceKey(nil, t.name, s.extents))] = appendMessage(nil, 2, appendMessage(data, 3, s.values))
		}
		meta = appendMessage(meta, 1, m)
	}
	pairs[""] = appendMessage(nil, 1, appendMessage(meta, 2, appendInt(nil, 1, 1)))
	if change != nil {
		change(pairs)
	}
	var sorted []pair
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		sorted = append(sorted, pair{[]byte(key), pairs[key]})
	}
	return buildTable(sorted)
}

// packedInts is a value list of varints.
func packedInts(number protowire.Number, values ...int64) []byte {
	var b []byte
	for _, v := range values {
		b = protowire.AppendVarint(b, uint64(v))
	}
	return appendMessage(nil, number, b)
}

func whole(rank int) []extent { return slices.Repeat([]extent{{0, -1}}, rank) }

// TestV1Types reads a value list of every type, packed and not, and refuses values that do not fit.
func TestV1Types(t *testing.T) {
	f32, f64 := math.Float32bits(1.5), math.Float64bits(-2.5)
	unpacked := protowire.AppendFixed32(protowire.AppendTag(nil, 5, protowire.Fixed32Type), f32)
	for _, c := range []struct {
		dtype  checkpoint.DType
		values []byte
		want   string           // bytes of the one element
		class  checkpoint.Class // or refusal
	}{
		{checkpoint.Float32, appendMessage(nil, 5, binary.LittleEndian.AppendUint32(nil, f32)), "0000c03f", ""},
		{checkpoint.Float32, unpacked, "0000c03f", ""},
		{checkpoint.Float64, appendMessage(nil, 6, binary.LittleEndian.AppendUint64(nil, f64)), "00000000000004c0", ""},
		{checkpoint.Int32, packedInts(7, -2), "feffffff", ""},
		{checkpoint.Int32, appendInt(nil, 7, 5), "05000000", ""},
		{checkpoint.Int16, packedInts(7, -2), "feff", ""},
		{checkpoint.Int8, packedInts(7, -128), "80", ""},
		{checkpoint.Uint8, packedInts(7, 255), "ff", ""},
		{checkpoint.Uint16, packedInts(7, 65535), "ffff", ""},
		{checkpoint.Int64, packedInts(10, math.MinInt64), "0000000000000080", ""},
		{checkpoint.Bool, packedInts(11, 1), "01", ""},
		{checkpoint.Float16, packedInts(13, 0x3c00), "003c", ""},
		{checkpoint.BFloat16, packedInts(13, 0x3f80), "803f", ""},
		{checkpoint.String, appendMessage(nil, 8, []byte("hi")), "0200000000000000" + "6869", ""},
		{checkpoint.Int32, packedInts(7, 1<<31), "", checkpoint.BadProto},
		{checkpoint.Int16, packedInts(7, 1<<15), "", checkpoint.BadProto},
		{checkpoint.Int8, packedInts(7, -129), "", checkpoint.BadProto},
		{checkpoint.Uint8, packedInts(7, -1), "", checkpoint.BadProto},
		{checkpoint.Uint16, packedInts(7, 65536), "", checkpoint.BadProto},
		{checkpoint.Float16, packedInts(13, 65536), "", checkpoint.BadProto},
		{checkpoint.Bool, packedInts(11, 2), "", checkpoint.BadProto},
		{checkpoint.Int64, appendMessage(nil, 10, []byte{0x80}), "", checkpoint.BadProto},
		{checkpoint.Int64, unpacked, "", checkpoint.BadSlices}, // another list: no value
		{checkpoint.Int64, protowire.AppendFixed64(protowire.AppendTag(nil, 10, protowire.Fixed64Type), 1), "", checkpoint.BadProto},
		{checkpoint.Float32, appendMessage(nil, 5, []byte{1, 2, 3}), "", checkpoint.BadProto},
		{checkpoint.Float32, packedInts(7, 1), "", checkpoint.BadSlices},
		{checkpoint.Float32, appendInt(nil, 5, 1), "", checkpoint.BadProto},
		{checkpoint.Float32, append(slices.Clone(unpacked), unpacked...), "", checkpoint.BadSlices},
		{checkpoint.String, appendInt(nil, 8, 1), "", checkpoint.BadProto},
		{checkpoint.Complex64, nil, "", checkpoint.BadDType},
	} {
		file := v1File([]tensor1{{"x", int64(c.dtype), nil, []saved1{{nil, c.values}}}}, nil)
		got, err := readV1(file)
		switch {
		case c.class != "":
			if err == nil || classOf(t, err) != c.class {
				t.Errorf("%v %x: %v, want class %s", c.dtype, c.values, err, c.class)
			}
		case err != nil:
			t.Errorf("%v %x: %v", c.dtype, c.values, err)
		default:
			for _, raw := range got {
				if hex.EncodeToString(raw) != c.want {
					t.Errorf("%v %x: %x, want %s", c.dtype, c.values, raw, c.want)
				}
			}
		}
	}
}

// TestV1Slices has partitioned variables in a V1 file, and files that are wrong in one place.
func TestV1Slices(t *testing.T) {
	halves := []tensor1{
		{"b", 3, []int64{2, 3}, []saved1{{[]extent{{0, -1}, {0, 1}}, packedInts(7, 0, 3)},
			{[]extent{{0, -1}, {1, 2}}, packedInts(7, 1, 2, 4, 5)}}},
		{"a", 1, []int64{0, 2}, []saved1{{whole(2), nil}}},
	}
	got, err := readV1(v1File(halves, nil))
	want := binary.LittleEndian.AppendUint32(nil, 0)
	for i := range uint32(5) {
		want = binary.LittleEndian.AppendUint32(want, i+1)
	}
	if err != nil || len(got) != 2 || !bytes.Equal(got["bint32 [2 3]"], want) {
		t.Fatalf("%x, %v, want %x", got, err, want)
	}
	first := string(appendSliceKey(nil, "b", halves[0].slices[0].extents))
	for _, c := range []struct {
		name   string
		want   checkpoint.Class
		change func(pairs map[string][]byte)
	}{
		{"slice missing", checkpoint.BadSlices, func(p map[string][]byte) { delete(p, first) }},
		{"slice under another key", checkpoint.BadSlices, func(p map[string][]byte) { p[first+"x"] = p[first]; delete(p, first) }},
		{"orphan", checkpoint.BadSlices, func(p map[string][]byte) {
			key := appendSliceKey(nil, "c", nil)
			p[string(key)] = appendMessage(nil, 2, appendMessage(nil, 1, []byte("c")))
		}},
		{"unlisted slice", checkpoint.BadSlices, func(p map[string][]byte) {
			extents := []extent{{1, 1}, {0, -1}}
			data := appendMessage(appendMessage(nil, 1, []byte("b")), 2, sliceMessage(extents))
			p[string(appendSliceKey(nil, "b", extents))] = appendMessage(nil, 2, appendMessage(data, 3, packedInts(7, 1, 2, 3)))
		}},
		{"no header", checkpoint.BadHeader, func(p map[string][]byte) { delete(p, "") }},
		{"listed twice", checkpoint.BadHeader, func(p map[string][]byte) {
			one := appendInt(appendMessage(appendMessage(appendMessage(nil, 1, []byte("b")), 2, nil), metaSlices, nil), 3, 3)
			p[""] = appendMessage(nil, 1, appendMessage(appendMessage(nil, 1, one), 1, one))
		}},
		{"no slices", checkpoint.BadSlices, func(p map[string][]byte) {
			p[""] = appendMessage(nil, 1, appendMessage(nil, 1, appendInt(appendMessage(nil, 1, []byte("b")), 3, 3)))
		}},
		{"name a number", checkpoint.BadProto, func(p map[string][]byte) {
			p[""] = appendMessage(nil, 1, appendMessage(nil, 1, appendInt(nil, 1, 3)))
		}},
		{"long name", checkpoint.BadName, func(p map[string][]byte) {
			p[""] = appendMessage(nil, 1, appendMessage(nil, 1, appendMessage(nil, 1, make([]byte, 2000))))
		}},
		{"newer", checkpoint.Version, func(p map[string][]byte) {
			p[""] = appendMessage(nil, 1,
				appendMessage(nil, 2, appendInt(nil, 2, 2)))
		}},
		{"garbage", checkpoint.BadProto, func(p map[string][]byte) { p[first] = []byte{0xff} }},
		{"data an integer", checkpoint.BadProto, func(p map[string][]byte) { p[first] = appendInt(nil, 2, 1) }},
		{"strings in slices", checkpoint.BadSlices, func(p map[string][]byte) {
			one := appendInt(appendMessage(appendMessage(nil, 1, []byte("b")), 2, nil), 3, 7)
			one = appendMessage(appendMessage(one, metaSlices, nil), metaSlices, nil)
			p[""] = appendMessage(nil, 1, appendMessage(nil, 1, one))
		}},
	} {
		if _, err := readV1(v1File(halves, c.change)); err == nil || classOf(t, err) != c.want {
			t.Errorf("%s: %v, want class %s", c.name, err, c.want)
		}
	}
	if _, err := readV1(closeTable(nil, newBlockBuilder(1))); err == nil || classOf(t, err) != checkpoint.BadHeader {
		t.Errorf("an empty table: %v", err)
	}
	limits := checkpoint.Limits{Tensors: 1}
	if _, err := openV1([]*checkpoint.File{memoryFile("v1", v1File(halves, nil))}, limits); err == nil || classOf(t, err) != checkpoint.OutOfRange {
		t.Errorf("two tensors, at most one: %v", err)
	}
}
