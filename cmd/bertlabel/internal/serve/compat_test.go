package serve

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/train/score"
)

// prediction of a text by the model itself.
func (s *testServer) prediction(text, pair string) model.Prediction {
	s.t.Helper()
	p, err := s.m.Predict(s.t.Context(), []model.Text{{A: text, B: pair}})
	if err != nil {
		s.t.Fatal(err)
	}
	return p[0]
}

// list is TEI's list of labels, best first, in the characters of bertlabel predict.
func (s *testServer) list(scores []float32, k int) string {
	order := []int{0, 1, 2}
	slices.SortStableFunc(order, func(a, b int) int {
		if scores[a] > scores[b] {
			return -1
		}
		return 1
	})
	var parts []string
	for _, i := range order[:k] {
		parts = append(parts, fmt.Sprintf(`{"score":%s,"label":%s}`, score.AppendFloat(nil, scores[i]), score.AppendString(nil, s.m.Labels[i])))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// Text-embeddings-inference's forms of inputs, and Hugging Face's client, which wants a list of lists.
func TestTEIPredict(t *testing.T) {
	s := serve(t, Options{})
	cat, dog, pair := s.prediction("the cat", ""), s.prediction("a dog", ""), s.prediction("the cat", "a dog")
	for _, c := range []struct{ path, body, want string }{
		{"/predict", `{"inputs": "the cat"}`, s.list(cat.Probabilities, 3)},
		{"/", `{"inputs": ["the cat"], "truncate": null}`, s.list(cat.Probabilities, 3)},
		{"/invocations", `{"inputs": ["the cat", "a dog"], "truncation_direction": "Right"}`, s.list(pair.Probabilities, 3)},
		{"/predict", `{"inputs": [["the cat"], ["the cat", "a dog"], ["a dog"]], "raw_scores": true}`,
			"[" + s.list(cat.Logits, 3) + "," + s.list(pair.Logits, 3) + "," + s.list(dog.Logits, 3) + "]"},
		{"/", `{"inputs": "the cat", "parameters": {}}`, "[" + s.list(cat.Probabilities, 3) + "]"},
		{"/", `{"inputs": "the cat", "parameters": {"top_k": 1, "function_to_apply": "none"}}`, "[" + s.list(cat.Logits, 1) + "]"},
		{"/models/any", `{"inputs": "the cat", "parameters": {"function_to_apply": "sigmoid"}}`, "[" + s.list(cat.Probabilities, 3) + "]"},
	} {
		if got := s.post(c.path, c.body); got != c.want+"\n" {
			t.Errorf("%s %s:\n%s\nwant\n%s", c.path, c.body, got, c.want)
		}
	}
	r, _ := s.send("POST", "/predict", `{"inputs": "the cat", "b": 1, "a": 2}`) // without a content type
	if r.StatusCode != 200 || r.Header.Get("X-Bertlabel-Ignored") != "a,b" || r.Header.Get("X-Compute-Type") != "cpu" ||
		r.Header.Get("X-Compute-Tokens") != "4" || r.Header.Get("X-Compute-Characters") != "7" {
		t.Errorf("%s %v", r.Status, r.Header)
	}
	list := `a list of %d texts: one text or a pair; a batch is [[text], [text], …]`
	for body, want := range map[string]string{
		`{"inputs": ["a", "b", "c"]}`: "400 " + fmt.Sprintf(list, 3),
		`{"inputs": []}`:              "400 " + fmt.Sprintf(list, 0),
		`{"inputs": "a", "parameters": {"function_to_apply": "softmax"}}`: "400 softmax: the labels are independent here; want sigmoid or none",
		`{"inputs": "a", "truncation_direction": "left"}`:                 "400 texts are cut on the right only",
		`{"inputs": "` + strings.Repeat("cat ", 30) + `", "truncate": false}`: "422 text 0 has 32 tokens, " +
			"and the model takes 24 with [CLS] and [SEP]",
		`{"inputs": 7}`: "400 found a number, expected a text in double quotes",
	} {
		code, message, _ := strings.Cut(want, " ")
		want = fmt.Sprintf(`%s {"error":"%s","error_type":"Validation"}`, code, message)
		r, got := s.send("POST", "/predict", body)
		if got = fmt.Sprintf("%d %s", r.StatusCode, got); got != want+"\n" {
			t.Errorf("%s:\n%s\nwant\n%s", body, got, want)
		}
	}
}

// The other routes of text-embeddings-inference.
func TestTEI(t *testing.T) {
	s := serve(t, Options{})
	x, err := s.m.Embed(t.Context(), []model.Text{{A: "the cat"}, {A: "a dog"}}, s.m.Pooling)
	if err != nil {
		t.Fatal(err)
	}
	raw := fmt.Sprintf("[%s,%s]\n", score.AppendVector(nil, x.Row(0)), score.AppendVector(nil, x.Row(1)))
	if got := s.post("/embed", `{"inputs": ["the cat", "a dog"], "normalize": false}`); got != raw {
		t.Errorf("%s, want %s", got, raw)
	}
	ids := s.m.EncodeOne(model.Text{A: "the cat"}).IDs
	list, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := json.Marshal(ids[1 : len(ids)-1])
	if err != nil {
		t.Fatal(err)
	}
	first := fmt.Sprintf("[%s]\n", score.AppendVector(nil, x.Row(0)))
	for _, inputs := range []string{`"the cat"`, string(list), "[" + string(list) + "]", string(inner)} {
		if got := s.post("/embed", `{"inputs": `+inputs+`, "normalize": false, "dimensions": 16}`); got != first {
			t.Errorf("%s: %s, want %s", inputs, got, first)
		}
	}
	var vectors [][]float64
	if err := json.Unmarshal([]byte(s.post("/pipeline/feature-extraction/a", `{"inputs": "the cat"}`)), &vectors); err != nil ||
		len(vectors) != 1 {
		t.Fatal(err)
	}
	var square float64
	for i, v := range vectors[0] {
		square += v * v
		if math.Abs(v/vectors[0][0]-float64(x.Row(0)[i])/float64(x.Row(0)[0])) > 1e-4 {
			t.Errorf("component %d has another direction", i)
		}
	}
	if math.Abs(square-1) > 1e-6 { // 16 roundings of float32
		t.Errorf("a vector of length² %v", square)
	}
	part := serve(t, Options{AllowDimensions: true})
	if got, want := part.post("/embed", `{"inputs": "the cat", "normalize": false, "dimensions": 5}`),
		fmt.Sprintf("[%s]\n", score.AppendVector(nil, x.Row(0)[:5])); got != want {
		t.Errorf("5 dimensions: %s, want %s", got, want)
	}
	for dimensions, want := range map[string]int{"0": 400, "17": 400, "16": 200} {
		if r, got := part.send("POST", "/embed", `{"inputs": "the cat", "dimensions": `+dimensions+`}`); r.StatusCode != want {
			t.Errorf("%s dimensions: %s %s", dimensions, r.Status, got)
		}
	}
	var cut [][]float64
	if err := json.Unmarshal([]byte(part.post("/embed", `{"inputs": "the cat", "dimensions": 5}`)), &cut); err != nil {
		t.Fatal(err)
	}
	length := 0.0
	for _, v := range cut[0] {
		length += v * v
	}
	if len(cut[0]) != 5 || math.Abs(length-1) > 1e-6 {
		t.Errorf("%d dimensions of length² %v, want 5 of 1", len(cut[0]), length)
	}
	for body, want := range map[string]int{`{"inputs": [9999]}`: 400, `{"inputs": [-1]}`: 400, `{"inputs": "a", "dimensions": 3}`: 400,
		`{"inputs": [1.5]}`:                   400,
		`{"inputs": "a", "prompt_name": "x"}`: 400, `{"inputs": [[]]}`: 200, `{"inputs": []}`: 400, `{"inputs": {}}`: 400,
		`{"inputs": [{}]}`: 400} {
		if r, got := s.send("POST", "/embed", body); r.StatusCode != want {
			t.Errorf("%s: %s %s", body, r.Status, got)
		}
	}
	want := `[[{"id":2,"text":"[CLS]","special":true,"start":null,"stop":null},{"id":6,"text":"cat","special":false,"start":0,"stop":3},` +
		`{"id":3,"text":"[SEP]","special":true,"start":null,"stop":null}]]` + "\n"
	if got := s.post("/tokenize", `{"inputs": "Cat"}`); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := s.post("/tokenize",
		`{"inputs": ["Cat"], "add_special_tokens": false}`); got != `[[{"id":6,"text":"cat","special":false,"start":0,"stop":3}]]`+"\n" {
		t.Errorf("%s", got)
	}
	_, info := s.send("GET", "/info", "")
	if !strings.Contains(info, `"label2id":{"\"rage\", anger":1,"joy":0,"Überraschung":2}`) || !strings.Contains(info,
		`"max_input_length":24`) {
		t.Error(info)
	}
	for _, path := range []string{"/health", "/ping", "/"} {
		if r, _ := s.send("GET", path, ""); r.StatusCode != 200 {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

// OpenAI's embeddings in both encodings, and moderations.
func TestOpenAI(t *testing.T) {
	s := serve(t, Options{})
	var plain, packed struct {
		Object, Model string
		Data          []struct {
			Object    string
			Index     int
			Embedding json.RawMessage
		}
		Usage map[string]int
	}
	for _, c := range []struct {
		format string
		into   any
	}{{"float", &plain}, {"base64", &packed}} {
		got := s.post("/v1/embeddings", `{"input": ["the cat", "a dog"], "model": "text-embedding-3-small", "encoding_format": "`+c.format+`"}`)
		if err := json.Unmarshal([]byte(got), c.into); err != nil {
			t.Fatal(err)
		}
	}
	if plain.Object != "list" || plain.Model != "a" || len(plain.Data) != 2 || plain.Data[1].Index != 1 ||
		plain.Data[1].Object != "embedding" ||
		!reflect.DeepEqual(plain.Usage, map[string]int{"prompt_tokens": 8, "total_tokens": 8}) {
		t.Errorf("%+v", plain)
	}
	for i := range 2 {
		var numbers []float32
		var text string
		if err := json.Unmarshal(plain.Data[i].Embedding, &numbers); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(packed.Data[i].Embedding, &text); err != nil {
			t.Fatal(err)
		}
		if want := base64.StdEncoding.EncodeToString(littleEndian(nil, numbers)); text != want || len(numbers) != 16 {
			t.Errorf("base64 %s, want %s", text, want)
		}
	}
	p := s.prediction("the cat", "")
	var scores, flags, types []string
	for _, i := range []int{1, 0, 2} { // as encoding/json sorts the labels
		label := string(score.AppendString(nil, s.m.Labels[i]))
		scores = append(scores, label+":"+string(score.AppendFloat(nil, p.Probabilities[i])))
		flags = append(flags, fmt.Sprintf("%s:%t", label, s.m.Predicts(i, p.Probabilities[i])))
		types = append(types, label+`:["text"]`)
	}
	want := fmt.Sprintf(`"model":"a","results":[{"flagged":%t,"categories":{%s},"category_scores":{%s},"category_applied_input_types":{%s}}]}`,
		len(s.m.Predicted(p)) > 0, strings.Join(flags, ","), strings.Join(scores, ","), strings.Join(types, ","))
	var id string
	for _, input := range []string{`"the cat"`, `["the cat"]`, `[{"type": "text", "text": "the cat"}]`,
		`[{"type": "text", "text": "the"},{"type": "text", "text": "cat"}]`} {
		got := s.post("/v1/moderations", `{"input": `+input+`, "model": "omni-moderation-latest"}`)
		if !strings.HasPrefix(got, `{"id":"modr-`) || !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", input, got, want)
		}
		if id != "" && got[:35] != id {
			t.Errorf("%s: another id: %s, %s", input, got[:35], id)
		}
		id = got[:35]
	}
	for body, want := range map[string]string{
		`{"input": [{"type": "image_url"}]}`: `{"error":{"code":null,"message":"a part of type \"image_url\": only text is read",` +
			`"param":"input","type":"invalid_request_error"}}`,
		`{"input": []}`: `{"error":{"code":null,"message":"no texts","param":"input","type":"invalid_request_error"}}`,
	} {
		if r, got := s.send("POST", "/v1/moderations", body); r.StatusCode != 400 || got != want+"\n" {
			t.Errorf("%s: %s %s", body, r.Status, got)
		}
	}
	for _, body := range []string{`{"input": "a", "encoding_format": "hex"}`, `{"input": "a", "dimensions": 4}`} {
		if r, got := s.send("POST", "/v1/embeddings", body); r.StatusCode != 400 {
			t.Errorf("%s: %s %s", body, r.Status, got)
		}
	}
	f := folders(t)
	two := serve(t, Options{Models: []Source{source("a", f["a"]), source("c", f["c"])}})
	if r, got := two.send("POST", "/v1/embeddings", `{"input": "a", "model": "x"}`); r.StatusCode != 404 {
		t.Errorf("a name of none of two models: %s %s", r.Status, got)
	}
}

// Where labels exclude each other the most probable one is flagged, below its threshold too, and no other above its own.
func TestModerationOfOne(t *testing.T) {
	for exactlyOne, want := range map[bool][3]bool{true: {false, true, false}, false: {true, true, false}} {
		m := &loaded{Model: &model.Model{Labels: []string{"a", "b", "c"}, Thresholds: []float32{0.2, 0.5, 0.5}, ExactlyOne: exactlyOne}}
		r := m.moderation([]float32{0.3, 0.7, 0.1})
		if got := [3]bool{r.Categories["a"], r.Categories["b"], r.Categories["c"]}; got != want || !r.Flagged {
			t.Errorf("exactly one %v: %v, want %v", exactlyOne, got, want)
		}
		if r := m.moderation([]float32{0.1, 0.3, 0.2}); r.Flagged != exactlyOne {
			t.Errorf("exactly one %v: flagged is %v", exactlyOne, r.Flagged)
		}
	}
}
