package model

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"bertlabel/asm"
	"bertlabel/bert"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/tensor/parallel"
)

// Options override what Open finds. The zero value, or nil, overrides nothing.
type Options struct {
	ConfigFile     string   // instead of the folder's bert_config.json or config.json
	VocabFile      string   // instead of the folder's vocab.txt; beside Vocab, its name in messages
	InitCheckpoint string   // instead of the folder's checkpoint: a prefix, a safetensors file, or a folder with one
	HiddenAct      string   // instead of the config's, in Google's names ("gelu" is the tanh form)
	LowerCase      *bool    // do_lower_case
	KeepTokens     []string // words that are one token each, such as [NAME]; nil: those of the folder's bertlabel.json
	Threads        int      // 0: runtime.GOMAXPROCS
	// IgnoreVariables are patterns of variables that are left out where the model has no place for them; * stands for anything.
	IgnoreVariables []string
	// Unused is asked for each of these patterns that no variable is called by; its error is that of Open. nil: they are no fault.
	Unused func(pattern string) error

	Vocab io.Reader // the contents of vocab.txt, from wherever they come, instead of any file; read once, and not closed

	// Precision is that of the dense products, and of the weights in memory: docs/precision.md. A model in a low precision can be
	// neither saved nor trained; every CPU runs every precision, some no faster than float32.
	Precision bert.Precision

	// Admit is asked before the weights of the encoder are read, with the bytes that they take, those on their way among them; its error is
	// that of Open. OpenShared does not ask where the encoder is one that is there. nil: everything is admitted.
	Admit func(bytes int) error

	// Embeddings is the precision in which the table of word embeddings is held: FP32, or Int8 with a scale for each word, a quarter of the
	// memory. It goes with every Precision, costs no time and changes bits; the model can then be neither saved nor trained. Others are an
	// error.
	Embeddings bert.Precision

	// Log is told what the caller should know: what was guessed, skipped or converted, by one goroutine at a time. nil: nobody is.
	Log func(message string)
	// Warn is told what makes the model's numbers others than its owner sees elsewhere. nil: Log is.
	Warn func(message string)

	logging sync.Mutex
}

func (o *Options) logf(format string, args ...any) {
	if o.Log != nil {
		o.logging.Lock()
		defer o.logging.Unlock()
		o.Log(fmt.Sprintf(format, args...))
	}
}

func (o *Options) warnf(format string, args ...any) {
	if o.Warn == nil {
		o.logf(format, args...)
		return
	}
	o.logging.Lock()
	defer o.logging.Unlock()
	o.Warn(fmt.Sprintf(format, args...))
}

// Open opens the model at path: a folder of Google's layout (bert_config.json, vocab.txt and a TensorFlow checkpoint) or of Hugging
// Face's (config.json, model.safetensors, and vocab.txt or tokenizer.json), a folder that train wrote, a zip file with one
// of these in it, as Google's releases are downloaded, or a checkpoint beside the other two files. path may be empty if o names all three
// parts. Everything is checked; the error names file, tensor, what
// was found and what was expected, and lists all variables that do not fit at once.
func Open(path string, o *Options) (*Model, error) { return openModel(path, o, nil) }

