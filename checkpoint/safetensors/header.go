package safetensors

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"bertlabel/checkpoint"
)

// dtypes are the names of the types that are read. The library has others, of eight bits and fewer, which BERT files do not hold.
var dtypes = map[string]checkpoint.DType{
	"BOOL": checkpoint.Bool,
	"U8":   checkpoint.Uint8, "I8": checkpoint.Int8,
	"U16": checkpoint.Uint16, "I16": checkpoint.Int16, "F16": checkpoint.Float16, "BF16": checkpoint.BFloat16,
	"U32": checkpoint.Uint32, "I32": checkpoint.Int32, "F32": checkpoint.Float32,
	"U64": checkpoint.Uint64, "I64": checkpoint.Int64, "F64": checkpoint.Float64,
}

// metadataKey is the member of the header that holds a map of strings instead of a tensor.
const metadataKey = "__metadata__"

// entry is one tensor of a header.
type entry struct {
	name       string
	dtype      checkpoint.DType
	dims       []uint64
	elements   int64
	begin, end uint64 // relative to the first byte after the header
}

// header is a parsed, checked header.
type header struct {
	entries  []entry // in the order of their bytes
	metadata map[string]string

	limits checkpoint.Limits
	seen   map[string]bool
	p      parser
}

// parseHeader parses the JSON of a header before dataBytes bytes of tensors, and checks it completely.
func parseHeader(text []byte, dataBytes uint64, limits checkpoint.Limits) (*header, error) {
	h := &header{limits: limits, seen: map[string]bool{}, p: parser{text: text}}
	if len(text) == 0 || text[0] != '{' {
		return nil, h.p.fail("the header begins with %s, want '{'", h.p.found())
	}
	if !utf8.Valid(text) {
		return nil, h.p.fail("the header is not UTF-8")
	}
	if err := h.p.object(h.member); err != nil {
		return nil, err
	}
	if err := h.p.end(); err != nil {
		return nil, err
	}
	for i := range h.entries {
		if err := h.check(&h.entries[i]); err != nil {
			return nil, checkpoint.OfTensor(err, h.entries[i].name)
		}
	}
	return h, h.checkOffsets(dataBytes)
}

// member reads a member of the header.
func (h *header) member(key string) error {
	if h.seen[key] {
		return checkpoint.OfTensor(h.p.refuse(checkpoint.STDuplicate, "named twice"), key)
	}
	h.seen[key] = true
	if key == metadataKey {
		return h.readMetadata()
	}
	if len(h.entries) == h.limits.Tensors {
		return h.p.refuse(checkpoint.OutOfRange, "more than %d tensors", h.limits.Tensors)
	}
	e := entry{name: key}
	err := checkpoint.CheckName(key, h.limits)
	if err == nil {
		err = h.readEntry(&e)
	}
	h.entries = append(h.entries, e)
	return checkpoint.AtOffset(checkpoint.OfTensor(err, key[:min(len(key), h.limits.NameBytes)]), int64(h.p.pos))
}

func (h *header) readMetadata() error {
	p := &h.p
	if p.next() != '{' {
		return p.mistyped(checkpoint.STJSON, "%s is no object", metadataKey)
	}
	h.metadata = map[string]string{}
	return p.object(func(key string) error {
		if _, twice := h.metadata[key]; twice {
			return p.refuse(checkpoint.STDuplicate, "%s has key %s twice", metadataKey, checkpoint.Quote(key))
		}
		if p.next() != '"' {
			return p.mistyped(checkpoint.STJSON, "%s: value of %s is no string", metadataKey, checkpoint.Quote(key))
		}
		value, err := p.str()
		h.metadata[key] = value
		return err
	})
}

