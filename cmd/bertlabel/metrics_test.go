package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/tensor/tensortest"
	"bertlabel/train/metrics"
)

// The verb gives, for the CSV files of every golden, the report of its truth, scores and thresholds, whose values the tests
// of train/metrics hold to scikit-learn.
func TestMetricsGoldens(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(tensortest.Shared(t, "fixtures/metrics"), "*.json"))
	if err != nil || len(paths) != 19 {
		t.Fatalf("%d goldens (%v), want 19", len(paths), err)
	}
	for _, path := range paths {
		folder := strings.TrimSuffix(path, ".json")
		t.Run(filepath.Base(folder), func(t *testing.T) {
			report, threshold := goldenReport(t, path)
			want, err := json.Marshal(report)
			if err != nil {
				t.Fatal(err)
			}
			stdout, stderr, code := bertlabel(t, "", "metrics", "--truth", filepath.Join(folder, "truth.csv"), "--scores",
				filepath.Join(folder, "scores.csv"), "--threshold", threshold)
			if code != cli.ExitOK || strings.TrimSpace(stdout) != string(want) || !strings.Contains(stderr, "label_ranking_loss") {
				t.Errorf("exit %d, stdout\n%s\nwant\n%s\nstderr\n%s", code, stdout, want, stderr)
			}
		})
	}
}

// goldenReport returns the report of a golden's data, and its thresholds as a flag.
func goldenReport(t *testing.T, path string) (*metrics.Report, string) {
	t.Helper()
	var golden struct {
		Labels    []string
		Threshold json.RawMessage
		Truth     [][]int8    `json:"y_true"`
		Scores    [][]float32 `json:"y_score"`
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &golden)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := metrics.Data{Labels: golden.Labels}
	for i := range golden.Truth {
		d.Truth, d.Scores = append(d.Truth, golden.Truth[i]...), append(d.Scores, golden.Scores[i]...)
	}
	flag := strings.ReplaceAll(strings.Trim(string(golden.Threshold), "[]"), " ", "")
	var thresholds []float32
	if err := json.Unmarshal([]byte("["+flag+"]"), &thresholds); err != nil {
		t.Fatal(err)
	}
	report, err := metrics.Evaluate(d, thresholds)
	if err != nil {
		t.Fatal(err)
	}
	return report, flag
}

// metricsOf runs the verb on two files of these contents and a file t.json.
func metricsOf(t *testing.T, truth, scores, thresholds string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	folder := t.TempDir() + string(filepath.Separator)
	cmdtest.WriteFile(t, folder+"truth.csv", truth)
	cmdtest.WriteFile(t, folder+"scores.csv", scores)
	cmdtest.WriteFile(t, folder+"t.json", thresholds)
	for i := range args {
		args[i] = strings.Replace(args[i], "t.json", folder+"t.json", 1)
	}
	stdout, stderr, code = bertlabel(t, "",
		append([]string{"metrics", "--truth", folder + "truth.csv", "--scores", folder + "scores.csv"}, args...)...)
	return stdout, strings.ReplaceAll(stderr, folder, ""), code
}

// Columns are matched by name, unknown cells and columns that are no labels left out, whatever the thresholds are written as.
func TestMetricsReads(t *testing.T) {
	t.Parallel()
	const truth = "\ufeffid,joy,\"a, b\"\r\n7,1,0\r\n8,0,\r\n9,1,1\r\n"
	const scores = "id,\"a, b\",joy\n7,0.25,0.5\n8,1e-3,0.25\n9,0.75,1\n"
	const want = `"per_label":{"joy":{"precision":1,"recall":1,"f1":1,"support":2,"roc_auc":1,"average_precision":1,"threshold":0.3,` +
		`"best_f1_threshold":0.375,"best_f1":1,"tn":1,"fp":0,"fn":0,"tp":2},"a, b":{"precision":1,"recall":1,"f1":1,"support":1,"roc_auc":1,` +
		`"average_precision":1,"threshold":0.3,"best_f1_threshold":0.5,"best_f1":1,"tn":1,"fp":0,"fn":0,"tp":1}},` +
		`"rows":3,"labels":["joy","a, b"],"threshold":`
	for _, c := range []struct{ threshold, want string }{
		{"0.3", "0.3}"}, {"0.3,0.3", "[0.3,0.3]}"}, {"t.json", "[0.3,0.3]}"},
	} {
		stdout, stderr, code := metricsOf(t, truth, scores, `{"a, b": 0.3, "joy": 3e-1}`, "--threshold", c.threshold)
		if code != cli.ExitOK || !strings.Contains(stdout, want+c.want) || !strings.Contains(stderr, "matched by name") {
			t.Errorf("--threshold %s: exit %d, stdout\n%s\nwant\n…%s%s\nstderr\n%s", c.threshold, code, stdout, want, c.want, stderr)
		}
	}
	if _, stderr, code := metricsOf(t, truth, scores, "", "--quiet"); code != cli.ExitOK || stderr != "" {
		t.Errorf("--quiet: exit %d, stderr %q", code, stderr)
	}
}

