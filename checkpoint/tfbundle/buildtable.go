package tfbundle

import (
	"bytes"
	"encoding/binary"

	"bertlabel/checkpoint"
)

// What TensorFlow's table writer uses (core/lib/io/table_options.h, table_builder.cc).
const (
	blockSize       = 256 << 10 // a data block is closed when it has grown to this
	restartInterval = 16        // entries between restart points; 1 in the index block
)

// pair is an entry of a table to be written.
type pair struct{ key, value []byte }

// buildTable returns the table of pairs, which must be sorted by key, each key once: byte for byte the file that
// TensorFlow's TableBuilder makes without compression.
func buildTable(pairs []pair) []byte {
	var out []byte
	data, index := newBlockBuilder(restartInterval), newBlockBuilder(1)
	closeBlock := func(separator []byte) {
		var h []byte
		out, h = appendBlock(out, data.finish())
		index.add(separator, h)
		data = newBlockBuilder(restartInterval)
	}
	for i, p := range pairs {
		if data.entries > 0 && len(p.key)+len(p.value) >= 2*blockSize {
			closeBlock(separator(data.last, p.key))
		}
		data.add(p.key, p.value)
		if data.size() >= blockSize && i+1 < len(pairs) {
			closeBlock(separator(data.last, pairs[i+1].key))
		}
	}
	if data.entries > 0 {
		closeBlock(successor(data.last))
	}
	out, meta := appendBlock(out, newBlockBuilder(1).finish())
	out, top := appendBlock(out, index.finish())
	footer := append(meta, top...)
	footer = append(footer, make([]byte, footerSize-8-len(footer))...)
	return append(out, binary.LittleEndian.AppendUint64(footer, magic)...)
}

// appendBlock appends a block with its trailer to a file, and returns the block's handle beside it.
func appendBlock(out, contents []byte) (file, handle []byte) {
	handle = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(out))), uint64(len(contents)))
	start := len(out)
	out = append(append(out, contents...), noCompression)
	crc := checkpoint.MaskCRC(checkpoint.CRC32C(0, out[start:]))
	return binary.LittleEndian.AppendUint32(out, crc), handle
}

// blockBuilder gathers the entries of a block.
type blockBuilder struct {
	interval int
	body     []byte
	restarts []uint32
	entries  int
	since    int    // entries since the last restart point
	last     []byte // key
}

func newBlockBuilder(interval int) *blockBuilder {
	return &blockBuilder{interval: interval, restarts: []uint32{0}}
}

func (b *blockBuilder) add(key, value []byte) {
	shared := 0
	if b.since < b.interval {
		shared = commonPrefix(b.last, key)
	} else {
		b.restarts = append(b.restarts, uint32(len(b.body)))
		b.since = 0
	}
	b.body = binary.AppendUvarint(b.body, uint64(shared))
	b.body = binary.AppendUvarint(b.body, uint64(len(key)-shared))
	b.body = binary.AppendUvarint(b.body, uint64(len(value)))
	b.body = append(append(b.body, key[shared:]...), value...)
	b.last = key
	b.entries++
	b.since++
}

// size returns the length of the block as it stands.
func (b *blockBuilder) size() int { return len(b.body) + 4*len(b.restarts) + 4 }

func (b *blockBuilder) finish() []byte {
	for _, r := range b.restarts {
		b.body = binary.LittleEndian.AppendUint32(b.body, r)
	}
	return binary.LittleEndian.AppendUint32(b.body, uint32(len(b.restarts)))
}

// separator returns a short key k with last ≤ k < next, for two keys in order.
func separator(last, next []byte) []byte {
	n := commonPrefix(last, next)
	if n < len(last) && n < len(next) && last[n] < 0xff && last[n]+1 < next[n] {
		return append(bytes.Clone(last[:n]), last[n]+1)
	}
	return last
}

// successor returns a short key that is not below last.
func successor(last []byte) []byte {
	for i, c := range last {
		if c != 0xff {
			return append(bytes.Clone(last[:i]), c+1)
		}
	}
	return last
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
