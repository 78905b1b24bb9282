package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/queue"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
)

// call is a request on its way.
type call struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	route *route

	start, deadline time.Time
	flow, scope     string // who sends it; whom it may share a cache with
	bulk            bool   // asked for
	claimed         int64  // bytes of Server.bodies
	scores          bool   // labels are the answer, not vectors

	code  int
	wrote bool
	class queue.Class
	ran   timing
	texts []string // for the access log
}

// timing is what the texts of a request took.
type timing struct {
	texts, tokens, cutTexts, cut int
	hits, joins, misses          int
	tokenising, queued, pass     time.Duration
}

// row is what becomes of a text.
type row struct {
	feature               []float32 // [width]; nobody may change it
	windows               []float32 // of a text whose windows are scored one by one (noisy-or), their features, [windows·width]; else nil
	logits, probabilities []float32 // [labels]
	encoding              tokenizer.Encoding
	err                   error
}

// encode tokenises texts for a model, and refuses what it may not cut.
func (c *call) encode(m *loaded, texts []model.Text, onLong string) ([]tokenizer.Encoding, error) {
	start := time.Now()
	all := make([]tokenizer.Encoding, len(texts))
	for i, t := range texts {
		if i%16 == 15 && c.r.Context().Err() != nil {
			return nil, c.r.Context().Err()
		}
		all[i] = m.EncodeOne(t)
		if all[i].Cut > 0 && onLong == "error" {
			return nil, &Error{Status: http.StatusUnprocessableEntity, Message: fmt.Sprintf(
				"text %d has %d tokens, and the model takes %d with [CLS] and [SEP]", i, all[i].Kept()+all[i].Cut, m.limit(&all[i]))}
		}
	}
	c.ran.tokenising += time.Since(start)
	if c.s.LogTexts {
		for _, t := range texts {
			c.texts = append(c.texts, t.A)
		}
	}
	return all, nil
}

// features returns those of texts by a pooling of a model, in rows. The windows of long texts go through cache and queue by themselves.
func (c *call) features(m *loaded, pooling bert.Pooling, texts []tokenizer.Encoding) ([]row, error) {
	c.note(m, texts)
	windows, first := model.Separate(texts)
	rows, err := c.sequences(m, pooling, windows)
	if err != nil || len(windows) == len(texts) {
		return rows, err
	}
	return m.join(pooling, texts, rows, first)
}

