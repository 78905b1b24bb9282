package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// signalError is the cause of a context that a signal has cancelled.
type signalError struct{ sig syscall.Signal }

func (e signalError) Error() string { return "stopped by " + e.sig.String() }

// withSignals returns a context that the first SIGINT or SIGTERM cancels; a second one kills the process at once. SIGPIPE is
// ignored, so that a write to a closed stdout returns EPIPE (see stdoutWriter).
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signal.Ignore(syscall.SIGPIPE)
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-caught:
			signal.Stop(caught) // the default action is back
			cancel(signalError{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(caught); cancel(nil) }
}

// Hangups returns a channel that has something after a SIGHUP, until ctx ends: configuration is to be read anew.
func Hangups(ctx context.Context) <-chan os.Signal {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	context.AfterFunc(ctx, func() { signal.Stop(caught) })
	return caught
}

// stoppedBy returns the signal that cancelled ctx.
func stoppedBy(ctx context.Context) (syscall.Signal, bool) {
	var s signalError
	ok := errors.As(context.Cause(ctx), &s)
	return s.sig, ok
}

// interruptible reads from a stream until ctx is cancelled: a Read that waits for a terminal or a pipe then returns the
// cause, which no system call of Go's would do for stdin.
type interruptible struct {
	ctx  context.Context
	from io.Reader
	pipe *io.PipeReader // filled by a goroutine from the first Read on
}

func (r *interruptible) Read(p []byte) (int, error) {
	if r.pipe == nil {
		var w *io.PipeWriter
		r.pipe, w = io.Pipe()
		go func() {
			_, err := io.Copy(w, r.from)
			w.CloseWithError(err) // nil gives io.EOF
		}()
		context.AfterFunc(r.ctx, func() { w.CloseWithError(context.Cause(r.ctx)) })
	}
	return r.pipe.Read(p)
}
