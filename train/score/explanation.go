package score

import (
	"math"

	"bertlabel/bert/model"
)

// Explanation is an explanation as an object of JSON, in lines of the verb explain and in answers of a server.
type Explanation struct {
	Label       string       `json:"label"`
	Method      model.Method `json:"method"`
	Logit       float64      `json:"logit"`
	Probability float64      `json:"probability"`
	Baseline    float64      `json:"baseline_logit"`
	Sum         float64      `json:"sum"` // of all contributions
	Words       []Word       `json:"words"`
	Special     []Special    `json:"special"`
	Cut         int          `json:"cut_tokens,omitempty"`
	Windows     []Window     `json:"windows,omitempty"` // of a text of several

	WindowPooling string `json:"window_pooling,omitempty"` // noisy-or: the shares of Windows are of −ln(1 − probability)
}

// Window is what the tokens that count in one window have of the logit, or by noisy-or of −ln(1 − probability).
type Window struct {
	Start  int     `json:"start"` // bytes of the text
	End    int     `json:"end"`
	Tokens int     `json:"tokens"`
	Share  float64 `json:"share"`
}

// Word is the contribution of a word.
type Word struct {
	Word         string  `json:"word"`
	Start        int     `json:"start"` // bytes of the text
	End          int     `json:"end"`
	Second       bool    `json:"second,omitempty"` // of text_pair
	Contribution float64 `json:"contribution"`
}

// Special is the contribution of [CLS] or a [SEP].
type Special struct {
	Token        string  `json:"token"`
	Contribution float64 `json:"contribution"`
}

// NewExplanation returns e, which was made by a method, in that form.
func NewExplanation(e *model.Explanation, method model.Method) Explanation {
	l := Explanation{Label: e.Label, Method: method, Logit: e.Logit, Probability: 1 / (1 + math.Exp(-e.Logit)), Baseline: e.Baseline,
		Sum: e.Sum(), Words: []Word{}, Special: []Special{}, Cut: e.Cut}
	for _, c := range e.Words {
		l.Words = append(l.Words, Word{c.Word, c.Start, c.End, c.Second, c.Value})
	}
	if e.WindowPooling == model.NoisyOr {
		l.WindowPooling = e.WindowPooling.String()
	}
	for _, p := range e.Windows {
		l.Windows = append(l.Windows, Window{p.Start, p.End, p.Tokens, p.Share})
	}
	for _, c := range e.Special {
		l.Special = append(l.Special, Special{c.Word, c.Value})
	}
	return l
}
