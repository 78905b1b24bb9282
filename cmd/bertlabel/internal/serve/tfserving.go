package serve

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train/score"
)

// addTFServing adds TF Serving's REST API, whose row form of :predict is KServe's first protocol. A verb after a colon cannot be a pattern
// of http.ServeMux, and KServe's client sends the colon as %3A.
func (s *Server) addTFServing() {
	s.add("POST", "/v1/models/{rest...}", tfError, (*call).tfPost)
	s.add("GET", "/v1/models/{rest...}", tfError, (*call).tfGet)
}

// tfError is {"error": "…"}.
func tfError(e *Error) any { return map[string]string{"error": e.Message} }

// tfModel finds a model by the path after /v1/models/: NAME, NAME/versions/N, NAME/labels/L.
func (c *call) tfModel(path string) (*loaded, error) {
	name, rest, _ := strings.Cut(path, "/")
	if unescaped, err := url.PathUnescape(name); err == nil {
		name = unescaped
	}
	m, err := c.s.models.find(name, true)
	if err != nil {
		return nil, err
	}
	switch kind, value, _ := strings.Cut(rest, "/"); {
	case rest == "", strings.EqualFold(kind, "versions") && (value == m.version || value == "0"), // 0 is ovmsclient's word for the newest
		strings.EqualFold(kind, "labels") && (value == "stable" || value == "latest"):
		return m, nil
	}
	return nil, notFound("model %s has the version %s, labels stable and latest; found %.100q", m.name, m.version, rest)
}

// tfPost is :predict, :classify and :explain.
func (c *call) tfPost() error {
	path, verb, _ := strings.Cut(c.r.PathValue("rest"), ":")
	m, err := c.tfModel(path)
	if err != nil {
		return err
	}
	switch strings.ToLower(verb) {
	case "predict":
		return c.tfPredict(m)
	case "classify":
		return c.tfClassify(m)
	case "explain":
		return c.tfExplain(m)
	case "regress":
		return badRequest("", "regress: the model classifies; want :predict, :classify or :explain")
	}
	return notFound("no verb %.50q: there is :predict, :classify and :explain", verb)
}

// tfInstance is one text of :predict: "text", {"b64"}, {"text", "text_pair"}, or the rows of tokens that BERT's exporters take.
type tfInstance struct {
	text model.Text
	ids  *tokenRow
}

// tokenRow is a text as three rows, as they are named in TF1, TF Hub and Hugging Face. Padding is cut off by the mask.
type tokenRow struct{ ids, mask, segments []int32 }

// names of the rows.
var rowNames = map[string]func(*tokenRow) *[]int32{
	"input_ids": (*tokenRow).idsPlace, "input_word_ids": (*tokenRow).idsPlace, "input_mask": (*tokenRow).maskPlace,
	"attention_mask": (*tokenRow).maskPlace, "segment_ids": (*tokenRow).segmentsPlace, "input_type_ids": (*tokenRow).segmentsPlace,
	"token_type_ids": (*tokenRow).segmentsPlace,
}

func (r *tokenRow) idsPlace() *[]int32      { return &r.ids }
func (r *tokenRow) maskPlace() *[]int32     { return &r.mask }
func (r *tokenRow) segmentsPlace() *[]int32 { return &r.segments }

// encoding returns the row without its padding.
func (r *tokenRow) encoding(m *loaded, onLong string) (tokenizer.Encoding, error) {
	n := len(r.ids)
	if r.mask != nil {
		if len(r.mask) != n {
			return tokenizer.Encoding{}, badRequest("", "a mask of %d for %d ids", len(r.mask), n)
		}
		for n > 0 && r.mask[n-1] == 0 {
			n--
		}
		for _, v := range r.mask[:n] {
			if v != 1 {
				return tokenizer.Encoding{}, badRequest("", "a mask with holes is not supported: want ones, then zeros")
			}
		}
	}
	segments := make([]int32, n)
	if r.segments != nil {
		if len(r.segments) < n {
			return tokenizer.Encoding{}, badRequest("", "%d segments for %d tokens", len(r.segments), n)
		}
		segments = r.segments[:n]
	}
	return m.fromIDs(r.ids[:n], segments, onLong)
}

