package tfbundle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"bertlabel/checkpoint"
)

// message builds the entry of one tensor, lies included.
func message(dtype int64, dims []int64, shard, offset, size int64, crc uint32) []byte {
	var shape []byte
	for _, d := range dims {
		shape = appendMessage(shape, 2, appendInt(nil, 1, d))
	}
	b := appendMessage(appendInt(nil, 1, dtype), 2, shape)
	b = appendInt(appendInt(appendInt(b, 3, shard), 4, offset), 5, size)
	return protowire.AppendFixed32(protowire.AppendTag(b, 6, protowire.Fixed32Type), crc)
}

func masked(data []byte) uint32 { return checkpoint.MaskCRC(checkpoint.CRC32C(0, data)) }

var headerPair = pair{nil, appendHeader(nil, 1)}

// TestShapes generates shapes, sizes and offsets of one float32 tensor (RELIABILITY H4, H5) and compares the verdict
// with the rule in arithmetic without bounds.
func TestShapes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	data := make([]byte, 96)
	dims := []int64{0, 1, 1, 2, 3, 4, 6, 1 << 16, 1 << 20, 1 << 30, 1<<31 - 1, 1 << 31, 1 << 32, 1<<32 + 1, 1 << 62, math.MaxInt64, -1,
		-2, math.MinInt64}
	others := []int64{0, 4, 24, 48, 72, 92, 95, 96, 97, -4, 1 << 32, 1 << 62, math.MaxInt64, math.MaxInt64 - 3, math.MinInt64}
	pick := func(of []int64) int64 { return of[rng.IntN(len(of))] }
	accepted := 0
	for range 20000 {
		shape := make([]int64, rng.IntN(4))
		if rng.IntN(20) == 0 {
			shape = make([]int64, rng.IntN(12))
		}
		product, legal := big.NewInt(1), len(shape) <= 8
		for i := range shape {
			shape[i] = pick(dims[:rng.IntN(len(dims))+1])
			product.Mul(product, big.NewInt(shape[i]))
			legal = legal && shape[i] >= 0 && shape[i] < 1<<31
		}
		legal = legal && product.Cmp(big.NewInt(1<<40)) <= 0
		size := new(big.Int).Mul(product, big.NewInt(4)) // the true one, or what 64 bits leave of it
		stored := int64(size.Uint64())
		if size.Sign() < 0 {
			stored = -int64(new(big.Int).Neg(size).Uint64())
		}
		if rng.IntN(3) == 0 {
			stored = pick(others)
		}
		offset := int64(0)
		if rng.IntN(2) == 0 {
			offset = pick(others)
		}
		legal = legal && size.Cmp(big.NewInt(stored)) == 0 && offset >= 0 && offset <= 96 && stored >= 0 && stored <= 96-offset
		crc := uint32(0)
		if legal {
			crc = masked(data[offset : offset+stored])
		}
		_, err := bundleOf(buildTable([]pair{headerPair, {[]byte("w"), message(1, shape, 0, offset, stored, crc)}}), data).readAll()
		if (err == nil) != legal {
			t.Fatalf("shape %d, size %d, offset %d: %v, want legal = %v", shape, stored, offset, err, legal)
		}
		if err == nil {
			accepted++
		} else {
			classOf(t, err)
		}
	}
	if accepted < 500 {
		t.Errorf("only %d of the cases are legal", accepted)
	}
}

// split cuts a box at random until it is in n parts.
func split(rng *rand.Rand, shape []int64, n int) [][]extent {
	whole := make([]extent, len(shape))
	for i, d := range shape {
		whole[i] = extent{0, d}
	}
	boxes := [][]extent{whole}
	for range 8 * n {
		i, k := rng.IntN(len(boxes)), rng.IntN(len(shape))
		if box := boxes[i]; len(boxes) < n && box[k].length > 1 {
			cut := 1 + rng.Int64N(box[k].length-1)
			low, high := slices.Clone(box), slices.Clone(box)
			low[k].length, high[k] = cut, extent{box[k].start + cut, box[k].length - cut}
			boxes[i] = low
			boxes = append(boxes, high)
		}
	}
	return boxes
}

