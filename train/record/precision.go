package record

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bertlabel/asm"
	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// PrecisionFile is the file in a model's folder that says what low precisions cost this model. It is a file of its own, so that
// bertlabel.json means what it meant; a program that does not know it passes it over.
//
//	{"format_version": 1, "precisions": {"int8": {Precision}, "int8+embeddings": {Precision}, …}}
const PrecisionFile = "precision.json"

const precisionVersion = 1

// Precision is what was found when a model in a low precision was compared with itself in fp32 on labelled rows.
type Precision struct {
	Fingerprint string `json:"fingerprint"` // model.PredictionFingerprint, hexadecimal
	Data        string `json:"data"`        // file of the rows, as it was named
	DataSHA256  string `json:"data_sha256"`
	Kernels     string `json:"kernels"` // the kernel set, of which fp32 on generic alone has other bits than the rest
	Program     string `json:"program"` // train.Program

	score.Comparison
}

// ErrNoFolder says that a model has no folder that a record could be kept in.
var ErrNoFolder = errors.New("the model was not opened from a folder")

// NewPrecision returns the record of a comparison of m, in its low precision, on rows.
func NewPrecision(m *model.Model, rows *data.Dataset, c *score.Comparison) *Precision {
	return &Precision{Fingerprint: fingerprint(m), Data: rows.File, DataSHA256: hex.EncodeToString(rows.SHA256[:]), Kernels: asm.Best.Name,
		Program: train.Program(), Comparison: *c}
}

// Of reports whether the record is of m, as it stands and in its precisions.
func (p *Precision) Of(m *model.Model) bool {
	return p.Name() == score.PrecisionName(m) && p.Fingerprint == fingerprint(m)
}

func fingerprint(m *model.Model) string { return hex.EncodeToString(m.PredictionFingerprint()) }

// precisions is the contents of the file. Records stay as they were read, also what this program does not know of them.
type precisions struct {
	FormatVersion int                        `json:"format_version"`
	Precisions    map[string]json.RawMessage `json:"precisions"` // by score.PrecisionName
}

// PrecisionOf returns what the folder of m says of its precisions, nil if that is nothing. The record may be of another model: see Of.
func PrecisionOf(m *model.Model) (*Precision, error) {
	if m.Folder() == "" {
		return nil, nil
	}
	path := filepath.Join(m.Folder(), PrecisionFile)
	all, err := readPrecisions(path)
	if err != nil {
		return nil, err
	}
	text, found := all.Precisions[score.PrecisionName(m)]
	if !found {
		return nil, nil
	}
	p := &Precision{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, score.PrecisionName(m), err)
	}
	return p, nil
}

// Keep writes the record into the folder of m, in place of an older one of the same precision. It returns the path of the file, which is
// whole at all times. The error is ErrNoFolder, or says why the file cannot be read or written.
func (p *Precision) Keep(m *model.Model) (path string, err error) {
	if m.Folder() == "" {
		return "", ErrNoFolder
	}
	path = filepath.Join(m.Folder(), PrecisionFile)
	all, err := readPrecisions(path)
	if err != nil {
		return path, err
	}
	if all.Precisions[p.Name()], err = json.Marshal(p); err != nil {
		return path, err
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return path, err
	}
	return path, atomic.WriteFile(atomic.OS{}, path, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// maxPrecisionBytes bounds the file: three records have some KiB.
const maxPrecisionBytes = 1 << 20

// readPrecisions reads the file; one that is not there is empty.
func readPrecisions(path string) (*precisions, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return &precisions{precisionVersion, map[string]json.RawMessage{}}, nil
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPrecisionBytes))
	all := &precisions{}
	if err == nil {
		err = json.Unmarshal(text, all)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case all.FormatVersion != precisionVersion:
		return nil, fmt.Errorf("%s: format_version is %d, this program reads %d", path, all.FormatVersion, precisionVersion)
	}
	if all.Precisions == nil {
		all.Precisions = map[string]json.RawMessage{}
	}
	return all, nil
}
