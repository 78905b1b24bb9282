package train

import (
	"slices"
	"testing"

	"bertlabel/bert"
	"bertlabel/tensor"
)

// Narrow takes the columns of the narrower pooling, wherever they stand, and leaves what is narrow, or nothing, alone.
func TestNarrow(t *testing.T) {
	x := tensor.New(2, 6)
	for i := range x.Data {
		x.Data[i] = float32(i)
	}
	wide := Features{X: x, Y: []int8{1, 0}}
	got, err := wide.Narrow("concat:cls,mean,max", "concat:max,cls")
	if err != nil || !slices.Equal(got.X.Data, []float32{4, 5, 0, 1, 10, 11, 6, 7}) || !slices.Equal(got.Y, wide.Y) {
		t.Errorf("%v, %v", got.X, err)
	}
	if same, err := wide.Narrow(bert.Mean, bert.Mean); err != nil || same.X != x {
		t.Errorf("the same pooling: %v, %v", same.X, err)
	}
	if none, err := (Features{}).Narrow(bert.Mean, bert.CLS); err != nil || none.X != nil {
		t.Errorf("no features: %v, %v", none.X, err)
	}
	if _, err := wide.Narrow("concat:cls,mean,max", "mean:-2"); err == nil {
		t.Error("a vector that is not there")
	}
}
