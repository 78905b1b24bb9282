package atomic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"bertlabel/checkpoint"
)

// ManifestName is the file of a saved folder that lists the others.
const ManifestName = "MANIFEST.json"

const (
	manifestVersion = 1
	manifestBytes   = 1 << 20 // the largest that is read
)

// Manifest is MANIFEST.json.
type Manifest struct {
	FormatVersion int            `json:"format_version"` // 1
	Step          int64          `json:"step"`           // of the training run; 0 outside one
	Files         []ManifestFile `json:"files"`          // sorted by name
}

// ManifestFile is one file of a saved folder.
type ManifestFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	CRC32C string `json:"crc32c"` // Castagnoli, not masked, eight hexadecimal digits
}

func (f ManifestFile) compare(g ManifestFile) int { return strings.Compare(f.Name, g.Name) }

// ParseManifest parses a manifest, which lists at least one file.
func ParseManifest(text []byte) (Manifest, error) {
	var m Manifest
	var keys map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &keys), json.Unmarshal(text, &m)); err != nil {
		return Manifest{}, checkpoint.Refuse(checkpoint.BadManifest, "%v", err)
	}
	for _, key := range []string{"format_version", "step", "files"} {
		if _, ok := keys[key]; !ok { // a key that is damaged must not pass for a zero
			return Manifest{}, checkpoint.Refuse(checkpoint.BadManifest, "%s is missing", key)
		}
	}
	if m.FormatVersion != manifestVersion {
		return Manifest{}, checkpoint.Refuse(checkpoint.BadManifest, "format_version is %d, want %d", m.FormatVersion, manifestVersion)
	}
	if len(m.Files) == 0 {
		return Manifest{}, checkpoint.Refuse(checkpoint.BadManifest, "files is empty, want the files of the folder")
	}
	for i, f := range m.Files {
		if checkPlain(f.Name) != nil || f.Bytes < 0 || i > 0 && m.Files[i-1].Name >= f.Name {
			return Manifest{}, checkpoint.Refuse(checkpoint.BadManifest, "file %d, %s, is malformed, or out of order", i,
				checkpoint.Quote(f.Name))
		}
	}
	return m, nil
}

// VerifyFolder reads a saved folder and compares every file with its manifest. An error that says the folder is incomplete
// or damaged is a *checkpoint.FormatError; others come from the file system.
func VerifyFolder(fs FS, dir string) (Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	r, err := fs.Open(path)
	if err != nil {
		return Manifest{}, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, manifestBytes+1))
	if err != nil {
		return Manifest{}, err
	}
	m, err := ParseManifest(text)
	if err != nil {
		return Manifest{}, checkpoint.InFile(err, path)
	}
	for _, f := range m.Files {
		if err := verifyFile(fs, filepath.Join(dir, f.Name), f); err != nil {
			return Manifest{}, err
		}
	}
	return m, nil
}

func verifyFile(fs FS, path string, want ManifestFile) error {
	r, err := fs.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	var crc uint32
	var n int64
	for buf := make([]byte, 256<<10); err == nil; {
		var got int
		got, err = r.Read(buf)
		crc = checkpoint.CRC32C(crc, buf[:got])
		if n += int64(got); n > want.Bytes {
			break // more than listed: no need to see the end
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if got := fmt.Sprintf("%08x", crc); n != want.Bytes || got != want.CRC32C {
		return checkpoint.InFile(checkpoint.Refuse(checkpoint.BadManifest, "%d bytes with checksum %s, the manifest says %d and %s", n,
			got, want.Bytes,
			want.CRC32C), path)
	}
	return nil
}
