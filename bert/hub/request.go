package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// How long each stage of a request may take. The whole has no limit: a model is as large as it is.
const (
	dialTimeout   = 15 * time.Second
	headerTimeout = 30 * time.Second
	stallTimeout  = 30 * time.Second // without a byte of the body

	maxRedirects  = 10
	maxRetryAfter = 2 * time.Minute // longer is for the user to wait
)

// Error is what a host answered, or that it did not.
type Error struct {
	URL    string // without its query, which may hold a signature
	Status int    // of HTTP; 0: there was no answer, or none that HTTP can name
	What   string // is wrong, and where it is known what to do
	Err    error  // the cause, where there is one

	again time.Duration // when to try again; 0: by the usual steps
	retry bool          // trying again may help
}

func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s: HTTP %d: %s", e.URL, e.Status, e.What)
	}
	return fmt.Sprintf("%s: %s", e.URL, e.What)
}

func (e *Error) Unwrap() error { return e.Err }

// plainURL returns a URL without user, query and fragment.
func plainURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "a malformed URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// transport returns the connections of a client: proxies from the environment, no compression, which would change lengths and hashes.
func transport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 256 << 10,
	}
}

// get asks for a URL of an endpoint, from a byte on, and follows redirects. The token goes with the first request only, and only to
// the endpoint's own host. The answer has one of the statuses 200, 206 and 416; any other is an *Error.
func (c *Client) get(ctx context.Context, endpoint, target, token string, from int64) (*http.Response, error) {
	for hop := 0; ; hop++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return nil, &Error{URL: plainURL(target), What: "malformed URL"}
		}
		req.Header.Set("Accept-Encoding", "identity")
		req.Header.Set("User-Agent", "bertlabel")
		if from > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		}
		if token != "" && hop == 0 && sameHost(endpoint, req.URL) {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := c.transport.RoundTrip(req) // not Client.Do, which would follow redirects with headers
		if err != nil {
			return nil, noAnswer(ctx, target, err)
		}
		next := resp.Header.Get("Location")
		if resp.StatusCode < 300 || resp.StatusCode > 399 || resp.StatusCode == http.StatusNotModified || next == "" {
			if err := checkAnswer(resp, target, token != ""); err != nil {
				resp.Body.Close()
				return nil, err
			}
			return resp, nil
		}
		resp.Body.Close()
		if hop == maxRedirects {
			return nil, &Error{URL: plainURL(target), Status: resp.StatusCode, What: fmt.Sprintf("more than %d redirects", maxRedirects)}
		}
		if target, err = redirected(endpoint, req.URL, next); err != nil {
			return nil, err
		}
	}
}

func sameHost(endpoint string, u *url.URL) bool {
	e, err := url.Parse(endpoint)
	return err == nil && e.Scheme == u.Scheme && strings.EqualFold(e.Host, u.Host)
}

// redirected returns the URL that a redirect leads to: over https, or plain http where the endpoint itself is.
func redirected(endpoint string, from *url.URL, next string) (string, error) {
	plain := plainURL(from.String())
	u, err := from.Parse(next)
	switch {
	case err != nil:
		return "", &Error{URL: plain, What: "a redirect to a malformed URL"}
	case u.Scheme == "http" && !strings.HasPrefix(endpoint, "http:"):
		return "", &Error{URL: plain, What: "a redirect from https to plain http, " + plainURL(u.String()) + ": refused"}
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.User != nil:
		return "", &Error{URL: plain, What: fmt.Sprintf("a redirect to %.200q: refused", plainURL(u.String()))}
	}
	return u.String(), nil
}

// noAnswer describes a failure of the connection.
func noAnswer(ctx context.Context, target string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var dial *net.OpError
	unreached := errors.As(err, &dial) && dial.Op == "dial"
	return &Error{URL: plainURL(target), What: "no answer: " + err.Error(), Err: err, retry: !unreached}
}

