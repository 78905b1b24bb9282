package report

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// pngScale is the resolution of the PNG files, in pixels a point.
const pngScale = 2

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
		picture := f.chart.Draw(f.w, f.h)
		err := errors.Join(
			write(filepath.Join(dir, f.name+".svg"), func(w io.Writer) error { return picture.WriteSVG(w, paperColor) }),
			write(filepath.Join(dir, f.name+".png"), func(w io.Writer) error { return picture.WritePNG(w, paperColor, pngScale) }))
		if err != nil {
			return i, err
		}
	}
	return len(all), nil
}

// write makes a file of what content writes.
func write(path string, content func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(content(f), f.Close())
}
