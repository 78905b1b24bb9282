package train

import (
	"math"
	"strconv"
	"strings"

	"bertlabel/tensor"
)

// layerDecay returns the factor of the learning rate of each parameter for a rate that falls from layer to layer (Sun et al.
// 2019, arXiv:1905.05583, §5.3.4): 1 for the head, the pooler and the last of L layers, decayᵏ for the layer k below the last one,
// decay^L for the embeddings. nil for a decay of 1.
func layerDecay(decay float64, params []*tensor.Param) func(name string) float64 {
	if decay == 1 {
		return nil
	}
	layers := 0
	for _, p := range params {
		layers = max(layers, layerOf(p.Name)+1)
	}
	return func(name string) float64 {
		if strings.HasPrefix(name, "bert/embeddings/") {
			return math.Pow(decay, float64(layers))
		}
		if n := layerOf(name); n >= 0 {
			return math.Pow(decay, float64(layers-1-n))
		}
		return 1
	}
}

// layerOf returns N of a name bert/encoder/layer_N/…, and −1 of other names.
func layerOf(name string) int {
	rest, ok := strings.CutPrefix(name, "bert/encoder/layer_")
	number, _, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return -1
	}
	return n
}
