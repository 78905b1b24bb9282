// Package plain is BERT (Devlin et al. 2019, arXiv:1810.04805) written to be read: float64, one text, each function one equation of the
// papers. forward.go says what BERT computes, backward.go how it learns. Nothing here is fast. The engine, package bert, computes the
// same in float32 for whole batches, and its tests hold it to this package.
//
// The words are those of modeling.py (google-research/bert) and of "Attention Is All You Need" (Vaswani et al. 2017, arXiv:1706.03762),
// which § cites. Capital letters are dimensions: S tokens of the text, H hidden_size, A heads, D = H/A, I intermediate_size, C labels.
//
//	x = LayerNorm(word + token type + position)      embeddings, [S, H]
//	x = LayerNorm(x + MultiHead(x))                  in each layer: tokens look at each other, §3.2.2
//	x = LayerNorm(x + FFN(x))                        and then each thinks for itself, §3.3
//	f = tanh(x₀·W + b), or the mean of x, …          pooling, [1, features]
//	z = f·Wᵀ + b, σ(z)                               a logit and a probability for each label, [1, C]
//
// A [Model] is the weights by TensorFlow's names. [Model.Forward] gives a [Pass], in which every intermediate result has a name.
package plain

import (
	"fmt"
	"math"
	"slices"
)

// Model is the weights of BERT with its head, and what of its configuration no shape shows.
type Model struct {
	Layers  int               // num_hidden_layers
	Heads   int               // num_attention_heads, A
	Act     string            // hidden_act in Google's meaning: gelu (the tanh form), gelu_erf, relu, tanh, linear
	Eps     float64           // added to the variance by LayerNorm: 1e-12
	Weights map[string]Matrix // in TensorFlow's shapes: kernels [in, out], biases [1, out], output_weights [C, features]

	// Change, unless nil, may give a stage that has just been computed another value: what follows is computed from that. It is for
	// experiments ("what if there were no residual connection?"); a backward pass knows nothing of it.
	Change func(p *Pass, name string, x Matrix) Matrix
}

// Vector is one vector that stands for a text. Kind is pooled, cls, mean or max; Layer is −1 for the last layer, −2 for the one below it,
// and so on down to −Layers−1 for the embeddings. The pooler belongs to the last layer.
type Vector struct {
	Kind  string
	Layer int
}

// Pass is one text on its way through a model.
type Pass struct {
	*Model
	IDs, Segments []int             // [S]
	Kept          [2]int            // mean and maximum are over the tokens from the first number to the one before the second
	Vectors       []Vector          // which the head reads side by side
	Names         []string          // of the stages, in the order in which they were computed
	Stages        map[string]Matrix // every intermediate result, under the name of its scope in modeling.py
	Gradients     map[string]Matrix // of the loss by each stage and each weight, after a backward pass
}

// Forward runs a text through the encoder and the poolings; and through the head, if the model has one for features of that width.
func (m *Model) Forward(ids, segments []int, vectors ...Vector) *Pass {
	return m.ForwardWindow(ids, segments, [2]int{0, len(ids)}, vectors...)
}

// ForwardWindow is Forward for one window of a long text, of whose tokens mean and maximum read some only: Pass.Kept.
func (m *Model) ForwardWindow(ids, segments []int, kept [2]int, vectors ...Vector) *Pass {
	p := &Pass{m, ids, segments, kept, vectors, nil, map[string]Matrix{}, map[string]Matrix{}}
	x := p.embeddings()
	for n := range m.Layers {
		x = p.layer(n, x)
	}
	f, w := p.features(), m.Weights["output_weights"]
	if len(w) > 0 && len(w[0]) == len(f[0]) {
		p.head(f)
	}
	return p
}

// set records a stage, as Change makes it.
func (p *Pass) set(name string, x Matrix) Matrix {
	if p.Change != nil {
		x = p.Change(p, name, x)
	}
	p.Names, p.Stages[name] = append(p.Names, name), x
	return x
}