// partition returns a checkpoint of one int32 tensor of that shape, 0, 1, 2, …, stored in boxes; listed says which are listed.
func partition(shape []int64, boxes, listed [][]extent) files {
	var data []byte
	pairs := map[string][]byte{"": headerPair.value}
	for _, box := range boxes {
		var raw []byte
		dims := make([]int64, len(box))
		total := int64(1)
		for k, e := range box {
			dims[k] = e.length
			total *= e.length
		}
		for n := range total {
			at, rest, stride := int64(0), n, int64(1)
			for k := len(box) - 1; k >= 0; k-- {
				at += (box[k].start + rest%box[k].length) * stride
				rest, stride = rest/box[k].length, stride*shape[k]
			}
			raw = binary.LittleEndian.AppendUint32(raw, uint32(at))
		}
		pairs[string(appendSliceKey(nil, "table", box))] = message(3, dims, 0, int64(len(data)), int64(len(raw)), masked(raw))
		data = append(data, raw...)
	}
	var value []byte
	for _, d := range shape {
		value = appendMessage(value, 2, appendInt(nil, 1, d))
	}
	value = appendMessage(appendInt(nil, 1, 3), 2, value)
	for _, box := range listed {
		var slice []byte
		for _, e := range box {
			slice = appendMessage(slice, 1, protowire.AppendVarint(protowire.AppendTag(appendInt(nil, 1, e.start), 2, 0), uint64(e.length)))
		}
		value = appendMessage(value, entrySlices, slice)
	}
	pairs["table"] = value
	var sorted []pair
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		sorted = append(sorted, pair{[]byte(key), pairs[key]})
	}
	return bundleOf(buildTable(sorted), data)
}

// TestTilings reads random partitions exactly, and refuses them when one slice is missing, unlisted, listed twice, moved or resized.
func TestTilings(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		shape := make([]int64, 1+rng.IntN(4))
		total := int64(1)
		for i := range shape {
			shape[i] = 1 + rng.Int64N(7)
			total *= shape[i]
		}
		boxes := split(rng, shape, 1+rng.IntN(12))
		rng.Shuffle(len(boxes), func(i, j int) { boxes[i], boxes[j] = boxes[j], boxes[i] })
		got, err := partition(shape, boxes, boxes).readAll()
		if err != nil {
			t.Fatalf("%d as %v: %v", shape, boxes, err)
		}
		var want []byte
		for i := range total {
			want = binary.LittleEndian.AppendUint32(want, uint32(i))
		}
		for name, raw := range got {
			if !bytes.Equal(raw, want) {
				t.Fatalf("%s as %v: %v", name, boxes, raw)
			}
		}
		last := len(boxes) - 1
		moved := slices.Clone(boxes)
		moved[last] = slices.Clone(boxes[last])
		k := rng.IntN(len(shape))
		moved[last][k].start += 1 - 2*rng.Int64N(2)
		resized := slices.Clone(boxes)
		resized[last] = slices.Clone(boxes[last])
		resized[last][k].length += 1 - 2*rng.Int64N(2)
		for what, bad := range map[string]files{
			"missing":  partition(shape, boxes[:last], boxes),
			"unlisted": partition(shape, boxes, boxes[:last]),
			"twice":    partition(shape, boxes, append(boxes[:last:last], boxes[last], boxes[last])),
			"moved":    partition(shape, moved, moved),
			"resized":  partition(shape, resized, resized),
		} {
			if last == 0 && what == "unlisted" {
				continue // a variable without slices is a whole tensor
			}
			if got, err := bad.readAll(); err == nil {
				t.Errorf("%d as %v, %s: read as %v", shape, boxes, what, got)
			} else if class := classOf(t, err); class != checkpoint.BadSlices {
				t.Errorf("%d as %v, %s: %v, want class %s", shape, boxes, what, err, checkpoint.BadSlices)
			}
		}
	}
}

