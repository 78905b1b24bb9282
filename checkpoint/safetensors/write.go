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
	for _, t := range sorted {
		if err := t.Check(); err != nil {
			return err
		}
	}
	return Stream(create, name, sorted, metadata, func(w io.Writer) error {
		for _, t := range sorted {
			if _, err := w.Write(t.Bytes); err != nil {
				return err
			}
		}
		return nil
	})
}

// Stream is Write for tensors that need not be in memory: names, types and shapes come first, and then write hands over their bytes, one
// tensor behind the other in the order given, which is that of the file. Bytes are left out of tensors. Too many or too few bytes are an error.
func Stream(create func(name string) (io.WriteCloser, error), name string, tensors []checkpoint.Tensor, metadata map[string]string,
	write func(w io.Writer) error) error {
	text, size, err := headerText(tensors, metadata)
	if err != nil {
		return err
	}
	f, err := create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	_, err = w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...))
	count := &counter{Writer: w}
	if err == nil {
		err = write(count)
	}
	if err == nil && count.n != size {
		err = fmt.Errorf("safetensors: %d bytes of tensors that have %d", count.n, size)
	}
	if err == nil {
		err = w.Flush()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// counter counts what goes through it.
type counter struct {
	io.Writer
	n int
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += n
	return n, err
}

// rank returns the place of a dtype in order, −1 for one that the format does not have.
func rank(t checkpoint.DType) int {
	return slices.IndexFunc(order, func(name string) bool { return dtypes[name] == t })
}

// headerText returns the header of tensors in the order of their bytes, and how many these are.
func headerText(tensors []checkpoint.Tensor, metadata map[string]string) (text []byte, size int, err error) {
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
	seen, at := map[string]bool{metadataKey: true}, 0
	for _, t := range tensors {
		if seen[t.Name] || rank(t.DType) < 0 {
			return nil, 0, fmt.Errorf("safetensors: tensor %s is given twice, or its type %v has no place in the format",
				checkpoint.Quote(t.Name), t.DType)
		}
		seen[t.Name] = true
		if len(b) > 1 {
			b = append(b, ',')
		}
		bytes := t.DType.Size()
		for _, n := range t.Shape {
			bytes *= n
		}
		shape := strings.ReplaceAll(strings.Trim(fmt.Sprint(t.Shape), "[]"), " ", ",")
		b = appendString(b, t.Name)
		b = fmt.Appendf(b, `:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}`, order[rank(t.DType)], shape, at, at+bytes)
		at += bytes
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	return b, at, nil
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
