package tokenizer_test

import (
	"fmt"
	"strings"

	"bertlabel/bert/tokenizer"
)

func Example() {
	vocab, err := tokenizer.ReadVocab(strings.NewReader("[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\n,\nreally\n"), "vocab.txt")
	if err != nil {
		panic(err)
	}
	tok, err := tokenizer.New(vocab, tokenizer.Options{LowerCase: true})
	if err != nil {
		panic(err)
	}
	fmt.Println(tok.Tokenize("Unaffable, REALLY?"))

	row := tok.Encode("Unaffable", "Really", 10)
	mask := row.Pad(10)
	fmt.Println(tok.Tokens(row.IDs))
	fmt.Println(row.IDs)
	fmt.Println(mask)
	fmt.Println(row.Segments)
	// Output:
	// [un ##aff ##able , really [UNK]]
	// [[CLS] un ##aff ##able [SEP] really [SEP] [PAD] [PAD] [PAD]]
	// [2 4 5 6 3 8 3 0 0 0]
	// [1 1 1 1 1 1 1 0 0 0]
	// [0 0 0 0 0 1 1 0 0 0]
}

// Words of KeepTokens are one token wherever they stand; they take the place of the vocabulary's [unusedN] entries.
func ExampleNew_keepTokens() {
	vocab, err := tokenizer.NewVocab([]string{"[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "thanks", ","})
	if err != nil {
		panic(err)
	}
	tok, err := tokenizer.New(vocab, tokenizer.Options{LowerCase: true, KeepTokens: []string{"[NAME]"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(tok.Tokenize("Thanks,[NAME]"), tok.Encode("Thanks,[NAME]", "", 0).IDs)
	// Output:
	// [thanks , [NAME]] [3 5 6 1 4]
}
