package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"bertlabel/cmd/bertlabel/internal/term"

	"github.com/schollz/progressbar/v3"
	xterm "golang.org/x/term"
)

// progressEvery is the least time between two progress lines where stderr is no terminal.
const progressEvery = 10 * time.Second

// Log is where everything goes that is not data: messages and progress, on stderr. Its methods are safe for
// concurrent use.
type Log struct {
	out      io.Writer
	quiet    bool
	json     *slog.Logger // nil for text
	terminal bool         // one bar instead of lines
	now      func() time.Time

	mu   sync.Mutex
	work string                   // what Progress is about; empty between works
	bar  *progressbar.ProgressBar // of the work; nil unless terminal
	from Progress                 // the first report of the work, at time start
	last time.Time                // when a progress line was printed, or the work began

	start time.Time

	works    []Work   // that have ended
	warnings []string // as they were printed
}

// Work is how long a work of the progress display took.
type Work struct {
	Name string
	Time time.Duration
}

// newLog returns a reporter to out. terminal is TERM of the environment.
func newLog(out io.Writer, quiet bool, format, terminal string) *Log {
	r := &Log{out: out, quiet: quiet, now: time.Now}
	if format == "json" {
		r.json = slog.New(slog.NewJSONHandler(out, nil))
	} else if f, ok := out.(*os.File); ok {
		r.terminal = xterm.IsTerminal(int(f.Fd())) && terminal != "dumb"
	}
	return r
}

// Infof prints a message that --quiet silences.
func (r *Log) Infof(format string, args ...any) {
	if !r.quiet {
		r.print(slog.LevelInfo, fmt.Sprintf(format, args...))
	}
}

// Warnf prints a message that --quiet does not silence.
func (r *Log) Warnf(format string, args ...any) {
	r.print(slog.LevelWarn, fmt.Sprintf(format, args...))
}

// Attrs prints a message with names and values by turns: members in JSON, name=value in text. --quiet silences messages below a warning.
func (r *Log) Attrs(level slog.Level, message string, attrs ...any) {
	if r.quiet && level < slog.LevelWarn {
		return
	}
	if r.json == nil {
		for i := 0; i+1 < len(attrs); i += 2 {
			message += fmt.Sprintf(" %v=%v", attrs[i], attrs[i+1])
		}
	}
	r.print(level, message, attrs...)
}

// Error prints the error that the program ends with; after wrong usage, command is where to look for help.
func (r *Log) Error(code int, message, command string) {
	if r.json != nil {
		r.print(slog.LevelError, message, "exit_code", code)
		return
	}
	r.print(slog.LevelError, message)
	if code == ExitUsage {
		r.print(slog.LevelError, fmt.Sprintf("Try '%s --help'.", command))
	}
}

func (r *Log) print(level slog.Level, message string, attrs ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if level == slog.LevelWarn {
		r.warnings = append(r.warnings, message)
	}
	if r.json != nil {
		r.json.Log(context.Background(), level, message, attrs...)
		return
	}
	if r.bar != nil {
		r.bar.Clear() // the next Progress draws it again, below the message
	}
	if level == slog.LevelWarn {
		message = "warning: " + message
	}
	fmt.Fprintln(r.out, term.PrintableLines(message))
}

// Progress is one report of long work. Fields that are zero are not shown.
type Progress struct {
	Step, Steps  int // Steps is 0 while the end is not known
	Examples     int // rows done
	Tokens       int // tokens done
	Epoch        float64
	Loss         float64
	LearningRate float64

	Bytes, OfBytes int64 // of a transfer, which has no steps

	Shard, Shards int // the part of an input that Examples are rows of, from 0; Shards is 0 for all of it
}

// Progress shows how far the work has come ("train", "predict", …): by one bar on a terminal, else by a line at most every
// 10 s. Rates are those since the first report of the work, so that one should come before the first step.
func (r *Log) Progress(work string, p Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.OfBytes > 0 {
		p.Step, p.Steps = int(p.Bytes), int(p.OfBytes)
	}
	if r.work != work {
		r.begin(work, p)
	}
	if r.quiet {
		return
	}
	if r.bar != nil {
		r.bar.Describe(strings.Join(r.describe(p), " "))
		r.bar.Set(p.Step)
		return
	}
	if r.now().Sub(r.last) < progressEvery {
		return
	}
	r.last = r.now()
	if r.json != nil {
		r.json.Info(work, r.attrs(p)...)
		return
	}
	steps := fmt.Sprint("step ", p.Step)
	if p.Shards > 0 {
		steps = fmt.Sprintf("shard %d/%d row %d", p.Shard, p.Shards, p.Step)
	}
	if p.Steps > 0 {
		steps = fmt.Sprintf("step %d/%d", p.Step, p.Steps)
	}
	if p.OfBytes > 0 {
		steps = fmt.Sprintf("%.1f MB of %.1f MB", float64(p.Bytes)/1e6, float64(p.OfBytes)/1e6)
	}
	words := append([]string{work, steps}, r.describe(p)[1:]...)
	if _, eta := r.rates(p); eta > 0 {
		words = append(words, "eta", eta.Round(time.Second).String())
	}
	fmt.Fprintln(r.out, strings.Join(words, " "))
}

