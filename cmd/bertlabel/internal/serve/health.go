package serve

import (
	"fmt"
	"net/http"
	"time"
)

// stuckAfter is how long a pass runs, and that far over its estimate (queue.Stats.Late), until the server asks to be restarted.
const stuckAfter = 10 * time.Second

// addHealth adds the probes, which need no key, the version and the metrics.
func (s *Server) addHealth() {
	s.addProbes(s.add)
}

// addProbes adds them by add.
func (s *Server) addProbes(add func(method, pattern string, family family, handle func(c *call) error) *route) {
	probes := map[string]func(c *call) error{"/livez": (*call).livez, "/readyz": (*call).readyz, "/healthz": (*call).healthz}
	for pattern, handle := range probes {
		r := add("GET", pattern, ownError, handle)
		r.open, r.quiet = true, true
	}
	add("GET", "/version", ownError, func(c *call) error { return c.object(map[string]string{"version": s.Version}) }).open = true
	add("GET", "/metrics", ownError, func(c *call) error {
		c.code, c.wrote = http.StatusOK, true
		s.m.ServeHTTP(c.w, c.r)
		return nil
	}).quiet = true
}

// Probes is the handler of a port of its own, for probes and metrics without a key.
func (s *Server) Probes() http.Handler {
	mux := http.NewServeMux()
	s.addProbes(func(method, pattern string, family family, handle func(c *call) error) *route {
		r := &route{name: pattern, method: method, family: family, handle: handle, open: true, anyHost: true}
		mux.Handle(method+" "+pattern, s.answer(r))
		return r
	})
	return mux
}

// Live says why the process is to be restarted: a pass has hung. nil: it is not.
func (s *Server) Live() error {
	if late := s.queue.Stats().Late; late > stuckAfter {
		return &Error{Status: http.StatusInternalServerError, Message: fmt.Sprintf("a pass runs since %v", late.Round(time.Second))}
	}
	return nil
}

// serves says why no requests are to be sent here: the server starts, stops, or has hung.
func (s *Server) serves() error {
	if state := s.now(); state != ready {
		return &Error{Status: http.StatusServiceUnavailable, Message: state.String()}
	}
	if err := s.Live(); err != nil {
		return &Error{Status: http.StatusServiceUnavailable, Message: err.Error()}
	}
	return nil
}

func (c *call) livez() error {
	if err := c.s.Live(); err != nil {
		return err
	}
	return c.text("ok\n")
}

// readyz says whether requests are to be sent here. Load has no say in it: a probe that failed under load would move it to the others.
func (c *call) readyz() error {
	if err := c.s.serves(); err != nil {
		return err
	}
	if _, verbose := c.r.URL.Query()["verbose"]; !verbose {
		return c.text("ok\n")
	}
	text := "ready\n"
	for _, slot := range c.s.models.slots {
		m := slot.now.Load()
		text += fmt.Sprintf("model %s digest %s since %s\n", m.name, m.digest, m.since.UTC().Format(time.RFC3339))
		if reason := slot.failed.Load(); reason != nil {
			text += fmt.Sprintf("model %s could not be reloaded: %s\n", m.name, *reason)
		}
	}
	return c.text(text)
}

func (c *call) healthz() error {
	if err := c.s.Live(); err != nil {
		return err
	}
	return c.readyz()
}

func (c *call) text(text string) error {
	c.w.Header().Set("Cache-Control", "no-store")
	c.write(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
	return nil
}