// TestOverlaps has tensors that share bytes, which would make much of a small file.
func TestOverlaps(t *testing.T) {
	data := make([]byte, 64)
	entry := func(name string, offset, floats int64) pair {
		return pair{[]byte(name), message(1, []int64{floats}, 0, offset, 4*floats, masked(data[offset:offset+4*floats]))}
	}
	for _, c := range []struct {
		pairs []pair
		legal bool
	}{
		{[]pair{entry("a", 0, 8), entry("b", 32, 8)}, true},
		{[]pair{entry("a", 32, 8), entry("b", 0, 8)}, true},
		{[]pair{entry("a", 0, 4), entry("b", 32, 4)}, true},
		{[]pair{entry("a", 0, 8), entry("b", 16, 0), entry("c", 32, 8), entry("d", 64, 0)}, true},
		{[]pair{entry("a", 0, 8), entry("b", 31, 8)}, false},
		{[]pair{entry("a", 0, 16), entry("b", 4, 1)}, false},
		{[]pair{entry("a", 0, 16), entry("b", 4, 1), entry("c", 60, 1)}, false},
		{[]pair{entry("a", 0, 16), entry("b", 0, 16)}, false},
		{[]pair{entry("a", 0, 16), entry("b", 16, 0), entry("c", 32, 1)}, false}, // an empty tensor inside does not end the one around it
	} {
		_, err := bundleOf(buildTable(append([]pair{headerPair}, c.pairs...)), data).readAll()
		if c.legal && err != nil || !c.legal && (err == nil || classOf(t, err) != checkpoint.Overlap) {
			t.Errorf("%v, want legal = %v", err, c.legal)
		}
	}
}

// TestLimits has tables that are good but for their size.
func TestLimits(t *testing.T) {
	pairs := []pair{headerPair}
	for i := range 30 {
		pairs = append(pairs, pair{fmt.Appendf(nil, "tensor/%02d", i), message(1, []int64{0}, 0, 0, 0, masked(nil))})
	}
	m := bundleOf(buildTable(pairs), nil)
	for _, c := range []struct {
		limits checkpoint.Limits
		want   checkpoint.Class
	}{
		{checkpoint.Limits{Entries: 31, Tensors: 30, NameBytes: 9, Rank: 1, IndexBytes: int64(len(m["m.index"]))}, ""},
		{checkpoint.Limits{Entries: 30}, checkpoint.OutOfRange},
		{checkpoint.Limits{Tensors: 29}, checkpoint.OutOfRange},
		{checkpoint.Limits{NameBytes: 8}, checkpoint.BadName},
		{checkpoint.Limits{IndexBytes: int64(len(m["m.index"])) - 1}, checkpoint.OutOfRange},
	} {
		_, err := readSource(open("m", c.limits, m.open))
		if c.want == "" && err != nil || c.want != "" && (err == nil || classOf(t, err) != c.want) {
			t.Errorf("%+v: %v, want class %q", c.limits, err, c.want)
		}
	}
}

