package tfbundle

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"bertlabel/checkpoint"
)

// part is one stored slice of a partitioned variable.
type part struct {
	region
	box []extent // what it covers: for each dimension start ≥ 0 and length ≥ 0
}

// joinSlices gives each partitioned variable its slices.
func (b *bundle) joinSlices() error {
	for i := range b.variables {
		info, v := &b.tensors[i], &b.variables[i]
		if v.listed == nil {
			continue
		}
		if info.DType == checkpoint.String {
			return checkpoint.OfTensor(checkpoint.Refuse(checkpoint.BadSlices, "a partitioned tensor of strings"), info.Name)
		}
		if err := b.join(i, entrySlices, b.limits, sameShape); err != nil {
			return checkpoint.OfTensor(err, info.Name)
		}
		first := v.parts[0]
		info.Offset = first.offset
		info.File = dataName(filepath.Base(b.prefix), first.shard, b.numShards)
	}
	return b.noOrphans()
}

// sameShape reports whether a stored slice has exactly the shape of the extents under which it is listed.
func sameShape(s *slice, box []extent) bool {
	return slices.EqualFunc(s.dims, box, func(d uint64, e extent) bool { return d == uint64(e.length) })
}

// join fills variables[i].parts. Every slice that the variable lists, in the field of that number, must be stored, once, with
// the variable's type and a shape that fits, and together they must tile the variable.
func (c *contents) join(i int, number protowire.Number, limits checkpoint.Limits, fits func(s *slice, box []extent) bool) error {
	info, v := &c.tensors[i], &c.variables[i]
	err := eachSlice(v.listed, number, limits, func(extents []extent) error {
		box, err := boxOf(extents, info.Shape)
		if err != nil {
			return err
		}
		s := c.slices[string(appendSliceKey(nil, info.Name, extents))] // as listed: a whole dimension has a form of its own
		if s == nil {
			return checkpoint.Refuse(checkpoint.BadSlices, "slice %v is not stored", box)
		}
		if s.owned {
			return checkpoint.Refuse(checkpoint.BadSlices, "slice %v is listed twice", box)
		}
		s.owned = true
		if s.dtype != info.DType || !fits(s, box) {
			return checkpoint.Refuse(checkpoint.BadSlices, "slice %v of %v is stored as %v of shape %d", box, info.DType, s.dtype, s.dims)
		}
		v.parts = append(v.parts, part{s.region, box})
		return nil
	})
	if err != nil {
		return err
	}
	v.listed = nil
	slices.SortFunc(v.parts, func(p, q part) int {
		return slices.CompareFunc(p.box, q.box, func(a, b extent) int { return cmp.Compare(a.start, b.start) })
	})
	return tiles(v.parts, info.Shape)
}

// stacked reports whether parts, which tile a tensor, are its rows from the first to the last, so that their bytes follow each other.
func stacked(parts []part, shape []int) bool {
	for _, p := range parts {
		for k := 1; k < len(shape); k++ {
			if p.box[k].length != int64(shape[k]) {
				return false
			}
		}
	}
	return len(parts) > 0
}

// noOrphans refuses stored slices that no variable lists.
func (c *contents) noOrphans() error {
	for _, key := range slices.Sorted(maps.Keys(c.slices)) {
		if !c.slices[key].owned {
			return checkpoint.OfTensor(checkpoint.Refuse(checkpoint.BadSlices, "a slice is stored that the tensor does not list"),
				nameOf(key))
		}
	}
	c.slices = nil
	return nil
}

// boxOf resolves the extents of a slice of a tensor.
func boxOf(extents []extent, shape []int) ([]extent, error) {
	if len(extents) != len(shape) {
		return nil, checkpoint.Refuse(checkpoint.BadSlices, "slice of %d dimensions, shape is %v", len(extents), shape)
	}
	box := slices.Clone(extents)
	for k, e := range extents {
		if d := int64(shape[k]); e == (extent{0, -1}) {
			box[k] = extent{0, d}
		} else if e.start < 0 || e.length < 1 || e.start > d || e.length > d-e.start {
			return nil, checkpoint.Refuse(checkpoint.BadSlices, "slice of dimension %d starts at %d and has length %d, shape is %v", k,
				e.start,
				e.length, shape)
		}
	}
	return box, nil
}

// tiles checks that the parts cover every element exactly once: their volumes add up, and no element is covered twice.
// The parts' bytes are in the files, so the map of elements is smaller than these.
func tiles(parts []part, shape []int) error {
	elements := int64(1)
	for _, d := range shape {
		elements *= int64(d)
	}
	left := elements
	for _, p := range parts {
		left -= volume(p.box)
	}
	if left != 0 {
		return checkpoint.Refuse(checkpoint.BadSlices, "slices have %d elements, shape %v has %d", elements-left, shape, elements)
	}
	covered := make([]uint64, (elements+63)/64)
	for _, p := range parts {
		twice := false
		eachRun(p.box, shape, func(at, n int64) {
			for k := at; k < at+n; k++ {
				bit := uint64(1) << (k % 64)
				twice = twice || covered[k/64]&bit != 0
				covered[k/64] |= bit
			}
		})
		if twice {
			return checkpoint.Refuse(checkpoint.BadSlices, "slice %v overlaps another", p.box)
		}
	}
	return nil
}

func volume(box []extent) int64 {
	n := int64(1)
	for _, e := range box {
		n *= e.length
	}
	return n
}

// eachRun calls visit for the stretches of a tensor that a box covers, in row-major order: n elements from element at. A
// stretch is a row of the box along the last dimension.
func eachRun(box []extent, shape []int, visit func(at, n int64)) {
	if len(box) == 0 {
		visit(0, 1)
		return
	}
	if volume(box) == 0 {
		return
	}
	last := len(box) - 1
	index := make([]int64, last) // within the box
	for {
		at := int64(0)
		for k := range last {
			at = (at + box[k].start + index[k]) * int64(shape[k+1])
		}
		visit(at+box[last].start, box[last].length)
		k := last - 1
		for ; k >= 0; k-- {
			if index[k]++; index[k] < box[k].length {
				break
			}
			index[k] = 0
		}
		if k < 0 {
			return
		}
	}
}

// assemble reads the parts of a partitioned variable to their places in dst.
func (b *bundle) assemble(i int, dst []byte) error {
	info := &b.tensors[i]
	for _, p := range b.variables[i].parts {
		raw := make([]byte, p.size)
		if err := b.span(p.region, info.DType).Fill(raw); err != nil {
			return err
		}
		scatter(dst, raw, p.box, info)
	}
	return nil
}

// scatter copies the elements of a box to their places in the tensor dst.
func scatter(dst, raw []byte, box []extent, info *checkpoint.Info) {
	width := int64(info.DType.Size())
	eachRun(box, info.Shape, func(at, n int64) {
		copy(dst[at*width:], raw[:n*width])
		raw = raw[n*width:]
	})
}
