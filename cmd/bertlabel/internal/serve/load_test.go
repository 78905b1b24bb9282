package serve

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/train/score"
)

// loadTexts are texts of all lengths with the line that bertlabel predict has of each, without its braces, the numbers of tokens, and the
// vector of embed.
type loadTexts struct{ text, line, vector []string }

func newLoadTexts(s *testServer, n int) (l loadTexts) {
	words := strings.Fields("the cat sat on a mat dog ran home big red sad happy")
	rng := rand.New(rand.NewPCG(17, 1))
	var all []model.Text
	for range n {
		var text []string
		for range 1 + rng.IntN(20) {
			text = append(text, words[rng.IntN(len(words))])
		}
		l.text = append(l.text, strings.Join(text, " "))
		all = append(all, model.Text{A: l.text[len(l.text)-1]})
	}
	vectors, err := s.m.Embed(s.t.Context(), all, s.m.Pooling)
	if err != nil {
		s.t.Fatal(err)
	}
	for i, text := range l.text {
		tokens := len(strings.Fields(text)) + 2
		l.line = append(l.line, fmt.Sprintf(`{%s,"tokens":%d,"cut_tokens":0}`, s.line(s.m, score.Line{}, text, ""), tokens))
		l.vector = append(l.vector, string(score.AppendVector(nil, vectors.Row(i))))
	}
	return l
}

// request draws a request, and says what its answer is.
func (l *loadTexts) request(rng *rand.Rand, s *testServer) (r *http.Request, want string, err error) {
	opening := fmt.Sprintf(`{"model":"a","digest":"%x",`, s.m.Digest())
	var picked []int
	for range 1 + rng.IntN(8) {
		picked = append(picked, rng.IntN(len(l.text)))
	}
	join := func(from []string, quoted bool) string {
		var parts []string
		for _, i := range picked {
			if part := from[i]; quoted {
				parts = append(parts, `"`+part+`"`)
			} else {
				parts = append(parts, part)
			}
		}
		return strings.Join(parts, ",")
	}
	post := func(path, contentType, body string) {
		if r, err = http.NewRequest("POST", s.URL+path, strings.NewReader(body)); err == nil {
			r.Header.Set("Content-Type", contentType)
		}
	}
	switch rng.IntN(4) {
	case 0:
		post("/v1/predict", "application/json", `{"texts": [`+join(l.text, true)+`]}`)
		want = opening + `"predictions":[` + join(l.line, false) + "]}\n"
	case 1:
		post("/v1/embed", "application/json", `{"texts": [`+join(l.text, true)+`]}`)
		want = opening + `"embeddings":[` + join(l.vector, false) + "]}\n"
	case 2:
		picked = picked[:1]
		r, err = http.NewRequest("GET", s.URL+"/v1/predict?text="+url.QueryEscape(l.text[picked[0]]), nil)
		want = opening + `"predictions":[` + l.line[picked[0]] + "]}\n"
	default:
		body, lines := "", ""
		for _, i := range picked {
			body += `{"text": "` + l.text[i] + `"}` + "\n"
			line, _, _ := strings.Cut(l.line[i], `,"tokens":`) // a stream has the line of bertlabel predict
			lines += line + "}\n"
		}
		post("/v1/predict", "application/x-ndjson", body)
		want = lines
	}
	return r, want, err
}

// TestLoad sends mixed requests over all kinds of routes from many clients at once: each is answered, with its own bits and nobody else's.
// It says nothing of time.
func TestLoad(t *testing.T) {
	clients, each := 32, 60
	if testing.Short() {
		each = 6
	}
	s := serve(t, Options{Cache: 1 << 16}) // small: entries come and go
	l := newLoadTexts(s, 50)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 2))
			for range each {
				if err := l.exchange(rng, s, client); err != nil {
					t.Errorf("client %d: %v", c, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// exchange sends a request and compares its answer.
func (l *loadTexts) exchange(rng *rand.Rand, s *testServer, client *http.Client) error {
	r, want, err := l.request(rng, s)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || string(got) != want {
		return fmt.Errorf("%s %s: %s, %v\n%s\nwant\n%s", r.Method, r.URL, answer.Status, err, got, want)
	}
	return nil
}
