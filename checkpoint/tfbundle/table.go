package tfbundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/snappy"

	"bertlabel/checkpoint"
)

// The layout of a table file (core/lib/io/format.h): data blocks, metaindex block, index block, footer.
const (
	footerSize  = 48 // metaindex handle, index handle, zeros, magic
	magic       = 0xdb4775248b80fb57
	trailerSize = 5 // after each block: compression type, masked CRC32C of contents and type

	noCompression     = 0
	snappyCompression = 1
)

// table is an opened table file. Only one block is in memory at a time, besides the index block.
type table struct {
	file   io.ReaderAt
	path   string
	size   uint64
	limits checkpoint.Limits

	metaAt, topAt handle
	index         []byte // contents of the index block

	raw, plain, key []byte // buffers of the current block: as stored, decompressed, its current key
}

// handle is the place of a block; the size leaves out the trailer.
type handle struct{ offset, size uint64 }

func (h handle) end() uint64 { return h.offset + h.size + trailerSize }

func (h handle) overlaps(o handle) bool { return h.offset < o.end() && o.offset < h.end() }

// openTable checks footer, metaindex block and index block (FORMATS §3, 1 to 4).
func openTable(f *checkpoint.File, limits checkpoint.Limits) (*table, error) {
	t := &table{file: f, path: f.Path, size: uint64(f.Size), limits: limits}
	return t, checkpoint.InFile(t.open(), f.Path)
}

func (t *table) open() error {
	if t.size < footerSize {
		return checkpoint.Refuse(checkpoint.Truncated, "%d bytes, the footer alone has %d", t.size, footerSize)
	}
	var footer [footerSize]byte
	if err := t.readAt(footer[:], t.size-footerSize); err != nil {
		return err
	}
	if got := binary.LittleEndian.Uint64(footer[40:]); got != magic {
		return checkpoint.Refuse(checkpoint.BadMagic, "the last eight bytes are %016x, want %016x: not a TensorFlow table", got,
			uint64(magic))
	}
	rest, err := footer[:40], error(nil)
	if t.metaAt, rest, err = t.parseHandle(rest); err != nil {
		return err
	}
	if t.topAt, _, err = t.parseHandle(rest); err != nil {
		return err
	}
	if t.metaAt.overlaps(t.topAt) {
		return checkpoint.Refuse(checkpoint.BadHandle, "index block %v and metaindex block %v overlap", t.topAt, t.metaAt)
	}
	meta, err := t.readBlock(t.metaAt)
	if err != nil {
		return err
	}
	if err := walk(meta); err != nil {
		return checkpoint.AtOffset(err, int64(t.metaAt.offset))
	}
	top, err := t.readBlock(t.topAt)
	t.index = bytes.Clone(top)
	return err
}

// walk checks a block whose entries mean nothing here.
func walk(contents []byte) error {
	b, err := newBlock(contents, nil)
	for more := err == nil; more; {
		more, err = b.next()
	}
	return err
}

// each calls visit for every entry of the table, in the order of keys. Key and value are valid during the call.
func (t *table) each(visit func(key, value []byte, at place) error) error {
	return checkpoint.InFile(checkpoint.AtOffset(t.eachBlock(visit), int64(t.topAt.offset)), t.path)
}

// eachBlock follows the index block. What is wrong there has no other place.
func (t *table) eachBlock(visit func(key, value []byte, at place) error) error {
	index, err := newBlock(t.index, nil)
	if err != nil {
		return err
	}
	var low uint64   // end of the block before
	var floor []byte // index key of the block before: all keys must lie above it
	for entries := 0; ; {
		more, err := index.next()
		if err != nil || !more {
			return err
		}
		h, _, err := t.parseHandle(index.value) // bytes after the handle are reserved
		if err != nil {
			return err
		}
		if h.offset < low || h.overlaps(t.metaAt) || h.overlaps(t.topAt) {
			return checkpoint.AtOffset(checkpoint.Refuse(checkpoint.BadHandle, "block of %d bytes overlaps another", h.size),
				int64(h.offset))
		}
		low = h.end()
		n, err := t.eachOf(h, entries, floor, index.key, visit)
		if err != nil {
			return checkpoint.AtOffset(err, int64(h.offset))
		}
		entries += n
		floor = append(floor[:0], index.key...)
	}
}

// place is where a value lies: the block, and the offset in the block's contents.
type place struct {
	block handle
	at    int
}

