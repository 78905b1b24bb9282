package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
)

// A folder of sentence-transformers says what its vectors are; what cannot be had is named.
func TestSentenceFolder(t *testing.T) {
	t.Parallel()
	const modules = `[{"idx":0,"path":"","type":"sentence_transformers.models.Transformer"},` +
		`{"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]`
	withMore := func(kind string) string {
		return strings.TrimSuffix(modules, "]") + `,{"idx":2,"path":"2","type":"sentence_transformers.models.` + kind + `"}]`
	}
	for _, c := range []struct {
		modules, pooling, length string
		want                     bert.Pooling
		max                      int
		no, fails                string
	}{
		{modules, `{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}`, `{"max_seq_length": 16}`, bert.Mean, 16, "", ""},
		{modules, `{"pooling_mode_cls_token": true}`, "", bert.CLS, 40, "", ""},
		{modules, `{"pooling_mode_max_tokens": true}`, `{"max_seq_length": 5000, "do_lower_case": true}`, bert.Max, 40, "", ""},
		{modules, `{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}`, "", "concat:cls,mean", 40, "", ""},
		{modules, `{"pooling_mode": "mean"}`, "", bert.Mean, 40, "", ""},
		{modules, `{"pooling_mode": ["mean", "max"]}`, "", "concat:max,mean", 40, "", ""},
		{withMore("Normalize"), `{"pooling_mode_mean_tokens": true}`, "", bert.Mean, 40, "", ""},
		{withMore("Dense"), `{"pooling_mode_mean_tokens": true}`, "", bert.Pooled, 40, "the module Dense", ""},
		{modules, `{"pooling_mode_lasttoken": true}`, "", bert.Pooled, 40, "the pooling lasttoken", ""},
		{modules, `{"pooling_mode_mean_sqrt_len_tokens": true}`, "", bert.Pooled, 40, "mean_sqrt_len_tokens", ""},
		{modules, `{}`, "", bert.Pooled, 40, "no pooling", ""},
		{modules, `{"pooling_mode_mean_tokens": 1}`, "", "", 0, "", "pooling_mode_mean_tokens is 1"},
		{modules, `{"pooling_mode_mean_tokens": true}`, `{"max_seq_length": 1}`, "", 0, "", "max_seq_length is 1"},
		{strings.Replace(modules, "1_Pooling", "../p", 1), `{}`, "", "", 0, "", "leads out of the folder"},
		{`{"a": 1}`, `{}`, "", "", 0, "", "modules.json"},
	} {
		dir := savedHF(t, tiny(t, 1))
		os.Mkdir(filepath.Join(dir, "1_Pooling"), 0o755)
		writeFile(t, filepath.Join(dir, "modules.json"), c.modules)
		writeFile(t, filepath.Join(dir, "1_Pooling", "config.json"), c.pooling)
		if c.length != "" {
			writeFile(t, filepath.Join(dir, "sentence_bert_config.json"), c.length)
		}
		var messages []string
		m, err := Open(dir, logged(&messages))
		if c.fails != "" {
			failsWith(t, c.modules+c.pooling, err, c.fails)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(messages, "\n")
		if m.Pooling != c.want || m.MaxSeqLength != c.max || !strings.Contains(m.NoPooling, c.no) || (m.NoPooling == "") != (c.no == "") ||
			strings.Count(said, "sentence-transformers") != 1 {
			t.Errorf("%s %s: %q, %d, %q; said %s", c.pooling, c.length, m.Pooling, m.MaxSeqLength, m.NoPooling, said)
		}
		if c.no != "" {
			continue
		}
		for _, written := range []string{saved(t, m), savedHF(t, m)} { // what is written says the same
			if again := open(t, written, nil); again.Pooling != m.Pooling || again.MaxSeqLength != m.MaxSeqLength {
				t.Errorf("%s: written as %q, %d", c.pooling, again.Pooling, again.MaxSeqLength)
			}
		}
	}
}

// do_lower_case of sentence_bert_config.json lower-cases before the tokenizer has the text: beside one that does not, it is refused.
func TestSentenceLowerCase(t *testing.T) {
	t.Parallel()
	dir := savedHF(t, tiny(t, 1))
	os.Remove(filepath.Join(dir, "bertlabel.json"))
	writeFile(t, filepath.Join(dir, "modules.json"), `[{"path":"","type":"sentence_transformers.models.Transformer"}]`)
	writeFile(t, filepath.Join(dir, "sentence_bert_config.json"), `{"do_lower_case": true}`)
	if _, err := Open(dir, nil); err != nil {
		t.Fatal(err)
	}
	replaceIn(t, filepath.Join(dir, "tokenizer_config.json"), `"do_lower_case": true`, `"do_lower_case": false`)
	_, err := Open(dir, nil)
	failsWith(t, "lower-casing before a cased tokenizer", err, "do_lower_case of sentence_bert_config.json is true", "not supported together")
}
