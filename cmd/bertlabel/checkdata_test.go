package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/tensor/tensortest"
)

// checkVocab is a vocabulary for the texts of these tests.
const checkVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n##b\n"

// Everything that check-data counts, in two small files; the numbers were counted by hand.
func TestCheckData(t *testing.T) {
	dir := t.TempDir()
	train, dev, vocab := filepath.Join(dir, "train.csv"), filepath.Join(dir, "dev.jsonl"), filepath.Join(dir, "vocab.txt")
	writeFile(t, train, "text,joy,Joy,fear\na b c,1,1,0\na b c,1,0,0\n\"  \",,0,0\nx y,0,1,0\na,0.7,0,0\nab ab ab ab,0,0\na,1,1,0\n")
	writeFile(t, dev, `{"text":"a","labels":["joy"]}`+"\n"+`{"text":"a","labels":[]}`+"\n"+`{"text":"b","labels":["joi","hate"]}`+"\n"+`{"text":"c","labels":["fear"]}`)
	writeFile(t, vocab, checkVocab)

	stdout, stderr, code := bertlabel(t, "", "check-data", "--train", train, "--dev", dev, "--vocab-file", vocab, "--max-seq-length", "4", "--json")
	if code != exitData || !strings.Contains(stderr, train+":6: column joy: found the value \"0.7\"") || !strings.Contains(stderr, train+":7: column fear: found 3 fields") {
		t.Errorf("exit %d, stderr:\n%s", code, stderr)
	}
	var report checkReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	for i := range report.Files {
		report.Files[i].SHA256, report.Files[i].File = "", ""
	}
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"files":[` +
		`{"role":"train","file":"","sha256":"","rows":5,"bad_rows":2,"invalid_utf8":0,"empty_texts":1,"duplicates":{"texts":1,"rows":1,"conflicting":1},` +
		`"labels":[{"name":"joy","positive":3,"unknown":1},{"name":"Joy","positive":3,"unknown":0},{"name":"fear","positive":0,"unknown":0}],` +
		`"labels_without_positives":["fear"],"unknown_labels":[],"labels_per_row":[1,2,2],"co_occurrence":[{"labels":["joy","Joy"],"rows":2}],` +
		`"tokens":{"mean":3.8,"p50":4,"p90":5,"p95":5,"p99":5,"max":5,"max_seq_length":4,"cut":2,"cut_share":0.4}},` +
		`{"role":"dev","file":"","sha256":"","rows":4,"bad_rows":0,"invalid_utf8":0,"empty_texts":0,"duplicates":{"texts":1,"rows":1,"conflicting":1},` +
		`"labels":[{"name":"joy","positive":1,"unknown":0},{"name":"Joy","positive":0,"unknown":0},{"name":"fear","positive":1,"unknown":0}],` +
		`"labels_without_positives":["Joy"],"unknown_labels":[{"name":"hate","rows":1,"line":3,"column":"labels"},{"name":"joi","rows":1,"line":3,"column":"labels","near":"joy"}],` +
		`"labels_per_row":[2,2],"co_occurrence":[],"tokens":{"mean":3,"p50":3,"p90":3,"p95":3,"p99":3,"max":3,"max_seq_length":4,"cut":0,"cut_share":0}}],` +
		`"shared_texts":[{"roles":["train","dev"],"texts":1,"rows":[1,2]}],"similar_labels":[["joy","Joy"]]}`
	if string(got) != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}

	table, _, code := bertlabel(t, "", "check-data", "--train", train, "--dev", dev, "--vocab-file", vocab, "--max-seq-length", "4")
	for _, line := range []string{
		"                                          train          dev",
		"rows that cannot be read                      2            0",
		"texts over 4 tokens                  2 (40.0 %)    0 (0.0 %)",
		"joy                                           3 (1 unknown)            1",
		"joy + Joy                                     2",
		"2 rows of dev have a text that is in train too (1 texts)",
		`labels that look alike: ["joy" "Joy"]`,
		dev + `:3: label "joi" is not in the list, rows that have it: 1; did you mean "joy"?`,
	} {
		if !strings.Contains(table, line) {
			t.Errorf("no line %q in\n%s", line, table)
		}
	}
	if code != exitData {
		t.Errorf("table: exit %d", code)
	}
}

// A model's folder gives vocabulary and settings; flags come before them.
func TestCheckDataModel(t *testing.T) {
	dir := t.TempDir()
	train := filepath.Join(dir, "train.csv")
	writeFile(t, train, "text,joy\nA B A AB,1\n")
	writeFile(t, filepath.Join(dir, "vocab.txt"), checkVocab+"A\n[unused0]\n")
	writeFile(t, filepath.Join(dir, "bertlabel.json"), `{"do_lower_case": true, "max_seq_length": 4, "keep_tokens": ["AB"], "pooling": "cls"}`)
	for _, c := range []struct{ args, median, limit string }{
		{"--model " + dir, `"p50": 6`, `"max_seq_length": 4`},                                                               // a b a AB
		{"--model " + dir + "/model.ckpt --keep-tokens c", `"p50": 7`, `"max_seq_length": 4`},                               // a b a a ##b
		{"--model " + dir + " --keep-tokens c --do-lower-case=false --max-seq-length 5", `"p50": 6`, `"max_seq_length": 5`}, // A [UNK] A [UNK]
	} {
		stdout, stderr, code := bertlabel(t, "", append([]string{"check-data", "--json", "--train", train}, strings.Fields(c.args)...)...)
		if code != exitOK || !strings.Contains(stdout, c.median) || !strings.Contains(stdout, c.limit) {
			t.Errorf("%s: exit %d, no %s, %s in\n%s%s", c.args, code, c.median, c.limit, stdout, stderr)
		}
	}
	writeFile(t, filepath.Join(dir, "bertlabel.json"), `{"do_lower_case": `)
	if _, stderr, code := bertlabel(t, "", "check-data", "--train", train, "--model", dir); code != exitModel || !strings.Contains(stderr, "bertlabel.json") {
		t.Errorf("broken settings: exit %d, %s", code, stderr)
	}
}

// The authors' own files of GoEmotions (Demszky et al. 2020), counted with cut, sort and uniq.
func TestCheckDataGoEmotions(t *testing.T) {
	dir := tensortest.Shared(t, "data/goemotions")
	stdout, stderr, code := bertlabel(t, "", "check-data", "--json", "--train", dir+"/train.tsv", "--dev", dir+"/dev.tsv", "--no-header", "--text-column", "1",
		"--labels-column", "2", "--id-column", "3", "--labels", dir+"/labels.txt")
	var report checkReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitOK {
		t.Fatalf("exit %d, %v, %s", code, err, stderr)
	}
	f := report.Files[0]
	if f.Rows != 43410 || f.Duplicates.Texts != 118 || f.Labels[17].Positive != 1452 || len(f.WithoutPositives) != 0 || report.Shared[0].Rows != [2]int{84, 43} {
		t.Errorf("%+v, shared %+v", f.Summary, report.Shared)
	}
}
