// Package solver finds label heads on fixed features exactly, where package train descends to them: the loss is convex, so each
// label has one best row of weights, and finding it takes neither a learning rate nor epochs.
//
//	Head            the one optimum of the regularised loss, by L-BFGS     solver.go
//	Discriminant    Fisher's linear discriminant, without a step           discriminant.go
//	Measure, Merge  what it has to know of rows that are not all in memory  statistics.go
//
// Read solver.go first: it has the rounds that all labels share. label.go is what a round does to a label, loss.go its loss and the
// line search, lbfgs.go and preconditioner.go make the steps, design.go standardises features and multiplies, memory.go says what it takes.
//
// Results do not depend on the number of goroutines, nor a label's on the other labels.
package solver
