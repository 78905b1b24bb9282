package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// rowsOf returns texts as NDJSON.
func rowsOf(texts []string) string {
	var rows strings.Builder
	for _, text := range texts {
		line, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			panic(err) // a string
		}
		rows.Write(append(line, '\n'))
	}
	return rows.String()
}

func countLines(r io.Reader) (n int, err error) {
	lines := bufio.NewReader(r)
	for {
		switch _, err := lines.ReadSlice('\n'); err {
		case nil:
			n++
		case bufio.ErrBufferFull:
		case io.EOF:
			return n, nil
		default:
			return n, err
		}
	}
}

// variants are the model and another one: the same with its labels in another order, over the same encoder.
func (b *bench) variants(folder string) ([]string, error) {
	other := filepath.Join(folder, "other")
	if _, err := b.run(nil, "labels", "rename", "--model", b.model, "--names", b.labels[0], "--into", b.labels[0]+" (other)",
		"--output", other, "--quiet"); err != nil {
		return nil, err
	}
	return []string{b.model, other}, nil
}

// point turns the link that the server opens; it is replaced whole.
func point(link, to string) error {
	full, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	if err := os.Symlink(full, link+".new"); err != nil {
		return err
	}
	return os.Rename(link+".new", link)
}

// reload: 100 reloads, one a second (fewer in a short run), ten of them of a folder that is not there, at 70 % of the capacity; and the
// latency of the same load without them.
func (b *bench) reload() (result, error) {
	dir, err := os.MkdirTemp("", "benchserve")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	variants, err := b.variants(dir)
	if err != nil {
		return nil, err
	}
	link := filepath.Join(dir, "current")
	if err := point(link, variants[0]); err != nil {
		return nil, err
	}
	s, err := startServer(b, "--model", "m="+link)
	if err != nil {
		return nil, err
	}
	c := newClient(kinds["bertlabel"], s.url, b.texts)
	rate, turns := 0.7*b.capacityOf(c), min(100, int(b.seconds.Seconds()))
	d := time.Duration(turns) * time.Second
	steady := summary(c.open(context.Background(), rate, d/4, 1, 7), d/4)
	begun, _ := s.memory()
	var all []outcome
	var wg sync.WaitGroup
	wg.Go(func() { all = c.open(context.Background(), rate, d, 1, 8) })
	for turn := range turns {
		to := variants[turn%2]
		if turn%10 == 5 {
			to = filepath.Join(dir, "none")
		}
		if err := point(link, to); err != nil {
			return nil, err
		}
		s.cmd.Process.Signal(syscall.SIGHUP)
		time.Sleep(time.Second)
	}
	wg.Wait()
	now, _ := s.memory()
	ok, err := s.metric(`bertlabel_reloads_total{result="ok"}`)
	if err != nil {
		return nil, err
	}
	failed, err := s.metric(`bertlabel_reloads_total{result="failed"}`)
	if err != nil {
		return nil, err
	}
	r := merge(summary(all, d), result{"rate": round(rate), "steady_p99_ms": steady["p99_ms"], "reloads_ok": ok, "reloads_failed": failed,
		"failures": failures(all), "rss_more_mib": round((now - begun) / (1 << 20))})
	return r, s.stop()
}

