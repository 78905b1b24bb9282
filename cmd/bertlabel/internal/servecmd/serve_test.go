package servecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/cmd/bertlabel/internal/flags"
)

// What command lines come to, and which are refused.
func TestOptions(t *testing.T) {
	o, _, code := cmdtest.Options(t, newServeCmd, "serve", "--model", "some/dir/")
	if code != cli.ExitOK || len(o.Models) != 1 || o.Models[0].Name != "dir" || o.Models[0].Path != "some/dir/" ||
		o.Listen != "127.0.0.1:8080" ||
		o.Cache != 32<<20 || o.MaxBody != 2<<20 || o.Queue.MaxWait != 250*time.Millisecond || o.OnLong != "truncate" || o.AccessLog {
		t.Errorf("defaults: %+v, code %d", o, code)
	}
	o, _, code = cmdtest.Options(t, newServeCmd, "serve", "--model", "a=x/y@12", "--model", "p@q", "--precision", "bf16",
		"--listen", "0.0.0.0:1", "--insecure", "--cache", "0", "--log-format", "json", "--on-long", "error")
	want := []named{
		{"a", "12", flags.Source{Path: "x/y", Precision: bert.BF16, HasPrecision: true}},
		{"p@q", "", flags.Source{Path: "p@q", Precision: bert.BF16, HasPrecision: true}},
	}
	if code != cli.ExitOK || !reflect.DeepEqual(o.Models, want) || o.Cache != 0 || !o.AccessLog || o.OnLong != "error" {
		t.Errorf("%+v, code %d", o, code)
	}
	for _, c := range []struct{ args, message string }{
		{"", "needs --model"},
		{"--model a --model x/a", "two models"},
		{"--model a=", "want [NAME=]FOLDER"},
		{"--model a --listen 0.0.0.0:80", "--api-key-file"},
		{"--model a --listen :80", "--api-key-file"},
		{"--model a --tls-cert c", "go together"},
		{"--model a --on-long cut", "--on-long"},
		{"--model a --max-wait 0s", "--max-wait"},
		{"--model a --max-texts 0", "--max-texts"},
		{"--model a --precision fp8", "precision"},
		{"--model a --debug-addr :6060", "this machine only"},
	} {
		args := append([]string{"serve"}, strings.Fields(c.args)...)
		if _, stderr, code := cmdtest.Options(t, newServeCmd, args...); code != cli.ExitUsage || !strings.Contains(stderr, c.message) {
			t.Errorf("%s: code %d, %s", c.args, code, stderr)
		}
	}
}

