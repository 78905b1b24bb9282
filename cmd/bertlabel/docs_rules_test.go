package main

import (
	"strings"
	"testing"
)

// The rules by which pages are judged: what must pass passes, and what must not does not.
func TestDocsRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, got string
		same      bool
	}{
		{"f1 0.9378 on dev", "f1   0.9379 on dev", true},
		{"f1 0.9378 on dev", "f1 0.9380 on dev", false},
		{"f1 0.9378 on dev", "f1 0.93781 on dev", true},
		{"9 tokens", "10 tokens", false},
		{"9 tokens", "9 words", false},
		{"≈12.5 ms", "9731.2 ms", true},
		{"12.5 ms", "9731.2 ms", false},
		{`{"a":-3.1080909}`, `{"a":-3.1080912}`, true},
		{`{"a":-3.1080909}`, `{"a":-3.1081}`, false},
		{"-0.00", "0.00", true},
		{"1.2e-05", "1.3e-05", true},
		{"1.2e-05", "1.2e-04", false},
	} {
		if err := sameLine(c.want, c.got); (err == nil) != c.same {
			t.Errorf("%q and %q: %v, want same %t", c.want, c.got, err, c.same)
		}
	}
	for _, c := range []struct {
		want, got string
		same      bool
	}{
		{"a|b", "a|b", true},
		{"a", "a|b", false},
		{"a|b", "a", false},
		{"a|…", "a|b|c", true},
		{"a|…|c", "a|b|b|c", true},
		{"a|…|d", "a|b|c", false},
		{"…|c", "a|c|d", false},
	} {
		if err := sameLines(strings.Split(c.want, "|"), strings.Split(c.got, "|")); (err == nil) != c.same {
			t.Errorf("%q and %q: %v, want same %t", c.want, c.got, err, c.same)
		}
	}
	const asmFile = "asm/gemm_avx512_amd64.s"
	for _, c := range []struct {
		name, lines string
		right       bool
		check       func(lines []string, name string) error
	}{
		{"bert/pooler.go:Pooler.Forward", "  p.Dense.Forward(&ws.Workspace,   pooled, cls, layers.Tanh)", true, goLines},
		{"bert/pooler.go:Pooler.Forward", "p.Dense.Forward(&ws.Workspace, pooled, cls, layers.ReLU)", false, goLines},
		{"bert/pooler.go:Pooler.forward", "p.Dense.Forward(&ws.Workspace, pooled, cls, layers.Tanh)", false, goLines},
		{"train/clip.go:ClipFactor", "if clip == 0 {|return float32(clip / max(norm, clip))", false, goLines},
		{"train/clip.go:ClipFactor", "if clip == 0 {|…|return float32(clip / max(norm, clip))", true, goLines},
		{"train/clip.go:ClipFactor", "return float32(clip / max(norm, clip))|…|if clip == 0 {", false, goLines},
		{asmFile + ":FMA", "VBROADCASTSS (R8), Z28|VFMADD231PS Z24, Z28, Z0 // any registers", true, asmLines},
		{asmFile + ":FMA", "VFMADD231PS Z25, Z28, Z1|VFMADD231PS Z24, Z28, Z0", false, asmLines},
		{asmFile + ":FMA", "VFMSUB231PS Z24, Z28, Z0", false, asmLines},
		{asmFile + ":NOWHERE", "VZEROUPPER", false, asmLines},
	} {
		if err := c.check(strings.Split(c.lines, "|"), c.name); (err == nil) != c.right {
			t.Errorf("%s has %q: %v, want right %t", c.name, c.lines, err, c.right)
		}
	}
	for line, want := range map[string]string{"bertlabel a 'b c' \"d\"": "a,b c,d", "echo 'x y' | bertlabel z": "z", "ls": "", "bertlabel a > b": ""} {
		if _, args, err := parseCommand(line); strings.Join(args, ",") != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", line, args, err)
		}
	}
	if got := anchor("16. No 1/√D"); got != "16-no-1d" {
		t.Errorf("anchor %s", got)
	}
}

func goLines(lines []string, name string) error {
	file, name, _ := strings.Cut(name, ":")
	return checkGo(lines, file, name)
}

func asmLines(lines []string, name string) error {
	file, name, _ := strings.Cut(name, ":")
	return checkAssembly(lines, file, []string{name})
}
