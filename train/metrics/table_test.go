package metrics

import (
	"errors"
	"strings"
	"testing"
	"unicode"
)

func TestWriteTable(t *testing.T) {
	odd := map[string]string{ // name → as shown
		"joy":                    "joy",
		"喜び":                     "喜び",
		"":                       `""`,
		" lead":                  `" lead"`,
		"a\nb\tc":                `a\nb\tc`,
		"\x1b[31mred":            `\x1b[31mred`,
		"evil\u202egnp.exe":      `evil\u202egnp.exe`,
		"zero\u200bwidth":        `zero\u200bwidth`,
		"broken\xff":             `broken\xff`,
		"हिन्दी":                 "हिन्दी",
		strings.Repeat("x", 1e4): strings.Repeat("x", 60) + "…",
		strings.Repeat("\n", 61): strings.Repeat(`\n`, 60) + "…",
	}
	d := Data{}
	for name := range odd {
		d.Labels = append(d.Labels, name)
		d.Truth = append(d.Truth, int8(len(d.Truth)%2))
		d.Scores = append(d.Scores, 0.75)
	}
	var b strings.Builder
	if err := evaluate(t, d, 0.5).WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	at := strings.Index(lines[0], "label")
	for i, name := range d.Labels {
		if got := lines[i+1][at:]; got != odd[name] {
			t.Errorf("label %.30q is shown as %s, want %s", name, got, odd[name])
		}
	}
	for i, line := range lines {
		if len(line) > 600 || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("line %d is %q", i, line)
		}
	}
}

// TestTableOfOneRow shows the whole table once.
func TestTableOfOneRow(t *testing.T) {
	var b strings.Builder
	d := Data{[]string{"joy", "fear", "anger"}, []int8{1, 0, 1}, []float32{0.75, 0.125, 0.5}}
	if err := evaluate(t, d, 0.5).WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	const want = `
 support precision    recall        f1   roc_auc  avg_prec threshold   best_f1        at  label
       1    1.0000    1.0000    1.0000         -    1.0000       0.5    1.0000     0.375  joy
       0    0.0000    0.0000    0.0000         -         -       0.5    0.0000       0.5  fear
       1    0.0000    0.0000    0.0000         -    1.0000       0.5    1.0000      0.25  anger

                      micro    macro weighted  samples
precision            1.0000   0.3333   0.5000   1.0000
recall               0.5000   0.3333   0.5000   0.5000
f1                   0.6667   0.3333   0.5000   0.6667
jaccard              0.5000   0.3333            0.5000
roc_auc              1.0000        -        -
average_precision    1.0000   1.0000

subset_accuracy                    0.0000
hamming_loss                       0.3333
label_ranking_average_precision    1.0000
coverage_error                     2.0000
label_ranking_loss                 0.0000
log_loss                           0.3715
brier_score                        0.1094
expected_calibration_error         0.2917

1 rows, 3 labels; 3 without both classes, left out of the averages of roc_auc; 1 without positives, left out of those of average_precision and 0 in that of f1
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("table is%s\nwant%s", got, want)
	}
}

func TestWriteTableReportsErrors(t *testing.T) {
	r := evaluate(t, Data{[]string{"a"}, []int8{1}, []float32{1}}, 0.5)
	if err := r.WriteTable(fullDisk{}); !errors.Is(err, errFull) {
		t.Errorf("error %v, want %v", err, errFull)
	}
}

var errFull = errors.New("full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }
