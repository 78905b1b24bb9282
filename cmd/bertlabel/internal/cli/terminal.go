package cli

import (
	"io"
	"os"

	"bertlabel/cmd/bertlabel/internal/term"

	xterm "golang.org/x/term"
)

// OnTerminal reports whether a person reads stdout.
func (a *App) OnTerminal() bool {
	s, _ := a.Stdout.(stdoutWriter)
	f, ok := s.w.(*os.File)
	return ok && xterm.IsTerminal(int(f.Fd()))
}

// Canvas returns a canvas on w: as wide as the terminal of stdout, in colour there unless NO_COLOR is set (no-color.org).
func (a *App) Canvas(w io.Writer) *term.Canvas {
	if !a.OnTerminal() {
		return term.NewCanvas(w, 0, false)
	}
	columns, _, err := xterm.GetSize(int(a.Stdout.(stdoutWriter).w.(*os.File).Fd()))
	if err != nil {
		columns = 0
	}
	return term.NewCanvas(w, columns, w == a.Stdout && a.Colours())
}

// Colours reports whether a terminal may be sent colours.
func (a *App) Colours() bool { return a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" }
