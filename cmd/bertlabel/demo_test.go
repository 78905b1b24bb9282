package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/cmd/bertlabel/internal/democmd"
	"bertlabel/train/tiny"
)

// The demo at a small size: it leaves data, model and results, and every command that it shows can be run again and gives the
// same.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	var stdout, stderr bytes.Buffer
	a := cli.New(cli.Process{}, verbs, strings.NewReader(""), &stdout, &stderr)
	a.LogFormat = "text"
	if err := democmd.Run(t.Context(), a, democmd.Options{Folder: dir, TrainRows: 120, DevRows: 20, TestRows: 30}); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if n := strings.Count(stdout.String(), "\n"); n != 3*5 || strings.Count(stdout.String(), `{"id":`) != 5 {
		t.Errorf("stdout has %d lines:\n%s", n, stdout.String())
	}
	cmdtest.OnlyFile(t, dir, "dev.csv", "metrics.json", "model", "predictions.jsonl", "random-bert", "report.html", "test.csv", "train.csv")
	results := map[string]string{}
	for _, name := range []string{"metrics.json", "predictions.jsonl"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		results[name] = string(text)
	}
	if !json.Valid([]byte(results["metrics.json"])) || strings.Count(results["predictions.jsonl"], `"probabilities":`) != 30 {
		t.Errorf("results %v", results)
	}
	again := map[string]string{}
	for line := range strings.Lines(stderr.String()) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ bertlabel ")
		if !ok {
			continue
		}
		out, errs, code := bertlabel(t, "", strings.Fields(command)...)
		if code != cli.ExitOK {
			t.Errorf("%s: exit %d, %s", command, code, errs)
		}
		again[strings.Fields(command)[0]] = out
	}
	if len(again) != 3 || again["eval"] != results["metrics.json"] || again["predict"] != results["predictions.jsonl"] {
		t.Errorf("the commands that were shown, %d of 3, give other results", len(again))
	}
	if _, stderr, code := bertlabel(t, "", "demo", "--output", dir); code != cli.ExitUsage || !strings.Contains(stderr, "is not empty") {
		t.Errorf("a second demo: exit %d, %s", code, stderr)
	}
}

// What demo --tiny shows of the model that it trains, shown of the committed one; and what it refuses.
func TestDemoTiny(t *testing.T) {
	t.Parallel()
	m, err := model.Open("../../bert/testdata/tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	a := cli.New(cli.Process{}, verbs, strings.NewReader(""), &stdout, &stderr)
	a.LogFormat = "text"
	if err := democmd.ShowParts(t.Context(), a, m, tiny.EveryText()[:300]); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) != 11 || strings.Join(strings.Fields(lines[1]), " ") != "whole 0 0 0 0" ||
		!strings.HasPrefix(lines[3], "without head 0.1") {
		t.Errorf("stdout %s", stdout.String())
	}
	if _, stderr, code := bertlabel(t, "", "demo", "--tiny", "--output", "x"); code != cli.ExitUsage ||
		!strings.Contains(stderr, "--tiny writes no files") {
		t.Errorf("--tiny --output: exit %d, %s", code, stderr)
	}
}
