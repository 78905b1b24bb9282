package servecmd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/serve"
)

// The limits of a connection (RELIABILITY §5). Streams move the deadlines on as they go.
const (
	maxConnections = 1024
	maxHeaders     = 12 << 10 // net/http takes 4 KiB more: 16 KiB in all
	headerTime     = 5 * time.Second
	readTime       = 15 * time.Second
	writeTime      = 60 * time.Second
	idleTime       = 60 * time.Second
)

// ownDescriptors are those of the process beside its connections: sockets, the files of a model that is read, connections to
// --metrics-listen.
const ownDescriptors = 32

// connections returns how many there may be at a time in a process of so many descriptors. One more waits for its turn; without a
// descriptor for it, it would be refused, and so would the files of a reload.
func connections(descriptors int) int {
	return min(maxConnections, max(descriptors-ownDescriptors, 8))
}

// listen opens the sockets and begins to answer.
func (p *process) listen() (err error) {
	listeners := map[*string]net.Listener{} // by its address
	for _, address := range []*string{&p.Listen, &p.MetricsListen, &p.DebugAddr} {
		if *address == "" {
			continue
		}
		if listeners[address], err = open(*address); err != nil {
			for _, l := range listeners {
				if l != nil {
					l.Close()
				}
			}
			return err
		}
		*address = listeners[address].Addr().String()
	}
	p.start(&limited{Listener: listeners[&p.Listen], free: p.places}, p.server, p.cert.Load() != nil)
	if l := listeners[&p.MetricsListen]; l != nil {
		p.start(l, p.server.Probes(), false)
	}
	if l := listeners[&p.DebugAddr]; l != nil {
		p.start(l, profiles(), false)
		p.app.Log.Infof("profiles of the process: http://%s/debug/pprof/", p.DebugAddr)
	}
	return nil
}

// profiles are those of net/http/pprof. They have a socket of their own: nobody outside of the machine is to read the process's memory.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, err := net.SplitHostPort(r.Host); err == nil && !slices.Contains(serve.Loopback, host) {
			http.Error(w, "this server does not answer for the host "+host, http.StatusForbidden) // DNS rebinding
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// address is what a user types.
func (p *process) address() string {
	switch {
	case strings.HasPrefix(p.Listen, "/") || strings.HasPrefix(p.Listen, "@"):
		return "unix:" + p.Listen
	case p.cert.Load() != nil:
		return "https://" + p.Listen
	}
	return "http://" + p.Listen
}

// start answers on a socket.
func (p *process) start(l net.Listener, handler http.Handler, secure bool) {
	h := &http.Server{
		Handler: handler, MaxHeaderBytes: maxHeaders, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, IdleTimeout: idleTime,
		WriteTimeout: max(writeTime, p.Timeout+10*time.Second),
		ErrorLog:     log.New(io.Discard, "", 0), // of connections that clients spoil
		HTTP2:        &http.HTTP2Config{MaxConcurrentStreams: 100},
	}
	p.http, p.sockets = append(p.http, h), append(p.sockets, l)
	serve := func() error { return h.Serve(l) }
	if secure {
		h.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return p.cert.Load(), nil // as it is after the last SIGHUP
		}}
		serve = func() error { return h.ServeTLS(l, "", "") }
	}
	go func() {
		if err := serve(); err != http.ErrServerClosed {
			p.failed <- err
		}
	}()
}

// open opens the socket of an address.
func open(address string) (net.Listener, error) {
	switch path, unix := strings.CutPrefix(address, "unix:"); {
	case unix:
		if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
			os.Remove(path) // of a process that was killed
		}
		return net.Listen("unix", path)
	case address == "systemd":
		return fromSystemd()
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, cli.WithCode(cli.ExitUsage, fmt.Errorf("--listen %s: %w", address, err))
	}
	return l, nil
}

// fromSystemd takes the socket that systemd has opened (sd_listen_fds(3)): descriptor 3, if LISTEN_PID is this process.
func fromSystemd() (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" {
		return nil, cli.Usagef("--listen systemd: LISTEN_FDS is %q for the process %q, want one socket for this one",
			os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID"))
	}
	file := os.NewFile(3, "systemd")
	defer file.Close()
	return net.FileListener(file)
}

// notify tells systemd of a state (sd_notify(3)), if it asks.
func (p *process) notify(state string) {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	if conn, err := net.Dial("unixgram", address); err == nil {
		conn.Write([]byte(state)) // nobody could do anything about an error
		conn.Close()
	}
}

// feedWatchdog tells systemd (WatchdogSec=, sd_watchdog_enabled(3)) twice in the time that it allows that the process lives, as long as
// /livez would say so. stop ends that.
func (p *process) feedWatchdog() (stop func()) {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if pid := os.Getenv("WATCHDOG_PID"); err != nil || usec <= 0 || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return func() {}
	}
	ticker, done := time.NewTicker(time.Duration(usec)*time.Microsecond/2), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				if p.server.Live() == nil {
					p.notify("WATCHDOG=1")
				}
			case <-done:
				ticker.Stop()
				return
			}
		}
	}()
	return func() { close(done) }
}

// limited is a listener with so many connections at a time; others wait in the backlog of the system. So that connections which are kept
// alive and do nothing do not fill it, answers close theirs when few places are left (serve.Options.Crowded).
type limited struct {
	net.Listener
	free chan struct{}
}

// Accept waits for a connection, and for a place for it.
func (l *limited) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: conn, left: sync.OnceFunc(func() { <-l.free })}, nil
}

type counted struct {
	net.Conn
	left func()
}

// Close gives the place back.
func (c *counted) Close() error {
	defer c.left()
	return c.Conn.Close()
}

// check asks a server whether it is ready.
func check(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	r, err := http.NewRequestWithContext(ctx, "GET", strings.TrimSuffix(url, "/")+"/readyz", nil)
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says %s", url, answer.Status)
	}
	return nil
}
