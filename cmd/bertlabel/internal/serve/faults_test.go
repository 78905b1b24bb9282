package serve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bertlabel/bert/model"
	"bertlabel/bert/queue"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/parallel"
	"bertlabel/train/score"
)

// faulty is the engine of a model into which a test puts faults: before, if there is one, is called with the texts of every pass.
type faulty struct {
	queue.Engine
	before atomic.Pointer[func(texts []tokenizer.Encoding)]
}

func (f *faulty) NewPass(threads int) queue.Pass { return faultyPass{f.Engine.NewPass(threads), f} }

type faultyPass struct {
	queue.Pass
	of *faulty
}

func (p faultyPass) Features(dst *tensor.Tensor, texts []tokenizer.Encoding) error {
	if before := p.of.before.Load(); before != nil {
		(*before)(texts)
	}
	return p.Pass.Features(dst, texts)
}

// patient is a server with one thread, so that a pass that is held holds all, which refuses nothing for load: on a busy machine a pass may
// seem to cost more than a request may wait.
var patient = Options{Cache: 1 << 16, Queue: queue.Options{Threads: 1, MaxWait: time.Hour}, Timeout: time.Hour}

// until waits for a channel, or for the test to fail.
func (s *testServer) until(c <-chan struct{}) {
	select {
	case <-c:
	case <-s.t.Context().Done():
	}
}

