package names

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/tensor/tensortest"
)

// googleNames returns all variables of a BERT with a head, as modeling.py and run_classifier.py name them.
func googleNames(layers int) []string {
	names := []string{
		"bert/embeddings/word_embeddings", "bert/embeddings/position_embeddings", "bert/embeddings/token_type_embeddings",
		"bert/embeddings/LayerNorm/gamma", "bert/embeddings/LayerNorm/beta",
		"bert/pooler/dense/kernel", "bert/pooler/dense/bias", "output_weights", "output_bias",
	}
	for i := range layers {
		for _, s := range []string{
			"attention/self/query/kernel", "attention/self/query/bias", "attention/self/key/kernel", "attention/self/key/bias",
			"attention/self/value/kernel", "attention/self/value/bias", "attention/output/dense/kernel", "attention/output/dense/bias",
			"attention/output/LayerNorm/gamma", "attention/output/LayerNorm/beta", "intermediate/dense/kernel", "intermediate/dense/bias",
			"output/dense/kernel", "output/dense/bias", "output/LayerNorm/gamma", "output/LayerNorm/beta",
		} {
			names = append(names, fmt.Sprintf("bert/encoder/layer_%d/%s", i, s))
		}
	}
	return names
}

func TestToHuggingFace(t *testing.T) {
	for google, want := range map[string]struct {
		hf        string
		transpose bool
	}{
		"bert/embeddings/word_embeddings":                      {"bert.embeddings.word_embeddings.weight", false},
		"bert/embeddings/LayerNorm/gamma":                      {"bert.embeddings.LayerNorm.weight", false},
		"bert/encoder/layer_11/attention/self/key/kernel":      {"bert.encoder.layer.11.attention.self.key.weight", true},
		"bert/encoder/layer_0/attention/output/LayerNorm/beta": {"bert.encoder.layer.0.attention.output.LayerNorm.bias", false},
		"bert/encoder/layer_0/output/dense/bias":               {"bert.encoder.layer.0.output.dense.bias", false},
		"bert/pooler/dense/kernel":                             {"bert.pooler.dense.weight", true},
		"output_weights":                                       {"classifier.weight", false},
		"output_bias":                                          {"classifier.bias", false},
	} {
		if hf, transpose, ok := ToHuggingFace(google); !ok || hf != want.hf || transpose != want.transpose {
			t.Errorf("%s: %s, %v, %v, want %v", google, hf, transpose, ok, want)
		}
	}
	for _, other := range []string{"", "bert", "bert/", "global_step", "embeddings/word_embeddings",
		"bert/encoder/layer_/output/dense/bias",
		"bert/encoder/layer_00/output/dense/bias", "bert/encoder/layer_-1/output/dense/bias", "bert/encoder/layer_0/output/dense",
		"bert/encoder/layer_0output/dense/bias", "cls/predictions/output_bias", "bert/pooler/dense/kernel/adam_m"} {
		if hf, _, ok := ToHuggingFace(other); ok {
			t.Errorf("%q became %q", other, hf)
		}
	}
}

// TestResolve takes a whole model's names to each form that is met in files, and back.
func TestResolve(t *testing.T) {
	const layers = 12
	hf := func(prefix, head string) func(string) string {
		return func(google string) string {
			name, _, _ := ToHuggingFace(google)
			if rest, ok := strings.CutPrefix(name, "bert."); ok {
				return prefix + rest
			}
			return head + name
		}
	}
	for _, c := range []struct {
		name   string
		layout Layout
		scope  string
		stored func(google string) string
	}{
		{"Google", Google, "", func(s string) string { return s }},
		{"Google with a scope", Google, "module/", func(s string) string { return "module/" + s }},
		{"Hugging Face", HuggingFace, "bert.", hf("bert.", "")},
		{"BertModel", HuggingFace, "", hf("", "")},
		{"model.", HuggingFace, "model.", hf("model.", "")},
		{"model.bert.", HuggingFace, "model.bert.", hf("model.bert.", "model.")},
		{"LayerNorm.gamma", HuggingFace, "bert.", func(s string) string {
			name := hf("bert.", "")(s)
			return strings.NewReplacer("LayerNorm.weight", "LayerNorm.gamma", "LayerNorm.bias", "LayerNorm.beta").Replace(name)
		}},
	} {
		want := googleNames(layers)
		var stored []string
		for _, name := range want {
			stored = append(stored, c.stored(name))
		}
		m, err := Resolve(stored)
		if err != nil || m.Layout != c.layout || m.Scope != c.scope || len(m.Unknown)+len(m.Ignored) > 0 || len(m.Places) != len(want) {
			t.Errorf("%s: %v, layout %v, scope %q, %d places of %d, unknown %v", c.name, err, m.Layout, m.Scope, len(m.Places), len(want),
				m.Unknown)
		}
		for _, name := range want {
			_, transpose, _ := ToHuggingFace(name)
			if p := m.Places[name]; p.Stored != c.stored(name) || p.Transpose != (transpose && c.layout == HuggingFace) {
				t.Errorf("%s: %s is %+v", c.name, name, p)
			}
		}
	}
}

