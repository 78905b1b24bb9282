package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagAliases maps other spellings, hyphens for underscores, to our flags. google-research/bert run_classifier.py calls its
// folder output_dir; its other flags are ours letter by letter.
var flagAliases = map[string]string{
	"output-dir": "output",
}

// flagRefused answers for the flags of run_classifier.py that have no counterpart here, and for those that only some verbs can have.
var flagRefused = map[string]string{
	"do-train":            "training is the verb: bertlabel train",
	"do-eval":             "evaluation is the verb: bertlabel eval",
	"do-predict":          "prediction is the verb: bertlabel predict",
	"task-name":           "there are no built-in tasks; the labels come from the data",
	"data-dir":            "name the files: --train, --dev, --input",
	"eval-batch-size":     "only training has a batch size to choose: --train-batch-size",
	"predict-batch-size":  "only training has a batch size to choose: --train-batch-size",
	"use-tpu":             "bertlabel runs on the CPU",
	"tpu-name":            "bertlabel runs on the CPU",
	"tpu-zone":            "bertlabel runs on the CPU",
	"gcp-project":         "bertlabel runs on the CPU",
	"master":              "bertlabel runs on the CPU",
	"num-tpu-cores":       "bertlabel runs on the CPU",
	"iterations-per-loop": "bertlabel runs on the CPU",
	"soft-labels":         "train learns shares as they are, check-data looks at them; here --binarize T says from which share on a label counts",
	"tune-thresholds":     "thresholds of a finished model are chosen by bertlabel tune",
	"threshold-objective": "thresholds of a finished model are chosen by bertlabel tune",
	"calibrate":           "a finished model is calibrated by bertlabel tune --calibrate",
	"version":             "the verb version prints it, and so does bertlabel --version",
}

// normalizeFlag gives every flag its underscore spelling and the aliases of run_classifier.py.
func normalizeFlag(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	name = strings.ReplaceAll(name, "_", "-")
	if ours, ok := flagAliases[name]; ok {
		name = ours
	}
	return pflag.NormalizedName(name)
}

// GoogleSpelling reports whether a command line spells a flag as run_classifier.py does, with an underscore or as output_dir.
func GoogleSpelling(cmd *cobra.Command) bool { return cmd.Root().Annotations[googleSpelling] != "" }

// googleSpelling is the annotation of a root command whose command line has such a flag.
const googleSpelling = "bertlabel_google"

// watchSpelling is normalizeFlag for the command line of root, which it marks.
func watchSpelling(root *cobra.Command) func(*pflag.FlagSet, string) pflag.NormalizedName {
	return func(set *pflag.FlagSet, name string) pflag.NormalizedName {
		if _, alias := flagAliases[name]; alias || strings.Contains(name, "_") {
			root.Annotations = map[string]string{googleSpelling: name}
		}
		return normalizeFlag(set, name)
	}
}

// envName returns the environment twin of a flag: BERTLABEL_MAX_SEQ_LENGTH for max-seq-length.
func envName(flag string) string {
	return "BERTLABEL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// optionalValues is the annotation of a flag that may stand alone: the values that may follow it.
const optionalValues = "bertlabel_values"

// Optional makes a flag one that may stand alone, for the value alone, or take one of values, after = or as the next word.
func Optional(cmd *cobra.Command, name, alone string, values ...string) {
	cmd.Flags().Lookup(name).NoOptDefVal = alone
	if err := cmd.Flags().SetAnnotation(name, optionalValues, values); err != nil {
		panic(err)
	}
}

// valuesOf returns the values that may follow a flag that may stand alone; nil for any other flag.
func valuesOf(f *pflag.Flag) []string {
	if f != nil && f.Value.Type() == "bool" {
		return []string{"true", "false", "True", "False", "TRUE", "FALSE"}
	}
	if f == nil || f.NoOptDefVal == "" {
		return nil
	}
	return f.Annotations[optionalValues]
}

// joinValues puts a = between a flag that may stand alone and its value in the next word, which pflag takes for an argument.
func joinValues(root *cobra.Command, args []string) (joined []string) {
	cmd, _, err := root.Find(args)
	if err != nil {
		return args
	}
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		switch {
		case args[i] == "--":
			return append(joined, args[i:]...)
		case isFlag && i+1 < len(args) && slices.Contains(valuesOf(cmd.Flag(name)), args[i+1]):
			joined = append(joined, args[i]+"="+args[i+1])
			i++
		default:
			joined = append(joined, args[i])
		}
	}
	return joined
}

