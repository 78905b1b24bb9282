package fit

import (
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit/note"
	"bertlabel/train/score"
)

// Planned is what a run would do.
type Planned struct {
	Poolings []bert.Pooling // that a head is found on; of several one is kept
	Features bert.Pooling   // that is computed: it has the vectors of all Poolings
	Width    int            // numbers of its features
	Steps    int            // gradient steps; 0 for an exact head
	Cut      int            // texts of rows and Dev that are longer than the model reads
	Memory   train.Memory   // at its largest
	Fits     bool           // in Options.MaxMemory
	Smaller  []string       // what would make it smaller, a line each, with options by their keys in backquotes
}

// Plan says what Model would do with the same arguments, and what it would need, without doing it: it tokenises the texts and leaves m,
// the folder and the observer alone. Errors are those that Model returns before its first step, but for *MemoryError.
func Plan(m *model.Model, rows *data.Dataset, o Options) (*Planned, error) {
	o.Observer = Observer{}
	r, err := newRun(m, rows, o)
	if err != nil {
		return nil, err
	}
	own, join := m.Windows, m.WindowPooling
	defer func() { m.Windows, m.WindowPooling = own, join }()
	m.Windows, m.WindowPooling = o.windows(m), r.o.WindowPooling
	if err := r.encode(); err != nil {
		return nil, err
	}
	p := &Planned{Poolings: o.Poolings, Features: r.pooling, Width: r.width}
	if len(p.Poolings) == 0 {
		p.Poolings = []bert.Pooling{r.pooling}
	}
	p.Cut = r.cut
	if !o.exact() {
		schedule, err := r.config.Schedule(rows.Rows())
		if err != nil {
			return nil, &OptionError{Option: "num_train_epochs", Err: err}
		}
		p.Steps = schedule.Steps
	}
	if o.Tune == Head {
		p.Memory, err = r.headMemory()
		p.Smaller = r.smallerHead()
	} else {
		e := r.newEncoderRun(r.newHead(p.Width, rows.Y, rows.Shares))
		if p.Memory, err = e.settleMemory(); err == nil {
			p.Smaller = e.smaller(p.Memory)
		}
	}
	p.Fits = o.MaxMemory == 0 || int64(p.Memory.Total()) <= o.MaxMemory
	return p, err
}

// encodeSet tokenises the texts of a data set, and tells how many were cut.
func (r *run) encodeSet(set *data.Dataset) ([]tokenizer.Encoding, error) {
	texts, cut, err := score.Encode(r.m, set, r.o.OnLong)
	if err != nil {
		return nil, err
	}
	r.cut += cut
	found := diagnosis.Cut(set.File, cut, len(texts), r.m.Lengths(), r.m.Encoder.Config.MaxPositionEmbeddings,
		r.m.Tokenizer.Options().TruncateLeft)
	reading := &diagnosis.Reading{}
	for i := range texts {
		reading.Add(&texts[i], set.Texts[i], set.Pair(i))
	}
	r.readings[set] = *reading
	r.watch.findings(reading.Findings(set.File, r.m.Tokenizer)...)
	if r.watch.findings(found...); cut > 0 && len(found) == 0 {
		r.watch.note(note.Cut{File: set.File, Cut: cut, Texts: len(texts), Lengths: r.m.Lengths()})
	}
	return texts, nil
}
