package democmd

import (
	"context"
	"fmt"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train"
	"bertlabel/train/tiny"
)

// RunTiny trains the tiny model and shows what each part of it is good for (docs/guide/10-training.md). It writes no file.
func RunTiny(ctx context.Context, a *cli.App) error {
	a.Log.Infof("a BERT of 1628 random weights: 2 layers, 2 heads of width 4, 20 words; %d sentences to learn from", tiny.Texts)
	m, _, err := tiny.Train(ctx, func(p train.Progress) error {
		if perEpoch := p.Steps / 20; p.Step == 1 || p.Step%int64(perEpoch) == 0 {
			a.Log.Infof("step %4d of %d: loss %.4f", p.Step, p.Steps, p.Loss)
		}
		return nil
	})
	if err != nil {
		return err
	}
	tiny.Round(m)
	return ShowParts(ctx, a, m, tiny.EveryText())
}

// ShowParts prints how many of the rows a model has wrong, label by label, when it is whole and when it lacks one of its parts.
func ShowParts(ctx context.Context, a *cli.App, m *model.Model, rows []tiny.Row) error {
	wrong, f1, err := tiny.Wrong(ctx, m, rows)
	if err != nil {
		return err
	}
	a.Log.Infof("its weights rounded to 1/64, %d sentences of the grammar: macro F1 %.4f", len(rows), f1)
	a.Log.Infof("\nsentences whose label is wrong")
	if _, err := fmt.Fprintf(a.Stdout, "%-20s %9s %9s %9s %9s\n", "", "food", "staff", "praise", "complaint"); err != nil {
		return err
	}
	show := func(name string) error {
		_, err := fmt.Fprintf(a.Stdout, "%-20s %9d %9d %9d %9d\n", name, wrong[0], wrong[1], wrong[2], wrong[3])
		return err
	}
	if err := show("whole"); err != nil {
		return err
	}
	for _, part := range tiny.Parts(m) {
		if wrong, err = tiny.Without(ctx, m, part, rows); err != nil {
			return err
		}
		if err := show("without " + part.Name); err != nil {
			return err
		}
	}
	return nil
}
