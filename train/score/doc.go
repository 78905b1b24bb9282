// Package score runs a model over rows of package data: the way from a file or a stream to probabilities, figures and lines of JSON.
//
//	Chunks     the rows of a reader with their predictions, as soon as they are known     stream.go, queue.go
//	Evaluate   what the rows of a labelled data set say of a model                        dataset.go
//	Run        the same rows with all that the model makes of them                        dataset.go
//	Compare    how far the results in one precision are from those in another             compare.go
//	Line       a row as a line of JSON                                                    line.go
//
// Read stream.go first. A row has the same bits here as from model.Predict, whatever stands round it.
package score
