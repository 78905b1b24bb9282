// Package demo makes the data set of `bertlabel demo`: short consumer complaints with overlapping labels, a WordPiece
// vocabulary for them, and the config of a small BERT.
//
// The texts are built so that no single word gives a label away: the same words stand in denials ("nothing was broken",
// "the driver was polite"), in asides and in the phrases of other labels. A linear classifier on a random projection of the
// word counts, which is about what mean-pooled features of an untrained encoder are, learns a good part of the labels; who
// tells denials from complaints learns them all.
package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Row is one complaint.
type Row struct {
	ID     string
	Text   string
	Labels []bool // one per label, in the order of Labels
}

// Data are the three splits. No text stands in two of them, nor twice in one.
type Data struct {
	Train, Dev, Test []Row
}

// Labels returns the names of the labels, in the order of Row.Labels.
func Labels() []string {
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = l.name
	}
	return names
}

// Generate makes train, dev and test rows; the same seed gives the same rows.
func Generate(seed uint64, train, dev, test int) Data {
	w := &writer{rng: rand.New(rand.NewPCG(seed, 0))}
	seen := map[string]bool{}
	split := func(name string, n int) []Row {
		rows := make([]Row, 0, n)
		for len(rows) < n {
			text, has := w.complaint()
			if key := strings.ToLower(text); !seen[key] {
				seen[key] = true
				rows = append(rows, Row{ID: fmt.Sprintf("%s-%04d", name, len(rows)+1), Text: text, Labels: has})
			}
		}
		return rows
	}
	return Data{Train: split("train", train), Dev: split("dev", dev), Test: split("test", test)}
}

// writer writes complaints from its stream of random numbers.
type writer struct {
	rng  *rand.Rand
	item string // what the present complaint is about
}

// complaint returns one text and which labels apply to it.
func (w *writer) complaint() (string, []bool) {
	w.item = pick(w.rng, slots["item"])
	has := w.draw()
	var statements []string
	said := make([]bool, len(labels))
	for i, applies := range has {
		if applies {
			said[i] = true
			statements = append(statements, w.expand(pick(w.rng, labels[i].phrases)))
		}
	}
	for w.rng.Float64() < 0.45 {
		if i := w.rng.IntN(len(labels)); !said[i] {
			said[i] = true
			statements = append(statements, w.expand(pick(w.rng, labels[i].denials)))
		}
	}
	if len(statements) == 0 || w.rng.Float64() < 0.3 {
		statements = append(statements, w.expand(pick(w.rng, asides)))
	}
	w.rng.Shuffle(len(statements), func(i, j int) { statements[i], statements[j] = statements[j], statements[i] })
	return w.roughen(w.compose(statements)), has
}

// draw chooses the labels of a text: none (8 %), one, two or three, the later ones often among those that go with the first.
func (w *writer) draw() []bool {
	has := make([]bool, len(labels))
	u := w.rng.Float64()
	if u < 0.08 {
		return has
	}
	first := w.firstLabel()
	has[first] = true
	for _, more := range []float64{0.55, 0.87} { // one label only below 0.55, a third above 0.87
		if u < more {
			break
		}
		next := w.rng.IntN(len(labels))
		if w.rng.Float64() < 0.6 {
			next = pick(w.rng, labels[first].goesWith)
		}
		has[next] = true
	}
	return has
}

// firstLabel draws a label by weight.
func (w *writer) firstLabel() int {
	sum := 0.0
	for _, l := range labels {
		sum += l.weight
	}
	u := w.rng.Float64() * sum
	for i, l := range labels {
		if u -= l.weight; u < 0 {
			return i
		}
	}
	return len(labels) - 1
}

// compose joins the statements to a text, some with an opener or a closer.
func (w *writer) compose(statements []string) string {
	var b strings.Builder
	if w.rng.Float64() < 0.35 {
		b.WriteString(w.expand(pick(w.rng, openers)))
	}
	for i, s := range statements {
		if i > 0 {
			join := pick(w.rng, joiners)
			if strings.HasSuffix(b.String(), "?") {
				join = " "
			}
			b.WriteString(join)
		}
		if before := strings.TrimRight(b.String(), " "); before == "" || strings.ContainsAny(before[len(before)-1:], ".!?") {
			s = capital(s)
		}
		b.WriteString(s)
	}
	if w.rng.Float64() < 0.35 {
		if !strings.HasSuffix(b.String(), "?") {
			b.WriteString(".")
		}
		b.WriteString(" " + capital(w.expand(pick(w.rng, closers))))
	}
	text := b.String()
	if !strings.HasSuffix(text, "?") {
		text += pick(w.rng, []string{".", ".", ".", "!", "!!", ""})
	}
	return text
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// roughen makes the text look typed: now and then all lower case, or with one slip of the fingers.
func (w *writer) roughen(text string) string {
	if w.rng.Float64() < 0.12 {
		text = strings.ToLower(text)
	}
	if w.rng.Float64() >= 0.12 {
		return text
	}
	words := strings.Split(text, " ")
	i := w.rng.IntN(len(words))
	if len(words[i]) < 5 {
		return text
	}
	word, at := []byte(words[i]), 1+w.rng.IntN(len(words[i])-3)
	switch w.rng.IntN(3) {
	case 0: // two letters swapped
		word[at], word[at+1] = word[at+1], word[at]
	case 1: // one left out
		word = append(word[:at], word[at+1:]...)
	case 2: // one typed twice
		word = append(word[:at+1], word[at:]...)
	}
	words[i] = string(word)
	return strings.Join(words, " ")
}

// expand replaces each choice (a|b) and each {slot} of a phrase, from left to right, inner ones with their surroundings.
func (w *writer) expand(phrase string) string {
	at := strings.IndexAny(phrase, "({")
	if at < 0 {
		return phrase
	}
	if phrase[at] == '{' {
		name, rest, _ := strings.Cut(phrase[at+1:], "}")
		if name == "item" && w.rng.Float64() < 0.9 { // most complaints are about one thing
			return phrase[:at] + w.item + w.expand(rest)
		}
		return phrase[:at] + w.expand(pick(w.rng, slots[name])) + w.expand(rest)
	}
	branches, rest := choice(phrase[at+1:])
	return phrase[:at] + w.expand(pick(w.rng, branches)) + w.expand(rest)
}

// choice splits "a|b)rest" at the bars and the closing parenthesis of its own level.
func choice(s string) (branches []string, rest string) {
	depth, from := 0, 0
	for i, c := range []byte(s) {
		switch {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0 && c == '|':
			branches = append(branches, s[from:i])
			from = i + 1
		case depth == 0 && c == ')':
			return append(branches, s[from:i]), s[i+1:]
		}
	}
	panic("demo: a choice without its end: (" + s)
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
