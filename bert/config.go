package bert

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"bertlabel/bert/internal/strictjson"
	"bertlabel/layers"
)

// Config mirrors bert_config.json (BertConfig of modeling.py).
type Config struct {
	VocabSize                 int     `json:"vocab_size"`
	HiddenSize                int     `json:"hidden_size"`
	NumHiddenLayers           int     `json:"num_hidden_layers"`
	NumAttentionHeads         int     `json:"num_attention_heads"`
	IntermediateSize          int     `json:"intermediate_size"`
	HiddenAct                 string  `json:"hidden_act"` // Google's names: "gelu" is the tanh form, "gelu_erf" the exact one
	HiddenDropoutProb         float64 `json:"hidden_dropout_prob"`
	AttentionProbsDropoutProb float64 `json:"attention_probs_dropout_prob"`
	MaxPositionEmbeddings     int     `json:"max_position_embeddings"`
	TypeVocabSize             int     `json:"type_vocab_size"`
	InitializerRange          float64 `json:"initializer_range"`

	// LayerNormEps is added to the variance; 0 means modeling.py's 1e-12. Google's configs do not have it.
	LayerNormEps float64 `json:"layer_norm_eps,omitempty"`
}

// DefaultConfig returns the values that BertConfig has for keys that a file leaves out.
func DefaultConfig() Config {
	return Config{HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072, HiddenAct: "gelu",
		HiddenDropoutProb: 0.1, AttentionProbsDropoutProb: 0.1, MaxPositionEmbeddings: 512, TypeVocabSize: 16, InitializerRange: 0.02}
}

// MaxConfigBytes is the largest config that ParseConfig takes.
const MaxConfigBytes = 1 << 20

// ignoredConfigKeys stand in Google's files and mean nothing to the encoder.
var ignoredConfigKeys = map[string]bool{"directionality": true, "pooler_fc_size": true, "pooler_num_attention_heads": true,
	"pooler_num_fc_layers": true, "pooler_size_per_head": true, "pooler_type": true}

// ParseConfig reads bert_config.json. Keys that are left out have the values of DefaultConfig, but vocab_size must be there.
// Keys that it does not know are returned, sorted, for a warning. The error names every field that is out of range; or line and
// key of what is no JSON, comes twice, or is nested more than 32 deep.
func ParseConfig(data []byte) (c Config, unknown []string, err error) {
	if len(data) > MaxConfigBytes {
		return c, nil, fmt.Errorf("%d bytes long, the limit is %d", len(data), MaxConfigBytes)
	}
	object, err := strictjson.Parse(data)
	if err != nil {
		return c, nil, err
	}
	c = DefaultConfig()
	var errs []error
	fields := configFields(&c)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		errs = append(errs, object.Read(key, fields[key]))
	}
	if _, ok := object["vocab_size"]; !ok {
		errs = append(errs, errors.New("vocab_size is missing"))
	}
	if err := errors.Join(errs...); err != nil {
		return c, nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if fields[key] == nil && !ignoredConfigKeys[key] {
			unknown = append(unknown, key)
		}
	}
	return c, unknown, c.Check()
}

// configFields maps the keys of bert_config.json to where their values go.
func configFields(c *Config) map[string]any {
	return map[string]any{
		"vocab_size": &c.VocabSize, "hidden_size": &c.HiddenSize, "num_hidden_layers": &c.NumHiddenLayers,
		"num_attention_heads": &c.NumAttentionHeads, "intermediate_size": &c.IntermediateSize, "hidden_act": &c.HiddenAct,
		"hidden_dropout_prob": &c.HiddenDropoutProb, "attention_probs_dropout_prob": &c.AttentionProbsDropoutProb,
		"max_position_embeddings": &c.MaxPositionEmbeddings, "type_vocab_size": &c.TypeVocabSize,
		"initializer_range": &c.InitializerRange, "layer_norm_eps": &c.LayerNormEps,
	}
}

// Check reports every field that is out of range, with the value found and what was expected.
func (c *Config) Check() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("%s is %v, expected %s", field, value, want))
	}
	size := func(field string, value, least, limit int) {
		if value < least || value > limit {
			bad(field, value, fmt.Sprintf("%d to %d", least, limit))
		}
	}
	size("vocab_size", c.VocabSize, 1, 1<<24)
	size("hidden_size", c.HiddenSize, 1, 1<<16)
	size("num_hidden_layers", c.NumHiddenLayers, 1, 1000)
	size("num_attention_heads", c.NumAttentionHeads, 1, 1<<16)
	size("intermediate_size", c.IntermediateSize, 1, 1<<20)
	size("max_position_embeddings", c.MaxPositionEmbeddings, 2, 1<<24) // [CLS] and [SEP]
	size("type_vocab_size", c.TypeVocabSize, 1, 1<<16)
	if c.NumAttentionHeads >= 1 && c.HiddenSize%c.NumAttentionHeads != 0 {
		bad("hidden_size", c.HiddenSize, fmt.Sprintf("a multiple of num_attention_heads, %d", c.NumAttentionHeads))
	}
	if _, err := layers.ParseActivation(c.HiddenAct); err != nil {
		errs = append(errs, fmt.Errorf("hidden_act: %w", err))
	}
	for field, p := range map[string]float64{"hidden_dropout_prob": c.HiddenDropoutProb,
		"attention_probs_dropout_prob": c.AttentionProbsDropoutProb} {
		if !(p >= 0 && p < 1) {
			bad(field, p, "0 or more and below 1")
		}
	}
	if !(c.InitializerRange > 0 && c.InitializerRange <= 10) {
		bad("initializer_range", c.InitializerRange, "more than 0, at most 10")
	}
	if !(c.LayerNormEps >= 0 && c.LayerNormEps < 1) {
		bad("layer_norm_eps", c.LayerNormEps, "0 or more and below 1")
	}
	sort.Slice(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	return errors.Join(errs...)
}

// normEps returns the epsilon of every layer normalisation.
func (c *Config) normEps() float32 {
	if c.LayerNormEps == 0 {
		return 1e-12
	}
	return float32(c.LayerNormEps)
}
