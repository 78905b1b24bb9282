package serve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"unicode/utf8"

	"bertlabel/bert/tokenizer"
	"bertlabel/train/score"
)

// addOIP adds the Open Inference Protocol (KServe's second, Triton's) over HTTP, with Triton's binary tensors and classification.
func (s *Server) addOIP() {
	for path, member := range map[string]string{"/v2/health/live": "live", "/v2/health/ready": "ready"} {
		r := s.add("GET", path, tfError, func(c *call) error { return c.oipHealth(member) })
		r.open, r.quiet = true, true
	}
	s.add("GET", "/v2", tfError, func(c *call) error {
		return c.object(map[string]any{"name": "bertlabel", "version": s.Version, "extensions": []string{"binary_tensor_data",
			"classification"}})
	})
	s.add("GET", "/v2/models", tfError, func(c *call) error { return c.object(map[string]any{"models": s.models.names()}) })
	s.add("POST", "/v2/repository/index", tfError, (*call).oipIndex)
	for _, path := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		s.add("GET", path, tfError, (*call).oipMetadata)
		s.add("GET", path+"/ready", tfError, (*call).oipReady)
		s.add("POST", path+"/infer", tfError, (*call).infer)
	}
}

// oipHealth answers {"live": true} and {"ready": true, "live": true}.
func (c *call) oipHealth(member string) error {
	answer, healthy := map[string]bool{"live": true}, c.s.Live
	if member == "ready" {
		answer["ready"], healthy = true, c.s.serves
	}
	if err := healthy(); err != nil {
		return err
	}
	return c.object(answer)
}

func (c *call) oipIndex() error {
	type entry struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		State   string `json:"state"`
	}
	list := []entry{}
	for _, slot := range c.s.models.slots {
		if m := slot.now.Load(); m != nil {
			list = append(list, entry{m.name, m.version, "READY"})
		}
	}
	return c.object(list)
}

// oipModel finds the model of a path.
func (c *call) oipModel() (*loaded, error) {
	m, err := c.s.models.find(c.r.PathValue("model"), true)
	if v := c.r.PathValue("version"); err == nil && v != "" && v != m.version {
		err = notFound("model %s has the version %s, not %.50q", m.name, m.version, v)
	}
	return m, err
}

func (c *call) oipReady() error {
	m, err := c.oipModel()
	if err == nil {
		err = c.s.serves()
	}
	if err != nil {
		return err
	}
	return c.object(map[string]any{"name": m.name, "ready": true})
}

func (c *call) oipMetadata() error {
	m, err := c.oipModel()
	if err != nil {
		return err
	}
	type described struct {
		Name     string `json:"name"`
		Datatype string `json:"datatype"`
		Shape    []int  `json:"shape"`
	}
	answer := struct {
		Name     string      `json:"name"`
		Versions []string    `json:"versions"`
		Platform string      `json:"platform"`
		Inputs   []described `json:"inputs"`
		Outputs  []described `json:"outputs"`
	}{m.name, []string{m.version}, "bertlabel", []described{{"text", "BYTES", []int{-1}}}, nil}
	for _, output := range []string{"probabilities", "logits", "embedding"} {
		width, err := m.width(output)
		if err != nil {
			continue // without a head
		}
		answer.Outputs = append(answer.Outputs, described{output, "FP32", []int{-1, width}})
	}
	return c.object(answer)
}

// width returns the columns of an output.
func (m *loaded) width(output string) (int, error) {
	switch {
	case output == "embedding":
		return m.Encoder.PoolingWidth(m.Pooling)
	case (output == "probabilities" || output == "logits") && m.Head != nil:
		return len(m.Labels), nil
	}
	return 0, badRequest("outputs", "no output %.100q: there are probabilities, logits and embedding", output)
}

// tensorIn is an input tensor.
type tensorIn struct {
	Name       string          `json:"name"`
	Shape      []int           `json:"shape"`
	Datatype   string          `json:"datatype"`
	Data       json.RawMessage `json:"data"`
	Parameters struct {
		Size *int `json:"binary_data_size"`
	} `json:"parameters"`

	binary []byte
}

