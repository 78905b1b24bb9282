package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/internal/strictjson"
)

// hfActivations are the names that config.json has for activations, with Google's for the same function.
var hfActivations = map[string]string{
	"gelu": "gelu_erf", "gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "relu": "relu", "tanh": "tanh", "linear": "linear",
}

// hfNorm is the epsilon of layer normalisation in BertConfig of transformers, and modeling.py's.
const hfNormEps = 1e-12

// hfIgnoredKeys stand in config.json and mean nothing to the encoder and its head.
var hfIgnoredKeys = strings.Fields(`_name_or_path architectures attn_implementation bos_token_id
	chunk_size_feed_forward classifier_dropout dtype eos_token_id
	finetuning_task gradient_checkpointing id2label is_decoder add_cross_attention is_encoder_decoder label2id model_type
	num_labels output_attentions
	output_hidden_states output_past pad_token_id position_embedding_type problem_type pruned_heads return_dict tie_word_embeddings
	torch_dtype torchscript transformers_version use_cache`)

// isHuggingFace reports whether a config is one of transformers: config.json, or a file that says what kind of model it is for.
func isHuggingFace(path string, o strictjson.Object) bool {
	return filepath.Base(path) == hfConfigName || o.Has("model_type") || o.Has("architectures")
}

// googleConfig translates config.json to bert_config.json: the keys are the same, but defaults and the names of activations are
// others. The error says what the model is if it is no BERT encoder.
func googleConfig(o strictjson.Object) ([]byte, error) {
	if err := checkArchitecture(o); err != nil {
		return nil, err
	}
	google := strictjson.Object{"vocab_size": json.RawMessage("30522"), "type_vocab_size": json.RawMessage("2")}
	maps.Copy(google, o)
	for _, key := range hfIgnoredKeys {
		delete(google, key)
	}
	act, eps := "gelu", hfNormEps
	if err := errors.Join(o.Read("hidden_act", &act), o.Read("layer_norm_eps", &eps)); err != nil {
		return nil, err
	}
	name, ok := hfActivations[act]
	if !ok {
		return nil, fmt.Errorf("hidden_act is %q, expected one of %q", act, slices.Sorted(maps.Keys(hfActivations)))
	}
	google["hidden_act"] = json.RawMessage(`"` + name + `"`)
	if delete(google, "layer_norm_eps"); eps != hfNormEps {
		if !(eps > 0) {
			return nil, fmt.Errorf("layer_norm_eps is %v, expected more than 0", eps)
		}
		google["layer_norm_eps"] = o["layer_norm_eps"]
	}
	return json.Marshal(google)
}

// checkArchitecture refuses what is not BERT, or not all of it that decides the numbers.
func checkArchitecture(o strictjson.Object) error {
	var (
		architectures           []string
		position                = "absolute"
		isDecoder, crossAttends bool
		pruned                  strictjson.Object
		modelType               = "bert"
	)
	for key, dst := range map[string]any{"architectures": &architectures, "position_embedding_type": &position, "is_decoder": &isDecoder,
		"add_cross_attention": &crossAttends, "pruned_heads": &pruned, "model_type": &modelType} {
		if o.Has(key) {
			if err := o.Read(key, dst); err != nil {
				return err
			}
		}
	}
	if modelType != "bert" {
		return fmt.Errorf("model_type is %q: a model of the architecture %s, bertlabel runs BERT only", modelType,
			architectureName(modelType))
	}
	for _, name := range architectures {
		switch {
		case !o.Has("model_type") && !strings.HasPrefix(name, "Bert"):
			return fmt.Errorf("architectures is %q: another architecture, bertlabel runs BERT only", name)
		case strings.HasSuffix(name, "TokenClassification"), strings.HasSuffix(name, "MultipleChoice"),
			strings.HasSuffix(name, "QuestionAnswering"):
			return fmt.Errorf("architectures is %q: its head does not label texts, bertlabel runs encoders and "+
				"BertForSequenceClassification", name)
		}
	}
	switch {
	case position != "absolute":
		return fmt.Errorf("position_embedding_type is %q, expected \"absolute\"", position)
	case isDecoder || crossAttends:
		return errors.New("is_decoder or add_cross_attention is true: a decoder, bertlabel runs encoders only")
	case len(pruned) > 0:
		return errors.New("pruned_heads is not empty: a model without some of its attention heads, bertlabel runs whole ones only")
	case o.Has("quantization_config"):
		return errors.New("quantization_config is there: a quantised model, bertlabel reads floating-point weights only")
	}
	return nil
}

// foreignConfig refuses a folder whose config.json is of another architecture. One that cannot be read is for others to report.
func foreignConfig(folder string) error {
	path := filepath.Join(folder, hfConfigName)
	data, err := readFile(path, bert.MaxConfigBytes)
	if err != nil {
		return nil
	}
	object, err := strictjson.Parse(data)
	if err != nil {
		return nil
	}
	if err := checkArchitecture(object); err != nil {
		return fmt.Errorf("config %s: %w", path, err)
	}
	return nil
}