// NoBar has progress shown by lines on a terminal, too.
func (r *Log) NoBar() { r.terminal = false }

// Done ends the progress display of the current work.
func (r *Log) Done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
}

// Works returns how long each work took that has ended, in order.
func (r *Log) Works() []Work {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.works)
}

// Warnings returns what has been warned of.
func (r *Log) Warnings() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.warnings)
}

func (r *Log) end() {
	if r.bar != nil {
		r.bar.Exit() // leaves the bar as it stands and ends its line
		fmt.Fprintln(r.out)
	}
	if r.work != "" {
		r.works = append(r.works, Work{r.work, r.now().Sub(r.start)})
	}
	r.bar, r.work = nil, ""
}

func (r *Log) begin(work string, p Progress) {
	r.end()
	r.work, r.from, r.start, r.last = work, p, r.now(), r.now()
	if !r.terminal || r.quiet {
		return
	}
	steps := p.Steps
	if steps == 0 {
		steps = -1 // a spinner
	}
	r.bar = progressbar.NewOptions(steps, progressbar.OptionSetWriter(r.out), progressbar.OptionShowCount(),
		progressbar.OptionShowBytes(p.OfBytes > 0),
		progressbar.OptionSetWidth(20), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true))
}

// describe returns the words of a report: the work, then what is known of epoch, loss, learning rate and speed.
func (r *Log) describe(p Progress) []string {
	words := []string{r.work}
	if p.Epoch != 0 {
		words = append(words, fmt.Sprintf("epoch %.2f", p.Epoch))
	}
	if p.Loss != 0 {
		words = append(words, fmt.Sprintf("loss %.4f", p.Loss))
	}
	if p.LearningRate != 0 {
		words = append(words, fmt.Sprintf("lr %.3g", p.LearningRate))
	}
	if speed, _ := r.rates(p); speed > 0 {
		words = append(words, fmt.Sprintf("%.1f examples/s", speed))
	}
	if speed := r.tokenRate(p); speed > 0 {
		words = append(words, fmt.Sprintf("%.0f tokens/s", speed))
	}
	if speed := r.byteRate(p); speed > 0 && r.bar == nil { // a bar of bytes has it
		words = append(words, fmt.Sprintf("%.1f MB/s", speed/1e6))
	}
	return words
}

// byteRate returns the bytes per second of a transfer, 0 where it is not known.
func (r *Log) byteRate(p Progress) float64 {
	if elapsed := r.now().Sub(r.start).Seconds(); elapsed > 0 {
		return float64(p.Bytes-r.from.Bytes) / elapsed
	}
	return 0
}

// attrs returns the same as the attributes of a JSON line. NaN and infinities have no place in JSON and become strings.
func (r *Log) attrs(p Progress) []any {
	attrs := []any{"step", p.Step}
	if p.Shards > 0 {
		attrs = []any{"shard", p.Shard, "of", p.Shards, "rows", p.Examples}
	}
	add := func(name string, v float64) {
		switch {
		case math.IsNaN(v), math.IsInf(v, 0):
			attrs = append(attrs, name, fmt.Sprint(v))
		case v != 0:
			attrs = append(attrs, name, v)
		}
	}
	speed, eta := r.rates(p)
	add("steps", float64(p.Steps))
	add("epoch", p.Epoch)
	add("loss", p.Loss)
	add("learning_rate", p.LearningRate)
	if p.Shards > 0 {
		add("rows_per_second", speed)
	} else {
		add("examples_per_second", speed)
	}
	add("tokens_per_second", r.tokenRate(p))
	add("bytes_per_second", r.byteRate(p))
	add("eta_seconds", eta.Seconds())
	return attrs
}

// tokenRate returns the tokens per second since the work began, 0 where it is not known.
func (r *Log) tokenRate(p Progress) float64 {
	if elapsed := r.now().Sub(r.start).Seconds(); elapsed > 0 {
		return float64(p.Tokens-r.from.Tokens) / elapsed
	}
	return 0
}

// rates returns the examples per second since the work began and the time that the remaining steps will take at that pace;
// 0 where it is not known.
func (r *Log) rates(p Progress) (speed float64, eta time.Duration) {
	elapsed, steps := r.now().Sub(r.start).Seconds(), float64(p.Step-r.from.Step)
	if elapsed <= 0 || steps <= 0 {
		return 0, 0
	}
	speed = float64(p.Examples-r.from.Examples) / elapsed
	if p.Steps > p.Step {
		eta = time.Duration(float64(p.Steps-p.Step) / steps * elapsed * float64(time.Second))
	}
	return speed, eta
}
