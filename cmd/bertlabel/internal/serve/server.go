package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"bertlabel/bert/queue"
)

// Options of a server. The zero value of a field has the default that stands beside it.
type Options struct {
	Models  []Source      // at least one; the first is the default
	Queue   queue.Options // Observe is the server's own
	Timeout time.Duration // of a request that names none; 30 s
	OnLong  string        // what a text of too many tokens does: truncate (default), or error

	MaxTexts  int   // of one JSON request; 1000
	MaxBody   int64 // bytes of one JSON request; 2 MB
	MaxBodies int64 // of all JSON requests and streams together, with what becomes of their texts: half for each; 64 MB
	Cache     int64 // bytes of features; 0: none are kept
	MaxMemory int64 // bytes that the server may come to hold (Memory); a model beyond is refused; 0: no limit

	Keys       func() []string // of clients; nil, or none: nobody needs one
	Hosts      []string        // names in the Host header that are answered; nil: all
	TrustProxy bool            // the client is the last address of X-Forwarded-For
	CORS       []string        // origins whose pages may send requests
	Explain    bool            // /v1/explain; an explainer holds a copy of the kernels
	NoPage     bool            // no page for people at /
	NoGet      bool            // no GET /v1/predict: texts in addresses land in logs of proxies

	AllowDimensions bool // clients may have the first values of an embedding only

	Crowded func() bool // there are few connections left: each is closed with its answer; nil: never

	Version   string
	Log       logger
	AccessLog bool
	LogTexts  bool // the access log has the texts
}

// logger is what a server tells of itself. *slog.Logger is one.
type logger interface {
	Info(message string, attrs ...any)
	Warn(message string, attrs ...any)
	Error(message string, attrs ...any)
}

// state is where a server is in its life.
type state int32

const (
	starting state = iota
	ready
	draining
)

func (s state) String() string { return [...]string{"starting", "ready", "draining"}[s] }

// Server is the HTTP side of a queue with models.
type Server struct {
	Options
	log    logger
	queue  *queue.Queue
	cache  *queue.Cache
	bodies *queue.Budget // of JSON requests
	rows   *queue.Budget // of streams
	models *models
	m      *metrics

	explainers *explainers
	routes     map[string]*route
	mux        *http.ServeMux
	other      http.Handler // of paths that there are not
	fence      *http.CrossOriginProtection
	state      atomic.Int32
	stop       chan struct{} // closed when the server drains
}

// New returns a server that answers probes. Load makes it ready.
func New(o Options) (*Server, error) {
	if len(o.Models) == 0 {
		return nil, errors.New("serve: no model")
	}
	o.Timeout, o.OnLong = cmp.Or(o.Timeout, 30*time.Second), cmp.Or(o.OnLong, "truncate")
	o.MaxTexts, o.MaxBody, o.MaxBodies = cmp.Or(o.MaxTexts, 1000), cmp.Or(o.MaxBody, 2<<20), cmp.Or(o.MaxBodies, 64<<20)
	s := &Server{Options: o, log: o.Log, stop: make(chan struct{}), explainers: newExplainers(),
		bodies: queue.NewBudget(max(o.MaxBodies/2, o.MaxBody)), rows: queue.NewBudget(max(o.MaxBodies/2, streamLeast))}
	if o.Cache > 0 {
		s.cache = queue.NewCache(o.Cache)
	}
	s.m = newMetrics(s)
	o.Queue.Observe = s.m.observe
	s.queue = queue.New(o.Queue)
	s.models = &models{queue: s.queue, log: o.Log, m: s.m, admit: s.admit}
	for _, source := range o.Models {
		source.Version = cmp.Or(source.Version, "1")
		if s.models.slot(source.Name) != nil {
			return nil, fmt.Errorf("serve: two models have the name %q", source.Name)
		}
		s.models.slots = append(s.models.slots, &slot{Source: source})
	}
	s.fence = http.NewCrossOriginProtection()
	for _, origin := range o.CORS {
		if err := s.fence.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("serve: origin %q: %w", origin, err)
		}
	}
	s.addRoutes()
	return s, nil
}

func (ms *models) slot(name string) *slot {
	for _, s := range ms.slots {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Load opens the models, and makes the server ready. The error names the model.
func (s *Server) Load() error {
	for _, slot := range s.models.slots {
		if err := s.models.load(slot); err != nil {
			return fmt.Errorf("model %s: %w", slot.Name, err)
		}
	}
	s.m.start()
	s.state.CompareAndSwap(int32(starting), int32(ready))
	return nil
}

// Drain makes /readyz say no, answers close their connections, and streams end with a line that says where to go on. Requests are answered
// as before.
func (s *Server) Drain() {
	if s.state.Swap(int32(draining)) != int32(draining) {
		close(s.stop)
	}
}

// Close ends the queue: nothing is computed any more. What waits is done first, unless ctx ends.
func (s *Server) Close(ctx context.Context) error {
	s.Drain()
	return s.queue.Close(ctx)
}

func (s *Server) now() state { return state(s.state.Load()) }

// route is a path with a method, and how it is answered.
type route struct {
	name    string // in metrics and logs
	method  string
	family  family
	open    bool // needs no key
	quiet   bool // not in the access log
	anyHost bool // by every Host header
	handle  func(c *call) error
}

// add adds a route. pattern is one of http.ServeMux, without the method.
func (s *Server) add(method, pattern string, family family, handle func(c *call) error) *route {
	r := &route{name: pattern, method: method, family: family, handle: handle}
	s.routes[method+" "+pattern] = r
	s.mux.Handle(method+" "+pattern, s.answer(r))
	return r
}

// addRoutes is the table of all there is.
func (s *Server) addRoutes() {
	s.mux, s.routes = http.NewServeMux(), map[string]*route{}
	s.addHealth()
	s.addOwn()
	s.addOpenAPI()
	s.addTEI()
	s.addOpenAI()
	s.addTFServing()
	s.addOIP()
	s.addPage()
	s.addFallbacks()
}

// addFallbacks answers what has no route: another method of a path with 405, another path with 404.
func (s *Server) addFallbacks() {
	allowed, families := map[string][]string{}, map[string]family{}
	for _, key := range slices.Sorted(maps.Keys(s.routes)) {
		r := s.routes[key]
		allowed[r.name], families[r.name] = append(allowed[r.name], r.method), r.family
	}
	for pattern, methods := range allowed {
		family := families[pattern]
		s.mux.Handle(pattern, s.answer(&route{name: pattern, family: family, handle: func(c *call) error {
			for _, m := range methods {
				c.w.Header().Add("Allow", m)
			}
			return &Error{Status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("%s is not for %s", c.r.URL.Path, c.r.Method)}
		}}))
	}
	s.other = s.answer(&route{name: "other", family: ownError, handle: func(c *call) error {
		return notFound("there is no %.200q", c.r.URL.Path)
	}})
	s.mux.Handle("/", s.other)
}

// ServeHTTP answers a request. A path that is not clean is none of ours: http.ServeMux would send the client elsewhere.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" && path.Clean(r.URL.Path) != r.URL.Path {
		s.other.ServeHTTP(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}
