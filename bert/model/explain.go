package model

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
)

// Method is a way to share a logit out among the words of a text.
type Method string

// The methods, both over the word embeddings x of the tokens; segments and positions stay. docs/explain.md has more of them.
const (
	// IntegratedGradients (Sundararajan et al. 2017, arXiv:1703.01365, §3) follows the logit F from a baseline x′ to x in a
	// straight line, and gives token i the sum over its columns of
	//
	//	(x_i − x′_i) · ∫₀¹ ∂F(x′ + α(x − x′))/∂x_i dα
	//
	// The contributions of all tokens add up to F(x) − F(x′), up to the error of the integral. x′ has the embedding of [PAD] in
	// place of every token of the text; [CLS] and [SEP] stay, so that it is the input of an empty text of the same length.
	IntegratedGradients Method = "integrated-gradients"

	// GradientTimesInput (Shrikumar et al. 2016, arXiv:1605.01713, §3.2) gives token i the sum over its columns of x_i·∂F(x)/∂x_i:
	// one pass instead of many, and what it adds up to means nothing.
	GradientTimesInput Method = "gradient-x-input"
)

// DefaultSteps is how many gradients IntegratedGradients takes.
const DefaultSteps = 64

// MaxSteps bounds them.
const MaxSteps = 10000

// ExplainOptions say how texts are explained. The zero value is IntegratedGradients with DefaultSteps.
type ExplainOptions struct {
	Method Method
	Steps  int // gradients of IntegratedGradients, taken as the next multiple of four; 0: DefaultSteps

	// Run, unless nil, runs each step in its turn and returns its error: a server's scheduler. cost is how many tokens of plain inference
	// take as long as the step; it is at most MaxCost where the text is short enough. MaxCost 0 is passes of 512 tokens. No bit depends on
	// them.
	Run     func(ctx context.Context, cost int, step func() error) error
	MaxCost int
}

func (o *ExplainOptions) run(ctx context.Context, cost int, step func() error) error {
	if o.Run == nil {
		return step()
	}
	return o.Run(ctx, cost, step)
}

// gradientCost is how many times as long as inference a pass forward and back takes, about: two products for each one.
const gradientCost = 3

// Contribution is how much a word moved a logit: up if it is positive.
type Contribution struct {
	Word       string   // as it stands in the text; "[CLS]" or "[SEP]"
	Second     bool     // it stands in the second text of a pair
	Start, End int      // bytes [Start, End) of that text; 0, 0 for [CLS] and [SEP]
	Pieces     []string // word pieces, whose contributions are added up
	Value      float64
}

// Explanation is how a text came by the logit of one label.
type Explanation struct {
	Label           string
	Logit, Baseline float64        // of the text, and of the baseline
	Words           []Contribution // of the text, in order, as far as the model read it
	Special         []Contribution // [CLS] and the [SEP]s: 0 by IntegratedGradients
	Cut             int            // tokens that the model did not read
	Windows         []Passage      // of a text of several windows: what each of them has (WindowShare)
	WindowPooling   WindowPooling  // of a text of several windows: what it is that they have
}

// Passage is the part of a text whose tokens count in one window: bytes [Start, End), so many tokens, and what the window has of a logit,
// or with NoisyOr of −ln(1 − p).
type Passage struct {
	Start, End, Tokens int
	Share              float64
}

// Sum returns the sum of all contributions. By IntegratedGradients it is Logit − Baseline, up to the error of the integral.
func (e *Explanation) Sum() (sum float64) {
	for _, c := range slices.Concat(e.Words, e.Special) {
		sum += c.Value
	}
	return sum
}