// UnmarshalJSON reads all forms.
func (in *tfInstance) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return unmarshalText(raw, &in.text.A)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return badRequest("instances", "found %s, expected a text or an object", jsonKind(raw))
	}
	for name, value := range members {
		var err error
		switch place := rowNames[name]; {
		case place != nil:
			if in.ids == nil {
				in.ids = &tokenRow{}
			}
			err = json.Unmarshal(value, place(in.ids))
		case name == "text":
			err = unmarshalAny(value, &in.text.A)
		case name == "text_pair":
			err = unmarshalAny(value, &in.text.B)
		case name == "b64" && len(members) == 1:
			err = unmarshalAny(raw, &in.text.A)
		case name != "label_ids" && name != "label_id" && len(members) == 1: // a lone input may have any name
			err = unmarshalAny(value, &in.text.A)
		}
		if err != nil {
			return err
		}
	}
	if in.ids != nil && in.ids.ids == nil {
		return badRequest("instances", "tokens without input_ids")
	}
	return nil
}

// unmarshalAny reads "text" or {"b64": "dGV4dA=="}.
func unmarshalAny(raw []byte, text *string) error {
	var packed struct{ B64 *string }
	if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &packed) == nil && packed.B64 != nil {
		b, err := base64.StdEncoding.DecodeString(*packed.B64)
		switch {
		case err != nil:
			return badRequest("b64", "b64: %v", err)
		case !utf8.Valid(b):
			return badRequest("b64", "b64: a text that is not valid UTF-8")
		}
		*text = string(b)
		return nil
	}
	return unmarshalText(raw, text)
}

// tfColumns are the inputs of the column form: a list of texts, or of each name a list of rows.
type tfColumns []tfInstance

// UnmarshalJSON reads both.
func (l *tfColumns) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '[' {
		return json.Unmarshal(raw, (*[]tfInstance)(l))
	}
	var columns map[string][]json.RawMessage
	if err := json.Unmarshal(raw, &columns); err != nil {
		return badRequest("inputs", "want a list of texts, or a list for each name")
	}
	for name, values := range columns {
		if *l != nil && len(*l) != len(values) {
			return badRequest("inputs", "%s has %d rows, another input has %d", name, len(values), len(*l))
		}
		if *l == nil {
			*l = make(tfColumns, len(values))
		}
	}
	for i := range *l {
		row := map[string]json.RawMessage{}
		for name, values := range columns {
			row[name] = values[i]
		}
		joined, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if err := (*l)[i].UnmarshalJSON(joined); err != nil {
			return err
		}
	}
	return nil
}

// tfRows predicts instances.
func (c *call) tfRows(m *loaded, instances []tfInstance) ([]row, error) {
	if err := c.limit(0); err != nil {
		return nil, err
	}
	encodings, err := c.encodeInstances(m, instances)
	if err != nil {
		return nil, err
	}
	return whole(c.predict(m, encodings))
}

// encodeInstances makes rows of tokens of instances.
func (c *call) encodeInstances(m *loaded, instances []tfInstance) ([]tokenizer.Encoding, error) {
	if err := c.limitTexts(len(instances), "instances"); err != nil {
		return nil, err
	}
	encodings := make([]tokenizer.Encoding, len(instances))
	for i := range instances {
		if row := instances[i].ids; row != nil {
			e, err := row.encoding(m, c.s.OnLong)
			if err != nil {
				return nil, err
			}
			encodings[i] = e
			continue
		}
		one, err := c.encode(m, []model.Text{instances[i].text}, c.s.OnLong)
		if err != nil {
			return nil, err
		}
		encodings[i] = one[0]
	}
	return encodings, nil
}

// tfFloats is a list of numbers that all look like floats: 1.0, not 1.
type tfFloats []float32

