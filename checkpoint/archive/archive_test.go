package archive

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"bertlabel/checkpoint"
)

// pack returns a zip file of members whose headers may lie.
func pack(t testing.TB, members ...zipped) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := m.FileHeader
		if h.Method != zip.Store {
			f, err := w.CreateHeader(&h)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(f, m.text)
			continue
		}
		h.CRC32, h.CompressedSize64, h.UncompressedSize64 = crc32.ChecksumIEEE([]byte(m.text)), uint64(len(m.text)), uint64(len(m.text))
		f, err := w.CreateRaw(&h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, m.text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zipped struct {
	zip.FileHeader
	text string
}

func stored(name, text string) zipped { return zipped{zip.FileHeader{Name: name}, text} }

func deflated(name, text string) zipped {
	return zipped{zip.FileHeader{Name: name, Method: zip.Deflate}, text}
}

func open(data []byte) (*Zip, error) {
	return Open(bytes.NewReader(data), int64(len(data)), "x.zip", 1<<30)
}

// readAll opens a zip file and unpacks all of it.
func readAll(data []byte) (map[string]string, error) {
	z, err := open(data)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, m := range z.Members {
		var b bytes.Buffer
		if err := z.Copy(&b, m); err != nil {
			return nil, err
		}
		texts[m.Name] = b.String()
	}
	return texts, nil
}

func TestGood(t *testing.T) {
	long := strings.Repeat("long ", 100_000)
	folder := zipped{zip.FileHeader{Name: "m/"}, ""}
	data := pack(t, folder, stored("m/a", "as it is"), deflated("m/b", long), stored("c", ""))
	got, err := readAll(data)
	if err != nil || len(got) != 3 || got["m/a"] != "as it is" || got["m/b"] != long || got["c"] != "" {
		t.Errorf("%d members, %v", len(got), err)
	}
	z, _ := open(data)
	m, ok := z.Lookup("m/a")
	if !ok || !m.Stored || string(data[m.Offset:m.Offset+m.Bytes]) != "as it is" {
		t.Errorf("member %+v, %v", m, ok)
	}
	if m, ok := z.Lookup("m/b"); !ok || m.Stored || m.Bytes != int64(len(long)) {
		t.Errorf("member %+v, %v", m, ok)
	}
	if _, ok := z.Lookup("d"); ok {
		t.Error("found a member that is not there")
	}
}

// zip64 returns a zip file of one stored member whose sizes and offset stand in the extra fields of APPNOTE.TXT, §4.5.3.
func zip64(name, text string) []byte {
	le := binary.LittleEndian
	header := func(signature uint32, central bool) []byte {
		b := le.AppendUint32(nil, signature)
		if central {
			b = le.AppendUint16(b, 45)
		}
		b = le.AppendUint16(b, 45)
		b = append(b, make([]byte, 8)...) // flags, method, time
		b = le.AppendUint32(b, crc32.ChecksumIEEE([]byte(text)))
		b = le.AppendUint32(le.AppendUint32(b, 1<<32-1), 1<<32-1)
		extra := le.AppendUint16(nil, 1)
		extra = le.AppendUint16(extra, 16)
		if central {
			le.PutUint16(extra[2:], 24)
		}
		extra = le.AppendUint64(le.AppendUint64(extra, uint64(len(text))), uint64(len(text)))
		if central {
			extra = le.AppendUint64(extra, 0)
		}
		b = le.AppendUint16(le.AppendUint16(b, uint16(len(name))), uint16(len(extra)))
		if central {
			b = append(b, make([]byte, 10)...) // comment, disk, attributes
			b = le.AppendUint32(b, 1<<32-1)
		}
		return append(append(b, name...), extra...)
	}
	local, directory := header(0x04034b50, false), header(0x02014b50, true)
	b := append(append(local, text...), directory...)
	start, end := len(local)+len(text), len(b)
	b = le.AppendUint32(b, 0x06064b50) // the zip64 end record
	b = le.AppendUint64(b, 44)
	b = append(b, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, v := range []int{1, 1, len(directory), start} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = le.AppendUint64(append(le.AppendUint32(b, 0x07064b50), 0, 0, 0, 0), uint64(end)) // its locator
	b = le.AppendUint32(b, 1)
	b = append(le.AppendUint32(b, 0x06054b50), 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)
	return append(le.AppendUint32(le.AppendUint32(b, 1<<32-1), 1<<32-1), 0, 0)
}

func TestZip64(t *testing.T) {
	if got, err := readAll(zip64("big", "contents")); err != nil || got["big"] != "contents" {
		t.Errorf("%q, %v", got, err)
	}
}

// edit returns a copy of data with the bytes at the n-th occurrence of old, from 0, replaced.
func edit(data []byte, n int, old, new string) []byte {
	at := 0
	for ; n >= 0; n-- {
		at += bytes.Index(data[at:], []byte(old)) + 1
	}
	b := bytes.Clone(data)
	copy(b[at-1:], new)
	return b
}

func TestHostile(t *testing.T) {
	link := zipped{zip.FileHeader{Name: "link"}, "/etc/passwd"}
	link.SetMode(fs.ModeSymlink | 0o777)
	pipe := zipped{zip.FileHeader{Name: "pipe"}, ""}
	pipe.SetMode(fs.ModeNamedPipe | 0o666)
	locked := stored("a", "x")
	locked.Flags = 1
	var many []zipped
	for i := range 20_000 {
		many = append(many, stored(fmt.Sprint("member", i), ""))
	}
	two := pack(t, stored("a", "first"), stored("b", "twice"))
	deflate := pack(t, deflated("a", strings.Repeat("a", 10_000)))
	central := bytes.LastIndex(two, []byte("PK\x01\x02")) // of b: its header's offset stands 42 bytes on
	overlap := bytes.Clone(two)
	copy(overlap[central+42:], []byte{0, 0, 0, 0}) // b is where a is
	size := func(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
	entry := bytes.LastIndex(deflate, []byte("PK\x01\x02"))
	method := bytes.Clone(two)
	method[central+10] = 12
	longer, bomb := bytes.Clone(deflate), bytes.Clone(deflate)
	copy(longer[entry+24:], size(9_999))
	copy(bomb[entry+24:], size(1<<31))
	for _, c := range []struct {
		name  string
		data  []byte
		class checkpoint.Class
	}{
		{"no zip file", []byte("<html>not found</html>"), checkpoint.BadMagic},
		{"cut", two[:len(two)-1], checkpoint.BadMagic},
		{"parent", pack(t, stored("../a", "x")), checkpoint.BadName},
		{"inner parent", pack(t, stored("m/../../a", "x")), checkpoint.BadName},
		{"absolute", pack(t, stored("/a", "x")), checkpoint.BadName},
		{"drive", pack(t, stored("C:a", "x")), checkpoint.BadName},
		{"backslash", pack(t, stored(`..\a`, "x")), checkpoint.BadName},
		{"dot", pack(t, stored("./a", "x")), checkpoint.BadName},
		{"NUL", pack(t, stored("a\x00.txt", "x")), checkpoint.BadName},
		{"not UTF-8", pack(t, stored("a\xff", "x")), checkpoint.BadName},
		{"long name", pack(t, stored(strings.Repeat("a", 1025), "x")), checkpoint.BadName},
		{"twice", pack(t, stored("a", "x"), stored("A", "y")), checkpoint.BadName},
		{"file and folder", pack(t, stored("a", "x"), stored("a/b", "y")), checkpoint.BadName},
		{"link", pack(t, link), checkpoint.BadName},
		{"pipe", pack(t, pipe), checkpoint.BadName},
		{"encrypted", pack(t, locked), checkpoint.BadCompression},
		{"method", method, checkpoint.BadCompression},
		{"overlap", overlap, checkpoint.Overlap},
		{"bomb by ratio", bomb, checkpoint.SizeMismatch},
		{"longer than it says", longer, checkpoint.BadCompression},
		{"contents", edit(two, 0, "first", "worst"), checkpoint.DataChecksum},
		{"a long directory", pack(t, many...), checkpoint.BadMagic},
	} {
		t.Run(c.name, func(t *testing.T) {
			texts, err := readAll(c.data)
			var refused *checkpoint.FormatError
			if !errors.As(err, &refused) || refused.Class != c.class || refused.File != "x.zip" {
				t.Errorf("%d members, %v; want class %s", len(texts), err, c.class)
			}
		})
	}
}

// TestBomb has members that are what they say, and too much all together: nothing is unpacked.
func TestBomb(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	data := pack(t, deflated("a", zeros), deflated("b", zeros))
	if _, err := Open(bytes.NewReader(data), int64(len(data)), "x.zip", 2<<20); err != nil {
		t.Error(err)
	}
	if _, err := Open(bytes.NewReader(data), int64(len(data)), "x.zip", 2<<20-1); err == nil || !strings.Contains(err.Error(), "2097151") {
		t.Errorf("%v, want a refusal with the limit", err)
	}
}

// TestMemory unpacks 64 MiB and takes less than 32 MiB for it, buffers that garbage collection could have taken back included.
func TestMemory(t *testing.T) {
	data := pack(t, deflated("a", strings.Repeat("\x00", 64<<20)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	z, err := open(data)
	if err == nil {
		err = z.Copy(io.Discard, z.Members[0])
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err != nil || used > 1<<20 {
		t.Errorf("took %d bytes, %v", used, err)
	}
}

type fullDisk struct{}

func (fullDisk) Write(p []byte) (int, error) { return 0, io.ErrShortWrite }

// TestWriter tells an error of the writer from one of the file.
func TestWriter(t *testing.T) {
	z, err := open(pack(t, stored("a", "x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Copy(fullDisk{}, z.Members[0]); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v, want the writer's", err)
	}
}

// TestEveryBit flips each bit of a small file: it is refused, or its members have the same bytes under some name.
func TestEveryBit(t *testing.T) {
	good := pack(t, stored("a", "as it is"), deflated("b", "packed packed packed"))
	known := map[string]bool{"as it is": true, "packed packed packed": true}
	for i := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[i/8] ^= 1 << (i % 8)
		texts, err := readAll(bad)
		for name, text := range texts {
			if err == nil && !known[text] {
				t.Errorf("bit %d: member %q is %q", i, name, text)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(pack(f, stored("m/a", "as it is"), deflated("m/b", strings.Repeat("packed ", 50))))
	f.Add(zip64("big", "contents"))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	f.Add(pack(f, deflated("noise", string(noise))))
	f.Fuzz(func(t *testing.T, data []byte) {
		z, err := Open(bytes.NewReader(data), int64(len(data)), "x.zip", 1<<20)
		if err != nil {
			if !errors.As(err, new(*checkpoint.FormatError)) {
				t.Errorf("%v is no FormatError", err)
			}
			return
		}
		for _, m := range z.Members {
			if !fs.ValidPath(m.Name) {
				t.Errorf("name %q", m.Name)
			}
			var b bytes.Buffer
			if err := z.Copy(&b, m); err == nil && (int64(b.Len()) != m.Bytes || crc32.ChecksumIEEE(b.Bytes()) != m.CRC32) {
				t.Errorf("member %q: %d bytes, want %d with CRC-32 %08x", m.Name, b.Len(), m.Bytes, m.CRC32)
			}
		}
	})
}

// TestRatio: a member may say that it is 1,032 times as long as its packed bytes, and 1 KiB more, which deflate can do; what says more is
// refused before anything is unpacked.
func TestRatio(t *testing.T) {
	data := pack(t, deflated("a", strings.Repeat("a", 10_000)))
	entry := bytes.LastIndex(data, []byte("PK\x01\x02"))
	packed := binary.LittleEndian.Uint32(data[entry+20:])
	for more, want := range map[uint32]checkpoint.Class{0: "", 1: checkpoint.SizeMismatch} {
		binary.LittleEndian.PutUint32(data[entry+24:], 1032*packed+1024+more)
		_, err := open(data)
		var refused *checkpoint.FormatError
		if want == "" && err != nil || want != "" && (!errors.As(err, &refused) || refused.Class != want) {
			t.Errorf("%d bytes more than deflate can do: %v, want class %q", more, err, want)
		}
	}
}

// TestOverlapOfHeaders: the bytes of a member may not reach into the header of the next one, not by one byte.
func TestOverlapOfHeaders(t *testing.T) {
	for more, want := range map[uint32]checkpoint.Class{0: "", 1: checkpoint.Overlap} {
		data := pack(t, stored("a", "first"), stored("b", "twice"))
		if more > 0 && data[6]&8 != 0 { // a data descriptor of 16 bytes stands between the two
			more += 16
		}
		entry := bytes.Index(data, []byte("PK\x01\x02"))
		binary.LittleEndian.PutUint32(data[entry+20:], 5+more)
		binary.LittleEndian.PutUint32(data[entry+24:], 5+more)
		_, err := open(data)
		var refused *checkpoint.FormatError
		if want == "" && err != nil || want != "" && (!errors.As(err, &refused) || refused.Class != want) {
			t.Errorf("%d bytes more than stand before the next header: %v, want class %q", more, err, want)
		}
	}
}
