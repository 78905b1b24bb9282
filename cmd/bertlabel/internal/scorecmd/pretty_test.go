package scorecmd

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
	"bertlabel/train/score"
)

// hostileNames are labels and texts that a terminal would obey, or that take more or fewer columns than characters.
var hostileNames = []string{"joy", "<script>alert(1)</script>", "user\u202eresu", strings.Repeat("endless", 1500),
	"👨\u200d👩\u200d👧 family 👍", "驚き、怒り、悲しみ",
	"\x1b[2J\x1b[31mred\x07", "nul\x00", "z" + strings.Repeat("\u0336", 300), "عربي", "new\nline\ttab\r", "\xff\xfe", " ", "%s %d \\"}

var colour = regexp.MustCompile("\x1b\\[[0-9]+m")

// figures is where the first figure after the number of rows begins.
var figures = regexp.MustCompile(`  [01]\.[0-9]{3}  `)

// checkLines reports lines that are too wide, and characters that no line may have; colours aside, where they are allowed.
func checkLines(t *testing.T, text string, columns int, colours bool) {
	t.Helper()
	if colours {
		text = colour.ReplaceAllString(text, "")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q has %q", line, line[i:])
		}
		if w := term.Width(line); w > columns {
			t.Errorf("a line of %d columns, of %d: %q", w, columns, line)
		}
	}
}

func TestPrettyReport(t *testing.T) {
	t.Parallel()
	d := metrics.Data{Labels: hostileNames}
	for i := range 40 * len(hostileNames) {
		d.Truth = append(d.Truth, int8(i*i%7%2))
		d.Scores = append(d.Scores, float32(i*31%101)/100)
	}
	r, err := metrics.Evaluate(d, []float32{0.5})
	if err != nil {
		t.Fatal(err)
	}
	for _, columns := range []int{40, 80, 110} {
		for _, colours := range []bool{false, true} {
			var b bytes.Buffer
			if err := writeReport(term.NewCanvas(&b, columns, colours), r); err != nil {
				t.Fatal(err)
			}
			table, _, _ := strings.Cut(b.String(), "\n\n")
			checkLines(t, table, columns, colours)
			if lines := strings.Split(colour.ReplaceAllString(table, ""), "\n"); len(lines) != 1+len(hostileNames) {
				t.Errorf("%d lines", len(lines))
			} else {
				at := strings.Index(lines[0], "rows")
				for _, line := range lines[1:] { // the numbers stand below their heading
					if before := line[:figures.FindStringIndex(line)[0]]; term.Width(before) != at+len("rows") {
						t.Errorf("not aligned: %q", line)
					}
				}
			}
		}
	}
}

func TestPrettyPredictions(t *testing.T) {
	t.Parallel()
	m := &model.Model{Labels: hostileNames, Thresholds: make([]float32, len(hostileNames))}
	probabilities := make([]float32, len(hostileNames))
	for i := range probabilities {
		m.Thresholds[i] = 0.5
		probabilities[i] = float32(i) / float32(len(probabilities))
	}
	for _, colours := range []bool{false, true} {
		var b bytes.Buffer
		p := newPrettyPredictions(term.NewCanvas(&b, 60, colours), m, 0)
		for _, text := range hostileNames {
			row := score.Row{
				Example:    data.Example{Text: text, ID: text, HasID: true, Pair: text},
				Prediction: model.Prediction{Probabilities: probabilities},
			}
			bad := row
			bad.Bad = &data.RowError{Found: "no\x1btext"}
			if err := errors.Join(p.row(&row), p.row(&bad)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		checkLines(t, b.String(), 60, colours)
		if n, want := strings.Count(b.String(), "✓"), len(hostileNames)*6; n != want {
			t.Errorf("%d labels are marked, want %d", n, want)
		}
		if colours != strings.Contains(b.String(), "\x1b[") {
			t.Errorf("colours %t, but %q", colours, b.String()[:100])
		}
	}
}

// --pretty is for people; a pipe gets JSON, as before, and no colours.
func TestPrettyFlag(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 3, "cls", []string{"animal", "colour"})
	folder, input := cmdtest.ModelFolder(t, m), cmdtest.LabelledCSV(5, 1)
	path := t.TempDir() + "/data.csv"
	cmdtest.WriteFile(t, path, input)
	for _, verb := range [][]string{{"predict", "--input"}, {"eval", "--data"}} {
		args := []string{verb[0], "--model", folder, verb[1], path}
		stdout, stderr, code := bertlabel.Run(t, "", append(args, "--pretty")...)
		if code != cli.ExitOK || !strings.Contains(stdout, "animal") || strings.ContainsAny(stdout, "{\x1b") {
			t.Errorf("%s --pretty: exit %d, %s%s", verb[0], code, stdout, stderr)
		}
		if stdout, _, _ := bertlabel.Run(t, "", args...); !strings.HasPrefix(stdout, "{") {
			t.Errorf("%s into a pipe: %s", verb[0], stdout)
		}
	}
	for _, flag := range []string{"--output-format=csv", "--logits"} {
		if _, stderr, code := bertlabel.Run(t, "", "predict", "--model", folder, "--input", path, "--pretty",
			flag); code != cli.ExitUsage ||
			!strings.Contains(stderr, "--pretty is for people") {
			t.Errorf("--pretty %s: exit %d, %s", flag, code, stderr)
		}
	}
}
