package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train/score"
)

// addOwn adds bertlabel's own API.
func (s *Server) addOwn() {
	s.add("POST", "/v1/predict", ownError, (*call).ownPredict)
	if !s.NoGet {
		s.add("GET", "/v1/predict", ownError, (*call).ownGet)
	}
	s.add("POST", "/v1/embed", ownError, (*call).ownEmbed)
	s.add("POST", "/v1/tokenize", ownError, (*call).ownTokenize)
	explain := (*call).noExplain
	if s.Explain {
		explain = (*call).ownExplain
	}
	s.add("POST", "/v1/explain", ownError, explain)
	s.add("GET", "/v1/models", ownError, (*call).listModels)
}

// texts are the members that all requests with texts share.
type texts struct {
	text    *textValue
	pair    textValue
	list    []input
	models  oneOrMore[string]
	onLong  string
	timeout float64
}

// fields are the places of the members.
func (t *texts) fields(more map[string]any) map[string]any {
	fields := map[string]any{"text": &t.text, "text_pair": &t.pair, "texts": &t.list, "model": &t.models, "on_long": &t.onLong,
		"timeout_ms": &t.timeout}
	for name, place := range more {
		fields[name] = place
	}
	return fields
}

// read settles what the members mean together.
func (t *texts) read(c *call) (err error) {
	switch {
	case t.text != nil && t.list != nil:
		return badRequest("texts", `both "text" and "texts"`)
	case t.text == nil && t.list == nil:
		return badRequest("text", `neither "text" nor "texts"`)
	case t.text == nil && t.pair != "":
		return badRequest("text_pair", `"text_pair" goes with "text"`)
	case t.text != nil:
		t.list = []input{{Text: model.Text{A: string(*t.text), B: string(t.pair)}}}
	}
	if len(t.models) == 0 {
		t.models = []string{""}
	}
	if len(t.models) > len(c.s.models.slots) {
		return badRequest("model", "%d models: there are %d", len(t.models), len(c.s.models.slots))
	}
	if err := c.limitTexts(len(t.list), "texts"); err != nil {
		return err
	}
	if t.onLong, err = c.onLong(t.onLong); err != nil {
		return err
	}
	return c.limit(t.timeout)
}

func (t *texts) plain() (all []model.Text) {
	for _, in := range t.list {
		all = append(all, in.Text)
	}
	return all
}

// predictForm says what a prediction shows.
type predictForm struct {
	threshold thresholds
	topK      int
	logits    bool
}

// thresholds is a number for all labels, or {"label": number}.
type thresholds struct {
	all     *float32
	byLabel map[string]float32
}

// UnmarshalJSON reads both forms.
func (t *thresholds) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '{' {
		return json.Unmarshal(raw, &t.byLabel)
	}
	return json.Unmarshal(raw, &t.all)
}

// of returns the model with the labels and thresholds that a line is written with.
func (t *thresholds) of(m *loaded) (*model.Model, error) {
	lines := &model.Model{Labels: m.Labels, Thresholds: append([]float32(nil), m.Thresholds...)}
	check := func(v float32) error {
		if !(v >= 0 && v <= 1) {
			return badRequest("threshold", "threshold %v: want 0 to 1", v)
		}
		return nil
	}
	if t.all != nil {
		for i := range lines.Thresholds {
			lines.Thresholds[i] = *t.all
		}
		return lines, check(*t.all)
	}
	for label, v := range t.byLabel {
		i := m.label(label)
		if i < 0 {
			return nil, badRequest("threshold", "threshold: the model has no label %.100q", label)
		}
		if lines.Thresholds[i] = v; check(v) != nil {
			return nil, check(v)
		}
	}
	return lines, nil
}

// label returns the place of a label, −1 if there is none.
func (m *loaded) label(name string) int {
	for i, label := range m.Labels {
		if label == name {
			return i
		}
	}
	return -1
}

// ownPredict answers {"text"} or {"texts"} with predictions, and rows with rows.
func (c *call) ownPredict() error {
	if format := streamFormat(c.mediaType()); format != "" {
		return c.stream(format, streamPredict)
	}
	var t texts
	var form predictForm
	err := c.decode(t.fields(map[string]any{"threshold": &form.threshold, "top_k": &form.topK, "logits": &form.logits}), true)
	if err == nil {
		err = t.read(c)
	}
	if err != nil {
		return err
	}
	return c.predictions(&t, &form)
}

