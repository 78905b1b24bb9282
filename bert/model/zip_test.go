package model

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
)

// zipOf packs a folder into a zip file, its files below prefix.
func zipOf(t *testing.T, folder, prefix, name string, method uint16) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: prefix + e.Name(), Method: method})
		if err == nil {
			_, err = w.Write([]byte(readText(t, filepath.Join(folder, e.Name()))))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	return file
}

// zipOfTree makes a zip file of all that is in a folder.
func zipOfTree(t *testing.T, folder, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	if err := errors.Join(z.AddFS(os.DirFS(folder)), z.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

// A model is read from the zip file that it was downloaded as, stored or deflated, and nothing is left behind; messages name the zip file.
func TestOpenZip(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	m := tinyWithHead(t, 5, bert.Pooled)
	folder := saved(t, m)
	os.Remove(filepath.Join(folder, "bertlabel.json")) // as in a release
	for _, path := range []string{zipOf(t, folder, "uncased_L-2/", "uncased_L-2.zip", zip.Deflate),
		zipOf(t, folder, "", "uncased.zip", zip.Store), zipOf(t, savedHF(t, m), "a/b/", "X.ZIP", zip.Deflate)} {
		var messages []string
		got := open(t, path, logged(&messages))
		sameWeights(t, got, m)
		if got.Path() != path || got.Folder() != "" || !got.Tokenizer.Options().LowerCase {
			t.Errorf("path %s, folder %q, %+v", got.Path(), got.Folder(), got.Tokenizer.Options())
		}
		if said := strings.Join(messages, "\n"); strings.Contains(said, os.TempDir()+"/bertlabel-zip") {
			t.Errorf("said %s", said)
		}
		tok, _, err := OpenTokenizer(path, nil)
		if err != nil || tok.Size() != m.Tokenizer.Size() {
			t.Errorf("tokenizer: %v", err)
		}
		if c, err := ReadConfig(path, nil); err != nil || c.HiddenSize != m.Encoder.Config.HiddenSize {
			t.Errorf("config: %+v, %v", c, err)
		}
	}
	mac := t.TempDir() // macOS puts a file beside each into a zip file, "._" and its name, some programs the name alone
	for _, dir := range []string{"model", "__MACOSX/model"} {
		os.MkdirAll(filepath.Join(mac, dir), 0o755)
		if err := os.CopyFS(filepath.Join(mac, dir), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	sameWeights(t, open(t, zipOfTree(t, mac, "uncased.zip"), nil), m)
	os.Rename(filepath.Join(mac, "__MACOSX"), filepath.Join(mac, "again"))
	_, err := Open(zipOfTree(t, mac, "uncased.zip"), nil)
	failsWith(t, "two models", err, "found 2 folders with a bert_config.json")
	writeFile(t, filepath.Join(folder, "vocab.txt"), "[UNK]\n")
	broken := zipOf(t, folder, "a/", "broken.zip", zip.Deflate)
	_, err = Open(broken, nil)
	failsWith(t, "a vocabulary without [CLS]", err, broken+"/vocab.txt", "[CLS]")
	two := t.TempDir()
	writeFile(t, filepath.Join(two, "readme.txt"), "nothing")
	none := zipOf(t, two, "", "none.zip", zip.Store)
	_, err = Open(none, nil)
	failsWith(t, "no model", err, none, "found 0 folders with a bert_config.json")
	writeFile(t, filepath.Join(two, "x"), "")
	path := zipOf(t, two, "../", "escape.zip", zip.Store)
	_, err = Open(path, nil)
	failsWith(t, "a name that leaves", err, path, "..")
	writeFile(t, path, "no zip")
	_, err = Open(path, nil)
	failsWith(t, "no zip", err, path, "no zip file")
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "bertlabel-zip-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
