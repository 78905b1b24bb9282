package report

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"bertlabel/cmd/bertlabel/internal/chart"
	"bertlabel/train/metrics"
)

// hostile are names and texts that try to leave their place.
var hostile = []string{
	"<script>alert(1)</script>",
	`"><img src=x onerror=alert(1)>`,
	"</title></style></svg><svg onload=alert(1)>",
	"user\u202eresu\u2066\u2067 turned",
	strings.Repeat("endless", 10000/7),
	"family 👨\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 👍🏽",
	"nul\x00bell\x07escape\x1b[31m",
	"z" + strings.Repeat("\u0336\u0489\u0301", 200) + "algo",
	"عربي نص طويل جدا", "עברית", "驚き、怒り、そして悲しみの全て", "﷽﷽﷽", "\u2028\u2029line", "invalid\xff\xfe",
	"{{.Title}} ${x} `", "' style='position:fixed", "]]>--><!--", "#ABCDEF fill:#0B6BB8", "", " ", "javascript:alert(1)",
}

// synthetic returns a scored data set that a model of middling skill might give; some cells are unknown.
func synthetic(rows int, labels []string, seed uint64) *Scored {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &Scored{Data: metrics.Data{Labels: labels}}
	for i := range rows {
		for j := range labels {
			share := 0.3 / math.Sqrt(float64(j+1))
			y, z := int8(0), -2.5+1.2*rng.NormFloat64()
			if rng.Float64() < share {
				y, z = 1, z+3.5*rng.Float64()+1
			}
			if rng.IntN(100) == 0 {
				y = -1
			}
			s.Truth = append(s.Truth, y)
			s.Scores = append(s.Scores, float32(1/(1+math.Exp(-z))))
		}
		s.Texts = append(s.Texts, fmt.Sprintf("This is text %d, and it says that nothing has come, that nobody answers, and that it was paid for.", i))
		s.IDs = append(s.IDs, fmt.Sprintf("row-%04d", i))
		s.Lines = append(s.Lines, i+2)
	}
	s.Metrics = evaluate(s, 0.4)
	return s
}

func evaluate(s *Scored, threshold float32) *metrics.Report {
	r, err := metrics.Evaluate(s.Data, []float32{threshold})
	if err != nil {
		panic(err)
	}
	return r
}

// plainNames returns n names of labels as people give them.
func plainNames(n int) (names []string) {
	words := strings.Fields("admiration annoyance anger late_delivery realization curiosity disapproval embarrassment gratitude nervousness")
	for i := range n {
		names = append(names, fmt.Sprintf("%s %d", words[i%len(words)], i))
	}
	return names
}

// hostileNames makes names of hostile ones: labels have to differ.
func hostileNames() (names []string) {
	for i, name := range hostile {
		names = append(names, strings.ToValidUTF8(name, "\ufffd")+strings.Repeat("!", i))
	}
	return names
}

func history(steps int) *History {
	h := &History{BestStep: float64(steps / 2)}
	for i := 1; i <= steps; i++ {
		s := Step{Step: float64(10 * i), Loss: 1 / math.Sqrt(float64(i)), LearningRate: 5e-5 * (1 - float64(i)/float64(steps)),
			DevLoss: math.NaN(), DevMacro: math.NaN(), DevMicro: math.NaN()}
		if i%(1+steps/10) == 0 {
			s.DevLoss, s.DevMacro, s.DevMicro = 0.5, 0.4, 0.5
		}
		h.Steps = append(h.Steps, s)
	}
	return h
}