// model returns a model that is served.
func (s *testServer) model(name string) *loaded {
	s.t.Helper()
	l, err := s.models.find(name, false)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// fault puts a faulty engine under a model, and under all that share its encoder.
func (s *testServer) fault(l *loaded) *faulty {
	s.t.Helper()
	f := &faulty{Engine: queue.Encoder(l.Model, l.Pooling)}
	target, err := s.queue.NewTarget(f)
	if err != nil {
		s.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.engines[l.Pooling].target = target
	return f
}

// has tells whether one of texts has a word of the tiny vocabulary.
func has(l *loaded, texts []tokenizer.Encoding, word string) bool {
	id := l.EncodeOne(model.Text{A: word}).IDs[1]
	return slices.ContainsFunc(texts, func(e tokenizer.Encoding) bool { return slices.Contains(e.IDs, id) })
}

// eventually waits until something is so, for as long as a busy machine may take.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// metric returns the value of a series; 0 where there is none.
func (s *testServer) metric(series string) float64 {
	s.t.Helper()
	_, body := s.send("GET", "/metrics", "")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// A panic in the kernels costs the text at which it happens. Those of the same pass have their bits, the others of a stream their lines; it
// is counted, and what comes afterwards is answered.
func TestKernelPanic(t *testing.T) {
	s := serve(t, patient)
	a := s.model("a")
	f := s.fault(a)
	held, release := make(chan struct{}), make(chan struct{})
	var mixed atomic.Int64 // passes with the culprit and others
	before := func(texts []tokenizer.Encoding) {
		switch {
		case has(a, texts, "home"):
			held <- struct{}{}
			s.until(release)
		case has(a, texts, "happy"):
			if len(texts) > 1 {
				mixed.Add(1)
			}
			var g parallel.Group // as the workers of a pass
			g.Go(func() { panic("broken kernel") })
			g.Wait()
		}
	}
	f.before.Store(&before)
	var wg sync.WaitGroup
	ask := func(word string, status int) {
		wg.Go(func() {
			r, got := s.send("POST", "/v1/predict", `{"text": "`+word+`"}`, "Content-Type", "application/json")
			if r.StatusCode != status || status == 200 && !strings.Contains(got, s.line(s.m, score.Line{}, word, "")) ||
				strings.Contains(got, "broken") {
				t.Errorf("%s: %s %s", word, r.Status, got)
			}
		})
	}
	ask("home", 200)
	<-held
	ask("happy", 500)
	for _, word := range strings.Fields("cat dog sat big red sad") {
		ask(word, 200)
	}
	eventually(t, "all wait", func() bool { return s.queue.Stats().Queued[queue.Interactive] == 7 })
	close(release)
	wg.Wait()
	if mixed.Load() == 0 {
		t.Error("the culprit was alone in its pass")
	}
	lines := `{"text": "cat"}` + "\n" + `{"text": "happy"}` + "\n" + `{"text": "dog"}` + "\n"
	want := "{" + s.line(s.m, score.Line{}, "cat", "") + "}\n" + `{"error":"internal error"}` + "\n" +
		"{" + s.line(s.m, score.Line{}, "dog", "") + "}\n"
	r, got := s.send("POST", "/v1/predict", lines, "Content-Type", "application/x-ndjson")
	if got != want || r.Trailer.Get("X-Bad-Rows") != "1" {
		t.Errorf("a stream: %s\nwant %s", got, want)
	}
	if n := s.metric("bertlabel_panics_total"); n != 2 {
		t.Errorf("%v panics are counted, want 2", n)
	}
	s.post("/v1/predict", `{"text": "the cat"}`)
}

// A panic in the tokenizer or in a head, or a head with NaN, costs the requests and rows of that model; the other model over the same
// encoder has its bits.
func TestBrokenModelBeside(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(b *loaded)
		panics float64 // of a request and of two rows
	}{
		"tokenizer": {func(b *loaded) { b.MaxSeqLength = 1 }, 3},
		"head":      {func(b *loaded) { b.Head = &layers.Classifier{} }, 3},
		"NaN":       {func(b *loaded) { b.Head.Bias.Value[0] = float32(math.NaN()) }, 0},
	} {
		f := folders(t)
		o := patient
		o.Models = []Source{source("a", f["a"]), source("b", f["b"])}
		s := serve(t, o)
		c.breaks(s.model("b"))
		want := s.line(s.m, score.Line{}, "the cat", "")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 10 {
					if got := s.post("/v1/predict", `{"text": "the cat"}`); !strings.Contains(got, want) {
						t.Errorf("%s: %s, want %s", name, got, want)
					}
				}
			})
		}
		r, got := s.send("POST", "/v1/predict", `{"text": "the cat", "model": "b"}`, "Content-Type", "application/json")
		if r.StatusCode != 500 || got != `{"error":{"message":"internal error","type":"server_error"}}`+"\n" {
			t.Errorf("%s: %s %s", name, r.Status, got)
		}
		r, got = s.send("POST", "/v1/predict?model=b", "{\"text\": \"the cat\"}\n{\"text\": \"a dog\"}\n", "Content-Type", "application/x-ndjson")
		if got != strings.Repeat(`{"error":"internal error"}`+"\n", 2) || r.Trailer.Get("X-Bad-Rows") != "2" {
			t.Errorf("%s: a stream: %s %s", name, r.Status, got)
		}
		wg.Wait()
		if n := s.metric("bertlabel_panics_total"); n != c.panics {
			t.Errorf("%s: %v panics are counted, want %v", name, n, c.panics)
		}
		if log := s.log.String(); strings.Count(log, "request failed") != 2 {
			t.Errorf("%s: the log has other things than the request and the stream:\n%s", name, log)
		}
	}
}

