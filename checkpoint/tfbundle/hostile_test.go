package tfbundle

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/klauspost/compress/snappy"

	"bertlabel/checkpoint"
)

// parts are those of a table file that has one data block: each can be wrong while all else, checksums too, is right.
type parts struct {
	kind     byte   // of compression
	data     []byte // contents of the data block, as stored
	indexKey string
	handle   func(h []byte) []byte // of the data block, in the index
	trailer  func(file []byte)     // changes the file once the data block is there
	footer   func(footer []byte) []byte
}

// entryOf is an entry of a block.
func entryOf(shared, unshared, length uint64, key, value string) []byte {
	b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, shared), unshared), length)
	return append(append(b, key...), value...)
}

// blockOf joins entries and restart points.
func blockOf(restarts []uint32, entries ...[]byte) (b []byte) {
	b = bytes.Join(entries, nil)
	for _, r := range restarts {
		b = binary.LittleEndian.AppendUint32(b, r)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(len(restarts)))
}

// file puts the parts together.
func (p parts) file() []byte {
	out := append(slices.Clone(p.data), p.kind)
	out = binary.LittleEndian.AppendUint32(out, checkpoint.MaskCRC(checkpoint.CRC32C(0, out)))
	if p.trailer != nil {
		p.trailer(out)
	}
	handle := binary.AppendUvarint(binary.AppendUvarint(nil, 0), uint64(len(p.data)))
	if p.handle != nil {
		handle = p.handle(handle)
	}
	out, meta := appendBlock(out, blockOf([]uint32{0}))
	key := p.indexKey
	if key == "" {
		key = "z"
	}
	out, top := appendBlock(out, blockOf([]uint32{0}, entryOf(0, uint64(len(key)), uint64(len(handle)), key, string(handle))))
	footer := append(meta, top...)
	footer = append(footer, make([]byte, 40-len(footer))...)
	footer = binary.LittleEndian.AppendUint64(footer, magic)
	if p.footer != nil {
		footer = p.footer(footer)
	}
	return append(out, footer...)
}

