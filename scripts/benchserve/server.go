package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is a `bertlabel serve` of our own.
type server struct {
	cmd   *exec.Cmd
	url   string
	ready time.Duration // from exec to the line that says so
	done  chan error

	mu  sync.Mutex
	log bytes.Buffer
}

var readyLine = regexp.MustCompile(`ready after .* (http://[0-9.:]+)`)

// startServer starts one and waits until it is ready.
func startServer(bench *bench, flags ...string) (*server, error) {
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--cache", "0"}, flags...)
	s := &server{cmd: exec.Command(bench.bertlabel, args...), done: make(chan error, 1)}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.mu.Lock()
			fmt.Fprintln(&s.log, lines.Text())
			s.mu.Unlock()
			if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
				s.ready = time.Since(begun)
				ready <- m[1]
			}
		}
		s.done <- s.cmd.Wait()
	}()
	select {
	case s.url = <-ready:
		return s, nil
	case err := <-s.done:
		return nil, fmt.Errorf("serve %v: %v\n%s", flags, err, s.text())
	case <-time.After(time.Minute):
		s.cmd.Process.Kill()
		return nil, fmt.Errorf("serve %v is not ready after a minute\n%s", flags, s.text())
	}
}

func (s *server) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// stop ends it by SIGTERM, and returns how it ended.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.done:
		return err
	case <-time.After(time.Minute):
		s.cmd.Process.Kill()
		return errors.New("does not end")
	}
}

// memory returns what the process holds now, and what it held at most, in bytes.
func (s *server) memory() (now, most float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseFloat(fields[1], 64)
		switch {
		case err == nil && fields[0] == "VmRSS:":
			now = kib * 1024
		case err == nil && fields[0] == "VmHWM:":
			most = kib * 1024
		}
	}
	return now, most
}

// descriptors returns how many files the process has open.
func (s *server) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	return len(entries)
}

// metric returns the sum of a series of /metrics whose name and labels begin so.
func (s *server) metric(prefix string) (sum float64, err error) {
	text, err := s.get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(name, prefix) {
			sum += v
		}
	}
	return sum, nil
}

func (s *server) get(path string) (string, error) {
	answer, err := http.Get(s.url + path)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer.Status)
	}
	return string(b), err
}

// probe asks a path every 100 ms until ctx ends, and returns how long the answers took, in ms.
func (s *server) probe(ctx context.Context, path string) (took []float64, failed int) {
	for ctx.Err() == nil {
		start := time.Now()
		if _, err := s.get(path); err != nil {
			failed++
		}
		took = append(took, time.Since(start).Seconds()*1e3)
		time.Sleep(100 * time.Millisecond)
	}
	return took, failed
}

// run runs bertlabel and returns what it writes.
func (b *bench) run(stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.Command(b.bertlabel, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = stdin, &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("bertlabel %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out, err
}

// weights returns the bytes of the model's weights.
func (b *bench) weights() (bytes float64) {
	files, _ := filepath.Glob(filepath.Join(b.model, "*.data-*"))
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			bytes += float64(info.Size())
		}
	}
	return bytes
}
