// Package features reads the vectors of texts, with their labels, that `embed` has written as shards (shard.NewTensors): what a head is
// trained on without its texts and without a pass of the encoder. A [Set] is a folder of such parts. It is opened by their headers alone;
// of the numbers in it only what is asked for is in memory, so that a set may be larger than that.
//
// A Set is a train.Parts: the solvers and train.TrainHead take it in the place of a matrix (train.Features.Parts), and fit.FromFeatures
// makes a whole model of it.
//
//	Open    what is there, and whether it goes together    open.go
//	Set     what it is of; its numbers and its labels      features.go
package features
