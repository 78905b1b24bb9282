package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// loadRow is a measurement of a server that runs, ours or a peer. capacity is what it answers with many clients, in texts a second.
type loadRow struct {
	name    string
	measure func(b *bench, c *client, capacity float64) result
}

var loadRows = []loadRow{{"alone", (*bench).alone}, {"load80", (*bench).load80}, {"largest_rate", (*bench).largestRate},
	{"mixed", (*bench).mixed}}

// ownRow is a measurement that starts its server itself.
type ownRow struct {
	name    string
	measure func(b *bench) (result, error)
}

// ownRows are all rows of our server.
var ownRows = []ownRow{{"start", (*bench).start}, ours(loadRows[0]), ours(loadRows[1]), ours(loadRows[2]), {"overload", (*bench).overload},
	ours(loadRows[3]), {"stream", (*bench).stream}, {"readyz", (*bench).readyz}, {"reload", (*bench).reload},
	{"sigterm", (*bench).sigterm}, {"heads", (*bench).heads}, {"explain", (*bench).explain}, {"hostile", (*bench).hostile},
	{"soak", (*bench).soakRow}}

// ours makes a row of ours of one of loadRows.
func ours(row loadRow) ownRow {
	return ownRow{row.name, func(b *bench) (result, error) {
		return b.with(nil, func(s *server, c *client) (result, error) {
			r := row.measure(b, c, b.capacityOf(c))
			_, most := s.memory()
			r["rss_max_mib"] = round(most / (1 << 20))
			return r, nil
		})
	}}
}

// with runs f on a server of our own, whose answers have been checked.
func (b *bench) with(flags []string, f func(s *server, c *client) (result, error)) (result, error) {
	s, err := startServer(b, append([]string{"--model", "m=" + b.model}, flags...)...)
	if err != nil {
		return nil, err
	}
	c := newClient(kinds["bertlabel"], s.url, b.texts)
	if err := b.check(c); err != nil {
		s.stop()
		return nil, err
	}
	c.closed(context.Background(), 8, min(b.seconds/6, 10*time.Second), 1) // warm
	r, err := f(s, c)
	if e := s.stop(); err == nil && e != nil {
		err = fmt.Errorf("the server ended with %w\n%s", e, s.text())
	}
	return r, err
}

// saturate returns how many texts a second a server answers to 32 clients.
func (b *bench) saturate(c *client) float64 {
	d := min(b.seconds/3, 10*time.Second)
	return summary(c.closed(context.Background(), 32, d, 1), d)["texts_per_s"].(float64)
}

// capacityOf measures our server once.
func (b *bench) capacityOf(c *client) float64 {
	if b.capacity == 0 {
		b.capacity = b.saturate(c)
	}
	return b.capacity
}

