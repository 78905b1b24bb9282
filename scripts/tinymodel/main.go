// Tinymodel makes bert/testdata/tiny (package train/tiny says what it is).
//
//	go run ./scripts/tinymodel FOLDER
//
// The committed folder was made by the kernel set generic while that rounded every product; last bits decide where training ends, so today's
// kernels end elsewhere, though in the same place each time on amd64. The tests of train/tiny hold the committed folder to what it should be.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bertlabel/bert/model"
	"bertlabel/train/tiny"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		panic(err)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: tinymodel FOLDER")
	}
	m, training, err := tiny.Train(context.Background(), nil)
	if err != nil {
		return err
	}
	if err := report(m, "as trained"); err != nil {
		return err
	}
	tiny.Round(m)
	if err := report(m, "rounded"); err != nil {
		return err
	}
	return m.Save(args[0], training)
}

// report prints how well the model labels the texts of the grammar: those that have a held-out clause, and those that have none.
func report(m *model.Model, when string) error {
	for _, heldOut := range []bool{false, true} {
		var rows []tiny.Row
		for _, r := range tiny.EveryText() {
			if r.HeldOut == heldOut {
				rows = append(rows, r)
			}
		}
		wrong, f1, err := tiny.Wrong(context.Background(), m, rows)
		if err != nil {
			return err
		}
		fmt.Printf("%s, held-out clauses %t: %d texts, macro F1 %.4f, wrong cells %v\n", when, heldOut, len(rows), f1, wrong)
	}
	return nil
}
