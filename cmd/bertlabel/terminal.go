package main

import (
	"io"
	"os"

	"bertlabel/cmd/bertlabel/internal/term"

	xterm "golang.org/x/term"
)

// onTerminal reports whether a person reads stdout.
func (a *app) onTerminal() bool {
	s, _ := a.stdout.(stdoutWriter)
	f, ok := s.w.(*os.File)
	return ok && xterm.IsTerminal(int(f.Fd()))
}

// canvas returns a canvas on w: as wide as the terminal of stdout, in colour there unless NO_COLOR is set (no-color.org).
func (a *app) canvas(w io.Writer) *term.Canvas {
	if !a.onTerminal() {
		return term.NewCanvas(w, 0, false)
	}
	columns, _, err := xterm.GetSize(int(a.stdout.(stdoutWriter).w.(*os.File).Fd()))
	if err != nil {
		columns = 0
	}
	return term.NewCanvas(w, columns, w == a.stdout && a.colours())
}

// colours reports whether a terminal may be sent colours.
func (a *app) colours() bool { return a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" }