// checkAnswer says what is wrong with an answer's status or form.
func checkAnswer(resp *http.Response, target string, token bool) error {
	e := &Error{URL: plainURL(target), Status: resp.StatusCode}
	switch code := resp.StatusCode; {
	case code == http.StatusRequestedRangeNotSatisfiable:
		return nil
	case code == http.StatusOK, code == http.StatusPartialContent:
		encoding := resp.Header.Get("Content-Encoding")
		if encoding == "" || strings.EqualFold(encoding, "identity") {
			return nil
		}
		e.What = fmt.Sprintf("encoded as %.40q, which was not asked for", encoding)
	case code == http.StatusTooManyRequests, code >= 500:
		e.What, e.retry, e.again = "the host is busy or broken", true, retryAfter(resp.Header.Get("Retry-After"), time.Now())
		if e.again > maxRetryAfter {
			e.What, e.retry = fmt.Sprintf("the host asks to come back in %v", e.again.Round(time.Second)), false
		}
	default:
		e.What = refusedBecause(resp, token)
	}
	return e
}

// refusedBecause explains the refusals that a user can do something about. The hub tells them apart in X-Error-Code, as
// hf_raise_for_status of huggingface_hub reads it.
func refusedBecause(resp *http.Response, token bool) string {
	code := resp.Header.Get("X-Error-Code")
	switch {
	case code == "GatedRepo" && token:
		return "the model is gated and the account of this token has no access: accept its terms on the model's page, then pull again"
	case code == "GatedRepo":
		return "the model is gated: accept its terms on the model's page, make a token there, and set HF_TOKEN to it"
	case code == "RevisionNotFound":
		return "the repository has no such revision"
	case code == "EntryNotFound":
		return "the repository has no such file"
	case resp.StatusCode == http.StatusUnauthorized && token:
		return "unauthorized: the token is wrong or has expired, or there is no such repository"
	case resp.StatusCode == http.StatusUnauthorized:
		return "unauthorized: there is no such repository, or it is private: then HF_TOKEN must be a token that may read it"
	case resp.StatusCode == http.StatusForbidden && token:
		return "forbidden: the token may not read this"
	case resp.StatusCode == http.StatusForbidden:
		return "forbidden"
	case resp.StatusCode == http.StatusNotFound:
		return "not found: there is no such model or revision"
	}
	return "an answer that means nothing here"
}

// retryAfter returns what the header Retry-After says: seconds or a date; 0 if nothing.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}

// patience counts the failures of one file or answer, and says when it is enough of them.
type patience struct {
	cuts int // connections that ended after bytes had come
	idle int // tries without any, on end
}

const (
	maxCuts = 30
	maxIdle = 5
)

// after returns how long to wait before the next try after err, or err when there should be none. got says that bytes have come.
func (p *patience) after(err error, got bool) (time.Duration, error) {
	var e *Error
	if !errors.As(err, &e) || !e.retry {
		return 0, err
	}
	if got {
		p.idle = 0
		if p.cuts++; p.cuts <= maxCuts {
			return time.Second / 2, nil
		}
		return 0, fmt.Errorf("given up after %d cut connections: %w", p.cuts, err)
	}
	if p.idle++; p.idle < maxIdle {
		return max(e.again, time.Second<<(p.idle-1)), nil
	}
	return 0, fmt.Errorf("given up after %d tries: %w", p.idle, err)
}

// open is get, with a body whose errors are those of this package: a cut connection, or one on which nothing comes for a while, is an
// *Error after which trying again may help; the end of ctx is its cause.
func (c *Client) open(ctx context.Context, endpoint, target, token string, from int64) (*http.Response, error) {
	inner, stop := context.WithCancelCause(ctx)
	resp, err := c.get(inner, endpoint, target, token, from)
	if err != nil {
		stop(nil)
		return nil, err
	}
	timer := time.AfterFunc(c.stall, func() { stop(errStalled) })
	resp.Body = &body{resp.Body, ctx, inner, stop, timer, c.stall, plainURL(target)}
	return resp, nil
}

var errStalled = errors.New("stalled")

type body struct {
	io.ReadCloser
	outer, inner context.Context
	stop         context.CancelCauseFunc
	timer        *time.Timer
	stall        time.Duration
	url          string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
		b.timer.Reset(b.stall)
	case err == io.EOF:
	case b.outer.Err() != nil:
		err = context.Cause(b.outer)
	case context.Cause(b.inner) == errStalled:
		err = &Error{URL: b.url, What: fmt.Sprintf("nothing came for %v", b.stall), Err: err, retry: true}
	default:
		err = &Error{URL: b.url, What: "the connection was cut: " + err.Error(), Err: err, retry: true}
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	b.stop(nil)
	return b.ReadCloser.Close()
}
