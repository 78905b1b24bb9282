package datacmd

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"bertlabel/bert/tokenizer"
	"bertlabel/train/data"
)

// checkedTokens is what a vocabulary makes of the texts of a file.
type checkedTokens struct {
	tokenLengths
	Unknown unknownWords `json:"unknown"`
	Casing  casing       `json:"casing"`
}

// tokenLengths describes the lengths of texts in tokens, with [CLS] and [SEP].
type tokenLengths struct {
	Mean         float64 `json:"mean"`
	P50          int     `json:"p50"`
	P90          int     `json:"p90"`
	P95          int     `json:"p95"`
	P99          int     `json:"p99"`
	Max          int     `json:"max"`
	MaxSeqLength int     `json:"max_seq_length"`
	Cut          int     `json:"cut"` // texts with more tokens than that
	CutShare     float64 `json:"cut_share"`
}

// unknownWords counts what the vocabulary has no pieces for.
type unknownWords struct {
	Tokens int         `json:"tokens"` // [UNK] among them all
	Share  float64     `json:"share"`  // of the tokens of texts, without [CLS] and [SEP]
	Texts  int         `json:"texts"`  // that have one
	Words  []wordCount `json:"words"`  // the most frequent first
}

type wordCount struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

// casing compares the letters of the texts with those of the vocabulary.
type casing struct {
	LowerCase   bool    `json:"do_lower_case"`
	CasedPieces float64 `json:"cased_pieces"` // share of the vocabulary that has an upper-case letter
	Letters     int     `json:"texts_with_letters"`
	WithUpper   int     `json:"texts_with_upper_case"`
	AllUpper    int     `json:"texts_in_capitals"` // of at least capitalLetters letters
}

const (
	mostUnknown    = 20 // unknown words that are listed
	capitalLetters = 5  // a text of fewer letters, all of them capitals, is an abbreviation
)

// checkTokens looks at a file through the vocabulary; nil without one.
func (c *dataCheck) checkTokens(set *data.Dataset) *checkedTokens {
	tok := c.tok
	if tok == nil {
		return nil
	}
	lengths, texts := make([]int, set.Rows()), make([]int, set.Rows()) // with [CLS] and [SEP], and without
	var ids, segments []int32
	words := unknownCounter{tok: tok, count: map[string]int{}}
	words.id, _ = tok.Vocab().ID("[UNK]")
	for i, text := range set.Texts {
		ids, segments, _ = tok.AppendEncode(ids[:0], segments[:0], text, set.Pair(i), 0)
		lengths[i] = len(ids)
		texts[i] = len(ids) - 2 - int(segments[len(segments)-1]) // a second text has a [SEP] of its own
		words.add(ids, text, set.Pair(i))
	}
	return &checkedTokens{newTokenLengths(lengths, c.MaxSeqLength), words.result(texts), checkCasing(tok, set)}
}

// newTokenLengths sorts n.
func newTokenLengths(n []int, limit int) tokenLengths {
	slices.Sort(n)
	sum, cut := 0, 0
	for _, length := range n {
		sum += length
		if length > limit {
			cut++
		}
	}
	percentile := func(p int) int { return n[(p*len(n)+99)/100-1] } // nearest rank
	return tokenLengths{
		Mean: float64(sum) / float64(len(n)), P50: percentile(50), P90: percentile(90), P95: percentile(95), P99: percentile(99),
		Max:          n[len(n)-1],
		MaxSeqLength: limit, Cut: cut, CutShare: float64(cut) / float64(len(n)),
	}
}

// unknownCounter finds the words that have become [UNK].
type unknownCounter struct {
	tok           *tokenizer.Tokenizer
	id            int32
	tokens, texts int
	count         map[string]int
}

// add takes the ids of a row and its texts.
func (u *unknownCounter) add(ids []int32, texts ...string) {
	if !slices.Contains(ids, u.id) {
		return
	}
	u.texts++
	for _, text := range texts {
		for _, word := range u.tok.BasicTokenize(text) {
			if ids := u.tok.AppendIDs(nil, word); len(ids) == 1 && ids[0] == u.id {
				u.tokens++
				u.count[word]++
			}
		}
	}
}

func (u *unknownCounter) result(lengths []int) unknownWords {
	r := unknownWords{Tokens: u.tokens, Texts: u.texts, Words: []wordCount{}}
	all := 0
	for _, n := range lengths {
		all += n
	}
	if all > 0 {
		r.Share = float64(u.tokens) / float64(all)
	}
	for word, n := range u.count {
		r.Words = append(r.Words, wordCount{word, n})
	}
	slices.SortFunc(r.Words, func(a, b wordCount) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Word, b.Word)) })
	r.Words = r.Words[:min(len(r.Words), mostUnknown)]
	return r
}

// checkCasing counts the texts by their letters. Letters of scripts without case do not count.
func checkCasing(tok *tokenizer.Tokenizer, set *data.Dataset) casing {
	c := casing{LowerCase: tok.Options().LowerCase, CasedPieces: tok.Vocab().CasedShare()}
	for i, text := range set.Texts {
		upper, lower := 0, 0
		for _, r := range text + set.Pair(i) {
			switch {
			case unicode.IsUpper(r):
				upper++
			case unicode.IsLower(r):
				lower++
			}
		}
		if upper+lower > 0 {
			c.Letters++
		}
		if upper > 0 {
			c.WithUpper++
		}
		if lower == 0 && upper >= capitalLetters {
			c.AllUpper++
		}
	}
	return c
}
