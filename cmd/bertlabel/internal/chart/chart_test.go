package chart

import (
	"bytes"
	"encoding/xml"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

var (
	black = color.NRGBA{0, 0, 0, 0xFF}
	white = color.NRGBA{0xFF, 0xFF, 0xFF, 0xFF}
	red   = color.NRGBA{0xFF, 0, 0, 0xFF}
)

func TestTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		least, most float64
		want        string
	}{
		{0, 1, "0 0.2 0.4 0.6 0.8 1"}, {0, 600, "0 100 200 300 400 500 600"}, {0, 5.2e-5, "0 1e-05 2e-05 3e-05 4e-05 5e-05"},
		{0, 43410, "0 10k 20k 30k 40k"}, {-1, 1, "-1 -0.5 0 0.5 1"}, {3, 3, "3"}, {0, 2.4, "0 0.5 1 1.5 2"}, {0, math.Inf(1), "0"},
	} {
		var got []string
		for _, tick := range Ticks(c.least, c.most) {
			got = append(got, tick.Text)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("from %v to %v: %v, want %v", c.least, c.most, got, c.want)
		}
	}
	if got := PowersOfTen(2e4); len(got) != 5 || got[4] != (Tick{1e4, "10k"}) {
		t.Errorf("powers of ten: %v", got)
	}
}

// From the font's own tables: A has 1366 of 2048 parts of an em, V as many, and the two stand 152 nearer.
func TestWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"A": 1366, "AV": 2*1366 - 152, "": 0, "世": 2 * unknownColumn * 2048, "A世V": 2*1366 + 2*unknownColumn*2048} {
		if got := Width(text, 2048); !(math.Abs(got-want) <= 1) {
			t.Errorf("%q is %v wide, want %v", text, got, want)
		}
	}
}

func TestCurve(t *testing.T) {
	t.Parallel()
	c := Curve{{0, 0}, {1, 1}, {2, 4}, {3, 4}, {9, 9}}
	if got := c.Thinned(2); !slices.Equal(got, Curve{{0, 0}, {2, 4}, {9, 9}}) {
		t.Errorf("thinned: %v", got)
	}
	if got := c.Averaged(3); !slices.Equal(got, Curve{{0.5, 0.5}, {2.5, 4}, {9, 9}}) {
		t.Errorf("averaged: %v", got)
	}
	if got := c.Averaged(5); !slices.Equal(got, c) {
		t.Errorf("averaged over one each: %v", got)
	}
}

func TestDashes(t *testing.T) {
	t.Parallel()
	l := line{Stroke{Dashes: []float64{4, 3}}, Curve{{0, 0}, {5, 0}, {5, 6}}} // 11 long: 0 to 4, and 7 to 11
	got := l.dashed()
	if len(got) != 2 || !slices.Equal(got[0], Curve{{0, 0}, {4, 0}}) || !slices.Equal(got[1], Curve{{5, 2}, {5, 6}}) {
		t.Errorf("%v", got)
	}
}

// pixels paints a drawing of one shape and counts what is red, in squares of a point.
func pixels(t *testing.T, d *Drawing) (red func(x, y float64) float64, sum float64) {
	t.Helper()
	const scale = 4
	var b bytes.Buffer
	if err := d.WritePNG(&b, white, scale); err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(&b)
	if err != nil || picture.Bounds().Dx() != int(scale*d.W) || picture.Bounds().Dy() != int(scale*d.H) {
		t.Fatalf("%v, %v", picture.Bounds(), err)
	}
	at := func(x, y int) float64 {
		_, g, _, _ := picture.At(x, y).RGBA()
		return 1 - float64(g)/0xFFFF
	}
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			sum += at(x, y) / (scale * scale)
		}
	}
	return func(x, y float64) float64 { return at(int(x*scale), int(y*scale)) }, sum
}

// Shapes cover the areas that geometry gives them.
func TestPaint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		draw func(d *Drawing)
		area float64
	}{
		{"rectangle", func(d *Drawing) { d.Area(red, Rectangle(2, 3, 12, 7)) }, 40},
		{"two that overlap", func(d *Drawing) { d.Area(red, Rectangle(2, 3, 12, 7), Rectangle(10, 3, 14, 7)) }, 48},
		{"half there", func(d *Drawing) { d.Area(color.NRGBA{0xFF, 0, 0, 0x80}, Rectangle(2, 3, 12, 7)) }, 40 * 128. / 255},
		{"disc", func(d *Drawing) { d.Disc(red, Point{10, 10}, 5) }, 24 / 2 * 25 * math.Sin(2*math.Pi/24)},
		{"line", func(d *Drawing) { d.Line(Stroke{Color: red, Width: 2}, Point{3, 3}, Point{15, 12}) }, 30},
		{"line there and back", func(d *Drawing) { d.Line(Stroke{Color: red, Width: 2}, Point{3, 10}, Point{15, 10}, Point{3, 10}) },
			24 + 24/4*math.Sin(2*math.Pi/24)}, // with half a disc at the turn
		{"dashes", func(d *Drawing) { d.Line(Stroke{red, 2, []float64{4, 3}}, Point{3, 10}, Point{14, 10}) }, 16},
	} {
		d := &Drawing{W: 20, H: 20}
		c.draw(d)
		if _, got := pixels(t, d); !(math.Abs(got-c.area) <= 0.02*c.area) { // of 256 shades at the edges
			t.Errorf("%s: %v square points, want %v", c.name, got, c.area)
		}
	}
}