// join makes rows of texts from those of their windows, of which text i has [first[i], first[i+1]). A text has the first error of them.
func (l *loaded) join(pooling bert.Pooling, texts []tokenizer.Encoding, windows []row, first []int) ([]row, error) {
	width, err := l.Encoder.PoolingWidth(pooling)
	if err != nil {
		return nil, err
	}
	rows := make([]row, len(texts))
	for i := range texts {
		r, parts := &rows[i], windows[first[i]:first[i+1]]
		if *r = parts[0]; len(parts) == 1 {
			continue
		}
		r.encoding, r.feature = texts[i], nil
		features := tensor.New(len(parts), width)
		for w, part := range parts {
			copy(features.Row(w), part.feature)
			if r.err == nil {
				r.err = part.err
			}
		}
		if r.err == nil && l.WindowPooling == model.NoisyOr {
			r.windows = features.Data
		}
		if r.err == nil {
			r.feature = make([]float32, width)
			if err := l.JoinSeparate(r.feature, &texts[i], features, pooling); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// score sets logits and probabilities of a row that has its feature, [labels] both.
func (l *loaded) score(r *row) error {
	if r.windows != nil {
		return l.ScoreRow(r.windows, r.logits, r.probabilities)
	}
	return l.ScoreRow(r.feature, r.logits, r.probabilities)
}

// limit returns how many tokens of such a text the model reads.
func (l *loaded) limit(e *tokenizer.Encoding) int {
	if e.Sequences() > 1 {
		return l.Lengths().Tokens()
	}
	return l.MaxSeqLength
}

// sequences returns the features of texts of one row each.
func (c *call) sequences(m *loaded, pooling bert.Pooling, texts []tokenizer.Encoding) ([]row, error) {
	e, err := m.engine(pooling)
	if err != nil {
		return nil, err
	}
	rows, missing := make([]row, len(texts)), []int(nil)
	keys := make([]queue.Key, len(texts))
	request := queue.Request{Target: e.target, Flow: c.flow, Scope: c.scope, Deadline: c.deadline}
	tokens, cached := 0, c.cached()
	for i := range texts {
		rows[i].encoding = texts[i]
		tokens += len(texts[i].IDs)
		if cached {
			keys[i] = queue.NewKey(e.key, c.scope, &texts[i])
			rows[i].feature = c.s.cache.Get(keys[i])
		}
		if rows[i].feature == nil {
			missing, request.Texts = append(missing, i), append(request.Texts, texts[i])
		}
	}
	if err := c.claimTexts(m, e, tokens, len(texts)); err != nil {
		return nil, err
	}
	request.Class = c.classOf(len(texts), tokens)
	c.class = request.Class
	result := &queue.Result{}
	if len(missing) > 0 { // what the cache has is answered under overload, too
		if result, err = c.s.queue.Do(c.r.Context(), request); err != nil {
			return nil, err
		}
	}
	for k, i := range missing {
		if rows[i].err = result.Errors[k]; rows[i].err == nil {
			if rows[i].feature = result.Features.Row(k); cached {
				c.s.cache.Put(keys[i], rows[i].feature)
			}
		}
	}
	c.took(result, len(texts)-len(missing), len(missing))
	return rows, nil
}

// classOf settles whether somebody waits for the texts.
func (c *call) classOf(texts, tokens int) queue.Class {
	if c.bulk || texts > 32 || tokens > 512 {
		return queue.Bulk
	}
	return queue.Interactive
}

// cached tells whether the client has nothing against the cache.
func (c *call) cached() bool {
	control := c.r.Header.Get("Cache-Control")
	return c.s.cache != nil && !strings.Contains(control, "no-store") && !strings.Contains(control, "no-cache")
}

// note counts texts that a model reads.
func (c *call) note(m *loaded, texts []tokenizer.Encoding) {
	tokens, cutTexts, cut := 0, 0, 0
	for i := range texts {
		if tokens += len(texts[i].IDs); texts[i].Cut > 0 {
			cutTexts, cut = cutTexts+1, cut+texts[i].Cut
		}
	}
	r := &c.ran
	r.texts, r.tokens, r.cutTexts, r.cut = r.texts+len(texts), r.tokens+tokens, r.cutTexts+cutTexts, r.cut+cut
	c.s.m.read(m, len(texts), tokens, cutTexts, cut)
}

// took counts what the queue did.
func (c *call) took(result *queue.Result, hits, misses int) {
	r := &c.ran
	r.queued, r.pass = max(r.queued, result.Queued), max(r.pass, result.Ran)
	r.hits, r.joins, r.misses = r.hits+hits, r.joins+result.Joined, r.misses+misses-result.Joined
	c.s.m.cacheHits.Add(float64(hits))
	c.s.m.cacheMisses.Add(float64(misses - result.Joined))
	c.s.m.cacheJoins.Add(float64(result.Joined))
}

// predict returns logits and probabilities of texts. A text that failed has an error of its own.
func (c *call) predict(m *loaded, texts []tokenizer.Encoding) ([]row, error) {
	if m.Head == nil {
		return nil, badRequest("model", "the model %q has no head: train one, or ask for embeddings", m.name)
	}
	c.scores = true
	rows, err := c.features(m, m.Pooling, texts)
	if err != nil {
		return nil, err
	}
	n := len(m.Labels)
	numbers := make([]float32, 2*n*len(rows))
	for i := range rows {
		r := &rows[i]
		r.logits, r.probabilities = numbers[2*n*i:2*n*i+n:2*n*i+n], numbers[2*n*i+n:2*n*i+2*n:2*n*i+2*n]
		if r.err == nil {
			r.err = m.score(r)
		}
		if r.err == nil {
			c.s.m.labelled(m, r.probabilities)
		}
	}
	return rows, nil
}

// whole returns the first error of rows: an API whose answers have no place for one fails as a whole.
func whole(rows []row, err error) ([]row, error) {
	for i := range rows {
		if e := rows[i].err; e != nil && err == nil {
			err = fmt.Errorf("text %d: %w", i, e)
		}
	}
	return rows, err
}

// json answers with a body that is JSON already.
func (c *call) json(b *bytes.Buffer) error {
	h := c.w.Header()
	h.Set("Server-Timing", c.timing())
	if cache := c.ran.cache(); cache != "" {
		h.Set("X-Bertlabel-Cache", cache)
	}
	c.write(http.StatusOK, "application/json", b.Bytes())
	return nil
}

func (c *call) write(code int, contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.code, c.wrote = code, true
	c.w.WriteHeader(code)
	c.w.Write(body) // an error is that of a client who has left
}

// timing is the Server-Timing header, in ms.
func (c *call) timing() string {
	ms := func(d time.Duration) string { return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64) }
	r := &c.ran
	return "tok;dur=" + ms(r.tokenising) + ", queue;dur=" + ms(r.queued) + ", pass;dur=" + ms(r.pass) +
		", total;dur=" + ms(time.Since(c.start))
}

// cache says where features came from.
func (t *timing) cache() string {
	switch {
	case t.misses > 0:
		return "miss"
	case t.joins > 0:
		return "join"
	case t.hits > 0:
		return "hit"
	}
	return ""
}