// predictions writes {"model", "digest", "predictions": […]}; of several models {"results": […]} of such objects.
func (c *call) predictions(t *texts, form *predictForm) error {
	if form.topK < 0 {
		return badRequest("top_k", "top_k %d: want 1 or more", form.topK)
	}
	var b bytes.Buffer
	if len(t.models) > 1 {
		b.WriteString(`{"results":[`)
	}
	var before shared
	for i, name := range t.models {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := c.predictionsOf(&b, name, t, form, &before); err != nil {
			return err
		}
	}
	if len(t.models) > 1 {
		b.WriteString("]}")
	}
	b.WriteByte('\n')
	return c.json(&b)
}

// shared is what the models of one request can have in common: the features of models over one encoder are computed once.
type shared struct {
	key      string
	features []row
}

func (c *call) predictionsOf(b *bytes.Buffer, name string, t *texts, form *predictForm, before *shared) error {
	m, err := c.s.models.find(name, false)
	if err != nil {
		return err
	}
	lines, err := form.threshold.of(m)
	if err != nil {
		return err
	}
	rows, err := c.predictShared(m, t, before)
	if err != nil {
		return err
	}
	line := score.Line{TopK: form.topK, Logits: form.logits}
	out := m.opening(b.AvailableBuffer(), "predictions")
	for i := range rows {
		if i > 0 {
			out = append(out, ',')
		}
		out = c.prediction(out, line, lines, &t.list[i], &rows[i])
	}
	b.Write(append(out, "]}"...))
	return nil
}

// predictShared is encode and predict, without the features where the model before had the same.
func (c *call) predictShared(m *loaded, t *texts, before *shared) ([]row, error) {
	key := fmt.Sprintf("%s %d %s %s", m.key(m.Pooling), m.MaxSeqLength, m.Windows, m.WindowPooling)
	if before.key == key && m.Head != nil {
		return c.scoreAgain(m, before.features)
	}
	encodings, err := c.encode(m, t.plain(), t.onLong)
	if err != nil {
		return nil, err
	}
	rows, err := whole(c.predict(m, encodings))
	*before = shared{key, rows}
	return rows, err
}

// scoreAgain returns rows of features with another head.
func (c *call) scoreAgain(m *loaded, features []row) ([]row, error) {
	rows := make([]row, len(features))
	for i, f := range features {
		n := len(m.Labels)
		rows[i] = row{feature: f.feature, windows: f.windows, encoding: f.encoding, logits: make([]float32, n), probabilities: make([]float32, n)}
		if err := m.score(&rows[i]); err != nil {
			return nil, fmt.Errorf("text %d: %w", i, err)
		}
		c.s.m.labelled(m, rows[i].probabilities)
	}
	return rows, nil
}

// opening begins an answer: {"model":"m","digest":"…","name":[
func (m *loaded) opening(dst []byte, name string) []byte {
	dst = score.AppendString(append(dst, `{"model":`...), m.name)
	return append(append(append(append(append(dst, `,"digest":"`...), m.digest...), `","`...), name...), `":[`...)
}

// prediction appends a prediction: the line of bertlabel predict, and what the model read.
func (c *call) prediction(dst []byte, line score.Line, lines *model.Model, in *input, r *row) []byte {
	dst = append(dst, '{')
	if in.id != nil {
		dst = append(append(append(dst, `"id":`...), in.id...), ',')
	}
	at := len(dst)
	dst = line.Append(dst, lines, &score.Row{Prediction: model.Prediction{Logits: r.logits, Probabilities: r.probabilities}})
	dst = append(dst[:at], dst[at+1:len(dst)-2]...) // without the { and the }\n of the line
	return appendTokens(dst, &r.encoding)
}

func appendTokens(dst []byte, e *tokenizer.Encoding) []byte {
	dst = strconv.AppendInt(append(dst, `,"tokens":`...), int64(e.Kept()), 10)
	return append(strconv.AppendInt(append(dst, `,"cut_tokens":`...), int64(e.Cut), 10), '}')
}