// eachOf calls visit for the entries of one data block and returns their number, at least 1. Before it were before entries;
// keys lie above floor, the index key of the block before, if there was one, and not above bound, its own index key.
func (t *table) eachOf(h handle, before int, floor, bound []byte, visit func(key, value []byte, at place) error) (int, error) {
	contents, err := t.readBlock(h)
	if err != nil {
		return 0, err
	}
	b, err := newBlock(contents, t.key)
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		more, err := b.next()
		t.key = b.key
		switch {
		case err != nil:
			return 0, err
		case !more && n == 0:
			return 0, checkpoint.Refuse(checkpoint.BadBlock, "data block without entries")
		case !more && bytes.Compare(b.key, bound) > 0:
			return 0, checkpoint.Refuse(checkpoint.KeyOrder, "key %s lies beyond its index key %s", quote(b.key), quote(bound))
		case !more:
			return n, nil
		case before+n == t.limits.Entries:
			return 0, checkpoint.Refuse(checkpoint.OutOfRange, "more than %d entries", t.limits.Entries)
		case n == 0 && before > 0 && bytes.Compare(b.key, floor) <= 0:
			return 0, checkpoint.Refuse(checkpoint.KeyOrder, "key %s follows index key %s", quote(b.key), quote(floor))
		}
		if err := visit(b.key, b.value, place{h, b.pos - len(b.value)}); err != nil {
			return 0, err
		}
	}
}

// readBlock returns the verified, decompressed contents of a block, valid until the next call.
func (t *table) readBlock(h handle) ([]byte, error) {
	contents, err := t.loadBlock(h)
	return contents, checkpoint.AtOffset(err, int64(h.offset))
}

func (t *table) loadBlock(h handle) ([]byte, error) {
	t.raw = grow(t.raw, int(h.size)+trailerSize) // parseHandle has compared it with the file
	if err := t.readAt(t.raw, h.offset); err != nil {
		return nil, err
	}
	body, stored := t.raw[:h.size+1], binary.LittleEndian.Uint32(t.raw[h.size+1:])
	if got := checkpoint.MaskCRC(checkpoint.CRC32C(0, body)); got != stored {
		return nil, checkpoint.Refuse(checkpoint.BlockChecksum, "block of %d bytes has checksum %08x, want %08x", h.size, got, stored)
	}
	switch contents, kind := body[:h.size], body[h.size]; kind {
	case noCompression:
		return contents, nil
	case snappyCompression:
		return t.decompress(contents)
	default:
		return nil, checkpoint.Refuse(checkpoint.BadCompression, "compression type %d, want 0 (none) or 1 (snappy)", kind)
	}
}

// decompress decodes raw snappy. A copy of 3 bytes yields at most 64, so an honest block cannot declare more than 21.4
// times its length: what declares more than 32 times is refused before memory is taken.
func (t *table) decompress(packed []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(packed)
	if err != nil {
		return nil, checkpoint.Refuse(checkpoint.BadCompression, "snappy: malformed length")
	}
	if int64(n) > t.limits.SnappyBytes || int64(n) > 32*int64(len(packed))+64<<10 {
		return nil, checkpoint.Refuse(checkpoint.BadCompression, "snappy: %d bytes declare %d", len(packed), n)
	}
	t.plain = grow(t.plain, n)
	if _, err := snappy.DecodeStrict(t.plain, packed); err != nil {
		return nil, checkpoint.Refuse(checkpoint.BadCompression, "snappy: %d bytes do not decode to the %d they declare", len(packed), n)
	}
	return t.plain, nil
}

// parseHandle reads a handle and checks that the block and its trailer lie before the footer.
func (t *table) parseHandle(b []byte) (h handle, rest []byte, err error) {
	for _, field := range []*uint64{&h.offset, &h.size} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return h, nil, checkpoint.Refuse(checkpoint.BadHandle, "malformed varint in a block handle")
		}
		*field, b = v, b[n:]
	}
	if room := t.size - footerSize; h.offset > room || h.size > room-h.offset || room-h.offset-h.size < trailerSize {
		return h, nil, checkpoint.Refuse(checkpoint.BadHandle, "block of %d bytes at %d lies outside the %d bytes before the footer",
			h.size, h.offset, room)
	}
	return h, b, nil
}

func (t *table) readAt(p []byte, offset uint64) error {
	n, err := t.file.ReadAt(p, int64(offset))
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return checkpoint.Refuse(checkpoint.Truncated, "ends at %d: the file has shrunk while it was read", offset+uint64(n))
	}
	return err
}

// grow returns a slice of n bytes, buf's memory where it is large enough.
func grow(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n)
	}
	return buf[:n]
}
