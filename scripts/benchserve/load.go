package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// kind is how a server is asked, and how its answer is read.
type kind struct {
	path    string
	request func(texts []string) any
	// scores reads the probabilities of each text in the order of the labels.
	scores func(answer []byte, labels []string) ([][]float64, error)
}

var kinds = map[string]kind{
	"bertlabel": {"/v1/predict", func(texts []string) any { return map[string]any{"texts": texts} }, ownScores},
	"simple": {"/predict", func(texts []string) any { return map[string]any{"texts": texts} },
		func(answer []byte, _ []string) ([][]float64, error) {
			var a struct{ Probabilities [][]float64 }
			return a.Probabilities, json.Unmarshal(answer, &a)
		}},
	"tei": {"/predict", func(texts []string) any {
		inputs := make([][]string, len(texts))
		for i, t := range texts {
			inputs[i] = []string{t}
		}
		return map[string]any{"inputs": inputs, "raw_scores": true, "truncate": true} // its probabilities are a softmax
	}, func(answer []byte, labels []string) ([][]float64, error) {
		return listed(answer, labels, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) })
	}},
	"infinity": {"/classify", func(texts []string) any { return map[string]any{"model": "model", "input": texts} },
		func(answer []byte, labels []string) ([][]float64, error) {
			var a struct{ Data json.RawMessage }
			if err := json.Unmarshal(answer, &a); err != nil {
				return nil, err
			}
			return listed(a.Data, labels, func(x float64) float64 { return x })
		}},
}

func ownScores(answer []byte, labels []string) (all [][]float64, err error) {
	var a struct {
		Predictions []struct{ Probabilities map[string]float64 }
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, err
	}
	for _, p := range a.Predictions {
		row := make([]float64, len(labels))
		for i, label := range labels {
			row[i] = p.Probabilities[label]
		}
		all = append(all, row)
	}
	return all, nil
}

// listed reads [[{"label", "score"}, …], …].
func listed(answer []byte, labels []string, f func(float64) float64) ([][]float64, error) {
	var a [][]struct {
		Label string
		Score float64
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, err
	}
	all := make([][]float64, len(a))
	for i := range a {
		all[i] = make([]float64, len(labels))
		for _, e := range a[i] {
			if at := slices.Index(labels, e.Label); at >= 0 {
				all[i][at] = f(e.Score)
			}
		}
	}
	return all, nil
}

// client asks one server.
type client struct {
	kind
	url   string
	texts []string // taken in turn
	http  *http.Client
}

func newClient(k kind, url string, texts []string) *client {
	return &client{k, url, texts, &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 1000, MaxConnsPerHost: 1000}}}
}

// outcome is what came of a request. took counts from when it was to be sent.
type outcome struct {
	at, took time.Duration
	code     int // 0: none
	texts    int
}

// some returns n texts, the k-th request's.
func (c *client) some(k, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = c.texts[(k*n+i)%len(c.texts)]
	}
	return texts
}

// post sends texts, and returns status and body; an error is of the connection.
func (c *client) post(ctx context.Context, texts []string) (int, []byte, error) {
	body, err := json.Marshal(c.request(texts))
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, "POST", c.url+c.path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, b, err
}

func (c *client) ask(ctx context.Context, start, intended time.Time, k, n int) outcome {
	code, _, err := c.post(ctx, c.some(k, n))
	if err != nil {
		code = 0
	}
	return outcome{intended.Sub(start), time.Since(intended), code, n}
}

// open sends requests of n texts at the times of a Poisson process, whether earlier ones have been answered or not: a queue shows in their
// latency (open loop). The times depend on the seed only.
func (c *client) open(ctx context.Context, rate float64, d time.Duration, n int, seed uint64) []outcome {
	rng := rand.New(rand.NewPCG(seed, 17))
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []outcome
	start := time.Now()
	for k, at := 0, time.Duration(0); ; k++ {
		if at += time.Duration(rng.ExpFloat64() / rate * float64(time.Second)); at > d || ctx.Err() != nil {
			break
		}
		time.Sleep(time.Until(start.Add(at)))
		wg.Go(func() {
			o := c.ask(ctx, start, start.Add(at), k, n)
			mu.Lock()
			all = append(all, o)
			mu.Unlock()
		})
	}
	wg.Wait()
	return all
}

// closed has so many clients, each of which sends its next request when the one before is answered.
func (c *client) closed(ctx context.Context, clients int, d time.Duration, n int) (all []outcome) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for i := range clients {
		wg.Go(func() {
			for k := i; time.Since(start) < d && ctx.Err() == nil; k += clients {
				o := c.ask(ctx, start, time.Now(), k, n)
				mu.Lock()
				all = append(all, o)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return all
}

// result is one line of what was measured.
type result map[string]any

// summary is what all outcomes come to, in ms and per second of d.
func summary(all []outcome, d time.Duration) result {
	codes, texts := map[string]int{}, 0
	var good, refused []float64
	for _, o := range all {
		codes[fmt.Sprint(o.code)]++
		switch ms := o.took.Seconds() * 1e3; o.code {
		case http.StatusOK:
			good, texts = append(good, ms), texts+o.texts
		case http.StatusTooManyRequests:
			refused = append(refused, ms)
		}
	}
	r := result{"requests": len(all), "codes": codes, "texts_per_s": round(float64(texts) / d.Seconds())}
	if len(good) > 0 {
		r["p50_ms"], r["p90_ms"], r["p99_ms"], r["max_ms"] = at(good, 0.5), at(good, 0.9), at(good, 0.99), at(good, 1)
	}
	if len(refused) > 0 {
		r["refused_p50_ms"], r["refused_p99_ms"] = at(refused, 0.5), at(refused, 0.99)
	}
	return r
}

// at returns a quantile.
func at(x []float64, q float64) float64 {
	slices.Sort(x)
	return round(x[min(len(x)-1, int(q*float64(len(x))))])
}

// round keeps four digits.
func round(x float64) float64 {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	if err != nil {
		panic(err) // a number that was just written
	}
	return y
}

// failures counts what is neither 200 nor 429.
func failures(all []outcome) (n int) {
	for _, o := range all {
		if o.code != http.StatusOK && o.code != http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

func merge(r result, more result) result {
	for k, v := range more {
		r[k] = v
	}
	return r
}
