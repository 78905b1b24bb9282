package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/queue"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// lines is a logger that keeps what it is told.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(level, message string, attrs []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, level+" "+message+" "+fmt.Sprintln(attrs...))
}

func (l *lines) Info(message string, attrs ...any)  { l.add("info", message, attrs) }
func (l *lines) Warn(message string, attrs ...any)  { l.add("warn", message, attrs) }
func (l *lines) Error(message string, attrs ...any) { l.add("error", message, attrs) }

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "")
}

// folders saves tiny models: a and b share an encoder, c has another one.
func folders(t testing.TB) map[string]string {
	t.Helper()
	dir, folders := t.TempDir(), map[string]string{}
	for name, seed := range map[string]uint64{"a": 1, "b": 1, "c": 2} {
		m := cmdtest.TinyModel(t, seed, bert.Mean, cmdtest.TinyLabels)
		if name == "b" {
			m.SetOutputs(m.Outputs()[1:])
		}
		m.Thresholds[1] = 0.25
		folders[name] = filepath.Join(dir, name)
		if err := m.Save(folders[name], nil); err != nil {
			t.Fatal(err)
		}
	}
	return folders
}

func source(name, folder string) Source {
	return Source{Name: name, Open: func(admit func(int) error, have ...*model.Model) (*model.Model, error) {
		return model.OpenShared(folder, &model.Options{Threads: 2, Admit: admit}, have...)
	}}
}

// testServer is a server of model a, unless o names others, which answers at URL.
type testServer struct {
	*Server
	URL string
	t   testing.TB
	log *lines
	m   *model.Model // a
}

func serve(t testing.TB, o Options) *testServer {
	t.Helper()
	f := folders(t)
	if o.Models == nil {
		o.Models = []Source{source("a", f["a"])}
	}
	log := &lines{}
	o.Log, o.Queue.Threads = log, cmp.Or(o.Queue.Threads, 2)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(); err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(f["a"], nil)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &testServer{s, h.URL, t, log, m}
}

// send sends a request and returns the answer with its body.
func (s *testServer) send(method, path, body string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer, string(b)
}

// post sends JSON, which is to be answered with 200.
func (s *testServer) post(path, body string, headers ...string) string {
	s.t.Helper()
	r, b := s.send("POST", path, body, append([]string{"Content-Type", "application/json"}, headers...)...)
	if r.StatusCode != 200 {
		s.t.Errorf("%s %s: %s %s", path, body, r.Status, b)
	}
	return b
}

// line is the line of bertlabel predict for a text, without its braces and line end.
func (s *testServer) line(m *model.Model, form score.Line, text, pair string) string {
	s.t.Helper()
	p, err := m.Predict(s.t.Context(), []model.Text{{A: text, B: pair}})
	if err != nil {
		s.t.Fatal(err)
	}
	line := string(form.Append(nil, m, &score.Row{Prediction: p[0]}))
	return line[1 : len(line)-2]
}

// A prediction has the bytes of bertlabel predict, in every form of the request.
func TestPredict(t *testing.T) {
	s := serve(t, Options{Cache: 1 << 20})
	prefix := fmt.Sprintf(`{"model":"a","digest":"%x","predictions":[`, s.m.Digest())
	cat := s.line(s.m, score.Line{}, "the cat", "")
	for body, want := range map[string]string{
		`{"text": "the cat"}`: `{` + cat + `,"tokens":4,"cut_tokens":0}`,
		`{"text": "the cat", "text_pair": "on a mat"}`: `{` + s.line(s.m, score.Line{}, "the cat", "on a mat") +
			`,"tokens":8,"cut_tokens":0}`,
		`{"texts": ["the cat"], "model": "a", "timeout_ms": 9000}`: `{` + cat + `,"tokens":4,"cut_tokens":0}`,
		`{"texts": ["the cat", {"id": "x\u00e9", "text": "a dog"}, {"id": -2.50, "text": "", "text_pair": "b"}],
			"model": ["a"]}`: `{` + cat + `,"tokens":4,"cut_tokens":0},` +
			`{"id":"x\u00e9",` + s.line(s.m, score.Line{}, "a dog", "") + `,"tokens":4,"cut_tokens":0},` +
			`{"id":-2.50,` + s.line(s.m, score.Line{}, "", "b") + `,"tokens":4,"cut_tokens":0}`,
		`{"text": "the cat", "top_k": 2, "logits": true}`: `{` + s.line(s.m, score.Line{TopK: 2, Logits: true}, "the cat", "") +
			`,"tokens":4,"cut_tokens":0}`,
		`{"text": "` + strings.Repeat("big ", 30) + `"}`: `{` + s.line(s.m, score.Line{}, strings.Repeat("big ", 30), "") +
			`,"tokens":24,"cut_tokens":8}`,
	} {
		if got := s.post("/v1/predict", body); got != prefix+want+"]}\n" {
			t.Errorf("%s:\n%s\nwant\n%s", body, got, prefix+want+"]}")
		}
	}
	own := slices.Clone(s.m.Thresholds)
	for threshold, values := range map[string][]float32{"0": {0, 0, 0}, `{"joy": 1}`: {1, own[1], own[2]}} {
		m := s.m
		m.Thresholds = values
		got := s.post("/v1/predict", `{"text": "the cat", "threshold": `+threshold+`}`)
		if want := prefix + `{` + s.line(m, score.Line{}, "the cat", "") + `,"tokens":4,"cut_tokens":0}]}` + "\n"; got != want {
			t.Errorf("threshold %s:\n%s\nwant\n%s", threshold, got, want)
		}
	}
}

