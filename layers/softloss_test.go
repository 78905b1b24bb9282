package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/tensor"
)

// TestSoftLoss holds the loss of shares to the formula of tf.nn.sigmoid_cross_entropy_with_logits, which takes them as they are, and its
// gradient to σ(z) − y, both in float64.
func TestSoftLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 1))
	logits, labels := randomBatch(rng, 7, 5)
	shares := make([]float32, len(labels))
	sum, known := 0.0, 0
	for i, z := range logits.Data {
		shares[i] = rng.Float32()
		if labels[i] == Unknown {
			shares[i] = 7 // is not looked at
			continue
		}
		z, y := float64(z), float64(shares[i])
		sum += math.Max(z, 0) - z*y + math.Log1p(math.Exp(-math.Abs(z)))
		known++
	}
	dlogits := tensor.New(logits.Rows, logits.Cols)
	near(t, "loss", MeanSoftLoss(SigmoidCrossEntropy{}, dlogits, logits, labels, shares, 0), sum/float64(known), 1e-14, 0)
	for i, z := range logits.Data {
		want := 0.0
		if labels[i] != Unknown {
			want = (1/(1+math.Exp(-float64(z))) - float64(shares[i])) / float64(known)
		}
		// One rounding to float32, and those of a difference of numbers up to 1 in float64.
		near(t, fmt.Sprintf("dlogits[%d]", i), float64(dlogits.Data[i]), want, 0x1p-24, 0x1p-50)
	}
}

var softLosses = []Loss{
	SigmoidCrossEntropy{}, LabelSmoothing{0.1}, WeightedSigmoidCrossEntropy{[]float64{3}}, DefaultFocal(), DefaultAsymmetric(),
}

// The loss of a share is the mean loss of its annotators, for every loss: three of four cells of 1 and one of 0 are a share of 0.75.
func TestSoftLossIsTheMeanOfItsAnnotators(t *testing.T) {
	for _, loss := range softLosses {
		for z := float32(-9); z < 10; z += 0.7 {
			four, one := tensor.From([]float32{z, z, z, z}, 4, 1), tensor.From([]float32{z}, 1, 1)
			d4, d1 := tensor.New(4, 1), tensor.New(1, 1)
			want := MeanLoss(loss, d4, four, []int8{1, 1, 0, 1}, 0)
			got := MeanSoftLoss(loss, d1, one, []int8{1}, []float32{0.75}, 0)
			near(t, fmt.Sprintf("%T at %g", loss, z), got, want, 1e-14, 0)
			sum := 0.0
			for _, d := range d4.Data {
				sum += float64(d)
			}
			// Four roundings of quarters to float32, each at most 2⁻²⁴ of the largest derivative, which with these losses is below 4.
			near(t, fmt.Sprintf("%T: dz at %g", loss, z), float64(d1.Data[0]), sum, 0x1p-23, 4*0x1p-24)
		}
	}
}

// TestSoftLossGradient compares the derivative with the central difference, in float64.
func TestSoftLossGradient(t *testing.T) {
	const h = 1e-5 // as in TestLossGradient
	for _, loss := range softLosses {
		for _, y := range []float64{0.01, 0.3, 0.5, 0.99} {
			for z := -20.0; z <= 20; z += 0.37 {
				plus, _ := SoftCell(loss, z+h, y, 0)
				minus, _ := SoftCell(loss, z-h, y, 0)
				_, dz := SoftCell(loss, z, y, 0)
				near(t, fmt.Sprintf("%T dz at z=%g y=%g", loss, z, y), dz, (plus-minus)/(2*h), 1e-7, 1e-8)
			}
		}
	}
}

// Shares of 0 and 1 have the bits of hard cells.
func TestHardSharesHaveTheSameBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 2))
	logits, labels := randomBatch(rng, 11, 3)
	shares := make([]float32, len(labels))
	for i, y := range labels {
		shares[i] = max(0, float32(y))
	}
	for _, loss := range []Loss{SigmoidCrossEntropy{}, LabelSmoothing{0.1}, DefaultAsymmetric()} {
		hard, soft := tensor.New(11, 3), tensor.New(11, 3)
		want, got := MeanLoss(loss, hard, logits, labels, 0), MeanSoftLoss(loss, soft, logits, labels, shares, 0)
		if got != want || !slices.Equal(hard.Data, soft.Data) {
			t.Errorf("%T: loss %g, want %g; gradients equal: %t", loss, got, want, slices.Equal(hard.Data, soft.Data))
		}
	}
}

func TestSoftLossRefusesWhatIsNoShare(t *testing.T) {
	logits := tensor.New(1, 2)
	for _, shares := range [][]float32{{0.5, 1.5}, {-0.1, 0}, {float32(math.NaN()), 0}, {0.5}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for shares %v", shares)
				}
			}()
			MeanSoftLoss(SigmoidCrossEntropy{}, nil, logits, []int8{0, 1}, shares, 0)
		}()
	}
}
