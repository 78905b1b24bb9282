package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"bertlabel/checkpoint"
)

// File is an opened model.
type File struct {
	*checkpoint.Directory
	Metadata map[string]string // nil where the file has none, and for a model of several files

	spans []checkpoint.Span // of each tensor
}

// store has the bytes of the tensors of a directory.
type store struct {
	files []*checkpoint.File
	spans []checkpoint.Span // of tensor i
}

// Open opens a safetensors file. The header is validated completely against the length of the file; a refusal is a
// *checkpoint.FormatError. Zero limits are the defaults.
func Open(path string, limits checkpoint.Limits) (*File, error) {
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	return open(f, limits)
}

// open takes the file over.
func open(f *checkpoint.File, limits checkpoint.Limits) (*File, error) {
	s := &store{}
	h, tensors, err := s.add(f, limits.OrDefaults())
	if err != nil {
		f.Close()
		return nil, err
	}
	d := s.directory(tensors)
	return &File{d, h.metadata, s.spans}, nil
}

// add reads the header of an open file and takes the file and its tensors over.
func (s *store) add(f *checkpoint.File, limits checkpoint.Limits) (*header, []checkpoint.Info, error) {
	h, start, err := readHeader(f, limits)
	if err != nil {
		return nil, nil, checkpoint.InFile(err, f.Path)
	}
	s.files = append(s.files, f)
	tensors := make([]checkpoint.Info, 0, len(h.entries))
	s.spans = slices.Grow(s.spans, len(h.entries))
	for _, e := range h.entries {
		info := checkpoint.Info{Name: e.name, DType: e.dtype, Shape: make([]int, len(e.dims)), Bytes: int64(e.end - e.begin),
			File: filepath.Base(f.Path), Offset: start + int64(e.begin)}
		for i, d := range e.dims {
			info.Shape[i] = int(d)
		}
		tensors = append(tensors, info)
		s.spans = append(s.spans, checkpoint.Span{File: f, Offset: info.Offset, Size: info.Bytes, DType: e.dtype})
	}
	return h, tensors, nil
}

