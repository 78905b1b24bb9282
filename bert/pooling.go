package bert

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// Pooling says which vectors stand for a text: one, or several side by side. It is written
//
//	pooled  cls  mean  max          one vector, of the last layer
//	mean:-2                         the same of another layer: -1 is the last one, and below the first stand the embeddings
//	mean:-1..-3                     of these layers side by side, in this order
//	concat:cls,mean,max:-2..-4      several of these side by side
//
// Poolings are equal when they mean the same. The zero Pooling is Pooled. Other values come from ParsePooling.
type Pooling string

// The poolings of the last layer.
const (
	Pooled Pooling = ""     // the tanh pooler over [CLS], as create_model of run_classifier.py has it
	CLS    Pooling = "cls"  // the [CLS] row
	Mean   Pooling = "mean" // the mean over the real tokens, [CLS] and [SEP] included
	Max    Pooling = "max"  // the maximum over the same tokens, each feature for itself
)

// String returns what ParsePooling reads.
func (p Pooling) String() string {
	if p == Pooled {
		return "pooled"
	}
	return string(p)
}

// poolingPart is one vector: a pooling of the last layer, Pooled, CLS, Mean or Max, applied to a layer.
type poolingPart struct {
	kind  Pooling
	layer int // −1 for the last one, −2 for the one below, …
}

// ParsePooling reads a pooling. Whether a model has what it reads, CheckPooling says.
func ParsePooling(s string) (Pooling, error) {
	parts, err := parsePooling(s)
	if err != nil {
		return "", fmt.Errorf("pooling %q: %w", s, err)
	}
	return formatPooling(parts), nil
}