// embeddings is LayerNorm(word + token type + position), [S, H] (Devlin, figure 2; embedding_lookup, embedding_postprocessor). BERT learns
// a vector for each position; it has none of the sinusoids of §3.5.
func (p *Pass) embeddings() Matrix {
	const scope = "bert/embeddings/"
	word := p.set(scope+"word", pick(p.Weights[scope+"word_embeddings"], p.IDs))
	tokenType := p.set(scope+"token_type", pick(p.Weights[scope+"token_type_embeddings"], p.Segments))
	position := p.set(scope+"position", pick(p.Weights[scope+"position_embeddings"], count(len(p.IDs))))
	sum := p.set(scope+"sum", add(add(word, tokenType), position))
	return p.set("embedding_output", p.layerNorm(scope+"LayerNorm", sum))
}

// layer is one layer of the encoder, [S, H] (§3.1; transformer_model).
func (p *Pass) layer(n int, x Matrix) Matrix {
	scope := fmt.Sprintf("bert/encoder/layer_%d/", n)
	a := p.addNorm(scope+"attention/output/", x, p.multiHead(scope+"attention/", x))
	return p.set(fmt.Sprintf("layer_%d", n), p.addNorm(scope+"output/", a, p.feedForward(scope, a)))
}

// addNorm is LayerNorm(x + f), f = f(x), around a residual connection: "Add & Norm" (§3.1). The norm stands behind the sum, as in the
// paper; most later transformers have it in front of f.
func (p *Pass) addNorm(scope string, x, f Matrix) Matrix {
	return p.layerNorm(scope+"LayerNorm", p.set(scope+"sum", add(x, f)))
}

// multiHead is multi-head attention, MultiHead(x) = Concat(head₁, …, head_A)·W + b, [S, H] (§3.2.2; attention_layer). Each head has D
// columns of the queries, keys and values to itself, so it can look for something of its own.
func (p *Pass) multiHead(scope string, x Matrix) Matrix {
	q, k, v := p.dense(scope+"self/query", x), p.dense(scope+"self/key", x), p.dense(scope+"self/value", x)
	var scores Matrix // of the heads, one below the other: [A·S, S]
	for n := range p.Heads {
		scores = append(scores, p.scores(p.part(q, n), p.part(k, n))...)
	}
	probs := p.set(scope+"self/probs", softmax(p.set(scope+"self/scores", scores)))
	heads := make(Matrix, len(x))
	for n := range p.Heads {
		w := probs[n*len(x) : (n+1)*len(x)]
		heads = concat(heads, multiply(w, p.part(v, n))) // softmax(q·kᵀ/√D)·v: §3.2.1, equation (1)
	}
	return p.dense(scope+"output/dense", p.set(scope+"self/context", heads))
}

// part is the columns of head n, [S, D].
func (p *Pass) part(x Matrix, n int) Matrix {
	d := len(x[0]) / p.Heads
	return columns(x, n*d, (n+1)*d)
}

// scores is q·kᵀ/√D, [S, S], of one head (§3.2.1). q·k sums D products, so its variance grows with D; divided by √D it does not, and the
// softmax stays soft enough to learn. No key is masked: the text has no padding, whose scores modeling.py puts at −10000.
func (p *Pass) scores(q, k Matrix) Matrix {
	return scale(1/math.Sqrt(float64(len(q[0]))), multiply(q, transpose(k)))
}

// softmax is eˣ/Σ eˣ of each row. The largest x is taken off first: the result is the same, and eˣ stays finite.
func softmax(x Matrix) Matrix {
	y := make(Matrix, len(x))
	for i, row := range x {
		largest := slices.Max(row)
		y[i] = each(Matrix{row}, func(x float64) float64 { return math.Exp(x - largest) })[0]
	}
	return zip(y, sumRows(y), func(e, sum float64) float64 { return e / sum })
}

// feedForward is the feed-forward network, FFN(x) = act(x·W₁ + b₁)·W₂ + b₂, [S, H], inside it [S, I] (§3.3, equation (2), where act is
// ReLU; transformer_model).
func (p *Pass) feedForward(scope string, x Matrix) Matrix {
	inner := p.dense(scope+"intermediate/dense", x)
	return p.dense(scope+"output/dense", p.set(scope+"intermediate/act", each(inner, activations[p.Act])))
}

