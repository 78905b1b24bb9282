package tracepage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/bert/trace"
	"bertlabel/cmd/bertlabel/internal/plaintext"
)

// view is the page as page.qtpl takes it: every name is visible and of bounded length.
type view struct {
	Policy                   string
	Style, Script            string
	Title, Text, Pair, Facts string

	Tokens []token
	Pinned int // the token
	Other  int // that it is multiplied with: it looks at this one most
	Layers []thumbnails
	Heads  []int
	Stored string // the layers whose queries and keys the page has
	Head   head
	QK     product
	Flow   []flowRow
	Pooled string // bars, as a path
	Hidden int
	Labels []label
	Data   data
}

// data is what the script reads.
type data struct {
	Tokens  []string  `json:"tokens"`
	Layers  []int     `json:"layers"`
	Width   int       `json:"width"`  // D of a head
	Hidden  int       `json:"hidden"` // H
	Stored  int       `json:"stored"` // how many of Layers have vectors
	Units   []float64 `json:"units"`  // of the vectors: a layer's q, its k, the next layer's q
	Vectors string    `json:"vectors"`
	Cell    int       `json:"cell"` // size of a cell of the picture of a head
	Left    int       `json:"left"` // where its first column stands
	Flow    []string  `json:"flow"` // the cells of the last table for each token, a space after each
}

// json returns the data as the script reads it. No < or > is in it: they are escaped.
func (d *data) json() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // its numbers are finite
	}
	return string(text)
}

type token struct {
	Place       int
	Name        string
	Short       string
	ID, Segment int32
	Y           int // of its row in the picture of lines
	At          int // of its row and its column in the picture of the head
}

type thumbnails struct {
	Layer int
	Heads []thumbnail
}

type thumbnail struct {
	Head  int
	Image string // src
	First bool
}

// head is the first head.
type head struct {
	Layer, Head      int
	Image            string // href
	Cell, Left, Size int
	Width, Height    int
	LinesHeight      int
	Named            bool // there is room for the names of the tokens
	Lines            []line
	Numbers          []number // of each cell; nil where there is no room
	Top              []looks
	PinnedY          int
	CellX            int
}

type line struct {
	Y1, Y2 int
	Width  string
}

type number struct {
	X, Y int
	P    string
	On   bool // on a dark cell
}

type looks struct{ Name, P, Width string }

// product is the pinned pair's way to its probability.
type product struct {
	Q, K, Product             []string // [D]
	QBars, KBars, ProductBars string
	Sum, Root, Score, P       string
	Shown                     bool
	Width                     int
	Query, Scores, Probs      trace.Stage
}

type flowRow struct {
	Name, Formula, Symbol string
	Cells                 []string
	Share                 string
}

type label struct {
	Name, Logit, Probability, Threshold, Verdict, Bar, Tick string
}

const (
	nameColumns  = 40 // of a token or a label
	shortColumns = 10 // in a picture
	rowHeight    = 18
	flowColumns  = 7
	barHeight    = 20 // of the longest bar, up or down
)

// view returns the first choice: the token of the options, the first layer and head, and the token that this head looks at most. Their
// product is left to setProduct.
func (p *Page) view() *view {
	c := p.m.Encoder.Config
	v := &view{Style: styleText, Script: scriptText, Pinned: p.o.Token, Hidden: c.HiddenSize}
	v.Policy = "default-src 'none'; img-src data:; style-src " + hashOf(styleText) + "; script-src " + hashOf(scriptText)
	v.Title, v.Text, v.Pair = plaintext.Excerpt(p.o.Model, 200), plaintext.Excerpt(p.o.Text, 1000), plaintext.Excerpt(p.o.Pair, 1000)
	v.Facts = fmt.Sprintf("%d layers × %d hidden units, %d heads of %d", c.NumHiddenLayers, c.HiddenSize, c.NumAttentionHeads,
		c.HiddenSize/c.NumAttentionHeads)
	v.Data = data{Layers: p.layers, Width: c.HiddenSize / c.NumAttentionHeads, Hidden: c.HiddenSize}
	v.Head = p.frame()
	v.Data.Cell, v.Data.Left = v.Head.Cell, v.Head.Left
	for i, t := range p.reports[0].Tokens {
		v.Tokens = append(v.Tokens, token{i, plaintext.Fit(t.Token, nameColumns), plaintext.Fit(t.Token, shortColumns), t.ID, t.Segment,
			rowHeight*i + rowHeight/2, v.Head.Left + v.Head.Cell*i + v.Head.Cell/2})
		v.Data.Tokens = append(v.Data.Tokens, v.Tokens[i].Short)
	}
	for n, l := range p.layers {
		row := thumbnails{Layer: l}
		for h := range c.NumAttentionHeads {
			row.Heads = append(row.Heads, thumbnail{h, attributeOf("src", p.head(l, h)), n == 0 && h == 0})
		}
		v.Layers = append(v.Layers, row)
	}
	for h := range c.NumAttentionHeads {
		v.Heads = append(v.Heads, h)
	}
	v.setHead(p)
	for i := range p.reports {
		var cells []string
		for _, row := range p.flow(i) {
			cells = append(append(cells, row.Cells...), row.Share)
		}
		v.Data.Flow = append(v.Data.Flow, strings.Join(cells, " "))
	}
	v.Flow = p.flow(p.o.Token)
	v.setOutput(p)
	return v
}

