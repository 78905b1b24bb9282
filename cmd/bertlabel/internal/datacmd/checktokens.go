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
	Windows      string  `json:"windows,omitempty"`      // rows of so many tokens that a text may have; "" for one
	WindowsMean  float64 `json:"windows_mean,omitempty"` // that a text has
	WindowsMax   int     `json:"windows_max,omitempty"`
	Cut          int     `json:"cut"` // texts with more tokens than that, or than the windows hold
	CutShare     float64 `json:"cut_share"`

	read tokenizer.Lengths // how much of a text is read
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
	read := windowCounter{Lengths: c.lengths, tok: tok}
	reading := diagnosis.Reading{}
	words := unknownCounter{tok: tok, count: map[string]int{}}
	words.id, _ = tok.Vocab().ID("[UNK]")
	for i, text := range set.Texts {
		e := tok.Encode(text, set.Pair(i), 0)
		lengths[i] = len(e.IDs)
		read.add(lengths[i], text, set.Pair(i))
		reading.Add(&e, text, set.Pair(i))
		if e.Unknown > 0 {
			words.add(text, set.Pair(i))
		}
	}
	t := &checkedTokens{tokenLengths: newTokenLengths(lengths, &read), Unknown: unknownWords{Tokens: reading.Unknown,
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

// windowCounter counts the windows of texts, and the texts that they do not hold whole.
type windowCounter struct {
	tokenizer.Lengths
	tok                *tokenizer.Tokenizer
	windows, most, cut int
}

// add takes a row of so many tokens.
func (c *windowCounter) add(tokens int, text, pair string) {
	n := 1
	switch {
	case tokens <= c.MaxSeqLength:
	case !c.Windows.Several():
		c.cut++
	default:
		e := c.tok.EncodeWindows(text, pair, c.MaxSeqLength, c.Windows)
		n = e.Sequences()
		c.cut += min(1, e.Cut)
	}
	c.windows, c.most = c.windows+n, max(c.most, n)
}

// newTokenLengths sorts n.
func newTokenLengths(n []int, read *windowCounter) tokenLengths {
	slices.Sort(n)
	sum := 0
	for _, length := range n {
		sum += length
	}
	percentile := func(p int) int { return n[(p*len(n)+99)/100-1] } // nearest rank
	t := tokenLengths{
		Mean: float64(sum) / float64(len(n)), P50: percentile(50), P90: percentile(90), P95: percentile(95), P99: percentile(99),
		Max:          n[len(n)-1],
		MaxSeqLength: read.MaxSeqLength, read: read.Lengths, Cut: read.cut, CutShare: float64(read.cut) / float64(len(n)),
	}
	if read.Windows.Several() {
		t.Windows, t.WindowsMean, t.WindowsMax = read.Windows.MostText(), float64(read.windows)/float64(len(n)), read.most
	}
	return t
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
