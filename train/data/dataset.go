package data

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
)

// Dataset is a whole file in memory, row by row in file order.
type Dataset struct {
	File   string
	Labels *LabelList // nil when labels were ignored
	Texts  []string   // [rows]
	Pairs  []string   // [rows], or nil when no row has a second text
	IDs    []string   // [rows], or nil when no row has an id
	Y      []int8     // [rows, C], row-major: 1, 0 or Unknown; nil when labels were ignored
	Shares []float32  // [rows, C], from 0 to 1, with Options.SoftLabels: what a loss takes, while all that counts goes by Y; else nil
	Lines  []int      // [rows], the physical line on which each row starts
	Raw    []string   // [rows], the bytes of each row with its line end, or nil without Options.KeepRaw
	Head   string     // with Raw, the bytes before the rows: a byte order mark, the header
	// Binarize is that of the options, by which Y counts Shares; 0: from a half, which nobody has said.
	Binarize float64
	SHA256   [sha256.Size]byte
	Stats    Stats
	Notes    []Note // what is to be known about how it was read
	// LabelCells says that each label has a column of cells in a table.
	LabelCells bool
	// Dropped are the labels that Options.DropUnknown left out.
	Dropped []UnknownLabel
}

// Rows is the number of rows.
func (d *Dataset) Rows() int { return len(d.Texts) }

// Check returns an error for a data set whose lists do not go together, as one that was made by hand may be. Load gives none such.
// The text goes on after the name of the set. Labels may be nil, and Lines too.
func (d *Dataset) Check() error {
	n, labels := d.Rows(), 0
	if d.Labels != nil {
		labels = d.Labels.Len()
	}
	switch {
	case len(d.Y) != n*labels:
		return fmt.Errorf("has %d label cells, want %d rows × %d labels", len(d.Y), n, labels)
	case d.Shares != nil && len(d.Shares) != len(d.Y):
		return fmt.Errorf("has %d shares, want none or %d", len(d.Shares), len(d.Y))
	case d.Pairs != nil && len(d.Pairs) != n:
		return fmt.Errorf("has %d second texts, want none or %d", len(d.Pairs), n)
	case d.IDs != nil && len(d.IDs) != n:
		return fmt.Errorf("has %d ids, want none or %d", len(d.IDs), n)
	case d.Lines != nil && len(d.Lines) != n:
		return fmt.Errorf("has %d lines, want none or %d", len(d.Lines), n)
	case d.Raw != nil && len(d.Raw) != n:
		return fmt.Errorf("has %d raw rows, want none or %d", len(d.Raw), n)
	}
	if i := slices.IndexFunc(d.Y, func(y int8) bool { return y < Unknown || y > 1 }); i >= 0 {
		return fmt.Errorf("has a cell %d in row %d, want 1, 0 or −1 for unknown", d.Y[i], i/labels)
	}
	if i := slices.IndexFunc(d.Shares, func(share float32) bool { return !(share >= 0 && share <= 1) }); i >= 0 {
		return fmt.Errorf("has a share %v in row %d, want 0 to 1", d.Shares[i], i/labels)
	}
	return nil
}

// Row returns the labels of row i, [C]; it is a part of Y.
func (d *Dataset) Row(i int) []int8 {
	c := d.Labels.Len()
	return d.Y[i*c : (i+1)*c : (i+1)*c]
}

// Soft reports whether a cell is a share between 0 and 1, neither of them.
func (d *Dataset) Soft() bool {
	return slices.ContainsFunc(d.Shares, func(share float32) bool { return share > 0 && share < 1 })
}

// Pair returns the second text of row i, "" when there is none.
func (d *Dataset) Pair(i int) string {
	if d.Pairs == nil {
		return ""
	}
	return d.Pairs[i]
}

// Line returns the physical line on which row i starts; 0 where Lines is nil, as for rows that were made.
func (d *Dataset) Line(i int) int {
	if d.Lines == nil {
		return 0
	}
	return d.Lines[i]
}

// Positives returns the labels of each row, [rows], by their places in the label list.
func (d *Dataset) Positives() [][]int {
	positives := make([][]int, d.Rows())
	for i := range positives {
		for label, y := range d.Row(i) {
			if y == 1 {
				positives[i] = append(positives[i], label)
			}
		}
	}
	return positives
}

// Load reads a whole file, or standard input for "-". SHA256 is that of the bytes as they are stored, before unpacking.
//
// Without Options.Labels the list is gathered: in the order of the header for 0/1 columns, else sorted by bytes. With a list
// and StopAtBadRow, labels that it lacks are all counted before they are refused, as one *UnknownLabelsError. A file without
// rows is refused. Other errors are those of Open and Reader.Read.
func Load(path string, o Options) (*Dataset, error) {
	r, err := open(path, o, true)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return load(r)
}

