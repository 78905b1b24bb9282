// Package archive reads zip files that may be hostile. archive/zip of the standard library decodes them and checks the CRC-32 and the
// length of each member; Open refuses before that what it would let through: names that leave a folder, links, members that share bytes,
// sizes that no deflate stream can have.
//
// Nothing is written to a disk here. A reader takes about 8 MiB at most for the directory of members and 64 KiB for the one being read.
package archive

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"bertlabel/checkpoint"
)

const (
	maxDirectory = 1 << 20 // bytes that finding and reading the directory of members may take
	maxName      = 1024    // bytes of a member's name

	// maxRatio is the most that deflate expands: a match of 258 bytes takes two bits at least (zlib's technical details).
	maxRatio = 1032
	// slack is how much a member may be longer than maxRatio says: the last match ends anywhere.
	slack = 1 << 10
)

// Zip is an opened zip file. Its methods are safe for concurrent use.
type Zip struct {
	Members []Member // files only, as the directory orders them
	name    string
}

// Member is one file in a zip file.
type Member struct {
	Name   string // clean and local, with slashes
	Bytes  int64  // unpacked
	Stored bool   // as it is, not deflated: its bytes are Bytes of the zip file from Offset
	Offset int64  // of its data in the zip file
	CRC32  uint32 // IEEE, of the unpacked bytes

	file *zip.File
}

// Open reads the directory of a zip file of size bytes, called name in messages, and checks all of it; limit is the most bytes that
// its members may unpack to all together. A refusal is a *checkpoint.FormatError.
func Open(r io.ReaderAt, size int64, name string, limit int64) (*Zip, error) {
	budget := &bounded{ReaderAt: r, left: maxDirectory}
	z, err := zip.NewReader(budget, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // those are refused below, by name
		what := "no zip file, or a cut one: " + strings.TrimPrefix(err.Error(), "zip: ")
		if budget.left < 0 {
			what = fmt.Sprintf("the directory of members is longer than %d bytes", maxDirectory)
		}
		return nil, refuse(name, checkpoint.BadMagic, "%s", what)
	}
	budget.left = 1<<63 - 1
	a := &Zip{name: name}
	var total int64
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") && f.UncompressedSize64 == 0 { // a folder: made by what is in it
			continue
		}
		m, err := a.member(f, size)
		if err != nil {
			return nil, err
		}
		if total += m.Bytes; total > limit { // neither can overflow: a member is at most maxRatio times as long as the file
			return nil, refuse(name, checkpoint.OutOfRange, "its members unpack to more than %d bytes", limit)
		}
		a.Members = append(a.Members, m)
	}
	return a, errors.Join(a.checkNames(), a.checkOverlap())
}

func refuse(name string, class checkpoint.Class, format string, args ...any) error {
	return checkpoint.InFile(checkpoint.Refuse(class, format, args...), name)
}

// member checks one entry of the directory by itself.
func (a *Zip) member(f *zip.File, size int64) (Member, error) {
	quoted := checkpoint.Quote(f.Name)
	if why := badName(f.Name); why != "" {
		return Member{}, refuse(a.name, checkpoint.BadName, "member %s %s", quoted, why)
	}
	switch mode := f.Mode(); {
	case mode&fs.ModeType != 0:
		return Member{}, refuse(a.name, checkpoint.BadName, "member %s is no regular file but %v", quoted, mode.Type())
	case f.Flags&1 != 0:
		return Member{}, refuse(a.name, checkpoint.BadCompression, "member %s is encrypted", quoted)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return Member{}, refuse(a.name, checkpoint.BadCompression, "member %s is packed by method %d, expected stored or deflated", quoted,
			f.Method)
	case f.CompressedSize64 > uint64(size):
		return Member{}, refuse(a.name, checkpoint.OutOfRange, "member %s has %d bytes in a file of %d", quoted, f.CompressedSize64, size)
	case f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64,
		f.UncompressedSize64 > f.CompressedSize64*maxRatio+slack:
		return Member{}, refuse(a.name, checkpoint.SizeMismatch, "member %s cannot be %d bytes, packed in %d", quoted, f.UncompressedSize64,
			f.CompressedSize64)
	}
	offset, err := f.DataOffset()
	if err != nil {
		return Member{}, refuse(a.name, checkpoint.BadHandle, "member %s has no header where the directory says: %v", quoted, err)
	}
	if offset > size-int64(f.CompressedSize64) {
		return Member{}, refuse(a.name, checkpoint.OutOfRange, "member %s ends after the file", quoted)
	}
	return Member{f.Name, int64(f.UncompressedSize64), f.Method == zip.Store, offset, f.CRC32, f}, nil
}