// Explainer shares the logits of a model out among words. It holds a copy of the encoder's kernels in float32, and serves one call at a
// time; the model must not change. Of a model in a low precision, logits and baselines are computed in it, but gradients in float32,
// with the weights as the model holds them: so contributions add up to the difference of the logits less exactly.
type Explainer struct {
	m        *Model
	gradient *bert.InputGradient
	workers  *tensor.Workers
	nothing  int32 // the token of the baseline: [PAD], or [UNK] in a vocabulary without it

	// Of one pass: rows of the same tokens, each at a place of the line.
	batch               bert.Batch
	embedded, dwords    tensor.Tensor // [rows·tokens, hidden]
	features, dfeatures tensor.Tensor // [rows, width]

	windows, dwindows tensor.Tensor // of the windows of a text at some places, those of one place together, [places·windows, width]
}

// NewExplainer returns an explainer of m. The error says that m has no head.
func (m *Model) NewExplainer() (*Explainer, error) {
	if m.Head == nil {
		return nil, errNoHead
	}
	e := &Explainer{m: m, workers: tensor.NewWorkers(m.threads)}
	var found bool
	if e.nothing, found = m.Tokenizer.Vocab().ID("[PAD]"); !found {
		e.nothing, _ = m.Tokenizer.Vocab().ID("[UNK]")
	}
	var err error
	e.gradient, err = m.Encoder.NewInputGradient(m.Pooling, e.workers)
	return e, err
}

// Explain explains the logits of some labels for a text, in their order. The bits of an explanation do not depend on the other
// labels or on the number of threads. The error names a label that the model lacks or an option out of range, or is ctx's.
func (e *Explainer) Explain(ctx context.Context, text Text, labels []string, o ExplainOptions) ([]Explanation, error) {
	if o.Method == "" {
		o.Method = IntegratedGradients
	}
	if o.Steps == 0 {
		o.Steps = DefaultSteps
	}
	if o.Method != IntegratedGradients && o.Method != GradientTimesInput || o.Steps < 1 || o.Steps > MaxSteps {
		return nil, fmt.Errorf("method %q with %d steps, want %s or %s with 1 to %d", o.Method, o.Steps, IntegratedGradients,
			GradientTimesInput, MaxSteps)
	}
	rows := make([]int, len(labels)) // of the head
	for i, label := range labels {
		if rows[i] = slices.Index(e.m.Labels, label); rows[i] < 0 {
			return nil, fmt.Errorf("the model has no label %q", label)
		}
	}
	encoded := e.m.EncodeOne(text)
	predictions, shares, err := e.m.predictWindows([]tokenizer.Encoding{encoded, e.baseline(encoded)}, []Text{text, text},
		func(windows []tokenizer.Encoding) (*tensor.Tensor, error) { return e.inSteps(ctx, windows, &o) })
	if err != nil {
		return nil, err
	}
	explanations := make([]Explanation, len(labels))
	for i, label := range labels {
		tokens, err := e.contributions(ctx, encoded, rows[i], o)
		if err != nil {
			return nil, err
		}
		explanations[i] = e.words(text, encoded, tokens)
		explanations[i].Label = label
		explanations[i].Logit = float64(predictions[0].Logits[rows[i]])
		explanations[i].Baseline = float64(predictions[1].Logits[rows[i]])
		if len(shares[0]) > 1 {
			explanations[i].WindowPooling = e.m.WindowPooling
			for _, s := range shares[0] {
				explanations[i].Windows = append(explanations[i].Windows, Passage{s.Start, s.End, s.Tokens, s.Shares[rows[i]]})
			}
		}
	}
	return explanations, nil
}

