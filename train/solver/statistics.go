package solver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"bertlabel/asm"
	"bertlabel/tensor"
	"bertlabel/train"

	"gonum.org/v1/gonum/mat"
)

// Statistics is all that a discriminant has to know of features and labels. Its size depends on the columns and labels, not on the rows, so
// that heads can be found from more rows than memory holds: Measure each part of them, Merge what was measured, and let DiscriminantOf
// solve. MeasureParts does the first two.
type Statistics struct {
	Rows int

	mean, deviation []float64     // of the columns, [hidden]; the deviation of a constant one is +Inf
	gram            *mat.SymDense // G = XᵀX/rows of the standardised columns, [hidden, hidden]
	labels          []classMoments
}

// Measure returns the statistics of labelled features, X [rows, hidden] and Y [rows, labels], with Shares where they are there. It starts
// and stops the workers; nil is one.
func Measure(features train.Features, labels int, workers *tensor.Workers) (*Statistics, error) {
	if features.X == nil || features.X.Rows == 0 || labels < 1 || len(features.Y) != features.X.Rows*labels {
		return nil, fmt.Errorf("solver: found %d label cells, want %d labels for each row of features, and at least one row", len(features.Y),
			labels)
	}
	if err := checkFinite("features", features.X); err != nil {
		return nil, err
	}
	if workers == nil {
		workers = tensor.NewWorkers(1)
	}
	workers.Start()
	defer workers.Stop()
	return measure(newDesign(features.X, workers), features, labels)
}

// measure returns the statistics of the features of a design, whose labels are those of features.
func measure(x *design, features train.Features, labels int) (*Statistics, error) {
	d := &discriminant{Task: Task{Train: features, Labels: make([]string, labels), Workers: x.workers}, design: x}
	d.measure()
	d.setGram(false)
	return &Statistics{x.rows, x.mean, x.deviation, d.gram, d.labels}, x.err
}

// MeasureParts returns the merged statistics of all parts that have rows. Of each part it reads some thousand rows at a time, three times:
// for the means, for the deviations, and for the products; its labels are in memory. As many statistics are in memory as the tree of Merge
// is deep. It starts and stops the workers; nil is one. observe, nil for nobody, is told after each part how many there are. The error is
// one of parts or of observe, the cause of ctx's end, or says that there are no rows.
func MeasureParts(ctx context.Context, parts train.Parts, labels int, workers *tensor.Workers, observe func(measured, of int) error) (
	*Statistics, error) {
	var filled []int
	for part := range parts.Len() {
		if parts.Rows(part) > 0 {
			filled = append(filled, part)
		}
	}
	if workers == nil {
		workers = tensor.NewWorkers(1)
	}
	workers.Start()
	defer workers.Stop()
	return mergeEach(len(filled), func(i int) (*Statistics, error) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		part := filled[i]
		var features train.Features
		var err error
		if features.Y, features.Shares, err = parts.Cells(part); err != nil {
			return nil, err
		}
		if n := parts.Rows(part); len(features.Y) != n*labels {
			return nil, fmt.Errorf("solver: part %d has %d label cells, want %d labels for each of %d rows", part, len(features.Y), labels, n)
		}
		s, err := measure(newStreamDesign(newStream(parts, part, part+1), workers), features, labels)
		if err == nil && observe != nil {
			err = observe(i+1, len(filled))
		}
		return s, err
	})
}

// Merge returns the statistics of all rows together. The parts are merged by pairs, in a tree whose shape depends on their number alone:
// the result has the same bits wherever they were measured. One part is returned as it is. The parts stay as they are.
func Merge(parts ...*Statistics) (*Statistics, error) {
	return mergeEach(len(parts), func(i int) (*Statistics, error) { return parts[i], nil })
}

// mergeEach is Merge of n parts that are asked for one after the other.
func mergeEach(n int, part func(i int) (*Statistics, error)) (*Statistics, error) {
	if n == 0 {
		return nil, fmt.Errorf("solver: no statistics to merge")
	}
	var tree func(from, to int) (*Statistics, error)
	tree = func(from, to int) (*Statistics, error) {
		if to-from == 1 {
			return part(from)
		}
		middle := from + (to-from)/2
		a, err := tree(from, middle)
		if err != nil {
			return nil, err
		}
		b, err := tree(middle, to)
		if err != nil {
			return nil, err
		}
		if len(a.mean) != len(b.mean) || len(a.labels) != len(b.labels) {
			return nil, fmt.Errorf("solver: statistics of %d columns and %d labels beside those of %d and %d", len(a.mean), len(a.labels),
				len(b.mean), len(b.labels))
		}
		return merge(a, b), nil
	}
	return tree(0, n)
}

