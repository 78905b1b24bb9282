package model

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/internal/strictjson"
)

// sentenceFolder is what a folder of the library sentence-transformers says of its vectors: modules.json lists what makes them, a
// transformer,
// a pooling, and perhaps more.
type sentenceFolder struct {
	pooling bert.Pooling
	said    string // how modules.json has it
	refused string // what of it cannot be done here; "" for nothing
	length  int    // max_seq_length; 0: none
	lower   bool   // do_lower_case: texts are lower-cased before the tokenizer has them
}

// readSentence reads modules.json and the files of its modules; nil if the folder of a Hugging Face model has none.
func readSentence(folder string) (*sentenceFolder, error) {
	list := existing([]string{folder}, "modules.json")
	if list == "" {
		return nil, nil
	}
	data, err := readFile(list, bert.MaxConfigBytes)
	if err != nil {
		return nil, err
	}
	var modules []struct{ Path, Type string }
	if err := json.Unmarshal(data, &modules); err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	s := &sentenceFolder{}
	for _, m := range modules {
		if m.Path != "" && !filepath.IsLocal(m.Path) {
			return nil, fmt.Errorf("%s: path %.80q leads out of the folder", list, m.Path)
		}
		switch kind := path.Ext("." + m.Type); kind {
		case ".Transformer":
			err = s.readLength(existing([]string{filepath.Join(folder, m.Path)}, "sentence_bert_config.json"))
		case ".Pooling":
			err = s.readPooling(filepath.Join(folder, m.Path, hfConfigName))
		case ".Normalize": // a length of its own for each vector, which neither a head nor a cosine looks at
		default:
			s.refused = "the module " + strings.TrimPrefix(kind, ".")
		}
		if err != nil {
			return nil, err
		}
	}
	if s.said == "" && s.refused == "" {
		s.refused = "no pooling"
	}
	return s, nil
}

// readJSONFile reads a JSON object of a file.
func readJSONFile(path string) (strictjson.Object, error) {
	data, err := readFile(path, bert.MaxConfigBytes)
	if err != nil {
		return nil, err
	}
	o, err := strictjson.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return o, nil
}

// readLength reads sentence_bert_config.json, which may be missing: path is "" then.
func (s *sentenceFolder) readLength(path string) error {
	if path == "" {
		return nil
	}
	o, err := readJSONFile(path)
	for key, dst := range map[string]any{"max_seq_length": &s.length, "do_lower_case": &s.lower} {
		if err == nil && o.Has(key) {
			err = o.Read(key, dst)
		}
	}
	if err == nil && s.length != 0 && s.length < 2 {
		err = fmt.Errorf("max_seq_length is %d, expected 2 or more", s.length)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// sentencePoolings are the modes of sentence-transformers: the keys of older files, and the names of newer ones.
var sentencePoolings = []struct {
	key, name string
	pooling   bert.Pooling // "" for what is not done here
}{
	{"pooling_mode_cls_token", "cls", bert.CLS}, {"pooling_mode_max_tokens", "max", bert.Max},
	{"pooling_mode_mean_tokens", "mean", bert.Mean}, {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", ""},
	{"pooling_mode_weightedmean_tokens", "weightedmean", ""}, {"pooling_mode_lasttoken", "lasttoken", ""},
}

// readPooling reads the configuration of a pooling: one mode, or several whose vectors stand side by side, in the order of the table.
func (s *sentenceFolder) readPooling(path string) error {
	o, err := readJSONFile(path)
	if err != nil {
		return err
	}
	modes := strings.Split(stringIn(o["pooling_mode"], ""), "+")
	var list []string
	if json.Unmarshal(o["pooling_mode"], &list) == nil {
		modes = list
	}
	var poolings []bert.Pooling
	for _, mode := range sentencePoolings {
		on := false
		if o.Has(mode.key) {
			if err := o.Read(mode.key, &on); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		for _, m := range modes {
			on = on || m == mode.name
		}
		if !on {
			continue
		}
		if s.said = strings.TrimPrefix(s.said+"+"+mode.name, "+"); mode.pooling == "" {
			s.refused = "the pooling " + mode.name
			continue
		}
		poolings = append(poolings, mode.pooling)
	}
	if len(poolings) > 0 {
		s.pooling, err = bert.JoinPoolings(poolings...)
	}
	return err
}

// applySentence makes what a sentence-transformers folder says the defaults of a model without a head.
func (m *Model) applySentence(f files, o *Options) error {
	if !isFolder(f.model) || m.Head != nil {
		return nil
	}
	s, err := readSentence(f.model)
	if err != nil || s == nil {
		return err
	}
	if s.length > 0 {
		m.MaxSeqLength = min(s.length, m.Encoder.Config.MaxPositionEmbeddings)
	}
	if s.lower && !m.Tokenizer.Options().LowerCase {
		return fmt.Errorf("%s: do_lower_case of sentence_bert_config.json is true, but the tokenizer does not lower-case: not supported "+
			"together", f.model)
	}
	if s.refused != "" {
		m.NoPooling = fmt.Sprintf("%s: modules.json asks for %s, which bertlabel does not have", f.model, s.refused)
		o.warnf("%s; its vectors are not those of sentence-transformers", m.NoPooling)
		return nil
	}
	m.Pooling = s.pooling
	o.logf("%s is a sentence-transformers folder: features are %s, texts have up to %d tokens", f.model, m.Pooling, m.MaxSeqLength)
	return nil
}
