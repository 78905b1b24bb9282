package report

import (
	"os/exec"
	"testing"
)

// A shell gives back the word that was quoted.
func TestShellQuoted(t *testing.T) {
	t.Parallel()
	words := []string{"--data=a.csv", "", "two words", "it's", `back\slash`, "$HOME `id` !x", "a\nb\x1b[0m", "\u202eturned", "é", "'",
		"x\xffy", "\x01f", "emoji 👍"}
	for _, want := range words {
		quoted := ShellQuoted(want)
		for _, r := range quoted {
			if r < ' ' || r == '\u202e' {
				t.Errorf("%q has %q", quoted, r)
			}
		}
		bash, err := exec.LookPath("bash")
		if err != nil {
			continue
		}
		if out, err := exec.Command(bash, "-c", "printf %s "+quoted).Output(); err != nil || string(out) != want {
			t.Errorf("%s gives %q, want %q (%v)", quoted, out, want, err)
		}
	}
	if got := ShellQuoted("--data=a.csv"); got != "--data=a.csv" {
		t.Errorf("a plain word becomes %s", got)
	}
}