// TestHostileTables: a table that is wrong in one place is refused with the class of that place; what is only odd is read.
func TestHostileTables(t *testing.T) {
	good := [][]byte{entryOf(0, 2, 1, "ab", "1"), entryOf(1, 1, 0, "c", ""), entryOf(0, 1, 3, "b", "xyz")} // ab, ac, b
	one := []uint32{0}
	third := uint32(len(good[0]) + len(good[1]))
	plain := blockOf(one, good...)
	five := append([]byte{0x80, 0x80, 0x80, 0x80, 0x00}, entryOf(0, 1, 0, "a", "")[1:]...)      // 0 in five bytes
	six := append([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, entryOf(0, 1, 0, "a", "")[1:]...) // in six
	large := append([]byte{0xff, 0xff, 0xff, 0xff, 0x1f}, entryOf(0, 1, 0, "a", "")[1:]...)     // over 2³²
	for name, c := range map[string]struct {
		parts
		want checkpoint.Class // "": it is read, with so many entries
		n    int
	}{
		"good":                            {parts{data: plain}, "", 3},
		"two restart points":              {parts{data: blockOf([]uint32{0, third}, good...)}, "", 3},
		"snappy":                          {parts{kind: 1, data: snappy.Encode(nil, plain)}, "", 3},
		"index key equal":                 {parts{data: plain, indexKey: "b"}, "", 3},
		"a varint of five bytes":          {parts{data: blockOf(one, five)}, "", 1},
		"a varint of six bytes":           {parts{data: blockOf(one, six)}, checkpoint.BadBlock, 0},
		"a varint over 2³²":               {parts{data: blockOf(one, large)}, checkpoint.BadBlock, 0},
		"a varint that ends nowhere":      {parts{data: blockOf(one, []byte{0x80})}, checkpoint.BadBlock, 0},
		"no restart points":               {parts{data: blockOf(nil, good...)}, checkpoint.BadBlock, 0},
		"more than fit":                   {parts{data: append(slices.Clone(plain[:len(plain)-4]), 200, 0, 0, 0)}, checkpoint.BadBlock, 0},
		"first restart not 0":             {parts{data: blockOf([]uint32{third}, good...)}, checkpoint.BadBlock, 0},
		"restart in an entry":             {parts{data: blockOf([]uint32{0, third + 1}, good...)}, checkpoint.BadBlock, 0},
		"restart at an entry that shares": {parts{data: blockOf([]uint32{0, uint32(len(good[0]))}, good...)}, checkpoint.BadBlock, 0},
		"restart behind the end":          {parts{data: blockOf([]uint32{0, 100}, good...)}, checkpoint.BadBlock, 0},
		"shares more than there is":       {parts{data: blockOf(one, good[0], entryOf(3, 1, 0, "c", ""))}, checkpoint.BadBlock, 0},
		"the first shares":                {parts{data: blockOf(one, entryOf(1, 1, 0, "c", ""))}, checkpoint.BadBlock, 0},
		"key beyond the block":            {parts{data: blockOf(one, entryOf(0, 9, 0, "ab", ""))}, checkpoint.BadBlock, 0},
		"value beyond the block":          {parts{data: blockOf(one, entryOf(0, 2, 9, "ab", ""))}, checkpoint.BadBlock, 0},
		"lengths that wrap":               {parts{data: blockOf(one, entryOf(0, math.MaxUint32, math.MaxUint32, "ab", ""))}, checkpoint.BadBlock, 0},
		"seven bytes":                     {parts{data: make([]byte, 7)}, checkpoint.BadBlock, 0},
		"no entries":                      {parts{data: blockOf(one)}, checkpoint.BadBlock, 0},
		"a key again":                     {parts{data: blockOf(one, good[0], good[0])}, checkpoint.KeyOrder, 0},
		"keys that fall":                  {parts{data: blockOf(one, good[2], good[0])}, checkpoint.KeyOrder, 0},
		"beyond its index key":            {parts{data: plain, indexKey: "az"}, checkpoint.KeyOrder, 0},
		"compression 2":                   {parts{kind: 2, data: plain}, checkpoint.BadCompression, 0},
		"no snappy":                       {parts{kind: 1, data: plain}, checkpoint.BadCompression, 0},
		"snappy and more":                 {parts{kind: 1, data: append(snappy.Encode(nil, plain), 0)}, checkpoint.BadCompression, 0},
		"a bit of the block":              {parts{data: plain, trailer: func(f []byte) { f[1] ^= 1 }}, checkpoint.BlockChecksum, 0},
		"a bit of the type":               {parts{data: plain, trailer: func(f []byte) { f[len(plain)] ^= 1 }}, checkpoint.BlockChecksum, 0},
		"a bit of the checksum":           {parts{data: plain, trailer: func(f []byte) { f[len(f)-1] ^= 1 }}, checkpoint.BlockChecksum, 0},
		"handle cut":                      {parts{data: plain, handle: func(h []byte) []byte { return h[:1] }}, checkpoint.BadHandle, 0},
		"handle malformed":                {parts{data: plain, handle: func([]byte) []byte { return bytes.Repeat([]byte{0xff}, 11) }}, checkpoint.BadHandle, 0},
		"handle outside":                  {parts{data: plain, handle: func([]byte) []byte { return binary.AppendUvarint([]byte{0}, 1<<40) }}, checkpoint.BadHandle, 0},
		"handle that wraps":               {parts{data: plain, handle: func([]byte) []byte { return binary.AppendUvarint([]byte{9}, math.MaxUint64-3) }}, checkpoint.BadHandle, 0},
		"handle into the metaindex":       {parts{data: plain, handle: func(h []byte) []byte { return append([]byte{0}, h[1]+1) }}, checkpoint.BadHandle, 0},
		"magic":                           {parts{data: plain, footer: func(f []byte) []byte { f[47] ^= 1; return f }}, checkpoint.BadMagic, 0},
		"footer cut":                      {parts{data: plain, footer: func(f []byte) []byte { return f[1:] }}, checkpoint.BadHandle, 0},
		"metaindex is the index":          {parts{data: plain, footer: func(f []byte) []byte { copy(f, f[2:4]); return f }}, checkpoint.BadHandle, 0},
	} {
		entries := 0
		table, err := openTable(memoryFile("t", c.file()), checkpoint.Defaults())
		if err == nil {
			err = table.each(func(key, value []byte, _ place) error { entries++; return nil })
		}
		if c.want == "" && (err != nil || entries != c.n) {
			t.Errorf("%s: %d entries, %v, want %d", name, entries, err, c.n)
		} else if c.want != "" && (err == nil || classOf(t, err) != c.want) {
			t.Errorf("%s: %v, want class %s", name, err, c.want)
		}
	}
}

// TestHostileEntries: entries that lie about their strings, or whose message is malformed.
func TestHostileEntries(t *testing.T) {
	text := []byte("\x01\x02" + "xxxx" + "abc") // two strings, of 1 and 2 bytes
	lengths := []byte{1, 0, 0, 0, 2, 0, 0, 0}
	binary.LittleEndian.PutUint32(text[2:], masked(lengths))
	crc := func(data []byte) uint32 { return masked(append(slices.Clone(lengths), data[2:]...)) }
	one := func(dims []int64, size int64, data []byte, crc uint32) files {
		return bundleOf(buildTable([]pair{headerPair, {[]byte("text"), message(7, dims, 0, 0, size, crc)}}), data)
	}
	wrongSum := slices.Clone(text)
	wrongSum[2]++
	tooLong := slices.Clone(text)
	tooLong[1] = 3
	for name, c := range map[string]struct {
		files
		want checkpoint.Class
	}{
		"good":               {one([]int64{2}, 9, text, crc(text)), ""},
		"another checksum":   {one([]int64{2}, 9, text, crc(text)+1), checkpoint.DataChecksum},
		"of the lengths":     {one([]int64{2}, 9, wrongSum, crc(wrongSum)), checkpoint.BadString},
		"too long":           {one([]int64{2}, 9, tooLong, crc(text)), checkpoint.BadString},
		"a byte left over":   {one([]int64{2}, 10, append(slices.Clone(text), 0), crc(text)), checkpoint.BadString},
		"three of them":      {one([]int64{3}, 9, text, crc(text)), checkpoint.BadString},
		"more than bytes":    {one([]int64{6}, 9, text, crc(text)), checkpoint.SizeMismatch},
		"none in four bytes": {one([]int64{0}, 3, text, crc(text)), checkpoint.SizeMismatch},
		"some in no bytes":   {one([]int64{2}, 0, nil, 0), checkpoint.SizeMismatch},
		"field 0": {bundleOf(buildTable([]pair{headerPair, {[]byte("w"), append(message(1, []int64{1}, 0, 0, 4, masked(make([]byte, 4))), 0, 0)}}),
			make([]byte, 4)), checkpoint.BadProto},
	} {
		_, err := c.readAll()
		if c.want == "" && err != nil || c.want != "" && (err == nil || classOf(t, err) != c.want) {
			t.Errorf("%s: %v, want class %q", name, err, c.want)
		}
	}
}

// TestBlockOrder: the keys of a block lie above the index key of the block before, which the last key of that may be below; and the blocks
// lie in the file as the index has them, none on another.
func TestBlockOrder(t *testing.T) {
	one := []uint32{0}
	for _, c := range []struct {
		key     string // of the second block
		swapped bool   // the second block lies before the first
		want    checkpoint.Class
	}{{"c", false, ""}, {"b", false, checkpoint.KeyOrder}, {"aa", false, checkpoint.KeyOrder}, {"c", true, checkpoint.BadHandle}} {
		keys := []string{"a", c.key}
		if c.swapped {
			slices.Reverse(keys)
		}
		var out []byte
		handles := map[string][]byte{}
		for _, key := range keys {
			out, handles[key] = appendBlock(out, blockOf(one, entryOf(0, uint64(len(key)), 0, key, "")))
		}
		first, last := handles["a"], handles[c.key]
		out, meta := appendBlock(out, blockOf(one))
		out, top := appendBlock(out, blockOf(one, entryOf(0, 1, uint64(len(first)), "b", string(first)),
			entryOf(0, 1, uint64(len(last)), "d", string(last))))
		footer := append(meta, top...)
		footer = append(footer, make([]byte, 40-len(footer))...)
		out = append(out, binary.LittleEndian.AppendUint64(footer, magic)...)
		table, err := openTable(memoryFile("t", out), checkpoint.Defaults())
		if err == nil {
			err = table.each(func(_, _ []byte, _ place) error { return nil })
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || classOf(t, err) != c.want) {
			t.Errorf("%+v behind a block of index key b: %v, want class %q", c, err, c.want)
		}
	}
}
