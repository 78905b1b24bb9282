package tfbundle

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"bertlabel/checkpoint"
)

// Create makes a new file of a folder, such as atomic.Folder.Create or atomic.Files.Create.
type Create func(name string) (io.WriteCloser, error)

// Write writes a V2 checkpoint of one data file: base.data-00000-of-00001, tensors in the order of names without gaps, then
// base.index, which is byte for byte what TensorFlow would write for these tensors in that order. The names must differ.
func Write(create Create, base string, tensors []checkpoint.Tensor) error {
	sorted := slices.Clone(tensors)
	slices.SortFunc(sorted, func(a, b checkpoint.Tensor) int { return strings.Compare(a.Name, b.Name) })
	for i, t := range sorted {
		if err := t.Check(); err != nil {
			return err
		}
		if t.Name == "" || i > 0 && t.Name == sorted[i-1].Name {
			return fmt.Errorf("tfbundle: tensor name %s is empty or given twice", checkpoint.Quote(t.Name))
		}
	}
	pairs := []pair{{nil, appendHeader(nil, 1)}}
	if err := writeFile(create, dataName(base, 0, 1), func(w io.Writer) error {
		offset := int64(0)
		for _, t := range sorted {
			size, crc, err := writeTensor(w, t)
			if err != nil {
				return err
			}
			pairs = append(pairs, pair{[]byte(t.Name), appendEntry(nil, t.DType, t.Shape, 0, offset, size, crc)})
			offset += size
		}
		return nil
	}); err != nil {
		return err
	}
	return writeFile(create, base+".index", func(w io.Writer) error {
		_, err := w.Write(buildTable(pairs))
		return err
	})
}

// writeFile writes one file through a buffer.
func writeFile(create Create, name string, write func(w io.Writer) error) error {
	f, err := create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// writeTensor writes the bytes of a tensor and returns their number and masked checksum.
func writeTensor(w io.Writer, t checkpoint.Tensor) (size int64, crc uint32, err error) {
	if t.DType == checkpoint.String {
		return writeStrings(w, t)
	}
	n, err := w.Write(t.Bytes)
	return int64(n), checkpoint.MaskCRC(checkpoint.CRC32C(0, t.Bytes)), err
}

// writeStrings writes strings in the layout of streamStrings.
func writeStrings(w io.Writer, t checkpoint.Tensor) (size int64, crc uint32, err error) {
	elements, err := t.Strings()
	if err != nil {
		return 0, 0, err
	}
	var stored, fixed []byte
	little := new(bundle)
	for _, s := range elements {
		stored = binary.AppendUvarint(stored, uint64(len(s)))
		fixed = little.appendFixed(fixed[:0], uint64(len(s)))
		crc = checkpoint.CRC32C(crc, fixed)
	}
	check := binary.LittleEndian.AppendUint32(nil, checkpoint.MaskCRC(crc))
	stored, crc = append(stored, check...), checkpoint.CRC32C(crc, check)
	for _, s := range elements {
		stored, crc = append(stored, s...), checkpoint.CRC32C(crc, s)
	}
	n, err := w.Write(stored)
	return int64(n), checkpoint.MaskCRC(crc), err
}