// ownGet is a prediction of one text under an address, with an ETag: the same bits come from the same model, so what a cache has is right
// as long as the digest is.
func (c *call) ownGet() error {
	query := c.r.URL.Query()
	for name := range query {
		switch name {
		case "text", "text_pair", "model", "threshold", "top_k", "logits", "on_long", "digest":
		default:
			return badRequest(name, "unknown parameter %.100q", name)
		}
	}
	for _, name := range []string{"text", "text_pair"} {
		if !utf8.ValidString(query.Get(name)) {
			return badRequest(name, "%s is not valid UTF-8", name)
		}
	}
	m, err := c.s.models.find(query.Get("model"), false)
	if err != nil {
		return err
	}
	control := "private, max-age=0, must-revalidate"
	if want := query.Get("digest"); want != "" {
		if !strings.HasPrefix(m.digest, want) || len(want) < 12 {
			return &Error{Status: http.StatusPreconditionFailed, Field: "digest", Message: "the model has the digest " + m.digest}
		}
		control = "private, max-age=31536000, immutable"
	}
	sum := sha256.Sum256([]byte(c.r.URL.RawQuery))
	tag := `"` + m.digest[:12] + "-" + hex.EncodeToString(sum[:8]) + `"`
	h := c.w.Header()
	if c.s.now() != starting && matches(c.r.Header.Get("If-None-Match"), tag) {
		h.Set("ETag", tag)
		h.Set("Cache-Control", control)
		c.code, c.wrote = http.StatusNotModified, true
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	t, form, err := readQuery(query)
	if err == nil {
		err = t.read(c)
	}
	if err != nil {
		return err
	}
	t.models = []string{m.name}
	h.Set("ETag", tag)
	h.Set("Cache-Control", control)
	if err := c.predictions(t, form); err != nil {
		h.Del("ETag")
		h.Del("Cache-Control")
		return err
	}
	return nil
}

// matches tells whether an If-None-Match names a tag.
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimPrefix(strings.TrimSpace(part), "W/"); part == tag || part == "*" {
			return true
		}
	}
	return false
}

// readQuery reads what a body of /v1/predict has from parameters.
func readQuery(query url.Values) (*texts, *predictForm, error) {
	t, form := &texts{onLong: query.Get("on_long"), pair: textValue(query.Get("text_pair"))}, &predictForm{}
	if query.Has("text") {
		text := textValue(query.Get("text"))
		t.text = &text
	}
	return t, form, form.readQuery(query)
}

func (f *predictForm) readQuery(query url.Values) (err error) {
	if v := query.Get("threshold"); query.Has("threshold") {
		number, err := strconv.ParseFloat(v, 32)
		if err != nil {
			return badRequest("threshold", "threshold %.50q is no number", v)
		}
		all := float32(number)
		f.threshold.all = &all
	}
	if v := query.Get("top_k"); query.Has("top_k") {
		if f.topK, err = strconv.Atoi(v); err != nil || f.topK < 1 {
			return badRequest("top_k", "top_k %.50q: want 1 or more", v)
		}
	}
	if v := query.Get("logits"); query.Has("logits") {
		if f.logits, err = strconv.ParseBool(v); err != nil {
			return badRequest("logits", "logits %.50q: want true or false", v)
		}
	}
	return nil
}

// ownEmbed answers texts with their features.
func (c *call) ownEmbed() error {
	if format := streamFormat(c.mediaType()); format != "" {
		return c.stream(format, streamEmbed)
	}
	var t texts
	var pooling string
	err := c.decode(t.fields(map[string]any{"pooling": &pooling}), true)
	if err == nil {
		err = t.read(c)
	}
	if err != nil {
		return err
	}
	if len(t.models) > 1 {
		return badRequest("model", "embeddings are of one model")
	}
	m, p, err := c.embedder(t.models[0], pooling)
	if err != nil {
		return err
	}
	encodings, err := c.encode(m, t.plain(), t.onLong)
	if err != nil {
		return err
	}
	rows, err := whole(c.features(m, p, encodings))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	out := m.opening(nil, "embeddings")
	for i := range rows {
		if i > 0 {
			out = append(out, ',')
		}
		out = score.AppendVector(out, rows[i].feature)
	}
	b.Write(append(out, "]}\n"...))
	return c.json(&b)
}

// embedder returns a model, and a pooling of it: its own where none is named.
func (c *call) embedder(name, pooling string) (*loaded, bert.Pooling, error) {
	m, err := c.s.models.find(name, false)
	if err != nil {
		return nil, "", err
	}
	switch pooling {
	case "":
		return m, m.Pooling, nil
	case "cls", "mean", "pooled": // each is an engine with memory of its own, so not every layer is to be had
		return m, bert.Pooling(pooling), nil
	}
	return nil, "", badRequest("pooling", "pooling %.50q: want cls, mean or pooled", pooling)
}

// token is a word piece of a text.
type token struct {
	ID      int32  `json:"id"`
	Token   string `json:"token"`
	Start   *int   `json:"start"` // bytes of the text, or of text_pair after the first [SEP]; null of [CLS] and [SEP]
	End     *int   `json:"end"`
	special bool
}

