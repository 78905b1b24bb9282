package scorecmd

import (
	"context"
	"math"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/report"
	"bertlabel/train/data"
)

// explainWrong explains, for the n rows of a report that are most wrong, the label that is most wrong.
func explainWrong(
	ctx context.Context, a *cli.App, m *model.Model, set *data.Dataset, scored *report.Scored, n int,
) (map[int][]report.Explanation, error) {
	const work = "explain"
	explainer, err := m.NewExplainer()
	if err != nil {
		return nil, err
	}
	rows := scored.MostWrong(max(0, n))
	a.Log.Progress(work, cli.Progress{Steps: len(rows)})
	defer a.Log.Done()
	explained := map[int][]report.Explanation{}
	for i, row := range rows {
		c := len(m.Labels)
		label := m.Labels[mostWrongLabel(set.Row(row), scored.Scores[row*c:(row+1)*c])]
		found, err := explainer.Explain(ctx, model.Text{A: set.Texts[row], B: set.Pair(row)}, []string{label}, model.ExplainOptions{})
		if err != nil {
			return nil, err
		}
		shown := report.Explanation{Label: label}
		for _, w := range found[0].Words {
			shown.Words = append(shown.Words, report.Word{Text: w.Word, Contribution: w.Value})
		}
		explained[row] = append(explained[row], shown)
		a.Log.Progress(work, cli.Progress{Step: i + 1, Steps: len(rows), Examples: i + 1})
	}
	return explained, nil
}

// mostWrongLabel returns the label of a row whose known cell is farthest from the truth.
func mostWrongLabel(truth []int8, scores []float32) (label int) {
	farthest := -1.0
	for l, y := range truth {
		if distance := math.Abs(float64(y) - float64(scores[l])); y != data.Unknown && distance > farthest {
			label, farthest = l, distance
		}
	}
	return label
}
