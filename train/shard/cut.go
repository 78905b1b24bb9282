package shard

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"strconv"
	"strings"

	"bertlabel/train/data"
)

// MaxShards is the most shards of a job: names of parts have five digits.
const MaxShards = 100_000

// Parse reads "i/n", shard i of n, or "a-b/n", shards a to b of n, counted from 0. The error is a *data.OptionError.
func Parse(s string) (first, last, of int, err error) {
	refuse := func(format string, args ...any) (int, int, int, error) {
		return 0, 0, 0, &data.OptionError{Option: "shard", Problem: fmt.Sprintf("%q: ", s) + fmt.Sprintf(format, args...)}
	}
	which, total, ok := strings.Cut(s, "/")
	from, to, several := strings.Cut(which, "-")
	if !several {
		to = from
	}
	first, errFirst := parseInt(from)
	last, errLast := parseInt(to)
	of, errOf := parseInt(total)
	switch {
	case !ok || errFirst != nil || errLast != nil || errOf != nil:
		return refuse("want I/N, as 3/128, or A-B/N, as 0-15/128, counted from 0")
	case of < 1 || of > MaxShards:
		return refuse("want from 1 to %d shards", MaxShards)
	case last < first:
		return refuse("the first shard is after the last")
	case last >= of:
		return refuse("shards of %d are 0 to %d", of, of-1)
	}
	return first, last, of, nil
}

// parseInt reads decimal digits, and nothing else.
func parseInt(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

// border returns size·i/of, rounded down: where shard i of a thing of size bytes begins, as far as lines let it.
func border(size int64, i, of int) int64 {
	high, low := bits.Mul64(uint64(size), uint64(i))
	quotient, _ := bits.Div64(high, low, uint64(of)) // high < of, as i ≤ of and size < 2⁶³
	return int64(quotient)
}

// lineStart returns where the first line begins that begins at byte at or after it; size if none does.
func lineStart(f io.ReaderAt, size, at int64) (int64, error) {
	if at <= 0 {
		return 0, nil
	}
	buf := make([]byte, 64<<10)
	for at--; at < size; { // a line that begins at a byte has a line end just before it
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		if at += int64(n); err != nil && at < size {
			return 0, err
		}
	}
	return size, nil
}
