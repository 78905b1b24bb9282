package baseline

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Options say how texts become vectors. The names are those of scikit-learn's TfidfVectorizer(ngram_range=(1, Words)), which
// has the other defaults: lowercase=True, token_pattern=r"(?u)\b\w\w+\b", smooth_idf=True, norm="l2". The zero value has those of
// scikit-learn: single words, all of them.
type Options struct {
	Words       int  // terms are of one word up to so many; 0: 1
	MinDF       int  // a term that fewer texts have is left out; 0: none is
	SublinearTF bool // 1 + ln(tf) instead of tf
}

// Vectorizer turns texts into TF-IDF vectors. It does not change once it is made.
type Vectorizer struct {
	options Options
	columns map[string]int32 // of each term, in the order of the terms' code points
	idf     []float64        // [columns]
}

// Matrix is a sparse matrix by rows. Row i has Values[Starts[i]:Starts[i+1]] in the Columns of the same places, which rise.
type Matrix struct {
	Cols    int
	Starts  []int // [rows+1]
	Columns []int32
	Values  []float64
}

// Row returns the columns and values of row i that are not zero.
func (m *Matrix) Row(i int) (columns []int32, values []float64) {
	from, to := m.Starts[i], m.Starts[i+1]
	return m.Columns[from:to], m.Values[from:to]
}

// NewVectorizer learns terms and their idf from texts: with n texts, df of which have the term,
//
//	idf = ln((1 + n)/(1 + df)) + 1
func NewVectorizer(texts [][]string, o Options) *Vectorizer {
	o.Words = max(1, o.Words)
	df := map[string]int{}
	for _, text := range texts {
		for term := range count(text, o.Words) {
			df[term]++
		}
	}
	maps.DeleteFunc(df, func(_ string, n int) bool { return n < o.MinDF })
	v := &Vectorizer{options: o, columns: make(map[string]int32, len(df))}
	for _, term := range slices.Sorted(maps.Keys(df)) { // byte order of UTF-8 is that of code points
		v.columns[term] = int32(len(v.idf))
		v.idf = append(v.idf, math.Log(float64(1+len(texts))/float64(1+df[term]))+1)
	}
	return v
}

// Terms is the number of terms, the width of the vectors.
func (v *Vectorizer) Terms() int { return len(v.idf) }

// Transform returns a row for each text: tf·idf for each term, divided by the Euclidean norm of the row. A text without a known
// term has a row of zeros.
func (v *Vectorizer) Transform(texts [][]string) *Matrix {
	m := &Matrix{Cols: v.Terms(), Starts: make([]int, 1, len(texts)+1)}
	type cell struct {
		column int32
		value  float64
	}
	var row []cell
	for _, text := range texts {
		row = row[:0]
		for term, tf := range count(text, v.options.Words) {
			if column, known := v.columns[term]; known {
				row = append(row, cell{column, v.weight(tf) * v.idf[column]})
			}
		}
		slices.SortFunc(row, func(a, b cell) int { return cmp.Compare(a.column, b.column) })
		squares := 0.0
		for _, c := range row {
			squares += c.value * c.value
		}
		for _, c := range row {
			m.Columns = append(m.Columns, c.column)
			m.Values = append(m.Values, c.value/math.Sqrt(squares))
		}
		m.Starts = append(m.Starts, len(m.Values))
	}
	return m
}

func (v *Vectorizer) weight(tf int) float64 {
	if v.options.SublinearTF {
		return 1 + math.Log(float64(tf))
	}
	return float64(tf)
}

// count returns how often each term stands in the parts of a text. Terms of several words do not reach from one part to the next.
func count(parts []string, most int) map[string]int {
	n := map[string]int{}
	for _, part := range parts {
		words := words(part)
		for i := range words {
			for length := 1; length <= most && i+length <= len(words); length++ {
				n[strings.Join(words[i:i+length], " ")]++
			}
		}
	}
	return n
}

// words returns the stretches of at least two letters, digits and underscores of a text in lower case: Python's \w, which has
// no marks.
func words(text string) (words []string) {
	text = lower(text)
	start, length := -1, 0 // of the stretch, in bytes and in characters
	flush := func(end int) {
		if start >= 0 && length >= 2 {
			words = append(words, text[start:end])
		}
		start, length = -1, 0
	}
	for i, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' {
			flush(i)
			continue
		}
		if start < 0 {
			start = i
		}
		length++
	}
	flush(len(text))
	return words
}

// lower is str.lower() of Python: Unicode's full mapping, with the final sigma.
func lower(text string) string {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return cases.Lower(language.Und).String(text)
		}
	}
	return strings.ToLower(text)
}
