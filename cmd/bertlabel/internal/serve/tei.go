package serve

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"bertlabel/bert/model"
)

// addTEI adds the API of text-embeddings-inference, which Hugging Face's client speaks, too, with one difference: it wants the labels of
// one text in a list of lists. It is told by the member "parameters", which it always sends, or by the path.
func (s *Server) addTEI() {
	s.add("POST", "/predict", teiError, (*call).teiPredict)
	for _, path := range []string{"/{$}", "/invocations"} {
		s.add("POST", path, teiError, (*call).teiRoot)
	}
	s.add("POST", "/models/{model}", teiError, (*call).teiPredict)
	for _, path := range []string{"/embed", "/pipeline/feature-extraction/{model}"} {
		s.add("POST", path, teiError, (*call).teiEmbed)
	}
	s.add("POST", "/tokenize", teiError, (*call).teiTokenize)
	s.add("GET", "/info", teiError, (*call).teiInfo)
	for _, path := range []string{"/health", "/ping"} {
		r := s.add("GET", path, teiError, (*call).teiHealth)
		r.open, r.quiet = true, true
	}
}

// teiError is {"error", "error_type"}, with the names of TEI's code.
func teiError(e *Error) any {
	kind := "Validation"
	switch e.Status {
	case http.StatusTooManyRequests:
		kind = "Overloaded"
	case http.StatusServiceUnavailable:
		kind = "Unhealthy"
	case http.StatusInternalServerError, http.StatusGatewayTimeout:
		kind = "Backend"
	case http.StatusUnauthorized:
		kind = "Unauthorized"
	}
	return struct {
		Error string `json:"error"`
		Type  string `json:"error_type"`
	}{e.Message, kind}
}

// teiInputs are texts of /predict: "x" and ["x"] are one text, ["x", "y"] is one *pair*, [["x"], ["y", "z"]] are a text and a pair.
type teiInputs struct {
	texts []model.Text
	batch bool // the answer is a list for each
}

// UnmarshalJSON reads all forms.
func (in *teiInputs) UnmarshalJSON(raw []byte) error {
	var parts []json.RawMessage
	if len(raw) > 0 && raw[0] == '[' {
		if err := json.Unmarshal(raw, &parts); err != nil {
			return err
		}
	}
	if in.batch = len(parts) > 0 && parts[0][0] == '['; !in.batch {
		parts = []json.RawMessage{raw}
	}
	for _, part := range parts {
		var texts oneOrMore[textValue]
		if err := json.Unmarshal(part, &texts); err != nil {
			return err
		}
		switch len(texts) {
		case 1:
			in.texts = append(in.texts, model.Text{A: string(texts[0])})
		case 2:
			in.texts = append(in.texts, model.Text{A: string(texts[0]), B: string(texts[1])})
		default:
			return badRequest("inputs", "a list of %d texts: one text or a pair; a batch is [[text], [text], …]", len(texts))
		}
	}
	return nil
}

// truncation says what becomes of long texts.
type truncation struct {
	truncate  *bool
	direction string
}

func (t *truncation) onLong(c *call) (string, error) {
	switch {
	case t.direction != "" && !strings.EqualFold(t.direction, "right"):
		return "", badRequest("truncation_direction", "texts are cut on the right only")
	case t.truncate == nil:
		return c.s.OnLong, nil
	case *t.truncate:
		return "truncate", nil
	}
	return "error", nil
}

// teiRoot is what the default model is for: labels, or embeddings of one without a head.
func (c *call) teiRoot() error {
	if m, err := c.s.models.find("", true); err == nil && m.Head == nil {
		return c.teiEmbed()
	}
	return c.teiPredict()
}

// teiPredict answers with the labels of each text, best first.
func (c *call) teiPredict() error {
	var in teiInputs
	var cut truncation
	var raw bool
	var hf *struct {
		TopK     int    `json:"top_k"`
		Function string `json:"function_to_apply"`
	}
	err := c.decode(map[string]any{"inputs": &in, "truncate": &cut.truncate, "truncation_direction": &cut.direction, "raw_scores": &raw,
		"parameters": &hf}, false)
	if err != nil {
		return err
	}
	nested, topK := in.batch || hf != nil || c.r.PathValue("model") != "", 0
	if hf != nil {
		if raw, err = rawScores(hf.Function, raw); err != nil {
			return err
		}
		topK = hf.TopK
	}
	if topK < 0 {
		return badRequest("parameters", "top_k %d: want 1 or more", topK)
	}
	m, rows, err := c.teiRows(&in, &cut)
	if err != nil {
		return err
	}
	lists := make([][]labelled, len(rows))
	for i := range rows {
		scores := rows[i].probabilities
		if raw {
			scores = rows[i].logits
		}
		lists[i] = ranked(m, scores, topK)
	}
	c.teiHeaders(in.texts)
	if !nested {
		return c.object(lists[0])
	}
	return c.object(lists)
}

// rawScores tells whether logits are asked for.
func rawScores(function string, raw bool) (bool, error) {
	switch function {
	case "":
		return raw, nil
	case "sigmoid":
		return false, nil
	case "none":
		return true, nil
	case "softmax":
		return false, badRequest("function_to_apply", "softmax: the labels are independent here; want sigmoid or none")
	}
	return false, badRequest("function_to_apply", "function_to_apply %.50q: want sigmoid or none", function)
}

