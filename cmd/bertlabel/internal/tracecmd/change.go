package tracecmd

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bertlabel/bert/trace"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
)

// parsePart reads a value of --without.
func parsePart(text string) (trace.Part, error) {
	name, place, isHead := strings.Cut(text, ":")
	part := trace.Part{Name: name}
	err := errors.New("")
	switch name {
	case "scale", "position", "gelu", "residual1", "residual2", "norm":
		if !isHead {
			err = nil
		}
	case "head":
		layer, head, _ := strings.Cut(place, ".")
		var err2 error
		part.Layer, err = strconv.Atoi(layer)
		part.Head, err2 = strconv.Atoi(head)
		err = errors.Join(err, err2)
	}
	if err != nil {
		return part, cli.Usagef("--without %q: want scale, position, gelu, residual1, residual2, norm or head:LAYER.HEAD", text)
	}
	return part, nil
}

// parseWeight reads a value of --set.
func parseWeight(text string) (trace.Weight, error) {
	refused := cli.Usagef("--set %q: want 'NAME[row,column]=number', or NAME[i] for a bias", text)
	left, right, ok := strings.Cut(text, "=")
	name, index, bracket := strings.Cut(strings.TrimSpace(left), "[")
	index, closed := strings.CutSuffix(index, "]")
	if !ok || !bracket || !closed {
		return trace.Weight{}, refused
	}
	w := trace.Weight{Name: name}
	for _, number := range strings.Split(index, ",") {
		i, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil {
			return w, refused
		}
		w.Index = append(w.Index, i)
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(right), 64)
	if err != nil || value-value != 0 {
		return w, refused
	}
	w.Value = value
	return w, nil
}

// compare runs the text twice on bert/plain and prints what --without and --set change.
func (t *tracing) compare() error {
	var parts []trace.Part
	var weights []trace.Weight
	for _, s := range t.Without {
		part, err := parsePart(s)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	for _, s := range t.Set {
		w, err := parseWeight(s)
		if err != nil {
			return err
		}
		weights = append(weights, w)
	}
	c, err := trace.Compare(t.m, t.text, parts, weights)
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	t.report = trace.NewReport(t.m, t.text, t.Token)
	w := bufio.NewWriter(t.app.Stdout)
	var what []string
	for _, part := range t.Without {
		what = append(what, "without "+part)
	}
	for _, s := range t.Set {
		what = append(what, "with "+term.Printable(s))
	}
	heading(w, term.Clipped(strings.Join(what, ", "), 60)+": what changes (bert/plain, float64)", "")
	fmt.Fprintf(w, "  %-56s%12s%12s%12s\n", "stage", "|x|", "|Δx|/|x|", "max |Δx|")
	same := 0
	for _, s := range c.Stages {
		if _, layer := blockOf(s.Name); t.Layer != nil && layer != *t.Layer {
			continue
		}
		if s.Largest == 0 {
			same++
			continue
		}
		fmt.Fprintf(w, "  %-56s%12.4f%12.4f%12.4f\n", s.Name, s.Norm, s.Relative, s.Largest)
	}
	fmt.Fprintf(w, "  %d stages are the same\n\n", same)
	if len(c.Labels) > 0 {
		fmt.Fprintf(w, "  %-24s%10s%10s%10s%10s%12s\n", "label", "z", "z then", "σ(z)", "σ then", "threshold")
	}
	for _, l := range c.Labels {
		verdict := ""
		if l.Changed {
			verdict = "  other"
		}
		fmt.Fprintf(w, "  %s%10.4f%10.4f%10.4f%10.4f%12.4f%s\n", term.Cell(l.Label, 24), l.Logit, l.LogitThen, l.Probability,
			l.ProbabilityThen, l.Threshold, verdict)
	}
	return w.Flush()
}
