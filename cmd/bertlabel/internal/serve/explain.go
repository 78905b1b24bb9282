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

// maxExplains is how many explanations may wait: they are made one at a time, as an explainer holds a copy of the kernels.
const maxExplains = 8

// explainTokens is what a step of an explanation costs at most, in tokens of inference: a batch of a text that is not longer.
const explainTokens = 128

// explainers makes explanations, one at a time, in steps that go through the queue as bulk work.
type explainers struct {
	waiting chan struct{}
	turn    chan struct{}    // has one place; who is in it may use the rest
	of      *loaded          // the model of the explainer that there is
	made    *model.Explainer // of it
}

func newExplainers() *explainers {
	return &explainers{turn: make(chan struct{}, 1), waiting: make(chan struct{}, maxExplains)}
}

// explainOne runs the explainer of a model, in its turn.
func (c *call) explainOne(ctx context.Context, m *loaded, t model.Text, label string, o model.ExplainOptions) (*model.Explanation, error) {
	x := c.s.explainers
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
	e, err := m.engine(m.Pooling)
	if err != nil {
		return nil, err
	}
	o.MaxCost = explainTokens
	o.Run = func(ctx context.Context, cost int, step func() error) error {
		return c.s.queue.Run(ctx, queue.Work{Target: e.target, Tokens: cost, Class: queue.Bulk, Flow: c.flow, Deadline: c.deadline, Run: step})
	}
	if x.of != m {
		x.of, x.made = nil, nil
		err := o.Run(ctx, explainTokens, func() (err error) {
			x.made, err = m.NewExplainer()
			return err
		})
		if err != nil {
			return nil, err
		}
		x.of = m
	}
	made, err := x.made.Explain(ctx, t, []string{label}, o)
	if isPanic(err) {
		x.of = nil // what it holds may be broken
	}
	if err != nil {
		return nil, err
	}
	return &made[0], nil
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
	o := model.ExplainOptions{Steps: model.DefaultSteps}
	var timeout float64
	err := c.decode(map[string]any{"text": &text, "text_pair": &pair, "labels": &labels, "method": &method, "steps": &o.Steps,
		"model": &name, "timeout_ms": &timeout}, true)
	if err != nil {
		return err
	}
	if o.Method, err = explainMethod(method, o.Steps); err != nil {
		return err
	}
	if err := c.limit(timeout); err != nil {
		return err
	}
	m, err := c.s.models.find(name, false)
	if err != nil {
		return err
	}
	list, err := c.explain(m, model.Text{A: string(text), B: string(pair)}, labels, o)
	if err != nil {
		return err
	}
	return c.object(struct {
		Model        string              `json:"model"`
		Digest       string              `json:"digest"`
		Explanations []score.Explanation `json:"explanations"`
	}{m.name, m.digest, list})
}

// explainMethod reads the name of a method, "" for the better one.
func explainMethod(name string, steps int) (model.Method, error) {
	if steps < 1 || steps > maxSteps {
		return "", badRequest("steps", "steps %d: want 1 to %d", steps, maxSteps)
	}
	switch name {
	case "", "integrated", string(model.IntegratedGradients):
		return model.IntegratedGradients, nil
	case "gradient", string(model.GradientTimesInput):
		return model.GradientTimesInput, nil
	}
	return "", badRequest("method", "method %.50q: want integrated or gradient", name)
}

// tfExplain is KServe's :explain: of each of "instances" the list of its explanations, of the labels that are predicted, or of "labels".
func (c *call) tfExplain(m *loaded) error {
	if !c.s.Explain {
		return c.noExplain()
	}
	var instances []tfInstance
	var labels []string
	var method string
	o := model.ExplainOptions{Steps: model.DefaultSteps}
	err := c.decode(map[string]any{"instances": &instances, "labels": &labels, "method": &method, "steps": &o.Steps}, false)
	if err == nil {
		o.Method, err = explainMethod(method, o.Steps)
	}
	if err == nil {
		err = c.limit(0)
	}
	if err == nil {
		err = c.limitTexts(len(instances), "instances")
	}
	if err != nil {
		return err
	}
	all := make([][]score.Explanation, len(instances))
	for i, in := range instances {
		if in.ids != nil {
			return badRequest("instances", "instance %d has token ids: only texts have words to explain", i)
		}
		if all[i], err = c.explain(m, in.text, labels, o); err != nil {
			return err
		}
	}
	return c.object(map[string]any{"explanations": all})
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

// explain explains labels of a text, without any those of explained, one after the other, so that a deadline ends them.
func (c *call) explain(m *loaded, t model.Text, labels []string, o model.ExplainOptions) ([]score.Explanation, error) {
	if m.Head == nil {
		return nil, badRequest("model", "the model %q has no head", m.name)
	}
	labels, err := c.explained(m, t, labels)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadlineCause(c.r.Context(), c.deadline, queue.ErrDeadline)
	defer cancel()
	c.class = queue.Bulk
	list := []score.Explanation{}
	for _, label := range labels {
		made, err := c.explainOne(ctx, m, t, label, o)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, score.NewExplanation(made, o.Method))
	}
	return list, nil
}

// noExplain answers where explanations are off.
func (c *call) noExplain() error {
	return &Error{Status: http.StatusNotFound, Message: "explanations are off: start the server with --explain"}
}
