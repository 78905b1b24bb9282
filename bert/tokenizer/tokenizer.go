package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// Options are the settings of a Tokenizer. The zero value is Google's with do_lower_case=False.
type Options struct {
	LowerCase       bool         // do_lower_case
	StripAccents    *bool        // drop category Mn after NFD; nil: as LowerCase, which is what Google's does
	TokenizeChinese *bool        // take each CJK ideograph as a word of its own; nil: true, which is what Google's does
	KeepTokens      []string     // words that are one token each wherever they stand in a text, such as [NAME]
	Added           []AddedToken // tokens beside the vocabulary, or of it, that are looked for in a text first
	TruncateLeft    bool         // a text that is too long loses its beginning; else, as Google's, its end
	MaxWordChars    int          // max_input_chars_per_word: a basic token of more code points is one [UNK]; 0: GoogleMaxWordChars
}

// Tokenizer is FullTokenizer of tokenization.py. It is read-only and safe for concurrent use.
type Tokenizer struct {
	vocab         *Vocab
	options       Options
	lower, strip  bool
	maxWordChars  int
	splitChinese  bool
	unk, cls, sep int32
	raw, folded   wholeTokens // that are looked for in a text as it was given, and then in what is between them as it is folded
	size          int         // ids
	ascii         [256]byte   // see newASCII
	classes       []class     // of all code points
	pool          sync.Pool   // of *scratch
}

// New makes a tokenizer of a vocabulary.
//
// A word of KeepTokens is looked for in the text as it was given, before cleaning and lower-casing; where two begin at the same
// place, the longer one is taken. Its id is that of the vocabulary if it has the word; the others get the ids of the entries
// [unused0], [unused1] …, in the order of the vocabulary. The error is a *KeepError: of an entry that is empty, given twice, not UTF-8
// or holds white space, and of a vocabulary with too few [unusedN] left.
//
// An entry of Added has the id of the vocabulary if that has its content, or one beyond it; others are an *AddedError, as are contents
// that are
// empty, not UTF-8, come twice, or begin or end in white space.
func New(v *Vocab, o Options) (*Tokenizer, error) {
	t := &Tokenizer{vocab: v, options: o, lower: o.LowerCase, strip: o.LowerCase, splitChinese: true, maxWordChars: GoogleMaxWordChars,
		classes: newClasses()}
	if o.StripAccents != nil {
		t.strip = *o.StripAccents
	}
	if o.TokenizeChinese != nil {
		t.splitChinese = *o.TokenizeChinese
	}
	if o.MaxWordChars > 0 {
		t.maxWordChars = o.MaxWordChars
	}
	t.ascii = newASCII(t.classes, t.lower)
	t.unk, _ = v.ID(unkToken) // newVocab has made sure of the three
	t.cls, _ = v.ID(clsToken)
	t.sep, _ = v.ID(sepToken)
	t.pool.New = func() any { return new(scratch) }
	if err := t.addTokens(); err != nil {
		return nil, err
	}
	return t, nil
}

// Vocab returns the vocabulary that the tokenizer was made with.
func (t *Tokenizer) Vocab() *Vocab { return t.vocab }

// Options returns what the tokenizer was made with. The caller must not change its slices.
func (t *Tokenizer) Options() Options { return t.options }

// Size returns the number of ids: one more than the largest of the vocabulary and of Added.
func (t *Tokenizer) Size() int { return t.size }

// Token returns the text of an id in [0, Size()): the word itself for one of KeepTokens.
func (t *Tokenizer) Token(id int32) string {
	for _, tokens := range []*wholeTokens{&t.raw, &t.folded} {
		for i := range tokens.list {
			if k := &tokens.list[i]; k.ID == id {
				return k.Content
			}
		}
	}
	if int(id) >= t.vocab.Size() {
		return ""
	}
	return t.vocab.Token(id)
}

// Tokens returns the texts of ids, each as Token does.
func (t *Tokenizer) Tokens(ids []int32) []string {
	tokens := make([]string, len(ids))
	for i, id := range ids {
		tokens[i] = t.Token(id)
	}
	return tokens
}

// Tokenize returns the word pieces of a text, without [CLS] and [SEP]: FullTokenizer.tokenize.
func (t *Tokenizer) Tokenize(text string) []string {
	return t.Tokens(t.AppendIDs(nil, text))
}

// AppendIDs appends the ids of the text's word pieces, without [CLS] and [SEP], to ids. Bytes that are not UTF-8 are ignored.
// It allocates nothing but room in ids.
func (t *Tokenizer) AppendIDs(ids []int32, text string) []int32 {
	s := t.pool.Get().(*scratch)
	defer t.pool.Put(s)
	for token, kept := range t.basicTokens(s, text) {
		if kept != nil {
			ids = append(ids, kept.ID)
		} else {
			ids = t.appendPieces(ids, token)
		}
	}
	return ids
}

// BasicTokenize returns the basic tokens of a text, before they are cut into word pieces: BasicTokenizer.tokenize.
func (t *Tokenizer) BasicTokenize(text string) []string {
	s := t.pool.Get().(*scratch)
	defer t.pool.Put(s)
	tokens := []string{}
	for token, kept := range t.basicTokens(s, text) {
		if kept != nil {
			tokens = append(tokens, kept.Content)
		} else {
			tokens = append(tokens, string(token))
		}
	}
	return tokens
}

// appendPieces is WordpieceTokenizer: it appends the longest token that the basic token begins with, then the longest that goes
// on from there, and so on; or one [UNK] if there is none at some place, or too many characters.
func (t *Tokenizer) appendPieces(ids []int32, token []byte) []int32 {
	if len(token) > t.maxWordChars && utf8.RuneCount(token) > t.maxWordChars {
		return append(ids, t.unk)
	}
	known := len(ids)
	for node := t.vocab.trie.start; len(token) > 0; node = t.vocab.trie.inner {
		id, n := t.vocab.trie.longest(node, token)
		if n == 0 {
			return append(ids[:known], t.unk)
		}
		ids, token = append(ids, id), token[n:]
	}
	return ids
}