func TestIgnored(t *testing.T) {
	for _, c := range []struct{ stored, ignored, unknown []string }{
		{
			[]string{"bert/embeddings/word_embeddings", "bert/embeddings/word_embeddings/adam_v", "cls/predictions/output_bias",
				"global_step", "extra"},
			[]string{"bert/embeddings/word_embeddings/adam_v", "cls/predictions/output_bias", "global_step"},
			[]string{"extra"},
		}, {
			[]string{"m/bert/embeddings/word_embeddings", "m/cls/x", "m/global_step", "m/adam_m", "m/bert/x", "m"},
			[]string{"m/adam_m", "m/cls/x", "m/global_step"},
			[]string{"m", "m/bert/x"},
		}, {
			[]string{"bert.embeddings.word_embeddings.weight", "bert.embeddings.position_ids", "cls.predictions.bias",
				"bert.encoder.layer.01.output.dense.bias"},
			[]string{"bert.embeddings.position_ids", "cls.predictions.bias"},
			[]string{"bert.encoder.layer.01.output.dense.bias"},
		}, {
			[]string{"embeddings.word_embeddings.weight", "embeddings.position_ids", "embeddings.position_ids.x", "clsx"},
			[]string{"embeddings.position_ids"},
			[]string{"clsx", "embeddings.position_ids.x"},
		}, {
			[]string{"output_weights", "output_bias"}, nil, nil,
		}, {
			[]string{"bert/embeddings/word_embeddings", "bert/pooler/dense/bias/Adam", "bert/pooler/dense/bias/Adam_1", "beta1_power", "loss_scale",
				"bert/pooler/dense/bias/lamb_m", "output_bias/Momentum", "output_bias/ExponentialMovingAverage", "Adam", "x/Adam_2", "mine/a/slot"},
			[]string{"bert/pooler/dense/bias/Adam", "bert/pooler/dense/bias/Adam_1", "bert/pooler/dense/bias/lamb_m", "beta1_power", "loss_scale",
				"mine/a/slot", "output_bias/ExponentialMovingAverage", "output_bias/Momentum"},
			[]string{"Adam", "x/Adam_2"},
		},
	} {
		m, err := Resolve(c.stored, "mine/*/slot", "*word_embeddings")
		if err != nil || !slices.Equal(m.Ignored, c.ignored) || !slices.Equal(m.Unknown, c.unknown) {
			t.Errorf("%v: ignored %v, unknown %v, %v", c.stored, m.Ignored, m.Unknown, err)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct{ pattern, yes, no string }{
		{"a", "a", "ab"}, {"a*", "ab", "ba"}, {"*a", "ba", "ab"}, {"*a*", "bab", "b"}, {"a*b*c", "a/b/c", "a/c/b"}, {"a*a", "aa", "a"},
	} {
		if !Matches(c.yes, []string{c.pattern}) || Matches(c.no, []string{"z", c.pattern}) {
			t.Errorf("%s: want %s and not %s", c.pattern, c.yes, c.no)
		}
	}
}

func TestTwice(t *testing.T) {
	for _, stored := range [][]string{
		{"embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight", "embeddings.LayerNorm.gamma"},
		{"module/bert/embeddings/word_embeddings", "bert/embeddings/word_embeddings"},
	} {
		if m, err := Resolve(stored); err == nil {
			t.Errorf("%v: %v", stored, m.Places)
		}
	}
}

// TestTF2 has the two namings of tensorflow/models, as the fixtures give them with Google's names and shapes.
func TestTF2(t *testing.T) {
	testTF2(t, "../../checkpoint/testdata", 1)
	t.Run("shared", func(t *testing.T) { testTF2(t, tensortest.Shared(t, "fixtures/checkpoints"), 2) })
}

func testTF2(t *testing.T, folder string, want int) {
	text, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Good []struct {
			Name    string
			Path    string
			Tensors []struct {
				Name     string
				Shape    []int
				TF1Name  string `json:"tf1_name"`
				TF1Shape []int  `json:"tf1_shape"`
			}
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, c := range manifest.Good {
		if !strings.HasPrefix(c.Name, "object_based_bert") {
			continue
		}
		cases++
		var stored []string
		heads := 0
		for _, tensor := range c.Tensors {
			stored = append(stored, tensor.Name)
			if strings.HasSuffix(tensor.Name, "_query_dense/bias"+valueSuffix) {
				heads = tensor.Shape[0]
			}
		}
		m, err := Resolve(stored)
		if err != nil || m.Layout != TF2 || len(m.Unknown) > 0 {
			t.Fatalf("%s: %v, layout %v, unknown %v", c.Name, err, m.Layout, m.Unknown)
		}
		places := 0
		for _, tensor := range c.Tensors {
			if tensor.TF1Name == "" {
				continue
			}
			places++
			if p := m.Places[tensor.TF1Name]; p.Stored != tensor.Name || p.Transpose {
				t.Errorf("%s: %s is %+v, want %s", c.Name, tensor.TF1Name, p, tensor.Name)
			}
			if got := StoredShape(TF2, tensor.TF1Name, tensor.TF1Shape, heads); !slices.Equal(got, tensor.Shape) {
				t.Errorf("%s: %s is stored as %v, want %v", c.Name, tensor.TF1Name, got, tensor.Shape)
			}
		}
		if places != len(m.Places) {
			t.Errorf("%s: %d variables, want %d", c.Name, len(m.Places), places)
		}
	}
	if cases != want {
		t.Errorf("%d fixtures, want %d", cases, want)
	}
}

func TestTF2Other(t *testing.T) {
	key := func(s string) string { return s + valueSuffix }
	m, err := Resolve([]string{
		key("model/layer_with_weights-0/embeddings"), key("model/layer_with_weights-4/_output_dense/bias"),
		key("model/layer_with_weights-5/kernel"),
		key("model/layer_with_weights-6/kernel"), key("save_counter"), "_CHECKPOINTABLE_OBJECT_GRAPH", key("optimizer/iter"), key("new"),
		key("model/layer_with_weights-5/kernel/.OPTIMIZER_SLOT/optimizer/m"),
	})
	if err != nil || m.Scope != "model/" || len(m.Places) != 3 || len(m.Ignored) != 4 {
		t.Errorf("%+v, %v", m, err)
	}
	if p := m.Places["bert/pooler/dense/kernel"]; p.Stored != key("model/layer_with_weights-5/kernel") {
		t.Errorf("the pooler of one layer is %+v", p)
	}
	if want := []string{key("model/layer_with_weights-6/kernel"), key("new")}; !slices.Equal(m.Unknown, want) {
		t.Errorf("unknown %v, want %v", m.Unknown, want)
	}
}

func TestStoredShape(t *testing.T) {
	for _, c := range []struct {
		layout      Layout
		name        string
		shape, want []int
	}{
		{Google, "bert/encoder/layer_0/intermediate/dense/kernel", []int{8, 32}, []int{8, 32}},
		{HuggingFace, "bert/encoder/layer_0/intermediate/dense/kernel", []int{8, 32}, []int{32, 8}},
		{HuggingFace, "bert/encoder/layer_0/intermediate/dense/bias", []int{32}, []int{32}},
		{HuggingFace, "bert/embeddings/word_embeddings", []int{100, 8}, []int{100, 8}},
		{HuggingFace, "output_weights", []int{3, 8}, []int{3, 8}},
		{TF2, "bert/encoder/layer_0/attention/self/value/kernel", []int{8, 8}, []int{8, 2, 4}},
		{TF2, "bert/encoder/layer_0/attention/self/value/bias", []int{8}, []int{2, 4}},
		{TF2, "bert/encoder/layer_0/attention/output/dense/kernel", []int{8, 8}, []int{2, 4, 8}},
		{TF2, "bert/encoder/layer_0/attention/output/dense/bias", []int{8}, []int{8}},
	} {
		if got := StoredShape(c.layout, c.name, c.shape, 2); !slices.Equal(got, c.want) {
			t.Errorf("%v %s: %v, want %v", c.layout, c.name, got, c.want)
		}
	}
}

func ExampleResolve() {
	m, err := Resolve([]string{
		"bert.embeddings.word_embeddings.weight",
		"bert.encoder.layer.0.attention.self.query.weight",
		"bert.embeddings.position_ids",
		"classifier.weight",
	})
	fmt.Println(m.Layout, m.Scope, err)
	fmt.Println(m.Places["bert/encoder/layer_0/attention/self/query/kernel"])
	fmt.Println(m.Places[OutputWeights], m.Ignored)
	// Output:
	// Hugging Face bert. <nil>
	// {bert.encoder.layer.0.attention.self.query.weight true}
	// {classifier.weight false} [bert.embeddings.position_ids]
}