// A panic in the stages of a stream ends the connection: an answer that ends early does not look whole. Nothing is left behind.
func TestStreamPanic(t *testing.T) {
	s := serve(t, Options{})
	s.model("a").Thresholds = nil // the writer of a line needs them
	http.DefaultClient.CloseIdleConnections()
	before := runtime.NumGoroutine()
	for range 3 {
		r, err := http.Post(s.URL+"/v1/predict", "application/x-ndjson", strings.NewReader(`{"text": "cat"}`+"\n"))
		if err == nil {
			_, err = io.ReadAll(r.Body)
			r.Body.Close()
		}
		if err == nil {
			t.Error("the answer looks whole")
		}
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	if s.rows.Used() != 0 || s.metric("bertlabel_panics_total") != 3 {
		t.Errorf("%d bytes used, %v panics", s.rows.Used(), s.metric("bertlabel_panics_total"))
	}
}

// A pass that never ends: requests end at their deadlines, /livez asks for a restart within 12 s and /readyz for no more requests.
func TestHungPass(t *testing.T) {
	f := folders(t)
	synctest.Test(t, func(t *testing.T) {
		// One thread: the goroutines that share a pass among several stay until the pass is garbage, which a bubble does not wait for.
		server, err := New(Options{Models: []Source{source("a", f["a"])}, Log: &lines{}, Queue: queue.Options{Threads: 1}})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close(t.Context())
		if err := server.Load(); err != nil {
			t.Fatal(err)
		}
		s := &testServer{Server: server, t: t}
		hung := make(chan struct{})
		before := func([]tokenizer.Encoding) { <-hung }
		engine := s.fault(s.model("a"))
		time.Sleep(time.Minute) // it has been measured
		engine.before.Store(&before)
		ask := func(method, path, body string) int {
			w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			s.ServeHTTP(w, r)
			return w.Code
		}
		var wg sync.WaitGroup
		for i, limit := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 30 * time.Second} {
			wg.Go(func() {
				start, body := time.Now(), fmt.Sprintf(`{"text": "cat %d", "timeout_ms": %d}`, i, limit.Milliseconds())
				if code := ask("POST", "/v1/predict", body); code != 504 || time.Since(start) != limit {
					t.Errorf("a deadline of %v: %d after %v", limit, code, time.Since(start))
				}
			})
		}
		expect := func(when string, livez, readyz, healthz int) {
			t.Helper()
			for path, want := range map[string]int{"/livez": livez, "/v2/health/live": livez, "/readyz": readyz, "/v2/health/ready": readyz,
				"/v2/models/a/ready": readyz, "/health": readyz, "/healthz": healthz} {
				if got := ask("GET", path, ""); got != want {
					t.Errorf("%s: %s says %d, want %d", when, path, got, want)
				}
			}
		}
		time.Sleep(5 * time.Second)
		expect("after 5 s", 200, 200, 200)
		time.Sleep(7 * time.Second)
		expect("after 12 s", 500, 503, 500)
		if server.Live() == nil {
			t.Error("the watchdog of systemd is fed")
		}
		wg.Wait()
		close(hung)
		time.Sleep(time.Second)
		expect("after its end", 200, 200, 200)
	})
}