// frame returns the sizes of the pictures of a head.
func (p *Page) frame() head {
	s := len(p.reports)
	h := head{Layer: p.layers[0], Cell: 34, Left: 92, Named: true, LinesHeight: rowHeight * s}
	switch {
	case s > 128:
		h.Cell, h.Left, h.Named = 2, 4, false
	case s > MostTokens:
		h.Cell, h.Left, h.Named = 6, 4, false
	case s > 16:
		h.Cell = 13
	}
	h.Size = h.Cell * s
	h.Width, h.Height = h.Left+h.Size+4, h.Left+h.Size+4
	return h
}

// setHead fills in the first head, and the token that the pinned one looks at most.
func (v *view) setHead(p *Page) {
	h, s := &v.Head, len(p.reports)
	img := p.head(h.Layer, 0)
	row := img.Pix[v.Pinned*img.Stride:][:s]
	h.Image = attributeOf("href", img)
	order := make([]int, s)
	for j, b := range row {
		order[j] = j
		h.Lines = append(h.Lines, line{v.Tokens[v.Pinned].Y, v.Tokens[j].Y, fixed(8*float64(b)/255, 1)})
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(row[j], row[i]) })
	v.Other = order[0]
	for _, j := range order[:min(5, s)] {
		h.Top = append(h.Top, looks{v.Data.Tokens[j], fixed(float64(row[j])/255, 2), fixed(100*float64(row[j])/255, 1)})
	}
	h.PinnedY, h.CellX = h.Left+h.Cell*v.Pinned, h.Left+h.Cell*v.Other
	if s > 16 {
		return
	}
	for i := range s {
		for j := range s {
			b := img.Pix[i*img.Stride+j]
			h.Numbers = append(h.Numbers, number{v.Tokens[j].At, v.Tokens[i].At + 4, fixed(float64(b)/255, 2), b > shade})
		}
	}
}

// shade is from where a cell is so dark that its number is written in white.
const shade = 80

// setProduct fills in q·k of the first pair, from the numbers that the script has: vectors of the first stored layers.
func (v *view) setProduct(p *Page, stored int) {
	d, s := v.Data.Width, len(p.reports)
	v.Data.Stored, v.Data.Units = stored, nil
	scope := fmt.Sprintf("bert/encoder/layer_%d/attention/self/", p.layers[0])
	v.QK = product{Shown: stored > 0, Width: 6 * d, Query: p.stage(scope + "query"), Scores: p.stage(scope + "scores"),
		Probs: p.stage(scope + "probs"), Root: fmt.Sprintf("√%d", d)}
	v.Stored = "no layer"
	if stored > 0 {
		v.Stored = fmt.Sprintf("layer %d", p.layers[0])
	}
	if stored > 1 {
		v.Stored = fmt.Sprintf("the layers %d to %d", p.layers[0], p.layers[stored-1])
	}
	var vectors []quantized
	for l := range stored {
		vectors = append(vectors, quantize(p.vectors[l][0]), quantize(p.vectors[l][1]))
	}
	v.Data.Vectors = packed(vectors)
	for _, q := range vectors {
		v.Data.Units = append(v.Data.Units, q.Unit)
	}
	f := &v.QK
	if stored == 0 {
		f.Q, f.K, f.Product = make([]string, d), make([]string, d), make([]string, d)
		return
	}
	row := func(which, token int) []float64 {
		x := make([]float64, d)
		for e := range x {
			x[e] = float64(vectors[which].Values[token*v.Hidden+e]) * vectors[which].Unit
		}
		return x
	}
	q, scores := row(0, v.Pinned), make([]float64, s)
	for j := range s {
		for e, k := range row(1, j) {
			scores[j] += q[e] * k
		}
	}
	k, both := row(1, v.Other), make([]float64, d)
	for e := range d {
		both[e] = q[e] * k[e]
		f.Q, f.K, f.Product = append(f.Q, fixed(q[e], 3)), append(f.K, fixed(k[e], 3)), append(f.Product, fixed(both[e], 3))
	}
	f.QBars, f.KBars, f.ProductBars = bars(q, 6), bars(k, 6), bars(both, 6)
	root, total := math.Sqrt(float64(d)), 0.0
	for _, x := range scores {
		total += math.Exp((x - slices.Max(scores)) / root)
	}
	sum := scores[v.Other]
	f.Sum, f.Score, f.P = fixed(sum, 3), fixed(sum/root, 3), fixed(math.Exp((sum-slices.Max(scores))/root)/total, 3)
}

