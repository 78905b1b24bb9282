package report

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/data"
	"bertlabel/train/metrics"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Write writes the page to a file, "" for none, and the figures to the folder plots, "" for none.
func (r *Report) Write(a *cli.App, page, plots string) error {
	if page != "" {
		out, err := a.CreateOutput(page)
		if err != nil {
			return err
		}
		defer out.Discard()
		if err := errors.Join(r.WriteHTML(out), out.Commit()); err != nil {
			return err
		}
		a.Log.Infof("wrote %s", page)
	}
	if plots == "" {
		return nil
	}
	n, err := r.WritePlots(plots)
	if err == nil {
		a.Log.Infof("wrote %d figures to %s, as SVG and PNG", n, plots)
	}
	return err
}

// Call is how a verb was called.
type Call struct {
	Verb     string
	Line     string // the command that gives the same again
	Settings []Pair // every flag
}

// CallOf returns how a verb was called. settled has the values of flags that follow from others; nil for none.
func CallOf(cmd *cobra.Command, settled map[string]string) Call {
	return Call{cmd.Name(), commandLine(cmd), settingsOf(cmd, settled)}
}

// New returns a report with what every verb can say of a run that began at start.
func New(a *cli.App, call Call, m *model.Model, start time.Time) *Report {
	build := cli.ReadBuildInfo()
	r := &Report{Command: call.Line, Version: "bertlabel " + build.Version}
	if build.Revision != "unknown" {
		r.Version += " " + build.Revision
	}
	for _, w := range a.Log.Works() {
		r.Timings = append(r.Timings, Timing{Name: w.Name, Time: w.Time})
	}
	r.Timings = append(r.Timings, Timing{Name: "in all", Time: time.Since(start)})
	r.Notes, r.Settings = a.Log.Warnings(), call.Settings
	add := func(name string, value any) {
		r.Settings = append(r.Settings, Pair{Name: name, Value: fmt.Sprint(value)})
	}
	add("model: layers × hidden size", fmt.Sprintf("%d × %d", len(m.Encoder.Layers), m.Encoder.Config.HiddenSize))
	add("model: pooling", m.Pooling)
	add("model: max_seq_length", m.MaxSeqLength)
	add("model: do_lower_case", m.Tokenizer.Options().LowerCase)
	add("threads", a.Threads)
	var training map[string]any
	if text := m.Training(); text != nil && call.Verb != "train" && json.Unmarshal(text, &training) == nil {
		for _, key := range slices.Sorted(maps.Keys(training)) {
			add("trained with: "+key, training[key])
		}
	}
	return r
}

// NewScored returns the part of a report that is about a data set.
func NewScored(set *data.Dataset, scores []float32, r *metrics.Report) *Scored {
	s := &Scored{
		Data: metrics.Data{Labels: r.Labels, Truth: set.Y, Scores: scores}, Metrics: r,
		Texts: set.Texts, IDs: set.IDs, Lines: set.Lines,
	}
	if set.Pairs != nil {
		s.Texts = make([]string, set.Rows())
		for i, text := range set.Texts {
			if s.Texts[i] = text; set.Pairs[i] != "" {
				s.Texts[i] += " ‖ " + set.Pairs[i]
			}
		}
	}
	return s
}

// settingsOf returns every flag of a verb with its value, as it was settled.
func settingsOf(cmd *cobra.Command, settled map[string]string) (settings []Pair) {
	cli.EachSetting(cmd, func(f *pflag.Flag) {
		// Of these the model or the machine decides, and stands below.
		unset := !f.Changed && slices.Contains([]string{"do-lower-case", "max-seq-length", "threshold", "threads"}, f.Name)
		value := f.Value.String()
		if other, ok := settled[f.Name]; ok {
			value = other
		}
		if value != "" && value != "[]" && !unset {
			settings = append(settings, Pair{Name: "--" + f.Name, Value: value})
		}
	})
	return settings
}

// commandLine returns the command that gives the same again, quoted for a shell: what was set by the environment or by --config
// stands in it as flags.
func commandLine(cmd *cobra.Command) string {
	words := strings.Fields(cmd.CommandPath())
	cli.EachSetting(cmd, func(f *pflag.Flag) {
		if !f.Changed || f.Name == "config" {
			return
		}
		value := f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = csvLine(list.GetSlice())
		}
		words = append(words, ShellQuoted("--"+f.Name+"="+value))
	})
	return strings.Join(words, " ")
}

// csvLine is how pflag takes a list.
func csvLine(fields []string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write(fields) // a Builder can always be written
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// ShellQuoted returns a word as bash, zsh and ksh read it: bare where that is safe, in single quotes, or with the escapes of $'…'
// if there is something in it that cannot be seen.
func ShellQuoted(word string) string {
	plain, visible := word != "", true
	for _, r := range word {
		plain = plain && (r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("-_=./:,@%+", r))
		visible = visible && unicode.IsPrint(r) && r != unicode.ReplacementChar
	}
	switch {
	case plain:
		return word
	case visible:
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for i := range len(word) {
		if c := word[i]; c >= ' ' && c <= '~' && c != '\'' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
			if i+1 < len(word) && strings.IndexByte("0123456789abcdefABCDEF", word[i+1]) >= 0 {
				b.WriteString("'$'") // zsh would read on
			}
		}
	}
	return "$'" + b.String() + "'"
}

// HistoryOf reads the metrics.csv of a folder that train has written.
func HistoryOf(dir, bestMetric string) (*History, error) {
	f, err := os.Open(filepath.Join(dir, "metrics.csv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadHistory(f, bestMetric)
}

// ReadBaseline returns what the linear baseline of the run scores on dev, nil if there is none.
func ReadBaseline(path string) *Baseline {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var values map[string]json.RawMessage
	if err != nil || json.Unmarshal(text, &values) != nil {
		return nil
	}
	b := &Baseline{Name: "a linear baseline", Values: map[string]float64{}}
	var name string
	if json.Unmarshal(values["name"], &name) == nil {
		b.Name = name
	}
	for name, value := range values {
		if v, err := strconv.ParseFloat(string(value), 64); err == nil {
			b.Values[name] = v
		}
	}
	return b
}

// Base returns the last part of a path, of "." too.
func Base(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return filepath.Base(path)
}