// resolveFlags sets each flag that the command line left alone from the environment, else from the config file. An empty
// variable counts as unset.
func resolveFlags(cmd *cobra.Command, getenv func(string) string) error {
	if err := fromEnvironment(cmd, getenv); err != nil {
		return err
	}
	return fromConfig(cmd)
}

func fromEnvironment(cmd *cobra.Command, getenv func(string) string) (first error) {
	EachSetting(cmd, func(f *pflag.Flag) {
		value := getenv(envName(f.Name))
		if value == "" || f.Changed || first != nil {
			return
		}
		if err := setTwin(cmd, f.Name, value); err != nil {
			first = Usagef("environment: %s: %w", envName(f.Name), reason(err))
		}
	})
	return first
}

// twin is the annotation of a flag that the environment or a config file has set.
const twin = "bertlabel_twin"

// setTwin sets a flag that is not on the command line.
func setTwin(cmd *cobra.Command, name, value string) error {
	if err := cmd.Flags().Set(name, value); err != nil {
		return err
	}
	return cmd.Flags().SetAnnotation(name, twin, []string{"true"})
}

// OnCommandLine reports whether the command line itself has a flag. What the environment or a config file says may be for other verbs.
func OnCommandLine(cmd *cobra.Command, name string) bool {
	f := cmd.Flag(name)
	return f != nil && f.Changed && f.Annotations[twin] == nil
}

// EachSetting calls fn for every flag of cmd that has an environment twin: all but --help.
func EachSetting(cmd *cobra.Command, fn func(*pflag.Flag)) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			fn(f)
		}
	})
}

// flagError turns a parsing error of pflag into one line that names the near flag.
func flagError(cmd *cobra.Command, err error) error {
	if !cmd.HasParent() && cmd.Flags().NArg() > 0 {
		return unknownVerb(cmd, cmd.Flags().Args()) // `bertlabel trian --model m`: the verb is what is wrong
	}
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) {
		return WithCode(ExitUsage, err)
	}
	name := strings.ReplaceAll(missing.GetSpecifiedName(), "_", "-")
	if missing.GetSpecifiedShortnames() != "" {
		if missing.GetSpecifiedShortnames() == "v" {
			return Usagef("unknown flag -v; flags begin with two hyphens: did you mean --version?")
		}
		return Usagef("unknown flag -%s; flags begin with two hyphens", missing.GetSpecifiedShortnames())
	}
	if why, ok := flagRefused[name]; ok {
		return Usagef("unknown flag --%s: %s", name, why)
	}
	return Usagef("unknown flag --%s%s", name, DidYouMean(name, "--", flagNames(cmd)))
}

func flagNames(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// missingFlags names the required flags of cmd that nothing has set.
func missingFlags(cmd *cobra.Command) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !f.Changed {
			names = append(names, "--"+f.Name)
		}
	})
	return Usagef("%s needs %s", cmd.Name(), strings.Join(names, ", "))
}

// Required marks flags that must be set, on the command line or by their twins.
func Required(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
}

// OneOf checks the value of a flag against its list.
func OneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	allowed = slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" }) // not set
	return Usagef("--%s %q: want %s", flag, value, strings.Join(allowed, ", "))
}

// reason strips what pflag wraps around the error of a Value, since our messages name the source themselves.
func reason(err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%q for --%s: %w", invalid.GetValue(), invalid.GetFlag().Name, invalid.Unwrap())
	}
	return err
}

// DidYouMean returns "; did you mean PREFIXword?" for the nearest candidate, or nothing if none is near.
func DidYouMean(word, prefix string, candidates []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(word), c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + prefix + best + "?"
}

// editDistance is the number of insertions, deletions, substitutions and swaps of neighbours that turn a into b
// (optimal string alignment).
func editDistance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, row = prev, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// ByteSize is a flag value in bytes, written as 3GiB, 500MB, 2g (binary, as Docker has it) or a plain number.
type ByteSize int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1}, {"", 1},
}

func (b *ByteSize) Set(s string) error {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(lower, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || !(v >= 0 && v*u.factor < 1<<62) {
			break
		}
		*b = ByteSize(v * u.factor)
		return nil
	}
	return fmt.Errorf("want a size such as 3GiB, 500MB or a number of bytes")
}

func (b *ByteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (b *ByteSize) Type() string { return "SIZE" }