// What is wrong with a request is said with its status and the member.
func TestRequestErrors(t *testing.T) {
	s := serve(t, Options{MaxTexts: 3, MaxBody: 2000, OnLong: "error"})
	for _, c := range []struct {
		path, body, contentType string
		status                  int
		field, message          string
	}{
		{"/v1/predict", `{`, "", 400, "", "not JSON"},
		{"/v1/predict", `{"text":"a"} {}`, "", 400, "", "after top-level value"},
		{"/v1/predict", `null`, "", 400, "", "expected an object"},
		{"/v1/predict", `[]`, "", 400, "", "an object"},
		{"/v1/predict", "{\"text\":\"\xff\"}", "", 400, "", "UTF-8"},
		{"/v1/predict", `{"text":7}`, "", 400, "text", "found a number"},
		{"/v1/predict", `{"texts":"a"}`, "", 400, "texts", "expected an array"},
		{"/v1/predict", `{"texts":[null]}`, "", 400, "texts", "found null"},
		{"/v1/predict", `{"texts":[{"text":"a","texts":1}]}`, "", 400, "texts", "unknown member"},
		{"/v1/predict", `{"texts":[{"id":1}]}`, "", 400, "texts", "without"},
		{"/v1/predict", `{"texts":[{"id":[],"text":"a"}]}`, "", 400, "texts", "id"},
		{"/v1/predict", `{"texts":[]}`, "", 400, "texts", "no texts"},
		{"/v1/predict", `{"texts":["a","b","c","d"]}`, "", 413, "texts", "at most 3"},
		{"/v1/predict", `{}`, "", 400, "text", "neither"},
		{"/v1/predict", `{"text":"a","texts":["a"]}`, "", 400, "texts", "both"},
		{"/v1/predict", `{"texts":["a"],"text_pair":"b"}`, "", 400, "text_pair", "goes with"},
		{"/v1/predict", `{"Text":"a"}`, "", 400, "Text", "unknown member"},
		{"/v1/predict", `{"text":"a","model":"x"}`, "", 404, "", `no model "x"`},
		{"/v1/predict", `{"text":"a","model":["a","a"]}`, "", 400, "model", "2 models"},
		{"/v1/predict", `{"text":"a","threshold":1.5}`, "", 400, "threshold", "0 to 1"},
		{"/v1/predict", `{"text":"a","threshold":{"x":0.5}}`, "", 400, "threshold", "no label"},
		{"/v1/predict", `{"text":"a","top_k":-1}`, "", 400, "top_k", "1 or more"},
		{"/v1/predict", `{"text":"a","on_long":"cut"}`, "", 400, "on_long", "truncate or error"},
		{"/v1/predict", `{"text":"a","timeout_ms":-1}`, "", 400, "timeout_ms", "more than 0"},
		{"/v1/predict", `{"text":"` + strings.Repeat("cat ", 40) + `"}`, "", 422, "", "42 tokens"},
		{"/v1/predict", `{"text":"` + strings.Repeat("x", 2000) + `"}`, "", 413, "", "2000 bytes"},
		{"/v1/predict", `{"text":"a"}`, "text/plain", 415, "", "application/json"},
		{"/v1/embed", `{"text":"a","pooling":"max"}`, "", 400, "pooling", "cls, mean or pooled"},
		{"/v1/tokenize", `{"text":"a","pooling":"cls"}`, "", 400, "pooling", "unknown member"},
		{"/v1/predict", strings.Repeat("[", 100000), "", 413, "", "bytes"},
	} {
		r, body := s.send("POST", c.path, c.body, "Content-Type", cmp.Or(c.contentType, "application/json"))
		var got struct {
			Error struct{ Message, Type, Field string }
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || r.StatusCode != c.status || got.Error.Field != c.field ||
			!strings.Contains(got.Error.Message, c.message) || got.Error.Type == "" {
			t.Errorf("%.80s: %d %s %v; want %d, %q, %q", c.body, r.StatusCode, body, err, c.status, c.field, c.message)
		}
	}
	if used := s.bodies.Used(); used != 0 {
		t.Errorf("%d bytes of bodies are claimed after the requests", used)
	}
}

// Of other paths and methods: 404, 405 with Allow, and never a redirect.
func TestPaths(t *testing.T) {
	s := serve(t, Options{})
	for path, want := range map[string]int{"/nope": 404, "/v1/predict/": 404, "//v1/predict": 404, "/v1/../v1/models": 404,
		"/v1/models":   200,
		"/v1/models/a": 200, "/v1/models/x": 404, "/v1/embed": 405, "/livez": 200, "/readyz": 200, "/healthz": 200, "/version": 200} {
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		r, err := client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want || want == 405 && r.Header.Get("Allow") != "POST" {
			t.Errorf("GET %s: %s, allow %q, want %d", path, r.Status, r.Header.Get("Allow"), want)
		}
	}
}

// GET has an ETag that holds as long as the model does; what a client has is not computed again.
func TestGet(t *testing.T) {
	s := serve(t, Options{})
	r, body := s.send("GET", "/v1/predict?text=the+cat&top_k=1&logits=true&threshold=0.5", "")
	own := s.m.Thresholds
	s.m.Thresholds = []float32{.5, .5, .5}
	if want := s.line(s.m, score.Line{TopK: 1, Logits: true}, "the cat", ""); r.StatusCode != 200 || !strings.Contains(body, want) {
		t.Errorf("%s %s, want %s", r.Status, body, want)
	}
	s.m.Thresholds = own
	tag := r.Header.Get("ETag")
	texts := s.queue.Stats().Texts
	for _, header := range []string{tag, `"x", W/` + tag, "*"} {
		again, body := s.send("GET", "/v1/predict?text=the+cat&top_k=1&logits=true&threshold=0.5", "", "If-None-Match", header)
		if again.StatusCode != 304 || body != "" || again.Header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %s %q", header, again.Status, body)
		}
	}
	if s.queue.Stats().Texts != texts {
		t.Error("a 304 has cost a pass")
	}
	if r, _ := s.send("GET", "/v1/predict?text=the+dog", "", "If-None-Match", tag); r.StatusCode != 200 || r.Header.Get("ETag") == tag {
		t.Errorf("another text: %s, tag %s", r.Status, r.Header.Get("ETag"))
	}
	digest := fmt.Sprintf("%x", s.m.Digest())
	for query, want := range map[string]int{"text=a&digest=" + digest: 200, "text=a&digest=" + digest[:12]: 200,
		"text=a&digest=0123456789ab": 412, "text=a&digest=" + digest[:3]: 412, "": 400, "text=a&top_k=x": 400,
		"text=a&threshold=x": 400, "text=a&logits=x": 400, "text=a&x=y": 400,
		"text=a&model=x": 404} {
		r, body := s.send("GET", "/v1/predict?"+query, "")
		ok := want == 200
		if r.StatusCode != want || ok != strings.Contains(r.Header.Get("Cache-Control"), "immutable") || ok != (r.Header.Get("ETag") != "") {
			t.Errorf("%s: %s %s %v", query, r.Status, body, r.Header)
		}
	}
	off := serve(t, Options{NoGet: true})
	if r, _ := off.send("GET", "/v1/predict?text=a", ""); r.StatusCode != 405 {
		t.Errorf("without GET: %s", r.Status)
	}
}

