package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"bertlabel/checkpoint"
	"bertlabel/train"
	"bertlabel/train/data"
)

// The exit codes. Signals add 128 + their number: 130 for SIGINT, 143 for SIGTERM.
const (
	exitOK        = 0
	exitFailure   = 1  // a failure not named below
	exitUsage     = 2  // wrong usage
	exitData      = 3  // data refused
	exitModel     = 4  // model or checkpoint invalid
	exitDiverged  = 5  // training diverged
	exitResources = 6  // memory estimate over the limit, disk full
	exitInternal  = 70 // a bug
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

// withCode gives err an exit code; nil stays nil.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// usagef is an error in the command line, the environment or the config file.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode classifies err. A code given by withCode wins; then errors of the libraries are known by type. A path that does
// not exist is taken for one of the command line's.
func exitCode(ctx context.Context, err error) int {
	var coded *exitError
	sig, signalled := stoppedBy(ctx)
	switch {
	case err == nil, errors.Is(err, errStdoutClosed):
		return exitOK
	case signalled && (errors.Is(err, context.Canceled) || errors.As(err, new(signalError))):
		return 128 + int(sig)
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, data.ErrRefused):
		return exitData
	case errors.As(err, new(*checkpoint.FormatError)):
		return exitModel
	case errors.As(err, new(*train.DivergedError)):
		return exitDiverged
	case errors.As(err, new(*data.OptionError)), errors.Is(err, fs.ErrNotExist):
		return exitUsage
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.ENOMEM):
		return exitResources
	}
	return exitFailure
}

// refused is the error for data that cannot be used. line is 0 and column empty where they mean nothing.
func refused(path string, line int, column, found, expected string) error {
	where := path + ": "
	if line > 0 {
		where = fmt.Sprintf("%s:%d: ", path, line)
	}
	if column != "" {
		where += "column " + column + ": "
	}
	return withCode(exitData, fmt.Errorf("%sfound %s, expected %s", where, found, expected))
}
