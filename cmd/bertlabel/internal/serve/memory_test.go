package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bertlabel/bert/model"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// What a server may hold is one encoder for models that share it, passes, cache and requests; it is in the metrics.
func TestMemory(t *testing.T) {
	f := folders(t)
	s := serve(t, Options{Models: []Source{source("a", f["a"]), source("b", f["b"])}, Cache: 1 << 20, MaxBodies: 8 << 20, Explain: true})
	m := s.Memory()
	if want := int64(s.m.Encoder.WeightsMemory()); m.Weights != want {
		t.Errorf("%d bytes of weights, want those of one encoder, %d", m.Weights, want)
	}
	if m.Cache != 1<<20 || m.Requests != 8<<20 || m.Passes <= 0 || m.Explain < int64(model.ExplainerMemory(s.m.Encoder.Config)) {
		t.Errorf("%+v", m)
	}
	_, text := s.send("GET", "/metrics", "")
	for part, bytes := range m.parts() {
		if want := fmt.Sprintf("bertlabel_memory_bound_bytes{part=%q} %v\n", part, float64(bytes)); !strings.Contains(text, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if s.Used() != 0 {
		t.Errorf("%d bytes used by no request", s.Used())
	}
}

// A model for which there is no room ends the start; in a reload it leaves the old one there. A model over an encoder that is there has
// room.
func TestMemoryBudget(t *testing.T) {
	f := folders(t)
	folder := "a"
	sources := []Source{{Name: "m", Open: func(admit func(int) error, have ...*model.Model) (*model.Model, error) {
		return model.OpenShared(f[folder], &model.Options{Threads: 1, Admit: admit}, have...)
	}}}
	s := serve(t, Options{Models: sources, MaxBodies: 8 << 20})
	full := s.Memory().Sum()
	var refused *MemoryError
	small, err := New(Options{Models: sources, MaxBodies: 8 << 20, MaxMemory: full - 1, Log: &lines{}})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close(t.Context())
	if err := small.Load(); !errors.As(err, &refused) || refused.Limit != full-1 || !strings.Contains(err.Error(), "--max-memory") {
		t.Errorf("a budget one byte short: %v", err)
	}
	s.MaxMemory = full + int64(s.m.Encoder.WeightsMemory())/2 // not for two encoders
	for _, c := range []struct {
		folder         string
		replaced, fail int
	}{{"b", 1, 0}, {"c", 0, 1}, {"a", 1, 0}} {
		folder = c.folder
		if replaced, failed := s.Reload(); replaced != c.replaced || failed != c.fail {
			t.Errorf("%s: %d replaced, %d failed", c.folder, replaced, failed)
		}
		s.post("/v1/predict", `{"text": "the cat"}`)
	}
	if !strings.Contains(s.log.String(), "memory budget") {
		t.Error("the log does not say why")
	}
	s.MaxMemory = full + int64(s.m.Encoder.WeightsMemory()) + s.Memory().Passes
	for _, folder = range []string{"c", "a", "c", "a"} { // what was replaced gives its room back, once its passes have been measured
		deadline := time.Now().Add(20 * time.Second)
		for replaced := 0; replaced != 1; replaced, _ = s.Reload() {
			if time.Now().After(deadline) {
				t.Fatal(s.log)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// slowBody is a body of unknown length that stands still after its first part.
type slowBody struct {
	first io.Reader
	more  chan struct{}
}

func (b *slowBody) Read(p []byte) (int, error) {
	if n, err := b.first.Read(p); n > 0 {
		return n, err
	}
	<-b.more
	return 0, io.EOF
}

// A body of unknown length counts as far as it has come; what all requests hold is bounded, and nothing stays claimed.
func TestBodies(t *testing.T) {
	s := serve(t, Options{MaxBody: 1 << 20, MaxBodies: 2 << 20})
	body := &slowBody{strings.NewReader(`{"text": "the cat"` + strings.Repeat(" ", 3*bodyStep/2)), make(chan struct{})}
	done := make(chan int)
	go func() {
		r, err := http.Post(s.URL+"/v1/predict", "application/json", body)
		if err != nil {
			t.Error(err)
			return
		}
		r.Body.Close()
		done <- r.StatusCode
	}()
	for s.bodies.Used() != 2*bodyStep {
		time.Sleep(time.Millisecond)
	}
	r, text := s.send("POST", "/v1/predict", `{"text": "`+strings.Repeat("x", 1<<20-2*bodyStep)+`"}`, "Content-Type", "application/json")
	if r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("a body beyond what all may take: %s %s", r.Status, text)
	}
	s.post("/v1/predict", `{"text": "the cat"}`)
	close(body.more)
	if code := <-done; code != 400 {
		t.Errorf("the body that ends early: %d", code)
	}
	texts := strings.Repeat(`"a",`, 999) + `"a"` // half a MiB at least with their answers
	small := serve(t, Options{MaxBody: 1 << 16, MaxBodies: 1 << 16})
	r, text = small.send("POST", "/v1/predict", `{"texts": [`+texts+`]}`, "Content-Type", "application/json")
	if r.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(text, "send fewer texts") {
		t.Errorf("texts that take more than all may: %s %s", r.Status, text)
	}
	for _, s := range []*testServer{s, small} {
		if s.Used() != 0 {
			t.Errorf("%d bytes are used by no request", s.Used())
		}
	}
}

// Streams share little memory and all come to their end, each with its own rows.
func TestStreamsMemory(t *testing.T) {
	s := serve(t, Options{MaxBodies: 8 * streamLeast}) // rows: four streams
	texts := rows(400)
	want := s.reference(texts, data.JSONL, score.Line{}, streamPredict)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r, err := http.Post(s.URL+"/v1/predict", "application/x-ndjson", strings.NewReader(texts))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			time.Sleep(10 * time.Millisecond)
			got, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(got, []byte(want)) {
				t.Errorf("%d bytes, want %d; %v", len(got), len(want), err)
			}
		})
	}
	for stop := time.Now().Add(50 * time.Millisecond); time.Now().Before(stop); time.Sleep(time.Millisecond) {
		if used := s.rows.Used(); used > s.rows.Total() {
			t.Errorf("%d bytes of %d", used, s.rows.Total())
		}
	}
	wg.Wait()
	for deadline := time.Now().Add(10 * time.Second); s.rows.Used() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are used by no stream", s.rows.Used())
		}
	}
}