// sigterm: 20 times a SIGTERM at 70 % of the capacity. Every request whose connection the server took is answered.
func (b *bench) sigterm() (result, error) {
	answered, refused, lost := 0, 0, map[string]int{}
	var took []float64
	for n := range 20 {
		s, err := startServer(b, "--model", b.model)
		if err != nil {
			return nil, err
		}
		c := newClient(kinds["bertlabel"], s.url, b.texts)
		rate := 0.7 * b.capacityOf(c)
		ctx, cancel := context.WithCancel(context.Background())
		var all []outcome
		var wg sync.WaitGroup
		wg.Go(func() { all = c.open(ctx, rate, time.Minute, 1, uint64(n)) })
		time.Sleep(time.Second)
		begun := time.Now()
		err = s.stop()
		ended := time.Since(begun)
		took = append(took, ended.Seconds()*1e3)
		cancel()
		wg.Wait()
		if err != nil {
			return nil, err
		}
		for _, o := range all {
			switch {
			case o.code == http.StatusOK || o.code == http.StatusTooManyRequests:
				answered++
			case o.code == 0 && o.at > time.Second: // sent after the signal: the socket may be closed, or the client be told to stop
				refused++
			default:
				lost[fmt.Sprint(o.code)]++
			}
		}
	}
	return result{"answered": answered, "lost": lost, "refused_after_the_signal": refused, "p50_ms": at(took, 0.5), "max_ms": at(took, 1)}, nil
}

// heads: 20 models over one encoder against one: memory, and a request that asks all of them.
func (b *bench) heads() (result, error) {
	dir, err := os.MkdirTemp("", "benchserve")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	variants, err := b.variants(dir)
	if err != nil {
		return nil, err
	}
	r := result{}
	for _, n := range []int{1, 20} {
		flags, names := []string{}, []string{}
		for i := range n {
			names = append(names, fmt.Sprint("m", i))
			flags = append(flags, "--model", fmt.Sprintf("m%d=%s", i, variants[i%2]))
		}
		s, err := startServer(b, flags...)
		if err != nil {
			return nil, err
		}
		c := newClient(kinds["bertlabel"], s.url, b.texts)
		c.request = func(texts []string) any { return map[string]any{"texts": texts, "model": names} }
		all := summary(c.closed(context.Background(), 1, b.seconds/4, 1), b.seconds/4)
		now, _ := s.memory()
		if err := s.stop(); err != nil {
			return nil, err
		}
		r[fmt.Sprint(n)] = result{"p50_ms": all["p50_ms"], "rss_mib": round(now / (1 << 20))}
	}
	return r, nil
}

// soakRow: 70 % of the capacity for a long time, one request in a hundred broken, a reload a minute. Memory, goroutines and descriptors are
// read each minute; growth is that of the last half.
func (b *bench) soakRow() (result, error) {
	return b.with(nil, func(s *server, c *client) (result, error) {
		broken := *c
		broken.request = func(texts []string) any {
			bad := []any{map[string]any{"text": 7}, map[string]any{}, []int{1}, "x", map[string]any{"texts": texts, "model": "none"}}
			return bad[rand.IntN(len(bad))]
		}
		rate := 0.7 * b.capacityOf(c)
		var all, bad []outcome
		var wg sync.WaitGroup
		wg.Go(func() { all = c.open(context.Background(), rate, b.soak, 1, 9) })
		wg.Go(func() { bad = broken.open(context.Background(), rate/100, b.soak, 1, 10) })
		var held, goroutines, files []float64
		each := min(time.Minute, b.soak/10)
		for start := time.Now(); time.Since(start) < b.soak; time.Sleep(each) {
			s.cmd.Process.Signal(syscall.SIGHUP)
			now, _ := s.memory()
			n, err := s.metric("go_goroutines")
			if err != nil {
				return nil, err
			}
			held, goroutines, files = append(held, now/(1<<20)), append(goroutines, n), append(files, float64(s.descriptors()))
		}
		wg.Wait()
		half := len(held) / 2
		hours := each.Hours() * float64(len(held)-1-half)
		wrong := 0
		for _, o := range bad {
			if o.code < 400 || o.code >= 500 {
				wrong++
			}
		}
		return merge(summary(all, b.soak), result{"rate": round(rate), "failures": failures(all), "broken": len(bad), "broken_without_4xx": wrong,
			"rss_mib": held, "rss_mib_per_hour": round((held[len(held)-1] - held[half]) / hours), "goroutines": goroutines,
			"descriptors": files}), nil
	})
}
