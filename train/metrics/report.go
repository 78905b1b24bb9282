package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"reflect"
	"strings"
)

// Number is the value of a metric. NaN stands for one that does not exist and is null in JSON.
type Number float64

// Defined reports whether the value exists.
func (n Number) Defined() bool { return !math.IsNaN(float64(n)) }

// MarshalJSON writes the shortest decimal that gives back the float64, or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Defined() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(n))
}

// Summary holds the metrics of all labels together, under the names of their JSON tags.
type Summary struct {
	PrecisionMicro    Number `json:"precision_micro"`
	PrecisionMacro    Number `json:"precision_macro"`
	PrecisionWeighted Number `json:"precision_weighted"`
	PrecisionSamples  Number `json:"precision_samples"`
	RecallMicro       Number `json:"recall_micro"`
	RecallMacro       Number `json:"recall_macro"`
	RecallWeighted    Number `json:"recall_weighted"`
	RecallSamples     Number `json:"recall_samples"`
	F1Micro           Number `json:"f1_micro"`
	F1Macro           Number `json:"f1_macro"`
	F1Weighted        Number `json:"f1_weighted"`
	F1Samples         Number `json:"f1_samples"`

	SubsetAccuracy Number `json:"subset_accuracy"` // share of rows with every known cell right
	HammingLoss    Number `json:"hamming_loss"`    // share of cells that are wrong
	JaccardMicro   Number `json:"jaccard_micro"`
	JaccardMacro   Number `json:"jaccard_macro"`
	JaccardSamples Number `json:"jaccard_samples"`

	ROCAUCMicro           Number `json:"roc_auc_micro"`
	ROCAUCMacro           Number `json:"roc_auc_macro"`
	ROCAUCWeighted        Number `json:"roc_auc_weighted"`
	AveragePrecisionMicro Number `json:"average_precision_micro"`
	AveragePrecisionMacro Number `json:"average_precision_macro"`

	LabelRankingAveragePrecision Number `json:"label_ranking_average_precision"`
	CoverageError                Number `json:"coverage_error"`
	LabelRankingLoss             Number `json:"label_ranking_loss"`

	LogLoss                  Number `json:"log_loss"` // mean sigmoid cross-entropy over all cells
	BrierScore               Number `json:"brier_score"`
	ExpectedCalibrationError Number `json:"expected_calibration_error"` // 15 equal-width bins over all cells
}

// All yields the names and values of s, in the order of its fields.
func (s *Summary) All() iter.Seq2[string, Number] {
	return func(yield func(string, Number) bool) {
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			if !yield(v.Type().Field(i).Tag.Get("json"), v.Field(i).Interface().(Number)) {
				return
			}
		}
	}
}

// Get returns the value of the metric with that name, and whether there is such a metric.
func (s *Summary) Get(name string) (Number, bool) {
	for n, v := range s.All() {
		if n == name {
			return v, true
		}
	}
	return Number(math.NaN()), false
}

// LowerIsBetter reports whether the metric with that name is an error or a loss.
func LowerIsBetter(name string) bool {
	return strings.HasSuffix(name, "_loss") || strings.HasSuffix(name, "_error") || name == "brier_score"
}

// LabelReport holds the metrics of one label.
type LabelReport struct {
	Name             string  `json:"-"`
	Precision        Number  `json:"precision"`
	Recall           Number  `json:"recall"`
	F1               Number  `json:"f1"`
	Support          int     `json:"support"`           // rows where the label is true
	ROCAUC           Number  `json:"roc_auc"`           // NaN without both classes
	AveragePrecision Number  `json:"average_precision"` // NaN without positives
	Threshold        float32 `json:"threshold"`
	BestF1Threshold  float32 `json:"best_f1_threshold"` // the best that TuneEach finds for F(1)
	BestF1           Number  `json:"best_f1"`
	Counts                   // at Threshold
}

// PerLabel is one report a label, in label order. In JSON it is an object: label name → report, in that order.
type PerLabel []LabelReport

// MarshalJSON writes an object with one member a label.
func (p PerLabel) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, label := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(label.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(label)
		if err != nil {
			return nil, fmt.Errorf("metrics of label %q: %w", label.Name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Thresholds is one threshold for all labels or one per label. In JSON it is a number or a list.
type Thresholds []float32

// Of returns the threshold of label i.
func (t Thresholds) Of(i int) float32 {
	if len(t) == 1 {
		return t[0]
	}
	return t[i]
}

// MarshalJSON writes the one number, or the list.
func (t Thresholds) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]float32(t))
}

// Undefined names the labels for which a value does not exist, in label order. They are left out of its averages.
type Undefined struct {
	ROCAUC           []string `json:"roc_auc"`           // labels without both classes
	AveragePrecision []string `json:"average_precision"` // labels without positives
}

// Report is the result of Evaluate. Its JSON is one object with the names of the tags, those of Summary first.
type Report struct {
	Summary
	Accuracy  *Number    `json:"accuracy,omitempty"` // of labels that exclude each other: Accuracy
	Undefined Undefined  `json:"undefined"`
	PerLabel  PerLabel   `json:"per_label"`
	Rows      int        `json:"rows"`
	Labels    []string   `json:"labels"`
	Threshold Thresholds `json:"threshold"`
}
