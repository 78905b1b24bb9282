package model

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bertlabel/bert"
)

// A stamp changes with each file that makes the model, and with nothing else that stands in the folder or happens to it.
func TestStamp(t *testing.T) {
	t.Parallel()
	m := tinyWithHead(t, 3, bert.Mean)
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	stamp := func() []byte {
		t.Helper()
		s, err := Stamp(dir, nil)
		if err != nil || len(s) != 32 {
			t.Fatalf("%x, %v", s, err)
		}
		return s
	}
	before := stamp()
	if err := os.WriteFile(filepath.Join(dir, "metrics.csv"), []byte("step\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	dir = moved
	if !bytes.Equal(stamp(), before) {
		t.Error("a stamp changes with what is not the model's")
	}
	for _, name := range []string{"bert_config.json", "vocab.txt", "labels.txt", "bertlabel.json", "bert_model.ckpt.index"} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(stamp(), before) {
			t.Errorf("another %s has the same stamp", name)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(stamp(), before) {
			t.Errorf("the old %s has another stamp", name)
		}
	}
	if s, err := Stamp(dir, &Options{VocabFile: filepath.Join(dir, "labels.txt")}); err != nil || bytes.Equal(s, before) {
		t.Errorf("another vocabulary: %x, %v", s, err)
	}
	if _, err := Stamp(filepath.Join(dir, "none"), nil); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

// Of safetensors count header, size and time, of a zip file its directory.
func TestStampOfOthers(t *testing.T) {
	t.Parallel()
	m := tiny(t, 3)
	dir := filepath.Join(t.TempDir(), "hf")
	if err := m.SaveHuggingFace(dir); err != nil {
		t.Fatal(err)
	}
	first, err := Stamp(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(dir, "model.safetensors")
	if err := os.Chtimes(weights, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if again, err := Stamp(dir, &Options{Precision: bert.Int8}); err != nil || bytes.Equal(first, again) {
		t.Errorf("another time has the same stamp, %v", err)
	}
	zipped := zipOf(t, dir, "a/", "model.zip", zip.Deflate)
	before, err := Stamp(zipped, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Stamp(zipOf(t, dir, "a/", "other.zip", zip.Store), nil); err != nil || !bytes.Equal(before, again) {
		t.Errorf("the same files packed otherwise: %x, %v, want %x", again, err, before)
	}
	if err := os.Truncate(weights, 4); err != nil {
		t.Fatal(err)
	}
	if _, err := Stamp(dir, nil); err == nil {
		t.Error("no error for weights of 4 bytes")
	}
}
