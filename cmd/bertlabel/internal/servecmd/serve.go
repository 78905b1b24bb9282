// Package servecmd has the verb serve: its flags, the sockets that it listens on, and the life of the process round package serve.
package servecmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/serve"

	"github.com/spf13/cobra"
)

// options are those of the verb.
type options struct {
	Models []named
	Listen string
	serve.Options
	KeyFile         string
	Insecure        bool
	TLSCert, TLSKey string
	MetricsListen   string
	DebugAddr       string
	DrainDelay      time.Duration
	Grace           time.Duration
	Watch           time.Duration
	Check           string // an address to ask, instead of serving
}

// named is a model and what it is called.
type named struct {
	Name, Version string
	flags.Source
}

// NewServe returns the verb serve.
func NewServe(a *cli.App) *cobra.Command { return newServeCmd(a, runServe) }

func newServeCmd(a *cli.App, run cli.Runner[options]) *cobra.Command {
	var o options
	var models []string
	var precision, embeddings string
	var offline bool
	maxBody, maxBodies, cache := cli.ByteSize(2<<20), cli.ByteSize(64<<20), cli.ByteSize(32<<20)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer HTTP requests for labels: several APIs, no batching to tune, the bits of predict",
		Example: "  bertlabel serve --model model                      # http://127.0.0.1:8080\n" +
			"  curl -s localhost:8080/v1/predict -H 'Content-Type: application/json' -d '{\"text\": \"My parcel never came.\"}'\n" +
			"  bertlabel serve --model emotions=m1 --model toxic=m2 --listen 0.0.0.0:8080 --api-key-file keys",
		Long: "SIGHUP opens models, keys and certificates anew without losing a request. SIGTERM answers what has come and ends with exit\n" +
			"code 0. docs/serve.md has the APIs, the metrics and the policy.",
	}
	f := cmd.Flags()
	f.StringArrayVar(&models, "model", nil, "`[NAME=]FOLDER[@VERSION]` of a model; may be repeated, the first is the default")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8080", "`ADDRESS`: host:port, unix:/path, or systemd for a socket that it hands over")
	flags.AddPrecision(cmd, &precision)
	flags.AddEmbeddings(cmd, &embeddings)
	flags.AddOffline(cmd, &offline)
	f.DurationVar(&o.Queue.MaxWait, "max-wait", 250*time.Millisecond, "longest estimated `WAIT` of a request for those before it; longer: 429")
	f.IntVar(&o.Queue.BulkTokens, "bulk-queue", 1<<18, "`TOKENS` of large requests that may wait")
	f.IntVar(&o.Queue.BatchTokens, "batch-tokens", 0, "`TOKENS` of a pass at most (0: from what passes cost, 64 to 512)")
	f.IntVar(&o.MaxTexts, "max-texts", 1000, "texts of a JSON request")
	f.Var(&maxBody, "max-body", "bytes of a JSON request")
	f.Var(&maxBodies, "max-bodies", "bytes of all requests and rows together, until they are answered")
	f.Var(&cache, "cache", "bytes of features to keep; 0: none")
	f.StringVar(&o.OnLong, "on-long", "truncate", "what a text of too many tokens does: truncate, or error (422)")
	f.DurationVar(&o.Timeout, "timeout", 30*time.Second, "longest `TIME` of a JSON request")
	f.StringVar(&o.KeyFile, "api-key-file", "", "`FILE` of keys, one a line, that clients need")
	f.BoolVar(&o.Insecure, "insecure", false, "answer other machines without keys")
	f.StringVar(&o.TLSCert, "tls-cert", "", "certificate `FILE` (PEM)")
	f.StringVar(&o.TLSKey, "tls-key", "", "its key `FILE`")
	f.StringVar(&o.MetricsListen, "metrics-listen", "", "`ADDRESS` of probes and metrics without a key, beside --listen")
	f.StringVar(&o.DebugAddr, "debug-addr", "", "`ADDRESS` of this machine for profiles of the process (/debug/pprof/)")
	f.DurationVar(&o.DrainDelay, "drain-delay", 0, "`TIME` after SIGTERM in which connections are still accepted")
	f.DurationVar(&o.Grace, "grace", 20*time.Second, "`TIME` in which requests are answered after that")
	f.DurationVar(&o.Watch, "watch", 0, "look for changed models every so `OFTEN` (default: only on SIGHUP)")
	f.StringArrayVar(&o.CORS, "cors", nil, "`ORIGIN` whose pages may send requests; may be repeated")
	f.BoolVar(&o.TrustProxy, "trust-proxy", false, "clients are told apart by the last X-Forwarded-For")
	f.BoolVar(&o.Explain, "explain", false, "answer /v1/explain, too; takes a copy of the kernels when it is first used")
	f.BoolVar(&o.AllowDimensions, "allow-dimensions", false, "clients may ask for the first values of an embedding (a model trained so)")
	f.BoolVar(&o.NoPage, "no-ui", false, "no page for people at /")
	f.BoolVar(&o.NoGet, "no-get", false, "no GET /v1/predict: texts in addresses land in the logs of proxies")
	f.BoolVar(&o.AccessLog, "access-log", false, "log every request (default: with --log-format json)")
	f.BoolVar(&o.LogTexts, "log-texts", false, "the access log has the texts")
	f.StringVar(&o.Check, "check", "", "ask the server at `URL` for /readyz and exit 0 or 1: a HEALTHCHECK")
	cli.Minor(cmd, "Limits", "bulk-queue", "batch-tokens", "max-texts", "max-body", "max-bodies", "timeout")
	cli.Minor(cmd, "Security", "insecure", "tls-cert", "tls-key", "cors", "trust-proxy", "no-ui", "no-get", "log-texts")
	cli.Minor(cmd, "Operation", "embeddings", "explain", "allow-dimensions", "metrics-listen", "debug-addr", "drain-delay", "grace", "watch",
		"access-log", "check")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		o.MaxBody, o.MaxBodies, o.Cache = int64(maxBody), int64(maxBodies), int64(cache)
		o.AccessLog = o.AccessLog || a.LogFormat == "json" && !f.Changed("access-log")
		if err := o.readModels(models, precision, embeddings, offline); err != nil {
			return err
		}
		if err := o.check(f.Changed("model")); err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// readModels reads the values of --model.
