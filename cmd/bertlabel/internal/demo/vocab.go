package demo

import (
	"cmp"
	"slices"
	"strings"

	"bertlabel/bert"
)

// Vocab returns a WordPiece vocabulary for rows in the order of the file: the special tokens of Google's vocabularies, every
// printable ASCII character alone and as a continuation, then the words that occur at least three times and the endings that
// at least eight words share, the most frequent first. Texts are lower-cased, as an uncased model does. Since every
// character is there, a new word in ASCII is cut into pieces and never unknown.
func Vocab(rows []Row) []string {
	vocab := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	for c := '!'; c <= '~'; c++ {
		if c < 'A' || c > 'Z' {
			vocab = append(vocab, string(c))
		}
	}
	for c := '0'; c <= 'z'; c++ {
		if c <= '9' || c >= 'a' {
			vocab = append(vocab, "##"+string(c))
		}
	}
	words, endings := map[string]int{}, map[string]int{}
	for _, row := range rows {
		for _, word := range strings.FieldsFunc(strings.ToLower(row.Text), notAlphanumeric) {
			words[word]++
		}
	}
	for word := range words {
		if strings.ContainsAny(word, "0123456789") {
			continue
		}
		for n := 2; n <= 4 && n < len(word); n++ {
			endings["##"+word[len(word)-n:]]++
		}
	}
	vocab = append(vocab, frequent(words, 3)...)
	return append(vocab, frequent(endings, 8)...)
}

func notAlphanumeric(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') }

// frequent returns the keys of two bytes and more that were counted at least least times, by falling count, then by name.
func frequent(count map[string]int, least int) []string {
	var keys []string
	for k, n := range count {
		if n >= least && len(k) > 1 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(a, b))
	})
	return keys
}

// Config returns the config of the demo's BERT: two layers of hidden size 128 with four heads each.
func Config(vocabSize int) bert.Config {
	c := bert.DefaultConfig()
	c.VocabSize = vocabSize
	c.HiddenSize, c.NumHiddenLayers, c.NumAttentionHeads, c.IntermediateSize = 128, 2, 4, 512
	c.MaxPositionEmbeddings, c.TypeVocabSize = 128, 2
	return c
}
