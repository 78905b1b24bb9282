package serve

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train/score"
)

// What the APIs of other servers share. Members that we do not know are passed over and named in X-Bertlabel-Ignored; those that would
// change the numbers, and that we cannot honour, are refused.

// number is a float32 in the form of bertlabel predict: the shortest that gives it back.
type number float32

// MarshalJSON writes it.
func (n number) MarshalJSON() ([]byte, error) { return score.AppendFloat(nil, float32(n)), nil }

// vector is a list of numbers.
type vector []float32

// MarshalJSON writes it.
func (v vector) MarshalJSON() ([]byte, error) { return score.AppendVector(nil, v), nil }

// labelled is a label with its score.
type labelled struct {
	Score number `json:"score"`
	Label string `json:"label"`
}

// ranked returns the labels of a model with their scores, best first, at most k of them unless k is 0.
func ranked(m *loaded, scores []float32, k int) []labelled {
	all := make([]labelled, len(scores))
	for i, s := range scores {
		all[i] = labelled{number(s), m.Labels[i]}
	}
	slices.SortStableFunc(all, func(a, b labelled) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	if k > 0 {
		all = all[:min(k, len(all))]
	}
	return all
}

// item is a text, or a text as token ids.
type item struct {
	text string
	ids  []int32
}

// items are what embeddings are asked of: "x", ["x", "y"], [1, 2] (one text), [[1, 2], [3]].
type items []item

// UnmarshalJSON reads all four forms.
func (l *items) UnmarshalJSON(raw []byte) error {
	if len(raw) == 0 || raw[0] != '[' {
		*l = make(items, 1)
		return unmarshalText(raw, &(*l)[0].text)
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	if len(parts) > 0 && parts[0][0] != '"' && parts[0][0] != '[' {
		*l = make(items, 1)
		return json.Unmarshal(raw, &(*l)[0].ids)
	}
	*l = make(items, len(parts))
	for i, part := range parts {
		var err error
		if part[0] == '[' {
			err = json.Unmarshal(part, &(*l)[i].ids)
		} else {
			err = unmarshalText(part, &(*l)[i].text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// encodeItems tokenises them. Ids get [CLS] and [SEP] unless they begin with [CLS].
func (c *call) encodeItems(m *loaded, all items, onLong string) ([]tokenizer.Encoding, error) {
	encodings := make([]tokenizer.Encoding, len(all))
	for i := range all {
		if all[i].ids != nil {
			e, err := m.fromIDs(all[i].ids, nil, onLong)
			if err != nil {
				return nil, err
			}
			encodings[i] = e
			continue
		}
		one, err := c.encode(m, []model.Text{{A: all[i].text}}, onLong)
		if err != nil {
			return nil, err
		}
		encodings[i] = one[0]
	}
	return encodings, nil
}

// fromIDs makes a row of tokens of ids that a client has. segments may be nil.
func (m *loaded) fromIDs(ids, segments []int32, onLong string) (e tokenizer.Encoding, err error) {
	vocab := m.Tokenizer.Vocab()
	for _, id := range ids {
		if id < 0 || int(id) >= vocab.Size() {
			return e, badRequest("", "token id %d: the vocabulary has %d", id, vocab.Size())
		}
	}
	empty := m.EncodeOne(model.Text{}) // [CLS] [SEP]
	first, last := empty.IDs[0], empty.IDs[len(empty.IDs)-1]
	if segments == nil && (len(ids) == 0 || ids[0] != first) {
		ids = append(append([]int32{first}, ids...), last)
	}
	if segments == nil {
		segments = make([]int32, len(ids))
	}
	switch {
	case len(ids) == 0:
		return e, badRequest("", "a row without tokens")
	case len(segments) != len(ids):
		return e, badRequest("", "%d segments for %d tokens", len(segments), len(ids))
	case slices.ContainsFunc(segments, func(s int32) bool { return s != 0 && s != 1 }):
		return e, badRequest("", "a segment that is neither 0 nor 1")
	case len(ids) > m.MaxSeqLength && onLong == "error":
		return e, &Error{Status: http.StatusUnprocessableEntity, Message: fmt.Sprintf("%d tokens, and the model takes %d", len(ids),
			m.MaxSeqLength)}
	case len(ids) > m.MaxSeqLength:
		e.Cut = len(ids) - m.MaxSeqLength
		ids, segments = slices.Clone(ids[:m.MaxSeqLength]), segments[:m.MaxSeqLength]
		ids[len(ids)-1] = last
	}
	e.IDs, e.Segments = ids, segments
	return e, nil
}

// embedItems returns a vector of each item, its first width values, of length 1 if asked.
func (c *call) embedItems(m *loaded, all items, onLong string, width int, normalize bool) ([]vector, error) {
	if err := c.limitTexts(len(all), "input"); err != nil {
		return nil, err
	}
	encodings, err := c.encodeItems(m, all, onLong)
	if err != nil {
		return nil, err
	}
	rows, err := whole(c.features(m, m.Pooling, encodings))
	if err != nil {
		return nil, err
	}
	vectors := make([]vector, len(rows))
	for i := range rows {
		if vectors[i] = rows[i].feature[:width]; normalize {
			vectors[i] = unit(vectors[i])
		}
	}
	return vectors, nil
}

// unit returns x/‖x‖; x itself where that is 0.
func unit(x []float32) vector {
	var square float64
	for _, v := range x {
		square += float64(v) * float64(v)
	}
	if square == 0 {
		return x
	}
	y, norm := make(vector, len(x)), math.Sqrt(square)
	for i, v := range x {
		y[i] = float32(float64(v) / norm)
	}
	return y
}

// dimensions returns how many values of a vector a client gets: the width of the model, or fewer if Options.AllowDimensions says that
// the model was trained for that (Kusupati et al. 2022, arXiv:2205.13147). asked is nil for all.
func (c *call) dimensions(m *loaded, asked *int) (int, error) {
	width, err := m.Encoder.PoolingWidth(bert.Pooling(m.Pooling))
	switch {
	case err != nil || asked == nil || *asked == width:
		return width, err
	case *asked < 1 || *asked > width:
		return 0, badRequest("dimensions", "dimensions %d: the model has %d", *asked, width)
	case !c.s.AllowDimensions:
		return 0, badRequest("dimensions", "dimensions %d: the model has %d, and what part of them says is not known "+
			"(--allow-dimensions, for a model that was trained for it)", *asked, width)
	}
	return *asked, nil
}
