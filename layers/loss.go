package layers

import (
	"fmt"
	"math"

	"bertlabel/tensor"
)

// Loss is a loss for labels that do not exclude each other: each cell (row, label) is a two-class problem of its own, and the
// loss of a batch is the mean over its known cells. A Loss is read-only and may be shared by goroutines.
type Loss interface {
	// Cell returns the loss of one cell and its derivative by the logit z, for a label that is positive (y = 1) or not
	// (y = 0). label is the cell's column, for losses with a weight per label. Both are finite for every finite z.
	Cell(z float64, positive bool, label int) (loss, dz float64)
}

// CrossEntropy is a Loss of the form a·softplus(−z) + b·softplus(z), where softplus(−z) = −ln p and softplus(z) = −ln(1−p).
// It is convex in z, so a head on fixed features has one best value.
type CrossEntropy interface {
	Loss
	// Weights returns a and b of a cell, neither of them negative.
	Weights(positive bool, label int) (a, b float64)
}

// Values of a label cell.
const (
	Unknown  = int8(-1) // left out of every sum
	Negative = int8(0)
	Positive = int8(1)
)

// KnownCells returns how many cells of labels are not Unknown: the divisor of the mean loss of a whole batch.
func KnownCells(labels []int8) int {
	n := 0
	for _, y := range labels {
		if y != Unknown {
			n++
		}
	}
	return n
}

// MeanLoss returns Σ loss(cell)/divisor over the known cells of a batch, summed in float64, and overwrites dlogits with its
// gradient in the same pass: dz/divisor, and 0 where the label is unknown. logits and dlogits are [rows, C], labels is
// row-major [rows, C]. dlogits may be logits itself, or nil when only the value is wanted.
//
// With gradient accumulation divisor is the number of known cells of all micro-batches together, so that their losses and
// gradients add up to those of the large batch. A divisor of 0 stands for KnownCells(labels); without any known cell loss and
// gradient are 0. A logit that is NaN or infinite makes the loss NaN. MeanLoss panics when shapes differ or a label is none of
// Unknown, Negative, Positive.
func MeanLoss(loss Loss, dlogits, logits *tensor.Tensor, labels []int8, divisor int) float64 {
	return MeanSoftLoss(loss, dlogits, logits, labels, nil, divisor)
}

// MeanSoftLoss is MeanLoss for cells that are shares, from 0 to 1, such as the share of annotators that saw the label: shares is row-major
// [rows, C], and not looked at where labels is Unknown. A share y has the loss of its annotators, each of them a cell with one answer:
//
//	loss(z, y) = y·loss(z, 1) + (1−y)·loss(z, 0)
//
// For sigmoid cross-entropy, which is linear in y, that is −y·ln σ(z) − (1−y)·ln(1−σ(z)), with the derivative σ(z) − y; label smoothing and
// weights of positives are linear too. Shares of 0 and 1 give the bits of MeanLoss, and so do nil shares. It panics as MeanLoss does, and
// when a share is not from 0 to 1.
func MeanSoftLoss(loss Loss, dlogits, logits *tensor.Tensor, labels []int8, shares []float32, divisor int) float64 {
	checkLabels("MeanLoss", logits, labels)
	if shares != nil && len(shares) != len(labels) {
		panic(fmt.Sprintf("layers.MeanSoftLoss: %d shares for %d labels", len(shares), len(labels)))
	}
	if dlogits != nil && (dlogits.Rows != logits.Rows || dlogits.Cols != logits.Cols) {
		panic(fmt.Sprintf("layers.MeanLoss: dlogits [%d, %d] for logits [%d, %d]", dlogits.Rows, dlogits.Cols, logits.Rows, logits.Cols))
	}
	if divisor == 0 {
		divisor = max(1, KnownCells(labels))
	}
	sum := 0.0
	for i, z := range logits.Data {
		var cell, dz float64
		if shares != nil && labels[i] != Unknown {
			cell, dz = SoftCell(loss, float64(z), float64(shares[i]), i%logits.Cols)
		} else {
			cell, dz = knownCell(loss, float64(z), labels[i], i%logits.Cols)
		}
		sum += cell
		if dlogits != nil {
			dlogits.Data[i] = float32(dz / float64(divisor))
		}
	}
	return sum / float64(divisor)
}

// PerExampleLoss sets dst[i] to the mean loss of row i over its known cells, 0 for a row without any. logits is [rows, C],
// labels row-major [rows, C], dst [rows]. It panics as MeanLoss does.
func PerExampleLoss(loss Loss, dst []float64, logits *tensor.Tensor, labels []int8) {
	checkLabels("PerExampleLoss", logits, labels)
	if len(dst) != logits.Rows {
		panic(fmt.Sprintf("layers.PerExampleLoss: dst has length %d for logits [%d, %d]", len(dst), logits.Rows, logits.Cols))
	}
	for i := range dst {
		row := labels[i*logits.Cols : (i+1)*logits.Cols]
		sum := 0.0
		for j, z := range logits.Row(i) {
			cell, _ := knownCell(loss, float64(z), row[j], j)
			sum += cell
		}
		dst[i] = sum / float64(max(1, KnownCells(row)))
	}
}

// knownCell is loss.Cell for a known label and 0, 0 for an unknown one.
func knownCell(loss Loss, z float64, y int8, label int) (cell, dz float64) {
	switch y {
	case Unknown:
		return 0, 0
	case Negative, Positive:
		cell, dz = loss.Cell(z, y == Positive, label)
		return cell + (z - z), dz // z − z is 0, but NaN for an infinite z: an overflow must not pass for a sure answer
	}
	panic(fmt.Sprintf("layers: label %d, want 1, 0 or -1 (unknown)", y))
}

// SoftCell returns the loss of one cell with a logit z and a share y, 0 ≤ y ≤ 1, of which its label is there, y·loss(z, 1) +
// (1−y)·loss(z, 0), and its derivative by z; NaN for an infinite z. It panics for another y.
func SoftCell(loss Loss, z, y float64, label int) (cell, dz float64) {
	if y == 0 || y == 1 {
		return knownCell(loss, z, int8(y), label)
	}
	if !(y > 0 && y < 1) {
		panic(fmt.Sprintf("layers: a share of %v, want 0 to 1", y))
	}
	one, dOne := knownCell(loss, z, Positive, label)
	zero, dZero := knownCell(loss, z, Negative, label)
	return y*one + (1-y)*zero, y*dOne + (1-y)*dZero
}

func checkLabels(op string, logits *tensor.Tensor, labels []int8) {
	if len(labels) != logits.Rows*logits.Cols {
		panic(fmt.Sprintf("layers.%s: %d labels for logits [%d, %d]", op, len(labels), logits.Rows, logits.Cols))
	}
}

// logistic returns σ(z) = 1/(1 + e⁻ᶻ) without overflow, and to full relative precision on both sides; 1 − σ(z) is σ(−z).
func logistic(z float64) float64 {
	e := math.Exp(-math.Abs(z))
	if z >= 0 {
		return 1 / (1 + e)
	}
	return e / (1 + e)
}

// softplus returns ln(1 + eᶻ) = max(z, 0) + ln(1 + e^−|z|). The logarithms of the logistic are ln σ(z) = −softplus(−z) and
// ln(1 − σ(z)) = −softplus(z).
func softplus(z float64) float64 {
	return math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z)))
}
