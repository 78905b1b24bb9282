package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The limits of a config file (RELIABILITY §3).
const (
	maxConfigBytes = 1 << 20
	maxConfigDepth = 32
)

// fromConfig sets the flags that are still at their defaults from the file of --config. A file may serve several verbs: a
// key must be a setting of some verb, and those of other verbs are passed over.
func fromConfig(cmd *cobra.Command) error {
	path := cmd.Flag("config").Value.String()
	if path == "" {
		return nil
	}
	settings, err := readConfig(path)
	if err != nil {
		return Usagef("--config %s: %w", path, err)
	}
	known := allSettings(cmd.Root())
	seen := map[string]setting{}
	for _, s := range settings {
		name := string(normalizeFlag(nil, s.key))
		if !known[name] || strings.Contains(s.key, "-") {
			return Usagef("--config %s: unknown key %q%s", path, s.key, didYouMeanKey(name, known))
		}
		if first, twice := seen[name]; twice {
			return Usagef("--config %s: %q on line %d and %q on line %d set the same flag", path, first.key, first.line, s.key, s.line)
		}
		seen[name] = s
		if f := cmd.Flag(name); f == nil || f.Changed {
			continue
		}
		if err := setTwin(cmd, name, s.value); err != nil {
			return Usagef("--config %s: key %q: %w", path, s.key, reason(err))
		}
	}
	return nil
}

// allSettings returns the names of the flags of all verbs that a config file may set.
func allSettings(root *cobra.Command) map[string]bool {
	known := map[string]bool{}
	add := func(f *pflag.Flag) { known[f.Name] = f.Name != "help" && f.Name != "config" }
	root.PersistentFlags().VisitAll(add)
	for _, verb := range root.Commands() {
		verb.LocalFlags().VisitAll(add)
	}
	return known
}

func didYouMeanKey(name string, known map[string]bool) string {
	var names []string
	for n, ok := range known {
		if ok {
			names = append(names, n)
		}
	}
	return strings.ReplaceAll(DidYouMean(name, "", names), "-", "_")
}

// setting is one key of a config file, its value in the form that the flag parses.
type setting struct {
	key, value string
	line       int
}

// readConfig returns the members of the file's one JSON object, in order. Values are strings, numbers, booleans or lists of
// them, which become the comma-separated form.
func readConfig(path string) ([]setting, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfigBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxConfigBytes)
	}
	if err := checkTwice(text); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	settings, err := parseConfig(dec, text)
	if err != nil {
		at := text[:min(int(dec.InputOffset()), len(text))]
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(at, []byte("\n")), err)
	}
	return settings, nil
}

func parseConfig(dec *json.Decoder, text []byte) ([]setting, error) {
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, orElse(err, "want one JSON object, found %v", t)
	}
	var settings []setting
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, line := key.(string), 1+bytes.Count(text[:dec.InputOffset()], []byte("\n"))
		value, err := configValue(dec, 1)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		settings = append(settings, setting{name, value, line})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if t, err := dec.Token(); err != io.EOF {
		return nil, orElse(err, "%v after the object", t)
	}
	return settings, nil
}

// configValue reads one value, depth levels inside the file's object.
func configValue(dec *json.Decoder, depth int) (string, error) {
	t, err := dec.Token()
	if err != nil {
		return "", err
	}
	switch v := t.(type) {
	case string:
		return v, nil
	case json.Number, bool:
		return fmt.Sprint(v), nil
	case json.Delim:
		if v == '[' && depth < maxConfigDepth {
			var parts []string
			for dec.More() {
				part, err := configValue(dec, maxConfigDepth) // a list holds no lists
				if err != nil {
					return "", err
				}
				parts = append(parts, part)
			}
			_, err := dec.Token()
			return strings.Join(parts, ","), err
		}
	}
	return "", fmt.Errorf("found %v, want a string, a number, true, false or a list of these", t)
}

// orElse returns err, or the formatted error if err is nil.
func orElse(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf(format, args...)
}
