package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// slowClients is how many connections send their headers byte by byte.
const slowClients = 500

// attack is a request that no good client sends, and the status that is right for it; "": the connection is closed.
type attack struct{ name, request, want string }

// attacks returns them.
func attacks() []attack {
	post := func(path, headers, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n%s\r\n%s",
			path, headers, body)
	}
	sized := func(path, body string) string {
		return post(path, fmt.Sprintf("Content-Length: %d\r\n", len(body)), body)
	}
	list := func(member, element string, n int) string {
		return `{"` + member + `": [` + strings.Repeat(element+",", n-1) + element + "]}"
	}
	long := strings.Repeat("a ", 500_000)
	return []attack{
		{"headers of 16 KiB", post("/v1/predict", "X: "+strings.Repeat("x", 16<<10)+"\r\n", ""), "431"},
		{"depth 100,000", sized("/v1/predict", `{"text": `+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+"}"), "400"},
		{"bad UTF-8", sized("/v1/predict", "{\"text\": \"\xff\"}"), "400"},
		{"gzip", post("/v1/predict", "Content-Encoding: gzip\r\nContent-Length: 4\r\n", "\x1f\x8b\x08\x00"), "415"},
		{"two lengths", post("/v1/predict", "Content-Length: 2\r\nContent-Length: 3\r\n", "{} "), "400"},
		{"650,000 texts", sized("/v1/predict", list("texts", `""`, 650_000)), "413"},
		{"950,000 ids", sized("/v1/embeddings", list("input", "1", 950_000)), "413"},
		{"650,000 lists", sized("/predict", list("inputs", "[]", 650_000)), "413"},
		{"350,000 members", sized("/v1/predict", "{"+strings.Repeat(`"":0,`, 350_000)+`"":0}`), "413"},
		{"tokens of 1 MB", sized("/tokenize", `{"inputs": "`+long+`"}`), "413"},
		{"a text of 2 MB", sized("/v1/predict", `{"text": "`+long+long[:999_000]+`"}`), "413"},
		{"a text of 1 MB", sized("/v1/predict", `{"text": "`+long+`"}`), "200"}, // which is cut
	}
}

// send sends an attack and returns the status.
func (a *attack) send(address string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "none"
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	go io.WriteString(conn, a.request) // the server may answer before it has read all
	line, err := bufio.NewReader(conn).ReadString('\n')
	if fields := strings.Fields(line); err == nil && len(fields) > 1 {
		return fields[1]
	}
	return "none"
}

// drip sends headers byte by byte until the server closes, again and again.
func drip(ctx context.Context, address string) {
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", address)
		for err == nil && ctx.Err() == nil {
			time.Sleep(500 * time.Millisecond)
			_, err = io.WriteString(conn, "x")
		}
		if conn != nil {
			conn.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// hostile: a tenth of the capacity by good clients, without and with 500 connections that send their headers slowly and 4 clients that
// send, one after the other, what no good client sends, ten a second.
func (b *bench) hostile() (result, error) {
	return b.with(nil, func(s *server, c *client) (result, error) {
		rate, address := 0.1*b.capacityOf(c), strings.TrimPrefix(s.url, "http://")
		steady := summary(c.open(context.Background(), rate, b.seconds, 1, 11), b.seconds)
		begun, _ := s.memory()
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range slowClients {
			wg.Go(func() { drip(ctx, address) })
		}
		var mu sync.Mutex
		wrong, sent := map[string]int{}, 0
		for range 4 {
			wg.Go(func() {
				all := attacks()
				for k := 0; ctx.Err() == nil; k++ {
					a := &all[k%len(all)]
					status := a.send(address)
					mu.Lock()
					if sent++; status != a.want {
						wrong[a.name+": "+status]++
					}
					mu.Unlock()
					time.Sleep(400 * time.Millisecond)
				}
			})
		}
		var most float64
		wg.Go(func() {
			for ctx.Err() == nil {
				now, _ := s.memory()
				most = max(most, now)
				time.Sleep(20 * time.Millisecond)
			}
		})
		all := summary(c.open(context.Background(), rate, b.seconds, 1, 11), b.seconds)
		cancel()
		wg.Wait()
		return merge(all, result{"rate": round(rate), "steady_p50_ms": steady["p50_ms"], "steady_p99_ms": steady["p99_ms"], "attacks": sent,
			"wrong": wrong, "rss_more_mib": round((most - begun) / (1 << 20))}), nil
	})
}
