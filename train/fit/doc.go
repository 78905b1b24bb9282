// Package fit trains a model on labelled texts: the head alone, or with it the last layers of the encoder, or all of it. It is the
// front door of training: everything that `bertlabel train` and `bertlabel labels` do is here, without flags, files of its own
// accord, or a word on a terminal.
//
//	m, err := model.Open("uncased_L-12_H-768_A-12", nil)
//	rows, err := data.Load("train.csv", data.Options{})
//	result, err := fit.Model(ctx, m, rows, fit.Options{Pooling: bert.Mean})
//	err = m.Save("model", nil)
//
// One call of [Model], with the file that holds each part:
//
//	options → what is to be done                    options.go, choices.go; what is refused: check.go, errors.go
//	texts → tokens, and what the run will need      plan.go, memory.go
//	frozen encoder: features once, then the head    head.go, poolings.go; K more heads on the folds: folds.go
//	the same on features that were computed before  features.go
//	encoder and head together, step by step         encoder.go; a folder that survives kills: folder.go, resume.go;
//	                                                what is kept of frozen layers: frozen.go; an exact head after the steps: refit.go
//	the start: the model's own head, or a new one   start.go; its loss: loss.go
//	the end: calibration, thresholds, one judgement judge.go
//	what happened, for the model's folder           record.go, package record
//	… and for whoever looks on                      observer.go, package note; what is probably wrong: findings.go
//
// [Outputs] finds heads for new labels of a model that stays as it is: outputs.go.
//
// What a step is, package train says; exact heads are in train/solver. Results do not depend on the number of threads, on the
// observer, or on how often a run was stopped and resumed.
package fit
