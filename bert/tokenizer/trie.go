package tokenizer

import (
	"cmp"
	"slices"
	"strings"
)

// WordPiece cuts a word into the longest pieces that the vocabulary has, from left to right; pieces inside a word begin with ## in the
// vocabulary. Written plainly (reference.wordPieces in reference_test.go is this, and the tests hold the tokenizer to it):
//
//	for start, prefix := 0, ""; start < len(word); prefix = "##" {
//		end := len(word)
//		for end > start && !vocabulary[prefix+word[start:end]] {
//			end--
//		}
//		if end == start {
//			return "[UNK]" // for the whole word
//		}
//		pieces = append(pieces, prefix+word[start:end])
//		start = end
//	}
//
// That tries every length of every rest of a word, and makes a string for each. The trie below walks a rest once, byte by byte, and
// remembers the last place where a token ended: longest is the inner loop, and it makes no string.

// trie is a double-array trie over bytes (Aoe 1989, "An efficient digital search algorithm by using a double-array structure").
// A node is known by its base; the node below it for the byte c, if there is one, is the unit at base + c. A unit holds
//
//	bits 0–7    c, the byte that leads here; 0 in a unit that is free
//	bits 8–31   id + 1 of the token that ends here; 0 if none does
//	bits 32–63  the base of this node; 0 if it is a leaf
//
// No two nodes have the same base, so c tells whose child a unit is. The byte 0 leads nowhere: no text has it after cleaning.
type trie struct {
	units []uint64
	start uint32 // the base of the root: a word begins here
	inner uint32 // the base of the node "##": its later pieces begin here
}

const (
	byteMask  = 1<<8 - 1
	idShift   = 8
	idMask    = 1<<24 - 1
	baseShift = 32
)

// longest returns the longest token below the node with this base that word begins with: its id and its length in bytes, 0 if
// there is none. Tokens and words are valid UTF-8, so a match never ends inside of a character.
func (t *trie) longest(base uint32, word []byte) (id int32, n int) {
	for i, c := range word {
		u := t.units[base+uint32(c)]
		if byte(u) != c {
			break
		}
		if end := u >> idShift & idMask; end != 0 {
			id, n = int32(end)-1, i+1
		}
		base = uint32(u >> baseShift)
	}
	return id, n
}

// find returns the id of a token.
func (t *trie) find(token string) (id int32, ok bool) {
	id, n := t.longest(t.start, []byte(token))
	return id, n > 0 && n == len(token)
}

// newTrie indexes the tokens by id. Of equal tokens the last counts; empty ones and those with a byte 0 are left out.
func newTrie(tokens []string) trie {
	b := trieBuilder{tokens: tokens, units: make([]uint64, 1+byteMask), taken: make([]bool, 1)}
	for id, token := range tokens {
		if token != "" && strings.IndexByte(token, 0) < 0 {
			b.order = append(b.order, int32(id))
		}
	}
	slices.SortFunc(b.order, func(i, j int32) int {
		return cmp.Or(cmp.Compare(tokens[i], tokens[j]), cmp.Compare(i, j))
	})
	b.units[0] = byteMask // the root: no base + 255 is 0, so it is nobody's child
	b.node(0, 0, len(b.order), 0)
	t := trie{units: b.units, start: uint32(b.units[0] >> baseShift)}
	t.inner = t.base("##")
	return t
}

// base returns the base of the node that prefix leads to, 0 if there is none or it is a leaf.
func (t *trie) base(prefix string) uint32 {
	base := t.start
	for i := range len(prefix) {
		u := t.units[base+uint32(prefix[i])]
		if byte(u) != prefix[i] {
			return 0
		}
		base = uint32(u >> baseShift)
	}
	return base
}

// trieBuilder places the nodes depth first.
type trieBuilder struct {
	tokens []string
	order  []int32 // ids, sorted by token and then by id
	units  []uint64
	taken  []bool // by base
	from   int    // the first unit that place looks at
	end    int    // the last unit in use
}

// node fills in the unit of the node at the given depth that has below it the tokens order[lo:hi].
func (b *trieBuilder) node(unit, lo, hi, depth int) {
	for ; lo < hi && len(b.tokens[b.order[lo]]) == depth; lo++ { // tokens that end here: the last one stays
		b.units[unit] = b.units[unit]&byteMask | uint64(b.order[lo]+1)<<idShift
	}
	if lo == hi {
		return
	}
	base := b.place(b.labels(lo, hi, depth))
	b.units[unit] |= uint64(base) << baseShift
	for lo < hi {
		c, first := b.tokens[b.order[lo]][depth], lo
		for lo < hi && b.tokens[b.order[lo]][depth] == c {
			lo++
		}
		b.node(base+int(c), first, lo, depth+1)
	}
}

// labels returns the distinct bytes at the given depth of order[lo:hi].
func (b *trieBuilder) labels(lo, hi, depth int) (labels []byte) {
	for _, id := range b.order[lo:hi] {
		if c := b.tokens[id][depth]; len(labels) == 0 || c != labels[len(labels)-1] {
			labels = append(labels, c)
		}
	}
	return labels
}

// place finds a base of which all children's units are free, the first of at most 256 that it tries, else the one after all
// units in use, and takes the units. What it tried in vain moves the place where the next search begins, so that the searches
// together take time linear in the number of units.
func (b *trieBuilder) place(labels []byte) (base int) {
	base = max(1, b.from-int(labels[0]))
	for tries := 0; !b.fits(base, labels); tries++ {
		if tries == 256 {
			base = b.end + 1
			break
		}
		if base++; tries%4 == 3 {
			b.from++
		}
	}
	if n := base + 1 + byteMask; n > len(b.units) {
		b.units = append(b.units, make([]uint64, n-len(b.units))...)
	}
	if n := base + 1; n > len(b.taken) {
		b.taken = append(b.taken, make([]bool, n-len(b.taken))...)
	}
	b.taken[base] = true
	for _, c := range labels {
		b.units[base+int(c)] = uint64(c)
		b.end = max(b.end, base+int(c))
	}
	return base
}

// fits reports whether a new node can have this base.
func (b *trieBuilder) fits(base int, labels []byte) bool {
	if base < len(b.taken) && b.taken[base] {
		return false
	}
	return !slices.ContainsFunc(labels, func(c byte) bool {
		unit := base + int(c)
		return unit < len(b.units) && b.units[unit] != 0
	})
}
