package serve

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"

	"bertlabel/bert/model"
)

// addOpenAI adds embeddings and moderations of OpenAI's API. Its list of models is in own.go.
func (s *Server) addOpenAI() {
	for _, path := range []string{"/v1/embeddings", "/embeddings"} {
		s.add("POST", path, openAIError, (*call).openAIEmbed)
	}
	s.add("POST", "/v1/moderations", openAIError, (*call).moderate)
}

// openAIError is {"error": {"message", "type", "param", "code"}}.
func openAIError(e *Error) any {
	var param *string
	if e.Field != "" {
		param = &e.Field
	}
	return map[string]any{"error": map[string]any{"message": e.Message, "type": kind(e.Status), "param": param, "code": nil}}
}

// usage counts tokens.
type usage struct {
	Prompt int `json:"prompt_tokens"`
	Total  int `json:"total_tokens"`
}

// openAIEmbed answers with vectors of length 1, as numbers, or as base64 of little-endian float32, which the SDK asks for by itself.
func (c *call) openAIEmbed() error {
	var in items
	var name, format, user string
	var dimensions *int
	err := c.decode(map[string]any{"input": &in, "model": &name, "encoding_format": &format, "dimensions": &dimensions, "user": &user},
		false)
	if err == nil && format != "" && format != "float" && format != "base64" {
		err = badRequest("encoding_format", "encoding_format %.50q: want float or base64", format)
	}
	if err == nil {
		err = c.limit(0)
	}
	if err != nil {
		return err
	}
	m, err := c.s.models.find(name, true)
	if err != nil {
		return err
	}
	width, err := c.dimensions(m, dimensions)
	if err != nil {
		return err
	}
	vectors, err := c.embedItems(m, in, c.s.OnLong, width, true)
	if err != nil {
		return err
	}
	type embedding struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	list := make([]embedding, len(vectors))
	for i, v := range vectors {
		if list[i] = (embedding{"embedding", i, v}); format == "base64" {
			list[i].Embedding = base64.StdEncoding.EncodeToString(littleEndian(nil, v))
		}
	}
	return c.object(map[string]any{"object": "list", "data": list, "model": m.name, "usage": usage{c.ran.tokens, c.ran.tokens}})
}

// littleEndian appends the bytes of float32 values to dst.
func littleEndian(dst []byte, x []float32) []byte {
	for _, v := range x {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// moderated is the input of a moderation: a text, several, or the parts of one.
type moderated []string

// UnmarshalJSON reads all three.
func (l *moderated) UnmarshalJSON(raw []byte) error {
	type part struct {
		Type string    `json:"type"`
		Text textValue `json:"text"`
	}
	if strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(string(raw), "["), " \t\r\n"), "{") {
		var parts oneOrMore[part]
		if err := json.Unmarshal(raw, &parts); err != nil {
			return err
		}
		var all []string
		for _, p := range parts {
			if p.Type != "text" {
				return badRequest("input", "a part of type %.50q: only text is read", p.Type)
			}
			all = append(all, string(p.Text))
		}
		*l = moderated{strings.Join(all, " ")}
		return nil
	}
	var texts oneOrMore[textValue]
	err := json.Unmarshal(raw, &texts)
	for _, t := range texts {
		*l = append(*l, string(t))
	}
	return err
}

// moderate answers with the labels as categories: flagged are those over their thresholds. The id is that of the model and the texts.
func (c *call) moderate() error {
	var in moderated
	var name string
	err := c.decode(map[string]any{"input": &in, "model": &name}, false)
	if err == nil {
		err = c.limitTexts(len(in), "input")
	}
	if err == nil {
		err = c.limit(0)
	}
	if err != nil {
		return err
	}
	m, err := c.s.models.find(name, true)
	if err != nil {
		return err
	}
	texts, hash := make([]model.Text, len(in)), sha256.New()
	hash.Write([]byte(m.digest))
	for i, text := range in {
		texts[i].A = text
		json.NewEncoder(hash).Encode(text) // a hash takes everything
	}
	encodings, err := c.encode(m, texts, c.s.OnLong)
	if err != nil {
		return err
	}
	rows, err := whole(c.predict(m, encodings))
	if err != nil {
		return err
	}
	results := make([]moderation, len(rows))
	for i := range rows {
		results[i] = m.moderation(rows[i].probabilities)
	}
	id := "modr-" + hex.EncodeToString(hash.Sum(nil))[:24]
	return c.object(map[string]any{"id": id, "model": m.name, "results": results})
}

// moderation is what is said of one text.
type moderation struct {
	Flagged    bool                `json:"flagged"`
	Categories map[string]bool     `json:"categories"`
	Scores     map[string]number   `json:"category_scores"`
	Types      map[string][]string `json:"category_applied_input_types"`
}

func (m *loaded) moderation(probabilities []float32) moderation {
	r := moderation{false, map[string]bool{}, map[string]number{}, map[string][]string{}}
	top := m.Top(probabilities)
	for i, p := range probabilities {
		label, over := m.Labels[i], i == top || top < 0 && m.Predicts(i, p)
		r.Flagged = r.Flagged || over
		r.Categories[label], r.Scores[label], r.Types[label] = over, number(p), []string{"text"}
	}
	return r
}
