package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Every row is in one fold, rows of one text in the same one, and labels are spread evenly.
func TestFolds(t *testing.T) {
	var b strings.Builder
	b.WriteString("text,rare,often\n")
	for i := range 120 {
		fmt.Fprintf(&b, "text %d,%d,%d\n", i%100, (i%100)/96, i%100%2)
	}
	d, err := LoadFrom(strings.NewReader(b.String()), "f.csv", Options{})
	if err != nil {
		t.Fatal(err)
	}
	fold, err := Folds(d, 4, 7)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Folds(d, 4, 7)
	other, _ := Folds(d, 4, 8)
	if !slices.Equal(fold, again) || slices.Equal(fold, other) {
		t.Error("folds do not depend on the seed alone")
	}
	for i := range 20 {
		if fold[i] != fold[100+i] {
			t.Errorf("rows %d and %d are one text in two folds", i, 100+i)
		}
	}
	var seen []int
	for k := range 4 {
		rest, held := SplitFold(fold, k)
		rare := 0
		for _, row := range held {
			rare += int(d.Row(row)[0])
		}
		if len(rest)+len(held) != 120 || len(held) < 28 || len(held) > 32 || rare != 1 || !slices.IsSorted(rest) || !slices.IsSorted(held) {
			t.Errorf("fold %d: %d rows and %d others, %d of them rare", k, len(held), len(rest), rare)
		}
		seen = append(seen, held...)
	}
	if slices.Sort(seen); len(slices.Compact(seen)) != 120 {
		t.Errorf("%d rows are in a fold", len(seen))
	}
	var refused *RowError
	if _, err := Folds(d, 101, 7); !errors.As(err, &refused) ||
		err.Error() != "f.csv: found 100 different texts, expected at least 101, one for each fold; fix: lower `folds`" {
		t.Errorf("%v", err)
	}
}
