package main

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// Names of columns, labels and files stand in messages; none of them reaches the terminal as it is.
func TestMessagesAreEscaped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a\u202eb.csv")
	cmdtest.WriteFile(t, path, "text,\x1b[31mred,\u202elabel\na,1,0\nb,maybe,7\n")
	for _, args := range [][]string{
		{"check-data", "--train", path},
		{"split", "--input", path, "--output", filepath.Join(dir, "parts")},
		{"check-data", "--train", path, "--text-column", "\x1b[2J"},
		{"check-data", "--train", filepath.Join(dir, "no\x1b[2J.csv")},
	} {
		_, stderr, code := bertlabel(t, "", args...)
		hostile := strings.ContainsFunc(stderr, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
		if code == cli.ExitOK || hostile || !strings.Contains(stderr, `\x1b[`) && !strings.Contains(stderr, `\u202e`) {
			t.Errorf("%q: exit %d, stderr %q", args, code, stderr)
		}
	}
}
