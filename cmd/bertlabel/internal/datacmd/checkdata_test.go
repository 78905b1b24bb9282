package datacmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/tensor/tensortest"
)

// checkVocab is a vocabulary for the texts of these tests.
const checkVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n##b\n"

// Everything that check-data counts, in two small files; the numbers were counted by hand.
func TestCheckData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	train, dev, vocab := filepath.Join(dir, "train.csv"), filepath.Join(dir, "dev.jsonl"), filepath.Join(dir, "vocab.txt")
	cmdtest.WriteFile(t, train, "text,joy,Joy,fear\na b c,1,1,0\na b c,1,0,0\n\"  \",,0,0\nx y,0,1,0\na,0.7,0,0\nab ab ab ab,0,0\na,1,1,0\n")
	cmdtest.WriteFile(t, dev, `{"text":"a","labels":["joy"]}`+"\n"+`{"text":"a","labels":[]}`+"\n"+
		`{"text":"b","labels":["joi","hate"]}`+"\n"+`{"text":"c","labels":["fear"]}`)
	cmdtest.WriteFile(t, vocab, checkVocab)

	stdout, stderr, code := bertlabel.Run(t, "", "check-data", "--train", train, "--dev", dev, "--vocab-file", vocab,
		"--max-seq-length", "4", "--json")
	if code != cli.ExitData || !strings.Contains(stderr, train+":6: column joy: found the value \"0.7\"") ||
		!strings.Contains(stderr, train+":7: column fear: found 3 fields") {
		t.Errorf("exit %d, stderr:\n%s", code, stderr)
	}
	var report checkReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	var warned []string
	for _, w := range report.Warnings {
		warned = append(warned, w.File+":"+w.Code)
		if w.Message == "" || w.Remedy == "" {
			t.Errorf("%+v", w)
		}
	}
	if got, want := strings.Join(warned, " "), ""+
		"train:bad_rows train:empty_texts train:conflicting_duplicates train:duplicates train:labels_without_positives train:rare_labels "+
		"train:unknown_words train:cut dev:conflicting_duplicates dev:duplicates dev:unknown_label dev:unknown_label "+
		"dev:labels_without_positives dev:rare_labels "+
		"dev:leakage :similar_labels"; got != want {
		t.Errorf("warnings %s\nwant %s", got, want)
	}
	report.Warnings = nil
	for i := range report.Files {
		report.Files[i].SHA256, report.Files[i].File, report.Files[i].Runs = "", "", nil // data.TestFindRuns has the last
	}
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"files":[` +
		`{"role":"train","file":"","sha256":"","rows":5,"bad_rows":2,"invalid_utf8":0,"empty_texts":1,"duplicates":{"texts":1,"rows":1,` +
		`"similar":1,"conflicting":1,"first_conflict":[2,3]},` +
		`"labels":[{"name":"joy","positive":3,"unknown":1},{"name":"Joy","positive":3,"unknown":0},{"name":"fear","positive":0,"unknown":0}],` +
		`"labels_without_positives":["fear"],"label_runs":null,"unknown_labels":[],"labels_per_row":[1,2,2],` +
		`"co_occurrence":[{"labels":["joy","Joy"],"rows":2}],` +
		`"tokens":{"mean":3.8,"p50":4,"p90":5,"p95":5,"p99":5,"max":5,"max_seq_length":4,"cut":2,"cut_share":0.4,` +
		`"unknown":{"tokens":2,"share":0.2222222222222222,"texts":1,"words":[{"word":"x","count":1},{"word":"y","count":1}]},` +
		`"casing":{"do_lower_case":true,"cased_pieces":0,"texts_with_letters":4,"texts_with_upper_case":0,"texts_in_capitals":0}}},` +
		`{"role":"dev","file":"","sha256":"","rows":4,"bad_rows":0,"invalid_utf8":0,"empty_texts":0,"duplicates":{"texts":1,"rows":1,` +
		`"similar":1,"conflicting":1,"first_conflict":[1,2]},` +
		`"labels":[{"name":"joy","positive":1,"unknown":0},{"name":"Joy","positive":0,"unknown":0},{"name":"fear","positive":1,"unknown":0}],` +
		`"labels_without_positives":["Joy"],"label_runs":null,"unknown_labels":[{"name":"hate","rows":1,"line":3,"column":"labels"},` +
		`{"name":"joi","rows":1,"line":3,"column":"labels","near":"joy"}],` +
		`"labels_per_row":[2,2],"co_occurrence":[],"tokens":{"mean":3,"p50":3,"p90":3,"p95":3,"p99":3,"max":3,"max_seq_length":4,"cut":0,` +
		`"cut_share":0,` +
		`"unknown":{"tokens":0,"share":0,"texts":0,"words":[]},"casing":{"do_lower_case":true,"cased_pieces":0,"texts_with_letters":4,` +
		`"texts_with_upper_case":0,"texts_in_capitals":0}}}],` +
		`"shared_texts":[{"roles":["train","dev"],"texts":1,"rows":[1,2],"similar":2}],"similar_labels":[["joy","Joy"]],"warnings":null}`
	if string(got) != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}

	stdout, table, code := bertlabel.Run(t, "", "check-data", "--train", train, "--dev", dev, "--vocab-file", vocab, "--max-seq-length",
		"4")
	for _, line := range []string{
		"                                          train          dev\n",
		"rows that cannot be read                      2            0\n",
		"rows with a text of train                     0            2\n",
		"texts over 4 tokens                  2 (40.0 %)    0 (0.0 %)\n",
		"[UNK] among the tokens               2 (22.2 %)    0 (0.0 %)\n",
		"           3   60.00            1   25.00  joy (1 unknown in train)\n",
		"           2  joy + Joy\n",
		"           1  x\n",
		"warning: dev: 2 of its rows have a text that is in train too, 2 byte for byte: figures on them say little\n  remedy: deal the rows anew",
		`warning: labels that look alike: "joy", "Joy"`,
		`warning: dev: label "joi" is not in the list, rows that have it: 1, first on line 3` + "\n" +
			`  remedy: correct it (did you mean "joy"?), or`,
	} {
		if !strings.Contains(table, line) {
			t.Errorf("no line %q in\n%s", line, table)
		}
	}
	if code != cli.ExitData || !json.Valid([]byte(stdout)) {
		t.Errorf("table: exit %d, stdout %s", code, stdout)
	}
}

// A Hugging Face folder may have its vocabulary in tokenizer.json alone.
func TestCheckDataTokenizerFile(t *testing.T) {
	t.Parallel()
	m := cmdtest.TinyModel(t, 1, bert.Pooled, []string{"animal", "colour"})
	m.MaxSeqLength = 5
	folder := filepath.Join(t.TempDir(), "hf")
	if err := m.SaveHuggingFace(folder); err != nil {
		t.Fatal(err)
	}
	train := filepath.Join(t.TempDir(), "train.csv")
	cmdtest.WriteFile(t, train, cmdtest.LabelledCSV(20, 1))
	args := []string{"check-data", "--json", "--train", train, "--model", folder}
	want, stderr, code := bertlabel.Run(t, "", args...)
	if code != cli.ExitOK || !strings.Contains(want, `"max_seq_length": 5`) {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	if err := os.Remove(filepath.Join(folder, "vocab.txt")); err != nil {
		t.Fatal(err)
	}
	if got, stderr, code := bertlabel.Run(t, "", args...); code != cli.ExitOK || got != want {
		t.Errorf("exit %d, %s\n%s\nwant %s", code, stderr, got, want)
	}
}

// Each thing about letters that can be wrong has its warning, and what is right has none.
func TestCheckDataCasing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		cmdtest.WriteFile(t, filepath.Join(dir, name), content)
		return filepath.Join(dir, name)
	}
	const special = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"
	uncasedVocab, casedVocab := write("u.txt", special+"the\ncat\n"), write("c.txt", special+"the\ncat\nThe\nCat\nCATSUP\n")
	mixed, lower := write("mixed.csv", "text,x\nThe cat,1\ncat,0\n"), write("lower.csv", "text,x\n"+strings.Repeat("the cat,1\ncat 猫,0\n", 5))
	upper := write("upper.csv", "text,x\nTHE CAT,1\nCATSUP,0\n")
	for _, c := range []struct{ vocab, flag, train, want string }{
		{uncasedVocab, "true", mixed, ""},
		{uncasedVocab, "true", upper, ""},
		{uncasedVocab, "false", lower, ""},
		{uncasedVocab, "false", mixed, "1 of 2 texts have upper-case letters, which the vocabulary lacks"},
		{casedVocab, "false", mixed, ""},
		{casedVocab, "true", mixed, "33 % of the vocabulary has upper-case letters, which are then never used"},
		{casedVocab, "false", lower, "0 of 10 texts have an upper-case letter, but the vocabulary is cased"},
		{casedVocab, "false", upper, "2 of 2 texts are in capitals"},
	} {
		stdout, stderr, code := bertlabel.Run(t, "", "check-data", "--json", "--train", c.train, "--vocab-file", c.vocab,
			"--do-lower-case="+c.flag)
		var report checkReport
		if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != cli.ExitOK {
			t.Fatalf("exit %d, %v, %s", code, err, stderr)
		}
		got := ""
		for _, w := range report.Warnings {
			if w.Code == "casing" {
				got += w.Message
			}
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s, %s, lower %s: %q, want %q", filepath.Base(c.train), filepath.Base(c.vocab), c.flag, got, c.want)
		}
	}
}

// Names and texts that would steer a terminal reach it escaped, and columns stay where they are.
func TestCheckDataHostile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	train, vocab := filepath.Join(dir, "train.jsonl"), filepath.Join(dir, "vocab.txt")
	hostile := []string{"<script>alert(1)</script>", "joy\u202ereversed", "\x1b[2J\x1b[31mred", strings.Repeat("long", 2500), "😀👩\u200d🔬",
		"שלום", "愛", "a\x00b\ttab", "%s%n"}
	var rows strings.Builder
	for i, name := range hostile {
		row, err := json.Marshal(map[string]any{"text": "a " + name, "labels": []string{name, hostile[(i+1)%len(hostile)]}})
		if err != nil {
			t.Fatal(err)
		}
		rows.Write(append(row, '\n'))
	}
	cmdtest.WriteFile(t, train, rows.String())
	cmdtest.WriteFile(t, vocab, checkVocab)
	_, table, code := bertlabel.Run(t, "", "check-data", "--train", train, "--vocab-file", vocab, "--do-lower-case=false")
	if code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, table)
	}
	for _, line := range strings.Split(strings.TrimSuffix(table, "\n"), "\n") {
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || term.Width(line) > 700 {
			t.Errorf("%q", line)
		}
	}
	for _, line := range []string{"   22.22  <script>alert(1)</script>\n", `   22.22  joy\u202ereversed` + "\n",
		`   22.22  \x1b[2J\x1b[31mred` + "\n", "   22.22  longlonglong", "   22.22  שלום\n", "   22.22  %s%n\n"} {
		if !strings.Contains(table, line) {
			t.Errorf("no %q in\n%s", line, table)
		}
	}
}

// A model's folder gives vocabulary and settings; flags come before them.
func TestCheckDataModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	train := filepath.Join(dir, "train.csv")
	cmdtest.WriteFile(t, train, "text,joy\nA B A AB,1\n")
	cmdtest.WriteFile(t, filepath.Join(dir, "vocab.txt"), checkVocab+"A\n[unused0]\n")
	cmdtest.WriteFile(t, filepath.Join(dir, "model.ckpt.index"), "")
	cmdtest.WriteFile(t, filepath.Join(dir, "bertlabel.json"), `{"format_version": 1, "problem_type": "multi_label_classification",`+
		`"do_lower_case": true, "max_seq_length": 4, "keep_tokens": ["AB"], "pooling": "cls"}`)
	for _, c := range []struct{ args, median, limit string }{
		{"--model " + dir, `"p50": 6`, `"max_seq_length": 4`},                                 // a b a AB
		{"--model " + dir + "/model.ckpt --keep-tokens c", `"p50": 7`, `"max_seq_length": 4`}, // a b a a ##b
		// A [UNK] A [UNK]
		{"--model " + dir + " --keep-tokens c --do-lower-case=false --max-seq-length 5", `"p50": 6`, `"max_seq_length": 5`},
	} {
		stdout, stderr, code := bertlabel.Run(t, "",
			append([]string{"check-data", "--json", "--train", train}, strings.Fields(c.args)...)...)
		if code != cli.ExitOK || !strings.Contains(stdout, c.median) || !strings.Contains(stdout, c.limit) {
			t.Errorf("%s: exit %d, no %s, %s in\n%s%s", c.args, code, c.median, c.limit, stdout, stderr)
		}
	}
	cmdtest.WriteFile(t, filepath.Join(dir, "bertlabel.json"), `{"do_lower_case": `)
	if _, stderr, code := bertlabel.Run(t, "", "check-data", "--train", train, "--model", dir); code != cli.ExitModel ||
		!strings.Contains(stderr, "bertlabel.json") {
		t.Errorf("broken settings: exit %d, %s", code, stderr)
	}
}

// The authors' own files of GoEmotions (Demszky et al. 2020), counted with cut, sort and uniq.
func TestCheckDataGoEmotions(t *testing.T) {
	t.Parallel()
	dir := tensortest.Shared(t, "data/goemotions")
	stdout, stderr, code := bertlabel.Run(t, "", "check-data", "--json", "--train", dir+"/train.tsv", "--dev", dir+"/dev.tsv",
		"--no-header", "--text-column", "1", "--labels-column", "2", "--id-column", "3", "--labels", dir+"/labels.txt")
	var report checkReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != cli.ExitOK {
		t.Fatalf("exit %d, %v, %s", code, err, stderr)
	}
	f := report.Files[0]
	if f.Rows != 43410 || f.Duplicates.Texts != 118 || f.Labels[17].Positive != 1452 || len(f.WithoutPositives) != 0 ||
		report.Shared[0].Rows != [2]int{84, 43} {
		t.Errorf("%+v, shared %+v", f.Summary, report.Shared)
	}
}
