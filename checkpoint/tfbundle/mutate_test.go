package tfbundle

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"bertlabel/checkpoint"
)

// A fuzzing engine that flips bytes of a table stops at its first checksum. Here its bytes are edits of the structure: of
// entries, keys, fields of messages, blocks and data. Then all checksums are made right, so that what is read is wrong in
// one place only.

// edits are decisions that are read from a fuzzing engine's bytes, 0 after the last.
type edits struct{ bytes []byte }

func (e *edits) byte() byte {
	if len(e.bytes) == 0 {
		return 0
	}
	b := e.bytes[0]
	e.bytes = e.bytes[1:]
	return b
}

// below returns a number below n, of at most 256.
func (e *edits) below(n int) int { return int(e.byte()) % max(1, n) }

// numbers are where sizes overflow, signs turn and limits lie.
var numbers = []uint64{0, 1, 2, 3, 4, 7, 8, 9, 14, 19, 24, 100, 1 << 7, 1<<16 - 1, 1 << 31, 1<<31 - 1, 1 << 32, 1<<32 + 1, 1 << 40,
	1 << 61, 1 << 62,
	math.MaxInt64, math.MaxInt64 - 3, 1 << 63, math.MaxUint64, math.MaxUint64 - 1}

func (e *edits) number() uint64 {
	switch i := e.below(2 * len(numbers)); {
	case i < len(numbers):
		return numbers[i]
	default:
		return uint64(e.byte())
	}
}

// some returns up to n bytes.
func (e *edits) some(n int) []byte {
	out := make([]byte, e.below(n+1))
	for i := range out {
		out[i] = e.byte()
	}
	return out
}

// message changes one field of a message, at any depth. What is no message is changed as bytes.
func (e *edits) message(msg []byte) []byte {
	fields, ok := fieldsOf(msg)
	if !ok || len(fields) == 0 {
		return append(slices.Clone(msg[:e.below(len(msg)+1)]), e.some(8)...)
	}
	i := e.below(len(fields))
	f := &fields[i]
	switch e.below(8) {
	case 0, 1, 2: // another value, or deeper
		if f.wire == protowire.BytesType {
			f.bytes = e.message(f.bytes)
		} else {
			f.n = e.number()
		}
	case 3:
		fields = slices.Delete(fields, i, i+1)
	case 4: // twice
		fields = slices.Insert(fields, e.below(len(fields)+1), *f)
	case 5:
		f.number = protowire.Number(e.below(16))
	case 6:
		f.wire, f.bytes = protowire.Type(e.below(8)), e.some(8)
	case 7:
		fields = append(fields, field{number: protowire.Number(e.below(16)), wire: protowire.VarintType, n: e.number()})
	}
	return appendFields(nil, fields)
}

func fieldsOf(msg []byte) (fields []field, ok bool) {
	err := eachField(msg, func(f field) error { fields = append(fields, f); return nil })
	return fields, err == nil
}

func appendFields(b []byte, fields []field) []byte {
	for _, f := range fields {
		b = protowire.AppendVarint(b, uint64(f.number)<<3|uint64(f.wire))
		switch f.wire {
		case protowire.VarintType:
			b = protowire.AppendVarint(b, f.n)
		case protowire.Fixed32Type:
			b = protowire.AppendFixed32(b, uint32(f.n))
		case protowire.Fixed64Type:
			b = protowire.AppendFixed64(b, f.n)
		case protowire.BytesType:
			b = protowire.AppendBytes(b, f.bytes)
		default:
			b = append(b, f.bytes...)
		}
	}
	return b
}

// pairs changes one entry of a table, or which entries there are.
func (e *edits) pairs(pairs []pair) []pair {
	if len(pairs) == 0 {
		return pairs
	}
	i := e.below(len(pairs))
	switch e.below(8) {
	case 0, 1, 2, 3:
		pairs[i].value = e.message(pairs[i].value)
	case 4:
		pairs[i].key = append(slices.Clone(pairs[i].key[:e.below(len(pairs[i].key)+1)]), e.some(12)...)
	case 5:
		pairs = slices.Delete(pairs, i, i+1)
	case 6: // another tensor in the same place
		pairs = append(pairs, pair{append(slices.Clone(pairs[i].key), e.some(4)...), slices.Clone(pairs[i].value)})
	case 7:
		j := e.below(len(pairs))
		pairs[i].value, pairs[j].value = pairs[j].value, pairs[i].value
	}
	return pairs
}

// data changes the bytes of the tensors.
func (e *edits) data(data []byte) []byte {
	at := e.below(len(data) + 1)
	switch e.below(3) {
	case 0:
		return data[:at]
	case 1:
		return slices.Insert(slices.Clone(data), at, e.some(16)...)
	}
	data = slices.Clone(data)
	copy(data[at:], e.some(16))
	return data
}

