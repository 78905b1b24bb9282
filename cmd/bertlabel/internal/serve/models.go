package serve

import (
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/queue"
)

// Source is a model that a server is to have.
type Source struct {
	Name    string
	Version string // of TF Serving's and Open Inference's API; "": 1

	// Open opens it, on the encoder of one of have where that is the same (model.OpenShared), else asks admit (model.Options.Admit).
	Open func(admit func(bytes int) error, have ...*model.Model) (*model.Model, error)
}

// loaded is an open model. It does not change: a reload makes another one, and requests keep the one that they began with.
type loaded struct {
	*model.Model
	name, version string
	digest        string // hexadecimal: two answers with the same digest are of the same model
	fingerprint   []byte // of what decides features, without the pooling
	since         time.Time

	mu      *sync.Mutex
	engines map[bert.Pooling]*engine
	queue   *queue.Queue
}

// engine is an encoder with a pooling.
type engine struct {
	target *queue.Target
	width  int    // of a feature
	key    []byte // of its features in the cache
}

// slot is a model that is served, under its name.
type slot struct {
	Source
	now    atomic.Pointer[loaded]
	failed atomic.Pointer[string] // why the last reload failed
}

// models are those of a server, in the order of the command line; the first is the default.
type models struct {
	slots []*slot
	queue *queue.Queue
	log   logger
	m     *metrics

	loading sync.Mutex // one at a time
	admit   func(bytes int) error

	counting sync.Mutex
	encoders []weak.Pointer[bert.Model] // that were opened and may be in use
}

// find returns the model of a name, "" for the default. With lenient, a name that there is not stands for the only model: clients of other
// servers send names of their own.
func (ms *models) find(name string, lenient bool) (*loaded, error) {
	for _, s := range ms.slots {
		if s.Name == name || name == "" {
			if l := s.now.Load(); l != nil {
				return l, nil
			}
			return nil, &Error{Status: 503, Message: "the model is being loaded"}
		}
	}
	if lenient && len(ms.slots) == 1 {
		return ms.find("", false)
	}
	return nil, notFound("no model %q: there is %s", name, ms.names())
}

func (ms *models) names() (names []string) {
	for _, s := range ms.slots {
		names = append(names, s.Name)
	}
	return names
}

// load opens a model in the place of the one that is served under its name, if any. On an error that one stays.
func (ms *models) load(s *slot) error {
	ms.loading.Lock()
	defer ms.loading.Unlock()
	var have []*model.Model
	old := s.now.Load()
	if old != nil {
		have = append(have, old.Model)
	}
	for _, other := range ms.slots {
		if l := other.now.Load(); l != nil && l != old {
			have = append(have, l.Model)
		}
	}
	m, err := s.Open(ms.admit, have...)
	if err != nil {
		return err
	}
	ms.count(m.Encoder)
	l := &loaded{Model: m, name: s.Name, version: s.Version, digest: hex.EncodeToString(m.Digest()), fingerprint: m.Fingerprint(),
		since: time.Now(), queue: ms.queue, mu: new(sync.Mutex), engines: map[bert.Pooling]*engine{}}
	shared := false
	for _, other := range ms.slots { // models over one encoder share batches
		if o := other.now.Load(); o != nil && o.Encoder == m.Encoder {
			l.mu, l.engines, shared = o.mu, o.engines, true
			break
		}
	}
	if m.Head == nil && m.Pooling == "" {
		l.Pooling = bert.Mean
	}
	if err := ms.try(l); err != nil {
		return err
	}
	if !shared {
		if err := ms.admit(int(l.passesMemory())); err != nil {
			return err
		}
	}
	if old == nil || old.Encoder != l.Encoder {
		runtime.AddCleanup(l, func(struct{}) { go debug.FreeOSMemory() }, struct{}{}) // when the last request has left it
	}
	ms.m.replaced(old, l)
	s.now.Store(l)
	return nil
}

// engine returns what computes features of a pooling.
func (l *loaded) engine(pooling bert.Pooling) (*engine, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.engines[pooling]; e != nil {
		return &engine{e.target, e.width, l.key(pooling)}, nil
	}
	width, err := l.Encoder.PoolingWidth(pooling)
	if err != nil {
		return nil, badRequest("pooling", "%v", err)
	}
	target, err := l.queue.NewTarget(queue.Encoder(l.Model, pooling))
	if err != nil {
		return nil, err
	}
	l.engines[pooling] = &engine{target: target, width: width}
	return &engine{target, width, l.key(pooling)}, nil
}

// key names what decides a feature beside the tokens.
func (l *loaded) key(pooling bert.Pooling) []byte {
	return fmt.Appendf(nil, "%x %s", l.fingerprint, pooling)
}

// Reload opens every model anew beside what is served, and puts it in its place; requests keep the model that they began with. What cannot
// be opened leaves its predecessor there. It returns how many were replaced, and how many could not be.
func (s *Server) Reload() (replaced, failed int) {
	for _, slot := range s.models.slots {
		start := time.Now()
		err := s.models.load(slot)
		if err != nil {
			failed++
			reason := err.Error()
			slot.failed.Store(&reason)
			s.m.reloads.WithLabelValues("failed").Inc()
			s.log.Warn("reload failed: the old model stays", "model", slot.Name, "error", err.Error())
			continue
		}
		replaced++
		slot.failed.Store(nil)
		s.m.reloads.WithLabelValues("ok").Inc()
		s.log.Info("reloaded", "model", slot.Name, "digest", slot.now.Load().digest[:12], "ms", time.Since(start).Milliseconds())
	}
	if replaced > 0 {
		s.explainers.drop()
	}
	return replaced, failed
}
