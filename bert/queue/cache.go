package queue

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"bertlabel/bert/tokenizer"
)

// Cache keeps features by the tokens of their texts, at most so many bytes of them; what was asked for longest ago goes first. A text has
// the same bits in every batch, so a feature from here is the one that a pass would make. Its methods may be called by any number of
// goroutines.
type Cache struct {
	shards [cacheShards]shard
}

const (
	cacheShards   = 64
	entryOverhead = 256 // bytes that map, list and slice header take beside a feature, about
)

// Key names a text and who may find it.
type Key [sha256.Size]byte

// NewCache returns a cache of at most so many bytes; of 0 it keeps nothing.
func NewCache(bytes int64) *Cache {
	c := &Cache{}
	for i := range c.shards {
		c.shards[i].free = bytes / cacheShards
	}
	return c
}

// NewKey returns the key of a text. engine names all that decides its feature beside the tokens (model.Fingerprint and the pooling), scope
// who may share it: the time of an answer tells whether a text is known.
func NewKey(engine []byte, scope string, text *tokenizer.Encoding) Key {
	b := make([]byte, 0, 64+len(scope)+8*len(text.IDs))
	b = append(binary.LittleEndian.AppendUint32(b, uint32(len(engine))), engine...)
	b = append(binary.LittleEndian.AppendUint32(b, uint32(len(scope))), scope...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text.IDs)))
	for _, w := range text.Windows { // which of the tokens count
		for _, n := range []int{w.Start, w.End, w.KeptStart, w.KeptEnd} {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
	}
	b = append(b, '.')
	for i, id := range text.IDs {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
		b = append(b, byte(segment(text, i)))
	}
	return sha256.Sum256(b)
}

// Get returns the feature of a key, nil if it is not there. Nobody may change it.
func (c *Cache) Get(k Key) []float32 { return c.shards[k[0]%cacheShards].get(k) }

// Put keeps a copy of a feature.
func (c *Cache) Put(k Key, feature []float32) { c.shards[k[0]%cacheShards].put(k, feature) }

// Bytes returns how many bytes are kept.
func (c *Cache) Bytes() (bytes int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		bytes += s.used
		s.mu.Unlock()
	}
	return bytes
}

// shard is the part of a cache with one lock. order has the key that was asked for last in front.
type shard struct {
	mu         sync.Mutex
	used, free int64
	features   map[Key]*list.Element
	order      list.List
}

type cached struct {
	key     Key
	feature []float32
}

func (c *cached) bytes() int64 { return int64(4*len(c.feature) + entryOverhead) }

func (s *shard) get(k Key) []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.features[k]
	if e == nil {
		return nil
	}
	s.order.MoveToFront(e)
	return e.Value.(*cached).feature
}

func (s *shard) put(k Key, feature []float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := &cached{k, feature}
	n := entry.bytes()
	if s.features[k] != nil || n > s.used+s.free {
		return
	}
	for s.free < n {
		last := s.order.Back()
		old := s.order.Remove(last).(*cached)
		delete(s.features, old.key)
		s.used, s.free = s.used-old.bytes(), s.free+old.bytes()
	}
	if s.features == nil {
		s.features = map[Key]*list.Element{}
	}
	entry.feature = append([]float32(nil), feature...)
	s.features[k] = s.order.PushFront(entry)
	s.used, s.free = s.used+n, s.free-n
}
