package flags

import (
	"fmt"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/data"
)

// Encode tokenises the texts of a data set, and says how many were cut; with --on-long error the first one is refused.
func Encode(a *cli.App, m *model.Model, set *data.Dataset, onLong data.LongTexts) ([]tokenizer.Encoding, error) {
	encoded := m.Encode(set.Texts, set.Pairs)
	cut := 0
	for i := range encoded {
		if err := TooLong(onLong, &encoded[i], set.File, set.Lines[i], m.MaxSeqLength); err != nil {
			return nil, err
		}
		if encoded[i].Cut > 0 {
			cut++
		}
	}
	SayCut(a, m, set.File, cut, len(encoded))
	return encoded, nil
}

// TooLong refuses a text that was cut, if --on-long says so.
func TooLong(onLong data.LongTexts, e *tokenizer.Encoding, file string, line, limit int) error {
	if onLong != data.LongError || e.Cut == 0 {
		return nil
	}
	return &data.RowError{
		File: file, Line: line, Found: fmt.Sprintf("a text of %d tokens", len(e.IDs)+e.Cut),
		Expected: fmt.Sprintf("at most %d with [CLS] and [SEP]", limit),
		Hint:     "raise --max-seq-length, shorten the text, or let it be cut with --on-long truncate",
	}
}
