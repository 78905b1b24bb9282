package datacmd

import (
	"errors"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
)

// vocabulary says which tokenizer is opened: that of a model, if one is named, or of a file; the other fields come before what the model
// says.
type vocabulary struct {
	Model      string // a folder, the prefix of a checkpoint, or a hub.Ref
	Offline    bool
	File       string // a vocab.txt; - is stdin
	LowerCase  *bool
	KeepTokens []string
}

// vocabularyFlags are flags of a vocabulary.
type vocabularyFlags struct {
	model, file, keepTokens string
	lowerCase, offline      bool
}

// vocabulary returns what the flags say, of which some have been set.
func (f *vocabularyFlags) vocabulary(set func(flag string) bool) vocabulary {
	v := vocabulary{Model: f.model, Offline: f.offline, File: f.file}
	if set("do-lower-case") {
		v.LowerCase = &f.lowerCase
	}
	if f.keepTokens != "" {
		v.KeepTokens = strings.Split(f.keepTokens, ",")
	}
	return v
}

// open opens the tokenizer, and returns how much of a text its model reads.
func (v *vocabulary) open(a *cli.App) (tok *tokenizer.Tokenizer, lengths tokenizer.Lengths, err error) {
	o := &model.Options{LowerCase: v.LowerCase, KeepTokens: v.KeepTokens, Log: func(s string) {
		a.Log.Infof("%s", strings.Replace(s, "do_lower_case is ", "--do-lower-case=", 1))
	}}
	if v.File != "" {
		in, err := a.OpenInput(v.File)
		if err != nil {
			return nil, lengths, err
		}
		defer in.Close()
		o.VocabFile, o.Vocab = v.File, in
	}
	path, err := flags.Local(a, v.Model, v.Offline)
	if err != nil {
		return nil, lengths, err
	}
	tok, lengths, err = model.OpenTokenizer(path, o)
	var keep *tokenizer.KeepError
	if errors.As(err, &keep) {
		return nil, lengths, cli.WithCode(cli.ExitUsage, keep)
	}
	return tok, lengths, cli.WithCode(cli.ExitModel, err)
}
