package model

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
)

// A tokenizer opened alone is that of the model: of folders of both layouts, of a checkpoint, with and without weights, and with what
// the options say.
func TestOpenTokenizer(t *testing.T) {
	m := tinyWithHead(t, 1, bert.Pooled)
	m.MaxSeqLength = 9
	m.Tokenizer = tokenizerWith(t, m, tokenizer.Options{LowerCase: true, KeepTokens: []string{"[NAME]"}})
	google, hf, alone := saved(t, m), filepath.Join(t.TempDir(), "hf"), filepath.Join(t.TempDir(), "hf")
	for _, dir := range []string{hf, alone} {
		if err := m.SaveHuggingFace(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(alone, "vocab.txt")); err != nil {
		t.Fatal(err)
	}
	no, other := false, filepath.Join(t.TempDir(), "other.txt")
	writeFile(t, other, strings.Join(append(tinyVocab(), "Extra"), "\n")+"\n")
	for _, c := range []struct {
		path string
		o    func() *Options
	}{
		{google, func() *Options { return nil }},
		{filepath.Join(google, CheckpointName), func() *Options { return nil }},
		{hf, func() *Options { return &Options{} }},
		{alone, func() *Options { return nil }},
		{filepath.Join(alone, "model.safetensors"), func() *Options { return nil }},
		{google, func() *Options { return &Options{LowerCase: &no, KeepTokens: []string{"cat"}} }},
	} {
		want := open(t, c.path, c.o())
		got, lengths, err := OpenTokenizer(c.path, c.o())
		if err != nil {
			t.Fatalf("%s: %v", c.path, err)
		}
		if !sameOptions(got.Options(), want.Tokenizer.Options()) || got.Vocab().Size() != want.Tokenizer.Vocab().Size() || lengths.MaxSeqLength != 9 {
			t.Errorf("%s: %+v, %d tokens, lengths.MaxSeqLength %d", c.path, got.Options(), got.Vocab().Size(), lengths.MaxSeqLength)
		}
		if text := "The [NAME] cat"; strings.Join(got.Tokenize(text), " ") != strings.Join(want.Tokenizer.Tokenize(text), " ") {
			t.Errorf("%s: tokens %q", c.path, got.Tokenize(text))
		}
	}
	for _, weights := range []string{CheckpointName + ".index", CheckpointName + ".data-00000-of-00001", "bert_config.json",
		"bertlabel.json", "labels.txt", "checkpoint"} {
		os.Remove(filepath.Join(google, weights))
	}
	var messages []string
	got, lengths, err := OpenTokenizer(google, logged(&messages)) // a vocabulary is all that is left
	if err != nil || !got.Options().LowerCase || lengths.MaxSeqLength != DefaultMaxSeqLength || len(messages) != 1 ||
		!strings.Contains(messages[0], "do_lower_case is true, guessed") {
		t.Errorf("vocabulary alone: lengths.MaxSeqLength %d, %v, logged %q", lengths.MaxSeqLength, err, messages)
	}
	for _, o := range []*Options{{VocabFile: other}, {Vocab: strings.NewReader(readText(t, other))}} {
		for _, path := range []string{"", google} {
			if o.Vocab != nil {
				o.Vocab = strings.NewReader(readText(t, other))
			}
			if got, _, err := OpenTokenizer(path, o); err != nil || got.Vocab().Token(int32(got.Vocab().Size()-1)) != "Extra" {
				t.Errorf("%+v, path %q: %v", o.VocabFile, path, err)
			}
		}
	}
	if got, _, err := OpenTokenizer(other, nil); err != nil || got.Options().LowerCase {
		t.Errorf("a vocabulary file: %v", err)
	}
}

func TestOpenTokenizerRefuses(t *testing.T) {
	dir := saved(t, tiny(t, 1))
	_, _, err := OpenTokenizer("", nil)
	failsWith(t, "nothing named", err, "no vocabulary is named")
	_, _, err = OpenTokenizer(filepath.Join(dir, "none"), nil)
	failsWith(t, "not there", err, "is missing")
	_, _, err = OpenTokenizer(t.TempDir(), nil)
	failsWith(t, "empty folder", err, "vocab.txt is missing")
	_, _, err = OpenTokenizer("", &Options{VocabFile: filepath.Join(dir, "none.txt")})
	if failsWith(t, "no file", err, "none.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	_, _, err = OpenTokenizer(dir, &Options{KeepTokens: []string{"a b"}})
	var keep *tokenizer.KeepError
	if failsWith(t, "white space", err, "vocab.txt", "white space"); !errors.As(err, &keep) || keep.Word != "a b" {
		t.Error(err)
	}
	_, _, err = OpenTokenizer("", &Options{VocabFile: "-", Vocab: strings.NewReader("[UNK]\n")})
	failsWith(t, "no vocabulary", err, "vocabulary -", "[CLS]")
	writeFile(t, filepath.Join(dir, "bertlabel.json"), "{")
	_, _, err = OpenTokenizer(dir, nil)
	failsWith(t, "settings", err, "bertlabel.json")
	writeFile(t, filepath.Join(dir, "bert_config.json"), "{")
	_, _, err = OpenTokenizer(dir, nil)
	failsWith(t, "config", err, "bert_config.json")
}
