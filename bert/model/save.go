package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"bertlabel/bert"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/tfbundle"
)

// CheckpointName is the prefix of the checkpoint in Google's releases and in the folders that Save writes.
const CheckpointName = "bert_model.ckpt"

// Save writes the model into the folder dir, which is made if need be: vocab.txt; labels.txt, if there is a head; bertlabel.json;
// the checkpoint bert_model.ckpt with encoder, pooler and head under Google's names, which TensorFlow reads, and its state file;
// bert_config.json. training is the record of the run that made the head; nil keeps the model's own: that of the folder that
// it was opened from, or what SetTraining has set. The folder stands alone: it can be moved, and the model it came from deleted. Files of
// these names that are there are replaced once all new ones are on disk; bert_config.json, without which a folder is no model, comes last
// and is gone while the others change.
func (m *Model) Save(dir string, training json.RawMessage) error {
	return m.save(atomic.OS{}, dir, training)
}

func (m *Model) save(fs atomic.FS, dir string, training json.RawMessage) error {
	if training == nil {
		training = m.training
	}
	settings, err := m.settingsFile(training)
	if err != nil {
		return err
	}
	config, err := json.MarshalIndent(m.Encoder.Config, "", "  ")
	if err != nil {
		return err
	}
	state := tfbundle.State{Latest: CheckpointName, All: []string{CheckpointName}}
	return m.writeFolder(fs, dir, func(files *atomic.Files) error {
		errs := []error{write(files, "vocab.txt", m.vocab)}
		if m.Head != nil {
			errs = append(errs, write(files, "labels.txt", labelsFile(m.Labels)))
		}
		return errors.Join(append(errs,
			write(files, "bertlabel.json", settings),
			write(files, tfbundle.StateFile, state.Text()),
			tfbundle.Write(files.Create, CheckpointName, m.Tensors()),
			write(files, "bert_config.json", append(config, '\n')))...)
	})
}

// SaveSettings writes into the folder dir, which the model was opened from, what it says beyond its weights: bertlabel.json, with
// thresholds
// and the record of training (SetTraining), and labels.txt in a folder of Google's layout. Weights that have changed stay unsaved.
func (m *Model) SaveSettings(dir string) error {
	settings, err := m.settingsFile(m.training)
	if err != nil {
		return err
	}
	return m.writeFiles(atomic.OS{}, dir, 0, func(files *atomic.Files) error {
		err := write(files, "bertlabel.json", settings)
		if m.Head != nil && !m.huggingFace {
			err = errors.Join(err, write(files, "labels.txt", labelsFile(m.Labels)))
		}
		return err
	})
}

// writeFolder makes the folder and puts the files that write writes in place together.
func (m *Model) writeFolder(fs atomic.FS, dir string, write func(files *atomic.Files) error) error {
	if m.Encoder.Rounds() {
		return fmt.Errorf("a model held in %s, its word embeddings in %s, cannot be saved: its weights are rounded; open it in %s",
			m.Precision(), m.Encoder.EmbeddingsPrecision(), bert.FP32)
	}
	need := int64(len(m.vocab))
	for _, p := range m.Params() {
		need += int64(4 * p.Size())
	}
	return m.writeFiles(fs, dir, need, write)
}

// writeFiles puts the files that write writes, of so many bytes, in place together, in a folder that is made if need be.
func (m *Model) writeFiles(fs atomic.FS, dir string, need int64, write func(files *atomic.Files) error) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	files, err := atomic.NewFiles(fs, dir, need)
	if err != nil {
		return err
	}
	defer files.Abort()
	if err := write(files); err != nil {
		return err
	}
	return files.Commit()
}

func write(files *atomic.Files, name string, content []byte) error {
	f, err := files.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// Tensors returns encoder, pooler and head under Google's names and in Google's shapes.
func (m *Model) Tensors() (tensors []checkpoint.Tensor) {
	for _, p := range m.Params() {
		tensors = append(tensors, checkpoint.Float32Tensor(p.Name, p.Shape, m.value(p)))
	}
	return tensors
}

// settingsFile returns bertlabel.json. The error is what Open would say of it, or of the labels: nothing is written that cannot
// be read.
func (m *Model) settingsFile(training json.RawMessage) ([]byte, error) {
	reading := m.Tokenizer.Options()
	s := Settings{
		FormatVersion: 1, ProblemType: problemType, MaxSeqLength: m.MaxSeqLength, DoLowerCase: reading.LowerCase,
		KeepTokens: reading.KeepTokens, StripAccents: reading.StripAccents, TokenizeChinese: reading.TokenizeChinese,
		MaxWordChars: reading.MaxWordChars, AddedTokens: reading.Added, ExactlyOne: m.ExactlyOne,
		Pooling: m.Pooling.String(), Thresholds: map[string]float32{}, Training: training,
		Samples: m.Samples,
	}
	s.setWindows(m.Windows)
	s.setNoisyOr(m)
	if reading.TruncateLeft {
		s.TruncationSide = "left"
	}
	for i, label := range m.Labels {
		s.Thresholds[label] = m.Thresholds[i]
	}
	if m.Head != nil {
		if err := checkLabels(m.Labels); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err == nil && len(text) >= bert.MaxConfigBytes {
		err = fmt.Errorf("%d bytes long, the limit is %d", len(text), bert.MaxConfigBytes)
	}
	if err == nil {
		_, _, err = parseSettings(text)
	}
	if err != nil {
		return nil, fmt.Errorf("bertlabel.json: %w", err)
	}
	return append(text, '\n'), nil
}
