package report

import (
	"bytes"
	"os"
	"path/filepath"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// pngDPI is the resolution of the PNG files: two pixels a point.
const pngDPI = 144

// WritePlots writes every figure as NAME.svg and NAME.png, on white, into a folder, which it makes. It returns the number of figures.
func (r *Report) WritePlots(dir string) (int, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, err
	}
	var all []figure
	if r.Scored != nil {
		a := analyse(r.Scored)
		all = append(a.figures(), a.heatMaps()...)
	}
	if r.History != nil {
		all = append(all, r.History.figures()...)
	}
	for i := range all {
		f := &all[i]
		svg := vgsvg.New(f.w, f.h)
		png := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(f.w, f.h), vgimg.UseDPI(pngDPI))}
		for _, out := range []struct {
			canvas vg.CanvasWriterTo
			suffix string
		}{{svg, ".svg"}, {png, ".png"}} {
			if err := f.write(out.canvas, filepath.Join(dir, f.name+out.suffix)); err != nil {
				return i, err
			}
		}
	}
	return len(all), nil
}

// write draws the figure on white and writes it to a file.
func (f *figure) write(canvas vg.CanvasWriterTo, path string) error {
	area := draw.NewCanvas(canvas, f.w, f.h)
	area.SetColor(paperColor)
	area.Fill(area.Rectangle.Path())
	f.draw(canvas, newHandler(nil))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o666)
}
