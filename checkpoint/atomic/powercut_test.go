package atomic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// disk is a file system in memory that knows what a power cut would leave. A file keeps the bytes of its last Sync; of
// the names in a folder those of its last SyncDir are sure, and of the changes since any subset may have reached the disk.
type disk struct {
	root  *node
	ops   int // operations done
	cutAt int // the operation at which the power goes, 0 for never
}

type node struct {
	text, synced []byte
	names        map[string]*node // as the running system sees them; nil for a file
	durable      map[string]*node
	pending      []func(names map[string]*node)
}

var errPower = errors.New("power cut")

func newDisk() *disk { return &disk{root: folderNode()} }

func folderNode() *node { return &node{names: map[string]*node{}, durable: map[string]*node{}} }

func (d *disk) step() error {
	if d.ops++; d.cutAt > 0 && d.ops >= d.cutAt {
		return errPower
	}
	return nil
}

func (d *disk) find(path string) *node {
	n := d.root
	for _, name := range strings.Split(strings.Trim(filepath.ToSlash(path), "/"), "/") {
		if n == nil || name == "" || name == "." {
			continue
		}
		n = n.names[name]
	}
	return n
}

// change does something to the names of a folder.
func (n *node) change(do func(names map[string]*node)) {
	do(n.names)
	n.pending = append(n.pending, do)
}

func (d *disk) Create(name string) (File, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	f := &node{}
	d.find(filepath.Dir(name)).change(func(names map[string]*node) { names[filepath.Base(name)] = f })
	return &diskFile{d, f}, nil
}

func (d *disk) Open(name string) (io.ReadCloser, error) {
	if n := d.find(name); n != nil {
		return io.NopCloser(bytes.NewReader(n.text)), nil
	}
	return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
}

func (d *disk) Mkdir(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	n := folderNode()
	d.find(filepath.Dir(name)).change(func(names map[string]*node) { names[filepath.Base(name)] = n })
	return nil
}

func (d *disk) Rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	n := d.find(from)
	d.find(filepath.Dir(to)).change(func(names map[string]*node) {
		delete(names, filepath.Base(from))
		names[filepath.Base(to)] = n
	})
	return nil
}

func (d *disk) RemoveAll(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.find(filepath.Dir(name)).change(func(names map[string]*node) { delete(names, filepath.Base(name)) })
	return nil
}

func (d *disk) List(dir string) (names []string, err error) {
	for name := range d.find(dir).names {
		names = append(names, name)
	}
	return names, nil
}

func (d *disk) SyncDir(dir string) error {
	if err := d.step(); err != nil {
		return err
	}
	n := d.find(dir)
	for _, do := range n.pending {
		do(n.durable)
	}
	n.pending = nil
	return nil
}

func (d *disk) Free(string) (int64, error) { return 1 << 40, nil }

type diskFile struct {
	d *disk
	n *node
}

func (f *diskFile) Write(p []byte) (int, error) {
	if err := f.d.step(); err != nil {
		return 0, err
	}
	f.n.text = append(f.n.text, p...)
	return len(p), nil
}

func (f *diskFile) Sync() error {
	if err := f.d.step(); err != nil {
		return err
	}
	f.n.synced = slices.Clone(f.n.text)
	return nil
}

func (f *diskFile) Close() error { return f.d.step() }

// after calls check with every disk that the power cut may have left.
func (d *disk) after(check func(d *disk)) {
	d.root.after(func(n *node) { check(&disk{root: n}) })
}

// after calls yield with every state of n and all below it.
func (n *node) after(yield func(*node)) {
	if n.names == nil {
		yield(&node{text: n.synced})
		if !bytes.Equal(n.synced, n.text) {
			yield(&node{text: n.text[:len(n.text)/2]})
			yield(&node{text: n.text})
		}
		return
	}
	for subset := range 1 << len(n.pending) {
		names := map[string]*node{}
		for name, child := range n.durable {
			names[name] = child
		}
		for i, do := range n.pending {
			if subset>>i&1 == 1 {
				do(names)
			}
		}
		sorted := []string{}
		for name := range names {
			sorted = append(sorted, name)
		}
		product(names, sorted, map[string]*node{}, yield)
	}
}

// product calls yield with the states of all children, combined.
func product(names map[string]*node, left []string, done map[string]*node, yield func(*node)) {
	if len(left) == 0 {
		n := folderNode()
		for name, child := range done {
			n.names[name] = child
		}
		yield(n)
		return
	}
	names[left[0]].after(func(child *node) {
		done[left[0]] = child
		product(names, left[1:], done, yield)
	})
}

// TestPowerCut cuts the power after every operation of a save and looks at every state that the disk may then be in
// (RELIABILITY C3): the old folder verifies, the new one is absent or verifies.
func TestPowerCut(t *testing.T) {
	states := 0
	for cut := 1; ; cut++ {
		d := newDisk()
		if err := saveFolder(d, "ckpt-1", 1); err != nil {
			t.Fatal(err)
		}
		d.ops, d.cutAt = 0, cut
		err := saveFolder(d, "ckpt-2", 2)
		d.after(func(left *disk) {
			states++
			if _, err := VerifyFolder(left, "ckpt-1"); err != nil {
				t.Errorf("cut at %d: the old folder: %v", cut, err)
			}
			if left.find("ckpt-2") == nil {
				if err == nil {
					t.Errorf("cut at %d: saved, and gone", cut)
				}
				return
			}
			if _, err := VerifyFolder(left, "ckpt-2"); err != nil {
				t.Errorf("cut at %d: the new folder: %v", cut, err)
			}
		})
		if err == nil {
			break
		}
	}
	if states < 50 {
		t.Errorf("only %d states", states)
	}
}

// TestPowerCutOfFiles is the same for an index and data that replace older ones.
func TestPowerCutOfFiles(t *testing.T) {
	for cut := 1; ; cut++ {
		d := newDisk()
		if err := saveFiles(d, ".", "-old"); err != nil {
			t.Fatal(err)
		}
		d.ops, d.cutAt = 0, cut
		err := saveFiles(d, ".", "-new")
		d.after(func(left *disk) { checkPair(t, fmt.Sprint("cut at ", cut), left, ".") })
		if err == nil {
			return
		}
	}
}