// tokens returns those of a text with their places. A word's pieces all have the place of the word.
func (m *loaded) tokens(text model.Text, e *tokenizer.Encoding) []token {
	list := make([]token, len(e.IDs))
	for i, id := range e.IDs {
		list[i] = token{ID: id, Token: m.Tokenizer.Token(id), special: true}
	}
	at, separator := 1, firstSeparator(e) // after [CLS]
	for part, s := range []string{text.A, text.B} {
		for _, w := range m.Tokenizer.Words(s) {
			for range w.Pieces {
				if at < len(list)-1 && int(e.Segments[at]) == part && !(part == 0 && at == separator) {
					start, end := w.Start, w.End
					list[at].Start, list[at].End, list[at].special = &start, &end, false
					at++
				}
			}
		}
		at = separator + 1
	}
	return list
}

// firstSeparator returns the place of the [SEP] after the first text.
func firstSeparator(e *tokenizer.Encoding) int {
	for i, s := range e.Segments {
		if s == 1 {
			return i - 1
		}
	}
	return len(e.IDs) - 1
}

// ownTokenize answers texts with their word pieces.
func (c *call) ownTokenize() error {
	var t texts
	if err := c.decode(t.fields(nil), true); err != nil {
		return err
	}
	if err := t.read(c); err != nil {
		return err
	}
	m, err := c.s.models.find(t.models[0], false)
	if err != nil {
		return err
	}
	encodings, err := c.encode(m, t.plain(), t.onLong)
	if err != nil {
		return err
	}
	answer := struct {
		Model  string    `json:"model"`
		Digest string    `json:"digest"`
		Tokens [][]token `json:"tokens"`
		Cut    []int     `json:"cut_tokens"`
	}{Model: m.name, Digest: m.digest}
	for i := range encodings {
		whole, _ := encodings[i].Whole()
		if err := c.claimTokens(len(whole.IDs), encodings[i].Cut); err != nil {
			return err
		}
		answer.Tokens = append(answer.Tokens, m.tokens(t.list[i].Text, &whole))
		answer.Cut = append(answer.Cut, encodings[i].Cut)
	}
	return c.object(answer)
}

// object answers with an object as JSON.
func (c *call) object(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return c.json(&b)
}

// modelInfo is the object of a model for the clients of OpenAI, KServe and TF Serving at once: they ask the same path, and pass over the
// members of the others.
type modelInfo struct {
	ID         string             `json:"id"`
	Object     string             `json:"object"`
	Created    int64              `json:"created"`
	OwnedBy    string             `json:"owned_by"`
	Name       string             `json:"name"`
	Ready      bool               `json:"ready"`
	Status     []versionStatus    `json:"model_version_status"`
	Digest     string             `json:"digest"`
	Labels     []string           `json:"labels"`
	Thresholds map[string]float32 `json:"thresholds"`
	MaxTokens  int                `json:"max_input_tokens"`         // of a row
	Windows    string             `json:"windows,omitempty"`        // rows that a text may have, where they are several
	Joined     string             `json:"window_pooling,omitempty"` // how what is said of these becomes what is said of the text
	Precision  string             `json:"precision"`
	Embeddings string             `json:"embeddings_precision"`
}

type versionStatus struct {
	Version string `json:"version"`
	State   string `json:"state"`
	Status  struct {
		Code    string `json:"error_code"`
		Message string `json:"error_message"`
	} `json:"status"`
}

func (c *call) info(m *loaded) modelInfo {
	i := modelInfo{ID: m.name, Object: "model", Created: m.since.Unix(), OwnedBy: "bertlabel", Name: m.name, Ready: c.s.now() == ready,
		Digest: m.digest, Labels: append([]string{}, m.Labels...), Thresholds: map[string]float32{}, MaxTokens: m.MaxSeqLength,
		Precision: m.Precision().String(), Embeddings: m.Encoder.EmbeddingsPrecision().String(),
		Status: []versionStatus{{Version: m.version, State: "AVAILABLE"}}}
	i.Status[0].Status.Code = "OK"
	if m.Windows.Several() {
		i.Windows, i.Joined = m.Windows.MostText(), m.WindowPooling.String()
	}
	for l, label := range m.Labels {
		i.Thresholds[label] = m.Thresholds[l]
	}
	return i
}

// listModels is GET /v1/models, for OpenAI's clients and KServe's.
func (c *call) listModels() error {
	type entry struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}
	answer := struct {
		Object string   `json:"object"`
		Data   []entry  `json:"data"`
		Models []string `json:"models"`
	}{Object: "list", Data: []entry{}, Models: c.s.models.names()}
	for _, name := range answer.Models {
		m, err := c.s.models.find(name, false)
		if err != nil {
			return err
		}
		answer.Data = append(answer.Data, entry{name, "model", m.since.Unix(), "bertlabel"})
	}
	return c.object(answer)
}
