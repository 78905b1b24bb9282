package model

import (
	"strings"

	"bertlabel/bert/names"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
)

// StoredNames returns what a variable of training such as NAME/adam_m is called in the checkpoint at prefix, given its name here: there
// NAME may stand under a scope, or be another. Errors are those of opening the file, or say which variables of a BERT it lacks.
func StoredNames(prefix string) (func(name string) string, error) {
	src, err := formats.Open(prefix, checkpoint.Limits{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var stored []string
	for _, info := range src.Tensors() {
		stored = append(stored, info.Name)
	}
	resolved, err := names.Resolve(stored)
	return func(name string) string {
		i := strings.LastIndexByte(name, '/')
		return resolved.Places[name[:i]].Stored + name[i:]
	}, err
}
