package model

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/tokenizer"
)

// bareHF returns the folder of a model without the file that only we write.
func bareHF(t *testing.T) string {
	t.Helper()
	dir := savedHF(t, tiny(t, 1))
	if err := os.Remove(filepath.Join(dir, "bertlabel.json")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What the two files say of how text is read is honoured; of what both say, tokenizer_config.json counts.
func TestHuggingFaceTokenizer(t *testing.T) {
	yes, no := true, false
	google := tokenizer.Options{LowerCase: true}
	for _, c := range []struct {
		file, old, replacement string
		want                   tokenizer.Options
	}{
		{"tokenizer.json", "{", "{", google},
		{"tokenizer_config.json", `"do_lower_case": true`, `"do_lower_case": false`, tokenizer.Options{}},
		{"tokenizer.json", `"lowercase": true`, `"lowercase": false`, google},
		{"tokenizer_config.json", `"strip_accents": null`, `"strip_accents": true`, google},
		{"tokenizer_config.json", `"strip_accents": null`, `"strip_accents": false`, tokenizer.Options{LowerCase: true, StripAccents: &no}},
		{"tokenizer.json", `"strip_accents": null`, `"strip_accents": false`, tokenizer.Options{LowerCase: true, StripAccents: &no}},
		{"tokenizer_config.json", `"tokenize_chinese_chars": true`, `"tokenize_chinese_chars": false`,
			tokenizer.Options{LowerCase: true, TokenizeChinese: &no}},
		{"tokenizer.json", `"handle_chinese_chars": true`, `"handle_chinese_chars": false`, google},
		{"tokenizer.json", `"max_input_chars_per_word": 200`, `"max_input_chars_per_word": 100`,
			tokenizer.Options{LowerCase: true, MaxWordChars: 100}},
		{"tokenizer_config.json", `"BertTokenizer"`, `"BertTokenizerFast"`, google},
		{"tokenizer_config.json", `"BertTokenizer"`, `"PreTrainedTokenizerFast"`, google},
		{"tokenizer_config.json", `"[CLS]"`, `{"__type": "AddedToken", "content": "[CLS]"}`, google},
		{"tokenizer.json", `"TemplateProcessing"`, `"BertProcessing"`, google},
	} {
		dir := bareHF(t)
		replaceIn(t, filepath.Join(dir, c.file), c.old, c.replacement)
		if got := open(t, dir, nil).Tokenizer.Options(); fmt.Sprint(got) == "" || !sameOptions(got, c.want) {
			t.Errorf("%s %s: %+v, want %+v", c.file, c.replacement, got, c.want)
		}
	}

	dir := bareHF(t)
	os.Remove(filepath.Join(dir, "tokenizer_config.json"))
	replaceIn(t, filepath.Join(dir, "tokenizer.json"), `"lowercase": true`, `"lowercase": false`)
	replaceIn(t, filepath.Join(dir, "tokenizer.json"), `"strip_accents": null`, `"strip_accents": true`)
	if got := open(t, dir, nil).Tokenizer.Options(); !sameOptions(got, tokenizer.Options{StripAccents: &yes}) {
		t.Errorf("tokenizer.json alone: %+v", got)
	}
	if got := open(t, dir, &Options{LowerCase: &yes}).Tokenizer.Options(); !got.LowerCase {
		t.Errorf("with an override: %+v", got)
	}
	os.Remove(filepath.Join(dir, "tokenizer.json"))
	var messages []string
	if got := open(t, dir, logged(&messages)).Tokenizer.Options(); !sameOptions(got,
		tokenizer.Options{LowerCase: true, MaxWordChars: 100}) || !strings.Contains(messages[0], "guessed") {
		t.Errorf("vocab.txt alone: %+v, logged %q", got, messages)
	}
	os.Remove(filepath.Join(dir, "vocab.txt"))
	_, err := Open(dir, nil)
	failsWith(t, "no vocabulary", err, dir, "vocab.txt is missing (or tokenizer.json")

	// Beside a bert_config.json these files mean nothing.
	folder := saved(t, tiny(t, 1))
	writeFile(t, filepath.Join(folder, "tokenizer.json"), "nonsense")
	writeFile(t, filepath.Join(folder, "tokenizer_config.json"), "nonsense")
	sameModel(t, open(t, folder, nil), tiny(t, 1))
}

// unlikeBERTs returns the added tokens that are not BERT's own special ones, nil for none.
func unlikeBERTs(added []tokenizer.AddedToken) (others []tokenizer.AddedToken) {
	for _, a := range added {
		if a.Special = false; !slices.Contains(hfSpecial, a.Content) || a != (tokenizer.AddedToken{ID: a.ID, Content: a.Content}) {
			others = append(others, a)
		}
	}
	return others
}

// sameOptions reports whether two are alike but for BERT's special tokens, which Hugging Face's layout adds.
func sameOptions(a, b tokenizer.Options) bool {
	a.Added, b.Added = unlikeBERTs(a.Added), unlikeBERTs(b.Added)
	x, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return string(x) == string(y)
}

// Anything that is not BERT's way of reading text is refused, by the name of the file and of what is wrong in it.
func TestHuggingFaceTokenizerRefused(t *testing.T) {
	const config, fast = "tokenizer_config.json", "tokenizer.json"
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, c := range []struct{ file, old, replacement, want string }{
		{config, `"BertTokenizer"`, `"RobertaTokenizer"`, `tokenizer_class is "RobertaTokenizer", expected BertTokenizer`},
		{config, `"BertTokenizer"`, `"BertJapaneseTokenizer"`, "BertJapaneseTokenizer"},
		{config, `{`, `{"do_basic_tokenize": false, `, "do_basic_tokenize"},
		{config, `{`, `{"never_split": ["x"], `, "never_split"},
		{config, `"[UNK]"`, `"<unk>"`, `unk_token is "<unk>", expected "[UNK]"`},
		{config, `"[SEP]"`, `{"content": "</s>"}`, `sep_token is "</s>", expected "[SEP]"`},
		{config, `"do_lower_case": true`, `"do_lower_case": "yes"`, `do_lower_case is "yes", expected true or false`},
		{config, `{`, `{"do_lower_case": false, `, `key "do_lower_case" comes twice`},
		{config, `{`, `[`, "expected a JSON object"},
		{fast, `{`, ``, "expected a JSON object"},
		{fast, `{`, `{"x": ` + deep + `, `, "nested more than 32 deep"},
		{fast, `"BertNormalizer"`, `"NFKC"`, `normalizer is "NFKC", expected "BertNormalizer"`},
		{fast, `"normalizer"`, `"old"`, `normalizer is "", expected "BertNormalizer"`},
		{fast, `"clean_text": true`, `"clean_text": false`, "clean_text is false"},
		{fast, `"clean_text": true`, `"clean_text": 1`, "clean_text is 1, expected true or false"},
		{fast, `"BertPreTokenizer"`, `"Whitespace"`, `pre_tokenizer is "Whitespace"`},
		{fast, `"type": "WordPiece",
    "unk_token"`, `"type": "BPE",
    "unk_token"`, `model is "BPE", expected "WordPiece"`},
		{fast, `"unk_token": "[UNK]"`, `"unk_token": "x"`, `unk_token "x"`},
		{fast, `"continuing_subword_prefix": "##"`, `"continuing_subword_prefix": ""`, `continuing_subword_prefix ""`},
		{fast, `"max_input_chars_per_word": 200`, `"max_input_chars_per_word": 0`, "max_input_chars_per_word 0"},
		{fast, `"vocab": {`, `"vocab": [], "v": {`, "vocab is [], expected an object of integers"},
		{fast, `"[UNK]": 1`, `"[UNK]": -1`, `token "[UNK]" has id 1 in vocab.txt, but not here`},
		{fast, `"[UNK]": 1`, `"[UNK]": 1, "new": 99`, "vocab of 87 tokens, but vocab.txt has 86"},
		{fast, `"[UNK]": 1`, `"[UNK]": 1.5`, "expected an object of integers"},
		{fast, `"cat": `, `"[UNK]": `, `key "[UNK]" comes twice`},
		{fast, `"TemplateProcessing"`, `"RobertaProcessing"`, `post_processor is "RobertaProcessing"`},
		{fast, `"post_processor"`, `"old"`, "post_processor is missing"},
		{fast, `"type_id": 1`, `"type_id": 0`, "post_processor"},
		{fast, `"id": "A"`, `"id": "B"`, "post_processor"},
		{fast, `"content": "[PAD]"`, `"content": "[NEW]"`, `added token "[NEW]" has id 0`},
		{fast, `"added_tokens": [`, `"added_tokens": [{"id": 86, "content": " [NAME]"},`, `added token " [NAME]" is empty, or has white space`},
		{fast, `"added_tokens": [`, `"added_tokens": [{"id": 86, "content": "xx"},{"id": 87, "content": "xx"},`, `added token "xx" or its id 87 comes`},
		{fast, `"added_tokens": [`, `"added_tokens": [{"id": 86, "content": "cat"},`, `added token "cat" has id 86, but id`},
		// no row of the embedding for it
		{fast, `"added_tokens": [`, `"added_tokens": [{"id": 86, "content": "[NAME]"},`, "87 tokens, but vocab_size"},
		{fast, `"added_tokens": [`, `"added_tokens": [7,`, "expected"},
	} {
		dir := bareHF(t)
		replaceIn(t, filepath.Join(dir, c.file), c.old, c.replacement)
		_, err := Open(dir, nil)
		where := filepath.Join(dir, c.file)
		if strings.Contains(c.want, "vocab_size") {
			where = filepath.Join(dir, "vocab.txt")
		}
		failsWith(t, c.replacement, err, where, c.want)
	}
	for name, replacement := range map[string]string{
		"huge id":     `"cat": 2000000000`,
		"holes":       `"cat": 999999`,
		"negative id": `"cat": -1`,
		"same id":     `"cat": 1`,
		"line end":    `"c\nat": 67`,
		"space":       `"cat ": 67`,
		"no [UNK]":    `"cat": 67`,
	} {
		dir := bareHF(t)
		os.Remove(filepath.Join(dir, "vocab.txt"))
		path := filepath.Join(dir, fast)
		if name == "no [UNK]" {
			replaceIn(t, path, `"[UNK]": 1`, `"[Unk]": 1`)
		} else {
			replaceIn(t, path, fmt.Sprintf(`"cat": %d`, slices.Index(tinyVocab(), "cat")), replacement)
		}
		if bytes := allocated(func() {
			_, err := Open(dir, nil)
			failsWith(t, name, err, path)
		}); bytes > 32<<20 {
			t.Errorf("%s: %d bytes allocated", name, bytes)
		}
	}
}

// Tokens that were added to a vocabulary stand in their own lists; they become words that are one token each.
func TestHuggingFaceAddedTokens(t *testing.T) {
	for name, add := range map[string]func(dir string){
		"tokenizer.json": func(dir string) {
			replaceIn(t, filepath.Join(dir, "tokenizer.json"), `"added_tokens": [`,
				`"added_tokens": [{"id": 86, "content": "[NAME]"}, {"id": 5, "content": "[unused0]"},`)
		},
		"tokenizer_config.json": func(dir string) {
			os.Remove(filepath.Join(dir, "tokenizer.json"))
			replaceIn(t, filepath.Join(dir, "tokenizer_config.json"), "{",
				`{"added_tokens_decoder": {"0": {"content": "[PAD]", "lstrip": false}, "86": {"content": "[NAME]"}, "5": {"content": "[unused0]"}},`)
		},
	} {
		wide := tinyConfig()
		wide.VocabSize++
		lower := true
		m, err := New(wide, []byte(strings.Join(tinyVocab(), "\n")), 1, &Options{LowerCase: &lower})
		if err != nil {
			t.Fatal(err)
		}
		dir := savedHF(t, m)
		os.Remove(filepath.Join(dir, "bertlabel.json"))
		add(dir)
		m = open(t, dir, nil)
		encoded := m.encode([]Text{{A: "The [NAME][unused0] [name]"}})[0]
		if tokens := strings.Join(m.Tokenizer.Tokens(encoded.IDs),
			" "); tokens != "[CLS] the [NAME] [unused0] [UNK] n ##a ##m ##e [UNK] [SEP]" || encoded.IDs[2] != 86 {
			t.Errorf("%s: %s", name, tokens)
		}
		sameModel(t, open(t, saved(t, m), nil), m)
		sameModel(t, open(t, savedHF(t, m), nil), m)
	}
	dir := bareHF(t)
	os.Remove(filepath.Join(dir, "tokenizer.json"))
	replaceIn(t, filepath.Join(dir, "tokenizer_config.json"), "{", `{"added_tokens_decoder": {"x": {"content": "[PAD]"}},`)
	_, err := Open(dir, nil)
	failsWith(t, "an id that is none", err, "tokenizer_config.json", `the key "x", expected an id`)
}

// BERT's own tokens are special in a folder that lists no added tokens, as transformers has them, and in what is written of it.
func TestHuggingFaceSpecialTokens(t *testing.T) {
	dir := bareHF(t)
	os.Remove(filepath.Join(dir, "tokenizer.json"))
	os.Remove(filepath.Join(dir, "added_tokens.json"))
	added := open(t, dir, nil).Tokenizer.Options().Added
	if len(added) == 0 {
		t.Error("no added tokens")
	}
	for _, a := range added {
		if a.Special != slices.Contains(hfSpecial, a.Content) || a.Normalized {
			t.Errorf("%+v", a)
		}
	}
}