// readEntry reads {"dtype": …, "shape": […], "data_offsets": [begin, end]}.
func (h *header) readEntry(e *entry) error {
	p := &h.p
	if p.next() != '{' {
		return p.mistyped(checkpoint.STJSON, "want an object with dtype, shape and data_offsets, found %s", p.found())
	}
	var dtype, shape, offsets bool
	err := p.object(func(key string) error {
		switch key {
		case "dtype":
			return once(p, key, &dtype, func() error { return h.readDType(e) })
		case "shape":
			return once(p, key, &shape, func() (err error) { e.dims, err = h.readInts(checkpoint.STShape, key, h.limits.Rank); return err })
		case "data_offsets":
			return once(p, key, &offsets, func() error { return h.readOffsets(e) })
		}
		return p.mistyped(checkpoint.STJSON, "unknown field %s", checkpoint.Quote(key))
	})
	if err == nil && !(dtype && shape && offsets) {
		return p.fail("want the fields dtype, shape and data_offsets")
	}
	return err
}

// once reads the value of a key that may come once only.
func once(p *parser, key string, seen *bool, read func() error) error {
	if *seen {
		return p.refuse(checkpoint.STDuplicate, "%s twice", key)
	}
	*seen = true
	return read()
}

func (h *header) readDType(e *entry) error {
	p := &h.p
	if p.next() != '"' {
		return p.mistyped(checkpoint.STDType, "dtype is no string")
	}
	name, err := p.str()
	if err != nil {
		return err
	}
	var known bool
	if e.dtype, known = dtypes[name]; !known {
		return p.refuse(checkpoint.STDType, "dtype %s is not one that is read", checkpoint.Quote(name))
	}
	return nil
}

func (h *header) readOffsets(e *entry) error {
	offsets, err := h.readInts(checkpoint.STOffsets, "data_offsets", 2)
	if err != nil {
		return err
	}
	if len(offsets) != 2 {
		return h.p.refuse(checkpoint.STOffsets, "data_offsets has %d numbers, want 2", len(offsets))
	}
	e.begin, e.end = offsets[0], offsets[1]
	return nil
}

// readInts reads an array of at most most unsigned integers; what else stands there is refused with the given class.
func (h *header) readInts(class checkpoint.Class, field string, most int) ([]uint64, error) {
	p := &h.p
	if p.next() != '[' {
		return nil, p.mistyped(class, "%s is no array", field)
	}
	var ints []uint64
	return ints, p.array(func() error {
		if c := p.next(); c != '-' && !p.isDigit() {
			return p.mistyped(class, "%s holds something else than numbers", field)
		}
		n, err := p.uint()
		if err == nil && len(ints) == most {
			err = p.refuse(class, "%s has more than %d numbers", field, most)
		}
		ints = append(ints, n)
		return err
	})
}

// check compares shape and offsets of one tensor.
func (h *header) check(e *entry) (err error) {
	if e.elements, err = h.limits.Elements(e.dims); err != nil {
		return checkpoint.Refuse(checkpoint.STShape, "%v", err)
	}
	if e.begin > e.end {
		return checkpoint.Refuse(checkpoint.STOffsets, "begins at %d, after its end %d", e.begin, e.end)
	}
	if want := uint64(e.elements) * uint64(e.dtype.Size()); e.end-e.begin != want {
		return checkpoint.Refuse(checkpoint.STSize, "%d bytes, shape %d of %v has %d", e.end-e.begin, e.dims, e.dtype, want)
	}
	return nil
}

// checkOffsets sorts the tensors by their bytes, which must follow one another from the first byte of the data to the last.
func (h *header) checkOffsets(dataBytes uint64) error {
	slices.SortFunc(h.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), strings.Compare(a.name, b.name))
	})
	at := uint64(0)
	for _, e := range h.entries {
		if e.begin != at {
			return checkpoint.OfTensor(checkpoint.Refuse(checkpoint.STOffsets, "begins at %d, the tensor before it ends at %d", e.begin,
				at), e.name)
		}
		at = e.end
	}
	if at != dataBytes {
		return checkpoint.Refuse(checkpoint.STOffsets, "the tensors end at %d, the file has %d bytes after the header", at, dataBytes)
	}
	return nil
}
