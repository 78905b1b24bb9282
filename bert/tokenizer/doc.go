// Package tokenizer turns text into WordPiece ids, exactly as Google's tokenization.py does (google-research/bert, commit
// eedf5716), and into BERT's input rows, exactly as convert_single_example of run_classifier.py does.
//
// A text goes through four steps, each a method of Tokenizer:
//
//	text ─nextWord→ white-space word ─fold→ lower case, without accents ─nextToken→ basic token ─appendPieces→ ids
//
// Special tokens that are written in a text are not special: [CLS] becomes [, cls, ]. Only Options.KeepTokens and Options.Added are kept
// whole, the latter as Hugging Face's tokenizers do.
//
//   - basic.go: BasicTokenizer. Cleaning, white space, CJK ideographs, punctuation. Words of plain ASCII, the bulk of English,
//     are folded byte by byte through a table; any other word takes the path over code points.
//   - unicode.go: what Python's str.lower, unicodedata.normalize("NFD") and unicodedata.category do.
//   - trie.go: the longest match of WordpieceTokenizer, on a double-array trie over the bytes of the vocabulary.
//   - vocab.go: the vocabulary file. tokenizer.go, keep.go, added.go: options. encode.go: [CLS] a [SEP] b [SEP].
//     windows.go: long texts as several rows.
//
// Character properties are those of the Unicode version of the Go release and of golang.org/x/text (15.0.0 with Go 1.26).
//
// Read basic.go first.
package tokenizer
