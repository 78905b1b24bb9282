package serve

import (
	"net/http"
	"strings"
	"time"
)

// end counts a request, and writes its line of the access log. The texts are in there only by Options.LogTexts.
func (c *call) end() {
	s, took := c.s, time.Since(c.start)
	if c.claimed > 0 {
		s.bodies.Release(c.claimed)
	}
	if c.code == 0 {
		c.code = http.StatusOK
	}
	trace := traceID(c.r.Header.Get("Traceparent"))
	s.m.request(c, took, trace)
	if !s.AccessLog || c.route.quiet {
		return
	}
	r := &c.ran
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	attrs := []any{"route", c.route.method + " " + c.route.name, "code", c.code, "ms", ms(took), "texts", r.texts, "tokens", r.tokens,
		"cut_tokens", r.cut, "queue_ms", ms(r.queued), "pass_ms", ms(r.pass), "class", c.class.String(), "cache", r.cache()}
	if c.scope != "" { // a hash of the key; addresses are nobody's business
		attrs = append(attrs, "flow", c.flow)
	}
	if trace != "" {
		attrs = append(attrs, "trace_id", trace)
	}
	if s.LogTexts {
		attrs = append(attrs, "text", c.texts)
	}
	s.log.Info("request", attrs...)
}

// traceID returns the trace-id of a traceparent header (W3C Trace Context: 00-32 hex digits-16-2), "" of one that is not well-formed.
func traceID(header string) string {
	parts := strings.Split(header, "-")
	if len(parts) != 4 || len(parts[0]) != 2 || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 ||
		strings.Trim(header, "0123456789abcdef-") != "" || strings.Trim(parts[1], "0") == "" {
		return ""
	}
	return parts[1]
}
