package features

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/train/data"
	"bertlabel/train/shard"
)

// Options say how labels are read.
type Options struct {
	Soft     bool    // labels are shares, float32; else cells, int8
	Binarize float64 // with Soft: the share from which on a label counts where that is asked, above 0 and at most 1; 0: a half
}

// Open opens a folder of parts, which have to be all there: receipts and the headers of the parts are read, not their numbers. It refuses a
// folder in which a part is missing or has another length than its receipt says (*shard.MissingError), one of several runs
// (*shard.ConflictError), and parts that do not go together or lack what training needs (*Error). Other errors are those of
// safetensors.Open and of the file system, and a *data.OptionError for the options.
func Open(dir string, o Options) (*Set, error) {
	switch {
	case !(o.Binarize >= 0 && o.Binarize <= 1):
		return nil, &data.OptionError{Option: "binarize", Problem: fmt.Sprintf("%v is not between 0 and 1", o.Binarize)}
	case o.Binarize > 0 && !o.Soft:
		return nil, &data.OptionError{Option: "binarize", Problem: "counts shares, which the labels are with `soft_labels` only"}
	}
	receipts, err := shard.Receipts(dir)
	if err != nil {
		return nil, err
	}
	s := &Set{Dir: dir, Soft: o.Soft, Binarize: o.Binarize}
	var says map[string]string // the metadata of the first part
	for i, r := range receipts {
		path := filepath.Join(dir, r.Part.Name)
		if filepath.Ext(path) != "."+shard.Tensors {
			return nil, &Error{File: path, Found: "a part of lines", Expected: "one of tensors: embed with `output_format` safetensors writes them"}
		}
		metadata, err := s.add(path, r.Rows)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			says = metadata
			err = s.read(path, metadata)
		} else if !maps.Equal(says, metadata) {
			err = &Error{File: path, Found: fmt.Sprint("metadata ", metadata), Expected: fmt.Sprint(says, " as in ", receipts[0].Part.Name)}
		}
		if err == nil {
			err = s.checkPart(i)
		}
		if err != nil {
			return nil, err
		}
	}
	s.Close()
	if s.rows == 0 {
		return nil, &Error{File: dir, Found: "no rows in all its parts", Expected: "at least one"}
	}
	return s, nil
}

// add opens the next part and returns its metadata.
func (s *Set) add(path string, rows int) (map[string]string, error) {
	s.parts = append(s.parts, part{path: path, rows: rows})
	s.rows += rows
	f, err := s.openPart(len(s.parts) - 1)
	if err != nil {
		return nil, err
	}
	return f.Metadata, nil
}

// read takes what a part's metadata say.
func (s *Set) read(path string, says map[string]string) (err error) {
	refuse := func(key, expected string) error {
		found := "none"
		if value, there := says[key]; there {
			found = strconv.Quote(value)
		}
		return &Error{File: path, Found: fmt.Sprintf("metadata %q %s", key, found), Expected: expected}
	}
	if s.encoder = says["encoder"]; s.encoder == "" {
		return refuse("encoder", "the fingerprint of the model, as embed writes it")
	}
	for _, key := range []string{"precision", "embeddings_precision"} {
		if p, there := says[key]; there || key == "precision" {
			if _, err := bert.ParsePrecision(p); err != nil {
				return refuse(key, "fp32, bf16 or int8")
			}
		}
	}
	if s.Precision = says["precision"]; says["embeddings_precision"] != "" {
		s.Precision += ", word embeddings in " + says["embeddings_precision"]
	}
	if s.Pooling, err = bert.ParsePooling(says["pooling"]); err != nil {
		return refuse("pooling", "a pooling")
	}
	if s.Lengths.MaxSeqLength, err = strconv.Atoi(says["max_seq_length"]); err != nil || s.Lengths.MaxSeqLength < 2 {
		return refuse("max_seq_length", "a number of tokens")
	}
	if key, expected := s.readWindows(says); key != "" {
		return refuse(key, expected)
	}
	var names []string
	if text, there := says["labels"]; !there {
		return &Error{path, labelsName, "none", "the labels of the rows: embed writes them where `labels` lists them"}
	} else if err := json.Unmarshal([]byte(text), &names); err != nil {
		return refuse("labels", "a list of names in JSON")
	}
	s.Labels, err = data.NewLabelList(names, path)
	return err
}

// readWindows takes what the metadata say of windows; else it returns which of them is wrong, and what is wanted.
func (s *Set) readWindows(says map[string]string) (key, expected string) {
	text, there := says["windows"]
	if !there {
		return "", ""
	}
	w := &s.Lengths.Windows
	var err error
	if w.Most, err = tokenizer.ParseMost(text); err != nil {
		return "windows", "1 or more, or all"
	}
	if w.Overlap, err = strconv.ParseFloat(says["window_overlap"], 64); err != nil || !(w.Overlap >= 0 && w.Overlap <= tokenizer.MaxOverlap) {
		return "window_overlap", fmt.Sprintf("a share from 0 to %v", tokenizer.MaxOverlap)
	}
	if w.Overlap == 0 {
		w.Overlap = tokenizer.NoOverlap
	}
	return "", ""
}

// checkPart looks at the tensors of a part.
func (s *Set) checkPart(i int) error {
	f, p := s.open, s.parts[i]
	if vectors, there := f.Lookup(vectorsName); i == 0 && there && len(vectors.Shape) == 2 {
		s.width = vectors.Shape[1]
	}
	dtype := checkpoint.Int8
	if s.Soft {
		dtype = checkpoint.Float32
	}
	for _, want := range []checkpoint.Info{{Name: vectorsName, DType: checkpoint.Float32, Shape: []int{p.rows, s.width}},
		{Name: labelsName, DType: dtype, Shape: []int{p.rows, s.Labels.Len()}}} {
		found, there := f.Lookup(want.Name)
		if there && found.DType == want.DType && slices.Equal(found.Shape, want.Shape) {
			continue
		}
		if there && s.Soft && want.Name == labelsName && found.DType == checkpoint.Int8 {
			return &data.OptionError{Option: "soft_labels", Problem: "takes shares, and the labels of " + p.path + " are int8: 1, 0 or −1"}
		}
		e := &Error{p.path, want.Name, "none", fmt.Sprintf("%v %v", want.DType, want.Shape)}
		if there {
			e.Found = fmt.Sprintf("%v %v", found.DType, found.Shape)
		}
		if want.Name == labelsName && found.DType == checkpoint.Float32 && !s.Soft {
			e.Expected += ", or `soft_labels` for shares"
		}
		return e
	}
	return nil
}
