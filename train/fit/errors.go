package fit

import (
	"fmt"

	"bertlabel/asm/machine"
	"bertlabel/train"
)

// OptionError is an option that cannot be used, alone or beside others. Option is its key in config files and in bertlabel.json,
// such as "tune"; Problem goes on after it, and names other options by their keys in backquotes.
type OptionError struct {
	Option, Problem string
	Err             error // the cause, whose text is the message where Problem is empty
}

// Error returns option and problem on one line, or the text of the cause.
func (e *OptionError) Error() string {
	if e.Problem == "" && e.Err != nil {
		return e.Err.Error()
	}
	return e.Option + e.Problem
}

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// refuse returns the error of an option; the format begins with what stands between its key and the problem.
func refuse(option, format string, args ...any) error {
	return &OptionError{Option: option, Problem: fmt.Sprintf(format, args...)}
}

// errNoContext refuses a nil context.
var errNoContext = refuse("ctx", " is nil: want a context, such as context.Background()")

// wants refuses a value that is none of those that an option takes.
func wants(option, found, expected string) error {
	return refuse(option, " %q: want %s", found, expected)
}

// MemoryError refuses a run, before its first step, that would take more memory than Options.MaxMemory.
type MemoryError struct {
	Need    train.Memory
	Limit   int64    // bytes
	Alone   string   // what of the run Need counts, in words, when that is too much by itself; empty for all of it
	Smaller []string // what makes the run smaller, a line each, with options by their keys in backquotes
}

// Error says what is needed and what there is.
func (e *MemoryError) Error() string {
	total := machine.Bytes(e.Need.Total())
	if e.Alone != "" {
		return fmt.Sprintf("%s alone take %s, max_memory is %s", e.Alone, total, machine.Bytes(e.Limit))
	}
	return fmt.Sprintf("training needs about %s, max_memory is %s", total, machine.Bytes(e.Limit))
}

// CheckpointError is a checkpoint, or the folder of a run, that a run cannot go on from.
type CheckpointError struct {
	Path string // the folder or the prefix
	Err  error  // says what is wrong, with the path
}

func (e *CheckpointError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *CheckpointError) Unwrap() error { return e.Err }

// broken returns the error for a checkpoint; the format names its path.
func broken(path, format string, args ...any) error {
	return &CheckpointError{Path: path, Err: fmt.Errorf(format, args...)}
}
