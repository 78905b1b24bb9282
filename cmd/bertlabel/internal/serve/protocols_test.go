package serve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/score"
)

// floats are numbers as TF Serving writes them.
func floats(x []float32) string {
	b, err := tfFloats(x).MarshalJSON()
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestFloatsStayFloats(t *testing.T) {
	if got, want := floats([]float32{1, 0, -2.5, 1e-9, 3e30}), `[1.0,0.0,-2.5,1e-09,3e+30]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// ids of a text as JSON lists of n: ids, mask, segments.
func (s *testServer) ids(text, pair string, n int) (ids, mask, segments string) {
	s.t.Helper()
	e := s.m.EncodeOne(model.Text{A: text, B: pair})
	var rows [3][]int32
	for i := range n {
		if i < len(e.IDs) {
			rows[0], rows[1], rows[2] = append(rows[0], e.IDs[i]), append(rows[1], 1), append(rows[2], e.Segments[i])
		} else {
			rows[0], rows[1], rows[2] = append(rows[0], 0), append(rows[1], 0), append(rows[2], 0)
		}
	}
	return list(s.t, rows[0]), list(s.t, rows[1]), list(s.t, rows[2])
}

func list(t testing.TB, x any) string {
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TF Serving's forms of one text come to the same numbers: texts, bytes, rows of tokens under each of their names.
func TestTFServing(t *testing.T) {
	s := serve(t, Options{})
	cat, pair := s.prediction("the cat", "").Probabilities, s.prediction("the cat", "a dog").Probabilities
	ids, mask, segments := s.ids("the cat", "a dog", 20)
	plain, ones, _ := s.ids("the cat", "", 4)
	for _, c := range []struct{ path, body, want string }{
		{":predict",
			`{"instances": ["the cat", {"text": "the cat", "text_pair": "a dog"}, {"b64": "dGhlIGNhdA=="}, {"any": "the cat"},
			{"text": {"b64": "dGhlIGNhdA=="}}]}`,
			`{"predictions":[` + floats(cat) + "," + floats(pair) + "," + floats(cat) + "," + floats(cat) + "," + floats(cat) + `]}`},
		{":predict", `{"inputs": ["the cat"], "signature_name": "serving_default"}`, `{"outputs":[` + floats(cat) + `]}`},
		{"/versions/1:predict", `{"inputs": {"text": ["the cat", "the cat"], "text_pair": ["a dog", ""]}}`,
			`{"outputs":[` + floats(pair) + "," + floats(cat) + `]}`},
		{"/labels/stable%3Apredict", `{"instances": [{"input_ids": ` + ids + `, "input_mask": ` + mask + `, "segment_ids": ` + segments +
			`, "label_ids": 0}]}`,
			`{"predictions":[` + floats(pair) + `]}`},
		{":predict", `{"inputs": {"input_word_ids": [` + ids + `], "attention_mask": [` + mask + `], "token_type_ids": [` + segments + `]}}`,
			`{"outputs":[` + floats(pair) + `]}`},
		{":Predict", `{"instances": [{"input_ids": ` + plain + `}, {"input_ids": ` + plain + `, "input_mask": ` + ones + `}]}`,
			`{"predictions":[` + floats(cat) + "," + floats(cat) + `]}`},
		{":classify", `{"examples": [{"text": "the cat"}]}`,
			fmt.Sprintf(`{"results":[[["joy",%s],["\"rage\", anger",%s],["Überraschung",%s]]]}`,
				strings.Trim(floats(cat[:1]), "[]"), strings.Trim(floats(cat[1:2]), "[]"), strings.Trim(floats(cat[2:]), "[]"))},
	} {
		if got := s.post("/v1/models/a"+c.path, c.body); got != c.want+"\n" {
			t.Errorf("%s %s:\n%s\nwant\n%s", c.path, c.body, got, c.want)
		}
	}
	for _, c := range []struct {
		path, body string
		status     int
		message    string
	}{
		{":regress", `{}`, 400, "classifies"},
		{":explain", `{}`, 404, "--explain"},
		{":train", `{}`, 404, "no verb"},
		{"/versions/2:predict", `{}`, 404, "version 1"},
		{":predict", `{}`, 400, "either"},
		{":predict", `{"instances": ["a"], "inputs": ["a"]}`, 400, "either"},
		{":predict", `{"instances": [7]}`, 400, "found a number"},
		{":predict", `{"instances": []}`, 400, "no texts"},
		{":predict", `{"instances": [{"b64": "?"}]}`, 400, "b64"},
		{":predict", `{"instances": [{"input_ids": [2, 5, 3], "input_mask": [1, 0, 1]}]}`, 400, "mask with holes"},
		{":predict", `{"instances": [{"input_ids": [2, 5, 3], "input_mask": [1, 1]}]}`, 400, "a mask of 2"},
		{":predict", `{"instances": [{"input_ids": [2, 5, 3], "segment_ids": [0]}]}`, 400, "1 segments"},
		{":predict", `{"instances": [{"input_ids": [2, 5, 3], "segment_ids": [0, 0, 2]}]}`, 400, "neither 0 nor 1"},
		{":predict", `{"instances": [{"input_ids": [0, 0], "input_mask": [0, 0]}]}`, 400, "without tokens"},
		{":predict", `{"instances": [{"input_ids": [99999]}]}`, 400, "token id 99999"},
		{":predict", `{"instances": [{"input_mask": [1]}]}`, 400, "without input_ids"},
		{":predict", `{"inputs": {"input_ids": [[2]], "input_mask": [[1], [1]]}}`, 400, "rows"},
		{":predict", `{"inputs": 7}`, 400, "want a list"},
	} {
		r, body := s.send("POST", "/v1/models/a"+c.path, c.body)
		var got struct{ Error string }
		if err := json.Unmarshal([]byte(body), &got); err != nil || r.StatusCode != c.status || !strings.Contains(got.Error, c.message) {
			t.Errorf("%s %s: %d %s, want %d %s", c.path, c.body, r.StatusCode, body, c.status, c.message)
		}
	}
	status := `"model_version_status":[{"version":"1","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}]`
	for path, want := range map[string]string{"": `"id":"a","object":"model"`, "/versions/1": "{" + status + "}\n", "/labels/latest": status,
		"/metadata":            `"method_name":"tensorflow/serving/predict"`,
		"/versions/1/metadata": `"model_spec":{"name":"a","signature_name":"","version":"1"}`} {
		if _, body := s.send("GET", "/v1/models/a"+path, ""); !strings.Contains(body, want) {
			t.Errorf("GET %s: %s lacks %s", path, body, want)
		}
	}
	if r, body := s.send("GET", "/v1/models/a/versions/9", ""); r.StatusCode != 404 {
		t.Errorf("another version: %s %s", r.Status, body)
	}
}

// The union of what three protocols want to know of a model.
func TestModelsUnion(t *testing.T) {
	s := serve(t, Options{})
	_, body := s.send("GET", "/v1/models", "")
	if !strings.HasPrefix(body, `{"object":"list","data":[{"id":"a","object":"model","created":`) || !strings.Contains(body,
		`"models":["a"]}`) {
		t.Error(body)
	}
	_, body = s.send("GET", "/v1/models/a", "")
	for _, want := range []string{`"id":"a"`, `"name":"a","ready":true`, `"model_version_status":[{`,
		`"thresholds":{"\"rage\", anger":0.25,`,
		fmt.Sprintf(`"digest":"%x"`, s.m.Digest()), `"max_input_tokens":24`, `"precision":"fp32"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s lacks %s", body, want)
		}
	}
}

// The Open Inference Protocol with JSON tensors.
func TestOIP(t *testing.T) {
	s := serve(t, Options{})
	cat, pair := s.prediction("the cat", ""), s.prediction("the cat", "a dog")
	joined := func(a, b []float32) string {
		return string(score.AppendVector(nil, append(append([]float32{}, a...), b...)))
	}
	ids, mask, segments := s.ids("the cat", "a dog", 20)
	texts := `{"name": "TEXT", "shape": [2, 1], "datatype": "BYTES", "data": [["the cat"], ["the cat"]]}`
	pairs := `{"name": "text_pair", "shape": [2], "datatype": "BYTES", "data": ["", "a dog"]}`
	probabilities := `{"name":"probabilities","shape":[2,3],"datatype":"FP32","data":` + joined(cat.Probabilities, pair.Probabilities) + `}`
	tensor := func(name, kind, data string) string {
		return `{"name": "` + name + `", "shape": [1, 20], "datatype": "` + kind + `", "data": ` + data + `}`
	}
	one := `{"name":"logits","shape":[1,3],"datatype":"FP32","data":` + string(score.AppendVector(nil, pair.Logits)) + `}`
	for _, c := range []struct{ path, body, want string }{
		{"", `{"id": "7", "inputs": [` + texts + `,` + pairs + `]}`, `{"model_name":"a","model_version":"1","id":"7","outputs":[` +
			probabilities + `]}`},
		{"/versions/1", `{"inputs": [` + tensor("input_ids", "INT64", ids) + `,` + tensor("attention_mask", "INT64", mask) + `,` +
			tensor("token_type_ids", "INT32", "["+segments+"]") + `], "outputs": [{"name": "logits"}]}`,
			`{"model_name":"a","model_version":"1","outputs":[` + one + `]}`},
	} {
		if got := s.post("/v2/models/a"+c.path+"/infer", c.body); got != c.want+"\n" {
			t.Errorf("%s:\n%s\nwant\n%s", c.body, got, c.want)
		}
	}
	got := s.post("/v2/models/a/infer",
		`{"inputs": [`+texts+`], "outputs": [{"name": "embedding"}, {"name": "probabilities", "parameters": {"classification": 2}}]}`)
	if !strings.Contains(got, `{"name":"embedding","shape":[2,16],"datatype":"FP32","data":[`) ||
		!strings.Contains(got, `{"name":"probabilities","shape":[2,2],"datatype":"BYTES","data":["`+string(score.AppendFloat(nil,
			max(cat.Probabilities[0],
				cat.Probabilities[1], cat.Probabilities[2])))+":") {
		t.Error(got)
	}
	for path, want := range map[string]string{
		"/v2": `{"extensions":["binary_tensor_data","classification"],"name":"bertlabel","version":""}`, "/v2/health/live": `{"live":true}`,
		"/v2/health/ready": `{"live":true,"ready":true}`, "/v2/models": `{"models":["a"]}`, "/v2/models/a/ready": `{"name":"a","ready":true}`,
		"/v2/models/a/versions/1": `{"name":"a","versions":["1"],"platform":"bertlabel","inputs":[{"name":"text","datatype":"BYTES",` +
			`"shape":[-1]}],` +
			`"outputs":[{"name":"probabilities","datatype":"FP32","shape":[-1,3]},{"name":"logits","datatype":"FP32","shape":[-1,3]},` +
			`{"name":"embedding","datatype":"FP32","shape":[-1,16]}]}`,
	} {
		if _, body := s.send("GET", path, ""); body != want+"\n" {
			t.Errorf("GET %s: %s, want %s", path, body, want)
		}
	}
	if got := s.post("/v2/repository/index", ""); got != `[{"name":"a","version":"1","state":"READY"}]`+"\n" {
		t.Error(got)
	}
}

// What is wrong with a request of the protocol.
func TestOIPErrors(t *testing.T) {
	s := serve(t, Options{})
	text := func(shape, data string) string {
		return `{"inputs": [{"name": "text", "shape": ` + shape + `, "datatype": "BYTES", "data": ` + data + `}]}`
	}
	ids := func(shape, kind, data string) string {
		return `{"inputs": [{"name": "input_ids", "shape": ` + shape + `, "datatype": "` + kind + `", "data": ` + data + `}]}`
	}
	for body, want := range map[string]string{
		`{}`:                                           "want a tensor of texts",
		text("[2]", `["a"]`):                           "1 texts for the shape",
		text("[1, 2]", `["a", "b"]`):                   "want [n] or [n, 1]",
		text("[1, 1, 1]", `["a"]`):                     "shape",
		text("[-1]", `["a"]`):                          "shape",
		text("[1]", `[7]`):                             "found a number",
		text("[1]", `"a"`):                             "expected an array",
		text("[0]", `[]`):                              "want a tensor of texts",
		ids("[1, 3]", "INT64", `[2,3]`):                "2 numbers",
		ids("[1, 2]", "FP32", `[2,3]`):                 "want INT32 or INT64",
		ids("[2]", "INT64", `[2,3]`):                   "want INT32 or INT64",
		ids("[1,2]", "INT32", `[2,"3"]`):               "input_ids",
		ids("[4000000000, 4000000000]", "INT32", `[]`): "shape",
		`{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}`: "want BYTES",
		`{"inputs": [{"name": "t", "shape": [1], "datatype": "BYTES", "data": ["a"]},
			{"name": "u", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}`: "two tensors",
		strings.Replace(text("[1]", `["a"]`), `{"inputs"`, `{"outputs": [{"name": "x"}], "inputs"`, 1): "no output",
	} {
		if r, got := s.send("POST", "/v2/models/a/infer", body); r.StatusCode != 400 || !strings.Contains(got, want) {
			t.Errorf("%s: %s %s, want %s", body, r.Status, got, want)
		}
	}
	for path, want := range map[string]int{"/v2/models/a/versions/2/infer": 404, "/v2/models/a/versions/2": 404} {
		method := "POST"
		if !strings.HasSuffix(path, "infer") {
			method = "GET"
		}
		if r, got := s.send(method, path, text("[1]", `["a"]`)); r.StatusCode != want {
			t.Errorf("%s: %s %s", path, r.Status, got)
		}
	}
}

// binaryRequest is a request as tritonclient sends it: the texts as bytes after the JSON, all outputs as bytes.
func binaryRequest(texts []string, size func(int) int) (header int, body []byte) {
	var packed []byte
	for _, text := range texts {
		packed = append(binary.LittleEndian.AppendUint32(packed, uint32(len(text))), text...)
	}
	head := fmt.Sprintf(`{"inputs":[{"name":"TEXT","shape":[%d,1],"datatype":"BYTES","parameters":{"binary_data_size":%d}}],`+
		`"parameters":{"binary_data_output":true}}`, len(texts), size(len(packed)))
	return len(head), append([]byte(head), packed...)
}

func same(n int) int { return n }

// Binary tensors carry the same bits both ways; lengths that lie are errors.
func TestBinaryTensors(t *testing.T) {
	s := serve(t, Options{})
	send := func(header any, body []byte) (*http.Response, []byte) {
		r, got := s.send("POST", "/v2/models/a/infer", string(body), "Content-Type", "application/octet-stream",
			"Inference-Header-Content-Length", fmt.Sprint(header))
		return r, []byte(got)
	}
	header, body := binaryRequest([]string{"the cat", "a dog"}, same)
	r, got := send(header, body)
	var n int
	if _, err := fmt.Sscan(r.Header.Get("Inference-Header-Content-Length"), &n); err != nil || r.StatusCode != 200 {
		t.Fatalf("%s %s", r.Status, got)
	}
	want := `{"model_name":"a","model_version":"1","outputs":[{"name":"probabilities","shape":[2,3],"datatype":"FP32",` +
		`"parameters":{"binary_data_size":24}}]}` + "\n"
	numbers := littleEndian(littleEndian(nil, s.prediction("the cat", "").Probabilities), s.prediction("a dog", "").Probabilities)
	if string(got[:n]) != want || !bytes.Equal(got[n:], numbers) {
		t.Errorf("%q, want %q and the bytes of two rows", got[:n], want)
	}
	_, lying := binaryRequest([]string{"the cat"}, func(n int) int { return n + 1 })
	_, short := binaryRequest([]string{"the cat"}, func(n int) int { return n - 1 })
	broken := bytes.Clone(body)
	broken[header] = 200 // the length of the first text
	bad := bytes.Clone(body)
	bad[header+4] = 0xff // its first byte
	for name, c := range map[string]struct {
		header any
		body   []byte
	}{"beyond the body": {len(body) + 1, body}, "negative": {-1, body}, "no number": {"x", body}, "size too large": {header - 1, lying},
		"bytes left":    {header - 1, short},
		"text too long": {header, broken}, "no UTF-8": {header, bad}} {
		if r, got := send(c.header, c.body); r.StatusCode != 400 {
			t.Errorf("%s: %s %s", name, r.Status, got)
		}
	}
}

// A model without a head has embeddings only.
func TestWithoutHead(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "bare")
	if err := cmdtest.TinyModel(t, 3, bert.Mean, nil).Save(folder, nil); err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{Models: []Source{source("bare", folder)}})
	for _, path := range []string{"/", "/embed", "/v1/embeddings"} {
		if got := s.post(path, `{"inputs": "the cat", "input": "the cat"}`); !strings.Contains(got, "0.") {
			t.Error(got)
		}
	}
	for path, body := range map[string]string{"/v1/predict": `{"text": "a"}`, "/predict": `{"inputs": "a"}`,
		"/v1/moderations":         `{"input": "a"}`,
		"/v1/models/bare:predict": `{"instances": ["a"]}`} {
		if r, got := s.send("POST", path, body, "Content-Type", "application/json"); r.StatusCode != 400 || !strings.Contains(got, "no head") {
			t.Errorf("%s: %s %s", path, r.Status, got)
		}
	}
}

// No body makes a handler panic or answer with 500, on any route.
func FuzzBodies(f *testing.F) {
	header, body := binaryRequest([]string{"the cat"}, same)
	for _, seed := range []string{`{"text":"a","texts":["b",{"id":1,"text":"c"}],"threshold":{"joy":1}}`,
		`{"inputs":[["a"],["b","c"]],"parameters":{"top_k":1}}`,
		`{"input":[[1,2],"x"],"encoding_format":"base64"}`, `{"input":[{"type":"text","text":"a"}]}`,
		`{"instances":[{"input_ids":[1],"input_mask":[1]}]}`,
		`{"inputs":{"input_ids":[[1,2]],"segment_ids":[[0,1]]}}`,
		`{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["a"]}]}`, `[`, `null`} {
		f.Add([]byte(seed), 0)
	}
	f.Add(body, header)
	s := serve(f, Options{})
	paths := []string{"/v1/predict", "/v1/embed", "/v1/tokenize", "/predict", "/embed", "/tokenize", "/v1/embeddings", "/v1/moderations",
		"/v1/models/a:predict", "/v1/models/a:classify", "/v2/models/a/infer"}
	f.Fuzz(func(t *testing.T, body []byte, header int) {
		for _, path := range paths {
			r := httptest.NewRequest("POST", path, bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			if header != 0 {
				r.Header.Set("Inference-Header-Content-Length", fmt.Sprint(header))
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			answer, err := io.ReadAll(w.Result().Body)
			if err != nil || w.Code >= 500 || w.Result().Header.Get("Content-Type") == "application/json" && !json.Valid(answer) {
				t.Errorf("%s %q: %d %s", path, body, w.Code, answer)
			}
		}
	})
}

// No rows and no parameters make a stream panic or end with 500, and every line of it is JSON; nor do the parameters of a GET.
func FuzzRows(f *testing.F) {
	for i, seed := range []string{"{\"text\": \"the cat\"}\n{\"id\": 1, \"text\": 7}\n[\n",
		"id,text\n1,the cat\n2,\"a\n", "id\ttext\n1\tthe cat\n", "", "\x00"} {
		f.Add([]byte(seed), "top_k=1&logits=true", uint8(i))
		f.Add([]byte(seed), "threshold=0.5&on_long=error&pooling=cls&text=a&text_pair=b&digest=0123456789ab", uint8(i+8))
	}
	s := serve(f, Options{})
	types := []string{"application/x-ndjson", "text/csv", "text/tab-separated-values", "application/jsonl"}
	f.Fuzz(func(t *testing.T, body []byte, query string, kind uint8) {
		for _, method := range []string{"POST", "GET"} {
			path := []string{"/v1/predict", "/v1/embed"}[kind/8%2]
			r := httptest.NewRequest(method, path, bytes.NewReader(body))
			r.ProtoMajor, r.ProtoMinor = 2, 0 // a recorder has no two ways
			r.URL.RawQuery = query
			r.Header.Set("Content-Type", types[kind%4])
			if kind&4 != 0 {
				r.Header.Set("Accept", "text/csv")
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %s?%s %q: %d %s", method, path, query, body, w.Code, w.Body)
			}
			if w.Header().Get("Content-Type") != "application/x-ndjson" {
				continue
			}
			for line := range bytes.Lines(w.Body.Bytes()) {
				if !json.Valid(line) || bytes.Contains(line, []byte("internal error")) {
					t.Errorf("%s?%s %q: the line %q", path, query, body, line)
				}
			}
		}
	})
}