// merge merges two parts by the formulas of Chan, Golub and LeVeque (1979, Updating formulae and a pairwise algorithm for computing
// sample variances), for the features as they are, not standardised. With n rows, means μ and centred second moments M = Σ(x−μ)(x−μ)ᵀ,
//
//	μ = μₐ + δ·n_b/n    M = Mₐ + M_b + δδᵀ·nₐn_b/n    where δ = μ_b − μₐ
//
// and the same for x and y over the rows on which a label is known, C = Σ(x−x̄)(y−π).
func merge(a, b *Statistics) *Statistics {
	hidden := len(a.mean)
	na, nb := float64(a.Rows), float64(b.Rows)
	s := &Statistics{Rows: a.Rows + b.Rows, mean: make([]float64, hidden), deviation: make([]float64, hidden),
		gram: mat.NewSymDense(hidden, nil)}
	n := na + nb
	delta := make([]float64, hidden)
	for j := range delta {
		delta[j] = b.mean[j] - a.mean[j]
		s.mean[j] = a.mean[j] + delta[j]*nb/n
	}
	second := func(i, j int) float64 { // M/n
		return (na*a.covariance(i, j) + nb*b.covariance(i, j) + delta[i]*delta[j]*na*nb/n) / n
	}
	for j := range s.deviation {
		s.deviation[j] = deviationOf(second(j, j), s.mean[j])
	}
	for i := range hidden {
		for j := i; j < hidden; j++ {
			s.gram.SetSym(i, j, second(i, j)/s.deviation[i]/s.deviation[j])
		}
	}
	for l := range a.labels {
		s.labels = append(s.labels, s.mergeLabel(a, b, l))
	}
	return s
}

// covariance returns an element of M/n, of features as they are.
func (s *Statistics) covariance(i, j int) float64 {
	return s.gram.At(i, j) * s.scale(i) * s.scale(j)
}

// scale returns the deviation of a column, 0 of a constant one.
func (s *Statistics) scale(j int) float64 {
	if math.IsInf(s.deviation[j], 1) {
		return 0
	}
	return s.deviation[j]
}

// mergeLabel returns the moments of a label in the standardised columns of s.
func (s *Statistics) mergeLabel(a, b *Statistics, l int) classMoments {
	p, q := &a.labels[l], &b.labels[l]
	ka, kb := p.negatives+p.positives, q.negatives+q.positives
	k := ka + kb
	m := classMoments{p.negatives + q.negatives, p.positives + q.positives, make([]float64, len(s.mean)), make([]float64, len(s.mean))}
	if k == 0 {
		return m
	}
	share := func(positives, known float64) float64 { return positives / max(known, 1) } // of no rows: it counts for nothing
	apart := share(q.positives, kb) - share(p.positives, ka)
	for j := range s.mean {
		meanA, meanB := a.mean[j]+a.scale(j)*p.mean[j], b.mean[j]+b.scale(j)*q.mean[j]
		between := (meanB - meanA) * kb / k
		if ka == 0 {
			meanA, between = meanB, 0
		} else if kb == 0 {
			between = 0
		}
		m.mean[j] = (meanA + between - s.mean[j]) / s.deviation[j]
		within := ka*a.scale(j)*p.covariance[j] + kb*b.scale(j)*q.covariance[j]
		m.covariance[j] = (within + apart*between*ka) / k / s.deviation[j]
	}
	return m
}

// DiscriminantOf is Discriminant of the rows that were measured; of one part, with as many rows as columns or more, it has the bits.
// task.Train is not looked at, and features of task.Dev have to be in memory; without Dev task.L2 is one strength.
func DiscriminantOf(ctx context.Context, s *Statistics, task Task) ([]Solution, error) {
	switch {
	case s == nil || task.Classifier == nil || task.Workers == nil:
		return nil, fmt.Errorf("solver: want statistics, a classifier and workers")
	case len(task.Labels) != len(s.labels) || task.Classifier.Weights.Size() != len(s.labels)*len(s.mean):
		return nil, fmt.Errorf("solver: statistics of %d columns and %d labels for a head %v of %d labels", len(s.mean), len(s.labels),
			task.Classifier.Weights.Shape, len(task.Labels))
	}
	if err := errors.Join(asm.BestErr, task.checkL2(), checkFinite("dev features", task.Dev.X)); err != nil {
		return nil, err
	}
	if dev := task.Dev; dev.X != nil && (dev.X.Cols != len(s.mean) || len(dev.Y) != dev.X.Rows*len(s.labels)) {
		return nil, fmt.Errorf("dev features [%d, %d] with %d label cells, want %d columns and %d labels", dev.X.Rows, dev.X.Cols, len(dev.Y),
			len(s.mean), len(s.labels))
	}
	return discriminate(ctx, task, func(task Task) *discriminant {
		design := &design{rows: s.Rows, cols: len(s.mean), mean: s.mean, deviation: s.deviation, workers: task.Workers}
		return &discriminant{Task: task, design: design, gram: s.gram, labels: slices.Clone(s.labels)}
	})
}