// table writes pairs as blocks of as many entries, restart points and compression as the edits say. Most are in order.
func (e *edits) table(pairs []pair) []byte {
	if e.below(8) > 0 {
		slices.SortStableFunc(pairs, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	}
	perBlock, interval, compress := 1+e.below(16), 1+e.below(5), e.below(2) == 1
	if perBlock == 1 && interval == 1 && !compress {
		return buildTable(pairs) // as TensorFlow has it
	}
	return tableOf(pairs, perBlock, interval, compress)
}

// tableOf writes a table with so many entries a block and between restart points.
func tableOf(pairs []pair, perBlock, interval int, compress bool) []byte {
	var out []byte
	index := newBlockBuilder(1)
	for chunk := range slices.Chunk(pairs, perBlock) {
		b := newBlockBuilder(interval)
		for _, p := range chunk {
			b.add(p.key, p.value)
		}
		var h []byte
		start := len(out)
		body := b.finish()
		if compress {
			body = snappy.Encode(nil, body)
		}
		if out, h = appendBlock(out, body); compress {
			end := len(out) - trailerSize
			out[end] = snappyCompression
			binary.LittleEndian.PutUint32(out[end+1:], masked(out[start:end+1]))
		}
		index.add(b.last, h)
	}
	return closeTable(out, index)
}

// pairsOf returns the entries of a good table.
func pairsOf(index []byte) (pairs []pair) {
	table, err := openTable(memoryFile("t", index), checkpoint.Defaults())
	if err == nil {
		err = table.each(func(key, value []byte, _ place) error {
			pairs = append(pairs, pair{bytes.Clone(key), bytes.Clone(value)})
			return nil
		})
	}
	if err != nil {
		panic(err)
	}
	return pairs
}

// sealEntries sets the checksum of every entry whose bytes lie in data, and of lengths of strings there.
func sealEntries(pairs []pair, data []byte) {
	var e entry
	for i := range pairs {
		if len(pairs[i].key) == 0 || e.parse(pairs[i].value, checkpoint.Defaults()) != nil || e.partitioned {
			continue
		}
		if e.offset < 0 || e.size < 0 || e.offset > int64(len(data)) || e.size > int64(len(data))-e.offset {
			continue
		}
		crc := masked(data[e.offset:][:e.size])
		if e.dtype == checkpoint.String {
			crc = sealStrings(data[e.offset:][:e.size], e.elements)
		}
		fields, _ := fieldsOf(pairs[i].value)
		fields = slices.DeleteFunc(fields, func(f field) bool { return f.number == 6 })
		pairs[i].value = appendFields(nil, append(fields, field{number: 6, wire: protowire.Fixed32Type, n: uint64(crc)}))
	}
}

// sealStrings sets the checksum of the lengths of n stored strings and returns that of the tensor.
func sealStrings(raw []byte, n int64) uint32 {
	little, crc, rest := new(bundle), uint32(0), raw
	for range n {
		length, k := binary.Uvarint(rest)
		if k <= 0 {
			return 0
		}
		crc, rest = checkpoint.CRC32C(crc, little.appendFixed(nil, length)), rest[k:]
	}
	if len(rest) < 4 {
		return 0
	}
	binary.LittleEndian.PutUint32(rest, checkpoint.MaskCRC(crc))
	return checkpoint.MaskCRC(checkpoint.CRC32C(crc, rest))
}

// originals are small checkpoints of one data file, of every kind.
func originals() []files {
	s := small()
	boxes := [][]extent{{{0, 1}, {0, 3}}, {{1, 1}, {0, 2}}, {{1, 1}, {2, 1}}}
	swapped := binary.BigEndian.AppendUint32(nil, 7)
	bigHeader := pair{nil, appendMessage(appendInt(appendInt(nil, 1, 1), 2, 1), 3, appendInt(nil, 1, 1))}
	return []files{s, partition([]int64{2, 3}, boxes, boxes),
		bundleOf(buildTable([]pair{bigHeader, {[]byte("n"), message(3, nil, 0, 0, 4, masked(swapped))}}), swapped),
		bundleOf(tableOf(pairsOf(s["m.index"]), 2, 1, true), s[dataName("m", 0, 1)])}
}

// originalsV1 are small checkpoints of the older format.
func originalsV1() [][]byte {
	return [][]byte{
		v1File([]tensor1{{"a", 3, []int64{2}, []saved1{{[]extent{{0, -1}}, packedInts(7, 1, 2)}}},
			{"b", 7, nil, []saved1{{nil, appendMessage(nil, 8, []byte("hi"))}}}}, nil),
		v1File([]tensor1{{"a", 3, []int64{3}, []saved1{{[]extent{{0, 1}}, packedInts(7, 1)}, {[]extent{{1, 2}}, packedInts(7, 2, 3)}}}},
			nil),
	}
}

// FuzzEdits reads checkpoints after up to eight edits. What is accepted has no more bytes than its data, and each whole tensor has
// those that its entry names.
func FuzzEdits(f *testing.F) {
	all := originals()
	var entries [][]pair
	for i := range all {
		entries = append(entries, pairsOf(all[i]["m.index"]))
		f.Add(byte(i), []byte{1, byte(i), 0, 0, 1, 0, 14})
		f.Add(byte(i), []byte{3, 1, 0, 1, 0, 0, 0, 0, 9, 2, 4, 1, 'x', 0, 2, 2, 3, 1, 2, 3, 1, 3, 2, 1})
	}
	f.Fuzz(func(t *testing.T, original byte, decisions []byte) {
		from := int(original) % len(all)
		e := &edits{decisions}
		pairs, data := slices.Clone(entries[from]), slices.Clone(all[from][dataName("m", 0, 1)])
		for range e.below(8) {
			if e.below(5) == 0 {
				data = e.data(data)
			} else {
				pairs = e.pairs(pairs)
			}
		}
		if e.below(8) > 0 {
			sealEntries(pairs, data)
		}
		src, err := open("m", checkpoint.Limits{}, bundleOf(e.table(pairs), data).open)
		if err != nil {
			classOf(t, err)
			return
		}
		checkAccepted(t, src, data)
	})
}

// checkAccepted reads what was accepted.
func checkAccepted(t *testing.T, src *checkpoint.Directory, data []byte) {
	total := int64(0)
	for _, info := range src.Tensors() {
		raw, err := src.ReadRaw(info.Name)
		if err != nil {
			classOf(t, err)
			continue
		}
		if total += info.Bytes; total > int64(len(data)) {
			t.Fatalf("%d bytes of tensors from %d", total, len(data))
		}
		if info.DType == checkpoint.String {
			continue
		}
		if int64(len(raw)) != info.Bytes || info.Bytes != int64(info.Elements()*info.DType.Size()) {
			t.Fatalf("%+v has %d bytes", info, len(raw))
		}
		// One byte each cannot be swapped: these are the very bytes of the file.
		if info.CRC32C != 0 && info.DType.Size() == 1 && !bytes.Equal(raw, data[info.Offset:][:info.Bytes]) {
			t.Fatalf("%+v has other bytes than the file", info)
		}
	}
	readSource(src, nil) // that all ways to read agree
}

// FuzzEditsV1 does it for the older format.
func FuzzEditsV1(f *testing.F) {
	all := originalsV1()
	for i := range all {
		f.Add(byte(i), []byte{1, byte(i), 0, 0, 1, 0, 14})
		f.Add(byte(i), []byte{3, 1, 0, 0, 2, 0, 0, 0, 0, 9, 2, 4, 1, 'x', 0, 2, 2, 3, 1, 2, 3, 1, 3, 2, 1})
	}
	f.Fuzz(func(t *testing.T, original byte, decisions []byte) {
		e := &edits{decisions}
		pairs := pairsOf(all[int(original)%len(all)])
		for range e.below(8) {
			pairs = e.pairs(pairs)
		}
		file := e.table(pairs)
		tensors, err := readV1(file)
		if err != nil {
			classOf(t, err)
		}
		total := 0
		for _, raw := range tensors {
			total += len(raw)
		}
		// A value of one byte makes 8 (int64), or a string with its length; snappy makes 32 bytes of one, and 64 KiB.
		if total > 9*(32*len(file)+64<<10) {
			t.Fatalf("%d bytes of tensors from %d", total, len(file))
		}
	})
}

// TestSealed checks the mutator: without edits it changes nothing, and an edit of the data passes with all checksums.
func TestSealed(t *testing.T) {
	for i, from := range originals() {
		want, err := from.readAll()
		if err != nil {
			t.Fatal(err)
		}
		data := slices.Clone(from[dataName("m", 0, 1)])
		pairs := pairsOf(from["m.index"])
		sealEntries(pairs, data)
		for _, compress := range []bool{false, true} {
			if got, err := bundleOf(tableOf(pairs, 2, 3, compress), data).readAll(); err != nil || len(got) != len(want) {
				t.Errorf("%d: sealed, and %v", i, err)
			}
		}
		for at := range data {
			changed := slices.Clone(data)
			changed[at]++
			if _, err := bundleOf(buildTable(pairs), changed).readAll(); err == nil {
				t.Errorf("%d: byte %d changed, not sealed, and read", i, at)
			}
			again := slices.Clone(pairs)
			sealEntries(again, changed)
			if _, err := bundleOf(buildTable(again), changed).readAll(); err != nil && classOf(t, err) != checkpoint.BadString {
				t.Errorf("%d: byte %d changed and sealed, and %v", i, at, err)
			}
		}
	}
}
