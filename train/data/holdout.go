package data

// Select returns rows of the data set, by number, in the order given. Texts are shared with d; Stats and Notes are those of all of d.
func (d *Dataset) Select(rows []int) *Dataset {
	part := *d
	part.Texts, part.Pairs, part.IDs, part.Lines, part.Raw, part.Y, part.Shares = nil, nil, nil, nil, nil, nil, nil
	for _, i := range rows {
		part.Texts = append(part.Texts, d.Texts[i])
		keep(&part.Pairs, d.Pairs, i)
		keep(&part.IDs, d.IDs, i)
		keep(&part.Raw, d.Raw, i)
		if d.Lines != nil {
			part.Lines = append(part.Lines, d.Lines[i])
		}
		if d.Labels != nil {
			part.Y = append(part.Y, d.Row(i)...)
			if c := d.Labels.Len(); d.Shares != nil {
				part.Shares = append(part.Shares, d.Shares[i*c:(i+1)*c]...)
			}
		}
	}
	return &part
}

// HoldOut deals the rows of a labelled data set into those to train on and a share of them, above 0 and below 1, to judge by, stratified by
// label ([Stratify]); rows of one text ([Groups]) stay together, and each part keeps the order of d. The two are a function of the arguments.
func HoldOut(d *Dataset, share float64, seed uint64) (rest, held *Dataset) {
	group, _ := Groups(d)
	part := Stratify(d.Positives(), group, []float64{1 - share, share}, seed)
	left, out := SplitFold(part, 1)
	return d.Select(left), d.Select(out)
}
