package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"bertlabel/tensor/parallel"
)

// answer is the handler of a route: what every request goes through, first the fences, then the route, then metrics and log.
func (s *Server) answer(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, w: w, r: r, route: rt, start: time.Now()}
		c.deadline = c.start.Add(s.Timeout)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'self'")
		if s.now() == draining || s.Crowded != nil && s.Crowded() || ambiguous(r) {
			h.Set("Connection", "close")
		}
		defer c.end()
		var err error
		if p := parallel.Catch(func() { err = c.serve() }); p != nil { // the fence of a request: RELIABILITY R4
			if p.Value == http.ErrAbortHandler {
				c.code = statusClosed
				panic(http.ErrAbortHandler)
			}
			if err = p; c.wrote {
				c.fail(err)
				panic(http.ErrAbortHandler) // an answer that ends early must not look whole
			}
		}
		if err != nil {
			c.fail(err)
		}
		if c.code == statusClosed && !c.wrote {
			panic(http.ErrAbortHandler) // net/http would write an empty 200 to a client that has closed its half only
		}
	})
}

// ambiguous tells whether a proxy in front may have seen another end of the request than we did. net/http takes out a Content-Length that
// comes with a Transfer-Encoding, and the Transfer-Encoding of an HTTP/1.0 request, so that nobody can tell these from good requests; but
// what comes after them on their connection is never read (RFC 9112, 6.1).
func ambiguous(r *http.Request) bool {
	return len(r.TransferEncoding) > 0 || r.ProtoMajor == 1 && r.ProtoMinor == 0
}

// serve lets a request in, and has its route answer it.
func (c *call) serve() error {
	s, r := c.s, c.r
	switch host := hostOf(r.Host); {
	case s.Hosts != nil && !c.route.anyHost && !slices.Contains(s.Hosts, host):
		return &Error{Status: http.StatusForbidden, Message: "this server does not answer for the host " + host} // DNS rebinding
	case r.Header.Get("Content-Encoding") != "":
		return &Error{Status: http.StatusUnsupportedMediaType, Message: "bodies are taken without a Content-Encoding"}
	}
	if done, err := c.cors(); done || err != nil {
		return err
	}
	if err := c.identify(); err != nil {
		return err
	}
	if s.now() == starting && !c.route.open {
		return &Error{Status: http.StatusServiceUnavailable, Message: "the server is starting"}
	}
	return c.route.handle(c)
}

// hostOf returns a Host header without its port.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// Loopback are the names by which a server that listens on the loopback is called.
var Loopback = []string{"localhost", "127.0.0.1", "::1"}

// cors refuses requests that a page of another origin sends, unless that was named, and answers the question of a browser that comes
// before them (done).
func (c *call) cors() (done bool, err error) {
	origin := c.r.Header.Get("Origin")
	if origin != "" && slices.Contains(c.s.CORS, origin) {
		h := c.w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
		if c.r.Method == http.MethodOptions && c.r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			c.write(http.StatusNoContent, "text/plain", nil)
			return true, nil
		}
	}
	if err := c.s.fence.Check(c.r); err != nil {
		return false, &Error{Status: http.StatusForbidden, Message: err.Error()}
	}
	return false, nil
}

// identify finds who sends a request: by a key, if there are keys, else by the address.
func (c *call) identify() error {
	if c.s.Keys != nil {
		if keys := c.s.Keys(); len(keys) > 0 {
			scheme, key, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
			if c.route.open {
				return nil
			}
			if !strings.EqualFold(scheme, "Bearer") || !known(keys, strings.TrimSpace(key)) {
				return &Error{Status: http.StatusUnauthorized, Message: "a key is needed: Authorization: Bearer KEY"}
			}
			sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
			c.flow = hex.EncodeToString(sum[:8])
			c.scope = c.flow
			return nil
		}
	}
	c.flow, _, _ = net.SplitHostPort(c.r.RemoteAddr)
	if c.s.TrustProxy {
		if forwarded := c.r.Header.Values("X-Forwarded-For"); len(forwarded) > 0 {
			all := strings.Split(forwarded[len(forwarded)-1], ",")
			c.flow = strings.TrimSpace(all[len(all)-1])
		}
	}
	return nil
}

// known compares a key with all keys, in a time that tells nothing of them but their number.
func known(keys []string, key string) bool {
	sum, found := sha256.Sum256([]byte(key)), 0
	for _, k := range keys {
		other := sha256.Sum256([]byte(k))
		found |= subtle.ConstantTimeCompare(sum[:], other[:])
	}
	return found == 1
}
