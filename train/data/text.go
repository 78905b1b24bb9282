package data

// textRows reads lines, each of which is a text, blank ones too.
type textRows struct{ lines *lines }

func (r textRows) start() error { return nil }

func (r textRows) next(ex *Example) error {
	line, err := r.lines.single()
	ex.Text = string(line)
	return err
}
