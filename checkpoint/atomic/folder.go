package atomic

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
)

// Folder is a folder in the making. Until Commit it has a temporary name.
type Folder struct {
	fs           FS
	target, temp string
	manifest     Manifest
	open         int // files created and not closed
}

// NewFolder begins to write a folder, of need bytes all together. Its parent must exist, itself must not.
func NewFolder(fs FS, target string, need int64) (*Folder, error) {
	if err := CheckSpace(fs, filepath.Dir(target), need); err != nil {
		return nil, err
	}
	f := &Folder{fs: fs, target: target, temp: tempName(target), manifest: Manifest{FormatVersion: manifestVersion}}
	if err := fs.Mkdir(f.temp); err != nil {
		return nil, err
	}
	return f, nil
}

// Create begins a file of the folder; close it before Commit.
func (f *Folder) Create(name string) (io.WriteCloser, error) {
	if err := checkPlain(name); err != nil {
		return nil, err
	}
	out, err := f.fs.Create(filepath.Join(f.temp, name))
	if err != nil {
		return nil, err
	}
	f.open++
	return &file{File: out, closed: func(w *file) {
		f.open--
		f.manifest.Files = append(f.manifest.Files, ManifestFile{name, w.bytes, fmt.Sprintf("%08x", w.crc)})
	}}, nil
}

// Commit writes the manifest and gives the folder its name. With verify it reads every file back before.
func (f *Folder) Commit(step int64, verify bool) error {
	if f.open > 0 {
		return fmt.Errorf("atomic: %d files of %s are not written or not closed", f.open, f.target)
	}
	if len(f.manifest.Files) == 0 {
		return fmt.Errorf("atomic: %s has no files", f.target)
	}
	f.manifest.Step = step
	slices.SortFunc(f.manifest.Files, ManifestFile.compare)
	if err := f.writeManifest(); err != nil {
		return err
	}
	if err := f.fs.SyncDir(f.temp); err != nil {
		return err
	}
	if verify {
		if _, err := VerifyFolder(f.fs, f.temp); err != nil {
			return err
		}
	}
	if err := f.fs.Rename(f.temp, f.target); err != nil {
		return err
	}
	f.temp = ""
	return f.fs.SyncDir(filepath.Dir(f.target))
}

func (f *Folder) writeManifest() error {
	text, err := json.MarshalIndent(f.manifest, "", "  ")
	if err != nil {
		return err
	}
	out, err := f.fs.Create(filepath.Join(f.temp, ManifestName))
	if err != nil {
		return err
	}
	w := &file{File: out, closed: func(*file) {}}
	w.Write(append(text, '\n')) // Close returns its error
	return w.Close()
}

// Abort removes a folder that was not committed; after Commit it does nothing. Defer it.
func (f *Folder) Abort() error {
	if f.temp == "" {
		return nil
	}
	return f.fs.RemoveAll(f.temp)
}