// TestManyTensors has more tensors and longer lists than a checkpoint may have (RELIABILITY H6, H9), under the limits that hold by
// default: refused, or read, within the memory that the limits allow.
func TestManyTensors(t *testing.T) {
	limits := checkpoint.Defaults()
	many := func(n int) files {
		pairs := []pair{headerPair}
		empty := message(1, []int64{0}, 0, 0, 0, masked(nil))
		for i := range n {
			pairs = append(pairs, pair{fmt.Appendf(nil, "t%07d", i), empty})
		}
		return bundleOf(buildTable(pairs), nil)
	}
	entries := func(name string, value []byte) files {
		return bundleOf(buildTable([]pair{headerPair, {[]byte(name), value}}), nil)
	}
	dims := bytes.Repeat(appendMessage(nil, 2, appendInt(nil, 1, 1)), 10_000_000)
	listed := bytes.Repeat(appendMessage(nil, entrySlices, sliceMessage([]extent{{0, 1}})), 1_000_000)
	nested := appendInt(nil, 1, 1)
	for range 5_000 {
		nested = appendMessage(nil, 2, nested)
	}
	good := message(1, []int64{0}, 0, 0, 0, masked(nil))
	for _, c := range []struct {
		name string
		m    files
		want checkpoint.Class
	}{
		{"as many as allowed", many(limits.Tensors), ""},
		{"one more", many(limits.Tensors + 1), checkpoint.OutOfRange},
		{"a million", many(1_000_000), checkpoint.OutOfRange},
		{"a name of a million bytes", entries(strings.Repeat("n", 1_000_000), good), checkpoint.BadName},
		{"the longest name", entries(strings.Repeat("n", limits.NameBytes), good), ""},
		{"a name that is not UTF-8", entries("a\xff", good), checkpoint.BadName},
		{"a name with a NUL", entries("a\x00b", good), checkpoint.BadName},
		{"ten million dimensions", entries("n", appendMessage(appendInt(nil, 1, 1), 2, dims)), checkpoint.BadShape},
		{"a million slices", entries("n", append(message(1, []int64{1}, 0, 0, 0, 0), listed...)), checkpoint.BadSlices},
		{"messages in messages", entries("n", appendMessage(appendInt(nil, 1, 1), 2, nested)), ""}, // a dimension with a long name
	} {
		size := len(c.m["m.index"])
		if int64(size) > limits.IndexBytes && c.want != checkpoint.OutOfRange {
			c.want = checkpoint.OutOfRange
		}
		start := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		src, err := open("m", checkpoint.Limits{}, c.m.open)
		runtime.ReadMemStats(&after)
		if c.want == "" && err != nil || c.want != "" && (err == nil || classOf(t, err) != c.want) {
			t.Errorf("%s: %v, want class %q", c.name, err, c.want)
		}
		if src != nil {
			src.Close()
		}
		// The file once, and for each tensor 300 bytes and its name (package checkpoint).
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(2*size+400*limits.Tensors+1<<20); used > most {
			t.Errorf("%s: %d bytes of memory for an index of %d, at most %d", c.name, used, size, most)
		}
		if took := time.Since(start); took > 5*time.Second { // a guard: usually some 100 ms
			t.Errorf("%s: took %v", c.name, took)
		}
	}
}

// TestLongPrefix is a block whose many keys share a megabyte with the one before: work in proportion to the file, not to
// the keys that it stands for.
func TestLongPrefix(t *testing.T) {
	const length = 1 << 20
	b := newBlockBuilder(math.MaxInt)
	b.add(nil, headerPair.value)
	b.add([]byte(strings.Repeat("k", length)), nil)
	for i := range uint32(50_000) { // shares the first, adds 4 bytes of its own, has no value
		b.body = binary.AppendUvarint(b.body, length)
		b.body = binary.BigEndian.AppendUint32(append(b.body, 4, 0), i)
	}
	out, h := appendBlock(nil, b.finish())
	index := newBlockBuilder(1)
	index.add([]byte("~"), h)
	start := time.Now()
	_, err := bundleOf(closeTable(out, index), nil).readAll()
	if err == nil || classOf(t, err) != checkpoint.BadName {
		t.Errorf("%v, want class %s", err, checkpoint.BadName)
	}
	if took := time.Since(start); took > 2*time.Second { // a guard: 50 GB of copying would take longer
		t.Errorf("took %v", took)
	}
}

// closeTable ends a table after its data blocks.
func closeTable(out []byte, index *blockBuilder) []byte {
	out, meta := appendBlock(out, newBlockBuilder(1).finish())
	out, top := appendBlock(out, index.finish())
	footer := append(meta, top...)
	footer = append(footer, make([]byte, footerSize-8-len(footer))...)
	return binary.LittleEndian.AppendUint64(append(out, footer...), magic)
}

// TestSnappyLimits has the lengths that a block of 3 bytes may declare.
func TestSnappyLimits(t *testing.T) {
	for _, c := range []struct {
		declared uint64
		limit    int64
		refused  string
	}{
		{32*3 + 64<<10, 1 << 20, "do not decode"},
		{32*3 + 64<<10 + 1, 1 << 20, "declare"},
		{1000, 1000, "do not decode"},
		{1001, 1000, "declare"},
	} {
		packed := binary.AppendUvarint(nil, c.declared)
		packed = append(packed, make([]byte, 3-len(packed)%3)...)[:3]
		table := &table{limits: checkpoint.Limits{SnappyBytes: c.limit}}
		if _, err := table.decompress(packed); err == nil || !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%d declared: %v, want that they %s", c.declared, err, c.refused)
		}
	}
}