// tensorOut is a requested output.
type tensorOut struct {
	Name       string `json:"name"`
	Parameters struct {
		Classification int  `json:"classification"`
		Binary         bool `json:"binary_data"`
	} `json:"parameters"`
}

// inferRequest is the JSON part of a request.
type inferRequest struct {
	id         string
	inputs     []tensorIn
	outputs    []tensorOut
	parameters struct {
		Binary   bool    `json:"binary_data_output"`
		Priority int     `json:"priority"`
		Timeout  float64 `json:"timeout"` // µs
	}
}

const lengthHeader = "Inference-Header-Content-Length" // bytes of the JSON before the binary tensors

// infer answers texts or rows of tokens with probabilities, logits and embeddings.
func (c *call) infer() error {
	m, err := c.oipModel()
	if err != nil {
		return err
	}
	q, err := c.readInfer()
	if err != nil {
		return err
	}
	if err := c.limit(q.parameters.Timeout / 1000); err != nil {
		return err
	}
	c.bulk = c.bulk || q.parameters.Priority > 1
	if len(q.outputs) == 0 {
		q.outputs = make([]tensorOut, 1)
		q.outputs[0].Name, q.outputs[0].Parameters.Binary = "probabilities", q.parameters.Binary
	}
	head := false
	for _, o := range q.outputs {
		if _, err := m.width(o.Name); err != nil {
			return err
		}
		head = head || o.Name != "embedding"
	}
	encodings, err := c.oipTexts(m, q.inputs)
	if err != nil {
		return err
	}
	var rows []row
	if head {
		rows, err = whole(c.predict(m, encodings))
	} else {
		rows, err = whole(c.features(m, m.Pooling, encodings))
	}
	if err != nil {
		return err
	}
	return c.writeInfer(m, q, rows)
}

