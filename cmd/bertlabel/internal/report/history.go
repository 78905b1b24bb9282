package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"bertlabel/train/metrics"
)

// ReadHistory reads metrics.csv as train writes it. The step with the best value of a metric on dev is BestStep: the first of equal
// ones, 0 where dev was never evaluated.
func ReadHistory(r io.Reader, bestMetric string) (*History, error) {
	lines := csv.NewReader(r)
	header, err := lines.Read()
	if err != nil {
		return nil, fmt.Errorf("metrics.csv: header: %w", err)
	}
	h := &History{}
	best := math.NaN()
	for {
		line, err := lines.Read()
		if err == io.EOF {
			return h, nil
		}
		if err != nil {
			return nil, fmt.Errorf("metrics.csv: %w", err)
		}
		value := func(column string) float64 {
			if at := slices.Index(header, column); at >= 0 {
				if v, err := strconv.ParseFloat(line[at], 64); err == nil {
					return v
				}
			}
			return math.NaN() // an empty field, or a column that the file lacks
		}
		s := Step{Step: value("step"), Loss: value("loss"), LearningRate: value("learning_rate"),
			DevLoss: value("dev_log_loss"), DevMacro: value("dev_f1_macro"), DevMicro: value("dev_f1_micro")}
		if math.IsNaN(s.Step) {
			return nil, fmt.Errorf("metrics.csv: a row without a step: %q", line)
		}
		h.Steps = append(h.Steps, s)
		dev := value("dev_" + bestMetric)
		if metrics.LowerIsBetter(bestMetric) {
			dev = -dev
		}
		if dev > best || math.IsNaN(best) && !math.IsNaN(dev) {
			best, h.BestStep = dev, s.Step
		}
	}
}