// TestSnappyHostile has compressed blocks that are wrong in one place (RELIABILITY H8): refused before more memory is taken than
// their length allows.
func TestSnappyHostile(t *testing.T) {
	literal := func(tag byte, rest ...byte) []byte { return append([]byte{tag}, rest...) }
	good := append([]byte{20, 3 << 2}, "abcd"...)
	declares := func(n uint64, body ...byte) []byte { return append(binary.AppendUvarint(nil, n), body...) }
	for name, packed := range map[string][]byte{
		"4 GiB in 20 bytes":           declares(1<<32, make([]byte, 15)...),
		"4 GiB less one":              declares(1<<32-1, make([]byte, 15)...),
		"2^63":                        declares(1<<63, make([]byte, 10)...),
		"more than 64 MiB":            declares(64<<20+1, make([]byte, 4<<20)...),
		"32 times and 64 KiB and one": declares(32*7+64<<10+1, make([]byte, 4)...),
		"length without end":          bytes.Repeat([]byte{0x80}, 20),
		"length of eleven bytes":      append(bytes.Repeat([]byte{0x80}, 10), 1),
		"nothing":                     {},
		"one byte declared, none":     {1},
		"none declared, one there":    {0, 0, 'a'},
		"literal cut":                 append([]byte{20, 19 << 2}, "abc"...),
		"literal of a length cut":     {20, 60 << 2},
		"literal of 2 bytes, cut":     {20, 61 << 2, 9},
		"literal of 2^32":             {20, 63 << 2, 0xff, 0xff, 0xff, 0xff},
		"literal past the end":        append([]byte{3, 3 << 2}, "abcd"...),
		"copy first":                  {4, 3<<2 | 2, 1, 0},
		"copy from offset 0":          append(slices.Clone(good), 15<<2|2, 0, 0),
		"short copy from offset 0":    append(slices.Clone(good), 7<<2|1, 0),
		"long copy from offset 0":     append(slices.Clone(good), 15<<2|3, 0, 0, 0, 0),
		"copy from before":            append(slices.Clone(good), 15<<2|2, 5, 0),
		"long copy from before":       append(slices.Clone(good), 15<<2|3, 0xff, 0xff, 0xff, 0xff),
		"copy past the end":           append(slices.Clone(good), 63<<2|2, 4, 0),
		"copy cut":                    append(slices.Clone(good), 15<<2|2, 4),
		"short copy cut":              append(slices.Clone(good), 7<<2|1),
		"long copy cut":               append(slices.Clone(good), 15<<2|3, 4, 0, 0),
		"too little":                  append(slices.Clone(good), 14<<2|2, 4, 0),
		"too much":                    append(slices.Clone(good), 16<<2|2, 4, 0),
		"a plain block":               newBlockBuilder(1).finish(),
		"framed":                      literal(0xff, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'),
		"zeros":                       make([]byte, 50),
	} {
		table := &table{limits: checkpoint.Defaults()}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := table.decompress(packed)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: decoded to %d bytes", name, len(got))
		}
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(32*len(packed)+96<<10); used > most {
			t.Errorf("%s: %d bytes of memory for %d", name, used, len(packed))
		}
	}
	table := &table{limits: checkpoint.Defaults()}
	if got, err := table.decompress(append(slices.Clone(good), 15<<2|2, 4, 0)); err != nil || string(got) != strings.Repeat("abcd", 5) {
		t.Errorf("the good one: %q, %v", got, err)
	}
}

