package serve

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/browsertest"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// shownBars is a script: what the bars of the page say.
const shownBars = `[...document.querySelectorAll('.bar')].map(b => ({
	label: b.querySelector('button').textContent, p: +b.querySelector('[role=meter]').getAttribute('aria-valuenow'),
	name: b.querySelector('[role=meter]').getAttribute('aria-label'), width: parseFloat(b.querySelector('.fill').style.width),
	over: b.classList.contains('over'), slider: b.querySelector('input').getAttribute('aria-label')}))`

type shownBar struct {
	Label, Name, Slider string
	P, Width            float64
	Over                bool
}

// The page in a browser: bars as one types, thresholds by the keyboard alone, words coloured, a file that is dropped on it labelled and
// downloaded. It asks nobody but its server, its policy refuses nothing, and nothing stands out of a window or a phone.
func TestPageInBrowser(t *testing.T) {
	b := browsertest.Start(t)
	s := serve(t, Options{Explain: true, Cache: 1 << 20})
	for _, v := range []browsertest.View{browsertest.Views[3], browsertest.Views[0]} {
		b.Open(s.URL, v)
		b.Until(`document.activeElement.id === 'text' && document.querySelectorAll('#model option').length > 0`)
		b.Type("the cat")
		b.Until(`document.querySelectorAll('.bar').length > 0`)
		b.Type(" sat on a mat")
		b.Until(`document.getElementById('facts').textContent.startsWith('8 tokens')`)
		b.CheckNow(t, v.Name, s.URL)
	}
	var bars []shownBar
	b.Evaluate(shownBars, &bars)
	p := s.prediction("the cat sat on a mat", "")
	for i, bar := range bars {
		at := slices.Index(s.m.Labels, bar.Label)
		if at < 0 || float32(bar.P) != p.Probabilities[at] || bar.Over != (p.Probabilities[at] > s.m.Thresholds[at]) ||
			bar.Name != bar.Label || bar.Slider != "threshold of "+bar.Label || bar.Width < 99*bar.P || bar.Width > 101*bar.P ||
			i > 0 && bar.P > bars[i-1].P {
			t.Errorf("bar %d: %+v, want the probabilities %v, best first", i, bar, p.Probabilities)
		}
	}
	if len(bars) != len(s.m.Labels) {
		t.Fatalf("%d bars", len(bars))
	}
	keyboard(t, b, bars[0])
	words(t, b, s, bars[1].Label)
	file(t, b, s)
	b.CheckNow(t, "at the end", s.URL)
}

// keyboard turns the threshold of the first bar up by keys alone: Tab to its slider, then End, which is over every probability.
func keyboard(t *testing.T, b *browsertest.Browser, first shownBar) {
	t.Helper()
	b.Click("#text")
	focus := fmt.Sprintf(`document.activeElement.getAttribute('aria-label') === %q`, first.Slider)
	for range 30 {
		var there bool
		if b.Evaluate(focus, &there); there {
			break
		}
		b.Press("Tab")
	}
	b.Until(focus)
	over := `document.querySelector('.bar').classList.contains('over')`
	for b.Press("ArrowRight"); ; b.Press("ArrowRight") {
		var value float64
		if b.Evaluate(`+document.activeElement.value`, &value); value > first.P {
			break
		}
	}
	var is bool
	if b.Evaluate(over, &is); is {
		t.Error("a label is over a threshold that is above it")
	}
	b.Click("#reset")
	b.Evaluate(over, &is)
	if is != first.Over {
		t.Error("the thresholds of the model are not back")
	}
}

// words asks what each word does for a label.
func words(t *testing.T, b *browsertest.Browser, s *testServer, label string) {
	t.Helper()
	b.Evaluate(fmt.Sprintf(`[...document.querySelectorAll('.bar button')].find(e => e.textContent === %q).click(), true`, label), new(bool))
	b.Until(`document.getElementById('words').textContent.includes('integrated')`)
	var shown []struct {
		Text, Title string
		Coloured    bool
	}
	b.Evaluate(`[...document.querySelectorAll('#words span')].map(e => ({text: e.textContent, title: e.title, coloured: !!e.style.background}))`,
		&shown)
	e, err := s.m.NewExplainer()
	if err != nil {
		t.Fatal(err)
	}
	made, err := e.Explain(t.Context(), model.Text{A: "the cat sat on a mat"}, []string{label}, model.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(shown) != len(made[0].Words) {
		t.Fatalf("%d words are coloured: %v", len(shown), shown)
	}
	for i, w := range made[0].Words {
		if got := shown[i]; got.Text != w.Word || got.Title != strings.Replace(fmt.Sprintf("%+.3f", w.Value), "-", "−", 1) || !got.Coloured {
			t.Errorf("word %d: %+v, want %q with %+.3f", i, got, w.Word, w.Value)
		}
	}
}

// file drops a CSV file of more than two parts, with a bad row and a line break between quotes, and downloads what becomes of it.
func file(t *testing.T, b *browsertest.Browser, s *testServer) {
	t.Helper()
	dir := t.TempDir()
	var table strings.Builder
	table.WriteString("id,text\n")
	for i, text := range cmdtest.TinyTexts(1200) {
		switch {
		case i == 700:
			fmt.Fprintf(&table, "%d,\"the cat\nsat\"\n", i)
		case i == 3:
			fmt.Fprintf(&table, "%d,a,b\n", i)
		default:
			fmt.Fprintf(&table, "%d,\"%s\"\n", i, strings.ReplaceAll(text, `"`, `""`))
		}
	}
	want := strings.SplitAfter(s.reference(table.String(), data.CSV, score.Line{}, streamPredict), "\n")
	path := filepath.Join(dir, "texts.csv")
	cmdtest.WriteFile(t, path, table.String())
	b.Call("Page.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": dir}, nil)
	b.Drop("#drop", path)
	b.Until(`document.getElementById('progress').value === 1 && !document.getElementById('download').disabled`)
	var rate, status string
	b.Evaluate(`document.getElementById('rate').textContent`, &rate)
	b.Evaluate(`document.getElementById('status').textContent`, &status)
	if !strings.HasPrefix(rate, "1200 rows, 1 bad, ") || status != "" {
		t.Errorf("%q, %q", rate, status)
	}
	b.Click("#download")
	downloaded := filepath.Join(dir, "predictions.jsonl")
	var got []byte
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(downloaded); err == nil && strings.Count(string(text), "\n") == 1200 {
			got = text
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was downloaded")
		}
	}
	lines := strings.SplitAfter(string(got), "\n")
	var bad struct{ Error string }
	if err := json.Unmarshal([]byte(lines[3]), &bad); err != nil || bad.Error == "" {
		t.Errorf("the bad row is %q", lines[3])
	}
	for i := range want {
		if i != 3 && (i >= len(lines) || lines[i] != want[i]) { // the message of 3 counts the lines of its part
			t.Fatalf("row %d is %q, want %q", i, lines[i:min(i+1, len(lines))], want[i])
		}
	}
}