// full returns a report with everything in it, every text of which comes from texts.
func full(s *Scored, texts []string) *Report {
	text := func(i int) string { return texts[i%len(texts)] }
	r := &Report{
		Title: text(0), Facts: []Pair{{"model", text(1)}, {"data", text(2)}}, Notes: []string{text(3), text(4)}, Scored: s,
		History:  history(200),
		Baseline: &Baseline{"a linear baseline", map[string]float64{"f1_macro": 0.3, "log_loss": 0.2, "no_metric": 1}},
		Timings:  []Timing{{text(5), 90 * time.Second}, {"in all", 1234 * time.Millisecond}},
		Settings: []Pair{{"--model", text(6)}, {"--labels", text(4)}},
		Command:  "bertlabel eval --model='" + strings.ToValidUTF8(text(1), "") + "' " + strings.Repeat("x", 2000),
		Version:  "bertlabel " + text(7),
	}
	if s != nil {
		s.Explanations = map[int][]Explanation{}
		for i := range s.Texts {
			s.Texts[i], s.IDs[i] = s.Texts[i]+text(i), text(i+1)
			s.Explanations[i] = []Explanation{{text(i), []Word{{text(i), 0.5}, {"word", -0.2}, {text(i + 1), 0}}}}
		}
	}
	return r
}

func pageOf(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What figures are drawn from agrees with what metrics computes on its own.
func TestTallies(t *testing.T) {
	t.Parallel()
	s := synthetic(3000, plainNames(12), 3)
	s.Scores[0], s.Scores[1], s.Scores[2] = 0, 1, 0.5 // the ends, and a threshold
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	tallies := newTallies(s.Data, all)
	for _, k := range []int{0, 1, 40, 50, 99, 100} {
		want := evaluate(s, sweepAt(k))
		var sum metrics.Counts
		for j, l := range want.PerLabel {
			sum.TN, sum.FP, sum.FN, sum.TP = sum.TN+l.TN, sum.FP+l.FP, sum.FN+l.FN, sum.TP+l.TP
			if got := tallies.labels[j].f1[k]; got != float64(l.F1) {
				t.Errorf("threshold %v, label %d: F1 %v, want %v", sweepAt(k), j, got, l.F1)
			}
		}
		if got := tallies.all.counts(k); got != sum {
			t.Errorf("threshold %v: %+v, want %+v", sweepAt(k), got, sum)
		}
	}
	want := evaluate(s, 0.5)
	ece, cells := 0.0, 0
	for _, b := range tallies.all.reliable {
		cells += b.cells
		if b.cells > 0 {
			ece += math.Abs(float64(b.positive) - b.scores.over(b.cells)*float64(b.cells))
		}
	}
	if ece /= float64(cells); !(math.Abs(ece-float64(want.ExpectedCalibrationError)) <= 1e-9) { // each score was rounded to 2^-32
		t.Errorf("the bins give an expected calibration error of %v, want %v", ece, want.ExpectedCalibrationError)
	}
	// Scores of one bin count as equal: of the pairs of a label at most the share in the same bin changes its order.
	if got := area(tallies.all.roc()); !(math.Abs(got-float64(want.ROCAUCMicro)) <= 2e-3) {
		t.Errorf("area under the ROC curve %v, want %v", got, want.ROCAUCMicro)
	}
	for j, l := range want.PerLabel {
		if got := area(tallies.labels[j].roc); !(math.Abs(got-float64(l.ROCAUC)) <= 0.02) { // points up to thin apart
			t.Errorf("area under the thin ROC curve of label %d %v, want %v", j, got, l.ROCAUC)
		}
		last := tallies.labels[j].pr[len(tallies.labels[j].pr)-1]
		if share := float64(l.Support) / float64(l.Known()); last.X != 1 || !(math.Abs(last.Y-share) <= 1e-12) {
			t.Errorf("the PR curve of label %d ends at %v, want recall 1 and precision %v", j, last, share)
		}
	}
}

// area is that below a curve.
func area(c chart.Curve) (sum float64) {
	for i := 1; i < len(c); i++ {
		sum += (c[i].X - c[i-1].X) * (c[i].Y + c[i-1].Y) / 2
	}
	return sum
}

// Bins order as probabilities do, and thresholds below a probability are counted exactly.
func TestBins(t *testing.T) {
	t.Parallel()
	last := 0
	for p := float32(0); p <= 1; p = math.Nextafter32(p*1.0001, 2) {
		bin := fineBin(p)
		if bin < last || bin >= fineBins {
			t.Fatalf("bin %d of %v, after %d, of %d", bin, p, last, fineBins)
		}
		last = bin
	}
	for k := range sweepSteps + 1 {
		at := sweepAt(k)
		if n := sweepBelow(at); n != k {
			t.Errorf("%d thresholds are below %v, want %d", n, at, k)
		}
		if n := sweepBelow(math.Nextafter32(at, 2)); n != k+1 {
			t.Errorf("%d thresholds are below the next above %v, want %d", n, at, k+1)
		}
	}
}

// By hand: two labels, their pairs, the worst row and the suspects.
func TestRows(t *testing.T) {
	t.Parallel()
	s := &Scored{Data: metrics.Data{Labels: []string{"a", "b"},
		Truth:  []int8{1, 0, 1, 1, 0, 1, 0, 0, 0, -1},
		Scores: []float32{0.9, 0.8, 0.7, 0.1, 0.2, 0.9, 0.95, 0.1, 0.1, 0.9}}}
	s.Metrics = evaluate(s, 0.5)
	p := s.countPairs()
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"a with b", p.together[0][1], 1. / 2}, {"b with a", p.together[1][0], 1. / 2}, {"a with a", p.together[0][0], 1},
		{"recall of a", p.confused[0][0], 1}, {"recall of b", p.confused[1][1], 1. / 2}, {"b where a is given", p.confused[0][1], 1. / 2},
		{"a where b is given", p.confused[1][0], 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if got := s.MostWrong(3); !slices.Equal(got, []int{3, 1, 0}) {
		t.Errorf("most wrong are %v", got)
	}
	want := -math.Log1p(-float64(s.Scores[6])) - math.Log1p(-float64(s.Scores[7]))
	if got := s.rowLoss(3); !(math.Abs(got-want) <= 1e-12) {
		t.Errorf("loss %v, want %v", got, want)
	}
	// The means of a: 0.8 where it is given, (0.2 + 0.95 + 0.1)/3 where not. Of b: 0.5, and (0.8 + 0.1)/2 = 0.45.
	missing, surplus := analyse(s).suspects()
	if len(missing) != 2 || missing[0].row != 3 || missing[0].label != 0 || missing[1].row != 0 || missing[1].label != 1 {
		t.Errorf("missing: %v", missing)
	}
	if len(surplus) != 1 || surplus[0].row != 1 || surplus[0].label != 1 {
		t.Errorf("surplus: %v", surplus)
	}
}

// Wilson's interval: 0 of 10 and 5 of 10, from his formula by hand.
func TestWilson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		positive, n int
		low, high   float64
	}{{0, 10, 0, 0.2775}, {5, 10, 0.2366, 0.7634}, {10, 10, 0.7225, 1}} {
		if low, high := wilson(c.positive, c.n); !(math.Abs(low-c.low) <= 1e-4 && math.Abs(high-c.high) <= 1e-4) {
			t.Errorf("%d of %d: %v to %v, want %v to %v", c.positive, c.n, low, high, c.low, c.high)
		}
	}
}

