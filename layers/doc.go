// Package layers holds the layers and losses that BERT is made of, one file each. It knows no BERT and no files.
//
// Activations are matrices [rows, width]: the rows of all texts of a batch one after the other, without padding. Outputs come
// first among the arguments, then inputs. Layers are read-only in Forward, so one model serves any number of goroutines, each
// with its own tensor.Workspace.
//
// Backward stands below Forward, walks its steps in reverse, and repeats as a comment the forward line that each step undoes. It
// overwrites dx, the gradient of the loss by x, and adds to the gradients of parameters. docs/backward.md derives the formulas.
package layers
