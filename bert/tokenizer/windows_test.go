package tokenizer

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestCutWindows cuts every number of tokens up to 60 into windows of every length and stride, and looks for each token at all windows.
func TestCutWindows(t *testing.T) {
	for c := 1; c <= 12; c++ {
		for s := 1; s <= c; s++ {
			for n := 1; n <= 60; n++ {
				windows := cutWindows(n, c, s)
				if want := 1 + (max(0, n-c)+s-1)/s; len(windows) != want {
					t.Fatalf("%d tokens in windows of %d every %d: %d windows, want %d", n, c, s, len(windows), want)
				}
				kept := make([]int, n) // the window that each token counts in
				next := 0
				for i, w := range windows {
					if w.Start != i*s || w.End != min(i*s+c, n) || w.KeptStart != next || w.KeptEnd <= w.KeptStart {
						t.Fatalf("%d tokens in windows of %d every %d: window %d is %v after token %d", n, c, s, i, w, next)
					}
					for next < w.KeptEnd {
						kept[next] = i
						next++
					}
				}
				for p, got := range kept {
					want, best := -1, -1
					for i, w := range windows { // by the rule itself
						if left, right := p-w.Start, w.End-1-p; min(left, right) > best {
							want, best = i, min(left, right)
						}
					}
					if got != want {
						t.Fatalf("%d tokens in windows of %d every %d: token %d counts in window %d, want %d", n, c, s, p, got, want)
					}
				}
				if next != n {
					t.Fatalf("%d tokens in windows of %d every %d: %d count", n, c, s, next)
				}
			}
		}
	}
}

// TestEncodeWindows joins the tokens of random texts that count: they are the whole row, as far as it is read.
func TestEncodeWindows(t *testing.T) {
	tok := open(t, "testdata/vocab.txt")[true]
	left := tok.Options()
	left.TruncateLeft = true
	fromRight, err := New(tok.Vocab(), left)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(15, 5))
	words := strings.Fields("the cat sat on the mat unknownwordthatisnopiece , .")
	for range 2000 {
		text := ""
		for range rng.IntN(60) {
			text += words[rng.IntN(len(words))] + " "
		}
		maxLen := 3 + rng.IntN(20)
		w := Windows{Most: []int{AllWindows, 0, 1, 2, 3}[rng.IntN(5)], Overlap: []float64{0, NoOverlap, 0.5, MaxOverlap}[rng.IntN(4)]}
		for _, tok := range []*Tokenizer{tok, fromRight} {
			whole, e := tok.Encode(text, "", 0), tok.EncodeWindows(text, "", maxLen, w)
			if !w.Several() || len(whole.IDs) <= maxLen {
				if want := tok.Encode(text, "", maxLen); !reflect.DeepEqual(e, want) {
					t.Fatalf("%+v of %d: %v, want %v", w, maxLen, e, want)
				}
				continue
			}
			limit := len(whole.IDs)
			if w.Most > 0 {
				limit = min(limit, w.Tokens(maxLen))
			}
			want := slices.Clone(whole.IDs[1 : len(whole.IDs)-1])
			if tok == fromRight {
				want = want[len(whole.IDs)-limit:]
			}
			want = slices.Concat([]int32{tok.cls}, want[:limit-2], []int32{tok.sep})
			checkWindows(t, tok, e, want, maxLen)
			if e.Cut != len(whole.IDs)-limit || e.Kept() != limit || w.Most > 0 && e.Sequences() > w.Most {
				t.Fatalf("%+v of %d: %d windows, %d tokens cut, %d kept, want %d and %d", w, maxLen, e.Sequences(), e.Cut, e.Kept(),
					len(whole.IDs)-limit, limit)
			}
		}
	}
}

// checkWindows looks at each window, and joins what counts.
func checkWindows(t *testing.T, tok *Tokenizer, e Encoding, want []int32, maxLen int) {
	t.Helper()
	var joined []int32
	end, unknown := 0, 0
	for i := range e.Sequences() {
		w := e.Sequence(i)
		row := e.IDs[w.Start:w.End]
		if w.Start != end || len(row) > maxLen || row[0] != tok.cls || row[len(row)-1] != tok.sep {
			t.Fatalf("window %d is %v with %v after %d, of at most %d tokens", i, w, row, end, maxLen)
		}
		end = w.End
		joined = append(joined, e.IDs[w.KeptStart:w.KeptEnd]...)
	}
	for _, id := range joined {
		if id == tok.unk {
			unknown++
		}
	}
	if end != len(e.IDs) || len(e.Segments) != end || slices.Max(e.Segments) != 0 || !slices.Equal(joined, want) || e.Unknown != unknown {
		t.Fatalf("windows %v of %v with %d [UNK]: what counts is %v, want %v", e.Windows, e.IDs, e.Unknown, joined, want)
	}
}

// TestWindowsOfPairs holds pairs to one row.
func TestWindowsOfPairs(t *testing.T) {
	tok := open(t, "testdata/vocab.txt")[true]
	w := Windows{Most: AllWindows}
	for _, pair := range []string{"the mat", "the cat sat on the mat"} {
		for _, maxLen := range []int{3, 6, 10, 20} {
			text := "the cat sat on the mat"
			if got, want := tok.EncodeWindows(text, pair, maxLen, w), tok.Encode(text, pair, maxLen); !reflect.DeepEqual(got, want) {
				t.Errorf("a pair in %d tokens: %v, want %v", maxLen, got, want)
			}
		}
	}
	if got, want := tok.EncodeWindows("the cat", "", 2, w), tok.Encode("the cat", "", 2); !reflect.DeepEqual(got, want) {
		t.Errorf("rows without room: %v, want %v", got, want)
	}
}

func TestWindowsCheck(t *testing.T) {
	for _, w := range []Windows{{}, {Most: 3}, {Most: AllWindows, Overlap: NoOverlap}, {Most: 1, Overlap: MaxOverlap}} {
		if err := w.Check(); err != nil {
			t.Errorf("%+v: %v", w, err)
		}
	}
	for _, w := range []Windows{{Most: -2}, {Overlap: 0.95}, {Overlap: -0.5}} {
		if err := w.Check(); err == nil {
			t.Errorf("%+v passes", w)
		}
	}
}
