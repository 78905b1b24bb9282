package bert

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// goodConfig returns the members of a small config with every key that Google's files have.
func goodConfig() map[string]any {
	return map[string]any{
		"attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 32, "initializer_range": 0.02,
		"intermediate_size": 128, "max_position_embeddings": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "type_vocab_size": 2,
		"vocab_size": 1000,
	}
}

func TestParseConfig(t *testing.T) {
	text, err := json.Marshal(goodConfig())
	if err != nil {
		t.Fatal(err)
	}
	c, unknown, err := ParseConfig(text)
	want := Config{VocabSize: 1000, HiddenSize: 32, NumHiddenLayers: 2, NumAttentionHeads: 4, IntermediateSize: 128, HiddenAct: "gelu",
		HiddenDropoutProb:         0.1,
		AttentionProbsDropoutProb: 0.1, MaxPositionEmbeddings: 64, TypeVocabSize: 2, InitializerRange: 0.02}
	if err != nil || unknown != nil || c != want {
		t.Errorf("%+v, unknown %v, %v", c, unknown, err)
	}
	c, unknown, err = ParseConfig([]byte(`{"vocab_size": 7, "directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12,
		"pooler_num_fc_layers": 3, "pooler_size_per_head": 128, "pooler_type": "first_token_transform", "new": [{}], "Hidden_Size": 8}`))
	want = Config{VocabSize: 7, HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072, HiddenAct: "gelu",
		HiddenDropoutProb: 0.1, AttentionProbsDropoutProb: 0.1, MaxPositionEmbeddings: 512, TypeVocabSize: 16, InitializerRange: 0.02}
	if err != nil || c != want || !slices.Equal(unknown, []string{"Hidden_Size", "new"}) {
		t.Errorf("defaults: %+v, unknown %v, %v", c, unknown, err)
	}
}

// TestBadConfigs is row H11 of the hostile files: each is refused, and the message has the words of want.
func TestBadConfigs(t *testing.T) {
	type badConfig struct{ text, want string }
	var cases []badConfig
	change := func(key, value, want string) {
		members := goodConfig()
		members[key] = "@"
		text, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, badConfig{strings.Replace(string(text), `"@"`, value, 1), want})
	}
	sizes := []string{"hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers",
		"type_vocab_size", "vocab_size"}
	for _, key := range sizes {
		for _, size := range []string{"0", "-1", "1000000000", "9223372036854775807", "-9223372036854775808"} {
			change(key, size, key+" is "+size+", expected ")
		}
		for _, mistyped := range []string{`"12"`, "1.5", "1e9", "18446744073709551616", "null", "true", "[12]", `{"n": 12}`} {
			change(key, mistyped, key+" is "+mistyped+", expected an integer")
		}
	}
	for _, key := range []string{"hidden_dropout_prob", "attention_probs_dropout_prob"} {
		change(key, "NaN", key+`: found "NaN", expected a JSON value`)
		change(key, "Infinity", key+`: found "Infinity", expected a JSON value`)
		change(key, "1e999", key+" is 1e999, expected a number")
		change(key, `"0.1"`, key+` is "0.1", expected a number`)
		change(key, "-0.1", key+" is -0.1, expected 0 or more and below 1")
		change(key, "1", key+" is 1, expected 0 or more and below 1")
	}
	change("max_position_embeddings", "1", "max_position_embeddings is 1, expected 2 to ")
	change("num_attention_heads", "5", "hidden_size is 32, expected a multiple of num_attention_heads, 5")
	change("num_attention_heads", "64", "hidden_size is 32, expected a multiple of num_attention_heads, 64")
	change("hidden_act", `"swish"`, `hidden_act: unknown activation "swish"`)
	change("hidden_act", `"GELU"`, `hidden_act: unknown activation "GELU"`)
	change("hidden_act", `""`, `hidden_act: unknown activation ""`)
	change("hidden_act", "3", "hidden_act is 3, expected a string")
	change("initializer_range", "0", "initializer_range is 0, expected more than 0")
	change("layer_norm_eps", "-1e-12", "layer_norm_eps is -1e-12, expected 0 or more")
	change("new", strings.Repeat("[", 40)+strings.Repeat("]", 40), "nested more than 32 deep")
	change("new", `1, "hidden_size": 32`, `key "hidden_size" comes twice`)
	change("new", `{"a": 1, "a": 1}`, `key "a" comes twice`)
	change("new", "1} {", "behind the object")
	cases = append(cases, badConfig{"", "expected a JSON object"}, badConfig{"[]", "expected a JSON object"},
		badConfig{"{}", "vocab_size is missing"},
		badConfig{`{"vocab_size": 7, "x": "` + strings.Repeat("a", MaxConfigBytes) + `"}`, "the limit is 1048576"})
	if len(cases) < 50 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		if _, _, err := ParseConfig([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.300s\ngave %v\nwant %s", c.text, err, c.want)
		}
	}
}

// One error has all that is wrong.
func TestBadConfigAllAtOnce(t *testing.T) {
	members := goodConfig()
	maps.Copy(members, map[string]any{"hidden_size": 0, "num_hidden_layers": -1, "hidden_act": "x", "hidden_dropout_prob": 2})
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = ParseConfig(text)
	for _, field := range []string{"hidden_size", "num_hidden_layers", "hidden_act", "hidden_dropout_prob"} {
		if !strings.Contains(fmt.Sprint(err), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

// Check finds what only a program can set.
func TestCheckNaN(t *testing.T) {
	for field, set := range map[string]func(c *Config, v float64){
		"hidden_dropout_prob":          func(c *Config, v float64) { c.HiddenDropoutProb = v },
		"attention_probs_dropout_prob": func(c *Config, v float64) { c.AttentionProbsDropoutProb = v },
		"initializer_range":            func(c *Config, v float64) { c.InitializerRange = v },
		"layer_norm_eps":               func(c *Config, v float64) { c.LayerNormEps = v },
	} {
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			c := DefaultConfig()
			c.VocabSize = 7
			set(&c, v)
			if err := c.Check(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s is %v", field, v)) {
				t.Errorf("%s = %v: %v", field, v, err)
			}
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	text, err := json.Marshal(goodConfig())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"vocab_size": 7, "hidden_size": 1e9, "x": {"x": [null]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, _, err := ParseConfig(text); err == nil && c.Check() != nil {
			t.Errorf("took %+v", c)
		}
	})
}