// teiRows predicts the texts of a request.
func (c *call) teiRows(in *teiInputs, cut *truncation) (*loaded, []row, error) {
	if err := c.limitTexts(len(in.texts), "inputs"); err != nil {
		return nil, nil, err
	}
	onLong, err := cut.onLong(c)
	if err == nil {
		err = c.limit(0)
	}
	if err != nil {
		return nil, nil, err
	}
	m, err := c.s.models.find(c.r.PathValue("model"), true)
	if err != nil {
		return nil, nil, err
	}
	encodings, err := c.encode(m, in.texts, onLong)
	if err != nil {
		return nil, nil, err
	}
	rows, err := whole(c.predict(m, encodings))
	return m, rows, err
}

// teiHeaders are TEI's, in whole ms; Server-Timing has fractions.
func (c *call) teiHeaders(texts []model.Text) {
	characters := 0
	for _, t := range texts {
		characters += utf8.RuneCountInString(t.A) + utf8.RuneCountInString(t.B)
	}
	r, h := &c.ran, c.w.Header()
	for name, value := range map[string]int64{
		"X-Compute-Characters": int64(characters), "X-Compute-Tokens": int64(r.tokens), "X-Queue-Time": r.queued.Milliseconds(),
		"X-Tokenization-Time": r.tokenising.Milliseconds(), "X-Inference-Time": r.pass.Milliseconds(),
		"X-Total-Time": (r.tokenising + r.queued + r.pass).Milliseconds(), "X-Compute-Time": (r.tokenising + r.pass).Milliseconds(),
	} {
		h.Set(name, strconv.FormatInt(value, 10))
	}
	h.Set("X-Compute-Type", "cpu")
}

// teiEmbed answers with a list of vectors, of length 1 unless "normalize" is false.
func (c *call) teiEmbed() error {
	var in items
	var cut truncation
	var dimensions *int
	var prompt *string
	normalize := true
	err := c.decode(map[string]any{"inputs": &in, "truncate": &cut.truncate, "truncation_direction": &cut.direction,
		"normalize": &normalize, "dimensions": &dimensions, "prompt_name": &prompt}, false)
	if err == nil && prompt != nil {
		err = badRequest("prompt_name", "the model has no prompts")
	}
	if err != nil {
		return err
	}
	onLong, err := cut.onLong(c)
	if err == nil {
		err = c.limit(0)
	}
	if err != nil {
		return err
	}
	m, err := c.s.models.find(c.r.PathValue("model"), true)
	if err != nil {
		return err
	}
	width, err := c.dimensions(m, dimensions)
	if err != nil {
		return err
	}
	vectors, err := c.embedItems(m, in, onLong, width, normalize)
	if err != nil {
		return err
	}
	c.teiHeaders(nil)
	return c.object(vectors)
}

// teiTokenize answers with the word pieces of texts, whole: nothing is cut.
func (c *call) teiTokenize() error {
	var in oneOrMore[textValue]
	special := true
	if err := c.decode(map[string]any{"inputs": &in, "add_special_tokens": &special}, false); err != nil {
		return err
	}
	if err := c.limitTexts(len(in), "inputs"); err != nil {
		return err
	}
	m, err := c.s.models.find("", true)
	if err != nil {
		return err
	}
	type piece struct {
		ID      int32  `json:"id"`
		Text    string `json:"text"`
		Special bool   `json:"special"`
		Start   *int   `json:"start"`
		Stop    *int   `json:"stop"`
	}
	lists := make([][]piece, len(in))
	for i, text := range in {
		e := m.Tokenizer.Encode(string(text), "", len(text)+2) // a token has a byte or more
		if err := c.claimTokens(len(e.IDs), 0); err != nil {
			return err
		}
		lists[i] = []piece{}
		for _, t := range m.tokens(model.Text{A: string(text)}, &e) {
			if !t.special || special {
				lists[i] = append(lists[i], piece{t.ID, t.Token, t.special, t.Start, t.End})
			}
		}
	}
	return c.object(lists)
}

// teiInfo describes the default model.
func (c *call) teiInfo() error {
	m, err := c.s.models.find("", true)
	if err != nil {
		return err
	}
	names, places := map[string]string{}, map[string]int{}
	for i, label := range m.Labels {
		names[strconv.Itoa(i)], places[label] = label, i
	}
	kind := map[string]any{"embedding": map[string]string{"pooling": string(m.Pooling)}}
	if m.Head != nil {
		kind = map[string]any{"classifier": map[string]any{"id2label": names, "label2id": places}}
	}
	return c.object(map[string]any{
		"model_id": m.name, "served_model_name": m.name, "model_sha": m.digest, "model_dtype": m.Precision().String(), "model_type": kind,
		"max_concurrent_requests": maxConcurrent, "max_input_length": m.MaxSeqLength, "max_batch_tokens": maxBatchTokens,
		"max_batch_requests": nil, "max_client_batch_size": c.s.MaxTexts, "auto_truncate": c.s.OnLong == "truncate",
		"tokenization_workers": c.s.Options.Queue.Threads, "version": c.s.Version, "sha": nil, "docker_label": nil,
	})
}

// What clients of TEI ask of /info and we bound otherwise: connections, and tokens of a pass.
const (
	maxConcurrent  = 1024
	maxBatchTokens = 512
)

func (c *call) teiHealth() error {
	if c.s.serves() != nil {
		return &Error{Status: http.StatusServiceUnavailable, Message: "unhealthy"}
	}
	c.write(http.StatusOK, "text/plain", nil)
	return nil
}