// LoadFrom is Load for text from r, which errors are to call name.
func LoadFrom(r io.Reader, name string, o Options) (*Dataset, error) {
	o, err := o.complete(name)
	if err != nil {
		return nil, err
	}
	src, err := newSource(r, name)
	if err != nil {
		return nil, err
	}
	reader, err := newReader(src, o, true)
	if err != nil {
		return nil, err
	}
	return load(reader)
}

// loading is a data set whose label list is not complete yet.
type loading struct {
	Dataset
	cells          []cell // of all rows
	ends           []int  // [rows], where the cells of each row end
	unknown        []int  // rows of whose labels nothing is known but what is in cells
	either         []int  // rows whose list of numbers is cells or places
	eitherCells    []int8 // their cells, one for each label
	hasPair, hasID bool
}

func load(r *Reader) (*Dataset, error) {
	stop := r.options.OnBadRow == StopAtBadRow || r.options.OnBadRow == ""
	if r.set != nil {
		r.set.tally, r.set.whole = r.set.tally || stop, true
	}
	d := &loading{Dataset: Dataset{File: r.src.name, Head: r.head, Binarize: r.options.Binarize}}
	if table, ok := r.rows.(*tableRows); ok {
		d.LabelCells = len(table.columns) > 0
	}
	for {
		var ex Example
		err := r.Read(&ex)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if ex.Bad != nil {
			continue // reported only
		}
		d.add(&ex, r.set)
		if r.options.KeepRaw {
			d.Raw = append(d.Raw, string(r.lines.row()))
		}
	}
	return d.finish(r)
}

func (d *loading) add(ex *Example, set *labelSet) {
	d.Texts = append(d.Texts, ex.Text)
	d.Pairs = append(d.Pairs, ex.Pair)
	d.IDs = append(d.IDs, ex.ID)
	d.Lines = append(d.Lines, ex.Line)
	d.hasPair = d.hasPair || ex.HasPair
	d.hasID = d.hasID || ex.HasID
	if set != nil {
		d.cells = append(d.cells, set.cells...)
		d.ends = append(d.ends, len(d.cells))
		if set.unknown {
			d.unknown = append(d.unknown, d.Rows()-1)
		}
		if len(set.either) > 0 {
			d.either, d.eitherCells = append(d.either, d.Rows()-1), append(d.eitherCells, set.either...)
		}
	}
}

// finish checks the whole and lays out the labels.
func (d *loading) finish(r *Reader) (*Dataset, error) {
	d.Stats, d.Dropped = r.stats, r.Unknown()
	if d.Rows() == 0 {
		return nil, r.place(&RowError{Found: "no rows", Expected: "at least one row"}, r.lines.first-1)
	}
	if r.set != nil && r.set.joins != nil {
		if bad := r.set.joins.fault(r.set.list, r.set.column); bad != nil {
			return nil, r.place(bad, bad.Line)
		}
	}
	if len(d.Dropped) > 0 && !r.options.DropUnknown {
		return nil, &UnknownLabelsError{d.File, r.set.list, d.Dropped}
	}
	if !d.hasPair {
		d.Pairs = nil
	}
	if !d.hasID {
		d.IDs = nil
	}
	if r.set != nil {
		if r.set.list.Len() == 0 {
			return nil, r.place(&RowError{Column: r.set.column, Found: "no label in any row", Expected: "at least one label"}, d.Lines[0])
		}
		d.layOut(r.set)
	}
	d.Notes = append(d.Notes, r.Notes()...)
	var err error
	d.SHA256, err = r.src.digest()
	return &d.Dataset, err
}

// layOut writes the cells into Y, in the order of the finished label list.
func (d *loading) layOut(set *labelSet) {
	list := set.list
	place := func(label int) int { return label }
	if set.gather && !set.ordered {
		sorted, to := list.sorted()
		list, place = sorted, func(label int) int { return to[label] }
	}
	d.Labels = list
	d.Y = make([]int8, d.Rows()*list.Len())
	if set.soft {
		d.Shares = make([]float32, len(d.Y))
	}
	for _, i := range d.unknown {
		allUnknown(d.Row(i))
	}
	d.layOutEither(set)
	begin := 0
	for i, end := range d.ends {
		row := d.Row(i)
		for _, c := range d.cells[begin:end] {
			row[place(c.label)] = c.cell
			if set.soft {
				d.Shares[i*list.Len()+place(c.label)] = c.share
			}
		}
		begin = end
	}
}

// layOutEither writes the lists of numbers that single rows leave open. The list of labels has one or two names, and its own order.
func (d *loading) layOutEither(set *labelSet) {
	if len(d.either) == 0 {
		return
	}
	w := set.decide(len(d.either), d.Rows())
	if set.way == undecided {
		d.Notes = append(d.Notes, set.eitherNote(w))
	}
	n := d.Labels.Len()
	for k, i := range d.either {
		row, cells := d.Row(i), d.eitherCells[k*n:(k+1)*n]
		for place, value := range cells {
			if w == asCells {
				row[place] = value
			} else {
				row[value] = 1
			}
		}
		if set.soft {
			for place, y := range row {
				d.Shares[i*n+place] = hard(y).share
			}
		}
	}
}
