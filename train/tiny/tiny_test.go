package tiny

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/train"
)

const committed = "../../bert/testdata/tiny"

func openCommitted(t *testing.T) *model.Model {
	t.Helper()
	m, err := model.Open(committed, &model.Options{Threads: 2, Log: func(message string) { t.Errorf("opening it warns: %s", message) }})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestCommitted: the committed files are, to the byte, what round and Save make of them, and say what main.go would make.
func TestCommitted(t *testing.T) {
	m := openCommitted(t)
	numbers := 0
	for _, p := range m.Params() {
		values := p.Value
		if values == nil {
			values = m.Encoder.Value(p)
		}
		for i, v := range values {
			if numbers++; v*64 != float32(int(v*64)) {
				t.Errorf("%s[%d] is %v, no multiple of 1/64", p.Name, i, v)
			}
		}
	}
	if numbers != 1628 {
		t.Errorf("%d weights, want 1628", numbers)
	}
	Round(m)
	dir := t.TempDir()
	if err := m.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(committed)
	if err != nil || len(files) != 7 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		want, err := os.ReadFile(filepath.Join(committed, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, f.Name())); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the committed file is not what Save writes, %v", f.Name(), err)
		}
	}

	config, s := configuration()
	was := settings{Config: train.DefaultConfig()}
	if err := json.Unmarshal(m.Training(), &was); err != nil || was != s {
		t.Errorf("trained with %+v, the script has %+v, %v", was, s, err)
	}
	if m.Encoder.Config != config || !slices.Equal(m.Labels, Labels) {
		t.Errorf("config %+v, labels %q", m.Encoder.Config, m.Labels)
	}
}

// TestLabels: every text of the grammar has its labels, those with clauses that training has not seen included.
func TestLabels(t *testing.T) {
	m := openCommitted(t)
	for _, heldOut := range []bool{false, true} {
		rows := slices.DeleteFunc(EveryText(), func(r Row) bool { return r.HeldOut != heldOut })
		wrong, f1, err := Wrong(t.Context(), m, rows)
		t.Logf("held-out clauses %t: %d texts, macro F1 %v", heldOut, len(rows), f1)
		if err != nil || f1 != 1 || slices.Max(wrong) > 0 {
			t.Errorf("held-out clauses %t: macro F1 %v, wrong cells %v, %v", heldOut, f1, wrong, err)
		}
	}
}

// TestGrammar: what training must not see it does not see, and labels are those of some texts done by hand.
func TestGrammar(t *testing.T) {
	held := 0
	for _, c := range clauses() {
		if c.heldOut() {
			held++
		}
	}
	if held != 12 || len(clauses()) != 80 || len(vocabulary) != 20 {
		t.Errorf("%d of %d clauses are held out, %d words", held, len(clauses()), len(vocabulary))
	}
	rows := trainingTexts(4000, rand.New(rand.NewPCG(Seed, 0)))
	for _, r := range rows {
		if r.HeldOut {
			t.Fatalf("%q is held out", r.Text)
		}
	}
	for _, c := range []struct {
		row  Row
		text model.Text
		y    []int8
	}{
		{newRow("", clause{"food", "good", true, true}), model.Text{A: "the food was not very good ."}, []int8{1, 0, 0, 1}},
		{newRow("but", clause{"soup", "bad", true, false}, clause{"waiter", "slow", false, true}),
			model.Text{A: "the soup was not bad but the waiter was very slow ."}, []int8{1, 1, 1, 1}},
		{newRow("", clause{"staff", "great", false, false}, clause{"waiter", "awful", true, false}),
			model.Text{A: "the staff was great", B: "the waiter was not awful"}, []int8{0, 1, 1, 0}},
	} {
		if c.row.Text != c.text || !slices.Equal(c.row.Y, c.y) {
			t.Errorf("%q has labels %v, want %q, %v", c.row.Text, c.row.Y, c.text, c.y)
		}
	}
}

// TestWithout: a part that is taken away is missed where the whole model has nothing wrong, and comes back. Head 0.1 knows nothing of what
// a sentence is about, only of how it is meant.
func TestWithout(t *testing.T) {
	m := openCommitted(t)
	var rows []Row
	for i, r := range EveryText() {
		if i%50 == 0 {
			rows = append(rows, r)
		}
	}
	parts := Parts(m)
	for _, p := range parts {
		wrong, err := Without(t.Context(), m, p, rows)
		if err != nil || slices.Max(wrong) == 0 {
			t.Errorf("without %s: wrong cells %v, %v", p.Name, wrong, err)
		}
		if p.Name == "head 0.1" && (wrong[0] > 0 || wrong[1] > 0 || wrong[2] == 0 || wrong[3] == 0) {
			t.Errorf("without %s: wrong cells %v, want praise and complaint only", p.Name, wrong)
		}
	}
	if wrong, _, err := Wrong(t.Context(), m, rows); err != nil || slices.Max(wrong) > 0 || len(parts) != 9 {
		t.Errorf("after all %d parts have come back: wrong cells %v, %v", len(parts), wrong, err)
	}
}