// raw opens a connection and sends text.
func (s *testServer) raw(text string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err == nil {
		_, err = io.WriteString(conn, text)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// A client that closes its half of the connection before it is answered counts as gone; it gets no answer that looks like one.
func TestHalfClosed(t *testing.T) {
	s := serve(t, patient)
	a := s.model("a")
	release := make(chan struct{})
	before := func(texts []tokenizer.Encoding) {
		if has(a, texts, "home") {
			s.until(release)
		}
	}
	s.fault(a).before.Store(&before)
	conn := s.raw("GET /v1/predict?text=home HTTP/1.1\r\nHost: x\r\n\r\n")
	defer conn.Close()
	eventually(t, "it runs", func() bool { return s.queue.Stats().Running == 1 })
	conn.(*net.TCPConn).CloseWrite()
	if answer, err := io.ReadAll(conn); len(answer) > 0 {
		t.Errorf("%q, %v", answer, err)
	}
	close(release)
}

// Clients leave at each stage of a request: nothing of them runs that has not begun, and nothing is left, no goroutine, no byte, no place
// in the queue. BERTLABEL_LEAVERS=1000 is the count of docs/testing.md.
func TestClientsLeave(t *testing.T) {
	n := 40
	if testing.Short() {
		n = 10
	}
	if v, err := strconv.Atoi(os.Getenv("BERTLABEL_LEAVERS")); err == nil {
		n = v
	}
	// One thread, so that one pass that is held holds up all others; and however slow the machine is, none is refused.
	s := serve(t, patient)
	a := s.model("a")
	engine := s.fault(a)
	eventually(t, "the engine is measured", func() bool {
		e, err := a.engine(a.Pooling)
		if err != nil {
			t.Fatal(err)
		}
		_, _, measured := s.queue.Costs(e.target)
		return measured && s.queue.Stats().Running == 0
	})
	held, release := make(chan struct{}), make(chan struct{})
	before := func([]tokenizer.Encoding) {
		select {
		case held <- struct{}{}:
			s.until(release)
		case <-t.Context().Done(): // the test has failed
		}
	}
	request := func(i int) string {
		body := `{"text": "` + strings.Join(strings.Split(strconv.FormatInt(int64(i), 26), ""), " ") + `"}` // tokens of the vocabulary
		body = strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r - '0' + 'q'
			}
			return r
		}, body)
		return fmt.Sprintf("POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			len(body), body)
	}
	left := func() float64 { return s.metric(`bertlabel_requests_total{code="499",route="/v1/predict"}`) }
	http.DefaultClient.CloseIdleConnections()
	goroutines := runtime.NumGoroutine()

	for i := range n { // headers, body
		s.raw(request(i)[:30]).Close()
		s.raw(strings.TrimSuffix(request(i), `"}`)).Close()
	}

	engine.before.Store(&before)
	for i := range n { // running
		conn := s.raw(request(i))
		<-held
		gone := left()
		conn.Close()
		eventually(t, "it has left", func() bool { return left() > gone })
		release <- struct{}{}
	}
	eventually(t, "all passes have ended", func() bool { return s.queue.Stats().Running == 0 })

	ctx, cancel := context.WithCancel(t.Context()) // queued, after one that is held
	defer cancel()
	blocker := s.raw(request(n))
	<-held
	ran, waiting := s.queue.Stats().Batches, []net.Conn{}
	for i := range n {
		waiting = append(waiting, s.raw(request(n+1+i)))
	}
	eventually(t, "all wait", func() bool { return s.queue.Stats().Queued[queue.Interactive] == n })
	for _, conn := range waiting {
		conn.Close()
	}
	eventually(t, "none waits", func() bool { return s.queue.Stats().Queued == [2]int{} })
	engine.before.Store(nil)
	release <- struct{}{}
	if answer, err := bufio.NewReader(blocker).ReadString('\n'); err != nil || !strings.Contains(answer, "200") {
		t.Errorf("the one before them: %q, %v", answer, err)
	}
	blocker.Close()
	if now := s.queue.Stats().Batches; now[0]+now[1] != ran[0]+ran[1]+1 {
		t.Errorf("%v passes, were %v: something ran for those who had left", now, ran)
	}

	for range n { // half read
		out, answer := s.pipe(ctx)
		if _, err := bufio.NewReader(answer.Body).ReadString('\n'); err != nil {
			t.Error(err)
		}
		answer.Body.Close()
		out.Close()
	}

	http.DefaultClient.CloseIdleConnections()
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	q := s.queue.Stats()
	if q.Queued != [2]int{} || q.QueuedTokens != [2]int{} || q.StreamTokens != 0 || q.Running != 0 || s.bodies.Used()+s.rows.Used() != 0 {
		t.Errorf("left behind: %+v, %d bytes", q, s.Used())
	}
	for _, series := range []string{`queue_texts{class="interactive"}`, `queue_texts{class="bulk"}`,
		`queue_tokens{class="interactive"}`, `queue_tokens{class="bulk"}`, "running_passes", "body_bytes", "stream_bytes"} {
		if v := s.metric("bertlabel_" + series); v != 0 {
			t.Errorf("%s is %v", series, v)
		}
	}
	s.post("/v1/predict", `{"text": "the cat"}`)
}
