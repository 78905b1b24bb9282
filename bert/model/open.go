package model

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Options override what Open finds. The zero value, or nil, overrides nothing.
type Options struct {
	ConfigFile     string   // instead of the folder's bert_config.json
	VocabFile      string   // instead of the folder's vocab.txt
	InitCheckpoint string   // instead of the folder's checkpoint: a prefix, or a folder with one
	HiddenAct      string   // instead of the config's, in Google's names ("gelu" is the tanh form)
	LowerCase      *bool    // do_lower_case
	KeepTokens     []string // words that are one token each, such as [NAME]; nil: those of the folder's bertlabel.json
	Threads        int      // 0: runtime.GOMAXPROCS

	// Log is told what the caller should know: what was guessed, skipped or converted, by one goroutine at a time. nil: nobody is.
	Log func(message string)

	logging sync.Mutex
}

func (o *Options) logf(format string, args ...any) {
	if o.Log != nil {
		o.logging.Lock()
		defer o.logging.Unlock()
		o.Log(fmt.Sprintf(format, args...))
	}
}

// files is where the parts of a model lie. Empty paths are absent.
type files struct {
	config, vocab, checkpoint string
	settings, labels          string // written by train
}

// find looks for the parts of the model at path: a folder, or a checkpoint in the folder that holds the rest, or "" if o names
// all three parts.
func find(path string, o *Options) (files, error) {
	f := files{config: o.ConfigFile, vocab: o.VocabFile, checkpoint: o.InitCheckpoint}
	if path == "" {
		if f.config == "" || f.vocab == "" || f.checkpoint == "" {
			return f, errors.New("no model is named: a model folder, or config file, vocabulary and checkpoint together")
		}
		return f, nil
	}
	dir := path
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		dir = filepath.Dir(path) // formats.Open says it if there is no checkpoint
	}
	f.checkpoint = first(f.checkpoint, path)
	f.config = first(f.config, existing(dir, "bert_config.json"))
	f.vocab = first(f.vocab, existing(dir, "vocab.txt"))
	f.settings, f.labels = existing(dir, "bertlabel.json"), existing(dir, "labels.txt")
	return f, f.missing(dir)
}

// missing reports config and vocabulary if they are not there.
func (f *files) missing(dir string) error {
	var errs []error
	if f.config == "" {
		errs = append(errs, fmt.Errorf("model %s: bert_config.json is missing", dir))
	}
	if f.vocab == "" {
		errs = append(errs, fmt.Errorf("model %s: vocab.txt is missing", dir))
	}
	return errors.Join(errs...)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// existing returns the path of the file name in dir, or "" if there is none.
func existing(dir, name string) string {
	if path := filepath.Join(dir, name); isFile(path) {
		return path
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
