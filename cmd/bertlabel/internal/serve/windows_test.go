package serve

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/queue"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/score"
)

// TestWindows: long texts of a model that reads them in windows have the bytes of bertlabel predict: asked for one by one, beside a model of
// the same encoder that cuts them, from the cache, as a stream, and as vectors.
func TestWindows(t *testing.T) {
	dir, models := t.TempDir(), map[string]*model.Model{}
	var sources []Source
	for name, most := range map[string]int{"all": tokenizer.AllWindows, "two": 2, "one": 1} {
		m := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels)
		m.Windows.Most = most
		if err := m.Save(filepath.Join(dir, name), nil); err != nil {
			t.Fatal(err)
		}
		models[name] = m
		sources = append(sources, source(name, filepath.Join(dir, name)))
	}
	s := serve(t, Options{Cache: 1 << 20, Models: sources})
	long := strings.Repeat("the cat sat on a mat ", 20) // 120 tokens
	answer := func(name, text string, tokens, cut int) string {
		m := models[name]
		return fmt.Sprintf(`{"model":"%s","digest":"%x","predictions":[{%s,"tokens":%d,"cut_tokens":%d}]}`, name, m.Digest(),
			s.line(m, score.Line{}, text, ""), tokens, cut)
	}
	all, two, one := answer("all", long, 122, 0), answer("two", long, 41, 81), answer("one", long, 24, 98)
	body := `{"text": "` + long + `", "model": ["one", "all", "two"]}`
	for range 2 { // the second from the cache
		if got, want := s.post("/v1/predict", body), `{"results":[`+one+","+all+","+two+"]}\n"; got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	stream := `{"text": "` + long + `"}` + "\n" + `{"text": "a dog"}` + "\n"
	_, got := s.send("POST", "/v1/predict?model=all", stream, "Content-Type", "application/x-ndjson")
	want := "{" + s.line(models["all"], score.Line{}, long, "") + "}\n{" + s.line(models["all"], score.Line{}, "a dog", "") + "}\n"
	if got != want {
		t.Errorf("a stream: %s\nwant\n%s", got, want)
	}
	x, err := models["all"].Embed(t.Context(), []model.Text{{A: long}}, bert.CLS)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.post("/v1/embed", `{"text": "`+long+`", "model": "all", "pooling": "cls"}`); !strings.Contains(got, string(score.AppendVector(nil, x.Row(0)))) {
		t.Errorf("a vector: %s", got)
	}
	if got := s.post("/v1/tokenize", `{"text": "`+long+`", "model": "all"}`); strings.Count(got, `"[CLS]"`) != 1 ||
		!strings.Contains(got, fmt.Sprintf(`"start":%d,"end":%d}`, len(long)-4, len(long)-1)) {
		t.Errorf("tokens: %s", got)
	}
	r, got := s.send("POST", "/v1/predict", `{"text": "`+long+`", "model": "two", "on_long": "error"}`, "Content-Type", "application/json")
	if r.StatusCode != 422 || !strings.Contains(got, "122 tokens, and the model takes 41") {
		t.Errorf("a text of more than two windows: %s %s", r.Status, got)
	}
	if _, got := s.send("GET", "/v1/models/all", ""); !strings.Contains(got, `"windows":"all"`) {
		t.Errorf("the model: %s", got)
	}
}

// TestWindowKeys: rows of the same tokens of which others count are other texts for the cache.
func TestWindowKeys(t *testing.T) {
	e := tokenizer.Encoding{IDs: []int32{2, 5, 6, 3}, Segments: make([]int32, 4)}
	seen := map[queue.Key]int{queue.NewKey(nil, "", &e): -1}
	for i, w := range []tokenizer.Window{{Start: 0, End: 4, KeptStart: 0, KeptEnd: 3}, {Start: 0, End: 4, KeptStart: 1, KeptEnd: 3},
		{Start: 0, End: 4, KeptStart: 1, KeptEnd: 4}} {
		e.Windows = []tokenizer.Window{w}
		key := queue.NewKey(nil, "", &e)
		if other, there := seen[key]; there {
			t.Errorf("window %d has the key of %d", i, other)
		}
		seen[key] = i
	}
}

// TestNoisyOr: texts of a model that reads windows by noisy-or have the bytes of bertlabel predict, with a calibration, beside another head
// on the same encoder that joins features, from the cache, as a stream, and with a sample of several windows; vectors stay joined features.
func TestNoisyOr(t *testing.T) {
	long := strings.Repeat("the cat sat on a mat ", 20)
	dir, models := t.TempDir(), map[string]*model.Model{}
	var sources []Source
	for _, name := range []string{"features", "noisy", "calibrated"} {
		m := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels)
		m.Windows.Most = tokenizer.AllWindows
		if name != "features" {
			m.WindowPooling = model.NoisyOr
		}
		if name == "calibrated" {
			m.Calibrate(slices.Repeat([]float64{0.5}, len(m.Labels)), slices.Repeat([]float64{-0.3}, len(m.Labels)))
		}
		p, err := m.Predict(t.Context(), []model.Text{{A: long}})
		if err != nil {
			t.Fatal(err)
		}
		m.Samples = []model.Sample{{Text: long, Probabilities: map[string]float32{m.Labels[0]: p[0].Probabilities[0]}}}
		if err := m.Save(filepath.Join(dir, name), nil); err != nil {
			t.Fatal(err)
		}
		models[name] = m
		sources = append(sources, source(name, filepath.Join(dir, name)))
	}
	s := serve(t, Options{Cache: 1 << 20, Models: sources})
	answer := func(name string) string {
		m := models[name]
		return fmt.Sprintf(`{"model":"%s","digest":"%x","predictions":[{%s,"tokens":122,"cut_tokens":0}]}`, name, m.Digest(),
			s.line(m, score.Line{}, long, ""))
	}
	for _, order := range [][]string{{"features", "noisy", "calibrated"}, {"noisy", "features"}, {"features", "noisy"}} { // then cached
		var answers []string
		for _, name := range order {
			answers = append(answers, answer(name))
		}
		got := s.post("/v1/predict", `{"text": "`+long+`", "model": ["`+strings.Join(order, `","`)+`"]}`)
		if want := `{"results":[` + strings.Join(answers, ",") + "]}\n"; got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	lines := map[string]bool{}
	for name, m := range models {
		_, got := s.send("POST", "/v1/predict?model="+name, `{"text": "`+long+`"}`+"\n", "Content-Type", "application/x-ndjson")
		if want := "{" + s.line(m, score.Line{}, long, "") + "}\n"; got != want {
			t.Errorf("a stream of %s: %s\nwant\n%s", name, got, want)
		}
		lines[got] = true
	}
	if len(lines) != 3 {
		t.Errorf("models that read windows in other ways say the same: %v", lines)
	}
	x, err := models["noisy"].Embed(t.Context(), []model.Text{{A: long}}, bert.Mean)
	if err != nil {
		t.Fatal(err)
	}
	vector := string(score.AppendVector(nil, x.Row(0)))
	if got := s.post("/v1/embed", `{"text": "`+long+`", "model": "noisy", "pooling": "mean"}`); !strings.Contains(got, vector) {
		t.Errorf("a vector: %s", got)
	}
	if _, got := s.send("GET", "/v1/models/noisy", ""); !strings.Contains(got, `"window_pooling":"noisy-or"`) {
		t.Errorf("the model: %s", got)
	}
}
