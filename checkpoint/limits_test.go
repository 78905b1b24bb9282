package checkpoint

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing"
)

// TestElements has the shapes of RELIABILITY H4: products that overflow 32 and 64 bits, zeros beside huge dimensions, ranks.
func TestElements(t *testing.T) {
	if math.MaxInt < 1<<40 {
		t.Skip("the product must fit an int, which is the lower limit here")
	}
	l := Limits{}.OrDefaults()
	for _, c := range []struct {
		dims []uint64
		want int64 // −1: refused
	}{
		{nil, 1}, {[]uint64{0}, 0}, {[]uint64{2, 3}, 6}, {[]uint64{1, 1, 1, 1, 1, 1, 1, 1}, 1}, {[]uint64{1<<31 - 1}, 1<<31 - 1},
		{[]uint64{1 << 20, 1 << 20}, 1 << 40}, {[]uint64{0, 1<<31 - 1, 1<<31 - 1}, 0}, {[]uint64{1<<31 - 1, 1<<31 - 1, 0}, 0},
		{[]uint64{1 << 20, 1<<20 + 1}, -1}, {[]uint64{1 << 31}, -1}, {[]uint64{1 << 32, 0}, -1}, {[]uint64{math.MaxUint64}, -1},
		{[]uint64{1 << 16, 1 << 16, 1 << 16}, -1}, {[]uint64{1 << 16, 1 << 16, 1 << 16, 1 << 16}, -1},
		{[]uint64{1 << 30, 1 << 30, 1 << 30, 8}, -1},
		{make([]uint64, 9), -1}, {make([]uint64, 1e6), -1},
	} {
		n, err := l.Elements(c.dims)
		if (err == nil) != (c.want >= 0) || err == nil && n != c.want {
			t.Errorf("%.50d: %d, %v, want %d", c.dims[:min(len(c.dims), 9)], n, err, c.want)
		}
	}
	if n, err := (Limits{ElementsLimit: math.MaxInt64}).OrDefaults().Elements([]uint64{1 << 30, 1 << 30}); err == nil {
		t.Errorf("2⁶⁰ elements, of which an int does not hold 16 bytes each: %d", n)
	}
	if own := (Limits{Rank: 1}).OrDefaults(); own.Rank != 1 || own.Shards != l.Shards {
		t.Errorf("%+v", own)
	}
}

func TestFormatError(t *testing.T) {
	err := Refuse(BadShape, "dimension %d", -1)
	if got := InFile(AtOffset(OfTensor(err, "a"), 12), "model.index"); got != err {
		t.Error("another error came back")
	}
	InFile(AtOffset(OfTensor(err, "b"), 13), "other") // says nothing new
	if want := `model.index: tensor "a": dimension -1 (bad_shape at byte 12)`; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if first := AtOffset(AtOffset(Refuse(BadShape, ""), 0), 5); refusal(first).Offset != 0 {
		t.Errorf("the first offset is lost: %v", first)
	}
	if InFile(AtOffset(nil, 0), "x") != nil || InFile(AtOffset(io.EOF, 0), "x") != io.EOF {
		t.Error("errors of others are changed")
	}
	if wrapped := error(&FormatError{Err: fs.ErrNotExist}); !errors.Is(wrapped, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if got := Quote(strings.Repeat("n", 60000)); len(got) > 200 {
		t.Errorf("a long name takes %d bytes of a message", len(got))
	}
}
