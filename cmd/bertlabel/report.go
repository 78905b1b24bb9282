package main

import (
	"fmt"
	"io"
)

// reporter is where everything goes that is not data: messages and progress, on stderr.
type reporter struct {
	out   io.Writer
	quiet bool
	json  bool
}

func newReporter(out io.Writer, quiet bool, format string) *reporter {
	return &reporter{out: out, quiet: quiet, json: format == "json"}
}

// Infof prints a message that --quiet silences.
func (r *reporter) Infof(format string, args ...any) {
	if !r.quiet {
		fmt.Fprintf(r.out, format+"\n", args...)
	}
}

// Warnf prints a message that --quiet does not silence.
func (r *reporter) Warnf(format string, args ...any) {
	fmt.Fprintf(r.out, "warning: "+format+"\n", args...)
}

// Errorf prints the error that the program ends with.
func (r *reporter) Errorf(code int, format string, args ...any) {
	fmt.Fprintf(r.out, format+"\n", args...)
}

func (r *reporter) hint(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

// progress is one report of long work. Zero fields are left out.
type progress struct {
	Step, Steps  int // of Steps in all; 0 if the end is not known
	Examples     int // rows done so far
	Epoch        float64
	Loss         float64
	LearningRate float64
}

// Progress shows how far the work called what has come.
func (r *reporter) Progress(what string, p progress) {}

// Done ends the progress display.
func (r *reporter) Done() {}
