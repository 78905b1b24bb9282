package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that begins as something else is refused by what it is, unless bytes of its own kind may begin so.
func TestRecognize(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"vocab.txt", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
		{"x.data-00000-of-00001", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
		{"config.json", "\xef\xbb\xbf \n<!DOCTYPE HTML>", "a web page"},
		{"model.safetensors", "<html><head>", "a web page"},
		{"model.safetensors", "PK\x03\x04\x14\x00\x00\x00\x08", "a zip archive"},
		{"model.safetensors", "\x80\x02\x8a\x0a", "a pickle"},
		{"model.safetensors", "\x80\x02\x00\x00\x00\x00\x00\x00{}", ""}, // a header of 640 bytes
		{"vocab.txt", "\x1f\x8b\x08", "gunzip"},
		{"x.data-00000-of-00001", "\x1f\x8b\x08", ""}, // floats
		{"vocab.txt", "[PAD]\n", ""},
		{"empty.txt", "", ""},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(path)
		if err == nil {
			f.Close()
		}
		refused := new(FormatError)
		if c.says == "" && err != nil || c.says != "" && (!errors.As(err, &refused) || refused.Class != BadMagic || refused.File != path ||
			!strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s %q: %v, want %q", c.name, c.text, err, c.says)
		}
	}
	if Foreign([]byte("{")) != "" || Foreign([]byte("\x80\x05")) != pickle {
		t.Error("Foreign")
	}
}