// start: exec to ready, 20 times, and what the process holds then.
func (b *bench) start() (result, error) {
	var took, held []float64
	for range 20 {
		s, err := startServer(b, "--model", b.model)
		if err != nil {
			return nil, err
		}
		now, _ := s.memory()
		took, held = append(took, s.ready.Seconds()*1e3), append(held, now)
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	return result{"p50_ms": at(took, 0.5), "max_ms": at(took, 1), "rss_mib": round(at(held, 0.5) / (1 << 20)),
		"weights_mib": round(b.weights() / (1 << 20))}, nil
}

// alone: one request after the other, of texts of 14 words or so (16 tokens).
func (b *bench) alone(c *client, capacity float64) result {
	short := *c
	short.texts = nil
	for _, text := range c.texts {
		if n := len(strings.Fields(text)); n >= 10 && n <= 13 {
			short.texts = append(short.texts, text)
		}
	}
	if short.texts == nil {
		short.texts = c.texts
	}
	return merge(summary(short.closed(context.Background(), 1, b.seconds, 1), b.seconds), result{"capacity": round(capacity)})
}

// load80: 80 % of the capacity.
func (b *bench) load80(c *client, capacity float64) result {
	rate := 0.8 * capacity
	return merge(summary(c.open(context.Background(), rate, b.seconds, 1, 1), b.seconds), result{"rate": round(rate)})
}

// largestRate: the largest rate with a p99 of at most 50 ms and no error, by bisection between half and all of the capacity.
func (b *bench) largestRate(c *client, capacity float64) result {
	low, high, step := 0.0, 1.1*capacity, min(b.seconds, 20*time.Second)
	best := result{}
	for try := 0.8 * capacity; high-low > 0.02*capacity; try = (low + high) / 2 {
		all := c.open(context.Background(), try, step, 1, uint64(try))
		r := summary(all, step)
		p99, ok := r["p99_ms"].(float64)
		if codes := r["codes"].(map[string]int); ok && p99 <= 50 && codes["200"] == len(all) {
			low, best = try, r
		} else {
			high = try
		}
	}
	return merge(best, result{"rate": round(low), "of_capacity": round(low / capacity)})
}

// mixed: 200 single requests a second beside 20 of 32 texts, 84 % of 1,000 texts a second; of a smaller capacity the same part.
func (b *bench) mixed(c *client, capacity float64) result {
	scale := min(1, capacity/1000)
	var single, bulk []outcome
	var wg sync.WaitGroup
	wg.Go(func() { single = c.open(context.Background(), 200*scale, b.seconds, 1, 2) })
	wg.Go(func() { bulk = c.open(context.Background(), 20*scale, b.seconds, 32, 3) })
	wg.Wait()
	return result{"single": summary(single, b.seconds), "bulk": summary(bulk, b.seconds), "single_rate": round(200 * scale),
		"bulk_texts_per_s_offered": round(640 * scale)}
}

// overload: five times the capacity, with --max-wait 100ms; then a second of rest, and whether all is as before.
func (b *bench) overload() (result, error) {
	return b.with([]string{"--max-wait", "100ms"}, func(s *server, c *client) (result, error) {
		capacity := b.capacityOf(c)
		before, _ := s.memory()
		all := c.open(context.Background(), 5*capacity, b.seconds, 1, 4)
		r := summary(all, b.seconds)
		_, most := s.memory()
		time.Sleep(time.Second)
		after := summary(c.open(context.Background(), 0.5*capacity, min(b.seconds, 5*time.Second), 1, 5), min(b.seconds, 5*time.Second))
		return merge(r, result{"rate": round(5 * capacity), "of_capacity": round(r["texts_per_s"].(float64) / capacity),
			"failures":     failures(all),
			"rss_more_mib": round((most - before) / (1 << 20)), "p99_ms_a_second_later": after["p99_ms"]}), nil
	})
}

// stream: all texts as rows (fewer in a short run), against `bertlabel predict --input`, and what the process holds with ten times as many.
func (b *bench) stream() (result, error) {
	return b.with(nil, func(s *server, _ *client) (result, error) {
		n := min(len(b.texts), int(100*b.seconds.Seconds()))
		rows := rowsOf(b.texts[:n])
		send := func(times int) (float64, error) {
			readers := make([]io.Reader, times)
			for i := range readers {
				readers[i] = strings.NewReader(rows)
			}
			start := time.Now()
			answer, err := http.Post(s.url+"/v1/predict", "application/x-ndjson", io.MultiReader(readers...))
			if err != nil {
				return 0, err
			}
			defer answer.Body.Close()
			lines, err := countLines(answer.Body)
			if err == nil && lines != times*n {
				err = fmt.Errorf("%d lines for %d rows", lines, times*n)
			}
			return float64(lines) / time.Since(start).Seconds(), err
		}
		served, err := send(1)
		if err != nil {
			return nil, err
		}
		_, before := s.memory()
		begun := time.Now()
		if _, err := b.run(strings.NewReader(rows), "predict", "--model", b.model, "--input", "-", "--format", "jsonl", "--quiet"); err != nil {
			return nil, err
		}
		predicted := float64(n) / time.Since(begun).Seconds()
		if _, err := send(10); err != nil {
			return nil, err
		}
		_, after := s.memory()
		return result{"rows": n, "rows_per_s": round(served), "predict_rows_per_s": round(predicted),
			"of_predict": round(served / predicted), "rss_more_mib_ten_times": round((after - before) / (1 << 20))}, nil
	})
}

// readyz: /readyz and /metrics each 100 ms at full load.
func (b *bench) readyz() (result, error) {
	return b.with(nil, func(s *server, c *client) (result, error) {
		ctx, cancel := context.WithCancel(context.Background())
		r := result{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, path := range []string{"/readyz", "/metrics"} {
			wg.Go(func() {
				took, failed := s.probe(ctx, path)
				mu.Lock()
				defer mu.Unlock()
				r[path] = result{"p50_ms": at(took, 0.5), "p99_ms": at(took, 0.99), "max_ms": at(took, 1), "failed": failed}
			})
		}
		c.closed(ctx, 32, b.seconds, 1)
		cancel()
		wg.Wait()
		return r, nil
	})
}

// explain: how long explanations take alone, and single requests at half the capacity with and without endless ones.
func (b *bench) explain() (result, error) {
	return b.with([]string{"--explain"}, func(s *server, c *client) (result, error) {
		capacity := b.capacityOf(c)
		explanation := func(method string) *client {
			e := *c
			e.path, e.request = "/v1/explain", func(texts []string) any {
				return map[string]any{"text": texts[0], "labels": b.labels[:1], "method": method}
			}
			return &e
		}
		r, d := result{"rate": round(capacity / 2)}, b.seconds/3
		for _, method := range []string{"gradient", "integrated"} {
			r[method] = summary(explanation(method).closed(context.Background(), 1, d/2, 1), d/2)
		}
		r["without"] = summary(c.open(context.Background(), capacity/2, d, 1, 6), d)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		var made atomic.Int64
		wg.Go(func() { made.Store(int64(len(explanation("integrated").closed(ctx, 4, time.Hour, 1)))) })
		r["beside"] = summary(c.open(context.Background(), capacity/2, d, 1, 6), d)
		cancel()
		wg.Wait()
		r["explanations_per_s"] = round(float64(made.Load()) / d.Seconds())
		return r, nil
	})
}
