// Package tracepage writes the page of trace --html: one text on its way through a model, to be looked at by mouse or keys. The page is one
// file that asks for nothing; without script it is a picture of the first choice.
//
//	page.go    what is gathered, and how much of it fits in the file
//	view.go    the numbers of the first choice, as page.qtpl takes them
//	page.qtpl  the elements; page.js changes their texts and attributes and makes none, so that no name can become one
//	page.js    the same numbers of another choice: a browser test compares them with those of view.go
package tracepage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/png"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/bert/trace"
	"bertlabel/tensor"
)

const (
	// MostTokens is how long a text of all layers may be; one layer may have any length.
	MostTokens = 64
	// mostBytes is what a page of all layers has at most: that of BERT base, whose 144 heads of 64 tokens take some 0.4 MB.
	mostBytes = 1_000_000
)

var (
	//go:embed page.css
	styleText string
	//go:embed page.js
	scriptText string
)

//go:generate go run github.com/valyala/quicktemplate/qtc@v1.8.0 -file=page.qtpl

// Options say what a page shows.
type Options struct {
	Model      string // its name
	Text, Pair string
	Token      int  // that is pinned first, from 0
	Layer      *int // only this one; nil: all
}

// Page gathers the stages of a text.
type Page struct {
	m       *model.Model
	o       Options
	text    tokenizer.Encoding
	reports []*trace.Report // one a token
	layers  []int           // that are shown
	vectors [][2][]float32  // queries and keys of each layer shown, [tokens, hidden]
	pooled  []float32
}

// New returns an empty page of a text, to be filled by Add.
func New(m *model.Model, text tokenizer.Encoding, o Options) *Page {
	p := &Page{m: m, o: o, text: text}
	for i := range text.IDs {
		p.reports = append(p.reports, trace.NewReport(m, text, i))
	}
	for l := range m.Encoder.Layers {
		if o.Layer == nil || *o.Layer == l {
			p.layers = append(p.layers, l)
		}
	}
	p.vectors = make([][2][]float32, len(p.layers))
	return p
}

// Memory estimates the bytes that a page takes: probabilities, queries and keys of all layers or of one, and the page itself.
func Memory(c *bert.Config, tokens int, one bool) int {
	layers := c.NumHiddenLayers
	if one {
		layers = 1
	}
	probs, vectors := layers*c.NumAttentionHeads*tokens*tokens, 2*layers*tokens*c.HiddenSize
	stages := tokens * (1 + c.NumHiddenLayers*(c.NumAttentionHeads+4)) * 100 // each token's report
	return 4*probs + (4+2)*vectors + 3*(2*probs+3*vectors) + stages          // of the page: JSON, template, its end
}

// Add reads a stage of trace.Run. It keeps nothing of x.
func (p *Page) Add(s trace.Stage, x *tensor.Tensor) error {
	for _, r := range p.reports {
		if err := r.Add(s, x); err != nil {
			return err
		}
	}
	if s.Name == "pooled_output" {
		p.pooled = slices.Clone(x.Row(0))
	}
	which := slices.IndexFunc([]string{"/self/query", "/self/key"}, func(end string) bool { return strings.HasSuffix(s.Name, end) })
	current := len(p.reports[0].Layers) - 1
	layer := slices.Index(p.layers, current)
	if layer < 0 && strings.HasSuffix(s.Name, "/self/probs") {
		for _, r := range p.reports {
			r.Layers[current] = trace.Layer{Heads: make([]trace.Head, len(r.Layers[current].Heads))} // nobody will see it
		}
	}
	if which < 0 || layer < 0 {
		return nil
	}
	for i := range x.Rows {
		p.vectors[layer][which] = append(p.vectors[layer][which], x.Row(i)...)
	}
	return nil
}

// Write writes the page. Queries and keys come with as many layers, from the first on, as fit; those of a single layer always do.
func (p *Page) Write(w io.Writer) error {
	v := p.view()
	v.setProduct(p, 0)
	stored := 1
	if p.o.Layer == nil {
		layer := base64.StdEncoding.EncodedLen(2 * 2 * len(p.text.IDs) * p.m.Encoder.Config.HiddenSize)
		stored = max(0, min(len(p.layers), (mostBytes-len(markup(v))-1000)/layer)) // the sentence about them is some bytes longer then
	}
	v.setProduct(p, stored)
	_, err := io.WriteString(w, markup(v))
	return err
}

// head returns the probabilities of a head as bytes, round(255·p), [tokens, tokens]. NaN becomes 0.
func (p *Page) head(layer, head int) *image.Gray {
	s := len(p.reports)
	img := image.NewGray(image.Rect(0, 0, s, s))
	for i, r := range p.reports {
		for j, v := range r.Layers[layer].Heads[head].Probs {
			if v > 0 {
				img.Pix[i*img.Stride+j] = uint8(math.Round(255 * min(1, float64(v))))
			}
		}
	}
	return img
}

// attributeOf returns an image as an attribute of the page. Its bytes are those of the image: PNG loses nothing.
func attributeOf(name string, img image.Image) string {
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, img); err != nil {
		panic(err) // a Buffer can always be written
	}
	return name + `="data:image/png;base64,` + base64.StdEncoding.EncodeToString(b.Bytes()) + `"`
}

// quantized is a layer's queries or keys in 16 bits: x is about Unit·Values, within half a unit.
type quantized struct {
	Unit   float64
	Values []int16 // [tokens, hidden]
}

func quantize(x []float32) quantized {
	largest := 0.0
	for _, v := range x {
		if a := math.Abs(float64(v)); a > largest && !math.IsInf(a, 0) {
			largest = a
		}
	}
	q := quantized{Unit: largest / math.MaxInt16, Values: make([]int16, len(x))}
	for i, v := range x {
		if a := math.Abs(float64(v)); a <= largest && largest > 0 {
			q.Values[i] = int16(math.Round(float64(v) / q.Unit))
		}
	}
	return q
}

// packed returns vectors for the script: little-endian, in base64.
func packed(vectors []quantized) string {
	var b []byte
	for _, q := range vectors {
		for _, v := range q.Values {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
	}
	return base64.StdEncoding.EncodeToString(b)
}

// hashOf returns how a Content-Security-Policy names the only text that it allows.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func fixed(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