// TestSnappyRepeat is a copy with offset 0 after another copy, which extended decoders take for "the same offset again".
func TestSnappyRepeat(t *testing.T) {
	packed := []byte{12, 3 << 2, 'a', 'b', 'c', 'd', 3<<2 | 2, 4, 0, 3<<2 | 2, 0, 0}
	table := &table{limits: checkpoint.Defaults()}
	if got, err := table.decompress(packed); err == nil {
		t.Errorf("decoded to %q", got)
	}
	packed[10] = 4
	if got, err := table.decompress(packed); err != nil || string(got) != "abcdabcdabcd" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestHeaders has headers that ask for something.
func TestHeaders(t *testing.T) {
	version := func(fields ...[]byte) []byte {
		return appendMessage(appendInt(nil, 1, 1), 3, bytes.Join(fields, nil))
	}
	packed := func(consumers ...uint64) []byte {
		var b []byte
		for _, c := range consumers {
			b = protowire.AppendVarint(b, c)
		}
		return appendMessage(nil, 3, b)
	}
	for _, c := range []struct {
		name   string
		header []byte
		want   checkpoint.Class
	}{
		{"no version", appendInt(nil, 1, 1), ""},
		{"for this reader", version(appendInt(nil, 1, 2), appendInt(nil, 2, 1)), ""},
		{"other bad consumers", version(packed(0, 2, 3), appendInt(nil, 3, 5)), ""},
		{"for a newer reader", version(appendInt(nil, 2, 2)), checkpoint.Version},
		{"bad consumer packed", version(packed(7, 1)), checkpoint.Version},
		{"bad consumer unpacked", version(appendInt(nil, 3, 1)), checkpoint.Version},
		{"bad consumer cut", version(appendMessage(nil, 3, []byte{0x80})), checkpoint.BadProto},
		{"bad consumer fixed", version(protowire.AppendFixed32(protowire.AppendTag(nil, 3, 5), 1)), checkpoint.BadProto},
		{"2^31 data files", appendInt(nil, 1, 1<<31), checkpoint.BadProto},
		{"2^31-1 data files", appendInt(nil, 1, 1<<31-1), checkpoint.BadHeader},
		{"-1 data files", appendInt(nil, 1, -1), checkpoint.BadHeader},
		{"endianness 2", appendInt(appendInt(nil, 1, 1), 2, 2), checkpoint.BadHeader},
		{"version an integer", appendInt(appendInt(nil, 1, 1), 3, 1), checkpoint.BadProto},
	} {
		_, err := bundleOf(buildTable([]pair{{nil, c.header}}), nil).readAll()
		if c.want == "" && err != nil || c.want != "" && (err == nil || classOf(t, err) != c.want) {
			t.Errorf("%s: %v, want class %q", c.name, err, c.want)
		}
	}
}

// TestStrings has lengths of every width of varint, and long ones.
func TestStrings(t *testing.T) {
	var raw []byte
	for _, n := range []int{0, 1, 127, 128, 16383, 16384, 100_000} {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(n))
		raw = append(raw, bytes.Repeat([]byte{byte(n)}, n)...)
	}
	m := written(checkpoint.Tensor{Name: "text", DType: checkpoint.String, Shape: []int{7, 1}, Bytes: raw})
	if got, err := m.readAll(); err != nil || !bytes.Equal(got["textstring [7 1]"], raw) {
		t.Errorf("%d tensors, %v", len(got), err)
	}
	for crc, want := range map[uint32]checkpoint.Class{masked(nil): "", 0: checkpoint.DataChecksum,
		masked([]byte{0}): checkpoint.DataChecksum} {
		m := bundleOf(buildTable([]pair{headerPair, {[]byte("none"), message(7, []int64{0, 4}, 0, 0, 0, crc)}}), nil)
		if _, err := m.readAll(); want == "" && err != nil || want != "" && (err == nil || classOf(t, err) != want) {
			t.Errorf("no strings in no bytes, checksum %08x: %v, want class %q", crc, err, want)
		}
	}
}