// Nothing in a page is alive, whatever its names and texts are, and no two elements can have the same id.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := synthetic(60, hostileNames(), 5)
	page := pageOf(t, full(s, hostile))
	for _, bad := range []string{"<script", "<img", "onload=alert(1)>", "<!--", "\x00", "\x07", "\x1b", "\u202e", "\u2066", "\u2067",
		"\u2028", "<a ", " id=", "http://", "https://"} {
		bad = strings.ToLower(bad)
		if i := strings.Index(strings.ToLower(page), bad); i >= 0 {
			t.Errorf("the page has %q: %q", bad, page[max(0, i-60):min(len(page), i+60)])
		}
	}
	if n := strings.Count(page, "</svg>"); n != strings.Count(page, "<svg ") || n < 8 {
		t.Errorf("%d ends of figures, %d beginnings", n, strings.Count(page, "<svg "))
	}
	if strings.Contains(page, "\u0336\u0489\u0301\u0336\u0489") {
		t.Error("marks pile up")
	}
	for _, tag := range regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1) {
		if regexp.MustCompile(`(fill|stroke):#|font-family:Lib`).MatchString(tag) {
			t.Fatalf("a figure has colours of its own: %s", tag)
		}
	}
	if !strings.Contains(page, "#ABCDEF fill:#0B6BB8") {
		t.Error("a name was taken for a colour")
	}
}