// readInfer reads a request with its binary tensors.
func (c *call) readInfer() (*inferRequest, error) {
	if t := c.mediaType(); t != "" && t != "application/json" && t != "application/octet-stream" {
		return nil, &Error{Status: http.StatusUnsupportedMediaType, Message: fmt.Sprintf("the content type %q: want application/json", t)}
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	var rest []byte
	if header := c.r.Header.Get(lengthHeader); header != "" {
		n, err := strconv.Atoi(header)
		if err != nil || n < 0 || n > len(body) {
			return nil, badRequest(lengthHeader, "%s %.50q: the body has %d bytes", lengthHeader, header, len(body))
		}
		body, rest = body[:n], body[n:]
	}
	q := &inferRequest{}
	err = c.decodeBytes(body, map[string]any{"id": &q.id, "inputs": &q.inputs, "outputs": &q.outputs, "parameters": &q.parameters}, false)
	if err != nil {
		return nil, err
	}
	for i := range q.inputs {
		in := &q.inputs[i]
		if size := in.Parameters.Size; size != nil {
			if *size < 0 || *size > len(rest) || in.Data != nil {
				return nil, badRequest(in.Name, "input %s: binary_data_size %d, and the body has %d bytes left", in.Name, *size, len(rest))
			}
			in.binary, rest = rest[:*size], rest[*size:]
		}
	}
	if len(rest) > 0 {
		return nil, badRequest("", "%d bytes after the last binary tensor", len(rest))
	}
	return q, nil
}

// oipTexts makes rows of tokens of the inputs: a tensor of texts (its name is free), perhaps "text_pair", or the three tensors of ids.
func (c *call) oipTexts(m *loaded, inputs []tensorIn) ([]tokenizer.Encoding, error) {
	var texts, pairs []string
	var rows []tokenRow
	for i := range inputs {
		in := &inputs[i]
		place := rowNames[in.Name]
		switch {
		case in.Datatype == "BYTES":
			list, err := in.strings()
			if err != nil {
				return nil, err
			}
			if in.Name == "text_pair" {
				pairs = list
			} else if texts == nil {
				texts = list
			} else {
				return nil, badRequest(in.Name, "two tensors of texts: want one, and perhaps text_pair")
			}
		case place != nil:
			lists, err := in.integers()
			if err != nil {
				return nil, err
			}
			if rows == nil {
				rows = make([]tokenRow, len(lists))
			}
			if len(rows) != len(lists) {
				return nil, badRequest(in.Name, "input %s has %d rows, another one %d", in.Name, len(lists), len(rows))
			}
			for r := range lists {
				*place(&rows[r]) = lists[r]
			}
		default:
			return nil, badRequest(in.Name, "input %.100q of type %.20q: want BYTES, or input_ids, attention_mask, token_type_ids", in.Name,
				in.Datatype)
		}
	}
	if pairs != nil && len(pairs) != len(texts) || (texts == nil) == (rows == nil) {
		return nil, badRequest("inputs", "want a tensor of texts, or one of ids; text_pair is as long as the texts")
	}
	instances := make([]tfInstance, max(len(texts), len(rows)))
	for i := range instances {
		if rows != nil {
			instances[i].ids = &rows[i]
			continue
		}
		if instances[i].text.A = texts[i]; pairs != nil {
			instances[i].text.B = pairs[i]
		}
	}
	return c.encodeInstances(m, instances)
}

// elements returns how many elements the shape has; its last axis may be 1, or the length of rows.
func (in *tensorIn) elements() (rows, columns int, err error) {
	switch {
	case len(in.Shape) == 1 && in.Shape[0] >= 0:
		return in.Shape[0], 1, nil
	case len(in.Shape) == 2 && in.Shape[0] >= 0 && in.Shape[1] >= 0 && (in.Shape[1] == 0 || in.Shape[0] <= math.MaxInt32/in.Shape[1]):
		return in.Shape[0], in.Shape[1], nil
	}
	return 0, 0, badRequest(in.Name, "input %s: shape %v, want [n] or [n, m]", in.Name, in.Shape)
}

// strings returns the texts of a tensor: flat or nested JSON, or each after its length.
func (in *tensorIn) strings() (list []string, err error) {
	rows, columns, err := in.elements()
	if err != nil {
		return nil, err
	}
	if in.binary != nil {
		for rest := in.binary; len(rest) > 0; {
			if len(rest) < 4 || uint64(len(rest)-4) < uint64(binary.LittleEndian.Uint32(rest)) {
				return nil, badRequest(in.Name, "input %s: a text is longer than the tensor", in.Name)
			}
			n := 4 + int(binary.LittleEndian.Uint32(rest))
			list, rest = append(list, string(rest[4:n])), rest[n:]
		}
	} else if err := flatten(in.Data, func(raw json.RawMessage) error {
		var text string
		defer func() { list = append(list, text) }()
		return unmarshalText(raw, &text)
	}); err != nil {
		return nil, jsonError(in.Data, in.Name, err)
	}
	if columns != 1 || len(list) != rows {
		return nil, badRequest(in.Name, "input %s: %d texts for the shape %v, want [n] or [n, 1]", in.Name, len(list), in.Shape)
	}
	for _, text := range list {
		if !utf8.ValidString(text) {
			return nil, badRequest(in.Name, "input %s: a text that is not valid UTF-8", in.Name)
		}
	}
	return list, nil
}

// integers returns the rows of a tensor of ids.
func (in *tensorIn) integers() ([][]int32, error) {
	rows, columns, err := in.elements()
	if err != nil {
		return nil, err
	}
	width := map[string]int{"INT32": 4, "INT64": 8}[in.Datatype]
	if width == 0 || len(in.Shape) != 2 {
		return nil, badRequest(in.Name, "input %s: %s of shape %v, want INT32 or INT64 of [n, tokens]", in.Name, in.Datatype, in.Shape)
	}
	var flat []int32
	if in.binary != nil {
		for rest := in.binary; len(rest) >= width; rest = rest[width:] {
			v := int64(int32(binary.LittleEndian.Uint32(rest)))
			if width == 8 {
				v = int64(binary.LittleEndian.Uint64(rest))
			}
			flat = append(flat, int32(min(max(v, math.MinInt32), math.MaxInt32))) // no vocabulary goes as far
		}
	} else if err := flatten(in.Data, func(raw json.RawMessage) error {
		var v int32
		defer func() { flat = append(flat, v) }()
		return json.Unmarshal(raw, &v)
	}); err != nil {
		return nil, badRequest(in.Name, "input %s: %v", in.Name, err)
	}
	if len(flat) != rows*columns || in.binary != nil && len(in.binary) != width*len(flat) {
		return nil, badRequest(in.Name, "input %s: %d numbers for the shape %v", in.Name, len(flat), in.Shape)
	}
	lists := make([][]int32, rows)
	for r := range lists {
		lists[r] = flat[r*columns : (r+1)*columns : (r+1)*columns]
	}
	return lists, nil
}

// flatten calls each for the elements of a list, or of a list of lists.
func flatten(raw json.RawMessage, each func(json.RawMessage) error) error {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	for _, element := range list {
		var err error
		if element[0] == '[' {
			var inner []json.RawMessage
			if err = json.Unmarshal(element, &inner); err == nil {
				for _, e := range inner {
					if err = each(e); err != nil {
						break
					}
				}
			}
		} else {
			err = each(element)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// outTensor is an output tensor of an answer.
type outTensor struct {
	Name       string         `json:"name"`
	Shape      []int          `json:"shape"`
	Datatype   string         `json:"datatype"`
	Data       any            `json:"data,omitempty"`
	Parameters map[string]int `json:"parameters,omitempty"`
}

// writeInfer writes the outputs, binary ones after the JSON.
func (c *call) writeInfer(m *loaded, q *inferRequest, rows []row) error {
	answer := struct {
		Model   string      `json:"model_name"`
		Version string      `json:"model_version"`
		ID      string      `json:"id,omitempty"`
		Outputs []outTensor `json:"outputs"`
	}{m.name, m.version, q.id, []outTensor{}}
	var packed []byte
	for _, o := range q.outputs {
		out, bytes, err := m.output(&o, rows)
		if err != nil {
			return err
		}
		if o.Parameters.Binary {
			out.Data, out.Parameters = nil, map[string]int{"binary_data_size": len(bytes)}
			packed = append(packed, bytes...)
		}
		answer.Outputs = append(answer.Outputs, out)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer); err != nil {
		return err
	}
	if packed == nil {
		return c.json(&b)
	}
	h := c.w.Header()
	h.Set(lengthHeader, strconv.Itoa(b.Len()))
	h.Set("Server-Timing", c.timing())
	c.write(http.StatusOK, "application/octet-stream", append(b.Bytes(), packed...))
	return nil
}

// output makes a tensor of rows, and its bytes. A classification is "value:index:label" of the best k.
func (m *loaded) output(o *tensorOut, rows []row) (outTensor, []byte, error) {
	width, err := m.width(o.Name)
	if err != nil {
		return outTensor{}, nil, err
	}
	var flat vector
	var classes []string
	k := min(o.Parameters.Classification, width)
	if k < 0 || k > 0 && o.Name == "embedding" {
		return outTensor{}, nil, badRequest("outputs", "classification %d of %s", o.Parameters.Classification, o.Name)
	}
	for i := range rows {
		values := map[string][]float32{"probabilities": rows[i].probabilities, "logits": rows[i].logits, "embedding": rows[i].feature}[o.Name]
		if k == 0 {
			flat = append(flat, values...)
			continue
		}
		for _, l := range ranked(m, values, k) {
			classes = append(classes, fmt.Sprintf("%s:%d:%s", score.AppendFloat(nil, float32(l.Score)), m.label(l.Label), l.Label))
		}
	}
	if k == 0 {
		return outTensor{Name: o.Name, Shape: []int{len(rows), width}, Datatype: "FP32", Data: flat}, littleEndian(nil, flat), nil
	}
	var packed []byte
	for _, class := range classes {
		packed = append(binary.LittleEndian.AppendUint32(packed, uint32(len(class))), class...)
	}
	return outTensor{Name: o.Name, Shape: []int{len(rows), k}, Datatype: "BYTES", Data: classes}, packed, nil
}
