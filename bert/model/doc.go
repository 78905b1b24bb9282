// Package model opens and writes model folders and runs them on texts: the library's front door.
//
//	m, err := model.Open("uncased_L-12_H-768_A-12", nil)            // Google's release, or a folder that train wrote
//	features, err := m.Embed(ctx, []model.Text{{A: "a text"}}, bert.Mean)
//	predictions, err := m.Predict(ctx, texts)                        // needs a trained head
//
// Read model.go first, then open.go (how a folder is recognised), weights.go (how its variables are matched) and engine.go (how
// many texts go through the encoder).
package model