func (o *options) readModels(models []string, precision, embeddings string, offline bool) error {
	p, err := flags.ParsePrecision("precision", precision)
	if err != nil {
		return err
	}
	e, err := flags.ParseEmbeddings(embeddings)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, value := range models {
		n := named{Source: flags.Source{Path: value, Precision: p, Embeddings: e, HasPrecision: true, Offline: offline}}
		if name, rest, ok := strings.Cut(value, "="); ok && !strings.ContainsAny(name, `/\`) {
			n.Name, n.Path = name, rest
		}
		if at := strings.LastIndexByte(n.Path, '@'); at > 0 && isNumber(n.Path[at+1:]) {
			n.Path, n.Version = n.Path[:at], n.Path[at+1:]
		}
		if n.Name == "" {
			full, err := filepath.Abs(n.Path)
			if err != nil {
				return err
			}
			n.Name = filepath.Base(full)
		}
		switch {
		case n.Path == "":
			return cli.Usagef("--model %q: want [NAME=]FOLDER[@VERSION]", value)
		case seen[n.Name]:
			return cli.Usagef("--model: two models are called %q; give names: --model NAME=FOLDER", n.Name)
		}
		if err := flags.CheckRef(n.Path); err != nil {
			return err
		}
		seen[n.Name] = true
		o.Models = append(o.Models, n)
	}
	return nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// check refuses flags that do not go together.
func (o *options) check(models bool) error {
	if o.Check != "" {
		return nil
	}
	if err := cli.OneOf("on-long", o.OnLong, "truncate", "error"); err != nil {
		return err
	}
	switch {
	case !models:
		return cli.Usagef("serve needs --model")
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return cli.Usagef("--tls-cert and --tls-key go together")
	case o.Queue.MaxWait <= 0 || o.Timeout <= 0 || o.Grace < 0 || o.DrainDelay < 0 || o.Watch < 0:
		return cli.Usagef("--max-wait and --timeout want more than 0, --grace, --drain-delay and --watch 0 or more")
	case o.Queue.BatchTokens < 0 || o.Queue.BulkTokens < 1 || o.MaxTexts < 1 || o.MaxBody < 1:
		return cli.Usagef("--bulk-queue, --max-texts and --max-body want 1 or more, --batch-tokens 0 or more")
	case o.DebugAddr != "" && !isLocal(o.DebugAddr):
		return cli.Usagef("--debug-addr %s: profiles tell of texts in memory, so they are for this machine only: 127.0.0.1:PORT", o.DebugAddr)
	case !isLocal(o.Listen) && o.KeyFile == "" && !o.Insecure:
		return cli.Usagef("--listen %s answers other machines: give keys by --api-key-file, or say --insecure", o.Listen)
	}
	return nil
}

// isLocal tells whether only this machine reaches an address. A socket of systemd is the administrator's choice.
func isLocal(address string) bool {
	if strings.HasPrefix(address, "unix:") || address == "systemd" {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// process is the server in its process.
type process struct {
	options
	app     *cli.App
	log     *logged
	server  *serve.Server
	keys    atomic.Pointer[[]string]
	cert    atomic.Pointer[tls.Certificate]
	http    []*http.Server
	sockets []net.Listener
	places  chan struct{} // of connections
	failed  chan error    // of a listener

	live, limit int64 // bytes of the heap beside Server.Used, and with it
}

func runServe(ctx context.Context, a *cli.App, o options) (err error) {
	if o.Check != "" {
		return check(ctx, o.Check)
	}
	p := &process{options: o, app: a, log: &logged{a.Log}, failed: make(chan error, 2)}
	if err := p.readSecrets(); err != nil {
		return err
	}
	if err := p.create(); err != nil {
		return err
	}
	if err := p.listen(); err != nil { // before the models are loaded: a probe has an answer
		return err
	}
	defer p.close()
	start := time.Now()
	if err := p.server.Load(); errors.As(err, new(*serve.MemoryError)) {
		return cli.WithCode(cli.ExitResources, err)
	} else if err != nil {
		return cli.WithCode(cli.ExitModel, err)
	}
	p.boundHeap()
	p.notify("READY=1")
	stop := p.feedWatchdog()
	defer stop()
	a.Log.Infof("memory up to %v", p.server.Memory())
	a.Log.Infof("ready after %d ms: %d models, %d threads, %s", time.Since(start).Milliseconds(), len(o.Models), p.Queue.Threads, p.address())
	return p.run(ctx)
}

// create makes the server.
func (p *process) create() (err error) {
	o := &p.options.Options
	o.Queue.Threads = p.app.ForNetwork()
	o.Log, o.Version, o.MaxMemory = p.log, cli.ReadBuildInfo().Version, int64(p.app.MaxMemory)
	if p.KeyFile != "" {
		o.Keys = func() []string { return *p.keys.Load() }
	}
	places := connections(descriptors())
	p.places = make(chan struct{}, places)
	o.Crowded = func() bool { return len(p.places) > places*3/4 }
	if host, _, err := net.SplitHostPort(p.Listen); err == nil && isLocal(p.Listen) {
		o.Hosts = append(append([]string{}, serve.Loopback...), host)
	}
	for i := range p.options.Models {
		n := &p.options.Models[i]
		first := true
		open := func(admit func(bytes int) error, have ...*model.Model) (*model.Model, error) {
			threads := 1 // beside the requests
			if first {
				threads, first = o.Queue.Threads, false
			}
			m, err := n.OpenShared(p.app, threads, admit, have...)
			if err != nil {
				return nil, err
			}
			m.SetThreads(1) // of an explainer; the queue has its own
			return m, nil
		}
		o.Models = append(o.Models, serve.Source{Name: n.Name, Version: n.Version, Open: open})
	}
	p.server, err = serve.New(*o)
	return err
}

// run waits for signals until the server is to end, and ends it.
func (p *process) run(ctx context.Context) error {
	hangups := cli.Hangups(ctx)
	var looks <-chan time.Time
	if p.Watch > 0 {
		ticker := time.NewTicker(p.Watch)
		defer ticker.Stop()
		looks = ticker.C
	}
	heap := time.NewTicker(time.Second)
	defer heap.Stop()
	watched := newWatch(p.paths())
	for {
		select {
		case <-heap.C:
			p.followHeap()
		case <-hangups:
			p.reload()
			watched = newWatch(p.paths())
		case <-looks:
			if watched.changed() {
				p.reload()
			}
		case err := <-p.failed: // not of a socket that end closes: nobody listens to that
			return err
		case <-ctx.Done():
			return p.end()
		}
	}
}

// paths are what --watch looks at.
func (p *process) paths() (paths []string) {
	for _, m := range p.options.Models {
		paths = append(paths, m.Path)
	}
	for _, path := range []string{p.KeyFile, p.TLSCert, p.TLSKey} {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// reload opens models, keys and certificates anew. What cannot be read stays as it was.
func (p *process) reload() {
	p.notify("RELOADING=1")
	if err := p.readSecrets(); err != nil {
		p.log.Warn("reload failed: the old keys and certificates stay", "error", err.Error())
	}
	p.app.LimitHeap(0) // the new models stand beside the old ones for a while
	p.server.Reload()
	p.boundHeap()
	p.notify("READY=1")
}

// linger is how long connections that are kept alive are still answered after the last one was accepted. Each answer closes its
// connection, so a client that goes on sending learns of it in time; closed at once, its next request could be on the way.
const linger = 300 * time.Millisecond

// room is what a server's garbage may take beside what it holds: a second of requests makes some MB.
const room = 64 << 20

// boundHeap keeps the heap to what is live, what passes and explanations may come to, and room.
func (p *process) boundHeap() {
	debug.FreeOSMemory() // what loading took
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	bound := p.server.Memory()
	p.live, p.limit = int64(m.HeapAlloc+m.StackInuse)-p.server.Used()+bound.Passes+bound.Explain, 0
	p.followHeap()
}

// followHeap moves the bound on when the cache and the requests take more or less: with the most that they may take, garbage would
// come to that.
func (p *process) followHeap() {
	const step = 8 << 20
	if limit := p.live + p.server.Used()/step*step + step + room; limit != p.limit {
		p.limit = limit
		p.app.LimitHeap(limit)
	}
}

// end answers what has come. Whoever is not answered within --grace is cut off.
func (p *process) end() error {
	p.notify("STOPPING=1")
	p.app.Log.Infof("stopping: requests that have come are answered")
	p.server.Drain()
	time.Sleep(p.DrainDelay)
	for _, l := range p.sockets {
		l.Close()
	}
	time.Sleep(min(linger, p.Grace))
	ctx, cancel := context.WithTimeout(context.Background(), p.Grace)
	defer cancel()
	var late error
	for _, h := range p.http {
		late = errors.Join(late, h.Shutdown(ctx))
	}
	late = errors.Join(late, p.server.Close(ctx))
	if late != nil {
		p.app.Log.Warnf("some requests were not answered within --grace %v", p.Grace)
	}
	return nil // also after a signal: what was accepted has been answered
}

func (p *process) close() {
	for _, h := range p.http {
		h.Close()
	}
}

// readSecrets reads keys and certificate.
func (p *process) readSecrets() error {
	if p.KeyFile != "" {
		text, err := os.ReadFile(p.KeyFile)
		if err != nil {
			return err
		}
		var keys []string
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				keys = append(keys, line)
			}
		}
		if len(keys) == 0 {
			return cli.WithCode(cli.ExitUsage, fmt.Errorf("%s has no keys: want one a line", p.KeyFile))
		}
		p.keys.Store(&keys)
	}
	if p.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(p.TLSCert, p.TLSKey)
		if err != nil {
			return cli.WithCode(cli.ExitUsage, err)
		}
		p.cert.Store(&cert)
	}
	return nil
}

// logged has a server's messages in the program's log.
type logged struct{ log *cli.Log }

// Info logs a message with attributes.
func (l *logged) Info(message string, attrs ...any) { l.log.Attrs(slog.LevelInfo, message, attrs...) }

// Warn is Info for what --quiet does not silence.
func (l *logged) Warn(message string, attrs ...any) { l.log.Attrs(slog.LevelWarn, message, attrs...) }

// Error is Warn for what is probably a bug.
func (l *logged) Error(message string, attrs ...any) { l.log.Attrs(slog.LevelError, message, attrs...) }
