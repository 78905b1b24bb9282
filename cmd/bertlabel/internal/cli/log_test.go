package cli

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// clock is a reporter's now that a test turns by hand.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func testReporter(quiet bool, format string) (*Log, *clock, *bytes.Buffer) {
	var out bytes.Buffer
	r, c := newLog(&out, quiet, format, ""), &clock{time.Unix(1e9, 0)}
	r.now = c.now
	return r, c, &out
}

// Ten minutes of steps, two a second, give a line every ten seconds, with the rates since the beginning.
func TestProgressLines(t *testing.T) {
	t.Parallel()
	r, c, out := testReporter(false, "text")
	for step := 100; step <= 1300; step++ {
		r.Progress("train", Progress{Step: step, Steps: 1300, Examples: 32 * step, Epoch: float64(step) / 650, Loss: 0.25,
			LearningRate: 5e-5})
		c.t = c.t.Add(time.Second / 2)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 60 {
		t.Errorf("%d lines in 600 s, want 60", len(lines))
	}
	if want := "train step 120/1300 epoch 0.18 loss 0.2500 lr 5e-05 64.0 examples/s eta 9m50s"; lines[0] != want {
		t.Errorf("first line %q, want %q", lines[0], want)
	}
}

func TestProgressJSON(t *testing.T) {
	t.Parallel()
	r, c, out := testReporter(false, "json")
	r.Progress("train", Progress{})
	c.t = c.t.Add(10 * time.Second)
	r.Progress("train", Progress{Step: 5, Steps: 10, Examples: 40, Loss: math.NaN()})
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	for key, want := range map[string]any{"msg": "train", "step": 5.0, "steps": 10.0, "examples_per_second": 4.0, "eta_seconds": 10.0,
		"loss": "NaN"} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
	out.Reset()
	r.Progress("predict", Progress{Shard: 3, Shards: 128})
	c.t = c.t.Add(10 * time.Second)
	r.Progress("predict", Progress{Shard: 3, Shards: 128, Step: 40, Examples: 40})
	if want := `"msg":"predict","shard":3,"of":128,"rows":40,"rows_per_second":4`; !strings.Contains(out.String(), want) {
		t.Errorf("%s, want %s", out, want)
	}
	if _, there := line["epoch"]; there {
		t.Errorf("an unknown epoch is shown in %s", out)
	}
}

// --quiet leaves warnings and errors.
func TestQuiet(t *testing.T) {
	t.Parallel()
	r, c, out := testReporter(true, "text")
	r.Infof("hello")
	r.Progress("train", Progress{})
	c.t = c.t.Add(time.Minute)
	r.Progress("train", Progress{Step: 1})
	r.Warnf("rows: %d", 3)
	if got := out.String(); got != "warning: rows: 3\n" {
		t.Errorf("--quiet prints %q, want the warning only", got)
	}
}

// On a terminal there is one bar with the figures of the last step, and messages stand on lines of their own.
func TestProgressBar(t *testing.T) {
	t.Parallel()
	r, c, out := testReporter(false, "text")
	r.terminal = true
	for step := range 11 {
		r.Progress("train", Progress{Step: step, Steps: 10, Examples: 8 * step, Loss: 1})
		c.t = c.t.Add(time.Second)
		if step == 5 {
			r.Warnf("a message")
		}
	}
	r.Done()
	for _, want := range []string{"\ra message\n", "train loss 1.0000 8.0 examples/s 100%", "(10/10)"} {
		if !strings.Contains(strings.ReplaceAll(out.String(), "warning: ", ""), want) {
			t.Errorf("no %q in the terminal's bytes:\n%q", want, out)
		}
	}
	if !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("the bar's line is left open: %q", out)
	}
}
