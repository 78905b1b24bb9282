package model

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/archive"
)

// maxUnpacked is the most that a zip file with a model may unpack to: several times the largest BERT with the state of its optimizer.
const maxUnpacked = 32 << 30

// isZip reports whether a model is a zip file, as Google's releases are downloaded: uncased_L-12_H-768_A-12.zip.
func isZip(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && strings.EqualFold(filepath.Ext(path), ".zip")
}

// unzipped is the folder of a model in a zip file, unpacked for as long as it is being read.
type unzipped struct {
	zip    string // the zip file
	folder string // of the model, which ends in the names of the zip file and of the folder in it: they may say "uncased"
	temp   string // above it
}

// unzip unpacks the model of a zip file into a folder of its own among the temporary files: the one folder in the zip that has a config
// and,
// without weights, only its small files. Names that leave a folder, links, members that overlap and bombs are refused (package archive).
func unzip(zipFile string, weights bool) (*unzipped, error) {
	f, err := os.Open(zipFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	z, err := archive.Open(f, info.Size(), zipFile, maxUnpacked)
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, m := range z.Members {
		if base := path.Base(m.Name); (base == "bert_config.json" || base == hfConfigName) && !strings.Contains(m.Name, "__MACOSX/") {
			folders = append(folders, path.Dir(m.Name))
		}
	}
	if len(folders) != 1 {
		return nil, fmt.Errorf("%s: found %d folders with a bert_config.json or config.json in it %q, expected one: a model; unpack it and name "+
			"the folder", zipFile, len(folders), folders)
	}
	u := &unzipped{zip: zipFile}
	if u.temp, err = os.MkdirTemp("", "bertlabel-zip-*"); err != nil {
		return nil, err
	}
	name := filepath.Base(zipFile)
	u.folder = filepath.Join(u.temp, strings.TrimSuffix(name, filepath.Ext(name)), path.Base(folders[0]))
	if err := u.unpack(z, folders[0], weights); err != nil {
		u.remove()
		return nil, u.named(err)
	}
	return u, nil
}

// unpack writes the files that stand directly in a folder of the zip file.
func (u *unzipped) unpack(z *archive.Zip, folder string, weights bool) error {
	if err := os.MkdirAll(u.folder, 0o700); err != nil {
		return err
	}
	for _, m := range z.Members {
		if path.Dir(m.Name) != folder || !weights && m.Bytes > maxVocabBytes {
			continue
		}
		f, err := os.OpenFile(filepath.Join(u.folder, path.Base(m.Name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(z.Copy(f, m), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (u *unzipped) remove() { os.RemoveAll(u.temp) }

// shown returns a text with the zip file in place of the folder that it was unpacked to.
func (u *unzipped) shown(text string) string {
	return strings.NewReplacer(u.folder, u.zip, u.temp, u.zip).Replace(text)
}

// zipError is an error about an unpacked file that names the zip file.
type zipError struct {
	text string
	err  error
}

func (e *zipError) Error() string { return e.text }
func (e *zipError) Unwrap() error { return e.err }

func (u *unzipped) named(err error) error {
	if err == nil {
		return nil
	}
	var format *checkpoint.FormatError
	if errors.As(err, &format) {
		format.File = u.shown(format.File)
	}
	return &zipError{u.shown(err.Error()), err}
}

// options returns those for the unpacked folder, whose messages name the zip file.
func (u *unzipped) options(o *Options) *Options {
	return &Options{ConfigFile: o.ConfigFile, VocabFile: o.VocabFile, InitCheckpoint: o.InitCheckpoint, HiddenAct: o.HiddenAct,
		LowerCase: o.LowerCase, KeepTokens: o.KeepTokens, Threads: o.Threads, IgnoreVariables: o.IgnoreVariables, Unused: o.Unused, Vocab: o.Vocab,
		Precision: o.Precision, Log: func(message string) { o.logf("%s", u.shown(message)) },
		Warn: func(message string) { o.warnf("%s", u.shown(message)) }}
}

// openZip is Open for a zip file.
func openZip(path string, o *Options) (*Model, error) {
	u, err := unzip(path, true)
	if err != nil {
		return nil, err
	}
	defer u.remove()
	m, err := Open(u.folder, u.options(o))
	if err != nil {
		return nil, u.named(err)
	}
	m.path, m.zipped = path, true
	return m, nil
}

// openZipTokenizer is OpenTokenizer for a zip file.
func openZipTokenizer(path string, o *Options) (*tokenizer.Tokenizer, tokenizer.Lengths, error) {
	u, err := unzip(path, false)
	if err != nil {
		return nil, tokenizer.Lengths{}, err
	}
	defer u.remove()
	t, lengths, err := OpenTokenizer(u.folder, u.options(o))
	return t, lengths, u.named(err)
}

// readZipConfig is ReadConfig for a zip file.
func readZipConfig(path string, o *Options) (c bert.Config, err error) {
	u, err := unzip(path, false)
	if err != nil {
		return c, err
	}
	defer u.remove()
	f, err := find(u.folder, u.options(o), false)
	if err != nil {
		return c, u.named(err)
	}
	config, err := readConfig(f.config, u.options(&Options{HiddenAct: o.HiddenAct}))
	return config.Config, u.named(err)
}
