package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// exchange is a request of a real client, as scripts/record_clients.py has recorded it, and the answer with which the client was content.
type exchange struct {
	Method, Path  string
	Headers       map[string]string
	Body          string
	BodyBase64    []byte `json:"body_base64"`
	Status        int
	AnswerHeaders map[string]string `json:"answer_headers"`
	Answer        string
	AnswerBase64  []byte `json:"answer_base64"`
}

// Requests of the real clients of other servers have the answers that they were content with: the same but for the time and, as the
// kernels of the recordings summed in another order, the last digits.
func TestRecordedClients(t *testing.T) {
	const tiny = "../../../../bert/testdata/tiny" // the model of the recordings
	s := serve(t, Options{Models: []Source{source("tiny", tiny)}, Explain: true})
	files, err := filepath.Glob("testdata/clients/*.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var recorded struct {
			Client    string
			Exchanges []exchange
		}
		if err := json.Unmarshal(text, &recorded); err != nil || len(recorded.Exchanges) == 0 {
			t.Fatalf("%s: %d exchanges, %v", file, len(recorded.Exchanges), err)
		}
		for i, x := range recorded.Exchanges {
			if err := x.replay(s); err != nil {
				t.Errorf("%s, exchange %d, %s %s %s: %v", recorded.Client, i, x.Method, x.Path, x.Body, err)
			}
		}
	}
}

// replay sends the request and compares the answer.
func (x *exchange) replay(s *testServer) error {
	body := bytesOf(x.Body, x.BodyBase64)
	r, err := http.NewRequest(x.Method, s.URL+x.Path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range x.Headers {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	want := bytesOf(x.Answer, x.AnswerBase64)
	if answer.StatusCode != x.Status {
		return fmt.Errorf("%s %s, recorded %d %s", answer.Status, got, x.Status, want)
	}
	for name, value := range x.AnswerHeaders {
		if got := answer.Header.Get(name); got != value && name != lengthHeader { // the length of numbers in JSON may differ
			return fmt.Errorf("%s is %q, recorded %q", name, got, value)
		}
	}
	if err := sameAnswer(got, want, answer.Header.Get(lengthHeader), x.AnswerHeaders[lengthHeader]); err != nil {
		return fmt.Errorf("%w\n%s\nrecorded\n%s", err, got, want)
	}
	return nil
}

func bytesOf(text string, binary []byte) []byte {
	if binary != nil {
		return binary
	}
	return []byte(text)
}

// sameAnswer compares bodies: JSON, lines of JSON, JSON with binary tensors behind as many bytes as the lengths say, or text.
func sameAnswer(got, want []byte, gotLength, wantLength string) error {
	if wantLength != "" {
		g, err := strconv.Atoi(gotLength)
		if err != nil || g > len(got) {
			return fmt.Errorf("%s is %q", lengthHeader, gotLength)
		}
		w, err := strconv.Atoi(wantLength)
		if err != nil {
			return err
		}
		if err := sameTensors(got[g:], want[w:]); err != nil {
			return err
		}
		got, want = got[:g], want[:w]
	}
	gotLines, wantLines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	if len(gotLines) != len(wantLines) {
		return fmt.Errorf("%d lines, recorded %d", len(gotLines), len(wantLines))
	}
	for i := range wantLines {
		var g, w any
		if json.Unmarshal(wantLines[i], &w) != nil { // a row of a table, or a word
			g, w = cells(gotLines[i]), cells(wantLines[i])
		} else if err := json.Unmarshal(gotLines[i], &g); err != nil {
			return err
		}
		if err := sameValue("", g, w); err != nil {
			return err
		}
	}
	return nil
}

func cells(line []byte) (all []any) {
	for cell := range strings.SplitSeq(string(line), ",") {
		if v, err := strconv.ParseFloat(cell, 64); err == nil {
			all = append(all, v)
		} else {
			all = append(all, cell)
		}
	}
	return all
}

// answerTolerance is what a value may differ by from the recordings, whose kernels summed in another order: of embeddings of MiniLM that
// was 1.6e-6; generic differs by 5e-7 (docs/precision.md).
const answerTolerance = 2e-5

// sameTensors compares the bytes of float32 tensors, or of one of texts such as "0.93:4:joy".
func sameTensors(got, want []byte) error {
	if texts := bytesTensor(want); texts != nil {
		others := bytesTensor(got)
		if len(others) != len(texts) {
			return fmt.Errorf("%q, recorded %q", got, want)
		}
		for i := range texts {
			if err := sameClass(others[i], texts[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(got) != len(want) || len(want)%4 != 0 {
		return fmt.Errorf("%d bytes of tensors, recorded %d", len(got), len(want))
	}
	for i := 0; i < len(want); i += 4 {
		g := math.Float32frombits(binary.LittleEndian.Uint32(got[i:]))
		w := math.Float32frombits(binary.LittleEndian.Uint32(want[i:]))
		if !(math.Abs(float64(g-w)) <= answerTolerance) {
			return fmt.Errorf("value %d of the tensors is %v, recorded %v", i/4, g, w)
		}
	}
	return nil
}

// bytesTensor returns the texts of a binary tensor of them, each behind its length; nil for one of numbers.
func bytesTensor(b []byte) (texts []string) {
	for len(b) >= 4 {
		n := binary.LittleEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-4) {
			return nil
		}
		texts, b = append(texts, string(b[4:4+n])), b[4+n:]
	}
	if len(b) > 0 {
		return nil
	}
	return texts
}

// sameClass compares "0.93:4:joy".
func sameClass(got, want string) error {
	g, gotRest, _ := strings.Cut(got, ":")
	w, wantRest, _ := strings.Cut(want, ":")
	x, err := strconv.ParseFloat(g, 64)
	y, wrong := strconv.ParseFloat(w, 64)
	if err != nil || wrong != nil || gotRest != wantRest || !(math.Abs(x-y) <= answerTolerance) {
		return fmt.Errorf("%q, recorded %q", got, want)
	}
	return nil
}

// sameValue compares decoded JSON.
func sameValue(path string, got, want any) error {
	switch w := want.(type) {
	case float64:
		g, ok := got.(float64)
		if !ok || !(math.Abs(g-w) <= answerTolerance*max(1, math.Abs(w))) {
			return fmt.Errorf("%s is %v, recorded %v", path, got, want)
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s is %v, recorded %v", path, got, want)
		}
		for i := range w {
			if err := sameValue(fmt.Sprintf("%s[%d]", path, i), g[i], w[i]); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, recorded %v", path, got, want)
		}
		for key := range w { // what has been added since then, clients pass over
			if _, there := g[key]; !there {
				return fmt.Errorf("%s lacks %s", path, key)
			}
			if key == "created" || key == "version" && path == "" { // when the model was opened, and the program's
				continue
			}
			if err := sameValue(path+"."+key, g[key], w[key]); err != nil {
				return err
			}
		}
		return nil
	case string:
		g, ok := got.(string)
		vector, err := base64.StdEncoding.DecodeString(w)
		if ok && err == nil && len(vector) >= 32 && len(vector)%4 == 0 && strings.HasSuffix(path, ".embedding") {
			decoded, err := base64.StdEncoding.DecodeString(g)
			if err != nil {
				return err
			}
			return sameTensors(decoded, vector)
		}
		if ok && strings.Count(w, ":") == 2 && strings.Contains(path, ".data") { // of Triton's classification
			return sameClass(g, w)
		}
	}
	if got != want {
		return fmt.Errorf("%s is %v, recorded %v", path, got, want)
	}
	return nil
}
