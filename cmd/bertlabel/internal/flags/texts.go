package flags

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/data"
)

// openTexts reads the texts of the command line.
func (r *Reading) openTexts() (*data.Reader, error) {
	if err := refuse(r.onLine, "texts of the command line", "strict-utf8", "max-bad-rows"); err != nil {
		return nil, err
	}
	var rows bytes.Buffer
	lines := json.NewEncoder(&rows)
	for _, text := range r.texts {
		if err := lines.Encode(map[string]string{"text": text}); err != nil {
			return nil, err
		}
	}
	o := data.Options{Format: data.JSONL, IgnoreLabels: true, OnBadRow: r.Options.OnBadRow, OnLong: r.Options.OnLong, OnBad: r.Options.OnBad}
	return data.NewReader(&rows, "--text", o)
}

// RefuseFlags refuses the flags that say how a file is read, where what is read is none.
func (d *Data) RefuseFlags(what string) error {
	return refuse(d.onLine, what, "labels", "on-bad-row", "max-bad-rows", "bad-rows", "on-long", "strict-utf8")
}

// refuse refuses the flags of the table of formats, --format, and more.
func refuse(onLine func(flag string) bool, what string, more ...string) error {
	for _, f := range formatFlags {
		more = append(more, f.flag)
	}
	for _, flag := range append(more, "format") {
		if onLine(flag) {
			return cli.Usagef("--%s means nothing for %s", flag, what)
		}
	}
	return nil
}

// headerBytes is the longest first line of stdin that may be a header.
const headerBytes = 64 << 10

// lookAtStdin settles the format of texts on stdin, whose name tells nothing: JSON lines begin with a brace, a table with a header that has
// the column of the texts; all else is one text a line, which is said. Compressed and empty input stays JSON lines.
func (r *Reading) lookAtStdin() {
	in := bufio.NewReaderSize(r.app.Stdin, headerBytes)
	r.app.Stdin = in
	line := firstLine(in)
	text := strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	if text == "" || text[0] == '{' || !isText(line) {
		return
	}
	column := r.Options.TextColumn
	if column == "" {
		column = "text"
	}
	for _, f := range []struct {
		format    data.Format
		delimiter string
	}{{data.TSV, "\t"}, {data.CSV, ","}} {
		delimiter := f.delimiter
		if given := r.Options.Delimiter; given != "" {
			delimiter = given
		}
		if (f.format == data.CSV || strings.Contains(text, delimiter)) && hasField(text, delimiter, column) {
			r.Options.Format = f.format
			r.app.Log.Infof("stdin begins with a header and is read as %s; --format says otherwise", f.format)
			return
		}
	}
	if r.Options.NoHeader {
		return
	}
	r.Options.Format = data.Lines
	r.app.Log.Infof("stdin is read as one text a line; --format jsonl, csv, tsv or fasttext says otherwise")
}

// hasField reports whether a header has a column.
func hasField(header, delimiter, column string) bool {
	for field := range strings.SplitSeq(header, delimiter) {
		if strings.Trim(strings.TrimSpace(field), `"`) == column {
			return true
		}
	}
	return false
}

// isText reports whether a line may be one of a text, and not of compressed or wide characters.
func isText(line string) bool {
	return !strings.HasPrefix(line, "\x1f\x8b") && !strings.HasPrefix(line, "\xff\xfe") && !strings.HasPrefix(line, "\xfe\xff") &&
		!strings.Contains(line, "\x00")
}

// firstLine returns the first line that is not blank, which stays to be read, as far as the buffer has it.
func firstLine(in *bufio.Reader) string {
	for n := 1; ; n = min(in.Buffered(), headerBytes-1) + 1 {
		head, err := in.Peek(n)
		for len(head) > 0 && strings.ContainsRune(" \t\r\n", rune(head[0])) {
			head = head[1:]
		}
		line, _, whole := bytes.Cut(head, []byte("\n"))
		if whole || err != nil || n >= headerBytes || len(line) > 0 && line[0] == '{' {
			if err == nil || err == io.EOF || whole {
				return string(line)
			}
			return ""
		}
	}
}
