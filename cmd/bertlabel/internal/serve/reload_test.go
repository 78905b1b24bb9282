package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/score"
)

// brokenFolders are folders that no server may take, each with a part of what it says of them.
func brokenFolders(t *testing.T) (folders map[string]string, says map[string]string) {
	t.Helper()
	dir, folders := t.TempDir(), map[string]string{"missing": filepath.Join(t.TempDir(), "none")}
	save := func(name string, change func(m *model.Model)) string {
		m := cmdtest.TinyModel(t, 2, bert.Mean, cmdtest.TinyLabels)
		change(m)
		folders[name] = filepath.Join(dir, name)
		if err := m.Save(folders[name], nil); err != nil {
			t.Fatal(err)
		}
		return folders[name]
	}
	save("nan", func(m *model.Model) { m.Encoder.Layers[0].OutputNorm.Beta.Value[3] = float32(math.NaN()) })
	save("infinite head", func(m *model.Model) { m.Head.Bias.Value[1] = float32(math.Inf(1)) })
	save("dead", func(m *model.Model) { clear(m.Encoder.Embeddings.Norm.Gamma.Value) })
	save("sample", func(m *model.Model) {
		m.Samples = []model.Sample{{Text: "the cat", Probabilities: map[string]float32{cmdtest.TinyLabels[0]: 0.999}}}
	})
	sampled := func(m *model.Model) {
		if err := m.MakeSamples(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	save("weight", func(m *model.Model) { sampled(m); m.Encoder.Layers[0].OutputNorm.Beta.Value[3]++ }) // with checksums that hold
	config := filepath.Join(save("config", sampled), "bert_config.json")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"num_attention_heads": 2`), []byte(`"num_attention_heads": 4`), 1)
	if err := os.WriteFile(config, text, 0o666); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(save("cut", func(*model.Model) {}), model.CheckpointName+".data-00000-of-00001")
	info, err := os.Stat(cut)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(cut, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	return folders, map[string]string{"missing": "no such folder", "nan": "is NaN", "infinite head": "+Inf", "dead": "the same of every text",
		"sample": "expected 0.999", "cut": "out_of_range", "weight": "has a probability of", "config": "has a probability of"}
}

// Reloads under load, every tenth of a broken folder, lose no request, and every answer is that of one of the models, whole. With
// BERTLABEL_RELOADS=100 it is the count of docs/serve.md.
func TestReload(t *testing.T) {
	turns := 24
	if testing.Short() {
		turns = 12
	}
	if n, err := strconv.Atoi(os.Getenv("BERTLABEL_RELOADS")); err == nil {
		turns = n
	}
	f := folders(t)
	broken, says := brokenFolders(t)
	kinds := slices.Sorted(maps.Keys(broken))
	folder := f["a"]
	open := func(admit func(int) error, have ...*model.Model) (*model.Model, error) {
		return model.OpenShared(folder, &model.Options{Threads: 1, Admit: admit}, have...)
	}
	s := serve(t, Options{Cache: 1 << 20, Models: []Source{{Name: "m", Open: open}}})
	want := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		m, err := model.Open(f[name], nil)
		if err != nil {
			t.Fatal(err)
		}
		want[fmt.Sprintf("%x", m.Digest())] = s.line(m, score.Line{}, "the cat", "")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var got struct{ Digest string }
				body := s.post("/v1/predict", `{"text": "the cat"}`)
				if json.Unmarshal([]byte(body), &got) != nil || want[got.Digest] == "" || !strings.Contains(body, want[got.Digest]) {
					t.Errorf("an answer of no model: %s", body)
					return
				}
			}
		})
	}
	failures := 0
	for turn := range turns {
		folder = f[[]string{"a", "b", "c"}[turn%3]]
		kind := ""
		if turn%10 == 3 || turn >= turns-len(kinds) && os.Getenv("BERTLABEL_RELOADS") == "" { // each kind once, too
			kind = kinds[turn%len(kinds)]
			folder, failures = broken[kind], failures+1
		}
		if replaced, failed := s.Reload(); replaced+failed != 1 || (failed == 1) != (kind != "") {
			t.Errorf("turn %d, %s: %d replaced, %d failed", turn, kind, replaced, failed)
		}
		_, body := s.send("GET", "/readyz?verbose", "")
		if strings.Contains(body, "could not be reloaded") != (kind != "") || !strings.Contains(body, says[kind]) {
			t.Errorf("turn %d, %s: %s", turn, kind, body)
		}
	}
	close(stop)
	wg.Wait()
	counted := fmt.Sprintf("bertlabel_reloads_total{result=\"failed\"} %d\n", failures)
	if _, body := s.send("GET", "/metrics", ""); !strings.Contains(body, counted) || strings.Count(body, "bertlabel_model_info{") != 1 {
		t.Error("the metrics count other reloads or models")
	}
	if log := s.log.String(); strings.Count(log, "the old model stays") != failures {
		t.Errorf("the log says other things than that %d models stay:\n%s", failures, log)
	}
}

// A folder whose samples hold is taken, and a broken one ends the start.
func TestGolden(t *testing.T) {
	m := cmdtest.TinyModel(t, 2, bert.Mean, cmdtest.TinyLabels)
	p, err := m.Predict(t.Context(), []model.Text{{A: "the cat", B: "sat"}})
	if err != nil {
		t.Fatal(err)
	}
	m.Samples = []model.Sample{{Text: "the cat", Pair: "sat", Probabilities: map[string]float32{m.Labels[2]: p[0].Probabilities[2]}}}
	dir := filepath.Join(t.TempDir(), "m")
	if err := m.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	serve(t, Options{Models: []Source{source("m", dir)}})
	folders, says := brokenFolders(t)
	for kind, folder := range folders {
		s, err := New(Options{Models: []Source{source("m", folder)}, Log: &lines{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Load(); err == nil || !strings.Contains(err.Error(), says[kind]) {
			t.Errorf("%s: %v, want %q", kind, err, says[kind])
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// The samples of a model that reads long texts in windows hold, however it joins them.
func TestGoldenWindows(t *testing.T) {
	for _, join := range []model.WindowPooling{model.PoolFeatures, model.NoisyOr} {
		m := cmdtest.TinyModel(t, 2, bert.Mean, cmdtest.TinyLabels)
		m.Windows, m.WindowPooling = tokenizer.Windows{Most: tokenizer.AllWindows}, join
		if err := m.MakeSamples(t.Context()); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "m")
		if err := m.Save(dir, nil); err != nil {
			t.Fatal(err)
		}
		serve(t, Options{Models: []Source{source("m", dir)}})
	}
}