// readHeader returns the header of a file and the offset of the data after it.
func readHeader(f *checkpoint.File, limits checkpoint.Limits) (h *header, start int64, err error) {
	var length [8]byte
	if n, err := f.ReadAt(length[:], 0); n < len(length) {
		if !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		return nil, 0, checkpoint.Refuse(checkpoint.STHeaderLength, "%d bytes, want at least 8", f.Size)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > uint64(limits.HeaderBytes) || n > uint64(f.Size-8) {
		return nil, 0, checkpoint.Refuse(checkpoint.STHeaderLength, "header of %d bytes, at most %d, in a file of %d", n,
			limits.HeaderBytes, f.Size)
	}
	text := make([]byte, n)
	if got, err := f.ReadAt(text, 8); got < len(text) {
		return nil, 0, fmt.Errorf("reading the header: %w", err)
	}
	h, err = parseHeader(text, uint64(f.Size)-8-n, limits)
	var e *checkpoint.FormatError
	if errors.As(err, &e) && e.Offset >= 0 {
		e.Offset += 8 // from the header's text to the file
	}
	return h, 8 + int64(n), err
}

// directory returns the source over all tensors, sorted by name.
func (s *store) directory(tensors []checkpoint.Info) *checkpoint.Directory {
	order := make([]int, len(tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(tensors[i].Name, tensors[j].Name) })
	sorted, spans := make([]checkpoint.Info, len(order)), make([]checkpoint.Span, len(order))
	for to, from := range order {
		sorted[to], spans[to] = tensors[from], s.spans[from]
	}
	s.spans = spans
	return checkpoint.NewDirectory("safetensors", sorted, s)
}

// ReadFloat32At is ReadFloat32 of the elements from first on, as many as dst has: rows of a matrix that is not to be in memory.
func (f *File) ReadFloat32At(name string, first int, dst []float32) error {
	i := slices.IndexFunc(f.Tensors(), func(t checkpoint.Info) bool { return t.Name == name })
	if i < 0 {
		return f.ReadFloat32(name, dst) // which says so
	}
	info, span := f.Tensors()[i], f.spans[i]
	if n := info.Elements(); first < 0 || len(dst) > n-first {
		return checkpoint.InFile(checkpoint.OfTensor(checkpoint.Refuse(checkpoint.BadShape, "shape %v has %d elements, want %d to %d",
			info.Shape, n, first, first+len(dst)), name), info.File)
	}
	size := int64(info.DType.Size())
	span.Offset, span.Size = span.Offset+size*int64(first), size*int64(len(dst))
	info.Shape, info.Offset = []int{len(dst)}, span.Offset
	return checkpoint.NewDirectory(f.Format(), []checkpoint.Info{info}, &store{spans: []checkpoint.Span{span}}).ReadFloat32(name, dst)
}

// Fill implements checkpoint.Store.
func (s *store) Fill(i int, dst []byte) error { return s.spans[i].Fill(dst) }

// Stream implements checkpoint.Store.
func (s *store) Stream(i int, visit func(piece []byte) error) error { return s.spans[i].Stream(visit) }

// Close implements checkpoint.Store.
func (s *store) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// OpenIndex opens a model of several files by its index, model.safetensors.index.json. The shards are plain names of files
// in the same folder; every tensor of the map must be in the shard it names, and no shard may hold another.
func OpenIndex(path string, limits checkpoint.Limits) (*File, error) {
	limits = limits.OrDefaults()
	byShard, err := readIndex(path, limits)
	if err != nil {
		return nil, checkpoint.InFile(err, path)
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	s := &store{}
	var all []checkpoint.Info
	for _, shard := range slices.Sorted(maps.Keys(byShard)) {
		tensors, err := s.addShard(root, shard, byShard[shard], limits)
		if err != nil {
			s.Close()
			return nil, checkpoint.InFile(err, path)
		}
		all = append(all, tensors...)
	}
	d := s.directory(all)
	return &File{Directory: d, spans: s.spans}, nil
}

// addShard opens a shard that must hold exactly the tensors of want.
func (s *store) addShard(root *os.Root, shard string, want map[string]bool, limits checkpoint.Limits) ([]checkpoint.Info, error) {
	f, err := checkpoint.OpenIn(root, shard)
	if err != nil {
		return nil, err
	}
	_, tensors, err := s.add(f, limits)
	if err != nil {
		f.Close()
		return nil, err
	}
	for _, t := range tensors {
		if !want[t.Name] {
			return nil, checkpoint.OfTensor(checkpoint.Refuse(checkpoint.STIndex, "%s holds it, the index does not have it there",
				checkpoint.Quote(shard)), t.Name)
		}
		delete(want, t.Name)
	}
	if len(want) > 0 {
		name := slices.Min(slices.Collect(maps.Keys(want)))
		return nil, checkpoint.OfTensor(checkpoint.Refuse(checkpoint.STIndex, "%s does not hold it", checkpoint.Quote(shard)), name)
	}
	return tensors, nil
}

// readIndex returns the names of the tensors of each shard.
func readIndex(path string, limits checkpoint.Limits) (map[string]map[string]bool, error) {
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size > limits.IndexBytes {
		return nil, checkpoint.Refuse(checkpoint.STIndex, "index of %d bytes, at most %d", f.Size, limits.IndexBytes)
	}
	text := make([]byte, f.Size)
	if _, err := io.ReadFull(f.Reader(), text); err != nil {
		return nil, err
	}
	byShard, err := parseIndex(text, limits)
	var e *checkpoint.FormatError
	if errors.As(err, &e) {
		e.Class = checkpoint.STIndex // also for what the JSON parser refused
	}
	return byShard, err
}

// parseIndex parses {"weight_map": {tensor: shard}}; other members are skipped.
func parseIndex(text []byte, limits checkpoint.Limits) (map[string]map[string]bool, error) {
	p := &parser{text: text}
	if !utf8.Valid(text) {
		return nil, p.fail("not UTF-8")
	}
	byShard := map[string]map[string]bool{}
	shardOf := map[string]string{}
	seen := map[string]bool{}
	err := p.object(func(key string) error {
		if seen[key] {
			return p.fail("key %s twice", checkpoint.Quote(key))
		}
		if seen[key] = true; key != "weight_map" {
			return p.skip()
		}
		return p.object(func(name string) error {
			if _, twice := shardOf[name]; twice {
				return p.fail("tensor %s twice", checkpoint.Quote(name))
			}
			shard, err := p.str()
			if err == nil && !plain(shard) {
				err = p.fail("shard %s is no plain file name", checkpoint.Quote(shard))
			}
			if err == nil && len(shardOf) == limits.Tensors {
				err = p.fail("more than %d tensors", limits.Tensors)
			}
			if err != nil {
				return checkpoint.OfTensor(err, name)
			}
			shardOf[name] = shard
			if byShard[shard] == nil {
				byShard[shard] = map[string]bool{}
			}
			byShard[shard][name] = true
			return nil
		})
	})
	if err == nil {
		err = p.end()
	}
	if err == nil && len(shardOf) == 0 {
		err = p.fail("no weight_map")
	}
	return byShard, err
}

// plain reports whether a name is one of a file in the same folder.
func plain(name string) bool {
	return filepath.IsLocal(name) && !strings.ContainsAny(name, "/\\\x00") && name != "."
}
