package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/train"
	"bertlabel/train/data"
)

// Each kind of error has its exit code, however it is wrapped.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(signalError{syscall.SIGTERM})
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("other"), 1},
		{Usagef("no"), 2},
		{&data.OptionError{Option: "format"}, 2},
		{os.ErrNotExist, 2},
		{&data.RowError{}, 3},
		{&checkpoint.FormatError{Err: os.ErrNotExist}, 4},
		{&train.DivergedError{}, 5},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, 6},
		{context.Canceled, 143},
		{WithCode(ExitData, context.Canceled), 143}, // a signal explains whatever it cut short
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("wrapped: %w", errors.Join(errors.New("also"), c.err))
		}
		if got := ExitCode(ctx, err); got != c.want {
			t.Errorf("exitCode(%v) = %d, want %d", err, got, c.want)
		}
	}
}
