package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// checkEncode compares a row with convert_single_example written down with lists of ids.
func checkEncode(t *testing.T, tok *Tokenizer, text, pair string, maxLen int) {
	t.Helper()
	a, b := tok.AppendIDs(nil, text), tok.AppendIDs(nil, pair)
	total := len(a) + len(b)
	if len(b) > 0 {
		for len(a)+len(b) > max(0, maxLen-3) {
			if len(a) > len(b) {
				a = a[:len(a)-1]
			} else {
				b = b[:len(b)-1]
			}
		}
	} else {
		a = a[:min(len(a), maxLen-2)]
	}
	want := Encoding{IDs: slices.Concat([]int32{tok.cls}, a, []int32{tok.sep}), Segments: make([]int32, len(a)+2),
		Cut: total - len(a) - len(b)}
	if len(b) > 0 {
		want.IDs = slices.Concat(want.IDs, b, []int32{tok.sep})
		want.Segments = append(want.Segments, slices.Repeat([]int32{1}, len(b)+1)...)
	}
	for _, id := range want.IDs {
		if id == tok.unk {
			want.Unknown++
		}
	}
	if got := tok.Encode(text, pair, maxLen); !reflect.DeepEqual(got, want) {
		t.Fatalf("Encode(%+q, %+q, %d):\n got %v\nwant %v", text, pair, maxLen, got, want)
	}
}

func TestEncode(t *testing.T) {
	tok := open(t, "testdata/vocab.txt")[true]
	for _, c := range []struct {
		text, pair string
		maxLen     int
		want       string // tokens, | before segment 1
		cut        int
	}{
		{"", "", 0, "[CLS] [SEP]", 0},
		{"the cat", "", 0, "[CLS] the cat [SEP]", 0},
		{"the cat", "", 4, "[CLS] the cat [SEP]", 0},
		{"the cat", "", 3, "[CLS] the [SEP]", 1},
		{"the cat", "", 2, "[CLS] [SEP]", 2},
		{"the cat", "\u0301 \u200b", 4, "[CLS] the cat [SEP]", 0}, // a pair without a token counts as none: the room is maxLen − 2
		{"the cat", "the mat", 0, "[CLS] the cat [SEP] | the mat [SEP]", 0},
		{"the cat", "the mat", 7, "[CLS] the cat [SEP] | the mat [SEP]", 0},
		{"the cat", "the mat", 6, "[CLS] the cat [SEP] | the [SEP]", 1},
		{"the cat", "the mat", 5, "[CLS] the [SEP] | the [SEP]", 2},
		{"the cat", "the mat", 4, "[CLS] the [SEP]", 3},
		{"the cat", "the mat", 3, "[CLS] [SEP]", 4},
		{"the cat", "the mat", 2, "[CLS] [SEP]", 4},
		{"the", "the mat so", 6, "[CLS] the [SEP] | the mat [SEP]", 1},
		{"", "the mat", 0, "[CLS] [SEP] | the mat [SEP]", 0},
		{"", "the mat", 4, "[CLS] [SEP] | the [SEP]", 1},
	} {
		e := tok.Encode(c.text, c.pair, c.maxLen)
		var got []string
		for i, token := range tok.Tokens(e.IDs) {
			if i > 0 && e.Segments[i] != e.Segments[i-1] {
				got = append(got, "|")
			}
			got = append(got, token)
		}
		if s := strings.Join(got, " "); s != c.want || e.Cut != c.cut || len(e.Segments) != len(e.IDs) || e.Segments[0] != 0 {
			t.Errorf("Encode(%+q, %+q, %d) = %s, %d cut, want %s, %d", c.text, c.pair, c.maxLen, s, e.Cut, c.want, c.cut)
		}
	}
}