// badName says what is wrong with the name of a member; "" if it is a plain path inside a folder on every system.
func badName(name string) string {
	switch {
	case len(name) > maxName:
		return fmt.Sprintf("has a name of more than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "has a name that is not UTF-8 or has control characters"
	case strings.ContainsAny(name, `\:`):
		return `has a name with a backslash or a colon`
	case !fs.ValidPath(name) || name == "." || path.Clean(name) != name:
		return "has a name that is empty, absolute, or has . or .. in it"
	}
	return ""
}

// checkNames refuses two members of one name, in whatever letter case, and a member that is also a folder of others.
func (a *Zip) checkNames() error {
	seen := map[string]bool{}
	for _, m := range a.Members {
		if lower := strings.ToLower(m.Name); seen[lower] {
			return refuse(a.name, checkpoint.BadName, "two members are called %s, letter case apart", checkpoint.Quote(m.Name))
		} else {
			seen[lower] = true
		}
	}
	for _, m := range a.Members {
		for dir := path.Dir(strings.ToLower(m.Name)); dir != "."; dir = path.Dir(dir) {
			if seen[dir] {
				return refuse(a.name, checkpoint.BadName, "member %s is in a folder that is a file", checkpoint.Quote(m.Name))
			}
		}
	}
	return nil
}

// checkOverlap refuses members that share bytes of the file, local headers included: the trick of bombs that no ratio gives away.
func (a *Zip) checkOverlap() error {
	const header = 30 // of a member, without its name: APPNOTE.TXT, §4.3.7
	begin := func(m *Member) int64 { return m.Offset - header - int64(len(m.Name)) }
	order := make([]*Member, len(a.Members))
	for i := range a.Members {
		order[i] = &a.Members[i]
	}
	slices.SortFunc(order, func(m, n *Member) int { return cmp.Compare(m.Offset, n.Offset) })
	for i := 1; i < len(order); i++ {
		before, m := order[i-1], order[i]
		if before.Offset+int64(before.file.CompressedSize64) > begin(m) {
			return refuse(a.name, checkpoint.Overlap, "members %s and %s share bytes", checkpoint.Quote(before.Name), checkpoint.Quote(m.Name))
		}
	}
	return nil
}

// Lookup returns the member of a name.
func (a *Zip) Lookup(name string) (Member, bool) {
	i := slices.IndexFunc(a.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return Member{}, false
	}
	return a.Members[i], true
}

// Copy writes the unpacked bytes of a member to w. The CRC-32 and the length are known at the end only: what w was given counts if Copy
// returns nil. An error of w is returned as it is, any other is a *checkpoint.FormatError.
func (a *Zip) Copy(w io.Writer, m Member) error {
	r, err := m.file.Open()
	if err != nil {
		return refuse(a.name, checkpoint.BadCompression, "member %s: %v", checkpoint.Quote(m.Name), err)
	}
	defer r.Close()
	out := &watched{Writer: w}
	n, err := io.CopyBuffer(out, r, make([]byte, 64<<10)) // r refuses to be longer or shorter than Bytes
	switch {
	case out.err != nil:
		return out.err
	case errors.Is(err, zip.ErrChecksum):
		return refuse(a.name, checkpoint.DataChecksum, "member %s does not match its CRC-32, %08x", checkpoint.Quote(m.Name), m.CRC32)
	case err != nil:
		return refuse(a.name, checkpoint.BadCompression, "member %s after %d bytes of %d: %v", checkpoint.Quote(m.Name), n, m.Bytes, err)
	}
	return nil
}

// watched remembers that writing failed, as against reading.
type watched struct {
	io.Writer
	err error
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.err = err
	return n, err
}

// bounded reads no more than left bytes all together.
type bounded struct {
	io.ReaderAt
	left int64
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errors.New("too long")
	}
	return b.ReaderAt.ReadAt(p, off)
}
