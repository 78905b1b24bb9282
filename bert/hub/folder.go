package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/inspect"
)

// ReceiptName is the file of a pulled folder that says where it is from.
const ReceiptName = "pull.json"

// Receipt is what pull.json says.
type Receipt struct {
	FormatVersion int           `json:"format_version"`    // 1
	Source        string        `json:"source"`            // as ParseRef parses it
	URL           string        `json:"url"`               // of the zip file, or of the repository
	Commit        string        `json:"commit,omitempty"`  // of a repository
	Licence       string        `json:"licence,omitempty"` // by the host's word
	Zip           *ReceiptFile  `json:"zip,omitempty"`     // the files are from
	Files         []ReceiptFile `json:"files"`             // sorted by name
}

// ReceiptFile is one file of a pulled folder.
type ReceiptFile struct {
	Name    string `json:"name"` // with slashes
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`            // as it came
	Checked string `json:"checked,omitempty"` // which hash of the host's it was compared with; "": it is ours
}

// disk is what a pull needs of the file system: tests make every single operation fail.
type disk interface {
	atomic.FS
	Append(name string) (atomic.File, error) // a new file, or the end of one
}

type osDisk struct{ atomic.OS }

// Append implements disk.
func (osDisk) Append(name string) (atomic.File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
}

func mkdirAll(dir string) error { return os.MkdirAll(dir, 0o777) }

// work is a folder in the making: target.partial, with a lock, and in it the folder files that will be the target. What a pull that was
// stopped has left there is used again.
type work struct {
	c               *Client
	target, partial string
	endpoint        string // that the URLs of the files begin with
	lock            *atomic.Lock
	receipt         Receipt
	done            Progress
}

// filesDir and sourceName are what stands in a partial folder, besides the lock and a zip file.
const (
	filesDir   = "files"
	sourceName = "source"
)

// pull brings what p plans into target. reuse says that a whole target which another process made meanwhile will do.
func (c *Client) pull(ctx context.Context, p *plan, target string, reuse bool) (*Receipt, error) {
	w := &work{c: c, target: filepath.Clean(target), partial: filepath.Clean(target) + ".partial"}
	if err := w.begin(ctx); err != nil {
		return nil, err
	}
	defer w.end()
	if reuse && whole(w.target) {
		return readReceipt(w.target)
	}
	if err := w.checkTarget(); err != nil {
		return nil, err
	}
	if err := w.clear(p.source + " " + p.commit); err != nil {
		return nil, err
	}
	if err := w.checkSpace(p.bytes); err != nil {
		return nil, err
	}
	w.endpoint = p.url
	w.receipt = Receipt{FormatVersion: 1, Source: p.source, URL: p.url, Commit: p.commit, Licence: p.licence}
	w.done.Of = p.bytes
	if err := p.fetch(ctx, w); err != nil {
		return nil, err
	}
	return &w.receipt, w.commit()
}

// begin makes the partial folder and locks it. It waits for a process that has the lock.
func (w *work) begin(ctx context.Context) error {
	said := false
	for {
		if err := w.c.disk.Mkdir(w.partial); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		lock, err := atomic.Acquire(w.partial)
		switch {
		case err == nil:
			w.lock = lock
			return nil
		case errors.Is(err, fs.ErrNotExist): // its owner has removed the folder in between
			continue
		case !errors.Is(err, atomic.ErrLocked):
			return err
		}
		if !said {
			w.c.logf("another process is pulling the same into %s: waiting for it", w.target)
			said = true
		}
		if err := w.c.sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// end gives the lock back. What a stopped pull leaves stays; the folder goes when nothing is in it.
func (w *work) end() {
	w.lock.Release()
	os.Remove(w.partial)
}

// checkTarget refuses a folder that has something in it.
func (w *work) checkTarget() error {
	entries, err := os.ReadDir(w.target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return &fs.PathError{Op: "pull", Path: w.target, Err: fs.ErrExist}
	}
	return nil
}

// clear empties the partial folder unless it is for the same source.
func (w *work) clear(source string) error {
	path := filepath.Join(w.partial, sourceName)
	if old, err := os.ReadFile(path); err == nil && string(old) == source {
		return nil
	}
	names, err := w.c.disk.List(w.partial)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != atomic.LockName {
			if err := w.c.disk.RemoveAll(filepath.Join(w.partial, name)); err != nil {
				return err
			}
		}
	}
	if err := w.c.disk.Mkdir(filepath.Join(w.partial, filesDir)); err != nil {
		return err
	}
	return atomic.WriteFile(w.c.disk, path, func(out io.Writer) error {
		_, err := io.WriteString(out, source)
		return err
	})
}

// checkSpace refuses what the disk cannot hold, less what is there already.
func (w *work) checkSpace(need int64) error {
	filepath.WalkDir(w.partial, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				need -= info.Size()
			}
		}
		return nil // the estimate may be off: writing says it all
	})
	return atomic.CheckSpace(w.c.disk, w.partial, max(need, 0))
}

// path returns where a file of the folder is.
func (w *work) path(name string) string {
	return filepath.Join(w.partial, filesDir, filepath.FromSlash(name))
}

// write makes a file of the folder by itself. check is what it was compared with.
func (w *work) write(name, check string, fill func(io.Writer) error) error {
	path := w.path(name)
	if err := w.c.disk.RemoveAll(path); err != nil {
		return err
	}
	out, err := w.c.disk.Create(path)
	if err != nil {
		return err
	}
	s := newSums(&remote{})
	err = fill(io.MultiWriter(out, s))
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	w.receipt.Files = append(w.receipt.Files, ReceiptFile{name, s.n, fmt.Sprintf("%x", s.sha256.Sum(nil)), check})
	return nil
}

// count tells of n more bytes of a file.
func (w *work) count(name string, n int64, old bool) {
	w.done.Bytes += n
	w.done.File, w.done.Interrupted = strings.TrimPrefix(name, "../"), old
	if w.c.Progress != nil && n != 0 {
		w.c.Progress(w.done)
	}
}

// total sets how many bytes will come all together.
func (w *work) total(n int64) { w.done.Of = n }

// commit checks the weights by their format's own checksums, writes the receipt and gives the folder its name.
func (w *work) commit() error {
	files := filepath.Join(w.partial, filesDir)
	slices.SortFunc(w.receipt.Files, func(a, b ReceiptFile) int { return strings.Compare(a.Name, b.Name) })
	if err := w.removeOthers(files); err != nil {
		return err
	}
	if err := verify(files); err != nil {
		return err
	}
	text, err := json.MarshalIndent(w.receipt, "", "  ")
	if err != nil {
		return err
	}
	err = atomic.WriteFile(w.c.disk, filepath.Join(files, ReceiptName), func(out io.Writer) error {
		_, err := out.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	if err := w.syncFolders(files); err != nil {
		return err
	}
	if err := os.Remove(w.target); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty folder, or nothing
		return err
	}
	if err := w.c.disk.Rename(files, w.target); err != nil {
		return err
	}
	err = w.c.disk.SyncDir(filepath.Dir(w.target))
	for _, name := range []string{sourceName, "release.zip"} {
		err = errors.Join(err, w.c.disk.RemoveAll(filepath.Join(w.partial, name)))
	}
	return err
}

// removeOthers removes what an earlier pull has left and the receipt does not list.
func (w *work) removeOthers(files string) error {
	listed := map[string]bool{".": true}
	for _, f := range w.receipt.Files {
		for name := f.Name; name != "."; name = filepath.ToSlash(filepath.Dir(name)) {
			listed[name] = true
		}
	}
	return filepath.WalkDir(files, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(files, path)
		if err != nil || listed[filepath.ToSlash(name)] {
			return err
		}
		if err := w.c.disk.RemoveAll(path); err != nil || !d.IsDir() {
			return err
		}
		return fs.SkipDir
	})
}

// syncFolders makes the names in all folders durable.
func (w *work) syncFolders(files string) error {
	return filepath.WalkDir(files, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = w.c.disk.SyncDir(path)
		}
		return err
	})
}

// verify reads all weights of a folder.
func verify(dir string) error {
	src, err := formats.Open(dir, checkpoint.Limits{})
	if err != nil {
		return err
	}
	defer src.Close()
	_, err = inspect.Describe(src, inspect.Options{Verify: true})
	return err
}

// readReceipt reads the receipt of a folder.
func readReceipt(dir string) (*Receipt, error) {
	text, err := os.ReadFile(filepath.Join(dir, ReceiptName))
	if err != nil {
		return nil, err
	}
	var r Receipt
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, ReceiptName), err)
	}
	return &r, nil
}

// whole reports whether a folder has a receipt, and every file of it in its length.
func whole(dir string) bool {
	r, err := readReceipt(dir)
	if err != nil || r.FormatVersion != 1 || len(r.Files) == 0 {
		return false
	}
	for _, f := range r.Files {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.Name)))
		if err != nil || info.Size() != f.Bytes {
			return false
		}
	}
	return true
}