func TestEncodePanics(t *testing.T) {
	tok := open(t, "testdata/vocab.txt")[true]
	for name, f := range map[string]func(){
		"length −1":             func() { tok.Encode("the cat", "", -1) },
		"length 1":              func() { tok.Encode("the cat", "", 1) },
		"more texts than pairs": func() { tok.EncodeBatch([]string{"the", "cat"}, []string{"the"}, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// TestAppendEncode checks that rows follow each other in the caller's buffers, without an allocation.
func TestAppendEncode(t *testing.T) {
	tok := open(t, "testdata/vocab.txt")[true]
	ids, segments := make([]int32, 0, 1000), make([]int32, 0, 1000)
	texts := []string{"The cat sat.", "Café ΟΔΟΣ 東京 한국", "", strings.Repeat("cat ", 50)}
	var wantIDs, wantSegments []int32
	for _, a := range texts {
		for _, b := range texts {
			e := tok.Encode(a, b, 20)
			wantIDs, wantSegments = append(wantIDs, e.IDs...), append(wantSegments, e.Segments...)
		}
	}
	fill := func() {
		ids, segments = ids[:0], segments[:0]
		for _, a := range texts {
			for _, b := range texts {
				ids, segments, _ = tok.AppendEncode(ids, segments, a, b, 20)
			}
		}
	}
	allocs := testing.AllocsPerRun(100, fill)
	if !slices.Equal(ids, wantIDs) || !slices.Equal(segments, wantSegments) {
		t.Errorf("rows in one buffer:\n got %v %v\nwant %v %v", ids, segments, wantIDs, wantSegments)
	}
	if allocs > 0 && !raceEnabled {
		t.Errorf("%v allocations, want none", allocs)
	}
}

func TestPad(t *testing.T) {
	e := Encoding{IDs: []int32{5, 9, 6}, Segments: []int32{0, 1, 1}}
	if mask := e.Pad(2); !slices.Equal(mask, []int32{1, 1, 1}) || len(e.IDs) != 3 {
		t.Errorf("padded to less than its length: %v, mask %v", e, mask)
	}
	mask := e.Pad(5)
	if got := fmt.Sprint(e.IDs, e.Segments, mask); got != "[5 9 6 0 0] [0 1 1 0 0] [1 1 1 0 0]" {
		t.Errorf("padded to 5: %s", got)
	}
}

func TestEncodeBatch(t *testing.T) {
	tok := open(t, "testdata/vocab.txt")[true]
	rng := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{0, 1, 31, 32, 33, 1000} {
		texts, pairs := make([]string, n), make([]string, n)
		for i := range n {
			texts[i], pairs[i] = randomText(rng, nasty), randomText(rng, nasty)
		}
		with, without := tok.EncodeBatch(texts, pairs, 16), tok.EncodeBatch(texts, nil, 0)
		if len(with) != n || len(without) != n {
			t.Fatalf("%d texts gave %d and %d rows", n, len(with), len(without))
		}
		for i := range n {
			if want := tok.Encode(texts[i], pairs[i], 16); !reflect.DeepEqual(with[i], want) {
				t.Errorf("row %d with pair: %v, want %v", i, with[i], want)
			}
			if want := tok.Encode(texts[i], "", 0); !reflect.DeepEqual(without[i], want) {
				t.Errorf("row %d: %v, want %v", i, without[i], want)
			}
		}
	}
}

// TestConcurrent uses one tokenizer from many goroutines; the race detector looks on.
func TestConcurrent(t *testing.T) {
	tok := open(t, "testdata/vocab.txt")[true]
	text := strings.Join(nasty, "")
	want := tok.Encode(text, prose, 0)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if got := tok.Encode(text, prose, 0); !reflect.DeepEqual(got, want) {
					t.Error("another result beside other goroutines")
					return
				}
			}
		})
	}
	all.Wait()
}

// TestTruncateLeft: with TruncateLeft both texts of a pair lose their first tokens, as many as _truncate_seq_pair takes off the ends of theirs.
func TestTruncateLeft(t *testing.T) {
	tok := newTokenizer(t, Options{TruncateLeft: true}, "[UNK] [CLS] [SEP] a b c d e f g")
	for maxLen, want := range map[int]string{
		9: "[CLS] a b c [SEP] d e f [SEP] 0",
		8: "[CLS] a b c [SEP] e f [SEP] 1", // of two as long, the second is cut
		7: "[CLS] b c [SEP] e f [SEP] 2",
		5: "[CLS] c [SEP] f [SEP] 4",
		4: "[CLS] c [SEP] 5",
	} {
		row := tok.Encode("a b c", "d e f", maxLen)
		if got := fmt.Sprint(strings.Join(tok.Tokens(row.IDs), " "), " ", row.Cut); got != want {
			t.Errorf("%d tokens: %s, want %s", maxLen, got, want)
		}
	}
	if got := strings.Join(tok.Tokens(tok.Encode("a b c d", "", 4).IDs), " "); got != "[CLS] c d [SEP]" {
		t.Errorf("one text: %s", got)
	}
}

// TestUnknown: what counts as unknown is [UNK], and no token that stands before it in the vocabulary.
func TestUnknown(t *testing.T) {
	tok := newTokenizer(t, Options{}, "a [CLS] [UNK] [SEP] b")
	if got := tok.Encode("a b nothing a", "nobody", 0).Unknown; got != 2 {
		t.Errorf("%d unknown tokens, want 2", got)
	}
}
