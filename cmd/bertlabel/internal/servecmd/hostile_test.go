package servecmd

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// What clients may send that no good one does, byte by byte, is refused with its status; and what stands after a request whose end two
// servers may see differently is never taken for another one.
func TestHostile(t *testing.T) {
	r := start(t, "--model", folder(t))
	defer r.stop()
	const smuggled = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	const chunked = "14\r\n{\"text\": \"the cat\"} \r\n0\r\n\r\n"
	post := func(headers, body string) string {
		return "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + headers + "\r\n" + body
	}
	sized := func(body string) string { return post(fmt.Sprintf("Content-Length: %d\r\n", len(body)), body) }
	for _, c := range []struct {
		name, request, want string
	}{
		{"headers of 16 KiB", post("X: "+strings.Repeat("x", 16<<10)+"\r\n", ""), "431"},
		{"headers below that", post("X: "+strings.Repeat("x", 15<<10)+"\r\nContent-Length: 19\r\n", `{"text": "the cat"}`), "200"},
		{"length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunked), "200"},
		{"chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunked), "200"},
		{"folded chunks", post("Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n", chunked), "200"},
		{"chunks of HTTP/1.0", strings.Replace(post("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", chunked), "1.1", "1.0", 1),
			"400"},
		{"two lengths", post("Content-Length: 19\r\nContent-Length: 5\r\n", `{"text": "the cat"}`), "400"},
		{"a list of lengths", post("Content-Length: 19, 5\r\n", `{"text": "the cat"}`), "400"},
		{"a signed length", post("Content-Length: +19\r\n", `{"text": "the cat"}`), "400"},
		{"a space before the colon", post("Transfer-Encoding : chunked\r\n", chunked), "400"},
		{"two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunked), "501"},
		{"an unknown coding", post("Transfer-Encoding: xchunked\r\n", chunked), "501"},
		{"compressed chunks", post("Transfer-Encoding: gzip, chunked\r\n", chunked), "501"},
		{"a bare LF in a chunk's length", post("Transfer-Encoding: chunked\r\n", strings.Replace(chunked, "14\r\n", "14;x\n", 1)), "400"},
		{"a chunk without a length", post("Transfer-Encoding: chunked\r\n", "x\r\n0\r\n\r\n"), "400"},
		{"no host", "GET /v1/models HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "400"},
		{"a foreign host", "GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"},
		{"an address of another server", "GET http://evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", "403"},
		{"NUL in a header", "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n", "400"},
		{"not HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n", "400"},
		{"a compressed body", post("Content-Encoding: gzip\r\nContent-Length: 4\r\n", "\x1f\x8b\x08\x00"), "415"},
		{"JSON of depth 100,000", sized(`{"text": ` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}"), "400"},
		{"bad UTF-8", sized("{\"text\": \"\xff\"}"), "400"},
		{"bad UTF-8 in an address", "GET /v1/predict?text=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
		{"bad UTF-8 in base64", strings.Replace(sized(`{"instances": [{"b64": "`+base64.StdEncoding.EncodeToString([]byte("\xff"))+`"}]}`),
			"/v1/predict", "/v1/models/tiny:predict", 1), "400"},
		{"a million texts", sized(`{"texts": [` + strings.Repeat(`"",`, 650_000) + `""]}`), "413"},
		{"a million ids", strings.Replace(sized(`{"input": [`+strings.Repeat(`1,`, 950_000)+`1]}`), "/v1/predict", "/v1/embeddings", 1), "413"},
		{"a million members", sized(`{` + strings.Repeat(`"":0,`, 350_000) + `"":0}`), "413"},
		{"a million empty lists", strings.Replace(sized(`{"inputs": [`+strings.Repeat(`[],`, 650_000)+`[]]}`), "/v1/predict", "/predict", 1),
			"413"},
		{"the tokens of a long text", strings.Replace(sized(`{"inputs": "`+strings.Repeat(`a `, 400_000)+`"}`), "/v1/predict", "/tokenize", 1),
			"413"},
		{"a text of 2 MB", sized(`{"text": "` + strings.Repeat("x", 2_000_000) + `"}`), "413"},
		{"a body of 3 MB", sized(`{"text": "` + strings.Repeat("x", 3_000_000) + `"}`), "413"},
	} {
		answer, err := exchange(strings.TrimPrefix(r.url, "http://"), c.request+smuggled)
		status := strings.TrimPrefix(strings.TrimPrefix(answer, "HTTP/1.1 "), "HTTP/1.0 ")
		// A request of whose end nobody is in doubt may be followed by another.
		ambiguous := strings.Contains(c.request, "ransfer-Encoding")
		if !strings.HasPrefix(status, c.want) || ambiguous && strings.Count(answer, "HTTP/1.") != 1 {
			t.Errorf("%s: %.300q, %v, want %s", c.name, answer, err, c.want)
		}
	}
	if code, body, err := get(r.url+"/v1/predict?text=cat", ""); code != 200 {
		t.Errorf("afterwards: %d %s %v", code, body, err)
	}
}

// exchange sends bytes and returns what comes back until the server closes.
func exchange(address, request string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	go io.WriteString(conn, request) // the server may answer before it has read all
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	answer, err := io.ReadAll(conn)
	return string(answer), err
}
