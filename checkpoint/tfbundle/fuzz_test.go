package tfbundle

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"slices"
	"testing"

	"bertlabel/checkpoint"
)

// The targets of RELIABILITY H15 for this package. Nothing may panic or hang, every refusal is a FormatError that names a
// file, and what is accepted obeys the rules that the readers promise. Run one by
//
//	go test -fuzz=FuzzIndex -fuzztime=1h ./checkpoint/tfbundle

// repair sets the checksums of all blocks of a table right that its handles reach, so that a mutation gets past them.
func repair(data []byte) []byte {
	if len(data) < footerSize {
		return data
	}
	data = slices.Clone(data)
	binary.LittleEndian.PutUint64(data[len(data)-8:], magic)
	t := &table{file: bytes.NewReader(data), size: uint64(len(data)), limits: checkpoint.Defaults()}
	seal := func(h handle) {
		body := data[h.offset : h.offset+h.size+1]
		binary.LittleEndian.PutUint32(data[h.offset+h.size+1:], masked(body))
	}
	meta, rest, err := t.parseHandle(data[len(data)-footerSize : len(data)-8])
	if err != nil {
		return data
	}
	seal(meta)
	top, _, err := t.parseHandle(rest)
	if err != nil {
		return data
	}
	seal(top)
	contents, err := t.readBlock(top)
	if err != nil {
		return data
	}
	index, err := newBlock(bytes.Clone(contents), nil)
	for more := err == nil; more; {
		if more, _ = index.next(); more {
			if h, _, err := t.parseHandle(index.value); err == nil {
				seal(h)
			}
		}
	}
	return data
}

// seeds adds index files of all kinds.
func seeds(add func(index []byte)) {
	for _, m := range originals() {
		add(m["m.index"])
	}
	add(tableOf(pairsOf(small()["m.index"]), 1, 4, false))
}

func FuzzBlock(f *testing.F) {
	f.Add(small()["m.index"][:100])
	b := newBlockBuilder(2)
	for _, key := range []string{"a", "ab", "abc", "b"} {
		b.add([]byte(key), []byte(key))
	}
	f.Add(b.finish())
	f.Fuzz(func(t *testing.T, contents []byte) {
		b, err := newBlock(contents, nil)
		var last []byte
		for n := 0; err == nil; n++ {
			var more bool
			if more, err = b.next(); !more {
				break
			}
			if n > 0 && bytes.Compare(last, b.key) >= 0 {
				t.Fatalf("key %q after %q", b.key, last)
			}
			if last = bytes.Clone(b.key); n > len(contents) {
				t.Fatal("more entries than bytes")
			}
		}
	})
}

func FuzzFooter(f *testing.F) {
	seeds(func(index []byte) { f.Add(index) })
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := openTable(memoryFile("t", data), checkpoint.Defaults())
		if err == nil {
			err = table.each(func(_, _ []byte, _ place) error { return nil })
		}
		if err != nil {
			classOf(t, err)
		}
	})
}

func FuzzEntry(f *testing.F) {
	f.Add(message(1, []int64{2, 3}, 0, 24, 24, 7))
	f.Add(appendMessage(message(3, []int64{4}, 0, 0, 0, 0), entrySlices, sliceMessage([]extent{{1, 2}, {0, -1}})))
	f.Add(headerPair.value)
	f.Fuzz(func(t *testing.T, value []byte) {
		parseHeader(value)
		limits := checkpoint.Defaults()
		var e entry
		if e.parse(value, limits) != nil {
			return
		}
		if n, err := limits.Elements(e.dims); err != nil || n != e.elements || !e.dtype.Known() {
			t.Fatalf("accepted %+v: %v", e, err)
		}
		if _, err := new(bundle).region(&e); err == nil && e.elements > 0 {
			t.Fatalf("%+v lies in one of 0 data files", e)
		}
	})
}

func FuzzIndex(f *testing.F) {
	seeds(func(index []byte) { f.Add(index) })
	data := small()[dataName("m", 0, 1)]
	f.Fuzz(func(t *testing.T, index []byte) {
		tensors, err := bundleOf(repair(index), data).readAll()
		if err != nil {
			classOf(t, err)
		}
		total := 0
		for _, raw := range tensors {
			total += len(raw)
		}
		if most := len(data) + 8*len(data); total > most { // strings come with 8 bytes each, and take one
			t.Fatalf("%d bytes of tensors from %d bytes of data", total, len(data))
		}
	})
}

func FuzzSnappy(f *testing.F) {
	f.Add([]byte{12, 3 << 2, 'a', 'b', 'c', 'd', 3<<2 | 2, 4, 0, 3<<2 | 2, 4, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packed []byte) {
		table := &table{limits: checkpoint.Defaults()}
		plain, err := table.decompress(packed)
		if err == nil && len(plain) > 32*len(packed)+64<<10 {
			t.Fatalf("%d bytes from %d", len(plain), len(packed))
		}
	})
}

func FuzzV1(f *testing.F) {
	whole := []saved1{{nil, packedInts(7, 1, 2)}}
	f.Add(v1File([]tensor1{{"a", 3, []int64{2}, []saved1{{[]extent{{0, -1}}, packedInts(7, 1, 2)}}}, {"b", 7, nil, whole}}, nil))
	f.Add(v1File([]tensor1{{"a", 3, []int64{3}, []saved1{{[]extent{{0, 1}}, packedInts(7, 1)}, {[]extent{{1, 2}}, packedInts(7, 2, 3)}}}},
		nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := readV1(repair(data)); err != nil {
			classOf(t, err)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte("model_checkpoint_path: \"model.ckpt-7\"\nall_model_checkpoint_paths: \"model.ckpt-3\"\n"))
	f.Add([]byte(`model_checkpoint_path: 'caf\303\251\x41'`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseState(text)
		if err != nil {
			return
		}
		if !filepath.IsLocal(s.Latest) {
			t.Fatalf("path %q leaves the folder", s.Latest)
		}
		if again, err := ParseState(s.Text()); err != nil || again.Latest != s.Latest || !slices.Equal(again.All, s.All) {
			t.Fatalf("%+v reads back as %+v, %v", s, again, err)
		}
	})
}
