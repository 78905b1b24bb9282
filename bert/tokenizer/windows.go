package tokenizer

import (
	"fmt"
	"slices"
	"strconv"
)

// Windows says how a text is read that is longer than one row: as several rows that overlap, its windows, each with [CLS] and [SEP] of its
// own. The zero value is one row, and what does not fit is cut. A pair of texts is always one row.
type Windows struct {
	Most    int     // rows of a text: 1 or 0 for one, n for at most n, AllWindows for as many as it takes
	Overlap float64 // share of a row's tokens that the next row begins with, up to MaxOverlap; 0: DefaultOverlap, NoOverlap: none
}

const (
	AllWindows     = -1   // of Windows.Most
	NoOverlap      = -1   // of Windows.Overlap
	DefaultOverlap = 0.25 // what an Overlap of 0 stands for
	MaxOverlap     = 0.9
)

// Check says what of it is out of range.
func (w Windows) Check() error {
	switch {
	case w.Most < AllWindows:
		return fmt.Errorf("%d windows, want 1 or more, or all", w.Most)
	case w.Overlap != NoOverlap && !(w.Overlap >= 0 && w.Overlap <= MaxOverlap):
		return fmt.Errorf("an overlap of %v, want from 0 to %v", w.Overlap, MaxOverlap)
	}
	return nil
}

// ParseMost reads Windows.Most: a number from 1, or all.
func ParseMost(s string) (int, error) {
	if s == "all" {
		return AllWindows, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("found %q, want 1 or more, or all", s)
	}
	return n, nil
}

// String writes Most as ParseMost reads it, and how much neighbours overlap where there may be any.
func (w Windows) String() string {
	if w.Several() {
		return fmt.Sprintf("%s, overlap %v", w.MostText(), w.Share())
	}
	return w.MostText()
}

// MostText writes Most as ParseMost reads it.
func (w Windows) MostText() string {
	if w.Most == AllWindows {
		return "all"
	}
	return strconv.Itoa(max(1, w.Most))
}

// Several reports whether a text may have more than one window.
func (w Windows) Several() bool { return w.Most == AllWindows || w.Most > 1 }

// Share returns the share that neighbours have in common: Overlap with its special values resolved.
func (w Windows) Share() float64 {
	switch w.Overlap {
	case 0:
		return DefaultOverlap
	case NoOverlap:
		return 0
	}
	return w.Overlap
}

// Tokens returns the most tokens that are read of a text in rows of maxLen, with one [CLS] and one [SEP]; 0 for no limit.
func (w Windows) Tokens(maxLen int) int {
	switch {
	case !w.Several():
		return maxLen
	case w.Most == AllWindows:
		return 0
	}
	return maxLen + (w.Most-1)*w.stride(maxLen-2)
}

// stride returns how far a window begins after the one before it, given its tokens of the text.
func (w Windows) stride(room int) int { return max(1, room-int(w.Share()*float64(room))) }

// Lengths says how much of a text is read.
type Lengths struct {
	MaxSeqLength int     // tokens of a row, with [CLS] and [SEP]
	Windows      Windows // rows of a text
}

// Tokens returns the most tokens that are read of a text, with one [CLS] and one [SEP]; 0 for no limit.
func (l Lengths) Tokens() int { return l.Windows.Tokens(l.MaxSeqLength) }

// String says it in the words of a message: "512 tokens", or "3 windows of 512 tokens".
func (l Lengths) String() string {
	if !l.Windows.Several() {
		return fmt.Sprintf("%d tokens", l.MaxSeqLength)
	}
	return fmt.Sprintf("%s windows of %d tokens", l.Windows.MostText(), l.MaxSeqLength)
}

// Window is one row of a text: tokens [Start, End) of its Encoding. Of these [KeptStart, KeptEnd) count.
type Window struct{ Start, End, KeptStart, KeptEnd int }

// Sequences returns of how many rows the text consists: its windows, or 1.
func (e *Encoding) Sequences() int { return max(1, len(e.Windows)) }

// Sequence returns row i of the text, from 0.
func (e *Encoding) Sequence(i int) Window {
	if len(e.Windows) == 0 {
		return Window{0, len(e.IDs), 0, len(e.IDs)}
	}
	return e.Windows[i]
}

// Kept returns how many tokens count: those of the text that have been read, each once, and one [CLS] and one [SEP].
func (e *Encoding) Kept() (n int) {
	for i := range e.Sequences() {
		w := e.Sequence(i)
		n += w.KeptEnd - w.KeptStart
	}
	return n
}

// Alone returns row i as a text of its own, of which the same tokens count. It shares memory with e.
func (e *Encoding) Alone(i int) Encoding {
	if len(e.Windows) == 0 {
		return *e
	}
	w := e.Windows[i]
	return Encoding{IDs: e.IDs[w.Start:w.End], Segments: e.Segments[w.Start:w.End],
		Windows: []Window{{0, w.End - w.Start, w.KeptStart - w.Start, w.KeptEnd - w.Start}}}
}

