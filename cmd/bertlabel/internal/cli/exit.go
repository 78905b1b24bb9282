package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
)

// The exit codes. Signals add 128 + their number: 130 for SIGINT, 143 for SIGTERM.
const (
	ExitOK        = 0
	ExitFailure   = 1  // a failure not named below
	ExitUsage     = 2  // wrong usage
	ExitData      = 3  // data refused
	ExitModel     = 4  // model or checkpoint invalid
	ExitDiverged  = 5  // training diverged
	ExitResources = 6  // memory estimate over the limit, disk full
	ExitInternal  = 70 // a bug
)

// exitError is an error that carries its exit code. An err of nil ends with the code and without a message.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// WithCode gives err an exit code; nil stays nil.
func WithCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// Usagef is an error in the command line, the environment or the config file.
func Usagef(format string, args ...any) error {
	return &exitError{ExitUsage, fmt.Errorf(format, args...)}
}

// ExitCode classifies err. A code given by withCode wins; then errors of the libraries are known by type. A path that does
// not exist is taken for one of the command line's.
func ExitCode(ctx context.Context, err error) int {
	var coded *exitError
	sig, signalled := stoppedBy(ctx)
	switch {
	case err == nil, errors.Is(err, errStdoutClosed):
		return ExitOK
	case signalled && (errors.Is(err, context.Canceled) || errors.As(err, new(signalError))):
		return 128 + int(sig)
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, data.ErrRefused):
		return ExitData
	case errors.As(err, new(*checkpoint.FormatError)), errors.As(err, new(*fit.CheckpointError)):
		return ExitModel
	case errors.As(err, new(*train.DivergedError)):
		return ExitDiverged
	case errors.As(err, new(*fit.MemoryError)):
		return ExitResources
	case errors.Is(err, atomic.ErrLocked): // no fault of the command line
		return ExitFailure
	case errors.As(err, new(*data.OptionError)), errors.As(err, new(*fit.OptionError)), errors.As(err, new(*train.ChangedError)),
		errors.Is(err, fs.ErrNotExist):
		return ExitUsage
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.ENOMEM):
		return ExitResources
	}
	return ExitFailure
}

// Refused is the error for data that cannot be used. line is 0 and column empty where they mean nothing.
func Refused(path string, line int, column, found, expected string) error {
	where := path + ": "
	if line > 0 {
		where = fmt.Sprintf("%s:%d: ", path, line)
	}
	if column != "" {
		where += "column " + column + ": "
	}
	return WithCode(ExitData, fmt.Errorf("%sfound %s, expected %s", where, found, expected))
}
