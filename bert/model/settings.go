package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/internal/strictjson"
	"bertlabel/bert/tokenizer"
)

// Settings is bertlabel.json: what a trained folder says beyond Google's files.
type Settings struct {
	FormatVersion int      `json:"format_version"` // 1, or 2 with noisy-or, which programs that read 1 know nothing of
	ProblemType   string   `json:"problem_type"`   // "multi_label_classification"
	MaxSeqLength  int      `json:"max_seq_length"` // tokens, with [CLS] and [SEP]
	DoLowerCase   bool     `json:"do_lower_case"`
	KeepTokens    []string `json:"keep_tokens,omitempty"` // words that are one token each, such as [NAME]

	// How text is read where that is not Google's way.
	StripAccents    *bool `json:"strip_accents,omitempty"`            // absent: as do_lower_case
	TokenizeChinese *bool `json:"tokenize_chinese_chars,omitempty"`   // absent: true
	MaxWordChars    int   `json:"max_input_chars_per_word,omitempty"` // absent: 200

	AddedTokens    []tokenizer.AddedToken `json:"added_tokens,omitempty"`    // by id
	TruncationSide string                 `json:"truncation_side,omitempty"` // left or right; absent: right

	Windows       string   `json:"windows,omitempty"`        // rows of a text, a number or all; absent: 1
	WindowOverlap *float64 `json:"window_overlap,omitempty"` // share of a row that the next one has, too; absent: a quarter

	WindowPooling string                 `json:"window_pooling,omitempty"` // noisy-or; absent: features
	Calibration   map[string]Calibration `json:"calibration,omitempty"`    // label → line of its logit, with noisy-or

	Pooling    string             `json:"pooling"`               // as bert.ParsePooling reads it
	ExactlyOne bool               `json:"exactly_one,omitempty"` // the labels exclude each other
	Thresholds map[string]float32 `json:"thresholds"`            // label → probability above which it is predicted
	Samples    []Sample           `json:"samples,omitempty"`     // texts with what the model says of them
	Training   json.RawMessage    `json:"training,omitempty"`    // the resolved configuration of the run that made the head
}

const (
	settingsVersion = 2
	problemType     = "multi_label_classification"

	// DefaultMaxSeqLength is run_classifier.py's.
	DefaultMaxSeqLength = 128
	// DefaultThreshold is the probability above which a label is predicted.
	DefaultThreshold = 0.5
)