// inSteps returns the features of windows, [windows, width], as many of them in a step as it may have.
func (e *Explainer) inSteps(ctx context.Context, windows []tokenizer.Encoding, o *ExplainOptions) (*tensor.Tensor, error) {
	y := tensor.New(len(windows), e.m.Head.Weights.Shape[1])
	for first, end := 0, 0; first < len(windows); first = end {
		cost := len(windows[first].IDs)
		for end = first + 1; end < len(windows) && (o.MaxCost == 0 || cost+len(windows[end].IDs) <= o.MaxCost); end++ {
			cost += len(windows[end].IDs)
		}
		err := o.run(ctx, cost, func() error {
			features, err := e.m.Features(ctx, windows[first:end], e.m.Pooling, nil)
			if broken, ok := err.(*FeatureError); ok {
				broken.Text += first
			}
			if err != nil {
				return err
			}
			for i := range features.Rows {
				copy(y.Row(first+i), features.Row(i))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return y, nil
}

// isMarker reports whether token i of one row is [CLS] or a [SEP].
func isMarker(encoded tokenizer.Encoding, i int) bool {
	return i == 0 || i == len(encoded.IDs)-1 || encoded.Segments[i] != encoded.Segments[i+1]
}

// baseline returns the row that says nothing.
func (e *Explainer) baseline(encoded tokenizer.Encoding) tokenizer.Encoding {
	ids := slices.Clone(encoded.IDs)
	for w := range encoded.Sequences() {
		row, start := encoded.Alone(w), encoded.Sequence(w).Start
		for i := range row.IDs {
			if !isMarker(row, i) {
				ids[start+i] = e.nothing
			}
		}
	}
	return tokenizer.Encoding{IDs: ids, Segments: encoded.Segments, Windows: encoded.Windows}
}

// contributions returns those of each token to the logit of a label, [tokens of all windows].
func (e *Explainer) contributions(ctx context.Context, encoded tokenizer.Encoding, label int, o ExplainOptions) ([]float64, error) {
	if o.Method == GradientTimesInput { // the last place of the line from zero to x
		return e.integrate(ctx, e.lines(encoded, nil), label, []float64{1}, []float64{1}, &o)
	}
	l := e.lines(encoded, e.baseline(encoded).IDs)
	panels := max(1, (o.Steps+gaussPoints-1)/gaussPoints)
	profile, err := e.profile(ctx, l, label, panels*gaussPoints, &o)
	if err != nil {
		return nil, err
	}
	places, weights := quadrature(profile, panels)
	return e.integrate(ctx, l, label, places, weights, &o)
}

// line is the straight line of word embeddings from + place·step, 0 ≤ place ≤ 1, of one row. All windows of a text are at the same place.
type line struct {
	ids, segments []int32
	kept          bert.Range
	whole         bool           // all of the row is read
	from, step    *tensor.Tensor // [tokens, hidden]
}

// lines returns the lines of a text's windows from the embeddings of some tokens, nil for zero, to its own.
func (e *Explainer) lines(encoded tokenizer.Encoding, from []int32) []*line {
	table, h := e.m.Encoder.Embeddings.Word, e.m.Encoder.Config.HiddenSize
	lines := make([]*line, encoded.Sequences())
	for n := range lines {
		w := encoded.Sequence(n)
		l := &line{encoded.IDs[w.Start:w.End], encoded.Segments[w.Start:w.End], bert.Range{Start: w.KeptStart - w.Start, End: w.KeptEnd - w.Start},
			len(lines) == 1, tensor.New(w.End-w.Start, h), tensor.New(w.End-w.Start, h)}
		for i, id := range l.ids {
			if from != nil {
				table.Read(l.from.Row(i), int(from[w.Start+i]))
			}
			step := l.step.Row(i)
			table.Read(step, int(id))
			for j, v := range l.from.Row(i) {
				step[j] -= v
			}
		}
		lines[n] = l
	}
	return lines
}

// profile returns the logit at n + 1 places of the line, from 0 to 1.
func (e *Explainer) profile(ctx context.Context, lines []*line, label, n int, o *ExplainOptions) ([]float64, error) {
	places := make([]float64, n+1)
	for i := range places {
		places[i] = float64(i) / float64(n)
	}
	logits := make([]float64, 0, n+1)
	err := e.passes(ctx, lines, places, 1, o, func(first, end int) error {
		features, err := e.read(ctx, lines, places[first:end], o)
		if err != nil {
			return err
		}
		z := make([]float64, features.Rows/(end-first)) // of the rows of one place
		for k := range end - first {
			for w := range z {
				z[w] = e.logit(label, features.Row(k*len(z)+w))
			}
			logits = append(logits, e.m.calibration(label).of(layers.NoisyOr(z)))
		}
		return nil
	})
	return logits, err
}

// logit runs the head on a feature.
func (e *Explainer) logit(label int, feature []float32) float64 {
	z := float64(e.m.Head.Bias.Value[label])
	for j, w := range e.headRow(label) {
		z += float64(w) * float64(feature[j])
	}
	return z
}

// read returns what the head reads of the text at some places, those of one place together: its features, [places, width], or with NoisyOr
// those of each window, [places·windows, width]. Features of windows stay in e.windows.
func (e *Explainer) read(ctx context.Context, lines []*line, places []float64, o *ExplainOptions) (*tensor.Tensor, error) {
	if len(lines) == 1 {
		return &e.features, e.pass(ctx, lines[0], places, o, nil)
	}
	if err := e.windowFeatures(ctx, lines, places, o); err != nil || e.m.noisyOr() {
		return &e.windows, err
	}
	y, kept := tensor.New(len(places), e.features.Cols), keptOf(lines)
	for k := range places {
		windows := e.windows.SliceRows(k*len(lines), (k+1)*len(lines))
		if err := e.m.Encoder.JoinWindows(y.Row(k), &windows, e.m.Pooling, kept); err != nil {
			return nil, err
		}
	}
	return y, nil
}

// windowFeatures sets e.windows to the features of each window at each place, those of one place together.
func (e *Explainer) windowFeatures(ctx context.Context, lines []*line, places []float64, o *ExplainOptions) error {
	e.windows.Resize(len(places)*len(lines), e.m.Head.Weights.Shape[1])
	for w, l := range lines {
		if err := e.pass(ctx, l, places, o, nil); err != nil {
			return err
		}
		for k := range places {
			copy(e.windows.Row(k*len(lines)+w), e.features.Row(k))
		}
	}
	return nil
}

// keptOf returns the tokens that count in each window.
func keptOf(lines []*line) []bert.Range {
	kept := make([]bert.Range, len(lines))
	for i, l := range lines {
		kept[i] = l.kept
	}
	return kept
}

// integrate returns Σ over the places of weight·step·gradient, summed over columns, [tokens of all windows].
func (e *Explainer) integrate(ctx context.Context, lines []*line, label int, places, weights []float64, o *ExplainOptions) (sum []float64,
	err error) {
	for _, l := range lines {
		sum = append(sum, make([]float64, len(l.ids))...)
	}
	err = e.passes(ctx, lines, places, gradientCost, o, func(first, end int) error {
		if err := e.gradients(ctx, lines, label, places[first:end], o); err != nil {
			return err
		}
		at := 0
		for w, l := range lines {
			err := e.pass(ctx, l, places[first:end], o, func() {
				e.dfeatures.Resize(e.features.Rows, e.features.Cols)
				for k := range e.features.Rows {
					copy(e.dfeatures.Row(k), e.dwindows.Row(k*len(lines)+w))
				}
				e.backward(sum[at:at+len(l.ids)], l.step, weights[first:end])
			})
			if err != nil {
				return err
			}
			at += len(l.ids)
		}
		return nil
	})
	return sum, err
}

// gradients sets e.dwindows to the gradient of a logit, w·features + b, by the features of each window at each place.
func (e *Explainer) gradients(ctx context.Context, lines []*line, label int, places []float64, o *ExplainOptions) error {
	row := e.headRow(label)
	e.dwindows.Resize(len(places)*len(lines), len(row))
	if len(lines) == 1 {
		for k := range places {
			e.scaled(e.dwindows.Row(k), label, 1)
		}
		return nil
	}
	if err := e.windowFeatures(ctx, lines, places, o); err != nil {
		return err
	}
	kept, dz := keptOf(lines), make([]float64, len(lines))
	for k := range places {
		dwindows := e.dwindows.SliceRows(k*len(lines), (k+1)*len(lines))
		windows := e.windows.SliceRows(k*len(lines), (k+1)*len(lines))
		if e.m.noisyOr() { // z = NoisyOr(z_w), z_w = w·features_w + b
			for w := range dz {
				dz[w] = e.logit(label, windows.Row(w))
			}
			layers.NoisyOrGradient(dz, dz)
			for w, d := range dz {
				e.scaled(dwindows.Row(w), label, d)
			}
		} else if err := e.m.Encoder.JoinWindowsBackward(&dwindows, &windows, row, e.m.Pooling, kept); err != nil {
			return err
		}
	}
	return nil
}

// scaled sets dx to d times the gradient of a calibrated logit by the feature that the head reads.
func (e *Explainer) scaled(dx []float32, label int, d float64) {
	d *= e.m.calibration(label).slope()
	for j, w := range e.headRow(label) {
		dx[j] = float32(d * float64(w))
	}
}

// pass runs places of a line forward, and what is to follow at once, nil for nothing, as one step.
func (e *Explainer) pass(ctx context.Context, l *line, places []float64, o *ExplainOptions, follow func()) error {
	cost := 1
	if follow != nil {
		cost = gradientCost
	}
	return o.run(ctx, cost*len(places)*len(l.ids), func() error {
		e.workers.Start()
		defer e.workers.Stop()
		if err := e.forward(l, places); err != nil {
			return err
		}
		if follow != nil {
			follow()
		}
		return nil
	})
}

// passes calls f for the places of a line, as many at a time as a step may have whose pass costs so many times a pass forward. No window is
// longer than the first.
func (e *Explainer) passes(ctx context.Context, lines []*line, places []float64, cost int, o *ExplainOptions,
	f func(first, end int) error) error {
	together := max(1, batchTokens/len(lines[0].ids))
	if o.MaxCost > 0 {
		together = max(1, o.MaxCost/(cost*len(lines[0].ids)))
	}
	for first := 0; first < len(places); first += together {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := f(first, min(first+together, len(places))); err != nil {
			return err
		}
	}
	return nil
}

// headRow returns the weights of a label.
func (e *Explainer) headRow(label int) []float32 {
	width := e.m.Head.Weights.Shape[1]
	return e.m.Head.Weights.Value[label*width : (label+1)*width]
}

// forward runs rows that stand at some places of a line.
func (e *Explainer) forward(l *line, places []float64) error {
	n := len(l.ids)
	e.batch.Reset()
	e.embedded.Resize(len(places)*n, l.from.Cols)
	for k, place := range places {
		if l.whole {
			e.batch.Append(l.ids, l.segments)
		} else {
			e.batch.AppendWindow(l.ids, l.segments, l.kept.Start, l.kept.End, false)
		}
		for i := range n {
			row, x, dx := e.embedded.Row(k*n+i), l.from.Row(i), l.step.Row(i)
			for j := range row {
				row[j] = float32(float64(x[j]) + place*float64(dx[j]))
			}
		}
	}
	e.features.Resize(len(places), e.m.Head.Weights.Shape[1])
	return e.gradient.Forward(&e.features, &e.embedded, &e.batch)
}

// backward adds to sum [tokens] what the rows of the last forward give, whose features have the gradient e.dfeatures.
func (e *Explainer) backward(sum []float64, step *tensor.Tensor, weights []float64) {
	e.dwords.Resize(e.embedded.Rows, e.embedded.Cols)
	e.gradient.Backward(&e.dwords, &e.dfeatures)
	for k, weight := range weights {
		for i := range sum {
			dot, gradient := 0.0, e.dwords.Row(k*len(sum)+i)
			for j, v := range step.Row(i) {
				dot += float64(v) * float64(gradient[j])
			}
			sum[i] += weight * dot
		}
	}
}

// collapse adds up the contributions of a token in all windows that have it. What the [CLS] and [SEP] of windows have that are not those of
// the text comes back by itself.
func (e *Explainer) collapse(encoded tokenizer.Encoding, tokens []float64) (row tokenizer.Encoding, sums []float64, markers []Contribution) {
	row, places := encoded.Whole()
	sums = make([]float64, len(row.IDs))
	for i, place := range places {
		if place >= 0 {
			sums[place] += tokens[i]
		} else {
			markers = append(markers, e.marker(encoded.IDs[i], tokens[i]))
		}
	}
	return row, sums, markers
}

// marker is what a [CLS] or [SEP] contributes.
func (e *Explainer) marker(id int32, value float64) Contribution {
	return Contribution{Word: e.m.Tokenizer.Token(id), Pieces: e.m.Tokenizer.Tokens([]int32{id}), Value: value}
}

// words adds up the contributions of the pieces of each word.
func (e *Explainer) words(text Text, encoded tokenizer.Encoding, tokens []float64) Explanation {
	encoded, tokens, markers := e.collapse(encoded, tokens)
	x := Explanation{Cut: encoded.Cut, Special: markers}
	var ends []int // of each text, the token after its last one: a [SEP]
	for i := range tokens {
		if isMarker(encoded, i) {
			x.Special = append(x.Special, e.marker(encoded.IDs[i], tokens[i]))
			ends = append(ends, i)
		}
	}
	for second, end := range ends[1:] {
		at, s := ends[second]+1, []string{text.A, text.B}[second]
		words := e.m.Tokenizer.Words(s)
		cut := 0 // pieces at the beginning that the model did not read
		if e.m.Tokenizer.Options().TruncateLeft {
			for _, w := range words {
				cut += w.Pieces
			}
			cut -= end - at
		}
		for _, w := range words {
			before := min(w.Pieces, cut)
			cut -= before
			pieces := min(w.Pieces-before, end-at)
			if pieces == 0 {
				continue // cut
			}
			c := Contribution{Word: s[w.Start:w.End], Second: second == 1, Start: w.Start, End: w.End,
				Pieces: e.m.Tokenizer.Tokens(encoded.IDs[at : at+pieces])}
			for _, v := range tokens[at : at+pieces] {
				c.Value += v
			}
			x.Words = append(x.Words, c)
			at += pieces
		}
	}
	return x
}

// gaussPoints is how many gradients are taken in a part of the line.
const gaussPoints = 4

// gauss are the places in [−1, 1] and the weights of the Gauss-Legendre rule with four points, exact for polynomials up to degree
// seven (Abramowitz and Stegun, table 25.4).
var gauss = [gaussPoints][2]float64{
	{-0.861136311594052575, 0.347854845137453857}, {-0.339981043584856265, 0.652145154862546143},
	{0.339981043584856265, 0.652145154862546143}, {0.861136311594052575, 0.347854845137453857},
}

// quadrature returns places in (0, 1) and weights, which add up to 1, for the integral of the derivative of a function that has
// the given values at 0, …, 1. A tuned BERT goes through most of its change in a small part of the line, so the line is cut into
// panels that share evenly in its length, which counts twice, and the function's variation; each has the Gauss-Legendre rule.
func quadrature(values []float64, panels int) (places, weights []float64) {
	cells := len(values) - 1
	variation := 0.0
	for i := range cells {
		variation += math.Abs(values[i+1] - values[i])
	}
	shared := make([]float64, cells+1) // the share of all up to a value, 0 to 1
	for i := range cells {
		share := 1 / float64(cells)
		if variation > 0 {
			share = (2*share + math.Abs(values[i+1]-values[i])/variation) / 3
		}
		shared[i+1] = shared[i] + share
	}
	from, cell := 0.0, 0
	for p := range panels {
		to := 1.0
		if p < panels-1 {
			want := shared[cells] * float64(p+1) / float64(panels)
			for shared[cell+1] < want {
				cell++
			}
			to = (float64(cell) + (want-shared[cell])/(shared[cell+1]-shared[cell])) / float64(cells)
		}
		for _, g := range gauss {
			places = append(places, from+(to-from)*(1+g[0])/2)
			weights = append(weights, (to-from)*g[1]/2)
		}
		from = to
	}
	return places, weights
}