// bars returns a path with a bar for each number, width apart, from a line at barHeight; the longest is as long as that.
func bars(x []float64, width int) string {
	largest := 0.0
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	var b strings.Builder
	for i, v := range x {
		if largest > 0 && !math.IsNaN(v) {
			fmt.Fprintf(&b, "M%d %dv%s", width*i+width/2, barHeight, fixed(-barHeight*v/largest, 1))
		}
	}
	return b.String()
}

// stage returns a stage by its name.
func (p *Page) stage(name string) trace.Stage {
	stages := p.reports[0].Stages
	return stages[slices.IndexFunc(stages, func(s trace.Stage) bool { return s.Name == name })]
}

// flow returns the rows of a token's way through the model.
func (p *Page) flow(token int) (rows []flowRow) {
	r := p.reports[token]
	add := func(name, stage, share string, cells ...string) {
		s := p.stage(stage)
		rows = append(rows, flowRow{name, s.Formula, s.Symbol, cells, share})
	}
	three := func(v trace.Number) string { return fixed(float64(v), 3) }
	e := r.Embeddings[token]
	add("word", "bert/embeddings/word", "0", "", "", "", "", three(e.Word), "", "")
	add("token type", "bert/embeddings/token_type", "0", "", "", "", "", three(e.TokenType), "", "")
	add("position", "bert/embeddings/position", "0", "", "", "", "", three(e.Position), "", "")
	add("x", "embedding_output", "0", "", "", three(e.Mean), three(e.Sigma), three(e.Output), "", "")
	for _, l := range p.layers {
		layer, scope := r.Layers[l], fmt.Sprintf("bert/encoder/layer_%d/", l)
		addNorm := func(name, stage string, n trace.AddNorm) {
			share := 0.0
			if n.Branch+n.Residual > 0 {
				share = 100 * float64(n.Branch/(n.Branch+n.Residual))
			}
			add(fmt.Sprintf("layer %d, %s", l, name), scope+stage, fixed(share, 1), three(n.Branch), three(n.Residual), three(n.Mean),
				three(n.Sigma), three(n.Output), three(n.Cos), "")
		}
		addNorm("attention", "attention/output/LayerNorm", layer.Attention)
		add(fmt.Sprintf("layer %d, inner", l), scope+"intermediate/act", "0", "", "", "", "", three(layer.Act), "",
			fixed(100*float64(layer.Negative), 1)+"%")
		addNorm("feed-forward", "output/LayerNorm", layer.FeedForward)
	}
	return rows
}

// setOutput fills in what comes after the layers.
func (v *view) setOutput(p *Page) {
	if p.pooled != nil {
		wide := make([]float64, len(p.pooled))
		for i, x := range p.pooled {
			wide[i] = float64(x)
		}
		v.Pooled = bars(wide, 2)
	}
	for _, l := range p.reports[0].Labels {
		row := label{plaintext.Fit(l.Label, nameColumns), fixed(float64(l.Logit), 4), fixed(float64(l.Probability), 4),
			fixed(float64(l.Threshold), 4), "no", fixed(max(0, 100*float64(l.Probability)), 1), fixed(100*float64(l.Threshold), 1)}
		if l.Predicted {
			row.Verdict = "yes"
		}
		v.Labels = append(v.Labels, row)
	}
}