// MarshalJSON writes it.
func (l tfFloats) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, v := range l {
		if i > 0 {
			b = append(b, ',')
		}
		at := len(b)
		if b = score.AppendFloat(b, v); !strings.ContainsAny(string(b[at:]), ".e") {
			b = append(b, ".0"...)
		}
	}
	return append(b, ']'), nil
}

// tfPredict answers "instances" with "predictions", and "inputs" with "outputs".
func (c *call) tfPredict(m *loaded) error {
	var instances []tfInstance
	var columns tfColumns
	var signature string
	if err := c.decode(map[string]any{"instances": &instances, "inputs": &columns, "signature_name": &signature}, false); err != nil {
		return err
	}
	if (instances == nil) == (columns == nil) {
		return badRequest("instances", `want either "instances" or "inputs"`)
	}
	name := "predictions"
	if columns != nil {
		name, instances = "outputs", columns
	}
	rows, err := c.tfRows(m, instances)
	if err != nil {
		return err
	}
	list := make([]tfFloats, len(rows))
	for i := range rows {
		list[i] = rows[i].probabilities
	}
	return c.object(map[string]any{name: list})
}

// tfClassify answers "examples" with pairs of label and probability, in the order of the labels.
func (c *call) tfClassify(m *loaded) error {
	var instances []tfInstance
	var signature string
	var context json.RawMessage
	err := c.decode(map[string]any{"examples": &instances, "signature_name": &signature, "context": &context}, false)
	if err != nil {
		return err
	}
	rows, err := c.tfRows(m, instances)
	if err != nil {
		return err
	}
	type pair [2]any
	results := make([][]pair, len(rows))
	for i := range rows {
		for l, p := range rows[i].probabilities {
			results[i] = append(results[i], pair{m.Labels[l], tfFloat(p)})
		}
	}
	return c.object(map[string]any{"results": results})
}

// tfFloat is one of them.
type tfFloat float32

// MarshalJSON writes it.
func (v tfFloat) MarshalJSON() ([]byte, error) {
	b, err := tfFloats{float32(v)}.MarshalJSON()
	return b[1 : len(b)-1], err
}

// tfGet is the model, as all protocols that ask /v1/models/NAME for it want it; the state of a version; or the metadata.
func (c *call) tfGet() error {
	path := c.r.PathValue("rest")
	if m, err := c.s.models.find(path, false); err == nil {
		return c.object(c.info(m))
	}
	path, metadata := strings.CutSuffix(path, "/metadata")
	if !metadata && !strings.Contains(path, "/") {
		return notFound("no model %.100q: there is %s", path, c.s.models.names())
	}
	m, err := c.tfModel(path)
	if err != nil {
		return err
	}
	if !metadata {
		return c.object(map[string]any{"model_version_status": c.info(m).Status})
	}
	type dim struct {
		Size string `json:"size"`
		Name string `json:"name"`
	}
	tensor := func(name, kind string, sizes ...string) map[string]any {
		dims := []dim{}
		for _, s := range sizes {
			dims = append(dims, dim{Size: s})
		}
		return map[string]any{"dtype": kind, "tensor_shape": map[string]any{"dim": dims, "unknown_rank": false}, "name": name + ":0"}
	}
	signature := map[string]any{
		"inputs": map[string]any{"input_ids": tensor("input_ids", "DT_INT32", "-1", "-1"), "input_mask": tensor("input_mask", "DT_INT32",
			"-1", "-1"),
			"segment_ids": tensor("segment_ids", "DT_INT32", "-1", "-1")},
		"outputs":     map[string]any{"probabilities": tensor("probabilities", "DT_FLOAT", "-1", strconv.Itoa(len(m.Labels)))},
		"method_name": "tensorflow/serving/predict",
	}
	return c.object(map[string]any{
		"model_spec": map[string]any{"name": m.name, "signature_name": "", "version": m.version},
		"metadata":   map[string]any{"signature_def": map[string]any{"signature_def": map[string]any{"serving_default": signature}}},
	})
}