// syncBuffer is a buffer that a server writes while a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// running is a server in a goroutine, which stop ends as SIGTERM does.
type running struct {
	t      *testing.T
	url    string
	stderr *syncBuffer
	stop   func() error
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	stderr := &syncBuffer{}
	app := cli.New(cli.Process{}, nil, strings.NewReader(""), io.Discard, stderr)
	o, message, code := cmdtest.Options(t, newServeCmd, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	if code != cli.ExitOK {
		t.Fatal(message)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runServe(ctx, app, *o) }()
	r := &running{t: t, stderr: stderr, stop: func() error { cancel(); return <-done }}
	for deadline := time.Now().Add(20 * time.Second); r.url == ""; time.Sleep(time.Millisecond) {
		if _, after, ready := strings.Cut(stderr.String(), "threads, "); ready {
			r.url = strings.TrimSpace(after)
		}
		select {
		case err := <-done:
			t.Fatalf("%v\n%s", err, stderr)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %s", stderr)
		}
	}
	return r
}

func folder(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "tiny")
	if err := cmdtest.TinyModel(t, 1, bert.Mean, cmdtest.TinyLabels).Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

func get(url, key string) (int, string, error) {
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return 0, "", err
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

// A server answers, is asked by --check, and ends without an error when it is told to, with every request that had come answered.
func TestLife(t *testing.T) {
	s := start(t, "--model", folder(t))
	if err := check(t.Context(), s.url); err != nil {
		t.Error(err)
	}
	if code, body, err := get(s.url+"/v1/predict?text=the+cat", ""); code != 200 || !strings.Contains(body, `"model":"tiny"`) {
		t.Errorf("%d %s %v", code, body, err)
	}
	var wg sync.WaitGroup
	begun := make(chan struct{}, 8)
	for range 8 {
		wg.Go(func() {
			in, out := io.Pipe()
			r, err := http.NewRequest("POST", s.url+"/v1/predict", in)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			go func() {
				fmt.Fprint(out, `{"text":`)
				begun <- struct{}{}
				time.Sleep(50 * time.Millisecond)
				fmt.Fprint(out, `"the cat"}`)
				out.Close()
			}()
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			var got struct{ Model string }
			if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Model != "tiny" {
				t.Errorf("%s %+v %v", answer.Status, got, err)
			}
		})
	}
	for range 8 {
		<-begun
	}
	time.Sleep(5 * time.Millisecond) // the headers have come
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := check(t.Context(), s.url); err == nil {
		t.Error("a server that has ended is ready")
	}
	if !strings.Contains(s.stderr.String(), "stopping") || strings.Contains(s.stderr.String(), "warning") {
		t.Error(s.stderr)
	}
}

// Models and keys are read anew when they change.
func TestWatch(t *testing.T) {
	dir, keys := folder(t), filepath.Join(t.TempDir(), "keys")
	cmdtest.WriteFile(t, keys, "# keys\none\n")
	s := start(t, "--model", "m="+dir, "--api-key-file", keys, "--watch", "2ms", "--metrics-listen", "127.0.0.1:0")
	defer s.stop()
	ask := func(key string) (int, string) {
		code, body, err := get(s.url+"/v1/models/m", key)
		if err != nil {
			t.Fatal(err)
		}
		return code, body
	}
	if code, body := ask("one"); code != 200 || !strings.Contains(body, `"joy"`) {
		t.Fatalf("%d %s", code, body)
	}
	cmdtest.WriteFile(t, keys, "two\n")
	renamed := cmdtest.TinyModel(t, 1, bert.Mean, []string{"glee", "b", "c"})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // a look finds no folder: the old model stays
	if err := renamed.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if code, body := ask("two"); code == 200 && strings.Contains(body, `"glee"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no reload: %s", s.stderr)
		}
	}
	if code, _ := ask("one"); code != 401 {
		t.Errorf("a key that is gone: %d", code)
	}
}

// A Unix socket, and what cannot be listened on.
func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 2 { // the second finds the socket of the first, as after kill -9
		l, err := open("unix:" + path)
		if err != nil {
			t.Fatal(err)
		}
		if l.Addr().String() != path {
			t.Errorf("address %s", l.Addr())
		}
	}
	for _, address := range []string{"nonsense", "127.0.0.1:99999", "systemd"} {
		if _, err := open(address); cli.ExitCode(t.Context(), err) != cli.ExitUsage {
			t.Errorf("%s: %v", address, err)
		}
	}
	for address, want := range map[string]bool{"127.0.0.1:80": true, "[::1]:80": true, "localhost:1": true, "unix:/x": true, "systemd": true,
		":80": false, "0.0.0.0:80": false, "example.org:80": false, "x": false} {
		if isLocal(address) != want {
			t.Errorf("isLocal(%s) = %t", address, !want)
		}
	}
}

// A key file without keys, a certificate that is none and a model that is not there end the start.
func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	cmdtest.WriteFile(t, empty, "# none\n")
	serve := cmdtest.Verbs(NewServe)
	for args, want := range map[string]int{
		"--model x --listen 127.0.0.1:0 --api-key-file " + empty:                     cli.ExitUsage,
		"--model x --listen 127.0.0.1:0 --api-key-file " + empty + "x":               cli.ExitUsage,
		"--model x --listen 127.0.0.1:0 --tls-cert " + empty + " --tls-key " + empty: cli.ExitUsage,
		"--model " + dir + "/none --listen 127.0.0.1:0":                              cli.ExitModel,
		"--check 127.0.0.1:1": cli.ExitFailure,
	} {
		if _, stderr, code := serve.Run(t, "", append([]string{"serve"}, strings.Fields(args)...)...); code != want {
			t.Errorf("%s: code %d, %s", args, code, stderr)
		}
	}
}

// As a service of systemd: the process says that it is ready, then that it lives, twice in the time that the watchdog allows, and that it
// ends.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skip(err) // no such sockets on this system
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	s := start(t, "--model", folder(t))
	b := make([]byte, 100)
	read := func() string {
		socket.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := read(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for got := read(); got != "STOPPING=1"; got = read() {
		if got != "WATCHDOG=1" {
			t.Errorf("%q before the end", got)
		}
	}
	t.Setenv("WATCHDOG_PID", "1") // of another process
	(&process{}).feedWatchdog()() // would panic, as there is no server
}

// Profiles have a socket of their own, and answer for this machine's names only.
func TestDebugAddr(t *testing.T) {
	s := start(t, "--model", folder(t), "--debug-addr", "127.0.0.1:0")
	defer s.stop()
	_, after, _ := strings.Cut(s.stderr.String(), "profiles of the process: ")
	url, _, _ := strings.Cut(after, "\n")
	if code, body, err := get(url, ""); code != 200 || !strings.Contains(body, "goroutine") {
		t.Errorf("%s: %d %v", url, code, err)
	}
	if code, _, err := get(s.url+"/debug/pprof/", ""); code != 404 {
		t.Errorf("the API has profiles: %d %v", code, err)
	}
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "example.org:80"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 403 {
		t.Errorf("another host: %s", answer.Status)
	}
}

// The bound of the heap is what is live and may come, with room for garbage; it goes up with a request that holds much, and down after it.
func TestHeapFollows(t *testing.T) {
	var limits []int64
	app := cli.New(cli.Process{MemoryLimit: func(bytes int64) int64 { limits = append(limits, bytes); return bytes }}, nil,
		strings.NewReader(""), io.Discard, io.Discard)
	o, message, code := cmdtest.Options(t, newServeCmd, "serve", "--model", folder(t), "--max-body", "16MiB", "--explain")
	if code != cli.ExitOK {
		t.Fatal(message)
	}
	p := &process{options: *o, app: app, log: &logged{app.Log}}
	if err := p.create(); err != nil {
		t.Fatal(err)
	}
	defer p.server.Close(t.Context())
	if err := p.server.Load(); err != nil {
		t.Fatal(err)
	}
	p.boundHeap()
	p.followHeap()
	bound := p.server.Memory()
	if len(limits) != 1 || limits[0] < room+bound.Passes+bound.Explain || bound.Explain == 0 {
		t.Fatalf("limits %d of a server of %+v", limits, bound)
	}
	h := httptest.NewServer(p.server)
	defer h.Close()
	in, out := io.Pipe()
	r, err := http.NewRequest("POST", h.URL+"/v1/predict", in)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 9 << 20
	r.Header.Set("Content-Type", "application/json")
	var wg sync.WaitGroup
	wg.Go(func() {
		if answer, err := http.DefaultClient.Do(r); err == nil {
			answer.Body.Close()
		}
	})
	if _, err := out.Write(bytes.Repeat([]byte(" "), 64<<10)); err != nil { // after so many bytes it has room for all
		t.Fatal(err)
	}
	for p.server.Used() < 9<<20 {
		time.Sleep(time.Millisecond)
	}
	p.followHeap()
	out.CloseWithError(io.ErrUnexpectedEOF)
	wg.Wait()
	for p.server.Used() > 0 {
		time.Sleep(time.Millisecond)
	}
	p.followHeap()
	if want := []int64{limits[0], limits[0] + 8<<20, limits[0]}; !slices.Equal(limits, want) {
		t.Errorf("limits %d, want %d", limits, want)
	}
}

// Connections leave descriptors for the rest of the process.
func TestConnections(t *testing.T) {
	for descriptors, want := range map[int]int{1 << 20: 1024, 1056: 1024, 1055: 1023, 64: 32, 40: 8, 16: 8} {
		if got := connections(descriptors); got != want {
			t.Errorf("%d connections of %d descriptors, want %d", got, descriptors, want)
		}
	}
	if descriptors() < 16 {
		t.Errorf("%d descriptors", descriptors())
	}
}