// The page does not depend on the number of threads.
func TestSamePage(t *testing.T) {
	t.Parallel()
	s := synthetic(500, plainNames(28), 6)
	r := &Report{Title: "t", Scored: s, History: history(20)}
	first := pageOf(t, r)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if pageOf(t, r) != first {
		t.Error("on one thread the page is another")
	}
}

// What has nothing to show is left out, and nothing fails: no texts, one label, one class, one row, one step.
func TestLittle(t *testing.T) {
	t.Parallel()
	one := &Scored{Data: metrics.Data{Labels: []string{"only"}, Truth: []int8{0}, Scores: []float32{0}}}
	unknown := &Scored{Data: metrics.Data{Labels: []string{"a", "b"}, Truth: []int8{-1, -1}, Scores: []float32{0, 1}}}
	for name, r := range map[string]*Report{
		"empty": {}, "training": {History: history(1)}, "no history": {History: &History{}},
		"one": {Scored: one}, "unknown": {Scored: unknown}, "more": {Scored: one, History: history(2), Baseline: &Baseline{}},
	} {
		if r.Scored != nil {
			r.Scored.Metrics = evaluate(r.Scored, 0.5)
		}
		page := pageOf(t, r)
		if !strings.Contains(page, "</html>") || strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
			t.Errorf("%s: a page of %d bytes", name, len(page))
		}
		if testing.Short() { // pixels are slow under the race detector; TestPlots has some
			continue
		}
		if _, err := r.WritePlots(t.TempDir()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every figure comes as SVG and as PNG.
func TestPlots(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "plots")
	n, err := (&Report{Scored: synthetic(100, hostileNames(), 8), History: history(30)}).WritePlots(dir)
	if err != nil || n != 11 {
		t.Fatalf("%d figures, %v", n, err)
	}
	for _, name := range []string{"f1", "precision-recall", "roc", "threshold-sweep", "reliability", "scores", "co-occurrence",
		"confusion", "loss", "dev-f1", "learning-rate"} {
		f, err := os.Open(filepath.Join(dir, name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if picture, err := png.Decode(f); err != nil || picture.Bounds().Dx() < 600 {
			t.Errorf("%s.png: %v", name, err)
		}
		f.Close()
		if text, err := os.ReadFile(filepath.Join(dir, name+".svg")); err != nil ||
			!bytes.HasSuffix(bytes.TrimSpace(text), []byte("</svg>")) {
			t.Errorf("%s.svg: %v", name, err)
		}
	}
}

// 300 labels make a page that still opens at once.
func TestSize(t *testing.T) {
	t.Parallel()
	page := pageOf(t, full(synthetic(2000, plainNames(300), 9), []string{"a text"}))
	if len(page) > 2<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	if n := strings.Count(page, "F1 of labels"); n != 2*6 { // heading and name of each figure
		t.Errorf("%d figures of bars, want 6", n/2)
	}
}

func TestReadHistory(t *testing.T) {
	t.Parallel()
	const csv = "step,epoch,loss,learning_rate,grad_norm,examples_per_second,dev_f1_macro,dev_log_loss\n" +
		"10,0.5,0.7,0.01,1,5,,\n20,1,0.6,0.02,1,5,0.5,0.4\n30,1.5,0.5,0.01,1,5,,\n40,2,,0,1,5,0.5,0.3\n"
	h, err := ReadHistory(strings.NewReader(csv), "f1_macro")
	if err != nil || len(h.Steps) != 4 || h.BestStep != 20 || h.Steps[1].DevMacro != 0.5 || h.Steps[3].Loss == h.Steps[3].Loss ||
		h.Steps[2].LearningRate != 0.01 {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err = ReadHistory(strings.NewReader(csv), "log_loss"); err != nil || h.BestStep != 40 {
		t.Errorf("best by log_loss: %+v, %v", h, err)
	}
	if n := len(h.figures()); n != 3 {
		t.Errorf("%d figures, want 3", n)
	}
	for _, bad := range []string{"", "step,loss\n1\n", "step,loss\nx,1\n"} {
		if _, err := ReadHistory(strings.NewReader(bad), "f1_macro"); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
