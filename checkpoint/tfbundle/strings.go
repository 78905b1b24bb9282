package tfbundle

import (
	"encoding/binary"
	"math"

	"bertlabel/checkpoint"
)

// streamStrings hands n strings to visit, each after its length as a uint64. They are stored as (tensor_bundle.cc, WriteStringTensor)
//
//	varint64 length of each, masked CRC32C of the lengths, all bytes
//
// where that checksum, and the entry's, run over the lengths as fixed-width integers: uint32, or uint64 from 2³² on.
func (b *bundle) streamStrings(r region, n int64, visit func(piece []byte) error) error {
	raw := make([]byte, r.size)
	span := b.span(r, checkpoint.Uint8) // bytes: nothing to swap
	span.Checked = false                // not a checksum of the bytes as stored
	if err := span.Fill(raw); err != nil {
		return err
	}
	file := b.shards[r.shard].Path
	if n == 0 && len(raw) == 0 { // no writer leaves out the checksum of no lengths, but TensorFlow reads that
		return checkpoint.InFile(checkpoint.AtOffset(checkNothing(r.crc), r.offset), file)
	}
	lengths, data, err := b.checkStrings(raw, n, r.crc)
	if err != nil {
		return checkpoint.InFile(checkpoint.AtOffset(err, r.offset), file)
	}
	var prefix [8]byte
	for range n {
		length, k := binary.Uvarint(lengths)
		lengths = lengths[k:]
		binary.LittleEndian.PutUint64(prefix[:], length)
		if err := visit(prefix[:]); err != nil {
			return err
		}
		if err := visit(data[:length]); err != nil {
			return err
		}
		data = data[length:]
	}
	return nil
}

// checkNothing verifies the checksum of no bytes.
func checkNothing(stored uint32) error {
	if want := checkpoint.MaskCRC(0); stored != want {
		return checkpoint.Refuse(checkpoint.DataChecksum, "checksum of no strings is %08x, want %08x", want, stored)
	}
	return nil
}

// checkStrings verifies a stored tensor of n strings, and returns its varints and its string bytes.
func (b *bundle) checkStrings(raw []byte, n int64, stored uint32) (lengths, data []byte, err error) {
	rest, sum, crc := raw, uint64(0), uint32(0)
	fixed := make([]byte, 0, 8)
	for i := range n {
		length, k := binary.Uvarint(rest)
		if k <= 0 {
			return nil, nil, checkpoint.Refuse(checkpoint.BadString, "length of string %d of %d is malformed", i, n)
		}
		rest = rest[k:]
		if length > uint64(len(raw)) || sum+length > uint64(len(raw)) {
			return nil, nil, checkpoint.Refuse(checkpoint.BadString, "string %d of %d has %d bytes, all have %d", i, n, length, len(raw))
		}
		sum += length
		fixed = b.appendFixed(fixed[:0], length)
		crc = checkpoint.CRC32C(crc, fixed)
	}
	lengths = raw[:len(raw)-len(rest)]
	if len(rest) < 4 || sum != uint64(len(rest)-4) {
		return nil, nil, checkpoint.Refuse(checkpoint.BadString, "lengths add up to %d, %d bytes follow them and their checksum", sum,
			len(rest)-4)
	}
	if got, want := checkpoint.MaskCRC(crc), b.order().Uint32(rest); got != want {
		return nil, nil, checkpoint.Refuse(checkpoint.BadString, "checksum of the lengths is %08x, want %08x", got, want)
	}
	if got := checkpoint.MaskCRC(checkpoint.CRC32C(crc, rest)); got != stored {
		return nil, nil, checkpoint.Refuse(checkpoint.DataChecksum, "checksum of %d strings is %08x, want %08x", n, got, stored)
	}
	return lengths, rest[4:], nil
}

// appendFixed appends a length in the form that checksums run over.
func (b *bundle) appendFixed(dst []byte, length uint64) []byte {
	if length <= math.MaxUint32 {
		return b.order().AppendUint32(dst, uint32(length))
	}
	return b.order().AppendUint64(dst, length)
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func (b *bundle) order() byteOrder {
	if b.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
