package metrics

import "math"

// Folds is what cross-validation says, and the content of folds.json. Every row was scored once, by a head that was trained on the
// other folds; the report is that of all rows together at 0.5, under the names of every report.
type Folds struct {
	Folds int    `json:"folds"`
	Seed  uint64 `json:"seed"`
	*Report
	Tuned *Report           `json:"tuned"` // at thresholds for each label that were chosen on these scores
	Mean  map[string]Number `json:"mean"`  // over the folds, each evaluated alone
	Std   map[string]Number `json:"std"`   // sample standard deviation over the folds (of n, the divisor is n − 1)
	Each  []Fold            `json:"each"`
}

// Fold is what one fold says alone, at 0.5.
type Fold struct {
	Rows int `json:"rows"`
	Summary
}

// CrossValidate evaluates the scores of d, each given by a model that does not know its row, together and fold by fold. fold has the fold
// of each row, from 0 to k − 1. tuned are thresholds for each label that Tune has found on d. Errors are those of Evaluate; a fold without
// rows is one.
func CrossValidate(d Data, fold []int, k int, tuned *Tuned) (*Folds, error) {
	f := &Folds{Folds: k}
	var err error
	if f.Report, err = Evaluate(d, []float32{defaultThreshold}); err != nil {
		return nil, err
	}
	if f.Tuned, err = Evaluate(d, tuned.Thresholds); err != nil {
		return nil, err
	}
	c := len(d.Labels)
	for i := range k {
		part := Data{Labels: d.Labels}
		for row, at := range fold {
			if at == i {
				part.Truth = append(part.Truth, d.Truth[row*c:(row+1)*c]...)
				part.Scores = append(part.Scores, d.Scores[row*c:(row+1)*c]...)
			}
		}
		one, err := Evaluate(part, []float32{defaultThreshold})
		if err != nil {
			return nil, err
		}
		f.Each = append(f.Each, Fold{part.rows(), one.Summary})
	}
	f.spread()
	return f, nil
}

// spread sets Mean and Std. A value that a fold lacks makes both undefined.
func (f *Folds) spread() {
	f.Mean, f.Std = map[string]Number{}, map[string]Number{}
	n := float64(len(f.Each))
	for name := range f.All() {
		sum, squares := 0.0, 0.0
		for _, fold := range f.Each {
			v, _ := fold.Get(name)
			sum += float64(v)
		}
		for _, fold := range f.Each {
			v, _ := fold.Get(name)
			squares += (float64(v) - sum/n) * (float64(v) - sum/n)
		}
		f.Mean[name], f.Std[name] = Number(sum/n), Number(math.Sqrt(squares/(n-1)))
	}
}
