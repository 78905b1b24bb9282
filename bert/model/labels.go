package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// openHead gives the head, which loadWeights has found or not, its labels (those of the config, if it names any), thresholds and
// pooling.
func (m *Model) openHead(f files, o *Options, s *Settings, config *modelConfig) error {
	if s != nil {
		m.MaxSeqLength, m.training = s.MaxSeqLength, s.Training
		m.Windows, _ = s.windows() // readSettings has checked it
		m.WindowPooling = WindowPooling(s.WindowPooling)
	}
	if s != nil && s.MaxSeqLength > m.Encoder.Config.MaxPositionEmbeddings {
		return fmt.Errorf("%s: max_seq_length is %d, over max_position_embeddings, %d", f.settings, s.MaxSeqLength,
			m.Encoder.Config.MaxPositionEmbeddings)
	}
	if m.Head == nil {
		return nil
	}
	if _, err := m.Encoder.PoolingWidth(m.Pooling); err != nil {
		return fmt.Errorf("checkpoint %s: the head reads the pooled output, but the tensors bert/pooler/dense/kernel and bias "+
			"are missing", f.checkpoint)
	}
	if err := m.openLabels(f, o, config.labels); err != nil {
		return err
	}
	if s == nil && config.huggingFace {
		m.warnOfProblem(f, o, config.problem)
	}
	if s == nil {
		s = &Settings{}
	}
	thresholds, err := s.thresholdsFor(m.Labels)
	if err != nil {
		return fmt.Errorf("%s: %w", f.settings, err)
	}
	m.Thresholds, m.ExactlyOne = thresholds, s.ExactlyOne
	if m.Calibration, err = s.calibrationFor(m.Labels); err != nil {
		return fmt.Errorf("%s: %w", f.settings, err)
	}
	if err := checkSamples(s.Samples, m.Labels); err != nil {
		return fmt.Errorf("%s: %w", f.settings, err)
	}
	m.Samples = s.Samples
	return nil
}

// warnOfProblem tells where the config of a Hugging Face folder says that its head is for something else than several labels a text, or
// does
// not say what it is for, what transformers' text-classification pipeline would do with its logits.
func (m *Model) warnOfProblem(f files, o *Options, problem string) {
	would := "a softmax over the labels"
	switch {
	case problem == problemType || problem == "" && m.Head.Labels() == 1:
		return
	case problem == "regression":
		would = "nothing, and show the numbers as they are"
	}
	what := fmt.Sprintf("problem_type is %q", problem)
	if problem == "" {
		what = "there is no problem_type"
	}
	o.warnf("config %s: %s: transformers would apply %s; here each label has a probability of its own, the sigmoid of its logit, as for "+
		"several labels a text", f.config, what, would)
}

// openLabels settles the names of the outputs: those of config.json, else of labels.txt, one for each.
func (m *Model) openLabels(f files, o *Options, labels []string) error {
	n, from := m.Head.Labels(), f.config
	switch {
	case n == 0:
		return fmt.Errorf("checkpoint %s: tensor \"output_bias\": no labels", f.checkpoint)
	case labels == nil && f.labels == "":
		for i := range n {
			m.Labels = append(m.Labels, fmt.Sprintf("label_%d", i))
		}
		m.Unnamed = true
		o.logf("checkpoint %s has a head of %d labels, but there is no labels.txt: they are called label_0 to label_%d", f.checkpoint, n,
			n-1)
		return nil
	case labels == nil:
		from = f.labels
		data, err := readFile(f.labels, maxVocabBytes)
		if err != nil {
			return err
		}
		if labels, err = ParseLabels(data); err != nil {
			return fmt.Errorf("%s:%w", f.labels, err)
		}
	}
	if len(labels) != n {
		return fmt.Errorf("%s: %d labels, but the head of checkpoint %s has %d outputs", from, len(labels), f.checkpoint, n)
	}
	m.Labels, m.Unnamed = labels, madeUp(labels)
	return nil
}

// madeUp reports whether labels are those that transformers makes up for a head without names: LABEL_0, LABEL_1 ….
func madeUp(labels []string) bool {
	for i, label := range labels {
		if label != fmt.Sprintf("LABEL_%d", i) {
			return false
		}
	}
	return true
}

// ParseLabels reads a list of labels, one a line: UTF-8, LF or CRLF. A blank line and a label that comes twice are errors, which
// begin with the line's number.
func ParseLabels(data []byte) ([]string, error) {
	var labels []string
	lines := map[string]int{} // of each label
	for text := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line, label := len(labels)+1, strings.TrimRight(text, "\r\n")
		switch {
		case !utf8.ValidString(label):
			return nil, fmt.Errorf("%d: label %.80q is not UTF-8", line, label)
		case strings.TrimSpace(label) == "":
			return nil, fmt.Errorf("%d: blank line, expected a label", line)
		case lines[label] > 0:
			return nil, fmt.Errorf("%d: label %.80q stands on line %d too", line, label, lines[label])
		}
		lines[label] = line
		labels = append(labels, label)
	}
	if len(labels) == 0 {
		return nil, errors.New("1: no labels")
	}
	return labels, nil
}

func labelsFile(labels []string) []byte { return []byte(strings.Join(labels, "\n") + "\n") }

// checkLabels refuses names that labels.txt would not give back.
func checkLabels(labels []string) error {
	read, err := ParseLabels(labelsFile(labels))
	if err == nil && !slices.Equal(read, labels) {
		err = errors.New("a name with a line end in it, or with a byte order mark before it")
	}
	if err != nil {
		return fmt.Errorf("labels %.200q cannot be written one a line: %w", labels, err)
	}
	return nil
}
