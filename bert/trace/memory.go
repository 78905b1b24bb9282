package trace

import (
	"fmt"

	"bertlabel/bert"
	"bertlabel/bert/model"
)

// StagesMemory estimates the bytes that Run takes of a text of so many tokens beside the model: a pass, and a layer's stages that are
// computed again, among them the scores and the probabilities of all heads.
func StagesMemory(m *model.Model, tokens int) int {
	c := m.Encoder.Config
	again := 4 * tokens * (2*c.HiddenSize + max(c.HiddenSize, c.IntermediateSize) + 2*c.NumAttentionHeads*tokens)
	return again + m.Encoder.FeaturesMemory(bert.BatchSize{Tokens: tokens, Texts: 1, Longest: tokens}, m.Threads())
}

// CompareMemory estimates the bytes that Compare takes: every weight in float64, and every stage of two passes.
func CompareMemory(m *model.Model, tokens int) int {
	weights, stages := 0, 0
	for _, p := range m.Encoder.Params() {
		weights += p.Size()
	}
	for _, s := range Stages(m, tokens) {
		stages += s.Shape[0] * s.Shape[1]
	}
	return 8 * (weights + 2*stages)
}

// BackwardMemory estimates the bytes that NewBackward and then Step or a check take: those of a bert.Trainer, a second copy of the
// gradients to keep, and the moments and the weights of a step that is taken back. The error says what of m cannot be trained.
func BackwardMemory(m *model.Model, tokens int) (int, error) {
	need, err := m.Encoder.Memory(trainerOptions(m), bert.BatchSize{Tokens: tokens, Texts: 1, Longest: tokens}, m.Threads())
	if err != nil {
		return 0, fmt.Errorf("trace: %w", err)
	}
	return need.Kernels + need.Activations + need.Workspace + (1+1+2+1)*need.Gradients, nil
}
