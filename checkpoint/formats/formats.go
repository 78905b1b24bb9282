// Package formats opens a checkpoint of whatever format by looking at it.
package formats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/checkpoint/tfbundle"
)

// Names of files that mark a model folder.
const (
	safetensorsName      = "model.safetensors"
	safetensorsIndexName = "model.safetensors.index.json"
	googleName           = "bert_model.ckpt"
)

// Open opens the checkpoint that path names: a V2 prefix P, where P.index is, or one of its files; a V1 file; a safetensors
// file or the index of several; or a folder (Find). A refusal is a *checkpoint.FormatError. Zero limits are the defaults.
func Open(path string, limits checkpoint.Limits) (checkpoint.Source, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() && !exists(path+".index") {
		found, err := Find(path)
		if err != nil {
			return nil, err
		}
		path = found
	}
	switch {
	case exists(path + ".index"):
		return source(tfbundle.Open(path, limits))
	case strings.HasSuffix(path, ".index"):
		return source(tfbundle.Open(strings.TrimSuffix(path, ".index"), limits))
	case strings.HasSuffix(path, ".safetensors"):
		return source(safetensors.Open(path, limits))
	case strings.HasSuffix(path, ".json"):
		if sentence := refusal(strings.TrimSuffix(path, ".index.json"), nil); sentence != "" { // pytorch_model.bin.index.json
			return nil, checkpoint.InFile(checkpoint.Refuse(checkpoint.BadMagic, "the index of %s", sentence), path)
		}
		return source(safetensors.OpenIndex(path, limits))
	}
	if i := strings.LastIndex(path, ".data-"); i >= 0 {
		return source(tfbundle.Open(path[:i], limits))
	}
	if shards := tfbundle.Shards(path); len(shards) > 1 || strings.Contains(path, "?") {
		return source(tfbundle.OpenV1(path, limits))
	}
	return openByContent(path, limits)
}

// source turns a typed nil into none.
func source[S checkpoint.Source](s S, err error) (checkpoint.Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// tableMagic ends every TensorFlow table, and so every V1 file.
var tableMagic = binary.LittleEndian.AppendUint64(nil, 0xdb4775248b80fb57)

// openByContent opens a file whose name says nothing.
func openByContent(path string, limits checkpoint.Limits) (checkpoint.Source, error) {
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, tail := make([]byte, min(32, f.Size)), make([]byte, min(8, f.Size))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(tail, f.Size-int64(len(tail))); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(tail, tableMagic):
		return source(tfbundle.OpenV1(path, limits))
	case len(head) > 8 && head[8] == '{':
		return source(safetensors.Open(path, limits))
	}
	what := "neither a TensorFlow checkpoint nor a safetensors file"
	if sentence := refusal(path, head); sentence != "" {
		what = sentence
	}
	return nil, checkpoint.InFile(checkpoint.Refuse(checkpoint.BadMagic, "%s", what), path)
}

// Find returns the path of the checkpoint in a model folder. A `checkpoint` state file decides. Without one it is the prefix P with
// P.index, here or in variables/; of several the one that is called bert_model.ckpt. Without any it is the V1 file bert_model.ckpt,
// model.safetensors, or model.safetensors.index.json.
func Find(folder string) (string, error) {
	prefix, err := tfbundle.Latest(folder)
	if !stateMissing(err) {
		return prefix, err
	}
	prefixes, err := Prefixes(folder)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(prefixes, func(p string) bool { return filepath.Base(p) == googleName }); i >= 0 {
		return prefixes[i], nil
	}
	if len(prefixes) > 1 {
		err := checkpoint.Refuse(checkpoint.Ambiguous, "several checkpoints, name one of them: %s", strings.Join(prefixes, ", "))
		return "", checkpoint.InFile(err, folder)
	}
	if len(prefixes) == 1 {
		return prefixes[0], nil
	}
	if path := filepath.Join(folder, googleName); isFile(path) {
		return path, nil
	}
	for _, name := range []string{safetensorsName, safetensorsIndexName} {
		if path := filepath.Join(folder, name); exists(path) {
			return path, nil
		}
	}
	err = checkpoint.Refuse(checkpoint.MissingFile, "no checkpoint in this folder: want P.index and P.data-00000-of-00001, or %s%s",
		safetensorsName, hint(folder))
	return "", checkpoint.InFile(err, folder)
}

// stateMissing reports whether there is no state file, as against one that is wrong.
func stateMissing(err error) bool {
	var e *checkpoint.FormatError
	return errors.As(err, &e) && filepath.Base(e.File) == tfbundle.StateFile && errors.Is(err, fs.ErrNotExist)
}

// Prefixes returns the V2 prefixes in a folder and in its variables/, sorted.
func Prefixes(folder string) ([]string, error) {
	var prefixes []string
	for _, dir := range []string{folder, filepath.Join(folder, "variables")} {
		files, err := os.ReadDir(dir)
		if err != nil && (dir == folder || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		for _, f := range files {
			if prefix, ok := strings.CutSuffix(f.Name(), ".index"); ok {
				prefixes = append(prefixes, filepath.Join(dir, prefix))
			}
		}
	}
	return prefixes, nil
}
