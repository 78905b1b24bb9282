package serve

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"bertlabel/bert/model"
	"bertlabel/bert/queue"
)

const (
	bodyFirst   = 4 << 10  // bytes of a body that are claimed before any has come
	bodyStep    = 64 << 10 // bytes that are claimed at a time then; of a body of known length all when so many have come
	maxTextSize = 1 << 20  // bytes of a text, as of a row (train/data)
)

// body reads the body of a request, whose bytes count among those of all requests until it is answered.
func (c *call) body() ([]byte, error) {
	limit := c.s.MaxBody
	if c.r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	in := &claiming{c: c, in: http.MaxBytesReader(c.w, c.r.Body, limit), length: c.r.ContentLength}
	var b bytes.Buffer
	b.Grow(int(min(max(0, c.r.ContentLength), bodyFirst)) + bytes.MinRead)
	_, err := b.ReadFrom(in)
	switch {
	case err == nil || errors.As(err, new(*http.MaxBytesError)) || errors.Is(err, queue.ErrBytes) || errors.As(err, new(*Error)):
		return b.Bytes(), err
	case c.r.Context().Err() != nil:
		return nil, c.r.Context().Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &Error{Status: http.StatusRequestTimeout, Message: "the body did not come in time"}
	}
	return nil, badRequest("", "the body cannot be read: %v", err)
}

// claiming reads a body and claims its bytes as they come: a client who names a length and sends nothing takes no room from others.
type claiming struct {
	c       *call
	in      io.Reader
	length  int64 // −1: not known
	claimed int64
	read    int64
}

// Read reads at most what is claimed.
func (r *claiming) Read(p []byte) (int, error) {
	if r.read == r.claimed && r.claimed != r.length {
		n := r.next()
		if err := r.c.claim(n); err != nil {
			return 0, err
		}
		r.claimed += n
	}
	if left := r.claimed - r.read; left > 0 { // else all has come but the end
		p = p[:min(int64(len(p)), left)]
	}
	n, err := r.in.Read(p)
	r.read += int64(n)
	return n, err
}

// next returns how many bytes are claimed next.
func (r *claiming) next() int64 {
	switch {
	case r.claimed == 0 && r.length >= 0:
		return min(r.length, bodyFirst)
	case r.claimed == 0:
		return bodyFirst
	case r.claimed == bodyFirst && r.length >= 0:
		return min(r.length, bodyStep) - bodyFirst
	case r.claimed == bodyFirst:
		return bodyStep - bodyFirst
	case r.length >= 0:
		return r.length - r.claimed
	}
	return bodyStep
}

// mediaType returns that of the body, without parameters; "" where there is none.
func (c *call) mediaType() string {
	header := c.r.Header.Get("Content-Type")
	t, _, err := mime.ParseMediaType(header)
	if err != nil {
		return header
	}
	return t
}

// decode reads a JSON object into the places of fields, by their exact names. Other members are wrong if strict; else they are named in
// X-Bertlabel-Ignored, as clients of other servers send what we do not know.
func (c *call) decode(fields map[string]any, strict bool) error {
	if t := c.mediaType(); t != "application/json" && (strict || t != "") {
		return &Error{Status: http.StatusUnsupportedMediaType, Message: fmt.Sprintf("the content type %q: want application/json", t)}
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	return c.decodeBytes(body, fields, strict)
}

func (c *call) decodeBytes(body []byte, fields map[string]any, strict bool) error {
	need := parseMemory(body)
	if err := c.claim(need); err != nil {
		return err
	}
	members, err := object(body, fields)
	c.release(need)
	if err != nil {
		return err
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if fields[name] == nil {
			unknown = append(unknown, name)
		}
	}
	switch {
	case len(unknown) > 0 && strict:
		return badRequest(unknown[0], "unknown member %.100q: there is %s", unknown[0], strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
	case len(unknown) > 0:
		c.w.Header().Set("X-Bertlabel-Ignored", headerList(unknown))
	}
	return nil
}

// What reading a JSON body may take beside its own bytes, for each comma, string and bracket outside of strings: the places in lists and
// maps, 2¼ times as many while a list grows. ["" …] of texts takes 56·2¼ bytes an element, [0 …] as raw values 24·2¼ + 8,
// [[] …] 24·2¼ + 48, and {"": 0 …} some 90.
const (
	commaMemory   = 64
	stringMemory  = 64
	bracketMemory = 96
)

// parseMemory returns how many bytes the values of a JSON body may take: a million empty texts are a small body.
func parseMemory(body []byte) (bytes int64) {
	quoted := false
	for i := 0; i < len(body); i++ {
		switch b := body[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			if quoted = !quoted; !quoted {
				bytes += stringMemory
			}
		case quoted:
		case b == ',':
			bytes += commaMemory
		case b == '[' || b == '{':
			bytes += bracketMemory
		}
	}
	return bytes
}

// headerList returns names as a header has them.
func headerList(names []string) string {
	for i, name := range names {
		names[i] = strings.Map(func(r rune) rune {
			if r <= ' ' || r > '~' || r == ',' {
				return '?'
			}
			return r
		}, name[:min(len(name), 40)])
	}
	return strings.Join(names[:min(len(names), 20)], ",")
}

// object reads a JSON object into the places of fields and returns its members.
func object(body []byte, fields map[string]any) (members map[string]json.RawMessage, err error) {
	if !utf8.Valid(body) {
		return nil, badRequest("", "the body is not valid UTF-8")
	}
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, jsonError(body, "", err)
	}
	if members == nil {
		return nil, badRequest("", "found null, expected an object")
	}
	for name, place := range fields {
		if raw, ok := members[name]; ok {
			if err := json.Unmarshal(raw, place); err != nil {
				return nil, jsonError(raw, name, err)
			}
		}
	}
	return members, nil
}

// jsonError tells a client what is wrong with its JSON.
func jsonError(body []byte, field string, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var own *Error
	switch {
	case errors.As(err, &own):
		own.Field = cmp.Or(own.Field, field)
		return own
	case errors.As(err, &syntax):
		return badRequest(field, "not JSON at byte %d of %d: %v", syntax.Offset, len(body), err)
	case errors.As(err, &kind):
		return badRequest(field, "%s: found a JSON %s, expected %s", cmp.Or(field, "the body"), kind.Value, expected(kind.Type.Kind().String()))
	}
	return badRequest(field, "%v", err)
}

// expected names a kind of Go's as JSON does.
func expected(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "map", "struct":
		return "an object"
	case "slice":
		return "an array"
	}
	return "a number"
}

