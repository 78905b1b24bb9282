package traincmd

import (
	"strings"

	"bertlabel/asm"
	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train"
	"bertlabel/train/diagnosis"
	"bertlabel/train/fit"
	"bertlabel/train/fit/note"
)

// listener turns what a run tells into lines, progress and event files.
type listener struct {
	a            *cli.App
	config       *train.Config
	boundGarbage bool         // the garbage of the run is bounded by its estimate: no other work comes
	fast         bool         // no layers are trained
	events       *events      // nil: none
	stop         func(error)  // ends the run
	started      func() error // called when nothing has been computed yet; nil for nothing
	judged       bool         // Dev, or the rows out of fold, have judged the head
	begun        note.Begun   // where the steps began
}

func (l *listener) observer() fit.Observer {
	return fit.Observer{Work: l.work, Step: l.step, Note: l.note, Finding: func(f diagnosis.Finding) { flags.Found(l.a, f) }}
}

// sayPrecision tells what of a run is not in float32.
func sayPrecision(a *cli.App, asked bert.Precision) {
	switch p := asked.Resolve(); {
	case p == bert.BF16:
		a.Log.Infof("training in bf16; weights, gradients and sums stay float32")
		if !p.Fast() {
			a.Log.Infof("this CPU, by kernel set %s, is no faster in bf16 than in fp32; it runs all the same", asm.Best.Name)
		}
	case p == bert.Int8:
		a.Log.Infof("training in fp32; held-out rows are judged in int8")
	case asked == bert.Auto:
		a.Log.Infof("training in fp32, which auto takes on this CPU")
	}
}

// work shows how far a piece of work has come.
func (l *listener) work(w fit.Work) {
	p := cli.Progress{Step: w.Done, Steps: w.Of}
	if w.Unit == "texts" {
		p.Examples = w.Done
	}
	if l.a.Log.Progress(w.Name, p); w.Done == w.Of {
		l.a.Log.Done()
	}
}

// stepsName is what the progress display calls the gradient steps.
const stepsName = "train"

// progressAt is how far the steps have come.
func (l *listener) progressAt(step int) cli.Progress {
	examples := step * l.begun.StepRows
	return cli.Progress{Step: step, Steps: l.begun.Steps, Examples: examples, Tokens: int(float64(examples) * l.begun.TokensPerText)}
}

// step shows a gradient step, and what dev says after it.
func (l *listener) step(p train.Progress) error {
	bar := l.progressAt(int(p.Step))
	bar.Epoch, bar.Loss, bar.LearningRate = p.Epoch, p.Loss, float64(p.LearningRate)
	l.a.Log.Progress(stepsName, bar)
	if p.LeftOut != "" {
		l.a.Log.Warnf("%s: left out (--on-nan %s)", p.LeftOut, l.config.OnNaN)
	}
	if p.Dev != nil {
		value, _ := p.Dev.Get(l.config.BestMetric)
		l.a.Log.Infof("step %d, epoch %.2f: dev loss %.4f, %s %.4f", p.Step, p.Epoch, p.Dev.LogLoss, l.config.BestMetric, value)
	}
	if l.events != nil {
		return l.events.step(p)
	}
	return nil
}

// note says a note, most of them in the words of the library.
func (l *listener) note(n fit.Note) {
	switch n := n.(type) {
	case note.Started:
		if l.started != nil {
			if err := l.started(); err != nil {
				l.stop(err)
			}
		}
		return
	case note.Need:
		l.say(n)
		if l.boundGarbage {
			l.a.BoundGarbage(n.Memory.Total())
		}
		return
	case note.Expected:
		if l.say(n); n.Seconds > 600 && !l.fast {
			l.a.Log.Infof("--recipe fast trains no layers: it takes one pass over the texts, and the head")
		}
		return
	case note.Begun:
		l.begun = n
		l.a.Log.Progress(stepsName, l.progressAt(n.Step))
		if l.events != nil {
			if err := l.events.open(n); err != nil {
				l.stop(err)
			}
		}
		return
	case note.Trained:
		l.a.Log.Done()
		if n.LeftOut > 0 {
			l.a.Log.Warnf("%d of %d steps made no update: something in them was not finite", n.LeftOut, n.Steps)
		}
	case note.Judged, note.Folded:
		l.judged = true
	case note.Warning, note.Stopped, note.PathEnd:
		l.a.Log.Warnf("%s", cli.AsFlags(n.String()))
		return
	}
	l.say(n)
}

// say prints a note, with the flags for the options that it names.
func (l *listener) say(n fit.Note) {
	for line := range strings.Lines(cli.AsFlags(n.String())) {
		l.a.Log.Infof("%s", strings.TrimSuffix(line, "\n"))
	}
}
