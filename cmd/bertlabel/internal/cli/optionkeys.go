package cli

import (
	"errors"
	"regexp"
	"strings"

	"bertlabel/asm"
	"bertlabel/bert/hub"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
)

// The library knows no flags. Where a sentence of its own names an option it does so by the key of config files in backquotes,
// `on_bad_row`, or in a field of its own (data.OptionError.Option); the command line shows the flag, --on-bad-row. What the library
// quotes from a file stays as it is, whatever stands in it.

// optionKey is an option in a sentence of the library.
var optionKey = regexp.MustCompile("`[a-z][a-z0-9]*(_[a-z0-9]+)*`")

// AsFlags returns a sentence of the library with flags for its options.
func AsFlags(sentence string) string {
	return optionKey.ReplaceAllStringFunc(sentence, func(key string) string { return asFlag(strings.Trim(key, "`")) })
}

// asFlag returns the flag that an option's key stands for.
func asFlag(key string) string { return "--" + strings.ReplaceAll(key, "_", "-") }

// errorText returns the text of an error with flags for options. Errors of the library may be anywhere in it.
func errorText(err error) string {
	text := err.Error()
	for _, e := range errorTree(err) {
		if flagged := flagged(e); flagged != nil {
			text = strings.Replace(text, e.Error(), flagged.Error(), 1)
		}
	}
	return text
}

// errorTree returns an error and all that it wraps.
func errorTree(err error) []error {
	tree := []error{err}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if below := e.Unwrap(); below != nil {
			tree = append(tree, errorTree(below)...)
		}
	case interface{ Unwrap() []error }:
		for _, below := range e.Unwrap() {
			tree = append(tree, errorTree(below)...)
		}
	}
	return tree
}

// flagged returns an error of the library that names options as one that names flags; nil for any other.
func flagged(err error) error {
	switch e := err.(type) {
	case *data.RowError:
		return FlaggedRow(e)
	case *data.BadRowsError:
		many := *e
		many.Last = FlaggedRow(e.Last)
		return &many
	case *data.OptionError:
		return &data.OptionError{Option: asFlag(e.Option), Problem: AsFlags(e.Problem)}
	case *fit.OptionError:
		if e.Problem != "" {
			return &fit.OptionError{Option: asFlag(e.Option), Problem: AsFlags(e.Problem)}
		}
		return errors.New(AsFlags(e.Error()))
	case *fit.CheckpointError, *hub.OfflineError:
		return errors.New(AsFlags(e.Error()))
	case *train.ChangedError:
		return errors.New(strings.TrimSuffix(e.Error(), e.Remedy()) + AsFlags(e.Remedy()))
	case *asm.SetError:
		return errors.New(strings.Replace(e.Error(), "(BERTLABEL_KERNELS)", "(BERTLABEL_KERNELS, --kernels)", 1))
	}
	return nil
}

// FlaggedRow returns a bad row whose hint names flags; nil for none.
func FlaggedRow(bad *data.RowError) *data.RowError {
	if bad == nil {
		return nil
	}
	row := *bad
	row.Hint = AsFlags(bad.Hint)
	return &row
}
