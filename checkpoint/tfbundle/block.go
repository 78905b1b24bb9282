package tfbundle

import (
	"bytes"
	"encoding/binary"
	"math"

	"bertlabel/checkpoint"
)

// block walks the entries of one table block: a list of
//
//	varint32 shared, varint32 unshared, varint32 value length, unshared key bytes, value bytes
//
// then the restart array, uint32 offsets of entries that share nothing, then its length as uint32 (core/lib/io/block.cc).
type block struct {
	entries  []byte // the list
	restarts []byte // restart offsets not reached yet
	pos      int    // of the next entry
	first    bool   // no entry was read yet

	key   []byte // of the current entry; overwritten by next
	value []byte // of the current entry
}

// newBlock checks the restart array. The key buffer is used for the keys.
func newBlock(contents, keyBuffer []byte) (block, error) {
	if len(contents) < 8 {
		return block{}, checkpoint.Refuse(checkpoint.BadBlock, "block of %d bytes, at least 8", len(contents))
	}
	room := len(contents) - 4
	count := binary.LittleEndian.Uint32(contents[room:])
	if count < 1 || uint64(count)*4 > uint64(room) {
		return block{}, checkpoint.Refuse(checkpoint.BadBlock, "%d restart points in a block of %d bytes", count, len(contents))
	}
	end := room - 4*int(count)
	b := block{entries: contents[:end], restarts: contents[end:room], first: true, key: keyBuffer[:0]}
	if first := binary.LittleEndian.Uint32(b.restarts); first != 0 {
		return block{}, checkpoint.Refuse(checkpoint.BadBlock, "first restart point is %d, want 0", first)
	}
	if end == 0 {
		b.restarts = b.restarts[4:]
	}
	return b, nil
}

// next moves to the next entry and reports whether there is one. Keys must strictly rise, and every restart point must be
// the start of an entry that shares nothing.
func (b *block) next() (bool, error) {
	if b.pos == len(b.entries) {
		if len(b.restarts) > 0 {
			return false, checkpoint.Refuse(checkpoint.BadBlock, "restart point %d is not the start of an entry",
				binary.LittleEndian.Uint32(b.restarts))
		}
		return false, nil
	}
	rest := b.entries[b.pos:]
	var lengths [3]uint32 // shared, unshared, value
	for i := range lengths {
		v, n := binary.Uvarint(rest)
		if n <= 0 || n > 5 || v > math.MaxUint32 {
			return false, checkpoint.Refuse(checkpoint.BadBlock, "entry at %d of the block has a malformed varint", b.pos)
		}
		lengths[i], rest = uint32(v), rest[n:]
	}
	shared, unshared, length := lengths[0], lengths[1], lengths[2]
	if uint64(shared) > uint64(len(b.key)) {
		return false, checkpoint.Refuse(checkpoint.BadBlock, "entry shares %d bytes of a key of %d", shared, len(b.key))
	}
	if uint64(unshared)+uint64(length) > uint64(len(rest)) {
		return false, checkpoint.Refuse(checkpoint.BadBlock, "entry of %d + %d bytes, %d left in the block", unshared, length, len(rest))
	}
	if err := b.restart(shared); err != nil {
		return false, err
	}
	if suffix := rest[:unshared]; !b.first && bytes.Compare(suffix, b.key[shared:]) <= 0 {
		return false, checkpoint.Refuse(checkpoint.KeyOrder, "key %s follows %s", quote(append(b.key[:shared:shared], suffix...)),
			quote(b.key))
	}
	b.key = append(b.key[:shared], rest[:unshared]...)
	b.value = rest[unshared:][:length]
	b.pos = len(b.entries) - len(rest) + int(unshared) + int(length)
	b.first = false
	return true, nil
}

// restart checks the entry at pos against the next restart point.
func (b *block) restart(shared uint32) error {
	if len(b.restarts) == 0 {
		return nil
	}
	switch at := binary.LittleEndian.Uint32(b.restarts); {
	case uint64(at) > uint64(b.pos):
		return nil
	case uint64(at) < uint64(b.pos):
		return checkpoint.Refuse(checkpoint.BadBlock, "restart point %d is not the start of an entry", at)
	case shared != 0:
		return checkpoint.Refuse(checkpoint.BadBlock, "the entry at restart point %d shares %d bytes", at, shared)
	}
	b.restarts = b.restarts[4:]
	return nil
}

func quote(key []byte) string { return checkpoint.Quote(string(key[:min(len(key), 200)])) }
