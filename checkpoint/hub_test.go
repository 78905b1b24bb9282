package checkpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The links of a hub cache lead to its blobs; a link to anywhere else is refused, in a cache too.
func TestOpenInCache(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	put := func(path, text string) string {
		path = filepath.Join(top, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	blob, secret := put("hub/models--a--b/blobs/0af1", "weights"), put("home/secret", "secret")
	put("hub/models--a--b/refs/main", "abc")
	other := put("elsewhere/blobs/0af1", "not of a cache")
	for i, c := range []struct {
		folder, link string
		ok           bool
	}{
		{"hub/models--a--b/snapshots/abc", "../../blobs/0af1", true},
		{"hub/models--a--b/snapshots/abc", "../../../../home/secret", false},
		{"hub/models--a--b/snapshots/abc", secret, false},
		{"hub/models--a--b/snapshots/abc", "../../blobs", false}, // a folder
		{"hub/models--a--b/snapshots/abc", "../../blobs/none", false},
		{"download", blob, true},
		{"download", secret, false},
		{"download", other, false},
		{"download", "../hub/models--a--b/refs/main", false},
		{"download", "beside", true},
	} {
		folder := filepath.Join(top, c.folder)
		name := "x" + string(rune('a'+i))
		put(filepath.Join(c.folder, "beside"), "beside")
		if err := os.Symlink(c.link, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{folder, folder + string(filepath.Separator) + "."} {
			root, err := os.OpenRoot(folder)
			if err != nil {
				t.Fatal(err)
			}
			f, err := OpenIn(root, name)
			if (err == nil) != c.ok {
				t.Errorf("%s/%s → %s: %v", c.folder, name, c.link, err)
			}
			if f != nil {
				f.Close()
			} else if !strings.Contains(err.Error(), name) {
				t.Errorf("%v does not name %s", err, name)
			}
			root.Close()
		}
	}
}