// input is a text of a request: "text", or {"id", "text", "text_pair"}.
type input struct {
	model.Text
	id json.RawMessage // a string or a number; nil: none
}

// UnmarshalJSON reads both forms.
func (in *input) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return unmarshalText(raw, &in.A)
	}
	var text, pair textValue
	members, err := object(raw, map[string]any{"id": &in.id, "text": &text, "text_pair": &pair})
	if err != nil {
		return err
	}
	for name := range members {
		if name != "id" && name != "text" && name != "text_pair" {
			return badRequest("", "unknown member %.100q of a text: there is id, text, text_pair", name)
		}
	}
	if members["text"] == nil {
		return badRequest("", `a text without "text"`)
	}
	if in.id != nil && in.id[0] != '"' && in.id[0] != '-' && (in.id[0] < '0' || in.id[0] > '9') {
		return badRequest("", "an id that is neither a string nor a number")
	}
	in.A, in.B = string(text), string(pair)
	return nil
}

// textValue is a text alone.
type textValue string

// UnmarshalJSON reads a string.
func (t *textValue) UnmarshalJSON(raw []byte) error { return unmarshalText(raw, (*string)(t)) }

func unmarshalText(raw []byte, text *string) error {
	if len(raw) == 0 || raw[0] != '"' {
		return badRequest("", "found %s, expected a text in double quotes", jsonKind(raw))
	}
	if err := json.Unmarshal(raw, text); err != nil {
		return err
	}
	if len(*text) > maxTextSize {
		return &Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("a text of %d bytes: want at most %d", len(*text),
			maxTextSize)}
	}
	return nil
}

func jsonKind(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f', 'n':
		return string(raw)
	}
	return "a number"
}

// oneOrMore is a value, or a list of values.
type oneOrMore[T any] []T

// UnmarshalJSON reads both.
func (l *oneOrMore[T]) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '[' {
		return json.Unmarshal(raw, (*[]T)(l))
	}
	*l = make([]T, 1)
	return json.Unmarshal(raw, &(*l)[0])
}

// limitTexts refuses more texts than a request may have, and none.
func (c *call) limitTexts(n int, field string) error {
	switch {
	case n == 0:
		return badRequest(field, "no texts")
	case n > c.s.MaxTexts:
		return &Error{Status: http.StatusRequestEntityTooLarge, Field: field, Message: fmt.Sprintf(
			"%d texts: want at most %d in one request; rows as application/x-ndjson have no limit", n, c.s.MaxTexts)}
	}
	return nil
}

// limit takes a deadline from a number of milliseconds of the request, else from the headers that proxies and clients set.
func (c *call) limit(ms float64) error {
	if ms == 0 {
		for _, name := range []string{"X-Request-Timeout-Ms", "X-Envoy-Expected-Rq-Timeout-Ms"} {
			if v, err := strconv.ParseFloat(c.r.Header.Get(name), 64); err == nil && v > 0 {
				ms = v
				break
			}
		}
	}
	if ms < 0 {
		return badRequest("timeout_ms", "timeout_ms %v: want more than 0", ms)
	}
	if ms > 0 && ms < float64(c.s.Timeout.Milliseconds()) {
		c.deadline = c.start.Add(time.Duration(ms * float64(time.Millisecond)))
	}
	for part := range strings.SplitSeq(c.r.Header.Get("Priority"), ",") { // RFC 9218: u=0..7, 3 is the default
		if u, ok := strings.CutPrefix(strings.TrimSpace(part), "u="); ok && len(u) == 1 && u >= "4" && u <= "7" {
			c.bulk = true
		}
	}
	return nil
}

// onLong checks a value of on_long; "" is the server's.
func (c *call) onLong(value string) (string, error) {
	switch value {
	case "":
		return c.s.OnLong, nil
	case "truncate", "error":
		return value, nil
	}
	return "", badRequest("on_long", "on_long %.50q: want truncate or error", value)
}
