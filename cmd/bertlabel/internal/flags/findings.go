package flags

import (
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train/data"
	"bertlabel/train/diagnosis"
	"bertlabel/train/metrics"
	"bertlabel/train/score"
)

// Found warns of each finding; the report of the run shows all warnings.
func Found(a *cli.App, findings ...diagnosis.Finding) {
	for _, f := range findings {
		f.Remedy = cli.AsFlags(f.Remedy)
		a.Log.Warnf("%s", f)
	}
}

// DiagnoseModel looks at the weights of a model that is to be used as it is.
func DiagnoseModel(m *model.Model) []diagnosis.Finding {
	return diagnosis.InspectEncoder(m.Encoder, UsesPooler(m.Pooling)).Findings(false)
}

// UsesPooler reports whether the pooler's output is part of the features.
func UsesPooler(p bert.Pooling) bool { return strings.Contains(p.String(), bert.Pooled.String()) }

// SayRead tells what the model could not read of texts, and how many were cut, if any.
func SayRead(a *cli.App, m *model.Model, file string, reading *diagnosis.Reading, cut int) {
	texts := reading.Texts
	Found(a, reading.Findings(file, m.Tokenizer)...)
	findings := diagnosis.Cut(file, cut, texts, m.Lengths(), m.Encoder.Config.MaxPositionEmbeddings,
		m.Tokenizer.Options().TruncateLeft)
	if Found(a, findings...); cut > 0 && len(findings) == 0 {
		a.Log.Infof("%s: %d of %d texts (%.1f %%) were longer than %v and were cut", file, cut, texts,
			100*float64(cut)/float64(texts), m.Lengths())
	}
}

// SayExactlyOne tells of a file of which every row has exactly one label that labels may exclude each other.
func SayExactlyOne(a *cli.App, file string, labels int) {
	a.Log.Infof("%s: every row has exactly one of %d labels; if they exclude each other, train --exactly-one makes the model predict "+
		"the most probable one", file, labels)
}

// DiagnoseScores looks at probabilities [rows, labels] and what their evaluation says.
func DiagnoseScores(a *cli.App, set *data.Dataset, r *metrics.Report, probabilities []float32, reading diagnosis.Reading) {
	Found(a, diagnosis.Predictions(set, r, probabilities, reading)...)
}

// Encode tokenises the texts of a data set, and says what could not be read and how many were cut; with --on-long error the first one is
// refused.
func Encode(a *cli.App, m *model.Model, set *data.Dataset, onLong data.LongTexts) (texts []tokenizer.Encoding, r diagnosis.Reading,
	err error) {
	texts, cut, err := score.Encode(m, set, onLong)
	if err != nil {
		return nil, r, err
	}
	for i := range texts {
		r.Add(&texts[i], set.Texts[i], set.Pair(i))
	}
	SayRead(a, m, set.File, &r, cut)
	return texts, r, nil
}
