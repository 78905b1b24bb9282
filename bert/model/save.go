package model

import (
	"encoding/json"
	"errors"
	"os"
	"strings"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/tfbundle"
)

// checkpointName is the prefix of the checkpoint in Google's releases and in the folders that Save writes.
const checkpointName = "bert_model.ckpt"

// Save writes the model into the folder dir, which is made if need be: bert_config.json, vocab.txt, the checkpoint
// bert_model.ckpt with encoder, pooler and head under Google's names, which TensorFlow reads, and with a head labels.txt and
// bertlabel.json. training is the resolved configuration of the run that made the head, or nil. The folder stands alone: it can
// be moved, and the model it came from deleted. Files of these names that are there are replaced once all new ones are on disk;
// bertlabel.json comes last and is gone while the others change.
func (m *Model) Save(dir string, training json.RawMessage) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var tensors []checkpoint.Tensor
	need := int64(len(m.vocab))
	for _, p := range m.Params() {
		tensors = append(tensors, checkpoint.Float32Tensor(p.Name, p.Shape, m.value(p)))
		need += int64(4 * p.Size())
	}
	files, err := atomic.NewFiles(atomic.OS{}, dir, need)
	if err != nil {
		return err
	}
	defer files.Abort()
	config, err := json.MarshalIndent(m.Encoder.Config, "", "  ")
	if err != nil {
		return err
	}
	err = errors.Join(
		write(files, "vocab.txt", m.vocab),
		write(files, "bert_config.json", append(config, '\n')),
		tfbundle.Write(files.Create, checkpointName, tensors))
	if err == nil && m.Head != nil {
		err = m.saveHeadFiles(files, training)
	}
	if err != nil {
		return err
	}
	return files.Commit()
}

// saveHeadFiles writes labels.txt and bertlabel.json.
func (m *Model) saveHeadFiles(files *atomic.Files, training json.RawMessage) error {
	s := Settings{
		FormatVersion: settingsVersion, ProblemType: problemType, MaxSeqLength: m.MaxSeqLength, DoLowerCase: m.LowerCase,
		KeepTokens: m.KeepTokens, Pooling: m.Pooling.String(), Thresholds: map[string]float32{}, Training: training,
	}
	for i, label := range m.Labels {
		s.Thresholds[label] = m.Thresholds[i]
	}
	settings, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		write(files, "labels.txt", []byte(strings.Join(m.Labels, "\n")+"\n")),
		write(files, "bertlabel.json", append(settings, '\n')))
}

func write(files *atomic.Files, name string, content []byte) error {
	f, err := files.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
