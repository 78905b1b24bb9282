package tracepage

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/bert/trace"
	"bertlabel/cmd/bertlabel/internal/browsertest"
	"bertlabel/tensor"
)

// traced is a page with what the stages said.
type traced struct {
	*Page
	stages map[string]*tensor.Tensor // whole
	html   string
}

func pageOf(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tiny traces a text through the tiny model.
func tiny(t *testing.T, text string, o Options) *traced {
	t.Helper()
	m, err := model.Open("../../../../bert/testdata/tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	encoding := m.Encode([]string{text}, nil)[0]
	o.Model, o.Text = "tiny", text
	p := &traced{Page: New(m, encoding, o), stages: map[string]*tensor.Tensor{}}
	err = trace.Run(m, encoding, func(s trace.Stage, x *tensor.Tensor) error {
		kept := tensor.New(x.Rows, x.Cols)
		for i := range x.Rows {
			copy(kept.Row(i), x.Row(i))
		}
		p.stages[s.Name] = kept
		return p.Add(s, x)
	})
	if err != nil {
		t.Fatal(err)
	}
	p.html = pageOf(t, p.Page)
	return p
}

// shape is a model of which there is only the shape.
func shape(t *testing.T, layers, heads, hidden int) *model.Model {
	t.Helper()
	vocab, err := tokenizer.NewVocab([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "word"})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.New(vocab, tokenizer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &model.Model{Tokenizer: tok, Encoder: &bert.Model{
		Config: bert.Config{NumHiddenLayers: layers, NumAttentionHeads: heads, HiddenSize: hidden, IntermediateSize: 4 * hidden},
		Layers: make([]*bert.Layer, layers), Pooler: &bert.Pooler{}}}
}

// synthetic is a page of such a model, whose stages are drawn. Probabilities are exponential, which of all of their mean cost a file most.
func synthetic(t *testing.T, m *model.Model, tokens int, o Options) *Page {
	t.Helper()
	text := tokenizer.Encoding{IDs: make([]int32, tokens), Segments: make([]int32, tokens)}
	for i := range text.IDs {
		text.IDs[i] = 5
	}
	p, rng := New(m, text, o), rand.New(rand.NewPCG(1, 2))
	for _, s := range trace.Stages(m, tokens) {
		x := tensor.New(s.Shape[0], s.Shape[1])
		for i := range x.Rows {
			sum, row := float32(0), x.Row(i)
			for j := range row {
				row[j] = float32(rng.NormFloat64())
				if strings.HasSuffix(s.Name, "/probs") {
					row[j] = float32(rng.ExpFloat64())
				}
				sum += row[j]
			}
			for j := range row {
				if strings.HasSuffix(s.Name, "/probs") {
					row[j] /= sum
				}
			}
		}
		if err := p.Add(s, x); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// A page of BERT base's shape and 64 tokens has at most 1 MB, with q and k of a few layers; a page of one layer always has them.
func TestSize(t *testing.T) {
	t.Parallel()
	page := pageOf(t, base(t))
	stored, err := strconv.Atoi(regexp.MustCompile(`"stored":(\d+)`).FindStringSubmatch(page)[1])
	if err != nil || len(page) > 1_000_000 || stored < 1 {
		t.Errorf("%d bytes with q and k of %d layers", len(page), stored)
	}
	t.Logf("base, 64 tokens: %d bytes with q and k of %d layers", len(page), stored)
	last := 2
	page = pageOf(t, synthetic(t, shape(t, 3, 12, 768), 2*MostTokens, Options{Layer: &last}))
	if !strings.Contains(page, `"stored":1`) || strings.Contains(page, "layer 1") || !strings.Contains(page, "layer 2") {
		t.Errorf("a page of layer 2, %d bytes, has no q and k, or another layer", len(page))
	}
}

func base(t *testing.T) *Page {
	return synthetic(t, shape(t, 12, 12, 768), MostTokens, Options{Model: "base"})
}

// What the page has of q and k is right to 16 bits, and so are bytes to one; what is not a number is 0 and breaks nothing.
func TestPacked(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	x := []float32{1, -3, 0.001, nan, inf, 0}
	q := quantize(x)
	for i, v := range x {
		want := float64(v)
		if v != v || v == inf {
			want = 0
		}
		if got := float64(q.Values[i]) * q.Unit; !(math.Abs(got-want) <= q.Unit/2) {
			t.Errorf("%g became %g", v, got)
		}
	}
	if q := quantize(make([]float32, 3)); q.Unit != 0 || q.Values[0] != 0 {
		t.Errorf("zeros: %+v", q)
	}
	p := tiny(t, "good", Options{})
	p.reports[1].Layers[0].Heads[1].Probs = trace.Numbers([]float32{nan, 1.5, 0.5})
	if row := p.head(0, 1).Pix[3:6]; !bytes.Equal(row, []byte{0, 255, 128}) {
		t.Errorf("bytes %v", row)
	}
	pageOf(t, p.Page)
}

// TestMemory: a page holds less than is estimated, and at least a third of it: the rest is for writing it.
func TestMemory(t *testing.T) {
	m, one := shape(t, 4, 12, 768), 1
	for _, layer := range []*int{nil, &one} {
		live := func() int {
			var s runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&s)
			return int(s.HeapAlloc)
		}
		before := live()
		p := synthetic(t, m, MostTokens, Options{Layer: layer})
		held, want := live()-before, Memory(&m.Encoder.Config, MostTokens, layer != nil)
		runtime.KeepAlive(p)
		if held > want || 3*held < want {
			t.Errorf("%d bytes held, one layer %t: estimated %d", held, layer != nil, want)
		}
	}
}

// write saves a page for the browser.
func write(t *testing.T, name, page string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".html")
	if err := os.WriteFile(path, []byte(page), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// shown is what a person sees: the texts and attributes of the page, and which radio buttons are chosen.
const shown = `(() => {
	const main = document.querySelector('main').cloneNode(true);
	main.querySelector('noscript').remove();
	main.querySelectorAll('input').forEach(e => e.removeAttribute('checked'));
	return main.outerHTML;
})()`

// In a browser: the page has no faults of layout; without script it shows what the script shows of the same choice; mouse and keys come to
// the same; the numbers are those of the stages.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	b := browsertest.Start(t)
	p := tiny(t, "the food was not good .", Options{Token: 2})
	path := write(t, "tiny", p.html)
	b.Check(t, path)

	var static, first, mouse, keys, preview string
	b.SetScript(false)
	b.Open(path, browsertest.Views[0])
	b.Evaluate(shown, &static)
	b.SetScript(true)
	b.Open(path, browsertest.Views[0])
	if b.Evaluate(shown, &first); first != static {
		t.Errorf("the script shows its first choice otherwise than view.go:\n%s\nwant\n%s", first, static)
	}
	if !strings.Contains(static, "<bdi>food</bdi>") || strings.Count(static, `<td class="where">`) != 10 {
		t.Errorf("without script: %s", static)
	}

	b.Point("#tokens label:nth-of-type(5)")
	b.Evaluate(shown, &preview)
	b.Point("h1")
	if b.Evaluate(shown, &keys); keys != first || preview == first {
		t.Error("the pointer on a token does not show it, or leaves it shown")
	}
	b.Click("#tokens label:nth-of-type(5)")
	b.Click("#heads label[title='layer 1, head 1']")
	b.Click("#others label:nth-of-type(6)")
	b.Point("h1")
	b.Evaluate(shown, &mouse)
	checkNumbers(t, b, p, 1, 1, 4, 5)

	b.Open(path, browsertest.Views[0])
	b.Press("Tab", "ArrowRight", "ArrowRight", "Tab", "ArrowRight", "ArrowDown", "Tab")
	b.Press(strings.Fields(strings.Repeat("ArrowRight ", (5-p.view().Other+8)%8))...)
	if b.Evaluate(shown, &keys); keys != mouse {
		t.Errorf("keys come to\n%s\nthe mouse to\n%s", keys, mouse)
	}
	b.Press("Tab") // nothing else wants the keyboard
	b.Evaluate("document.querySelector('#map').dispatchEvent(new MouseEvent('click', {bubbles: true, "+
		"clientX: document.querySelector('#map').getBoundingClientRect().left + 92 + 34 * 1.5, "+
		"clientY: document.querySelector('#map').getBoundingClientRect().top + 92 + 34 * 3.5}))", new(bool))
	checkNumbers(t, b, p, 1, 1, 3, 1)
}

// checkNumbers compares the page with the stages: of head h in layer l, token i and the one that it looks at, j.
func checkNumbers(t *testing.T, b *browsertest.Browser, p *traced, l, h, i, j int) {
	t.Helper()
	var got struct {
		Title, Name   string
		P, Row, Steps []string
		Q             []string
		Cells         []string
		Byte          int
	}
	b.Evaluate(fmt.Sprintf(`(() => {
		const texts = query => [...document.querySelectorAll(query)].map(e => e.textContent);
		const image = document.querySelector('input[name=head]:checked + img'), canvas = document.createElement('canvas');
		canvas.width = canvas.height = image.naturalWidth;
		const g = canvas.getContext('2d');
		g.drawImage(image, 0, 0);
		return {Title: document.querySelector('#layer').parentNode.textContent, Name: texts('#name')[0],
			P: texts('#map .n'), Row: texts('.top td:nth-child(2)'), Steps: texts('#steps b'), Q: texts('#product .numbers td'),
			Cells: texts('#flow tr td:not(.where)').filter(t => t !== ''), Byte: g.getImageData(%d, %d, 1, 1).data[0]};
	})()`, j, i), &got)
	if want := fmt.Sprintf("Layer %d, head %d", l, h); got.Title != want || got.Name != p.reports[0].Tokens[i].Token {
		t.Errorf("%s of %s, want %s", got.Title, got.Name, want)
	}
	near := func(what, text string, want, bound float64) {
		t.Helper()
		if v, err := strconv.ParseFloat(text, 64); err != nil || !(math.Abs(v-want) <= bound) {
			t.Errorf("%s: %q, want %g", what, text, want)
		}
	}
	s, scope := len(p.reports), fmt.Sprintf("bert/encoder/layer_%d/attention/self/", l)
	probs := p.stages[scope+"probs"]
	for n, text := range got.P { // half a byte, and half of the last digit
		near("p", text, float64(probs.Row(h*s + n/s)[n%s]), .5/255+.005)
	}
	row := probs.Row(h*s + i)
	if want := uint8(math.Round(255 * float64(row[j]))); got.Byte != int(want) {
		t.Errorf("byte %d, want %d", got.Byte, want)
	}
	top := p.reports[i].Layers[l].Heads[h]
	for n, place := range top.Looks(5) {
		near("top", got.Row[n], float64(row[place]), .5/255+.005)
	}
	q, k := p.stages[scope+"query"].Row(i)[4*h:4*h+4], p.stages[scope+"key"].Row(j)[4*h:4*h+4]
	for e := range q {
		near("q", got.Q[e], float64(q[e]), .001)
		near("k", got.Q[4+e], float64(k[e]), .001)
		near("q∘k", got.Q[8+e], float64(q[e]*k[e]), .001)
	}
	score := float64(p.stages[scope+"scores"].Row(h*s + i)[j])
	near("q·k", got.Steps[0], 2*score, .001)
	near("q·k/√D", got.Steps[1], score, .001)
	near("p", got.Steps[2], float64(row[j]), .001)
	r := p.reports[i]
	last := r.Layers[1].FeedForward
	near("|word|", got.Cells[0], float64(r.Embeddings[i].Word), .001)
	near("cos", got.Cells[len(got.Cells)-1], float64(last.Cos), .001)
	near("|branch|", got.Cells[len(got.Cells)-6], float64(last.Branch), .001)
}

// No token, label or name becomes an element, a script or a style, whatever is written in it; the layout stands; a page of base's shape
// works, too.
func TestHostileInBrowser(t *testing.T) {
	t.Parallel()
	b := browsertest.Start(t)
	p := tiny(t, "the food was not good .", Options{Text: `</script><script>alert(1)</script>`})
	hostile := []string{"<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "שלום עולם", "\u202eturned\u0000",
		strings.Repeat("wide", 15), "'\"`{{.}}", "&lt;b&gt;", "👨\u200d👩\u200d👧"}
	p.o.Text, p.o.Pair, p.o.Model = strings.Join(hostile, " "), hostile[1], hostile[0]
	for i, text := range hostile {
		p.reports[0].Tokens[i].Token = text
	}
	for i := range p.reports[0].Labels {
		p.reports[0].Labels[i].Label = hostile[i]
	}
	for name, page := range map[string]string{"hostile": pageOf(t, p.Page), "base": pageOf(t, base(t))} {
		path := write(t, name, page)
		os.WriteFile("/tmp/html/"+name+"-t.html", []byte(page), 0o666)
		b.Check(t, path)
		b.Click("#tokens label:nth-of-type(2)")
		var alive, load float64
		b.Evaluate("document.querySelectorAll('main script, iframe, object, a, [onload], [onerror], img:not([src^=\"data:image/png\"])').length",
			&alive)
		b.Evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd", &load)
		if alive != 0 {
			t.Errorf("%s: %v elements that could do something", name, alive)
		}
		t.Logf("%s: %d bytes, loaded in %.0f ms", name, len(page), load)
	}
}
