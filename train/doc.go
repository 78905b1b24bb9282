// Package train trains label heads, and BERT below them, as google-research/bert does: its optimizer, its schedule, its
// clipping, its stream of rows.
//
// One step, with the file that holds it:
//
//	rows, labels ← the next of the endless stream                loop.go, and train/data
//	loss, g      ← Σ over batches of the model's loss and ∂/∂w   loop.go; head.go for a head on fixed features, encoder.go for BERT with it
//	norm         ← √Σ g²                                         clip.go
//	lr           ← lr₀ · schedule(step)                          schedule.go
//	w, m, v      ← Adam with decoupled weight decay              optimizer.go
//
// The other way to a head on fixed features is package solver, which goes to the one optimum of its convex loss.
//
// run.go makes a run that survives kills and full disks: checkpoints.go has its folder of checkpoints, identity.go what must not change
// when it is resumed.
//
// Read loop.go first: a [Loop] makes these steps for any [Model]. [TrainHead] is the front door for features of a frozen
// encoder, [NewEncoderLoop] the one for the encoder itself, all of it or its last layers; features.go keeps features on disk,
// layerdecay.go gives lower layers lower rates. log.go writes metrics.csv, initial.go draws a new head, diverged.go says
// which number was not finite.
//
// Results do not depend on the number of goroutines. Everything random is a function of the seed and of the position in the
// stream, so a run that was stopped and goes on ends with the bits of one that was not.
package train
