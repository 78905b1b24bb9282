package safetensors

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"bertlabel/checkpoint"
)

// order is the library's order of dtypes, in which it writes the last first (safetensors/src/tensor.rs, enum Dtype); names
// are those of the header.
var order = []string{"BOOL", "U8", "I8", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64", "U64"}

// Write writes tensors and metadata as one safetensors file, made by create (for example atomic.Files.Create). The file is
// the one that the safetensors library writes: wider types first, then by name, header padded to a multiple of 8. The names must
// differ; strings and complex numbers have no place in the format.
func Write(create func(name string) (io.WriteCloser, error), name string, tensors []checkpoint.Tensor, metadata map[string]string) error {
	sorted := slices.Clone(tensors)
	slices.SortFunc(sorted, func(a, b checkpoint.Tensor) int {
		return cmp.Or(cmp.Compare(rank(b.DType), rank(a.DType)), strings.Compare(a.Name, b.Name))
	})
	infos := make([]checkpoint.Info, len(sorted))
	for i, t := range sorted {
		if err := t.Check(); err != nil {
			return err
		}
		infos[i] = checkpoint.Info{Name: t.Name, DType: t.DType, Shape: t.Shape, Bytes: int64(len(t.Bytes))}
	}
	text, err := headerText(infos, metadata)
	if err != nil {
		return err
	}
	f, err := create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	_, err = w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text))))
	if err == nil {
		_, err = w.Write(text)
	}
	for _, t := range sorted {
		if err == nil {
			_, err = w.Write(t.Bytes)
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// rank returns the place of a dtype in order, −1 for one that the format does not have.
func rank(t checkpoint.DType) int {
	return slices.IndexFunc(order, func(name string) bool { return dtypes[name] == t })
}

// headerText returns the header of tensors in the order of their bytes.
func headerText(tensors []checkpoint.Info, metadata map[string]string) ([]byte, error) {
	b := []byte{'{'}
	if metadata != nil {
		b = append(appendString(b, metadataKey), ":{"...)
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(append(appendString(b, key), ':'), metadata[key])
		}
		b = append(b, '}')
	}
	seen, at := map[string]bool{metadataKey: true}, int64(0)
	for _, t := range tensors {
		if seen[t.Name] || rank(t.DType) < 0 {
			return nil, fmt.Errorf("safetensors: tensor %s is given twice, or its type %v has no place in the format",
				checkpoint.Quote(t.Name), t.DType)
		}
		seen[t.Name] = true
		if len(b) > 1 {
			b = append(b, ',')
		}
		shape := strings.ReplaceAll(strings.Trim(fmt.Sprint(t.Shape), "[]"), " ", ",")
		b = appendString(b, t.Name)
		b = fmt.Appendf(b, `:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}`, order[rank(t.DType)], shape, at, at+t.Bytes)
		at += t.Bytes
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	return b, nil
}

// appendString appends a JSON string, escaped no more than JSON asks for, as the library does.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		case strings.IndexByte("\b\t\n\f\r", c) >= 0:
			b = append(b, '\\', "btn?fr"[c-'\b'])
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(b, '"')
}
