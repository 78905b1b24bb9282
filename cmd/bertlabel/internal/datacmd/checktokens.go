package datacmd

import (
	"cmp"
	"slices"
	"strings"

	"bertlabel/bert/tokenizer"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
)

// checkedTokens is what a vocabulary makes of the texts of a file.
type checkedTokens struct {
	tokenLengths
	Unknown unknownWords `json:"unknown"`
	Casing  casing       `json:"casing"`

	findings []diagnosis.Finding // what is wrong with the two
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
	AllUpper    int     `json:"texts_in_capitals"` // of at least 5 letters
}

const mostUnknown = 20 // unknown words that are listed

// checkTokens looks at a file through the vocabulary; nil without one.
func (c *dataCheck) checkTokens(set *data.Dataset) *checkedTokens {
	tok := c.tok
	if tok == nil {
		return nil
	}
	lengths := make([]int, set.Rows()) // with [CLS] and [SEP]
	reading := diagnosis.Reading{}
	words := unknownCounter{tok: tok, count: map[string]int{}}
	words.id, _ = tok.Vocab().ID("[UNK]")
	for i, text := range set.Texts {
		e := tok.Encode(text, set.Pair(i), 0)
		lengths[i] = len(e.IDs)
		reading.Add(&e, text, set.Pair(i))
		if e.Unknown > 0 {
			words.add(text, set.Pair(i))
		}
	}
	t := &checkedTokens{tokenLengths: newTokenLengths(lengths, c.MaxSeqLength), Unknown: unknownWords{Tokens: reading.Unknown,
		Share: reading.UnknownShare(), Texts: reading.WithUnknown, Words: words.result()},
		Casing: casing{LowerCase: tok.Options().LowerCase, CasedPieces: tok.Vocab().CasedShare(), Letters: reading.Letters,
			WithUpper: reading.WithUpper, AllUpper: reading.AllUpper}}
	var frequent []string
	for _, word := range t.Unknown.Words {
		frequent = append(frequent, word.Word)
	}
	t.findings = reading.Findings("", tok, frequent...)
	return t
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
	tok   *tokenizer.Tokenizer
	id    int32
	count map[string]int
}

// add takes the texts of a row.
func (u *unknownCounter) add(texts ...string) {
	for _, text := range texts {
		for _, word := range u.tok.BasicTokenize(text) {
			if ids := u.tok.AppendIDs(nil, word); len(ids) == 1 && ids[0] == u.id {
				u.count[word]++
			}
		}
	}
}

// result returns the words that came most often.
func (u *unknownCounter) result() []wordCount {
	words := []wordCount{}
	for word, n := range u.count {
		words = append(words, wordCount{word, n})
	}
	slices.SortFunc(words, func(a, b wordCount) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Word, b.Word)) })
	return words[:min(len(words), mostUnknown)]
}
