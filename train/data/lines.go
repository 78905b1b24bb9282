package data

import (
	"bytes"
	"errors"
	"io"
)

// errRowTooLong says that a row would be over MaxRow bytes.
var errRowTooLong = errors.New("row over 16 MiB")

// lines cuts text into physical lines and counts them. The lines of one row stay together in the buffer, so that a row that
// was put together wrongly can be given up and read again from its second line.
type lines struct {
	src    io.Reader
	buf    []byte
	start  int   // first byte of the row
	second int   // first byte after the row's first line
	next   int   // first byte that was not handed out
	end    int   // bytes in buf
	first  int   // number of the row's first line, from 1
	count  int   // lines handed out
	offset int64 // of buf[0], in bytes of the text
	err    error // why there is no more to read
}

// bufferSize is how much is read at a time; the buffer grows with the row, up to MaxRow and this.
const bufferSize = 64 << 10

func newLines(src io.Reader) *lines { return &lines{src: src, buf: make([]byte, bufferSize)} }

// begin starts a row at the line that comes next.
func (l *lines) begin() {
	l.start, l.second = l.next, l.next
	l.first = l.count + 1
}

// row returns the lines of the row, with their line ends. It holds until the next call of line.
func (l *lines) row() []byte { return l.buf[l.start:l.next] }

// at returns the place of the row's first byte in the text.
func (l *lines) at() int64 { return l.offset + int64(l.start) }

// line adds the next line to the row. It returns io.EOF when there is none, errRowTooLong (and adds nothing) when the row
// would pass MaxRow, or the error of the reader.
func (l *lines) line() error {
	for searched := l.next; ; {
		if i := bytes.IndexByte(l.buf[searched:l.end], '\n'); i >= 0 {
			return l.take(searched + i + 1)
		}
		searched = l.end
		if l.end-l.start > MaxRow {
			return errRowTooLong
		}
		if l.err != nil {
			if l.err == io.EOF && l.end > l.next {
				return l.take(l.end) // the last line has no line end
			}
			return l.err
		}
		searched -= l.fill()
	}
}

// take hands out the bytes before end.
func (l *lines) take(end int) error {
	if end-l.start > MaxRow {
		return errRowTooLong
	}
	l.count++
	l.next = end
	if l.count == l.first {
		l.second = end
	}
	return nil
}

// fill reads more, after it has moved the row to the front of the buffer, by as many bytes as it returns.
func (l *lines) fill() (moved int) {
	if moved = l.start; moved > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.start, l.second, l.next, l.end = 0, l.second-moved, l.next-moved, l.end-moved
		l.offset += int64(moved)
	}
	if l.end == len(l.buf) {
		l.buf = append(make([]byte, 0, min(2*l.end, MaxRow+bufferSize)), l.buf...)
		l.buf = l.buf[:cap(l.buf)]
	}
	for range 100 { // readers that return nothing and no error, as in bufio
		n, err := l.src.Read(l.buf[l.end:])
		l.end += n
		l.err = err
		if n > 0 || err != nil {
			return moved
		}
	}
	l.err = io.ErrNoProgress
	return moved
}

// rewind gives up the row but for its first line.
func (l *lines) rewind() { l.next, l.count = l.second, l.first }

// discard passes over the rest of the line that line refused. An error of the reader shows at the next line.
func (l *lines) discard() {
	l.count++
	for {
		if i := bytes.IndexByte(l.buf[l.next:l.end], '\n'); i >= 0 {
			l.next += i + 1
			return
		}
		l.start, l.second, l.next = l.end, l.end, l.end
		if l.err != nil {
			return
		}
		l.fill()
	}
}

// single reads a row of one line, without its line end.
func (l *lines) single() ([]byte, error) {
	l.begin()
	err := l.line()
	if err == errRowTooLong {
		l.discard()
		return nil, tooLong("")
	}
	if err != nil {
		return nil, err
	}
	return trimLineEnd(l.row()), l.checkLineEnds()
}

// checkLineEnds refuses a file that is one line because its lines end in a lone CR.
func (l *lines) checkLineEnds() error {
	row := l.row()
	if l.first == 1 && bytes.IndexByte(row, '\n') < 0 && bytes.IndexByte(trimLineEnd(row), '\r') >= 0 {
		return &RowError{Found: "lines that end in CR alone, as on an old Macintosh", Expected: "lines that end in LF or CRLF",
			Hint: `convert the file: tr '\r' '\n'`, fatal: true}
	}
	return nil
}

// tooLong is the bad row over MaxRow.
func tooLong(because string) error {
	return &RowError{Found: "a row over 16 MiB" + because, Expected: "at most 16 MiB a row", Hint: "cut the text, or look for " +
		"a missing line end"}
}

// trimLineEnd takes off LF or CRLF, and a CR at the end of the file.
func trimLineEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
