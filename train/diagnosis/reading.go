package diagnosis

import (
	"fmt"
	"unicode"

	"bertlabel/bert/tokenizer"
)

// Reading counts what a model sees of texts. The zero value is that of no text.
type Reading struct {
	Texts       int
	Tokens      int // of the texts, without [CLS] and [SEP]
	Unknown     int // of these, [UNK]
	WithUnknown int // texts that have one

	Letters   int // texts with a letter that has two cases
	WithUpper int // of these, with an upper-case one
	AllUpper  int // of these, with capitalLetters or more and no lower-case one
}

// capitalLetters is the length from which a text of capitals is no abbreviation.
const capitalLetters = 5

// Add takes in a text, or the two of a pair, and the row that a tokenizer has made of them.
func (r *Reading) Add(e *tokenizer.Encoding, texts ...string) {
	r.Texts++
	r.Tokens += max(0, e.Kept()-2-int(e.Segments[len(e.Segments)-1])) // a second text has a [SEP] of its own
	r.Unknown += e.Unknown
	if e.Unknown > 0 {
		r.WithUnknown++
	}
	upper, lower := 0, 0
	for _, text := range texts {
		for _, c := range text {
			switch {
			case unicode.IsUpper(c):
				upper++
			case unicode.IsLower(c):
				lower++
			}
		}
	}
	if upper+lower > 0 {
		r.Letters++
	}
	if upper > 0 {
		r.WithUpper++
	}
	if lower == 0 && upper >= capitalLetters {
		r.AllUpper++
	}
}

// UnknownShare returns the share of the tokens that are [UNK].
func (r *Reading) UnknownShare() float64 { return float64(r.Unknown) / float64(max(1, r.Tokens)) }

// blind is the share of [UNK] from which on nothing else need be looked for: half of what a text says is not there.
const blind = 0.5

// Blind reports whether so many tokens are [UNK] that a model cannot tell texts apart, whatever its weights and its training are.
func (r *Reading) Blind() bool { return r.UnknownShare() >= blind }

// When a share is worth a finding. Below these a data set is as clean as most that people train on.
const (
	muchUnknown  = 0.01 // of the tokens are [UNK]
	manyUpper    = 0.05 // of the texts are in capitals
	casedShare   = 0.01 // of a vocabulary is cased from here on: an uncased one has some letters such as ℝ
	fewWithUpper = 0.05 // of the texts have an upper-case letter: somebody has lower-cased them
)

// Findings says what the tokenizer cannot read of the texts of a file, which is named in front unless it is empty. frequent are the words
// that became [UNK] most often, as far as the caller knows them.
func (r *Reading) Findings(file string, tok *tokenizer.Tokenizer, frequent ...string) (found []Finding) {
	cased, lower := tok.Vocab().CasedShare() >= casedShare, tok.Options().LowerCase
	share := func(n, of int) float64 { return float64(n) / float64(max(1, of)) }
	if file != "" {
		file += ": "
	}
	add := func(applies bool, kind Kind, remedy, format string, args ...any) {
		if applies {
			found = append(found, Finding{kind, file + fmt.Sprintf(format, args...), remedy})
		}
	}
	add(!cased && !lower && r.WithUpper > 0, CasingApart, "Give `do_lower_case`, as this vocabulary was made of lower-cased text",
		"%d of %d texts have upper-case letters, which the vocabulary lacks: such words become [UNK]", r.WithUpper, r.Texts)
	add(cased && lower, CasingApart, "Give `do_lower_case` false",
		"the texts are lower-cased, but %.0f %% of the vocabulary has upper-case letters, which are then never used",
		100*tok.Vocab().CasedShare())
	add(cased && !lower && r.Letters >= fewTexts && share(r.WithUpper, r.Letters) < fewWithUpper, CasingApart,
		"Use an uncased model, or texts as they were written",
		"%d of %d texts have an upper-case letter, but the vocabulary is cased: names and beginnings of sentences look strange to the model",
		r.WithUpper, r.Letters)
	add(cased && !lower && share(r.AllUpper, r.Texts) >= manyUpper, CasingApart, "Lower-case these texts, or use an uncased model",
		"%d of %d texts are in capitals, which a cased vocabulary cuts into many pieces", r.AllUpper, r.Texts)
	often := ""
	if len(frequent) > 0 {
		often = "; most often " + listed(frequent)
	}
	remedy := "Use a model whose vocabulary has the language and the signs of these texts, or name them by `keep_tokens`"
	if !cased && !lower && r.WithUpper > 0 {
		remedy = "Give `do_lower_case` first"
	}
	add(r.UnknownShare() >= muchUnknown, UnknownWords, remedy, "%.1f %% of the tokens are [UNK], in %d of %d texts%s",
		100*r.UnknownShare(), r.WithUnknown, r.Texts, often)
	return found
}

// ofUnknown is the remedy of a finding about what a model has learnt, where it could not read the texts.
func ofUnknown(r *Reading) string {
	return fmt.Sprintf("%.0f %% of the tokens are [UNK], so there is nothing to tell the texts apart by: "+
		"mend that first", 100*r.UnknownShare())
}
