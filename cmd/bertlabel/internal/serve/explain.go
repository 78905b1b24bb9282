package serve

import (
	"context"
	"net/http"
	"slices"
	"time"

	"bertlabel/bert/model"
	"bertlabel/bert/queue"
	"bertlabel/train/score"
)

// maxExplains is how many explanations may wait. They run one at a time, on a thread of their own beside the queue's.
const maxExplains = 8

// explainTokens is how many tokens an explanation takes through the model at a time, if its text has no more.
const explainTokens = 128

// explainers makes explanations, one at a time.
type explainers struct {
	waiting chan struct{}
	turn    chan struct{}    // has one place; who is in it may use the rest
	of      *loaded          // the model of the explainer that there is: it holds a copy of the kernels, so there is one only
	made    *model.Explainer // of it
}

func newExplainers() *explainers {
	return &explainers{turn: make(chan struct{}, 1), waiting: make(chan struct{}, maxExplains)}
}

// explain runs the explainer of a model, in its turn.
func (x *explainers) explain(ctx context.Context, m *loaded, t model.Text, labels []string, o model.ExplainOptions) ([]model.Explanation, error) {
	select {
	case x.waiting <- struct{}{}:
		defer func() { <-x.waiting }()
	default:
		return nil, &queue.OverloadError{Reason: queue.BulkFull, RetryAfter: time.Second}
	}
	select {
	case x.turn <- struct{}{}:
		defer func() { <-x.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if x.of != m {
		x.of, x.made = nil, nil
		made, err := m.NewExplainer()
		if err != nil {
			return nil, err
		}
		x.of, x.made = m, made
	}
	return x.made.Explain(ctx, t, labels, o)
}

// drop forgets the explainer, after the explanation that may be in its turn: models have been replaced.
func (x *explainers) drop() {
	x.turn <- struct{}{}
	x.of, x.made = nil, nil
	<-x.turn
}

// ownExplain answers with what each word did for a label: the objects of bertlabel explain.
func (c *call) ownExplain() error {
	var text, pair textValue
	var labels []string
	var name, method string
	o := model.ExplainOptions{Method: model.IntegratedGradients, Steps: model.DefaultSteps}
	var timeout float64
	err := c.decode(map[string]any{"text": &text, "text_pair": &pair, "labels": &labels, "method": &method, "steps": &o.Steps,
		"model": &name, "timeout_ms": &timeout}, true)
	if err != nil {
		return err
	}
	switch method {
	case "", "integrated", string(model.IntegratedGradients):
	case "gradient", string(model.GradientTimesInput):
		o.Method = model.GradientTimesInput
	default:
		return badRequest("method", "method %.50q: want integrated or gradient", method)
	}
	if o.Steps < 1 || o.Steps > maxSteps {
		return badRequest("steps", "steps %d: want 1 to %d", o.Steps, maxSteps)
	}
	if err := c.limit(timeout); err != nil {
		return err
	}
	m, err := c.s.models.find(name, false)
	if err != nil {
		return err
	}
	t := model.Text{A: string(text), B: string(pair)}
	if labels, err = c.explained(m, t, labels); err != nil {
		return err
	}
	return c.explain(m, t, labels, o)
}

// maxSteps bounds the gradients of a request.
const maxSteps = 512

// explained checks the labels that are asked for; without any they are those that are predicted, else the most probable one.
func (c *call) explained(m *loaded, t model.Text, labels []string) ([]string, error) {
	for _, label := range labels {
		if m.label(label) < 0 {
			return nil, badRequest("labels", "the model has no label %.100q", label)
		}
	}
	if len(labels) > 0 {
		return slices.Compact(labels), nil
	}
	encodings, err := c.encode(m, []model.Text{t}, "truncate")
	if err != nil {
		return nil, err
	}
	rows, err := whole(c.predict(m, encodings))
	if err != nil {
		return nil, err
	}
	p := model.Prediction{Logits: rows[0].logits, Probabilities: rows[0].probabilities}
	if labels = m.Predicted(p); len(labels) == 0 {
		labels = []string{ranked(m, p.Probabilities, 1)[0].Label}
	}
	return labels, nil
}

// explain writes {"model", "digest", "explanations"}.
func (c *call) explain(m *loaded, t model.Text, labels []string, o model.ExplainOptions) error {
	if m.Head == nil {
		return badRequest("model", "the model %q has no head", m.name)
	}
	ctx, cancel := context.WithDeadlineCause(c.r.Context(), c.deadline, queue.ErrDeadline)
	defer cancel()
	c.class = queue.Bulk
	list := []score.Explanation{}
	for _, label := range labels { // one after the other, so that a deadline ends them
		made, err := c.s.explainers.explain(ctx, m, t, []string{label}, o)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		list = append(list, score.NewExplanation(&made[0], o.Method))
	}
	return c.object(struct {
		Model        string              `json:"model"`
		Digest       string              `json:"digest"`
		Explanations []score.Explanation `json:"explanations"`
	}{m.name, m.digest, list})
}

// noExplain answers where explanations are off.
func (c *call) noExplain() error {
	return &Error{Status: http.StatusNotFound, Message: "explanations are off: start the server with --explain"}
}
