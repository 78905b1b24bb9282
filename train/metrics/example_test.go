package metrics_test

import (
	"fmt"

	"bertlabel/train/metrics"
)

func Example() {
	data := metrics.Data{
		Labels: []string{"joy", "fear"},
		Truth:  []int8{1, 0, 1, 1, 0, -1}, // nobody knows whether the third text is about fear
		Scores: []float32{0.9, 0.2, 0.4, 0.7, 0.1, 0.5},
	}
	report, err := metrics.Evaluate(data, []float32{0.5})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("micro F1 %.2f, macro F1 %.2f\n", report.F1Micro, report.F1Macro)
	for _, label := range report.PerLabel {
		fmt.Printf("%s: best F1 %.2f at %.2f\n", label.Name, label.BestF1, label.BestF1Threshold)
	}
	// Output:
	// micro F1 0.80, macro F1 0.83
	// joy: best F1 1.00 at 0.25
	// fear: best F1 1.00 at 0.45
}