// Embeddings have the bits of model.Embed; poolings and word pieces are as asked.
func TestEmbedAndTokenize(t *testing.T) {
	s := serve(t, Options{Cache: 1 << 20})
	for pooling, want := range map[string]bert.Pooling{"": bert.Mean, "mean": bert.Mean, "cls": bert.CLS, "pooled": bert.Pooled} {
		x, err := s.m.Embed(t.Context(), []model.Text{{A: "the cat"}, {A: "a dog"}}, want)
		if err != nil {
			t.Fatal(err)
		}
		wantBody := fmt.Sprintf(`{"model":"a","digest":"%x","embeddings":[%s,%s]}`+"\n", s.m.Digest(), score.AppendVector(nil, x.Row(0)),
			score.AppendVector(nil, x.Row(1)))
		body := `{"texts": ["the cat", "a dog"], "pooling": "` + pooling + `"}`
		if got := s.post("/v1/embed", body); got != wantBody {
			t.Errorf("%s:\n%s\nwant\n%s", body, got, wantBody)
		}
	}
	got := s.post("/v1/tokenize", `{"texts": ["Cat xy!", {"text": "a", "text_pair": "bé"}]}`)
	for _, want := range []string{
		`{"id":2,"token":"[CLS]","start":null,"end":null},{"id":6,"token":"cat","start":0,"end":3},`,
		`"token":"x","start":4,"end":6},`, `"token":"##y","start":4,"end":6},`, `"token":"!","start":6,"end":7},`,
		`"token":"b","start":0,"end":3},`, `"token":"##e","start":0,"end":3},`, `"cut_tokens":[0,0]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
}

// Several models of one request: those over one encoder cost one pass, and each answers as it does alone.
func TestSeveralModels(t *testing.T) {
	f := folders(t)
	s := serve(t, Options{Models: []Source{source("a", f["a"]), source("b", f["b"]), source("c", f["c"])}})
	load := func(name string) *loaded {
		l, err := s.models.find(name, false)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if load("a").Encoder != load("b").Encoder || load("a").Encoder == load("c").Encoder {
		t.Error("a and b are to share an encoder, c not")
	}
	before := s.queue.Stats().Texts[0]
	got := s.post("/v1/predict", `{"text": "the cat", "model": ["b", "a", "c"]}`)
	if n := s.queue.Stats().Texts[0] - before; n != 2 {
		t.Errorf("%d texts ran, want one for each encoder", n)
	}
	want := `{"results":[`
	for i, name := range []string{"b", "a", "c"} {
		if i > 0 {
			want += ","
		}
		want += strings.TrimSuffix(s.post("/v1/predict", `{"text": "the cat", "model": "`+name+`"}`), "\n")
	}
	if want += "]}\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if _, err := New(Options{Models: []Source{source("a", ""), source("a", "")}, Log: s.log}); err == nil {
		t.Error("two models of one name are taken")
	}
}

// The cache answers with the same bytes, and keeps keys, no-store and unequal texts apart.
func TestFeatureCache(t *testing.T) {
	keys := []string{"first", "second"}
	s := serve(t, Options{Cache: 1 << 20, Keys: func() []string { return keys }})
	ask := func(text, key string, headers ...string) (string, string) {
		r, body := s.send("POST", "/v1/predict", `{"text": "`+text+`"}`, append([]string{"Content-Type", "application/json",
			"Authorization", "Bearer " + key}, headers...)...)
		return r.Header.Get("X-Bertlabel-Cache"), body
	}
	miss, want := ask("the cat", "first")
	hit, got := ask("The  CAT", "first")
	other, _ := ask("the cat", "second")
	stored, _ := ask("the cat", "first", "Cache-Control", "no-store")
	if miss != "miss" || hit != "hit" || other != "miss" || stored != "miss" || got != want {
		t.Errorf("%s, %s, %s, %s; %s, want %s", miss, hit, other, stored, got, want)
	}
	if _, body := s.send("GET", "/metrics", "", "Authorization", "Bearer first"); !strings.Contains(body,
		"bertlabel_cache_hits_total 1\n") ||
		!strings.Contains(body, "bertlabel_cache_misses_total 3\n") {
		t.Error("the metrics count other hits")
	}
}

// Keys: without one only probes are answered.
func TestKeys(t *testing.T) {
	s := serve(t, Options{Keys: func() []string { return []string{"k1", "k2"} }})
	for header, want := range map[string]int{"": 401, "Bearer k1": 200, "bearer k2": 200, "Bearer k3": 401, "Basic k1": 401, "Bearer ": 401} {
		r, _ := s.send("GET", "/v1/models", "", "Authorization", header)
		if r.StatusCode != want || (want == 401) != (r.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%q: %s", header, r.Status)
		}
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/version": 200, "/metrics": 401, "/": 200, "/info": 401} {
		if r, _ := s.send("GET", path, ""); r.StatusCode != want {
			t.Errorf("%s without a key: %s", path, r.Status)
		}
	}
	probes := httptest.NewServer(s.Probes())
	defer probes.Close()
	r, err := http.Get(probes.URL + "/metrics")
	if err != nil || r.StatusCode != 200 {
		t.Errorf("metrics on their own port: %v, %v", r, err)
	}
	r.Body.Close()
}

// Names in the Host header, origins and encodings that are not ours are refused.
func TestFences(t *testing.T) {
	s := serve(t, Options{Hosts: Loopback, CORS: []string{"https://ours.example"}})
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{nil, 200},
		{[]string{"Host", "localhost:1234"}, 200},
		{[]string{"Host", "[::1]:80"}, 200},
		{[]string{"Host", "evil.example"}, 403},
		{[]string{"Origin", "https://ours.example", "Sec-Fetch-Site", "cross-site"}, 200},
		{[]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Content-Encoding", "gzip"}, 415},
	} {
		r, body := s.send("POST", "/v1/predict", `{"text": "a"}`, append([]string{"Content-Type", "application/json"}, c.headers...)...)
		if r.StatusCode != c.want || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v: %s %s", c.headers, r.Status, body)
		}
		if ours := len(c.headers) > 0 && c.headers[1] == "https://ours.example"; ours != (r.Header.Get("Access-Control-Allow-Origin") != "") {
			t.Errorf("%v: Access-Control-Allow-Origin %q", c.headers, r.Header.Get("Access-Control-Allow-Origin"))
		}
	}
	r, _ := s.send("OPTIONS", "/v1/predict", "", "Origin", "https://ours.example", "Access-Control-Request-Method", "POST")
	if r.StatusCode != 204 || r.Header.Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("preflight: %s %v", r.Status, r.Header)
	}
}

// A panic in a handler costs that request only.
func TestPanicFence(t *testing.T) {
	s := serve(t, Options{})
	s.add("GET", "/panic", ownError, func(*call) error { panic("a bug") })
	if r, body := s.send("GET", "/panic", ""); r.StatusCode != 500 || strings.Contains(body, "a bug") {
		t.Errorf("%s %s", r.Status, body)
	}
	if _, body := s.send("GET", "/metrics", ""); !strings.Contains(body, "bertlabel_panics_total 1\n") {
		t.Error("the panic is not counted")
	}
	if !strings.Contains(s.log.String(), "a bug") {
		t.Error("the panic is not logged")
	}
	s.post("/v1/predict", `{"text": "the cat"}`)
}

// Errors of the queue have their statuses.
func TestQueueErrors(t *testing.T) {
	for err, want := range map[error]int{
		&queue.OverloadError{Reason: queue.TooLong, Wait: time.Second, RetryAfter: 1500 * time.Millisecond}: 429,
		fmt.Errorf("wrapped: %w", queue.ErrBytes):                                                           429,
		queue.ErrDeadline: 504, queue.ErrClosed: 503, context.Canceled: 499, io.EOF: 500,
	} {
		if e := asError(err); e.Status != want || strings.Contains(e.Message, "EOF") {
			t.Errorf("%v: %d %s", err, e.Status, e.Message)
		}
	}
	s := serve(t, Options{})
	w := httptest.NewRecorder()
	c := &call{s: s.Server, w: w, r: httptest.NewRequest("GET", "/", nil), route: &route{family: ownError}}
	c.fail(&queue.OverloadError{RetryAfter: 1500 * time.Millisecond})
	if w.Code != 429 || w.Header().Get("Retry-After") != "2" || w.Header().Get("Retry-After-Ms") != "1500" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if _, body := s.send("GET", "/metrics", ""); !strings.Contains(body, `bertlabel_rejected_total{reason="wait"} 1`) {
		t.Error("the refusal is not counted")
	}
}

// The state shows in the probes; before it is ready a server answers nothing else, afterwards it does until it is closed.
func TestStates(t *testing.T) {
	log := &lines{}
	f := folders(t)
	s, err := New(Options{Models: []Source{source("a", f["a"])}, Log: log, Queue: queue.Options{Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	defer h.Close()
	ask := func(path string) (int, bool) {
		r, err := http.Get(h.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.StatusCode, r.Close
	}
	expect := func(when string, livez, readyz, get int) {
		for path, want := range map[string]int{"/livez": livez, "/readyz": readyz, "/v1/predict?text=a": get} {
			if got, _ := ask(path); got != want {
				t.Errorf("%s: %s says %d, want %d", when, path, got, want)
			}
		}
	}
	expect("starting", 200, 503, 503)
	if err := s.Load(); err != nil {
		t.Fatal(err)
	}
	expect("ready", 200, 200, 200)
	s.Drain()
	expect("draining", 200, 503, 200)
	if _, closed := ask("/readyz"); !closed {
		t.Error("a draining server keeps connections")
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("closed", 200, 503, 503)
	broken, err := New(Options{Models: []Source{source("x", "/nowhere")}, Log: log, Queue: queue.Options{Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close(t.Context())
	if err := broken.Load(); err == nil || !strings.Contains(err.Error(), "model x") || broken.now() != starting {
		t.Errorf("a model that is not there: %v", err)
	}
}

// Every request is counted once, with its route and code; the access log has figures and no texts.
func TestCounts(t *testing.T) {
	s := serve(t, Options{AccessLog: true})
	for range 3 {
		s.post("/v1/predict", `{"texts": ["the secret", "`+strings.Repeat("cat ", 40)+`"]}`, "Traceparent",
			"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	}
	s.send("POST", "/v1/predict", "{", "Content-Type", "application/json")
	s.send("GET", "/nope", "")
	_, body := s.send("GET", "/metrics", "")
	for _, want := range []string{
		`bertlabel_requests_total{code="200",route="/v1/predict"} 3`, `bertlabel_requests_total{code="400",route="/v1/predict"} 1`,
		`bertlabel_requests_total{code="404",route="other"} 1`, `bertlabel_texts_total{model="a"} 6`,
		`bertlabel_truncated_texts_total{model="a"} 3`,
		`bertlabel_cut_tokens_total{model="a"} 54`, `bertlabel_requests_total{code="200",route="/v1/embed"} 0`, `bertlabel_ready 1`,
		`bertlabel_cost_seconds_per_token{mode="alone",model="a"}`, `bertlabel_labels_total{label="joy",model="a"}`, `go_goroutines`,
		`bertlabel_queue_tokens{class="bulk"} 0`, `bertlabel_request_duration_seconds_count{class="interactive",route="/v1/predict"} 4`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	log := s.log.String()
	if strings.Count(log, "info request") != 5 || strings.Contains(log, "secret") ||
		!strings.Contains(log, "trace_id 4bf92f3577b34da6a3ce929d0e0e4736") ||
		!strings.Contains(log, "code 400") || !strings.Contains(log, "cut_tokens 18") {
		t.Errorf("log:\n%s", log)
	}
	if loud := serve(t, Options{AccessLog: true, LogTexts: true}); loud.post("/v1/predict", `{"text": "the secret"}`) == "" ||
		!strings.Contains(loud.log.String(), "the secret") {
		t.Error("texts that are to be logged are not")
	}
}

func TestTraceID(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for header, want := range map[string]string{"00-" + id + "-00f067aa0ba902b7-01": id, "": "", "00-" + id: "",
		"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01": "", "00-" + strings.ToUpper(id) + "-00f067aa0ba902b7-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01": ""} {
		if got := traceID(header); got != want {
			t.Errorf("%q: %q", header, got)
		}
	}
}

// rows are of a file with two bad rows.
func rows(n int) string {
	var b strings.Builder
	for i := range n {
		switch i {
		case 3:
			b.WriteString("{\"id\": 3, \"text\": 7}\n")
		case 5:
			b.WriteString("no json\n")
		default:
			fmt.Fprintf(&b, "{\"id\": %d, \"text\": %q}\n", i, cmdtest.TinyTexts(n)[i])
		}
	}
	return b.String()
}

// reference is what bertlabel predict writes for rows.
func (s *testServer) reference(text string, format data.Format, line score.Line, result score.Result) string {
	s.t.Helper()
	in, err := data.NewReader(strings.NewReader(text), "rows", data.Options{Format: format, IgnoreLabels: true, OnBadRow: data.ReportBadRows})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []byte
	for chunk, err := range score.Chunks(s.t.Context(), s.m, in, score.Options{Result: result, Pooling: bert.CLS}) {
		if err != nil {
			s.t.Fatal(err)
		}
		for i := range chunk {
			out = line.Append(out, s.m, &chunk[i])
		}
	}
	return string(out)
}

// Rows become the lines of bertlabel predict, bad ones in their places, from every format.
func TestStream(t *testing.T) {
	s := serve(t, Options{})
	text := rows(50)
	table := "id,text\n1,the cat\n2,\"a \"\"big\"\" dog\"\n3\n"
	for _, c := range []struct {
		contentType, query, in, want string
		rows, bad                    string
	}{
		{"application/x-ndjson", "", text, s.reference(text, data.JSONL, score.Line{}, score.Predictions), "50", "2"},
		{"application/jsonl", "?top_k=2&logits=true", text,
			s.reference(text, data.JSONL, score.Line{TopK: 2, Logits: true}, score.Predictions), "50", "2"},
		{"text/csv; charset=utf-8", "", table, s.reference(table, data.CSV, score.Line{}, score.Predictions), "3", "1"},
		{"text/tab-separated-values", "", "id\ttext\n1\tthe cat\n",
			s.reference("id\ttext\n1\tthe cat\n", data.TSV, score.Line{}, score.Predictions), "1", "0"},
		{"application/x-ndjson", "", "", "", "0", "0"},
	} {
		r, got := s.send("POST", "/v1/predict"+c.query, c.in, "Content-Type", c.contentType)
		if r.StatusCode != 200 || got != c.want || r.Trailer.Get("X-Rows") != c.rows || r.Trailer.Get("X-Bad-Rows") != c.bad ||
			r.Trailer.Get("X-Digest") != fmt.Sprintf("%x", s.m.Digest()) {
			t.Errorf("%s: %s, trailers %v\n%s\nwant\n%s", c.contentType, r.Status, r.Trailer, got, c.want)
		}
	}
	r, got := s.send("POST", "/v1/embed?pooling=cls", text, "Content-Type", "application/x-ndjson")
	if want := s.reference(text, data.JSONL, score.Line{}, score.Vectors); r.StatusCode != 200 || got != want {
		t.Errorf("embeddings: %s\n%s\nwant\n%s", r.Status, got, want)
	}
	r, got = s.send("POST", "/v1/predict", table, "Content-Type", "text/csv", "Accept", "text/csv")
	if lines := strings.Split(got, "\n"); r.Header.Get("Content-Type") != "text/csv; charset=utf-8" || len(lines) != 5 ||
		lines[0] != `id,joy,"""rage"", anger",Überraschung` || !strings.HasPrefix(lines[1], "1,0.") || lines[3] != `3,,,` {
		t.Errorf("a table: %q", got)
	}
	for query, want := range map[string]int{"?x=1": 400, "?model=x": 404, "?top_k=0": 400, "?on_long=x": 400, "?threshold=2": 400} {
		if r, body := s.send("POST", "/v1/predict"+query, text, "Content-Type", "application/x-ndjson"); r.StatusCode != want {
			t.Errorf("%s: %s %s", query, r.Status, body)
		}
	}
	if r, body := s.send("POST", "/v1/predict", "a,b\n1,2\n", "Content-Type", "text/csv"); r.StatusCode != 400 {
		t.Errorf("a table without texts: %s %s", r.Status, body)
	}
}

// pipe opens a stream whose rows the test writes one by one.
func (s *testServer) pipe(ctx context.Context) (*io.PipeWriter, *http.Response) {
	s.t.Helper()
	in, out := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/predict", in)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	go out.Write([]byte("{\"text\": \"the cat\"}\n"))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return out, answer
}

// A row is answered as soon as it is there, while the stream goes on; a server that stops says where to go on.
func TestStreamAtOnce(t *testing.T) {
	s := serve(t, Options{})
	out, answer := s.pipe(t.Context())
	defer answer.Body.Close()
	want := "{" + s.line(s.m, score.Line{}, "the cat", "") + "}\n"
	line := make([]byte, len(want))
	for i := range 3 {
		if i > 0 {
			if _, err := out.Write([]byte("{\"text\": \"the cat\"}\n")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(answer.Body, line); err != nil || string(line) != want {
			t.Fatalf("row %d: %q, %v", i, line, err)
		}
	}
	s.Drain()
	rest, err := io.ReadAll(answer.Body)
	if err != nil || string(rest) != `{"error":"stopping","resume_from_row":4}`+"\n" || answer.Trailer.Get("X-Rows") != "3" {
		t.Errorf("%q, %v, trailers %v", rest, err, answer.Trailer)
	}
}

// A client that leaves in the middle of a stream leaves nothing behind.
func TestStreamLeft(t *testing.T) {
	s := serve(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	_, answer := s.pipe(ctx)
	cancel()
	answer.Body.Close()
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, body := s.send("GET", "/metrics", "")
		if strings.Contains(body, `bertlabel_requests_total{code="499",route="/v1/predict"} 1`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the stream does not end")
		}
		time.Sleep(time.Millisecond)
	}
	if q := s.queue.Stats(); q.StreamTokens != 0 || q.QueuedTokens != [2]int{} {
		t.Errorf("left in the queue: %+v", q)
	}
}

// A client that sends all before it reads is served as far as the outbox goes; order and number are right at any length.
func TestStreamLong(t *testing.T) {
	s := serve(t, Options{})
	const n = 20000
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "{\"id\": %d, \"text\": \"%s\"}\n", i, []string{"the cat", "a dog", "big mat"}[i%3])
	}
	r, got := s.send("POST", "/v1/predict?top_k=1", in.String(), "Content-Type", "application/x-ndjson")
	if r.Trailer.Get("X-Rows") != fmt.Sprint(n) {
		t.Errorf("trailers %v", r.Trailer)
	}
	i := 0
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,"labels"`, i)) {
			t.Fatalf("line %d: %s", i, line)
		}
		i++
	}
	if i != n {
		t.Errorf("%d lines", i)
	}
}

// Many clients at once, requests of all kinds: every answer has the bits that the text has alone.
func TestManyClients(t *testing.T) {
	s := serve(t, Options{Cache: 1 << 14})
	texts := cmdtest.TinyTexts(40)
	want := make([]string, len(texts))
	for i, text := range texts {
		want[i] = "{" + s.line(s.m, score.Line{}, text, "") + `,"tokens"`
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 25 {
				first := (g*7 + n*3) % (len(texts) - 6)
				body, err := json.Marshal(map[string]any{"texts": texts[first : first+1+(n+g)%6]})
				if err != nil {
					t.Error(err)
				}
				got := s.post("/v1/predict", string(body))
				for i := range 1 + (n+g)%6 {
					at := strings.Index(got, want[first+i])
					if at < 0 {
						t.Errorf("client %d, request %d: no %s in %s", g, n, want[first+i], got)
						return
					}
					got = got[at+1:]
				}
			}
		})
	}
	wg.Wait()
}

// Explanations are the objects of bertlabel explain, and add up.
func TestExplain(t *testing.T) {
	s := serve(t, Options{Explain: true})
	explainer, err := s.m.NewExplainer()
	if err != nil {
		t.Fatal(err)
	}
	for body, method := range map[string]model.Method{
		`{"text": "the cat", "labels": ["joy"]}`:                         model.IntegratedGradients,
		`{"text": "the cat", "labels": ["joy"], "method": "gradient"}`:   model.GradientTimesInput,
		`{"text": "the cat", "labels": ["joy"], "method": "integrated"}`: model.IntegratedGradients,
	} {
		made, err := explainer.Explain(t.Context(), model.Text{A: "the cat"}, []string{"joy"}, model.ExplainOptions{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		object, err := json.Marshal(score.NewExplanation(&made[0], method))
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"model":"a","digest":"%x","explanations":[%s]}`+"\n", s.m.Digest(), object)
		if got := s.post("/v1/explain", body); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", body, got, want)
		}
	}
	var got struct{ Explanations []score.Explanation }
	if err := json.Unmarshal([]byte(s.post("/v1/explain", `{"text": "a dog ran", "text_pair": "home", "steps": 128}`)), &got); err != nil {
		t.Fatal(err)
	}
	p := s.prediction("a dog ran", "home")
	if labels := s.m.Predicted(p); len(got.Explanations) != max(1, len(labels)) || len(labels) > 0 &&
		got.Explanations[0].Label != labels[0] {
		t.Errorf("%+v, want those of %q", got, labels)
	}
	for _, e := range got.Explanations {
		if d := e.Sum - (e.Logit - e.Baseline); !(d < 1e-3 && d > -1e-3) { // the error of an integral of 128 places, in float32
			t.Errorf("%s: the sum %v is not %v", e.Label, e.Sum, e.Logit-e.Baseline)
		}
	}
	for body, want := range map[string]int{`{"text": "a", "labels": ["x"]}`: 400, `{"text": "a", "method": "x"}`: 400,
		`{"text": "a", "steps": 0}`:    400,
		`{"text": "a", "steps": 1000}`: 400, `{"texts": ["a"]}`: 400, `{"text": "a", "labels": ["joy"], "timeout_ms": 0.0001}`: 504} {
		if r, got := s.send("POST", "/v1/explain", body, "Content-Type", "application/json"); r.StatusCode != want {
			t.Errorf("%s: %s %s", body, r.Status, got)
		}
	}
	// KServe's route: a list of explanations for each instance.
	gradient := model.ExplainOptions{Method: model.GradientTimesInput}
	one, err := explainer.Explain(t.Context(), model.Text{A: "the cat"}, []string{"joy"}, gradient)
	if err != nil {
		t.Fatal(err)
	}
	object, err := json.Marshal(score.NewExplanation(&one[0], model.GradientTimesInput))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"explanations":[[%s],[%[1]s]]}`+"\n", object)
	const body = `{"instances": ["the cat", {"text": "the cat"}], "labels": ["joy"], "method": "gradient"}`
	if got := s.post("/v1/models/a:explain", body); got != want {
		t.Errorf(":explain:\n%s\nwant\n%s", got, want)
	}
	for _, body := range []string{`{"instances": []}`, `{}`, `{"instances": [{"input_ids": [2, 3]}]}`, `{"instances": ["a"], "steps": 0}`} {
		if r, got := s.send("POST", "/v1/models/a%3Aexplain", body); r.StatusCode != 400 || !strings.HasPrefix(got, `{"error":"`) {
			t.Errorf("%s: %s %s", body, r.Status, got)
		}
	}
	if r, body := serve(t, Options{}).send("POST", "/v1/explain", `{}`); r.StatusCode != 404 || !strings.Contains(body, "--explain") {
		t.Errorf("explanations that are off: %s %s", r.Status, body)
	}
}

// The page is for browsers, small, and asks nobody else; a probe of / gets ok.
func TestPage(t *testing.T) {
	s := serve(t, Options{Keys: func() []string { return []string{"k"} }})
	r, page := s.send("GET", "/", "", "Accept", "text/html,*/*")
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page, "<title>bertlabel</title>") ||
		r.Header.Get("Content-Security-Policy") != "default-src 'self'" {
		t.Errorf("%s %v", r.Status, r.Header)
	}
	size := len(page)
	for _, name := range []string{"page.css", "page.js"} {
		if !strings.Contains(page, `"/page/`+name+`"`) {
			t.Errorf("the page does not ask for %s", name)
		}
		r, text := s.send("GET", "/page/"+name, "")
		if r.StatusCode != 200 {
			t.Errorf("%s: %s", name, r.Status)
		}
		size, page = size+len(text), page+text
	}
	if size > 60_000 || strings.Contains(page, "http://") || strings.Contains(page, "https://") || strings.Contains(page, "<script>") ||
		strings.Contains(page, "style=") {
		t.Errorf("%d bytes, or something that the policy does not allow", size)
	}
	for _, path := range []string{"/page/none", "/page/..%2fserver.go"} {
		if r, _ := s.send("GET", path, "", "Authorization", "Bearer k"); r.StatusCode != 404 {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	if _, body := s.send("GET", "/", ""); body != `{"status":"alive"}`+"\n" {
		t.Errorf("a probe gets %q", body)
	}
	if _, body := serve(t, Options{NoPage: true}).send("GET", "/", "", "Accept", "text/html"); body != `{"status":"alive"}`+"\n" {
		t.Errorf("without the page: %q", body)
	}
}

// With few places left connections are not kept.
func TestCrowded(t *testing.T) {
	var crowded atomic.Bool
	s := serve(t, Options{Crowded: crowded.Load})
	for _, want := range []bool{false, true} {
		crowded.Store(want)
		if r, _ := s.send("GET", "/v1/models", ""); r.Close != want {
			t.Errorf("crowded %t: the answer closes its connection: %t", want, r.Close)
		}
	}
}

// Explanations from several clients at once all have their bits, beside texts that have theirs; too many at once are refused.
func TestExplainBesideTexts(t *testing.T) {
	s := serve(t, Options{Explain: true})
	const body = `{"text": "the cat sat on a mat", "labels": ["joy"]}`
	want, cat := s.post("/v1/explain", body), s.post("/v1/predict", `{"text": "the cat"}`)
	var wg sync.WaitGroup
	var refused atomic.Int64
	for range maxExplains + 4 {
		wg.Go(func() {
			r, got := s.send("POST", "/v1/explain", body, "Content-Type", "application/json")
			switch {
			case r.StatusCode == http.StatusTooManyRequests && r.Header.Get("Retry-After") != "":
				refused.Add(1)
			case r.StatusCode != 200 || got != want:
				t.Errorf("%s %s, want %s", r.Status, got, want)
			}
		})
		wg.Go(func() {
			if got := s.post("/v1/predict", `{"text": "the cat"}`); got != cat {
				t.Errorf("%s, want %s", got, cat)
			}
		})
	}
	wg.Wait()
	if refused.Load() > 4 {
		t.Errorf("%d of %d explanations were refused", refused.Load(), maxExplains+4)
	}
}
