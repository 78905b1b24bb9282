package tfbundle

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"bertlabel/checkpoint"
)

// bundle is an opened V2 checkpoint, the store of its directory.
type bundle struct {
	contents
	open      func(path string) (*checkpoint.File, error)
	prefix    string
	limits    checkpoint.Limits
	bigEndian bool
	numShards int
	scratch   entry              // of readIndex
	shards    []*checkpoint.File // open where tensors lie in them
}

// contents is what a checkpoint holds.
type contents struct {
	tensors   []checkpoint.Info // whole tensors and partitioned variables, sorted by name
	variables []variable        // where the bytes of tensors[i] are
	slices    map[string]*slice // stored slices by key, until each has been given to its variable
}

// region is the place of the bytes of a whole tensor or of a slice.
type region struct {
	shard        int32
	offset, size int64
	crc          uint32 // masked
}

func (r region) end() int64 { return r.offset + r.size }

// variable is a whole tensor, which has a region, or a partitioned variable, which has parts.
type variable struct {
	region
	listed []byte // the message that lists the slices; nil for a whole tensor, and after join
	parts  []part
}

// slice is a stored slice of a partitioned variable.
type slice struct {
	region
	dtype checkpoint.DType
	dims  []uint64
	owned bool // a variable lists it
}

// Open opens the checkpoint of a prefix P: the table P.index and the data files P.data-KKKKK-of-NNNNN. Everything is
// validated that can be without the tensor bytes, in the order of the checks below; a refusal is a *checkpoint.FormatError. Zero
// limits are the defaults.
func Open(prefix string, limits checkpoint.Limits) (*checkpoint.Directory, error) {
	return open(prefix, limits, checkpoint.OpenFile)
}