func TestMetricsReadsStdin(t *testing.T) {
	t.Parallel()
	truth := filepath.Join(t.TempDir(), "truth.csv")
	cmdtest.WriteFile(t, truth, "joy\n1\n\"\"\n0\n")
	stdout, _, code := bertlabel(t, "joy\n0.9\n0.8\n0.1\n", "metrics", "--truth", truth, "--scores", "-")
	if code != cli.ExitOK || !strings.Contains(stdout, `"subset_accuracy":1,`) || !strings.Contains(stdout, `"rows":3,`) {
		t.Errorf("exit %d, stdout %s", code, stdout)
	}
	if _, stderr, code := bertlabel(t, "", "metrics", "--truth", "-", "--scores", "-"); code != cli.ExitUsage ||
		!strings.Contains(stderr, "both") {
		t.Errorf("both from stdin: exit %d, stderr %s", code, stderr)
	}
}

func TestMetricsRefuses(t *testing.T) {
	t.Parallel()
	const truth, scores = "id,a,b\n1,0,1\n2,1,0\n", "id,a,b\n1,0.5,1\n2,0.25,0\n"
	for _, c := range []struct{ truth, scores, want string }{
		{"id,a,b\n1,0,2\n", scores, `truth.csv:2: column b: found "2", expected 0, 1 or nothing`},
		{"id,a,b\n1,0,1\n2,0.7,0\n", scores, `truth.csv:3: column a: found "0.7", expected 0, 1 or nothing`},
		{"a,b\n0,1\n\"\n2\",0\n", "a,b\n0,0\n0,0\n", `truth.csv:3: column a: found "\n2"`},
		{truth, "id,a,b\n1,0.5,\n", `scores.csv:2: column b: found "", expected a probability`},
		{truth, "id,a,b\n1,0.5,nan\n", `scores.csv:2: column b: found "nan"`},
		{truth, "id,a,b\n1,+Inf,1\n", `scores.csv:2: column a: found "+Inf"`},
		{truth, "id,a,b\n1,0,1\n2,1.5,0\n", `scores.csv:3: column a: found "1.5"`},
		{truth, "id,a,b\n1,0,1\n2,-1e-9,0\n", `scores.csv:3: column a: found "-1e-9"`},
		{truth, "id,a\n1,0\n2,0\n", `scores.csv:1: found no column "b", expected one, as in truth.csv`},
		{truth, "id,a,c,b\n1,0,0,0\n2,0,0,0\n", "scores.csv:1: column c: found a column that truth.csv lacks"},
		{truth, "id,a,b\n1,0,0\n", "scores.csv: found 1 rows, expected 2, as in truth.csv"},
		{truth, "id,a,b\n1,0,0\n3,0,0\n", `scores.csv:3: column id: found "3", expected "2", as on line 3 of truth.csv`},
		{truth, "id,a,b\n1,0\n", "scores.csv:2: found another number of fields, expected 3"},
		{truth, "id,a,b\n1,0,0\n2,\"0,0\n", "scores.csv:3: column byte"},
		{truth, "id,a,b\n1,0,0\"\n", "scores.csv:2: column byte 6:"},
		{"id,a,a\n1,0,0\n", scores, "truth.csv:1: column a: found two columns of that name"},
		{",a,b\n1,0,0\n", scores, "truth.csv:1: column 1: found a column without a name"},
		{"\xff,a,b\n1,0,0\n", scores, `truth.csv:1: column 1: found "\xff", expected a name in UTF-8`},
		{"id,text\n1,x\n", scores, "truth.csv:1: found no label column"},
		{"id,a,b\n", scores, "truth.csv:2: found no rows"},
		{"", scores, "truth.csv:1: found nothing, expected a header"},
		{strings.Repeat("\xff\xfe", 1000), scores, "truth.csv:1: column 1"},
	} {
		stdout, stderr, code := metricsOf(t, c.truth, c.scores, "")
		if code != cli.ExitData || stdout != "" || !strings.Contains(stderr, c.want) || len(stderr) > 500 {
			t.Errorf("truth %.60q, scores %.60q: exit %d, stderr %s\nwant exit 3 with %s", c.truth, c.scores, code, stderr, c.want)
		}
	}
	for _, c := range []struct {
		threshold, json string
		code            int
		want            string
	}{
		{"0.5,0.5,0.5", "", cli.ExitUsage, "found 3 numbers, want one, or one for each of 2 labels"},
		{"0.5,", "", cli.ExitUsage, `found "", want a number`},
		{"0.5,x", "", cli.ExitUsage, `found "x", want a number`},
		{"nan", "", cli.ExitUsage, "want a number"},
		{"-inf", "", cli.ExitUsage, "want a number"},
		{"nowhere.json", "", cli.ExitUsage, "nowhere.json"},
		{"t.json", `{"a": 0.5}`, cli.ExitData, `t.json: found no threshold for "b"`},
		{"t.json", `{"a": 0.5, "b": null}`, cli.ExitData, `t.json: found no threshold for "b"`},
		{"t.json", `{"a": 0.5, "b": 0.5, "c": 1}`, cli.ExitData, `t.json: found a threshold for "c"`},
		{"t.json", "{\"a\": 0.5,\n\"b\": \"x\"}", cli.ExitData, "t.json:2: found"},
		{"t.json", "{\"a\": 0.5,\n\n}", cli.ExitData, "t.json:3: found"},
		{"t.json", `{"a": 0.5, "b": 1e99}`, cli.ExitData, "t.json:1: found"},
		{"t.json", ``, cli.ExitData, "t.json:1: found"},
	} {
		stdout, stderr, code := metricsOf(t, truth, scores, c.json, "--threshold", c.threshold)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("--threshold %s (%s): exit %d, stderr %s\nwant exit %d with %s", c.threshold, c.json, code, stderr, c.code, c.want)
		}
	}
}
