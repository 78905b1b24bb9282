package serve

import (
	"fmt"
	"runtime"
	"slices"
	"time"
	"weak"

	"bertlabel/asm/machine"
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/queue"
)

// Memory is the most that a server holds, in bytes, by what it is for. Garbage and connections come on top.
type Memory struct {
	Weights  int64 // of every encoder that is in use, those of models that were replaced and still answer among them
	Passes   int64 // through them, on all threads
	Cache    int64
	Requests int64 // bodies, rows, and what becomes of them: Options.MaxBodies
	Explain  int64 // of the largest model
}

// Sum is all of it.
func (m Memory) Sum() int64 { return m.Weights + m.Passes + m.Cache + m.Requests + m.Explain }

// parts are the names in metrics, with their bytes.
func (m Memory) parts() map[string]int64 {
	return map[string]int64{"weights": m.Weights, "passes": m.Passes, "cache": m.Cache, "requests": m.Requests, "explain": m.Explain}
}

func (m Memory) String() string {
	s := fmt.Sprintf("%v: weights %v, passes %v, cache %v, requests %v", machine.Bytes(m.Sum()), machine.Bytes(m.Weights),
		machine.Bytes(m.Passes), machine.Bytes(m.Cache), machine.Bytes(m.Requests))
	if m.Explain > 0 {
		s += fmt.Sprintf(", explanations %v", machine.Bytes(m.Explain))
	}
	return s
}

// MemoryError says that a model has no room beside what there is.
type MemoryError struct {
	Need  Memory // with the model
	Limit int64
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("the server would hold up to %v; the memory budget is %v (--max-memory, less with --cache, --max-bodies and "+
		"--precision int8)", e.Need, machine.Bytes(e.Limit))
}

// Memory returns what the server may come to hold.
func (s *Server) Memory() Memory {
	m := Memory{Weights: s.models.weights(), Cache: s.Cache, Requests: s.bodies.Total() + s.rows.Total()}
	seen := map[*bert.Model]bool{}
	for _, slot := range s.models.slots {
		l := slot.now.Load()
		if l == nil {
			continue
		}
		if s.Explain {
			m.Explain = max(m.Explain, l.explainMemory())
		}
		if !seen[l.Encoder] {
			seen[l.Encoder] = true
			m.Passes += l.passesMemory()
		}
	}
	return m
}

// Used returns the bytes of the cache, of requests and of rows that are in use now.
func (s *Server) Used() int64 {
	used := s.bodies.Used() + s.rows.Used()
	if s.cache != nil {
		used += s.cache.Bytes()
	}
	return used
}

// admit refuses so many bytes beside what there is. Models that nobody uses any more are given up before.
func (s *Server) admit(bytes int) error {
	fits := func() error {
		m := s.Memory()
		if m.Weights += int64(bytes); s.MaxMemory > 0 && m.Sum() > s.MaxMemory {
			return &MemoryError{m, s.MaxMemory}
		}
		return nil
	}
	err := fits()
	if err != nil {
		runtime.GC()
		err = fits()
	}
	return err
}

// weights returns the bytes of the encoders that are in use.
func (ms *models) weights() (bytes int64) {
	ms.counting.Lock()
	defer ms.counting.Unlock()
	ms.encoders = slices.DeleteFunc(ms.encoders, func(p weak.Pointer[bert.Model]) bool {
		encoder := p.Value()
		if encoder != nil {
			bytes += int64(encoder.WeightsMemory())
		}
		return encoder == nil
	})
	return bytes
}

// count takes an encoder that was opened.
func (ms *models) count(encoder *bert.Model) {
	ms.counting.Lock()
	defer ms.counting.Unlock()
	if p := weak.Make(encoder); !slices.Contains(ms.encoders, p) {
		ms.encoders = append(ms.encoders, p)
	}
}

// passesMemory is that of all poolings that were asked for.
func (l *loaded) passesMemory() (bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.engines {
		bytes += int64(l.queue.Memory(e.target))
	}
	return bytes
}

// explainMemory is that of an explainer: its kernels, and a pass forward and back through all layers.
func (l *loaded) explainMemory() int64 {
	if l.Head == nil {
		return 0
	}
	tokens := max(explainTokens, l.MaxSeqLength)
	config := l.Encoder.Config
	pass, err := l.Encoder.Memory(bert.TrainerOptions{Pooling: l.Pooling, Layers: config.NumHiddenLayers},
		bert.BatchSize{Tokens: tokens, Texts: tokens / 2, Longest: l.MaxSeqLength}, 1)
	if err != nil {
		return 0 // a pooling that has no gradient has no explanations either
	}
	return int64(model.ExplainerMemory(config) + pass.Activations + pass.Workspace)
}

// bodyWait is how long a request waits for the memory of others.
const bodyWait = time.Second

// claim takes bytes of Server.bodies until the request is answered.
func (c *call) claim(bytes int64) error {
	b := c.s.bodies
	if c.claimed+bytes > b.Total() {
		return &Error{Status: 413, Message: fmt.Sprintf("the request takes %d bytes of memory, all together may take %d: send fewer texts",
			c.claimed+bytes, b.Total())}
	}
	if err := b.Claim(c.r.Context(), bytes, bodyWait); err != nil {
		return err
	}
	c.claimed += bytes
	return nil
}

// release gives bytes back before the request is answered.
func (c *call) release(bytes int64) {
	c.claimed -= bytes
	c.s.bodies.Release(bytes)
}

// Bytes of a text beside those of the queue: places in lists, and the characters of an answer.
const (
	textOverhead  = 512
	labelOverhead = 2*4 + 40 // logit and probability; "label":0.123456789, a few times
	valueOverhead = 12       // of an embedding
)

// textMemory is what a text takes from its tokens to its answer: its labels, or its vector.
func (l *loaded) textMemory(e *engine, tokens int, labels bool) int64 {
	answer := valueOverhead * e.width
	if labels {
		answer = labelOverhead * len(l.Labels)
	}
	return int64(textOverhead + e.target.TextMemory(tokens) + answer)
}

// claimTexts takes the memory of texts.
func (c *call) claimTexts(l *loaded, e *engine, tokens, texts int) error {
	return c.claim(int64(texts)*l.textMemory(e, 0, c.scores) + int64(8*tokens))
}

// Bytes of a token that is shown, with its characters in an answer that grows, and of a word that is looked for.
const (
	tokenMemory = 256
	wordMemory  = 64
)

// claimTokens takes the memory of showing the tokens of a text, of which so many are left out.
func (c *call) claimTokens(tokens, cut int) error {
	return c.claim(int64(tokens)*(tokenMemory+wordMemory) + int64(cut)*wordMemory)
}

// The memory of a stream: what it has always, buffers and its first rows; beyond, what Server.rows has.
const streamLeast = 128 << 10

// share takes the memory of a stream.
func (c *call) share() (*queue.Share, error) {
	return c.s.rows.NewShare(c.r.Context(), streamLeast, bodyWait)
}
