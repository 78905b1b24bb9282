package data

import (
	"strings"
	"unicode"
)

// nearest returns the candidate that is spelt most like name, or "": equal but for case, spaces, '_' and '-'; else within one
// edit per five characters and one more; else one that contains the name.
func nearest(name string, candidates []string) string {
	folded := fold(name)
	best, bestDistance := "", 2+len(folded)/5
	for _, c := range candidates {
		if d := editDistance(folded, fold(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	if best != "" || len(folded) < 3 {
		return best
	}
	for _, c := range candidates {
		if strings.Contains(string(fold(c)), string(folded)) {
			return c
		}
	}
	return ""
}

// fold takes away what often differs between two spellings of one name. It looks at the first 80 characters.
func fold(s string) []rune {
	var folded []rune
	for _, r := range cut(s) {
		if !unicode.IsSpace(r) && r != '_' && r != '-' {
			folded = append(folded, unicode.ToLower(r))
		}
	}
	return folded
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours between a and b (Damerau 1964, in the
// restricted form: no part is edited twice).
func editDistance(a, b []rune) int {
	var rows [3][]int // the distances of a[:i-2], a[:i-1] and a[:i] to every b[:j]
	for k := range rows {
		rows[k] = make([]int, len(b)+1)
	}
	for j := range rows[2] {
		rows[2][j] = j
	}
	for i := 1; i <= len(a); i++ {
		rows[0], rows[1], rows[2] = rows[1], rows[2], rows[0]
		before, above, here := rows[0], rows[1], rows[2]
		here[0] = i
		for j := 1; j <= len(b); j++ {
			replace := above[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			here[j] = min(replace, above[j]+1, here[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				here[j] = min(here[j], before[j-2]+1)
			}
		}
	}
	return rows[2][len(b)]
}
