package checkpoint

import (
	"errors"
	"hash/crc32"
	"io"
	"math/bits"
)

// step is how many bytes are read at a time: few enough to be in the cache still when the checksum runs over them, and a
// multiple of every element size.
const step = 256 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC32C continues a checksum (Castagnoli polynomial) over data; it starts from 0.
func CRC32C(crc uint32, data []byte) uint32 { return crc32.Update(crc, castagnoli, data) }

// MaskCRC returns the form in which TensorFlow stores a CRC32C, so that checksums of data that holds checksums stay good
// (core/lib/hash/crc32c.h).
func MaskCRC(crc uint32) uint32 { return bits.RotateLeft32(crc, -15) + 0xa282ead8 }

// Span is a stretch of a file that holds elements of one type, already checked to lie inside the file.
type Span struct {
	File    *File
	Offset  int64
	Size    int64
	DType   DType
	Swap    bool   // stored big-endian
	Checked bool   // whether CRC holds a checksum
	CRC     uint32 // masked CRC32C of the bytes as stored
}

// Fill reads the span into dst, of Size bytes, as little-endian elements, and verifies it.
func (s Span) Fill(dst []byte) error {
	return s.read(func(n int) []byte {
		window := dst[:n]
		dst = dst[n:]
		return window
	}, func([]byte) error { return nil })
}

// Stream is Fill for a caller who looks at one piece after the other, as Source.Stream.
func (s Span) Stream(visit func(piece []byte) error) error {
	buf := make([]byte, min(s.Size, step))
	return s.read(func(n int) []byte { return buf[:n] }, visit)
}

// read reads the span in steps, each into window(n) for its n bytes, and shows it to visit.
func (s Span) read(window func(n int) []byte, visit func([]byte) error) error {
	var crc uint32
	for done := int64(0); done < s.Size; {
		piece := window(int(min(s.Size-done, step)))
		if n, err := s.File.ReadAt(piece, s.Offset+done); n < len(piece) {
			return s.short(done+int64(n), err)
		}
		done += int64(len(piece))
		if s.Checked {
			crc = CRC32C(crc, piece)
		}
		if s.Swap {
			reverse(piece, s.DType.component())
		}
		if err := visit(piece); err != nil {
			return err
		}
	}
	if got := MaskCRC(crc); s.Checked && got != s.CRC {
		return s.at(Refuse(DataChecksum, "checksum of %d bytes is %08x, want %08x", s.Size, got, s.CRC))
	}
	return nil
}

// at names the place of an error.
func (s Span) at(err error) error { return InFile(AtOffset(err, s.Offset), s.File.Path) }

// short is the error of a file that has changed since it was opened, or that cannot be read.
func (s Span) short(done int64, err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	return s.at(Refuse(Truncated, "ends after %d of %d bytes: the file has shrunk while it was read", done, s.Size))
}

// reverse turns round the bytes of each number of the given width.
func reverse(b []byte, width int) {
	for ; len(b) >= width && width > 1; b = b[width:] {
		for i, j := 0, width-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
}
