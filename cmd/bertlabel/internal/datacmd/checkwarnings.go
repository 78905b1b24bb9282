package datacmd

import (
	"fmt"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/diagnosis"
)

// dataWarning is something that looks wrong, and what to do about it.
type dataWarning struct {
	Code    string `json:"code"`
	File    string `json:"file"` // the role: train, dev or test; empty for all of them
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

// When a share is worth a warning. Below these a data set is as clean as most that people train on.
const (
	muchCut      = 0.10 // of the texts are longer than --max-seq-length
	fewPositives = 10   // a label with fewer is hardly learnt, and its F1 says little
)

// findingCodes are the codes of findings.
var findingCodes = map[diagnosis.Kind]string{diagnosis.CasingApart: "casing", diagnosis.UnknownWords: "unknown_words"}

// warnings judges the report.
func (r *checkReport) warnings(dropUnknown bool) []dataWarning {
	w := &warningList{list: []dataWarning{}}
	for _, f := range r.Files {
		w.file = f.Role
		w.rows(f, dropUnknown)
		w.labels(f)
		if f.Tokens != nil {
			w.tokens(f.Tokens, f.Rows)
		}
	}
	for _, s := range r.Shared {
		w.file = s.Roles[1]
		w.add(s.Similar+s.Rows[1] > 0, "leakage", "deal the rows anew with `bertlabel split`, which keeps the rows of a text together",
			"%d of its rows have a text that is in %s too, %d byte for byte: figures on them say little",
			max(s.Similar, s.Rows[1]), s.Roles[0], s.Rows[1])
	}
	w.file = ""
	for _, group := range r.LookAlikes {
		w.add(true, "similar_labels", "write the label in one way in all files", "labels that look alike: %s", term.QuotedNames(group))
	}
	return w.list
}

type warningList struct {
	list []dataWarning
	file string
}

// add adds a warning when it applies.
func (w *warningList) add(applies bool, code, remedy, format string, args ...any) {
	if applies {
		w.list = append(w.list, dataWarning{code, w.file, fmt.Sprintf(format, args...), remedy})
	}
}

// rows judges rows and texts.
func (w *warningList) rows(f checkedFile, dropUnknown bool) {
	d, first := f.Duplicates, f.Duplicates.FirstConflict
	w.add(f.BadRows > 0, "bad_rows", "correct them, or leave them out with --on-bad-row skip", "%d of %d rows cannot be read",
		f.BadRows, f.BadRows+f.Rows)
	w.add(f.InvalidUTF8 > 0, "invalid_utf8", "save the file as UTF-8: the bytes are dropped otherwise",
		"%d rows hold bytes that are no UTF-8", f.InvalidUTF8)
	w.add(f.EmptyTexts > 0, "empty_texts", "take the rows away, or fill in their texts", "%d texts are empty", f.EmptyTexts)
	w.add(d.Conflicting > 0, "conflicting_duplicates", "decide for one set of labels for each text, or join them in one row",
		"%d texts stand in several rows with different labels, the first on lines %d and %d", d.Conflicting, first[0], first[1])
	w.add(d.Rows > 0, "duplicates", "keep one row of each text, or keep its rows in one part with `bertlabel split`",
		"%d rows repeat the text of an earlier one", d.Rows)
	for _, n := range f.notes {
		w.add(true, "how_read", cli.AsFlags(n.Remedy), "%s", cli.AsFlags(n.Message))
	}
	for _, u := range f.UnknownLabels[:min(len(f.UnknownLabels), shownLabels)] {
		remedy := "correct it, or add it to the label list"
		if u.Near != "" {
			remedy = fmt.Sprintf("correct it (did you mean %q?), or add it to the label list", u.Near)
		}
		if dropUnknown {
			remedy = "nothing, if it is to go: --drop-unknown-labels leaves it out"
		}
		w.add(true, "unknown_label", remedy, "label %q is not in the list, rows that have it: %d, first on line %d", u.Name, u.Rows, u.Line)
	}
}

// labels judges how the labels are spread.
func (w *warningList) labels(f checkedFile) {
	w.add(len(f.WithoutPositives) > 0, "labels_without_positives", "find rows for these labels, or take them off the label list",
		"no row has these labels: %s", term.QuotedNames(f.WithoutPositives))
	var rare, inRuns, unknown []string
	least := 1.0 // runs, of those expected
	for i, l := range f.Labels {
		if l.Positive > 0 && l.Positive < fewPositives {
			rare = append(rare, l.Name)
		}
		if l.Unknown == f.Rows {
			unknown = append(unknown, l.Name)
		}
		if r := f.Runs[i]; r.InRuns {
			inRuns = append(inRuns, l.Name)
			least = min(least, float64(r.Runs)/r.Expected)
		}
	}
	w.add(len(unknown) > 0, "labels_unknown", "fill in the cells, or take the labels off the label list",
		"no row says anything of these labels: %s", term.QuotedNames(unknown))
	w.add(len(rare) > 0, "rare_labels", "find more rows for them, or join them with a label that is near",
		"fewer than %d rows have these labels: %s", fewPositives, term.QuotedNames(rare))
	w.add(len(inRuns) > 0, "labels_in_runs",
		"shuffle the file, keep --shuffle on, and cut parts with `bertlabel split` instead of head and tail",
		"the rows are not shuffled: labels come in runs, down to %.1f %% of those that a shuffled file has: %s",
		100*least, term.QuotedNames(inRuns))
}

// tokens judges the texts against the vocabulary.
func (w *warningList) tokens(t *checkedTokens, rows int) {
	for _, f := range t.findings {
		w.add(true, findingCodes[f.Kind], cli.AsFlags(f.Remedy), "%s", f.Found)
	}
	w.add(t.CutShare > muchCut, "cut",
		fmt.Sprintf("give --max-seq-length %d, which 95 %% of the texts keep to, if the model and the time allow it, or --windows all",
			t.P95),
		"%d of %d texts (%.1f %%) are longer than %v and are cut", t.Cut, rows, 100*t.CutShare, t.read)
}
