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

// SayCut tells how many texts were cut, if any.
func SayCut(a *cli.App, m *model.Model, file string, cut, texts int) {
	findings := diagnosis.Cut(file, cut, texts, m.MaxSeqLength, m.Encoder.Config.MaxPositionEmbeddings)
	if Found(a, findings...); cut > 0 && len(findings) == 0 {
		a.Log.Infof("%s: %d of %d texts (%.1f %%) were longer than %d tokens and were cut", file, cut, texts,
			100*float64(cut)/float64(texts),
			m.MaxSeqLength)
	}
}

// DiagnoseScores looks at probabilities [rows, labels] and what their evaluation says.
func DiagnoseScores(a *cli.App, set *data.Dataset, r *metrics.Report, probabilities []float32) {
	Found(a, diagnosis.Predictions(set, r, probabilities)...)
}

// Encode tokenises the texts of a data set, and says how many were cut; with --on-long error the first one is refused.
func Encode(a *cli.App, m *model.Model, set *data.Dataset, onLong data.LongTexts) ([]tokenizer.Encoding, error) {
	encoded, cut, err := score.Encode(m, set, onLong)
	if err != nil {
		return nil, err
	}
	SayCut(a, m, set.File, cut, len(encoded))
	return encoded, nil
}