// open is Open with files that may come from elsewhere.
func open(prefix string, limits checkpoint.Limits, file func(path string) (*checkpoint.File, error)) (*checkpoint.Directory, error) {
	b := &bundle{open: file, prefix: prefix, limits: limits.OrDefaults()}
	b.slices = map[string]*slice{}
	if err := b.readIndex(); err != nil {
		return nil, err
	}
	err := b.openShards()
	if err == nil {
		err = b.checkRegions()
	}
	if err == nil {
		err = checkpoint.InFile(b.joinSlices(), b.indexPath())
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return checkpoint.NewDirectory("tf_v2", b.tensors, b), nil
}

func (b *bundle) indexPath() string { return b.prefix + ".index" }

// dataName returns the name of a data file of a prefix (core/util/tensor_bundle/naming.cc).
func dataName(prefix string, shard int32, shards int) string {
	return fmt.Sprintf("%s.data-%05d-of-%05d", prefix, shard, shards)
}

// readIndex reads the table: its whole structure first, then header and entries.
func (b *bundle) readIndex() error {
	f, err := b.open(b.indexPath())
	if err != nil {
		return err
	}
	defer f.Close()
	if most := b.limits.IndexBytes; f.Size > most {
		return checkpoint.InFile(checkpoint.Refuse(checkpoint.OutOfRange, "index of %d bytes, at most %d", f.Size, most), f.Path)
	}
	t, err := openTable(f, b.limits)
	if err != nil {
		return err
	}
	entries := 0
	if err := t.each(func(_, _ []byte, _ place) error { entries++; return nil }); err != nil {
		return err
	}
	if entries == 0 {
		return checkpoint.InFile(checkpoint.Refuse(checkpoint.BadHeader, "the table is empty"), f.Path)
	}
	return t.each(func(key, value []byte, _ place) error {
		if b.numShards == 0 {
			return b.header(key, value, entries-1)
		}
		if err := b.entry(key, value); err != nil {
			return checkpoint.OfTensor(err, nameOf(string(key[:min(len(key), 2*b.limits.NameBytes)])))
		}
		return nil
	})
}

// header takes the first entry of the table, which entries others follow.
func (b *bundle) header(key, value []byte, entries int) error {
	if len(key) > 0 {
		return checkpoint.Refuse(checkpoint.BadHeader, "no entry under the empty key, the first is %s", quote(key))
	}
	h, err := parseHeader(value)
	switch {
	case err != nil:
		return err
	case h.shards < 1 || int(h.shards) > b.limits.Shards:
		return checkpoint.Refuse(checkpoint.BadHeader, "num_shards is %d, want 1 to %d", h.shards, b.limits.Shards)
	case h.endianness != 0 && h.endianness != 1:
		return checkpoint.Refuse(checkpoint.BadHeader, "endianness is %d, want 0 (little) or 1 (big)", h.endianness)
	}
	b.bigEndian = h.endianness == 1
	b.numShards = int(h.shards)
	b.tensors = make([]checkpoint.Info, 0, min(entries, b.limits.Tensors))
	b.variables = make([]variable, 0, cap(b.tensors))
	return h.version.check()
}

// entry takes any other entry: a whole tensor, a partitioned variable, or a slice of one.
func (b *bundle) entry(key, value []byte) error {
	most := b.limits.NameBytes
	if isSliceKey(key) {
		most = 2*most + 256 // every byte escaped; the extents of rank 8 take less than 256
	}
	if len(key) > most {
		return checkpoint.Refuse(checkpoint.BadName, "name of %d bytes, at most %d", len(key), b.limits.NameBytes)
	}
	name := string(key)
	if isSliceKey(key) {
		if err := b.scratch.parse(value, b.limits); err != nil {
			return err
		}
		return b.addSlice(name, &b.scratch)
	}
	if err := checkpoint.CheckName(name, b.limits); err != nil {
		return err
	}
	if err := b.scratch.parse(value, b.limits); err != nil {
		return err
	}
	return b.addTensor(name, &b.scratch, value)
}

func (b *bundle) addTensor(name string, e *entry, value []byte) error {
	if len(b.tensors) == b.limits.Tensors {
		return checkpoint.Refuse(checkpoint.OutOfRange, "more than %d tensors", b.limits.Tensors)
	}
	info := checkpoint.Info{Name: name, DType: e.dtype, Shape: e.shape()}
	if e.partitioned {
		info.Bytes = e.elements * int64(e.dtype.Size())
		b.tensors = append(b.tensors, info)
		b.variables = append(b.variables, variable{listed: slices.Clone(value)})
		return nil
	}
	r, err := b.region(e)
	info.Bytes, info.Offset, info.CRC32C = r.size, r.offset, r.crc
	info.File = dataName(filepath.Base(b.prefix), r.shard, b.numShards)
	b.tensors = append(b.tensors, info)
	b.variables = append(b.variables, variable{region: r})
	return err
}

func (b *bundle) addSlice(key string, e *entry) error {
	if e.partitioned {
		return checkpoint.Refuse(checkpoint.BadSlices, "a slice that is itself partitioned")
	}
	r, err := b.region(e)
	b.slices[key] = &slice{region: r, dtype: e.dtype, dims: slices.Clone(e.dims)}
	return err
}

// region checks what an entry says about the place of its bytes.
func (b *bundle) region(e *entry) (region, error) {
	r := region{e.shard, e.offset, e.size, e.crc}
	if e.shard < 0 || int(e.shard) >= b.numShards {
		return r, checkpoint.Refuse(checkpoint.BadShard, "shard_id is %d of %d", e.shard, b.numShards)
	}
	if e.offset < 0 || e.size < 0 {
		return r, checkpoint.Refuse(checkpoint.OutOfRange, "offset %d, size %d", e.offset, e.size)
	}
	if want := e.elements * int64(e.dtype.Size()); e.dtype != checkpoint.String && e.size != want {
		return r, checkpoint.Refuse(checkpoint.SizeMismatch, "size %d, shape %d of %v has %d bytes", e.size, e.dims, e.dtype, want)
	}
	if least := e.elements + 4; e.dtype == checkpoint.String && e.size < least && (e.elements > 0 || e.size > 0) {
		return r, checkpoint.Refuse(checkpoint.SizeMismatch, "size %d, %d strings have at least %d bytes", e.size, e.elements, least)
	}
	return r, nil
}

// openShards opens the data files.
func (b *bundle) openShards() error {
	used := make(map[int32]bool)
	b.eachRegion(func(r region, _ string) { used[r.shard] = true })
	for i := range int32(b.numShards) {
		f, err := b.open(dataName(b.prefix, i, b.numShards))
		if err != nil {
			return err
		}
		if !used[i] {
			f.Close() // it had to be there
			f.Closer = nil
		}
		b.shards = append(b.shards, f)
	}
	return nil
}

// eachRegion calls visit for the bytes of every whole tensor and slice, with the name of the tensor.
func (b *bundle) eachRegion(visit func(r region, name string)) {
	for i, v := range b.variables {
		if v.listed == nil {
			visit(v.region, b.tensors[i].Name)
		}
	}
	for key, s := range b.slices {
		visit(s.region, nameOf(key))
	}
}

// checkRegions checks that all bytes lie in their files, and that no two tensors share any. Gaps are legal.
func (b *bundle) checkRegions() error {
	type named struct {
		region
		name string
	}
	all := make([]named, 0, len(b.variables)+len(b.slices))
	b.eachRegion(func(r region, name string) { all = append(all, named{r, name}) })
	slices.SortFunc(all, func(x, y named) int {
		return cmp.Or(cmp.Compare(x.shard, y.shard), cmp.Compare(x.offset, y.offset), cmp.Compare(x.size, y.size),
			cmp.Compare(x.name, y.name))
	})
	var last named
	for _, r := range all {
		if r.shard != last.shard {
			last = named{}
		}
		f, err := b.shards[r.shard], error(nil)
		switch {
		case r.offset > f.Size || r.size > f.Size-r.offset:
			err = checkpoint.Refuse(checkpoint.OutOfRange, "%d bytes at %d, the file has %d", r.size, r.offset, f.Size)
		case r.size > 0 && r.offset < last.end():
			err = checkpoint.Refuse(checkpoint.Overlap, "%d bytes at %d overlap tensor %s, which ends at %d", r.size, r.offset,
				checkpoint.Quote(last.name), last.end())
		case r.end() > last.end():
			last = r
		}
		if err != nil {
			return checkpoint.InFile(checkpoint.AtOffset(checkpoint.OfTensor(err, r.name), r.offset), f.Path)
		}
	}
	return nil
}

// span returns the bytes of a region of elements of the given type.
func (b *bundle) span(r region, dtype checkpoint.DType) checkpoint.Span {
	return checkpoint.Span{File: b.shards[r.shard], Offset: r.offset, Size: r.size, DType: dtype, Swap: b.bigEndian, Checked: true,
		CRC: r.crc}
}

// Fill implements checkpoint.Store.
func (b *bundle) Fill(i int, dst []byte) error {
	if v := &b.variables[i]; v.parts == nil {
		return b.span(v.region, b.tensors[i].DType).Fill(dst)
	}
	return b.assemble(i, dst)
}

// Stream implements checkpoint.Store.
func (b *bundle) Stream(i int, visit func(piece []byte) error) error {
	info, v := &b.tensors[i], &b.variables[i]
	switch {
	case stacked(v.parts, info.Shape):
		for _, p := range v.parts {
			if err := b.span(p.region, info.DType).Stream(visit); err != nil {
				return err
			}
		}
		return nil
	case v.parts != nil: // cut along other axes: put together in memory, where they take no more than the files that hold them
		whole := make([]byte, info.Bytes)
		if err := b.assemble(i, whole); err != nil {
			return err
		}
		return visit(whole)
	case info.DType == checkpoint.String:
		return b.streamStrings(v.region, int64(info.Elements()), visit)
	}
	return b.span(v.region, info.DType).Stream(visit)
}

// Close implements checkpoint.Store.
func (b *bundle) Close() error {
	var errs []error
	for _, f := range b.shards {
		if f.Closer != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