// openModel is Open; with shared, OpenShared.
func openModel(path string, o *Options, shared *sharing) (*Model, error) {
	if o == nil {
		o = &Options{}
	}
	if isZip(path) {
		return openZip(path, o)
	}
	f, err := find(path, o, true)
	if err != nil {
		return nil, err
	}
	m := &Model{path: path, threads: o.Threads, MaxSeqLength: DefaultMaxSeqLength}
	if m.threads <= 0 {
		m.threads = runtime.GOMAXPROCS(0)
	}
	var config modelConfig
	if f.config != "" {
		if config, err = readConfig(f.config, o); err != nil {
			return nil, err
		}
	}
	if err := f.missing(config.huggingFace); err != nil {
		return nil, err
	}
	m.huggingFace = config.huggingFace
	settings, err := readSettings(f.settings, o)
	if err != nil {
		return nil, err
	}
	if m.Encoder, err = bert.New(config.Config); err != nil {
		return nil, err
	}
	if err := m.setPrecision(o); err != nil {
		return nil, err
	}
	if settings != nil {
		m.Pooling, _ = bert.ParsePooling(settings.Pooling) // readSettings has checked it
		if _, err := m.Encoder.PoolingWidth(m.Pooling); err != nil {
			return nil, fmt.Errorf("%s: %w", f.settings, err)
		}
	}
	var reading parallel.Group // the vocabulary is read while the weights are
	var tokenizerErr error
	reading.Go(func() { tokenizerErr = m.openTokenizer(f, o, settings, &config) })
	err = m.loadWeights(f.checkpoint, o, shared)
	reading.Wait()
	if err := errors.Join(err, tokenizerErr); err != nil {
		return nil, err
	}
	m.MaxSeqLength = min(m.MaxSeqLength, config.MaxPositionEmbeddings)
	if err := m.openHead(f, o, settings, &config); err != nil {
		return nil, err
	}
	if config.huggingFace {
		if err := m.applySentence(f, o); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// setPrecision makes the encoder load its weights in the precision that o asks for.
func (m *Model) setPrecision(o *Options) error {
	if p := o.Embeddings; p != bert.FP32 && p != bert.Int8 {
		return fmt.Errorf("word embeddings in %s: want %s or %s", p, bert.FP32, bert.Int8)
	}
	m.Encoder.SetEmbeddings(o.Embeddings)
	m.Encoder.SetPrecision(o.Precision)
	if p := m.Encoder.Precision(); !p.Fast() {
		o.logf("this CPU, by kernel set %s, is no faster in %s than in %s; it runs all the same", asm.Best.Name, p, bert.FP32)
	}
	return nil
}

// readSettings returns the contents of bertlabel.json, or nil if the folder has none.
func readSettings(path string, o *Options) (*Settings, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readFile(path, bert.MaxConfigBytes)
	if err != nil {
		return nil, err
	}
	s, unknown, err := parseSettings(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(unknown) > 0 {
		o.logf("%s: ignored the unknown keys %s", path, strings.Join(unknown, ", "))
	}
	return s, nil
}

// files is where the parts of a model lie. Empty paths are absent.
type files struct {
	model                     string // as it was named
	config, vocab, checkpoint string
	settings, labels          string // written by train; they belong to the checkpoint

	hfTokenizer, hfTokenizerConfig, hfAddedTokens, hfSpecialTokens string // count beside a config.json only
}

// find looks for the parts of the model at path: a folder, or a checkpoint in the folder that holds the rest, or "" if o names
// all three parts. Without weights the folder need not have a checkpoint, and the vocabulary is all that has to be named.
func find(path string, o *Options, weights bool) (f files, err error) {
	f = files{model: path, config: o.ConfigFile, vocab: o.VocabFile, checkpoint: first(o.InitCheckpoint, path)}
	if o.Vocab != nil {
		f.vocab = first(f.vocab, vocabName)
	}
	switch {
	case path == "" && weights && (f.config == "" || f.vocab == "" || f.checkpoint == ""):
		return f, errors.New("no model is named: a model folder, or config file, vocabulary and checkpoint together")
	case path == "" && f.vocab == "":
		return f, errors.New("no vocabulary is named: a model folder, a checkpoint in one, or a vocab.txt")
	}
	if path != "" && !exists(path) && !exists(path+".index") {
		return f, fmt.Errorf("model %s is missing: no such folder, and no checkpoint %s.index", path, path)
	}
	if kind := partOfFolder(path); kind != "" {
		return f, fmt.Errorf("%s is the %s of a model, not the model: name its folder, %s", path, kind, filepath.Dir(path))
	}
	var beside []string // where what belongs to the checkpoint may lie
	if folder := f.checkpoint; isFolder(folder) {
		if f.checkpoint, err = formats.Find(folder); err != nil && weights {
			return f, cmp.Or(foreignConfig(folder), err)
		}
		beside = []string{folder}
	}
	if f.checkpoint != "" {
		beside = foldersOf(f.checkpoint)
	}
	var folders []string // of the model, if it is named
	if isFolder(path) {
		folders = []string{path}
	} else if path != "" {
		folders = foldersOf(path)
	}
	names := []string{"bert_config.json", hfConfigName}
	if strings.HasSuffix(f.checkpoint, ".safetensors") || strings.HasSuffix(f.checkpoint, ".json") {
		slices.Reverse(names) // both may be there: the one of the checkpoint's kind counts
	}
	f.config = first(f.config, first(existing(folders, names[0]), existing(folders, names[1])))
	f.vocab = first(f.vocab, first(existing(folders, vocabName), existing(assets(folders), vocabName)))
	f.hfTokenizer, f.hfTokenizerConfig = existing(folders, hfTokenizerName), existing(folders, hfTokenizerConfigName)
	f.hfAddedTokens, f.hfSpecialTokens = existing(folders, "added_tokens.json"), existing(folders, "special_tokens_map.json")
	folders = append(beside, folders...)
	f.settings, f.labels = existing(folders, "bertlabel.json"), existing(folders, "labels.txt")
	return f, nil
}

// partOfFolder says what a file is that belongs to a model and is not its weights; "" for all else.
func partOfFolder(path string) string {
	switch name := filepath.Base(path); {
	case path == "" || isFolder(path):
	case name == "bert_config.json" || name == hfConfigName:
		return "config"
	case name == hfTokenizerName || name == hfTokenizerConfigName || strings.HasSuffix(name, ".txt"):
		return "vocabulary"
	case name == "bertlabel.json":
		return "settings file"
	}
	return ""
}

// vocabulary returns the file that has the tokens.
func (f *files) vocabulary() string { return first(f.vocab, f.hfTokenizer) }

// missing reports config and vocabulary if they are not there, unless the checkpoint is the reason that it can be no model.
func (f *files) missing(huggingFace bool) error {
	var errs []error
	if f.config == "" {
		errs = append(errs, fmt.Errorf("model %s: bert_config.json is missing (or Hugging Face's config.json)", f.model))
	}
	if f.vocab == "" && !(huggingFace && f.hfTokenizer != "") {
		errs = append(errs, fmt.Errorf("model %s: vocab.txt is missing (or tokenizer.json beside a config.json)", f.model))
	}
	if len(errs) == 0 {
		return nil
	}
	return cmp.Or(foreign(f.checkpoint), errors.Join(errs...))
}

// assets returns where SavedModels keep the files that belong to them.
func assets(folders []string) (all []string) {
	for _, folder := range folders {
		all = append(all, filepath.Join(folder, "assets"))
	}
	return all
}

// foldersOf returns the folders in which files that belong to a checkpoint may lie.
func foldersOf(prefix string) []string {
	dir := filepath.Dir(prefix)
	if filepath.Base(dir) == "variables" {
		return []string{dir, filepath.Dir(dir)}
	}
	return []string{dir}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// existing returns the path of the file name in the first folder that has something of that name, or "" if none has.
func existing(folders []string, name string) string {
	for _, dir := range folders {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	return ""
}

// isFolder reports whether path is a folder, and not also the prefix of a checkpoint beside it.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	_, err = os.Stat(path + ".index")
	return err != nil
}

// readFile returns the contents of a regular file, and refuses one that is longer than limit.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size > limit {
		return nil, fmt.Errorf("%s: %d bytes long, the limit is %d", path, f.Size, limit)
	}
	data := make([]byte, f.Size)
	if _, err := io.ReadFull(f.Reader(), data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