// architectureName spells a model_type as people do.
func architectureName(modelType string) string {
	spelled := map[string]string{
		"albert": "ALBERT", "bart": "BART", "bert-generation": "BERT for generation", "big_bird": "BigBird",
		"camembert": "CamemBERT (RoBERTa)", "canine": "CANINE",
		"convbert": "ConvBERT", "data2vec-text": "data2vec (RoBERTa)", "deberta": "DeBERTa", "deberta-v2": "DeBERTa",
		"distilbert": "DistilBERT", "electra": "ELECTRA",
		"ernie": "ERNIE", "ernie_m": "ERNIE-M", "flaubert": "FlauBERT (XLM)", "fnet": "FNet", "funnel": "Funnel Transformer",
		"gpt2": "GPT-2", "ibert": "I-BERT",
		"layoutlm": "LayoutLM", "llama": "Llama", "longformer": "Longformer", "luke": "LUKE", "megatron-bert": "Megatron-BERT",
		"mobilebert": "MobileBERT",
		"modernbert": "ModernBERT", "mpnet": "MPNet", "nezha": "NEZHA", "nomic_bert": "NomicBERT", "nystromformer": "Nyströmformer",
		"rembert": "RemBERT", "roberta": "RoBERTa",
		"roc_bert": "RoCBert", "roformer": "RoFormer", "splinter": "Splinter", "squeezebert": "SqueezeBERT", "t5": "T5", "xlm": "XLM",
		"xlm-roberta":    "XLM-RoBERTa",
		"xlm-roberta-xl": "XLM-RoBERTa", "xlnet": "XLNet", "xmod": "X-MOD (RoBERTa)", "yoso": "YOSO",
	}
	if name, ok := spelled[modelType]; ok {
		return name
	}
	return modelType
}

// hfProblem returns problem_type; "" if there is none.
func hfProblem(o strictjson.Object) (problem string, err error) {
	if o.Has("problem_type") {
		err = o.Read("problem_type", &problem)
	}
	return problem, err
}

// hfLabels returns the names of id2label in the order of the outputs, nil if there are none; and what is odd about the labels,
// for a message.
func hfLabels(o strictjson.Object) (labels, odd []string, err error) {
	if !o.Has("id2label") {
		return nil, odd, nil
	}
	var byID map[string]string
	if err := o.Read("id2label", &byID); err != nil {
		return nil, nil, err
	}
	var ids map[string]int
	if o.Has("label2id") {
		if err := o.Read("label2id", &ids); err != nil {
			return nil, nil, err
		}
	}
	for i := range len(byID) {
		label, ok := byID[fmt.Sprint(i)]
		if !ok {
			return nil, nil, fmt.Errorf("id2label has %d members, but none is %q", len(byID), fmt.Sprint(i))
		}
		if id, ok := ids[label]; ids != nil && (!ok || id != i) {
			odd = append(odd, fmt.Sprintf("label2id does not have %q as %d; id2label counts", label, i))
			ids = nil
		}
		labels = append(labels, label)
	}
	return labels, odd, checkLabels(labels)
}

// modelConfig is what bert_config.json or config.json says.
type modelConfig struct {
	bert.Config
	huggingFace bool     // it is config.json of transformers
	labels      []string // of id2label; nil without
	problem     string   // problem_type; "" without
	pad         int      // pad_token_id; -1 for none
}

// readConfig reads bert_config.json or config.json.
func readConfig(path string, o *Options) (modelConfig, error) {
	data, err := readFile(path, bert.MaxConfigBytes)
	if err != nil {
		return modelConfig{}, err
	}
	c, odd, err := parseConfig(path, data)
	if err != nil {
		return modelConfig{}, fmt.Errorf("config %s: %w", path, err)
	}
	for _, message := range odd {
		o.logf("config %s: %s", path, message)
	}
	if o.HiddenAct != "" {
		c.HiddenAct = o.HiddenAct
		err = c.Check()
	}
	return c, err
}

// parseConfig parses a config; path tells which of the two kinds it is. odd is for messages.
func parseConfig(path string, data []byte) (c modelConfig, odd []string, err error) {
	object, err := strictjson.Parse(data)
	if err != nil {
		return c, nil, err
	}
	if c.huggingFace = isHuggingFace(path, object); c.huggingFace {
		if data, err = googleConfig(object); err != nil {
			return c, nil, err
		}
		if c.labels, odd, err = hfLabels(object); err == nil {
			c.problem, err = hfProblem(object)
		}
		if _, there := object["pad_token_id"]; err == nil && there {
			if c.pad = -1; object.Has("pad_token_id") {
				err = object.Read("pad_token_id", &c.pad)
			}
		}
		if err != nil {
			return c, nil, err
		}
	}
	var unknown []string
	if c.Config, unknown, err = bert.ParseConfig(data); err != nil {
		return c, nil, err
	}
	if len(unknown) > 0 {
		odd = append(odd, "ignored the unknown keys "+strings.Join(unknown, ", "))
	}
	return c, odd, checkRelatives(&c.Config, object)
}

// checkRelatives knows Google's other architectures by the keys of their configs.
func checkRelatives(c *bert.Config, o strictjson.Object) error {
	embedding := c.HiddenSize
	if err := o.Read("embedding_size", &embedding); err != nil {
		return err
	}
	switch {
	case o.Has("num_hidden_groups") || o.Has("inner_group_num"):
		return errors.New("num_hidden_groups or inner_group_num is there: a config of ALBERT, which shares its layers; " +
			"bertlabel runs BERT only")
	case o.Has("intra_bottleneck_size") || o.Has("use_bottleneck"):
		return errors.New("intra_bottleneck_size or use_bottleneck is there: a config of MobileBERT; bertlabel runs BERT only")
	case embedding != c.HiddenSize:
		return fmt.Errorf("embedding_size is %d, hidden_size %d: factorised embeddings, as ALBERT and ELECTRA have them; "+
			"bertlabel runs BERT only", embedding, c.HiddenSize)
	}
	return nil
}
