package layers

import "bertlabel/tensor"

// ForwardMemory returns the bytes of one worker's part of an AttentionWorkspace that has seen texts of at most so many queries and
// keys in Forward, with heads of width d.
func (a *Attention) ForwardMemory(queries, keys, d int) int {
	padded := wholePanels(keys)
	scores := 4 * min(queries, queryBlock) * (padded + 16)
	if a.BF16 {
		rows, scratch := tensor.LowProductMemory(tensor.BF16, min(queries, queryBlock), max(d, keys), 0)
		return tensor.PackedBF16Memory(d, padded, true) + tensor.PackedBF16Memory(keys, d, false) + scores + rows + scratch
	}
	return tensor.PackedMemory(d, padded) + tensor.PackedMemory(keys, d) + scores
}

// BackwardMemory returns what Backward adds to it.
func (a *Attention) BackwardMemory(queries, keys, d int) int {
	padded := wholePanels(keys)
	queries = min(queries, backwardQueries)
	rows := 3 * 4 * queries * (padded + 16) // probs, dropped, dprobs
	if a.BF16 {
		columns := 2*tensor.PackedBF16Memory(d, padded, true) + tensor.PackedBF16Memory(keys, d, false) // keysT, valuesT; keys
		left, scratch := tensor.LowProductMemory(tensor.BF16, max(queries, keys), max(d, queries, keys), 0)
		return rows + columns + 2*tensor.PackedBF16Memory(queries, d, false) + left + scratch // queries, dcontext
	}
	operands := 2*tensor.PackedMemory(d, padded) + tensor.PackedMemory(keys, d) // keysT, valuesT; keys
	return rows + operands + 2*tensor.PackedMemory(queries, d)                  // queries, dcontext
}
