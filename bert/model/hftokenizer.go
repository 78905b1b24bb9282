package model

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bertlabel/bert/internal/strictjson"
	"bertlabel/bert/tokenizer"
)

// Names of the files of a Hugging Face folder.
const (
	hfConfigName          = "config.json"
	hfTokenizerName       = "tokenizer.json"
	hfTokenizerConfigName = "tokenizer_config.json"
	hfWeightsName         = "model.safetensors"
)

// hfMaxWordChars is max_input_chars_per_word of transformers' BertTokenizer, which is half of Google's.
const hfMaxWordChars = 100

// hfSpecial are the tokens that BERT's rows and its pre-training are made of.
var hfSpecial = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

// hfTokenizer is what tokenizer_config.json and tokenizer.json say of how text is read.
type hfTokenizer struct {
	options tokenizer.Options // without LowerCase
	lower   *bool             // do_lower_case; nil if neither says it
	vocab   map[string]int    // of tokenizer.json; nil without one
	added   []tokenizer.AddedToken
	named   []string // special tokens without ids, for a folder without tokenizer.json: they are added where the vocabulary has them
	limit   int      // model_max_length; 0: none
}

// readHFTokenizer reads the files that are there; "" is none. Of what both say, tokenizer_config.json counts, as in transformers. Without
// tokenizer.json the added tokens are those of the configuration, else of the older added_tokens.json and special_tokens_map.json.
func readHFTokenizer(f files) (t hfTokenizer, err error) {
	t.options.MaxWordChars = hfMaxWordChars
	type part struct {
		path string
		read func(strictjson.Object) error
	}
	parts := []part{{f.hfTokenizer, t.readTokenizer},
		{f.hfTokenizerConfig, func(o strictjson.Object) error { return t.readConfig(o, f.hfTokenizer != "") }}}
	if f.hfTokenizer == "" {
		t.named = hfSpecial
		parts = append(parts, part{f.hfAddedTokens, t.readAddedTokens}, part{f.hfSpecialTokens, t.readNamed})
	}
	for _, file := range parts {
		if file.path == "" {
			continue
		}
		data, err := readFile(file.path, maxVocabBytes)
		if err != nil {
			return t, err
		}
		object, err := strictjson.Parse(data)
		if err == nil {
			err = file.read(object)
		}
		if err != nil {
			return t, fmt.Errorf("%s: %w", file.path, err)
		}
	}
	slices.SortFunc(t.added, func(a, b tokenizer.AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	return t, nil
}

// readConfig reads tokenizer_config.json.
func (t *hfTokenizer) readConfig(o strictjson.Object, beside bool) error {
	class, basic, never, decoder := "BertTokenizer", true, []string(nil), map[string]tokenizer.AddedToken(nil)
	lower, strip, chinese, side, limit := false, false, true, "right", 0.0
	for key, dst := range map[string]any{"tokenizer_class": &class, "do_basic_tokenize": &basic, "never_split": &never,
		"added_tokens_decoder": &decoder,
		"do_lower_case":        &lower, "strip_accents": &strip, "tokenize_chinese_chars": &chinese,
		"truncation_side": &side, "model_max_length": &limit} {
		if o.Has(key) {
			if err := o.Read(key, dst); err != nil {
				return err
			}
		}
	}
	if !knownTokenizerClass(class, beside) {
		return fmt.Errorf("tokenizer_class is %q, expected BertTokenizer", class)
	}
	if !basic || len(never) > 0 {
		return errors.New("do_basic_tokenize is false or never_split is not empty: not the tokenizer of BERT")
	}
	for key, want := range map[string]string{"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"} {
		if found := stringIn(o[key], "content"); o.Has(key) && found != want {
			return fmt.Errorf("%s is %q, expected %q", key, found, want)
		}
	}
	if o.Has("truncation_side") {
		if err := t.setSide(side); err != nil {
			return err
		}
	}
	if t.limit = int(min(limit, maxVocabLines)); t.limit < 2 { // a number such as 1e30 stands for none
		t.limit = 0
	}
	if o.Has("do_lower_case") {
		t.lower = &lower
	}
	if o.Has("strip_accents") {
		t.options.StripAccents = &strip
	}
	if o.Has("tokenize_chinese_chars") {
		t.options.TokenizeChinese = &chinese
	}
	for id, token := range decoder {
		if _, err := fmt.Sscan(id, &token.ID); err != nil || fmt.Sprint(token.ID) != id || token.ID < 0 {
			return fmt.Errorf("added_tokens_decoder has the key %.80q, expected an id", id)
		}
		t.add(token)
	}
	if beside {
		return nil // tokenizer.json has the special tokens
	}
	return t.readNamed(o)
}

// add adds a token, in place of one of the same id.
func (t *hfTokenizer) add(token tokenizer.AddedToken) {
	t.added = slices.DeleteFunc(t.added, func(a tokenizer.AddedToken) bool { return a.ID == token.ID })
	t.added = append(t.added, token)
}

// setSide takes the side on which texts are cut.
func (t *hfTokenizer) setSide(side string) error {
	if side != "left" && side != "right" {
		return fmt.Errorf("truncation_side is %.80q, expected \"left\" or \"right\"", side)
	}
	t.options.TruncateLeft = side == "left"
	return nil
}

// readAddedTokens reads added_tokens.json, token to id. It is older than the flags of tokens: transformers takes those for folded that
// are not
// special. Where added_tokens_decoder has tokens it does not count.
func (t *hfTokenizer) readAddedTokens(o strictjson.Object) error {
	if len(t.added) > 0 {
		return nil
	}
	for content := range o {
		token := tokenizer.AddedToken{Content: content, Special: slices.Contains(t.named, content)}
		if err := o.Read(content, &token.ID); err != nil {
			return err
		}
		token.Normalized = !token.Special
		t.add(token)
	}
	return nil
}

// readNamed reads the special tokens that have names and no ids: tokenizer_config.json and special_tokens_map.json.
func (t *hfTokenizer) readNamed(o strictjson.Object) error {
	for _, key := range []string{"additional_special_tokens", "extra_special_tokens"} {
		var list []json.RawMessage
		if !o.Has(key) || json.Unmarshal(o[key], &list) != nil {
			continue
		}
		for i := range list {
			if content := stringIn(list[i], "content"); content != "" && !slices.Contains(t.named, content) {
				t.named = append(slices.Clip(t.named), content)
			}
		}
	}
	return nil
}

// knownTokenizerClass reports whether a class of transformers reads text as BERT's does. The general ones do what tokenizer.json
// says.
func knownTokenizerClass(class string, beside bool) bool {
	switch strings.TrimSuffix(class, "Fast") {
	case "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "RetriBertTokenizer":
		return true
	case "PreTrainedTokenizer", "TokenizersBackend":
		return beside
	}
	return false
}

// stringIn returns a string that stands there, or as the member of that name of an object that stands there, else "".
func stringIn(raw json.RawMessage, member string) (s string) {
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var o strictjson.Object
	if json.Unmarshal(raw, &o) == nil && json.Unmarshal(o[member], &s) == nil {
		return s
	}
	return ""
}

// readTokenizer reads tokenizer.json.
func (t *hfTokenizer) readTokenizer(o strictjson.Object) error {
	if err := t.readNormalizer(o); err != nil {
		return err
	}
	if err := expectType(o, "pre_tokenizer", "BertPreTokenizer"); err != nil {
		return err
	}
	if err := checkPostProcessor(o); err != nil {
		return err
	}
	if o.Has("added_tokens") {
		if err := o.Read("added_tokens", &t.added); err != nil {
			return err
		}
	}
	if o.Has("truncation") {
		var truncation struct{ Direction string }
		if err := o.Read("truncation", &truncation); err != nil {
			return err
		}
		if truncation.Direction != "" {
			if err := t.setSide(strings.ToLower(truncation.Direction)); err != nil {
				return err
			}
		}
	}
	if err := expectType(o, "model", "WordPiece"); err != nil {
		return err
	}
	var model strictjson.Object
	unknown, prefix := "[UNK]", "##"
	if err := o.Read("model", &model); err != nil {
		return err
	}
	if err := errors.Join(model.Read("unk_token", &unknown), model.Read("continuing_subword_prefix", &prefix),
		model.Read("vocab", &t.vocab),
		model.Read("max_input_chars_per_word", &t.options.MaxWordChars)); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if unknown != "[UNK]" || prefix != "##" || t.options.MaxWordChars < 1 || t.vocab == nil {
		return fmt.Errorf("model: unk_token %q, continuing_subword_prefix %q, max_input_chars_per_word %d, vocab of %d tokens, "+
			"expected \"[UNK]\", \"##\", 1 or more, and a vocab",
			unknown, prefix, t.options.MaxWordChars, len(t.vocab))
	}
	return nil
}

// readNormalizer reads how text is folded: by BertNormalizer, or not at all.
func (t *hfTokenizer) readNormalizer(o strictjson.Object) error {
	if err := expectType(o, "normalizer", "BertNormalizer"); err != nil {
		return err
	}
	var normalizer strictjson.Object
	clean, chinese, lower, strip := true, true, true, false
	err := o.Read("normalizer", &normalizer)
	for key, dst := range map[string]any{"clean_text": &clean, "handle_chinese_chars": &chinese, "lowercase": &lower,
		"strip_accents": &strip} {
		if normalizer.Has(key) {
			err = errors.Join(err, normalizer.Read(key, dst))
		}
	}
	if err == nil && !clean {
		err = errors.New("clean_text is false, expected true")
	}
	if err != nil {
		return fmt.Errorf("normalizer: %w", err)
	}
	t.lower, t.options.TokenizeChinese = &lower, &chinese
	if normalizer.Has("strip_accents") {
		t.options.StripAccents = &strip
	}
	return nil
}

// expectType refuses a part of the tokenizer that is of another type than BERT's.
func expectType(o strictjson.Object, part, want string) error {
	if found := stringIn(o[part], "type"); found != want {
		return fmt.Errorf("%s is %.80q, expected %q: not the tokenizer of BERT", part, found, want)
	}
	return nil
}

// checkPostProcessor refuses rows that are made otherwise than [CLS] a [SEP] b [SEP].
func checkPostProcessor(o strictjson.Object) error {
	var p struct {
		Type         string
		Single, Pair []map[string]struct {
			ID     string
			TypeID int `json:"type_id"`
		}
	}
	if !o.Has("post_processor") {
		return errors.New("post_processor is missing: the rows would have no [CLS] and [SEP]")
	}
	if err := json.Unmarshal(o["post_processor"], &p); err != nil {
		return fmt.Errorf("post_processor: %w", err)
	}
	row := fmt.Sprint(p.Single, p.Pair)
	const want = "[map[SpecialToken:{[CLS] 0}] map[Sequence:{A 0}] map[SpecialToken:{[SEP] 0}]] " +
		"[map[SpecialToken:{[CLS] 0}] map[Sequence:{A 0}] map[SpecialToken:{[SEP] 0}] map[Sequence:{B 1}] map[SpecialToken:{[SEP] 1}]]"
	if p.Type != "BertProcessing" && (p.Type != "TemplateProcessing" || row != want) {
		return fmt.Errorf("post_processor is %.80q and makes the rows %.300s, expected [CLS] A [SEP] and [CLS] A [SEP] B [SEP]", p.Type,
			row)
	}
	return nil
}

// vocabText returns the vocabulary of tokenizer.json as vocab.txt would have it.
func (t *hfTokenizer) vocabText() ([]byte, error) {
	size := 0
	for token, id := range t.vocab {
		if id < 0 || id >= maxVocabLines {
			return nil, fmt.Errorf("token %.80q has id %d, expected 0 to %d", token, id, maxVocabLines-1)
		}
		if strings.ContainsAny(token, "\r\n") || strings.TrimSpace(token) != token {
			return nil, fmt.Errorf("token %.80q has white space round it or a line end in it", token)
		}
		size = max(size, id+1)
	}
	if size > 2*len(t.vocab) { // a vocabulary has no holes; this one would be made of them
		return nil, fmt.Errorf("vocab has %d tokens and the id %d, expected ids from 0 on without gaps", len(t.vocab), size-1)
	}
	tokens := make([]string, size)
	for token, id := range t.vocab {
		if tokens[id] != "" {
			return nil, fmt.Errorf("tokens %.80q and %.80q both have id %d", tokens[id], token, id)
		}
		tokens[id] = token
	}
	return []byte(strings.Join(tokens, "\n") + "\n"), nil
}

// checkVocab compares tokenizer.json with vocab.txt, which stands beside it and may have lines for the added tokens. more says that it has.
func (t *hfTokenizer) checkVocab(vocab *tokenizer.Vocab) (more bool, err error) {
	known := 0
	for i := range vocab.Size() {
		token := vocab.Token(int32(i))
		if id, ok := vocab.ID(token); !ok || int(id) != i {
			continue // a blank line, or one that comes again
		}
		if id, ok := t.vocab[token]; ok && id == i {
			known++
			continue
		}
		_, moved := t.vocab[token]
		if moved || !slices.ContainsFunc(t.added, func(a tokenizer.AddedToken) bool { return a.Content == token && int(a.ID) == i }) {
			return false, fmt.Errorf("token %.80q has id %d in vocab.txt, but not here", token, i)
		}
		more = true
	}
	if known != len(t.vocab) {
		return false, fmt.Errorf("vocab of %d tokens, but vocab.txt has %d", len(t.vocab), known)
	}
	return more, nil
}

// addTokens settles the tokens that were added: those with ids, and the special ones that the vocabulary has.
func (t *hfTokenizer) addTokens(vocab *tokenizer.Vocab) {
	for _, content := range t.named {
		id, ok := vocab.ID(content)
		if ok && !slices.ContainsFunc(t.added, func(a tokenizer.AddedToken) bool { return a.Content == content }) {
			t.added = append(t.added, tokenizer.AddedToken{ID: id, Content: content, Special: true})
		}
	}
	slices.SortFunc(t.added, func(a, b tokenizer.AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	t.options.Added = t.added
}
