package tokenizer

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bertlabel/tensor/tensortest"
)

// row is a line of the golden files that Google's FullTokenizer and convert_single_example gave.
type row struct {
	Text         string   `json:"text"`
	TextPair     string   `json:"text_pair"`
	DoLowerCase  bool     `json:"do_lower_case"`
	MaxSeqLength int      `json:"max_seq_length"`
	Basic        []string `json:"basic"` // in testdata only
	Tokens       []string `json:"tokens"`
	InputIDs     []int32  `json:"input_ids"`
	InputMask    []int32  `json:"input_mask"`
	SegmentIDs   []int32  `json:"segment_ids"`
}

// readRows reads JSON lines.
func readRows(t testing.TB, path string) (rows []row) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s:%d: %v", path, len(rows)+1, err)
		}
		rows = append(rows, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// open makes the cased (false) and the uncased (true) tokenizer of a vocabulary file.
func open(t testing.TB, path string) map[bool]*Tokenizer {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := ReadVocab(f, filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	tokenizers := map[bool]*Tokenizer{}
	for _, lower := range []bool{false, true} {
		tokenizers[lower], err = New(v, Options{LowerCase: lower})
		if err != nil {
			t.Fatal(err)
		}
	}
	return tokenizers
}

func checkRow(t *testing.T, tok *Tokenizer, r row) {
	t.Helper()
	e := tok.Encode(r.Text, r.TextPair, r.MaxSeqLength)
	tokens := tok.Tokens(e.IDs)
	mask := e.Pad(r.MaxSeqLength)
	if !slices.Equal(tokens, r.Tokens) {
		t.Errorf("tokens of %+q, %+q (lower %v, length %d):\n got %+q\nwant %+q", r.Text, r.TextPair, r.DoLowerCase, r.MaxSeqLength,
			tokens, r.Tokens)
	}
	if !slices.Equal(e.IDs, r.InputIDs) || !slices.Equal(mask, r.InputMask) || !slices.Equal(e.Segments, r.SegmentIDs) {
		t.Errorf("row of %+q, %+q (lower %v, length %d):\n got %v %v %v\nwant %v %v %v", r.Text, r.TextPair, r.DoLowerCase, r.MaxSeqLength,
			e.IDs, mask, e.Segments, r.InputIDs, r.InputMask, r.SegmentIDs)
	}
}

// TestGoldens compares with rows that testdata/golden.py made, with a small vocabulary.
func TestGoldens(t *testing.T) {
	tokenizers := open(t, "testdata/vocab.txt")
	for _, r := range readRows(t, "testdata/golden.jsonl") {
		checkRow(t, tokenizers[r.DoLowerCase], r)
		if got := tokenizers[r.DoLowerCase].BasicTokenize(r.Text); !slices.Equal(got, r.Basic) {
			t.Errorf("basic tokens of %+q (lower %v):\n got %+q\nwant %+q", r.Text, r.DoLowerCase, got, r.Basic)
		}
	}
}

// TestSharedGoldens compares with 4,848 rows and 3,096 lists of basic tokens from Google's code.
func TestSharedGoldens(t *testing.T) {
	folder := tensortest.Shared(t, "fixtures/tokenizer")
	for _, name := range []string{"uncased", "cased"} {
		t.Run(name, func(t *testing.T) {
			tokenizers := open(t, filepath.Join(folder, "vocab-"+name+".txt"))
			rows := readRows(t, filepath.Join(folder, name+".jsonl"))
			if len(rows) < 2000 {
				t.Fatalf("%d rows, want over 2,000", len(rows))
			}
			for _, r := range rows {
				checkRow(t, tokenizers[r.DoLowerCase], r)
			}
		})
	}
	t.Run("basic", func(t *testing.T) {
		tokenizers := open(t, filepath.Join(folder, "vocab-cased.txt"))
		rows := readRows(t, filepath.Join(folder, "basic.jsonl"))
		if len(rows) < 3000 {
			t.Fatalf("%d rows, want over 3,000", len(rows))
		}
		for _, r := range rows {
			if got := tokenizers[r.DoLowerCase].BasicTokenize(r.Text); !slices.Equal(got, r.Tokens) {
				t.Errorf("basic tokens of %+q (lower %v):\n got %+q\nwant %+q", r.Text, r.DoLowerCase, got, r.Tokens)
			}
		}
	})
}
