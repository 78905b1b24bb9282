package traincmd

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
)

// readWeights reads a JSON object of label → number above 0. Labels that it does not name have 1.
func readWeights(in io.Reader, path string, labels []string) ([]float64, error) {
	var byName map[string]float64
	if err := cli.ReadNumbers(in, path, &byName); err != nil {
		return nil, err
	}
	weights := make([]float64, len(labels))
	for i, name := range labels {
		weights[i] = 1
		if w, ok := byName[name]; ok {
			if !(w > 0 && w <= maxPosWeight) {
				return nil, cli.Refused(path, 0, "", fmt.Sprintf("%v for %s", w, term.Quoted(name)), "a number above 0, at most 1e6")
			}
			weights[i] = w
			delete(byName, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		return nil, cli.Refused(path, 0, "", "a weight for "+term.Quoted(name), "labels of the data only")
	}
	return weights, nil
}