func parsePooling(s string) (parts []poolingPart, err error) {
	items, several := strings.CutPrefix(s, "concat:")
	list := []string{items}
	if several {
		list = strings.Split(items, ",")
	}
	for _, item := range list {
		kind, layers, ranged := strings.Cut(item, ":")
		if kind == "pooled" {
			kind = string(Pooled)
		} else if !slices.Contains([]Pooling{CLS, Mean, Max}, Pooling(kind)) {
			return nil, fmt.Errorf("found %q, want pooled, cls, mean or max, or concat: and several of them", kind)
		}
		from, to := -1, -1
		if ranged {
			if from, to, err = parseLayers(layers); err != nil {
				return nil, err
			}
		}
		if Pooling(kind) == Pooled && ranged {
			return nil, errors.New("the pooler reads the last layer only, pooled takes no layers")
		}
		step := 1
		if to < from {
			step = -1
		}
		for layer := from; layer != to+step; layer += step {
			part := poolingPart{Pooling(kind), layer}
			if slices.Contains(parts, part) {
				return nil, fmt.Errorf("%s of layer %d comes twice", Pooling(kind), layer)
			}
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// maxLayers bounds the layers that a pooling names; no BERT comes near it.
const maxLayers = 1000

// parseLayers reads "-2" or "-1..-3".
func parseLayers(s string) (from, to int, err error) {
	first, last, ranged := strings.Cut(s, "..")
	if !ranged {
		last = first
	}
	for i, number := range []string{first, last} {
		n, err := strconv.Atoi(number)
		if err != nil || n >= 0 || n < -maxLayers {
			return 0, 0, fmt.Errorf("layers %q, want one such as -2 or a range such as -1..-3; -1 is the last layer", s)
		}
		if i == 0 {
			from = n
		}
		to = n
	}
	return from, to, nil
}

// formatPooling writes parts, neighbours of one kind as a range where there is one.
func formatPooling(parts []poolingPart) Pooling {
	var items []string
	for len(parts) > 0 {
		n := rangeLength(parts)
		first, last := parts[0], parts[n-1]
		item := first.kind.String()
		switch {
		case n > 1:
			item += fmt.Sprintf(":%d..%d", first.layer, last.layer)
		case first.layer != -1:
			item += fmt.Sprintf(":%d", first.layer)
		}
		items = append(items, item)
		parts = parts[n:]
	}
	switch {
	case len(items) > 1:
		return Pooling("concat:" + strings.Join(items, ","))
	case items[0] == Pooled.String():
		return Pooled
	}
	return Pooling(items[0])
}

// rangeLength returns how many of the first parts are layers of one kind in a row, up or down.
func rangeLength(parts []poolingPart) int {
	n := 1
	for n < len(parts) && parts[n].kind == parts[0].kind {
		step := parts[n].layer - parts[n-1].layer
		if step != 1 && step != -1 || n > 1 && step != parts[1].layer-parts[0].layer {
			break
		}
		n++
	}
	return n
}

// poolingPlan is what a pass has to do for a pooling.
type poolingPlan struct {
	model   *Model
	pooling Pooling
	parts   []poolingPart // with layers counted as Forward's observe has them: −1 for the embeddings, then from 0
	depth   int           // layers to run
	all     bool          // the topmost of them for all tokens; else for [CLS] only
}

// planPooling prepares a pooling, or says what the model lacks for it.
func (m *Model) planPooling(pooling Pooling) (*poolingPlan, error) {
	parts, err := parsePooling(pooling.String())
	if err != nil {
		return nil, fmt.Errorf("pooling %q: %w", pooling, err)
	}
	n := len(m.Layers)
	plan := &poolingPlan{model: m, pooling: pooling, parts: parts}
	for i, part := range parts {
		switch {
		case part.kind == Pooled && m.Pooler == nil:
			return nil, fmt.Errorf("pooling %s needs bert/pooler/dense, which the model does not have", pooling)
		case part.layer < -n-1:
			return nil, fmt.Errorf("pooling %s: the model has the layers -1 to %d, and the embeddings as %d", pooling, -n, -n-1)
		}
		parts[i].layer += n
		plan.depth = max(plan.depth, parts[i].layer+1)
	}
	plan.all = plan.depth == 0 || slices.ContainsFunc(parts, func(p poolingPart) bool {
		return p.layer == plan.depth-1 && (p.kind == Mean || p.kind == Max)
	})
	return plan, nil
}

// PoolingWidth returns the width of the features of pooling, or says what the model lacks for it.
func (m *Model) PoolingWidth(pooling Pooling) (int, error) {
	plan, err := m.planPooling(pooling)
	if err != nil {
		return 0, err
	}
	return len(plan.parts) * m.Config.HiddenSize, nil
}

// Features sets y [texts, width] to the vectors that stand for the texts of b; PoolingWidth has the width. Layers above those
// that are read are not run, and where only [CLS] of the topmost is read, it is run for [CLS] only. The error is that of
// Forward, or says what the model lacks for pooling.
func (m *Model) Features(ws *Workspace, y *tensor.Tensor, b *Batch, pooling Pooling) error {
	plan, err := m.planFor(ws, pooling)
	if err != nil {
		return err
	}
	if width := len(plan.parts) * m.Config.HiddenSize; y.Rows != b.Texts() || y.Cols != width {
		panic(fmt.Sprintf("bert.Features: y [%d, %d] for %d texts and width %d", y.Rows, y.Cols, b.Texts(), width))
	}
	if !b.windowed() {
		return plan.run(ws, y, b, 0, nil)
	}
	ws.parts.Resize(b.Sequences(), y.Cols)
	if err := plan.run(ws, &ws.parts, b, 0, nil); err != nil {
		return err
	}
	for t := range y.Rows {
		first, end := b.sequencesOf(t)
		parts := ws.parts.SliceRows(first, end)
		plan.join(y.Row(t), &parts, b.Kept[first:end])
	}
	return nil
}

// planFor returns the plan of a pooling, which ws keeps from one call to the next.
func (m *Model) planFor(ws *Workspace, pooling Pooling) (*poolingPlan, error) {
	if ws.plan == nil || ws.plan.model != m || ws.plan.pooling != pooling {
		plan, err := m.planPooling(pooling)
		if err != nil {
			return nil, err
		}
		ws.plan = plan
	}
	return ws.plan, nil
}

// run sets y [sequences, width]. from and seen are those of forward; of layers below from nothing is set.
func (p *poolingPlan) run(ws *Workspace, y *tensor.Tensor, b *Batch, from int, seen func(layer int, x *tensor.Tensor)) error {
	top := p.depth - 1
	x, err := p.model.forward(ws, b, from, p.depth, p.all, func(layer int, x *tensor.Tensor) {
		if seen != nil {
			seen(layer, x)
		}
		if layer < top {
			p.read(ws, y, x, layer, b.Offsets, b.Kept)
		}
	})
	if err != nil {
		return err
	}
	offsets := b.Offsets
	if !p.all {
		offsets = ws.clsOffsets
	}
	p.read(ws, y, x, top, offsets, b.Kept)
	return nil
}

// read sets what plan has of a layer, whose output x has sequence s in the rows from offsets[s] on, of which pooling reads kept.
func (p *poolingPlan) read(ws *Workspace, y, x *tensor.Tensor, layer int, offsets []int, kept []Range) {
	for i, part := range p.parts {
		if part.layer != layer {
			continue
		}
		vector := y.SliceCols(i*x.Cols, (i+1)*x.Cols)
		switch part.kind {
		case Pooled:
			ws.cls.Resize(y.Rows, x.Cols)
			firstRows(&ws.cls, x, offsets)
			p.model.Pooler.Forward(ws, &vector, &ws.cls)
		case CLS:
			firstRows(&vector, x, offsets)
		case Mean:
			meanRows(&vector, x, offsets, kept)
		case Max:
			maxRows(&vector, x, offsets, kept)
		}
	}
}

// JoinPoolings returns the pooling that has every vector of the given ones, each once, in their order.
func JoinPoolings(poolings ...Pooling) (Pooling, error) {
	var all []poolingPart
	for _, p := range poolings {
		parts, err := parsePooling(p.String())
		if err != nil {
			return "", err
		}
		for _, part := range parts {
			if !slices.Contains(all, part) {
				all = append(all, part)
			}
		}
	}
	if len(all) == 0 {
		return "", errors.New("no poolings to join")
	}
	return formatPooling(all), nil
}

// SelectFeatures returns the features of narrow from those of wide, whose vectors include all of narrow's: the result has the same
// bits as a pass for narrow. x is [texts, width of wide].
func SelectFeatures(x *tensor.Tensor, wide, narrow Pooling) (*tensor.Tensor, error) {
	from, err := parsePooling(wide.String())
	if err != nil {
		return nil, err
	}
	to, err := parsePooling(narrow.String())
	if err != nil {
		return nil, err
	}
	hidden := x.Cols / len(from)
	y := tensor.New(x.Rows, len(to)*hidden)
	for i, part := range to {
		at := slices.Index(from, part)
		if at < 0 {
			return nil, fmt.Errorf("pooling %s is no part of %s", narrow, wide)
		}
		for row := range y.Rows {
			copy(y.Row(row)[i*hidden:(i+1)*hidden], x.Row(row)[at*hidden:])
		}
	}
	return y, nil
}

// firstRows sets row t of y to row offsets[t] of x.
func firstRows(y, x *tensor.Tensor, offsets []int) {
	for t := range y.Rows {
		copy(y.Row(t), x.Row(offsets[t]))
	}
}

// keptRows returns the rows that pooling reads of sequence s: all from offsets[s] on, or those of kept.
func keptRows(s int, offsets []int, kept []Range) Range {
	if len(kept) == 0 {
		return Range{offsets[s], offsets[s+1]}
	}
	return kept[s]
}

// meanRows sets row s of y to the mean of the rows of sequence s in x.
func meanRows(y, x *tensor.Tensor, offsets []int, kept []Range) {
	for s := range y.Rows {
		row := y.Row(s)
		clear(row)
		read := keptRows(s, offsets, kept)
		for i := read.Start; i < read.End; i++ {
			asm.Best.Add(row, x.Row(i))
		}
		scale := 1 / float32(read.End-read.Start)
		for j := range row {
			row[j] *= scale
		}
	}
}

// maxRows sets row s of y to the largest of the rows of sequence s in x, column by column.
func maxRows(y, x *tensor.Tensor, offsets []int, kept []Range) {
	for s := range y.Rows {
		row := y.Row(s)
		read := keptRows(s, offsets, kept)
		copy(row, x.Row(read.Start))
		for i := read.Start + 1; i < read.End; i++ {
			for j, v := range x.Row(i) {
				row[j] = max(row[j], v)
			}
		}
	}
}

// meanRowsBackward overwrites dx [tokens, hidden], given dy [sequences, hidden]: each row that the mean has read has its share of it, the
// others have none.
func meanRowsBackward(dx, dy *tensor.Tensor, offsets []int, kept []Range) {
	for i := range dx.Rows {
		clear(dx.Row(i))
	}
	addMeanRowsBackward(dx, dy, offsets, kept)
}
