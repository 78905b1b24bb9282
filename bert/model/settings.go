package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"bertlabel/bert"
)

// Settings is bertlabel.json: what a trained folder says beyond Google's files.
type Settings struct {
	FormatVersion int                `json:"format_version"` // 1
	ProblemType   string             `json:"problem_type"`   // "multi_label_classification"
	MaxSeqLength  int                `json:"max_seq_length"` // tokens, with [CLS] and [SEP]
	DoLowerCase   bool               `json:"do_lower_case"`
	KeepTokens    []string           `json:"keep_tokens,omitempty"` // words that are one token each, such as [NAME]
	Pooling       string             `json:"pooling"`               // "pooled", "cls" or "mean"
	Thresholds    map[string]float32 `json:"thresholds"`            // label → probability above which it is predicted
	Training      json.RawMessage    `json:"training,omitempty"`    // the resolved configuration of the run that made the head
}

const (
	settingsVersion = 1
	problemType     = "multi_label_classification"

	// DefaultMaxSeqLength is run_classifier.py's.
	DefaultMaxSeqLength = 128
	// DefaultThreshold is the probability above which a label is predicted.
	DefaultThreshold = 0.5
)

// parseSettings reads bertlabel.json. The error names the field, what was found and what was expected.
func parseSettings(data []byte) (*Settings, error) {
	if len(data) > bert.MaxConfigBytes {
		return nil, fmt.Errorf("%d bytes, the limit is %d", len(data), bert.MaxConfigBytes)
	}
	s := &Settings{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(s); err != nil {
		return nil, err
	}
	switch {
	case s.FormatVersion < 1 || s.FormatVersion > settingsVersion:
		return nil, fmt.Errorf("format_version is %d, this program reads 1 to %d", s.FormatVersion, settingsVersion)
	case s.ProblemType != problemType:
		return nil, fmt.Errorf("problem_type is %q, expected %q", s.ProblemType, problemType)
	case s.MaxSeqLength < 2:
		return nil, fmt.Errorf("max_seq_length is %d, expected 2 or more", s.MaxSeqLength)
	}
	if _, err := bert.ParsePooling(s.Pooling); err != nil {
		return nil, err
	}
	for label, t := range s.Thresholds {
		if math.IsNaN(float64(t)) || t < 0 || t > 1 {
			return nil, fmt.Errorf("thresholds: %q is %v, expected 0 to 1", label, t)
		}
	}
	return s, nil
}

// thresholdsFor returns the thresholds in the order of labels, and an error if s has one for a label that is not there.
func (s *Settings) thresholdsFor(labels []string) ([]float32, error) {
	thresholds := make([]float32, len(labels))
	known := 0
	for i, label := range labels {
		t, ok := s.Thresholds[label]
		if !ok {
			t = DefaultThreshold
		} else {
			known++
		}
		thresholds[i] = t
	}
	if known < len(s.Thresholds) {
		for label := range s.Thresholds {
			if !slices.Contains(labels, label) {
				return nil, fmt.Errorf("thresholds: %q is no label of labels.txt", label)
			}
		}
	}
	return thresholds, nil
}
