package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// folderHint is a model that is refused with a fix in the message. damage and repair work on the folder; words name the model, and
// fixed do so in the way that the message asks for, each by DIR for the folder.
type folderHint struct {
	name           string
	damage, repair func(t *testing.T, dir string)
	words, fixed   string
	hint           string
}

var folderHints = []folderHint{
	{name: "config as the model", words: "DIR/bert_config.json", fixed: "DIR", hint: "name its folder, DIR"},
	{name: "vocabulary as the model", words: "DIR/vocab.txt", fixed: "DIR", hint: "name its folder, DIR"},
	{name: "gzip", damage: packed("vocab.txt"), words: "DIR", hint: "unpack it with gunzip", fixed: "DIR",
		repair: func(t *testing.T, dir string) {
			path := filepath.Join(dir, "vocab.txt")
			r, err := gzip.NewReader(bytes.NewReader(readFile(t, path)))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			cmdtest.WriteFile(t, path, string(text))
		}},
	{name: "pointer of Git LFS", words: "DIR", fixed: "DIR", hint: "git lfs pull",
		damage: replaced("bert_model.ckpt.index", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
		repair: restored("bert_model.ckpt.index")},
	{name: "web page", words: "DIR", fixed: "DIR", hint: "fetch the file by its own address",
		damage: replaced("bert_config.json", "<!DOCTYPE html><title>Sign in</title>"), repair: restored("bert_config.json")},
	{name: "zip of two models", words: "DIR.zip", fixed: "DIR.unpacked/one", hint: "unpack it and name the folder",
		damage: func(t *testing.T, dir string) {
			var b bytes.Buffer
			w := zip.NewWriter(&b)
			for _, name := range []string{"one/bert_config.json", "two/bert_config.json"} {
				f, err := w.Create(name)
				if err != nil {
					t.Fatal(err)
				}
				f.Write(readFile(t, filepath.Join(dir, "bert_config.json")))
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			cmdtest.WriteFile(t, dir+".zip", b.String())
		},
		repair: func(t *testing.T, dir string) {
			if err := errors.Join(os.Mkdir(dir+".unpacked", 0o777), os.CopyFS(filepath.Join(dir+".unpacked", "one"), os.DirFS(dir))); err != nil {
				t.Fatal(err)
			}
		}},
	{name: "a variable that no model has", words: "DIR", fixed: "DIR --ignore-variables */mine", hint: "--ignore-variables PATTERNS",
		damage: func(t *testing.T, dir string) {
			src, err := formats.Open(filepath.Join(dir, model.CheckpointName), checkpoint.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			all := []checkpoint.Tensor{checkpoint.Float32Tensor("bert/pooler/dense/kernel/mine", []int{1}, []float32{0})}
			for _, info := range src.Tensors() {
				raw, err := src.ReadRaw(info.Name)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, checkpoint.Tensor{Name: info.Name, DType: info.DType, Shape: info.Shape, Bytes: raw})
			}
			create := func(name string) (io.WriteCloser, error) { return os.Create(filepath.Join(dir, name)) }
			if err := tfbundle.Write(create, model.CheckpointName, all); err != nil {
				t.Fatal(err)
			}
		}},
	{name: "no vocabulary", words: "DIR", fixed: "DIR --vocab-file DIR/words", hint: "vocab",
		damage: func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "vocab.txt"), filepath.Join(dir, "words")); err != nil {
				t.Fatal(err)
			}
		}},
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// packed packs a file by gzip, under its own name.
func packed(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(readFile(t, filepath.Join(dir, name)))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		cmdtest.WriteFile(t, filepath.Join(dir, name), b.String())
	}
}

// replaced puts another text into a file and keeps what it was; restored brings that back, as the right download would.
func replaced(name, text string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, dir+".kept"); err != nil {
			t.Fatal(err)
		}
		cmdtest.WriteFile(t, path, text)
	}
}

func restored(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		if err := os.Rename(dir+".kept", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// A model that is refused is taken when what the message says has been done.
func TestFolderHintsHelp(t *testing.T) {
	t.Parallel()
	for _, c := range folderHints {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Pooled, []string{"joy", "anger"}))
			run := func(words string) (stderr string, code int) {
				args := append([]string{"predict", "--text", "the cat", "--model"}, strings.Fields(strings.ReplaceAll(words, "DIR", dir))...)
				_, stderr, code = bertlabel(t, "", args...)
				return stderr, code
			}
			if c.damage != nil {
				c.damage(t, dir)
			}
			if stderr, code := run(c.words); code == cli.ExitOK || code == cli.ExitInternal ||
				!strings.Contains(stderr, strings.ReplaceAll(c.hint, "DIR", dir)) {
				t.Errorf("exit %d, %.500s\nwant the fix %q", code, stderr, c.hint)
			}
			if c.repair != nil {
				c.repair(t, dir)
			}
			if stderr, code := run(c.fixed); code != cli.ExitOK {
				t.Errorf("fixed: exit %d, %.500s", code, stderr)
			}
		})
	}
}
