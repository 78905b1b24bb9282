package tfbundle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"bertlabel/checkpoint"
)

// StateFile is the name of the text file in which TensorFlow notes the newest checkpoint of a folder.
const StateFile = "checkpoint"

// stateBytes is the largest state file that is read.
const stateBytes = 1 << 20

// State is what a state file says (CheckpointState, python/training/checkpoint_state.proto).
type State struct {
	Latest string   // prefix of the newest checkpoint, relative to the folder
	All    []string // all that are kept, oldest first; may name deleted ones
}

// Latest returns the prefix, or the V1 file, that the state file of a folder names as the newest checkpoint. It must lie in the folder:
// absolute paths, "..", and links that lead out are refused. A folder without state file gives a *checkpoint.FormatError
// of class MissingFile that wraps fs.ErrNotExist.
func Latest(folder string) (prefix string, err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", err
	}
	defer root.Close()
	f, err := checkpoint.OpenIn(root, StateFile)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f.Reader(), stateBytes+1))
	if err != nil {
		return "", err
	}
	state, err := ParseState(text)
	if err != nil {
		return "", checkpoint.InFile(err, f.Path)
	}
	name := filepath.FromSlash(state.Latest)
	index, err := checkpoint.OpenIn(root, name+".index")
	if errors.Is(err, fs.ErrNotExist) {
		if v1, errV1 := checkpoint.OpenIn(root, Shards(name)[0]); errV1 == nil {
			index, err = v1, nil
		}
	}
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, name), index.Close()
}

// ParseState parses a state file: text protobuf, a field a line.
func ParseState(text []byte) (State, error) {
	var s State
	if len(text) > stateBytes {
		return s, checkpoint.Refuse(checkpoint.BadState, "state file of more than %d bytes", stateBytes)
	}
	if !utf8.Valid(text) {
		return s, checkpoint.Refuse(checkpoint.BadState, "not UTF-8")
	}
	for n, line := range strings.Split(string(text), "\n") {
		if err := s.line(strings.TrimSpace(line)); err != nil {
			return State{}, checkpoint.Refuse(checkpoint.BadState, "line %d: %v", n+1, err)
		}
	}
	if s.Latest == "" {
		return State{}, checkpoint.Refuse(checkpoint.BadState, "no model_checkpoint_path")
	}
	return s, nil
}

func (s *State) line(line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("%s is no field", checkpoint.Quote(line))
	}
	switch strings.TrimSpace(name) {
	case "model_checkpoint_path":
		path, err := unquote(strings.TrimSpace(value))
		if err != nil {
			return err
		}
		if s.Latest != "" {
			return fmt.Errorf("a second model_checkpoint_path")
		}
		if !filepath.IsLocal(filepath.FromSlash(path)) || strings.ContainsAny(path, "\\\x00") {
			return fmt.Errorf("path %s leaves the folder: name the checkpoint itself", checkpoint.Quote(path))
		}
		s.Latest = path
	case "all_model_checkpoint_paths":
		path, err := unquote(strings.TrimSpace(value))
		if err != nil {
			return err
		}
		s.All = append(s.All, path)
	}
	return nil
}

// Text returns the state file as TensorFlow writes it.
func (s State) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "model_checkpoint_path: %s\n", quoteText(s.Latest))
	for _, path := range s.All {
		fmt.Fprintf(&b, "all_model_checkpoint_paths: %s\n", quoteText(path))
	}
	return []byte(b.String())
}

// quoteText quotes a string for text protobuf: bytes outside printable ASCII in octal (absl::CEscape).
func quoteText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// unquote returns the bytes of a quoted text protobuf string, with the escapes of C.
func unquote(s string) (string, error) {
	bad := fmt.Errorf("%s is no quoted string", checkpoint.Quote(s))
	if len(s) < 2 || s[0] != '"' && s[0] != '\'' || s[len(s)-1] != s[0] {
		return "", bad
	}
	quote, rest := s[0], s[1:len(s)-1]
	var out []byte
	for len(rest) > 0 {
		if rest[0] == quote {
			return "", bad
		}
		c, n := rest[0], 1
		if c == '\\' {
			if c, n = unescape(rest[1:]); n == 0 {
				return "", bad
			}
			n++
		}
		out, rest = append(out, c), rest[n:]
	}
	return string(out), nil
}

// unescape returns the byte that the escape after a backslash stands for and the length of the escape, 0 for none.
func unescape(s string) (c byte, n int) {
	if s == "" {
		return 0, 0
	}
	if i := strings.IndexByte(`abfnrtv\'"?`, s[0]); i >= 0 {
		return "\a\b\f\n\r\t\v\\'\"?"[i], 1
	}
	value, base, most := 0, 8, 3
	if s[0] == 'x' {
		base, most, n, s = 16, 2, 1, s[1:]
	}
	digits := 0
	for ; digits < min(most, len(s)); digits++ {
		d := strings.IndexByte("0123456789abcdef", s[digits]|0x20)
		if d < 0 || d >= base || s[digits] < '0' {
			break
		}
		value = value*base + d
	}
	if digits == 0 || value > 0xff {
		return 0, 0
	}
	return byte(value), n + digits
}
