package tiny

import (
	"math/rand/v2"
	"slices"
	"strings"

	"bertlabel/bert/model"
)

// Labels of the tiny model, in the order of its outputs.
var Labels = []string{"food", "staff", "praise", "complaint"}

// Words of the grammar: what a clause is about, and what it says of it.
var (
	nouns      = []string{"food", "soup", "staff", "waiter"} // the first two are food
	adjectives = []string{"good", "great", "bad", "awful", "slow"}
	praising   = adjectives[:2]
)

// vocabulary is vocab.txt: 20 tokens.
var vocabulary = slices.Concat(strings.Fields("[PAD] [UNK] [CLS] [SEP] the was not very but and ."), nouns, adjectives)

// clause is "the NOUN was [not] [very] ADJECTIVE".
type clause struct {
	noun, adjective string
	not, very       bool
}

func (c clause) String() string {
	words := []string{"the", c.noun, "was"}
	if c.not {
		words = append(words, "not")
	}
	if c.very {
		words = append(words, "very")
	}
	return strings.Join(append(words, c.adjective), " ")
}

// heldOut reports whether no training text has the clause: six combinations of noun, "not" and adjective.
func (c clause) heldOut() bool {
	return slices.Contains([]clause{
		{noun: "food", adjective: "awful"}, {noun: "soup", adjective: "great"}, {noun: "soup", adjective: "bad", not: true},
		{noun: "staff", adjective: "good", not: true}, {noun: "waiter", adjective: "slow"}, {noun: "waiter", adjective: "great", not: true},
	}, clause{c.noun, c.adjective, c.not, false})
}

// clauses returns all 80.
func clauses() (all []clause) {
	for _, noun := range nouns {
		for _, adjective := range adjectives {
			for i := range 4 {
				all = append(all, clause{noun, adjective, i&1 != 0, i&2 != 0})
			}
		}
	}
	return all
}

// Row is one text with its labels.
type Row struct {
	model.Text
	Y       []int8 // 1 or 0 for each of Labels
	HeldOut bool   // it has a clause that no training text has
}

// newRow makes a text of one or two clauses: "A .", "A but B .", "A and B .", or the pair of texts A and B.
func newRow(joint string, said ...clause) Row {
	r := Row{Text: model.Text{A: said[0].String()}, Y: make([]int8, len(Labels))}
	for _, c := range said {
		about, says := 0, 2
		if slices.Contains(nouns[2:], c.noun) {
			about = 1
		}
		if slices.Contains(praising, c.adjective) == c.not {
			says = 3
		}
		r.Y[about], r.Y[says] = 1, 1
		r.HeldOut = r.HeldOut || c.heldOut()
	}
	switch {
	case len(said) == 2 && joint == "":
		r.B = said[1].String()
		return r
	case len(said) == 2:
		r.A += " " + joint + " " + said[1].String()
	}
	r.A += " ."
	return r
}

// EveryText returns all 19,280 texts of the grammar.
func EveryText() (rows []Row) {
	all := clauses()
	for _, a := range all {
		rows = append(rows, newRow("", a))
		for _, b := range all {
			for _, joint := range []string{"but", "and", ""} {
				rows = append(rows, newRow(joint, a, b))
			}
		}
	}
	return rows
}

// trainingTexts draws n texts without held-out clauses, a quarter of them of one clause.
func trainingTexts(n int, rng *rand.Rand) (rows []Row) {
	all := slices.DeleteFunc(clauses(), clause.heldOut)
	pick := func() clause { return all[rng.IntN(len(all))] }
	for range n {
		if joint := rng.IntN(4); joint == 3 {
			rows = append(rows, newRow("", pick()))
		} else {
			rows = append(rows, newRow([]string{"but", "and", ""}[joint], pick(), pick()))
		}
	}
	return rows
}