// Whole returns the one row that the windows were cut from, and the place of each token of e.IDs there: −1 for a [CLS] or [SEP] that does
// not count. A text of one row is that row.
func (e *Encoding) Whole() (row Encoding, places []int) {
	row = Encoding{Cut: e.Cut, Unknown: e.Unknown}
	for i := range e.Sequences() {
		w := e.Sequence(i)
		for at := w.Start; at < w.End; at++ {
			place := len(row.IDs) + at - w.KeptStart
			if at == w.Start && i > 0 || at == w.End-1 && i < e.Sequences()-1 {
				place = -1
			}
			places = append(places, place)
		}
		row.IDs = append(row.IDs, e.IDs[w.KeptStart:w.KeptEnd]...)
		row.Segments = append(row.Segments, e.Segments[w.KeptStart:w.KeptEnd]...)
	}
	return row, places
}

// EncodeWindows is Encode for a text of several windows: the first ones, or with Options.TruncateLeft the last ones, if there are more than
// w allows, and Cut counts the tokens that are in none. A text that fits in one row, and a pair, are as Encode makes them.
//
// With c = maxLen − 2, the overlap o = ⌊share·c⌋ and the stride s = c − o, window i has the tokens [i·s, i·s + c) of the text; the last one
// ends with the text. A token that stands in several windows counts in the one where it is farthest from the row's ends, min(tokens to its
// left, tokens to its right), and in the first of equal ones. So the tokens that count are neighbours in each window, and those of all
// windows are the row [CLS] text [SEP], each of its tokens once: [CLS] counts in the first window, [SEP] in the last.
func (t *Tokenizer) EncodeWindows(text, pair string, maxLen int, w Windows) Encoding {
	if !w.Several() || maxLen < 3 {
		return t.Encode(text, pair, maxLen)
	}
	s := t.pool.Get().(*scratch)
	defer t.pool.Put(s)
	s.ids, s.segments, _ = t.AppendEncode(s.ids[:0], s.segments[:0], text, pair, 0)
	switch n := len(s.ids); {
	case n <= maxLen:
		e := Encoding{IDs: slices.Clone(s.ids), Segments: slices.Clone(s.segments)}
		t.countUnknown(&e)
		return e
	case s.segments[n-1] == 1:
		return t.Encode(text, pair, maxLen)
	}
	e := w.Cut(Encoding{IDs: s.ids}, maxLen, t.options.TruncateLeft)
	t.countUnknown(&e)
	return e
}

// Cut cuts one row without a pair, [CLS] text [SEP], into windows as EncodeWindows does, of 3 or more tokens at most; left says that of too
// many tokens the first go. Unknown is not counted. A row that fits comes back as it is.
func (w Windows) Cut(e Encoding, maxLen int, left bool) Encoding {
	last := len(e.IDs) - 1
	if last < maxLen || !w.Several() {
		return e
	}
	cls, row, sep := e.IDs[0], e.IDs[1:last], e.IDs[last]
	windows := Encoding{Cut: e.Cut}
	if limit := w.Tokens(maxLen) - 2; w.Most != AllWindows && len(row) > limit {
		windows.Cut += len(row) - limit
		if left {
			row = row[len(row)-limit:]
		} else {
			row = row[:limit]
		}
	}
	for i, part := range cutWindows(len(row), maxLen-2, w.stride(maxLen-2)) {
		start := len(windows.IDs)
		windows.IDs = append(append(append(windows.IDs, cls), row[part.Start:part.End]...), sep)
		shift := start + 1 - part.Start
		kept := Window{start, len(windows.IDs), part.KeptStart + shift, part.KeptEnd + shift}
		if i == 0 {
			kept.KeptStart--
		}
		if part.End == len(row) {
			kept.KeptEnd++
		}
		windows.Windows = append(windows.Windows, kept)
	}
	windows.Segments = make([]int32, len(windows.IDs))
	return windows
}

// cutWindows cuts n tokens into windows of at most c of them, each of which begins s, 1 to c, after the one before it.
func cutWindows(n, c, s int) (windows []Window) {
	for start := 0; ; start += s {
		w := Window{start, min(start+c, n), 0, n}
		if i := len(windows) - 1; i >= 0 {
			before := &windows[i]
			for w.KeptStart = start; w.KeptStart < before.End && w.margin(w.KeptStart) <= before.margin(w.KeptStart); {
				w.KeptStart++
			}
			before.KeptEnd = w.KeptStart
		}
		windows = append(windows, w)
		if w.End == n {
			return windows
		}
	}
}

// margin is how far token p is from the nearer end of the window: min(tokens to its left, tokens to its right).
func (w *Window) margin(p int) int { return min(p-w.Start, w.End-1-p) }