// TestLargeParts reads partitioned variables and big-endian ones whose parts are longer than what is read at a time, and refuses them when
// a bit of any stretch is flipped.
func TestLargeParts(t *testing.T) {
	const rows, cols = 3000, 100
	stacked := [][]extent{{{0, 700}, {0, cols}}, {{700, 1500}, {0, cols}}, {{2200, 800}, {0, cols}}} // 280, 600 and 320 kB
	side := [][]extent{{{0, rows}, {0, 70}}, {{0, rows}, {70, 30}}}
	var want []byte
	for i := range rows * cols {
		want = binary.LittleEndian.AppendUint32(want, uint32(i))
	}
	for what, boxes := range map[string][][]extent{"rows": stacked, "columns": side} {
		good := partition([]int64{rows, cols}, boxes, boxes)
		got, err := good.readAll()
		if err != nil {
			t.Fatal(err)
		}
		for name, raw := range got {
			if !bytes.Equal(raw, want) {
				t.Errorf("%s: %s has other bytes", what, name)
			}
		}
		data := dataName("m", 0, 1)
		for at := len(good[data]) - 1; at > 0; at -= 150_001 {
			bad := maps.Clone(good)
			bad[data] = slices.Clone(good[data])
			bad[data][at] ^= 1
			if _, err := bad.readAll(); err == nil || classOf(t, err) != checkpoint.DataChecksum {
				t.Errorf("%s: byte %d flipped: %v", what, at, err)
			}
		}
	}

	big := slices.Clone(want)
	for i := 0; i < len(big); i += 4 {
		slices.Reverse(big[i : i+4])
	}
	header := pair{nil, appendInt(headerPair.value, 2, 1)} // endianness: big
	one := pair{[]byte("w"), message(3, []int64{rows * cols}, 0, 0, int64(len(big)), masked(big))}
	got, err := bundleOf(buildTable([]pair{header, one}), big).readAll()
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range got {
		if !bytes.Equal(raw, want) {
			t.Errorf("big-endian %s has other values", name)
		}
	}
}

// TestBeyondTheFile: bytes that would lie beyond the end of a data file are refused by Open, before anything of them is read.
func TestBeyondTheFile(t *testing.T) {
	data := make([]byte, 64)
	for _, c := range []struct{ offset, floats int64 }{{0, 16}, {60, 1}, {64, 0}, {0, 17}, {4, 16}, {61, 1}, {64, 1}, {65, 0}, {1 << 40, 1}} {
		index := buildTable([]pair{headerPair, {[]byte("w"), message(1, []int64{c.floats}, 0, c.offset, 4*c.floats, 0)}})
		f := bundleOf(index, data)
		src, err := open("m", checkpoint.Limits{}, f.open)
		if legal := c.offset+4*c.floats <= 64; legal != (err == nil) {
			t.Errorf("%d floats at %d of 64 bytes: %v", c.floats, c.offset, err)
		} else if err != nil && classOf(t, err) != checkpoint.OutOfRange {
			t.Errorf("%d floats at %d of 64 bytes: %v, want class %s", c.floats, c.offset, err, checkpoint.OutOfRange)
		} else if err == nil {
			src.Close()
		}
	}
}

// TestBigEndianStrings: a writer of the other byte order stores strings as they are, but checksums of lengths in its order.
func TestBigEndianStrings(t *testing.T) {
	header := pair{nil, appendInt(appendInt(nil, 1, 1), 2, 1)}
	var fixed []byte
	for _, n := range []uint32{1, 300} {
		fixed = binary.BigEndian.AppendUint32(fixed, n)
	}
	sum := binary.BigEndian.AppendUint32(nil, masked(fixed))
	texts := append([]byte("a"), bytes.Repeat([]byte("b"), 300)...)
	data := append(binary.AppendUvarint(binary.AppendUvarint(nil, 1), 300), append(slices.Clone(sum), texts...)...)
	entry := message(7, []int64{2}, 0, 0, int64(len(data)), masked(slices.Concat(fixed, sum, texts)))
	got, err := bundleOf(buildTable([]pair{header, {[]byte("text"), entry}}), data).readAll()
	want := slices.Concat(binary.LittleEndian.AppendUint64(nil, 1), texts[:1], binary.LittleEndian.AppendUint64(nil, 300), texts[1:])
	if err != nil || !bytes.Equal(got["textstring [2]"], want) {
		t.Errorf("%q, %v", got, err)
	}
}
