package cli

import (
	"errors"
	"fmt"
	"testing"

	"bertlabel/asm"
	"bertlabel/train"
	"bertlabel/train/data"
)

// An option that a library error names is shown as a flag, wherever the error stands; what a file says stays as it is.
func TestErrorText(t *testing.T) {
	t.Parallel()
	row := &data.RowError{File: "f.csv", Line: 3, Value: "`labels`", Found: "a text", Expected: "another",
		Hint: "give it by `text_column`, or leave out `strict_utf8`"}
	const rowText = "f.csv:3: found a text \"`labels`\", expected another; fix: give it by --text-column, or leave out --strict-utf8"
	for _, c := range []struct {
		err  error
		want string
	}{
		{row, rowText},
		{fmt.Errorf("`labels`: %w", WithCode(ExitData, row)), "`labels`: " + rowText},
		{errors.Join(errors.New("`a`"), row), "`a`\n" + rowText},
		{&data.BadRowsError{File: "f", Bad: 1, Rows: 2, Limit: data.AtMost(0), Last: row},
			"f: found 1 bad rows among 2, expected at most 0; the last one: " + rowText},
		{&data.OptionError{Option: "no_header", Problem: "needs `text_column` N"}, "--no-header: needs --text-column N"},
		{&train.ChangedError{Checkpoint: "c", Changes: []string{"the list of labels was `seed`, is none"}},
			"c is of another run: the list of labels was `seed`, is none; take back the change; for more epochs " +
				"train the finished model on: --model OLD --output NEW"},
		{&asm.SetError{Name: "mmx", Runs: []string{"avx2", "generic"}},
			`kernel set "mmx" (BERTLABEL_KERNELS, --kernels): this CPU and build run avx2, generic`},
		{errors.New("of `seed`"), "of `seed`"},
	} {
		if got := errorText(c.err); got != c.want {
			t.Errorf("%T: %q, want %q", c.err, got, c.want)
		}
	}
}
