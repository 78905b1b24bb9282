package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"bertlabel/bert/queue"
	"bertlabel/tensor/parallel"
)

// Error is why a request has no answer.
type Error struct {
	Status  int
	Message string
	Field   string        // of the request; "": none
	Retry   time.Duration // when to come back, of a 429
}

func (e *Error) Error() string { return e.Message }

func badRequest(field, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Field: field, Message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *Error {
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
}

// statusClosed is nginx's status of a request whose client has left. It is only counted and logged.
const statusClosed = 499

// asError finds what a client is told of an error. What is wrong inside is not told.
func asError(err error) *Error {
	var own *Error
	var overload *queue.OverloadError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &overload):
		return &Error{Status: http.StatusTooManyRequests, Retry: overload.RetryAfter, Message: fmt.Sprintf(
			"overloaded (%s): an estimated wait of %d ms", overload.Reason, overload.Wait.Milliseconds())}
	case errors.Is(err, queue.ErrBytes):
		return &Error{Status: http.StatusTooManyRequests, Retry: time.Second,
			Message: "overloaded (bodies): other requests fill the memory for bodies"}
	case errors.Is(err, queue.ErrDeadline):
		return &Error{Status: http.StatusGatewayTimeout, Message: "not done in time"}
	case errors.Is(err, queue.ErrClosed):
		return &Error{Status: http.StatusServiceUnavailable, Message: "the server is stopping"}
	case errors.As(err, &large):
		return &Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("a body of more than %d bytes", large.Limit)}
	case errors.Is(err, context.Canceled):
		return &Error{Status: statusClosed, Message: "the client has left"}
	}
	return &Error{Status: http.StatusInternalServerError, Message: "internal error"}
}

// fenced calls f and returns its error, or its panic as one.
func fenced(f func() error) (err error) {
	if p := parallel.Catch(func() { err = f() }); p != nil {
		return p
	}
	return err
}

// isPanic tells whether an error is a bug that was fenced.
func isPanic(err error) bool { return errors.As(err, new(*parallel.Panic)) }

// family is how an API tells of errors.
type family func(e *Error) (body any)

// kinds are OpenAI's types of errors, by status.
var kinds = map[int]string{
	http.StatusUnauthorized: "authentication_error", http.StatusForbidden: "permission_error", http.StatusNotFound: "not_found_error",
	http.StatusTooManyRequests: "rate_limit_error", http.StatusInternalServerError: "server_error",
	http.StatusServiceUnavailable: "server_error", http.StatusGatewayTimeout: "timeout_error",
}

func kind(status int) string {
	if k := kinds[status]; k != "" {
		return k
	}
	return "invalid_request_error"
}

// ownError is {"error": {"message", "type", "field"}}: OpenAI's envelope, so that one client reads both.
func ownError(e *Error) any {
	type inner struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Field   string `json:"field,omitempty"`
	}
	return map[string]inner{"error": {e.Message, kind(e.Status), e.Field}}
}

// bug logs what a client is not told, and counts it if it is a panic.
func (c *call) bug(err error) {
	c.s.log.Error("request failed", "route", c.route.name, "error", err.Error())
	if isPanic(err) {
		c.s.m.panics.Inc()
	}
}

// fail answers with an error.
func (c *call) fail(err error) {
	e := asError(err)
	if c.code = e.Status; c.code == http.StatusInternalServerError {
		c.bug(err)
	}
	c.s.m.refused(err)
	if c.wrote {
		return // too late to tell
	}
	h := c.w.Header()
	if e.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.Retry.Seconds()))))
		h.Set("Retry-After-Ms", strconv.Itoa(int(max(1, e.Retry.Milliseconds()))))
	}
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if e.Status == statusClosed {
		return
	}
	body, err := json.Marshal(c.route.family(e))
	if err != nil {
		panic(err) // strings and numbers
	}
	c.write(e.Status, "application/json", append(body, '\n'))
}
