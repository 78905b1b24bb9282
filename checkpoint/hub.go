package checkpoint

import (
	"os"
	"path/filepath"
	"strings"
)

// A name that stands inside a file must not lead out of the model's folder (os.Root): whoever made the file could otherwise have any file
// of the machine read. A folder that the cache of the Hugging Face Hub has made is told apart by its shape, and is the user's own:
//
//	models--owner--name/snapshots/REVISION/model-00001-of-00002.safetensors → ../../blobs/HASH
//
// There the folder above snapshots takes the place of the model's folder, and nothing may lead out of that. A folder that was downloaded
// with
// links into the cache may have its links lead to files in models--…/blobs, which are downloads and nothing else.

// openLink opens a name of a folder that is a link out of it, if the link is one of the hub's cache; else it returns nil and no error.
func openLink(root *os.Root, name string) (*File, error) {
	info, err := root.Lstat(name)
	folder, errFolder := filepath.EvalSymlinks(root.Name())
	if err != nil || info.Mode()&os.ModeSymlink == 0 || errFolder != nil {
		return nil, nil
	}
	path := filepath.Join(root.Name(), name)
	if above := filepath.Dir(folder); filepath.Base(above) == "snapshots" {
		cache, err := os.OpenRoot(filepath.Dir(above))
		if err != nil {
			return nil, err
		}
		defer cache.Close()
		inCache := filepath.Join("snapshots", filepath.Base(folder), name)
		if _, err := cache.Stat(inCache); err == nil {
			return openRegular(inCache, path, cache.Stat, cache.Open)
		}
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, nil
	}
	blobs := filepath.Dir(target)
	if filepath.Base(blobs) != "blobs" || !strings.HasPrefix(filepath.Base(filepath.Dir(blobs)), "models--") {
		return nil, nil
	}
	return openRegular(target, path, os.Stat, os.Open)
}
