package atomic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/checkpoint"
)

// saveLarge writes text as the file data of a folder, in three pieces.
func saveLarge(fs FS, dir string, text []byte) error {
	f, err := NewFolder(fs, dir, int64(len(text)))
	if err != nil {
		return err
	}
	defer f.Abort()
	w, err := f.Create("data")
	if err != nil {
		return err
	}
	for _, part := range [][]byte{text[:100_000], text[100_000:600_000], text[600_000:]} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), f.Commit(9, true))
}

// TestVerifyLarge: a file that is read in several pieces, and written in several, is verified in each of them; and a folder that was
// damaged between writing and Commit does not get its name.
func TestVerifyLarge(t *testing.T) {
	text := make([]byte, 700_001)
	for i := range text {
		text[i] = byte(i % 253)
	}
	dir := filepath.Join(t.TempDir(), "ckpt")
	if err := saveLarge(OS{}, dir, text); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "data")
	m, err := VerifyFolder(OS{}, dir)
	want := ManifestFile{"data", int64(len(text)), fmt.Sprintf("%08x", checkpoint.CRC32C(0, text))}
	if err != nil || m.Step != 9 || len(m.Files) != 1 || m.Files[0] != want {
		t.Fatalf("%+v, %v, want %+v", m, err, want)
	}
	refused := func(what string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		var e *checkpoint.FormatError
		if _, err := VerifyFolder(OS{}, dir); !errors.As(err, &e) || e.Class != checkpoint.BadManifest ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for at := len(text) - 1; at >= 0; at -= 60_000 {
		bad := bytes.Clone(text)
		bad[at] ^= 16
		refused(fmt.Sprintf("byte %d flipped", at), bad)
		refused(fmt.Sprintf("cut to %d bytes", at), text[:at])
		moved := append(bytes.Clone(text[at:]), text[:at]...)
		if at > 0 {
			refused(fmt.Sprintf("begins with byte %d", at), moved)
		}
	}
	refused("longer", append(bytes.Clone(text), 0))
	refused("longer by much", append(bytes.Clone(text), text...))

	damaged := filepath.Join(t.TempDir(), "ckpt")
	if err := saveLarge(lossy{}, damaged, text); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a file that the disk has lost a byte of: %v", err)
	}
	if _, err := os.Stat(damaged); err == nil {
		t.Error("and the folder is there")
	}
}

// lossy is a disk that gives back another byte than it was given.
type lossy struct{ OS }

func (lossy) Open(name string) (io.ReadCloser, error) {
	text, err := os.ReadFile(name)
	if err == nil && filepath.Base(name) == "data" {
		text[len(text)/2]++
	}
	return io.NopCloser(bytes.NewReader(text)), err
}