// ReadSettings reads a bertlabel.json. The error names the file, the field, what was found and what was expected; keys that this
// program does not know are passed over.
func ReadSettings(path string) (*Settings, error) {
	text, err := readFile(path, bert.MaxConfigBytes)
	if err != nil {
		return nil, err
	}
	s, _, err := parseSettings(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// parseSettings reads bertlabel.json. Keys that it does not know are returned, sorted, for a warning. The error names the field,
// what was found and what was expected.
func parseSettings(data []byte) (s *Settings, unknown []string, err error) {
	object, err := strictjson.Parse(data)
	if err != nil {
		return nil, nil, err
	}
	s = &Settings{Training: object["training"]}
	fields := map[string]any{
		"format_version": &s.FormatVersion, "problem_type": &s.ProblemType, "max_seq_length": &s.MaxSeqLength,
		"do_lower_case": &s.DoLowerCase,
		"keep_tokens":   &s.KeepTokens, "pooling": &s.Pooling, "thresholds": &s.Thresholds, "training": new(any),
		"strip_accents": &s.StripAccents, "tokenize_chinese_chars": &s.TokenizeChinese, "max_input_chars_per_word": &s.MaxWordChars,
		"samples": &s.Samples,
		"windows": &s.Windows, "window_overlap": &s.WindowOverlap, "window_pooling": &s.WindowPooling, "calibration": &s.Calibration,
		"exactly_one": &s.ExactlyOne, "added_tokens": &s.AddedTokens, "truncation_side": &s.TruncationSide,
	}
	for _, key := range []string{"format_version", "problem_type", "max_seq_length", "do_lower_case", "pooling"} {
		if _, ok := object[key]; !ok {
			return nil, nil, fmt.Errorf("%s is missing", key)
		}
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if fields[key] == nil {
			unknown = append(unknown, key)
		} else {
			errs = append(errs, object.Read(key, fields[key]))
		}
	}
	return s, unknown, errors.Join(append(errs, s.check())...)
}

// check reports the first field that is out of range.
func (s *Settings) check() error {
	switch {
	case s.FormatVersion < 1 || s.FormatVersion > settingsVersion:
		return fmt.Errorf("format_version is %d, this program reads 1 to %d", s.FormatVersion, settingsVersion)
	case s.ProblemType != problemType:
		return fmt.Errorf("problem_type is %q, expected %q", s.ProblemType, problemType)
	case s.MaxSeqLength < 2:
		return fmt.Errorf("max_seq_length is %d, expected 2 or more", s.MaxSeqLength)
	case s.MaxWordChars < 0:
		return fmt.Errorf("max_input_chars_per_word is %d, expected 1 or more", s.MaxWordChars)
	case s.TruncationSide != "" && s.TruncationSide != "left" && s.TruncationSide != "right":
		return fmt.Errorf("truncation_side is %q, expected left or right", s.TruncationSide)
	}
	if _, err := bert.ParsePooling(s.Pooling); err != nil {
		return err
	}
	for i, sample := range s.Samples {
		if err := sample.check(); err != nil {
			return fmt.Errorf("samples[%d]: %w", i, err)
		}
	}
	if _, err := s.windows(); err != nil {
		return err
	}
	if err := s.checkNoisyOr(); err != nil {
		return err
	}
	for _, label := range slices.Sorted(maps.Keys(s.Thresholds)) {
		if t := s.Thresholds[label]; !(t >= 0 && t <= 1) {
			return fmt.Errorf("thresholds: %q is %v, expected 0 to 1", label, t)
		}
	}
	return nil
}

// checkNoisyOr looks at how the head reads windows.
func (s *Settings) checkNoisyOr() error {
	if s.WindowPooling != "" {
		if _, err := ParseWindowPooling(s.WindowPooling); err != nil {
			return fmt.Errorf("window_pooling: %w", err)
		}
	}
	for _, label := range slices.Sorted(maps.Keys(s.Calibration)) {
		c := s.Calibration[label]
		switch {
		case s.WindowPooling != string(NoisyOr):
			return fmt.Errorf("calibration: it goes with a window_pooling of %s only; else it is a part of the head", NoisyOr)
		case !(c.Slope > 0):
			return fmt.Errorf("calibration: %q has a slope of %v, expected above 0", label, c.Slope)
		}
	}
	return nil
}

// calibrationFor returns the calibration in the order of labels, nil for none, and an error if s has one for a label that is not there.
func (s *Settings) calibrationFor(labels []string) ([]Calibration, error) {
	if len(s.Calibration) == 0 {
		return nil, nil
	}
	lines := make([]Calibration, len(labels))
	for _, label := range slices.Sorted(maps.Keys(s.Calibration)) {
		at := slices.Index(labels, label)
		if at < 0 {
			return nil, fmt.Errorf("calibration: %q is no label of the model", label)
		}
		lines[at] = s.Calibration[label]
	}
	return lines, nil
}

// setNoisyOr makes s say how the head of m reads windows; features are not mentioned.
func (s *Settings) setNoisyOr(m *Model) {
	if !m.noisyOr() {
		return
	}
	s.FormatVersion, s.WindowPooling = 2, string(NoisyOr)
	for l, c := range m.Calibration {
		if c != (Calibration{}) {
			if s.Calibration == nil {
				s.Calibration = map[string]Calibration{}
			}
			s.Calibration[m.Labels[l]] = c
		}
	}
}

// windows returns how long texts are read.
func (s *Settings) windows() (w tokenizer.Windows, err error) {
	if s.Windows != "" {
		if w.Most, err = tokenizer.ParseMost(s.Windows); err != nil {
			return w, fmt.Errorf("windows: %w", err)
		}
	}
	if s.WindowOverlap != nil {
		if w.Overlap = *s.WindowOverlap; !(w.Overlap >= 0 && w.Overlap <= tokenizer.MaxOverlap) {
			return w, fmt.Errorf("window_overlap is %v, expected 0 to %v", w.Overlap, tokenizer.MaxOverlap)
		}
		if w.Overlap == 0 {
			w.Overlap = tokenizer.NoOverlap
		}
	}
	return w, nil
}

// setWindows is the opposite; one row a text is not mentioned.
func (s *Settings) setWindows(w tokenizer.Windows) {
	if w.Several() {
		share := w.Share()
		s.Windows, s.WindowOverlap = w.MostText(), &share
	}
}

// tokenizerOptions returns how text is read.
func (s *Settings) tokenizerOptions() tokenizer.Options {
	return tokenizer.Options{LowerCase: s.DoLowerCase, StripAccents: s.StripAccents, TokenizeChinese: s.TokenizeChinese,
		KeepTokens:   s.KeepTokens,
		MaxWordChars: s.MaxWordChars, Added: s.AddedTokens, TruncateLeft: s.TruncationSide == "left"}
}

// thresholdsFor returns the thresholds in the order of labels, and an error if s has one for a label that is not there.
func (s *Settings) thresholdsFor(labels []string) ([]float32, error) {
	thresholds := make([]float32, len(labels))
	unused := maps.Clone(s.Thresholds)
	for i, label := range labels {
		t, ok := s.Thresholds[label]
		if !ok {
			t = DefaultThreshold
		}
		thresholds[i] = t
		delete(unused, label)
	}
	if len(unused) > 0 {
		return nil, fmt.Errorf("thresholds: %q is no label of the model", slices.Min(slices.Collect(maps.Keys(unused))))
	}
	return thresholds, nil
}