// A text stands where it should, upright and turned: its ink lies between begin and end, and half of it above the middle.
func TestPaintText(t *testing.T) {
	t.Parallel()
	width := Width("HHHH", 10)
	for _, anchor := range []float64{0, 0.5, 1} {
		upright, turned := &Drawing{W: 80, H: 80}, &Drawing{W: 80, H: 80}
		upright.Text(Text{"HHHH", Point{40, 40}, 10, red, anchor, false})
		turned.Text(Text{"HHHH", Point{40, 40}, 10, red, anchor, true})
		_, ink := pixels(t, upright)
		if _, other := pixels(t, turned); ink < 20 || !(math.Abs(ink-other) <= 1e-3) {
			t.Errorf("anchor %v: %v square points of ink, turned %v", anchor, ink, other)
		}
		for _, d := range []*Drawing{upright, turned} {
			at, _ := pixels(t, d)
			least, most, above, below := 80., 0., 0., 0.
			for u := 0.; u < 80; u += 0.25 { // along the text
				for v := 0.; v < 80; v += 0.25 { // across it
					p := at(u, v)
					if d == turned {
						p = at(v, 79.75-u)
					}
					if p > 0.5 {
						least, most = min(least, u), max(most, u)
					}
					if v < 40 {
						above += p
					} else {
						below += p
					}
				}
			}
			begin, bearing := 40-anchor*width, 0.8+0.5 // left and right of the stems of an H, and half a pixel and more by rounding
			if !(math.Abs(least-begin) <= bearing && math.Abs(most-begin-width) <= bearing && math.Abs(above-below) <= 0.15*(above+below)) {
				t.Errorf("anchor %v: from %v to %v, want %v to %v; ink above %v, below %v", anchor, least, most, begin, begin+width, above, below)
			}
		}
	}
}

// Markup is well-formed whatever a text is, and says what was drawn.
func TestMarkup(t *testing.T) {
	t.Parallel()
	c := Chart{X: Axis{Name: "<x>", Most: 1, Ticks: Ticks(0, 1)}, Y: Axis{Most: 1, Names: true, Ticks: []Tick{{0.5, `a "b" & <c>`}}},
		Legend: []Entry{{"</svg>", red, true}}, Grid: true, Ink: black, Muted: black, GridColor: black}
	c.Add(LineMark(Curve{{0, 0}, {1, 1}}, Stroke{red, 2, []float64{4, 3}}), DotMark(Curve{{0.5, 0.5}}, red, 3))
	d := c.Draw(300, 200)
	var file bytes.Buffer
	if err := d.WriteSVG(&file, white); err != nil {
		t.Fatal(err)
	}
	inline := d.Inline(`<"title">`, func(c color.NRGBA) string { return "var(--c)" })
	for name, markup := range map[string]string{"file": file.String(), "inline": inline} {
		decoder, texts := xml.NewDecoder(strings.NewReader(markup)), ""
		for {
			token, err := decoder.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v in %s", name, err, markup)
			}
			if text, ok := token.(xml.CharData); ok {
				texts += string(text)
			}
		}
		for _, want := range []string{"<x>", `a "b" & <c>`, "</svg>", "0.2"} {
			if !strings.Contains(texts, want) {
				t.Errorf("%s: no text %q in %q", name, want, texts)
			}
		}
		for _, want := range []string{"stroke-dasharray:4 3", "<circle", "<path"} {
			if !strings.Contains(markup, want) {
				t.Errorf("%s: no %q in %s", name, want, markup)
			}
		}
	}
	if strings.Contains(inline, ":#") || !strings.Contains(file.String(), "#ff0000") {
		t.Error("colours are not those that were asked for")
	}
}

// A place between the axes is where the ticks say.
func TestAxes(t *testing.T) {
	t.Parallel()
	c := Chart{X: Axis{Least: -2, Most: 2, Ticks: Ticks(-2, 2)}, Y: Axis{Log: true, Least: 1, Most: 100, Ticks: PowersOfTen(100)}}
	left, top, right, bottom := c.Room(200)
	c.Add(func(d *Drawing, x, y func(float64) float64) {
		for _, p := range []struct{ got, want float64 }{{x(-2), left}, {x(2), 200 - right}, {x(0), (left + 200 - right) / 2},
			{y(1), 100 - bottom}, {y(100), top}, {y(10), (100 - bottom + top) / 2}} {
			if !(math.Abs(p.got-p.want) <= 1e-9) {
				t.Errorf("%v, want %v", p.got, p.want)
			}
		}
	})
	c.Draw(200, 100)
}
