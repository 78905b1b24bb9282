package flags

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"

	"github.com/spf13/cobra"
)

// Thresholds is the value of --threshold: a number, numbers separated by commas in label order, or the path of a JSON file of label name
// to number; empty if it was not given. A label is predicted where its probability is above its threshold.
type Thresholds string

// AddThreshold declares --threshold, whose default is what value has.
func AddThreshold(cmd *cobra.Command, value *Thresholds) {
	usage := "a label is predicted above `T`: one number, or one per label by commas or by a JSON file"
	if *value == "" {
		usage += " (default: the model's)"
	}
	cmd.Flags().StringVar((*string)(value), "threshold", string(*value), usage)
}

// Numbers returns the numbers of the value; isFile says that it is none, and so a file's path.
func (t Thresholds) Numbers() (thresholds []float32, isFile bool, err error) {
	first, _, _ := strings.Cut(string(t), ",")
	if _, err := strconv.ParseFloat(strings.TrimSpace(first), 32); err != nil {
		return nil, true, nil
	}
	for number := range strings.SplitSeq(string(t), ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 32)
		switch {
		case err != nil || v-v != 0:
			return nil, false, cli.Usagef("--threshold %s: found %q, want a number", t, number)
		case !(v >= 0 && v <= 1) && strings.Contains(string(t), ","):
			return nil, false, cli.Usagef("--threshold %s: found %s, want 0 to 1; commas stand between thresholds, a decimal point is a point",
				t, strings.TrimSpace(number))
		case !(v >= 0 && v <= 1):
			return nil, false, cli.Usagef("--threshold %s: want 0 to 1", t)
		}
		thresholds = append(thresholds, float32(v))
	}
	return thresholds, false, nil
}

// Check refuses numbers that are no thresholds, before anything is read. It knows neither how many labels there are nor what is in a file.
func (t Thresholds) Check() error {
	_, _, err := t.Numbers()
	return err
}

// Read returns one threshold, or one for each label; nil if none was given.
func (t Thresholds) Read(a *cli.App, labels []string) ([]float32, error) {
	if t == "" {
		return nil, nil
	}
	thresholds, isFile, err := t.Numbers()
	if err == nil && isFile {
		return t.readFile(a, labels)
	}
	if n := len(thresholds); err == nil && n != 1 && n != len(labels) {
		err = cli.Usagef("--threshold %s: found %d numbers, want one, or one for each of %d labels", t, n, len(labels))
	}
	return thresholds, err
}

// readFile reads a JSON object of label name to number, one for each label.
func (t Thresholds) readFile(a *cli.App, labels []string) ([]float32, error) {
	path := string(t)
	in, err := a.OpenInput(path)
	if err != nil {
		return nil, cli.WithCode(cli.ExitUsage, fmt.Errorf("--threshold is no number, so a file: %w", err))
	}
	defer in.Close()
	var byName map[string]*float32
	if err := cli.ReadNumbers(in, path, &byName); err != nil {
		return nil, err
	}
	thresholds := make([]float32, len(labels))
	for i, name := range labels {
		v := byName[name]
		if v == nil {
			return nil, cli.Refused(path, 0, "", "no threshold for "+term.Quoted(name), "a number for each label")
		}
		if !(*v >= 0 && *v <= 1) {
			return nil, cli.Usagef("--threshold %s: found %v for %s, want 0 to 1", path, *v, term.Quoted(name))
		}
		thresholds[i] = *v
		delete(byName, name)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		return nil, cli.Refused(path, 0, "", "a threshold for "+term.Quoted(name), "labels of the data only")
	}
	return thresholds, nil
}

// ReadFor returns one threshold for each label; nil if none was given.
func (t Thresholds) ReadFor(a *cli.App, labels []string) ([]float32, error) {
	thresholds, err := t.Read(a, labels)
	if len(thresholds) == 1 {
		thresholds = slices.Repeat(thresholds, len(labels))
	}
	return thresholds, err
}