// Clients that name a length and send nothing, or begin and stop, take no room from others.
func TestSlowBodies(t *testing.T) {
	s := serve(t, Options{MaxBody: 1 << 20, MaxBodies: 2 << 20})
	const slow = 40
	for i := range slow {
		conn := s.raw("POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n" +
			strings.Repeat(" ", i%2*bodyFirst/2))
		defer conn.Close()
	}
	eventually(t, "all have begun", func() bool { return s.bodies.Used() >= slow*bodyFirst })
	if used := s.bodies.Used(); used != slow*bodyFirst {
		t.Errorf("%d bytes are claimed, want %d", used, slow*bodyFirst)
	}
	s.post("/v1/predict", `{"text": "`+strings.Repeat("x", 500_000)+`"}`)
	for _, size := range []int{0, 1, bodyFirst - 1, bodyFirst, bodyFirst + 1, bodyStep - 1, bodyStep, bodyStep + 1, 3 * bodyStep} {
		body := strings.Repeat(" ", size) + `{"text": "the cat"}`
		s.post("/v1/predict", body)
		r, err := http.Post(s.URL+"/v1/predict", "application/json", io.MultiReader(strings.NewReader(body))) // in chunks
		if err != nil {
			t.Fatal(err)
		}
		if r.Body.Close(); r.StatusCode != 200 {
			t.Errorf("chunks of %d bytes: %s", size, r.Status)
		}
	}
}