// activations are those of get_activation. GELU is x·Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016, arXiv:1606.08415, §2),
// and modeling.py has its approximation by a tanh.
var activations = map[string]func(x float64) float64{
	"gelu":     func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) },
	"gelu_erf": func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
	"relu":     func(x float64) float64 { return max(x, 0) },
	"tanh":     math.Tanh,
	"linear":   func(x float64) float64 { return x },
}

// dense is x·W + b, [rows, in] to [rows, out] (tf.layers.dense).
func (p *Pass) dense(name string, x Matrix) Matrix {
	return p.set(name, add(multiply(x, p.Weights[name+"/kernel"]), p.Weights[name+"/bias"]))
}

// layerNorm is γ∘x̂ + β (Ba et al. 2016, arXiv:1607.06450, §3; layer_norm).
func (p *Pass) layerNorm(name string, x Matrix) Matrix {
	norm, _ := p.normalise(x)
	return p.set(name, add(times(norm, p.Weights[name+"/gamma"]), p.Weights[name+"/beta"]))
}

// normalise is x̂ = (x − μ)/√(σ² + ε), with the mean μ and the variance σ² of each row. rstd is 1/√(σ² + ε), [S, 1].
func (p *Pass) normalise(x Matrix) (norm, rstd Matrix) {
	centred := subtract(x, meanRows(x))
	rstd = each(meanRows(times(centred, centred)), func(variance float64) float64 { return 1 / math.Sqrt(variance+p.Eps) })
	return times(centred, rstd), rstd
}

// features is the vectors that stand for the text, side by side, [1, features]: the row of [CLS], which is the first token; the mean or the
// maximum over all tokens, or over Kept; or what the pooler makes of [CLS].
func (p *Pass) features() Matrix {
	features := Matrix{nil}
	for _, v := range p.Vectors {
		x := p.Stages[p.stageOf(v)]
		if v.Kind == "mean" || v.Kind == "max" {
			x = x[p.Kept[0]:p.Kept[1]]
		}
		pool := map[string]func(Matrix) Matrix{"cls": first, "mean": mean, "max": maximum, "pooled": p.pooler}[v.Kind]
		features = concat(features, pool(x))
	}
	return p.set("features", features)
}

// stageOf names the stage that a vector is read from.
func (p *Pass) stageOf(v Vector) string {
	if n := p.Layers + v.Layer; n >= 0 {
		return fmt.Sprintf("layer_%d", n)
	}
	return "embedding_output"
}

func first(x Matrix) Matrix { return x[:1] }

func mean(x Matrix) Matrix { return scale(1/float64(len(x)), sumColumns(x)) }

func maximum(x Matrix) Matrix {
	y := Matrix{slices.Clone(x[0])}
	for _, row := range x {
		y = zip(y, Matrix{row}, func(y, x float64) float64 { return max(y, x) })
	}
	return y
}

// pooler is tanh(x₀·W + b), [1, H], x₀ the row of [CLS] (BertModel, scope pooler). Pre-training read from it whether the second sentence
// follows the first.
func (p *Pass) pooler(x Matrix) Matrix {
	return p.set("pooled_output", each(p.dense("bert/pooler/dense", first(x)), math.Tanh))
}

// head is z = f·Wᵀ + b and σ(z), [1, C] (create_model of run_classifier.py, with sigmoids: labels do not exclude each other, and a
// softmax would have them share one certainty).
func (p *Pass) head(features Matrix) {
	z := p.set("logits", add(multiply(features, transpose(p.Weights["output_weights"])), p.Weights["output_bias"]))
	p.set("probabilities", each(z, sigmoid))
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// Loss is the sum of −y·ln σ(z) − (1−y)·ln(1−σ(z)) over the labels y that are known, 1 or 0 and not −1, divided by cells: how many are
// known in the whole batch. It is written as in tf.nn.sigmoid_cross_entropy_with_logits, where nothing overflows.
func (p *Pass) Loss(labels []int8, cells int) (loss float64) {
	for l, z := range p.Stages["logits"][0] {
		if y := float64(labels[l]); y >= 0 {
			loss += (max(z, 0) - z*y + math.Log1p(math.Exp(-math.Abs(z)))) / float64(cells)
		}
	}
	return loss
}
