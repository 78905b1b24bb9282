package plain

import (
	"fmt"
	"math"
	"slices"
)

// The backward pass is the chain rule: each function of forward.go has a twin here, run in the opposite order. dx is the derivative of the
// loss by x, in the shape of x; where y = f(x), f's twin makes dx from dy. docs/backward.md derives them. What is used twice, as x at
// a residual connection, adds its two derivatives.

// Backward adds to Gradients those of Loss(labels, cells).
func (p *Pass) Backward(labels []int8, cells int) {
	dz := zip(p.Stages["logits"], floats(labels), func(z, y float64) float64 {
		if y < 0 {
			return 0 // unknown
		}
		return (sigmoid(z) - y) / float64(cells) // σ′ = σ·(1 − σ) cancels with the logarithms'
	})
	p.grad("logits", dz)
	p.grad("output_weights", multiply(transpose(dz), p.Stages["features"])) // z = f·Wᵀ + b
	p.grad("output_bias", dz)
	p.BackwardFeatures(multiply(dz, p.Weights["output_weights"]))
}

// BackwardFeatures adds to Gradients those of anything that is made of the features, given its derivative by them, [1, features].
func (p *Pass) BackwardFeatures(dfeatures Matrix) {
	p.featuresBackward(p.grad("features", dfeatures))
	for n := p.Layers - 1; n >= 0; n-- {
		if dy := p.Gradients[fmt.Sprintf("layer_%d", n)]; dy != nil { // nil: neither this layer nor one above was read
			p.layerBackward(n, dy)
		}
	}
	p.embeddingsBackward(p.Gradients["embedding_output"])
}

// grad adds to the gradient by a stage or a weight, and returns the sum.
func (p *Pass) grad(name string, dx Matrix) Matrix {
	if before := p.Gradients[name]; before != nil {
		dx = add(before, dx)
	}
	p.Gradients[name] = dx
	return dx
}

// featuresBackward gives a vector's gradient to the rows that it was made of.
func (p *Pass) featuresBackward(dfeatures Matrix) {
	for i, v := range p.Vectors {
		x := p.Stages[p.stageOf(v)]
		s, h := len(x), len(x[0])
		dx, dy := zeros(s, h), columns(dfeatures, i*h, (i+1)*h)
		from, to := p.Kept[0], p.Kept[1]
		switch v.Kind {
		case "cls":
			dx[0] = dy[0]
		case "mean":
			copy(dx[from:to], add(dx[from:to], scale(1/float64(to-from), dy))) // every row had the same share
		case "max":
			for j, largest := range maximum(x[from:to])[0] {
				row := slices.IndexFunc(x[from:to], func(row []float64) bool { return row[j] == largest })
				dx[from+row][j] = dy[0][j]
			}
		case "pooled":
			dx[0] = p.poolerBackward(dy, x)[0]
		}
		p.grad(p.stageOf(v), dx)
	}
}

// poolerBackward: tanh′ = 1 − tanh².
func (p *Pass) poolerBackward(dy, x Matrix) Matrix {
	derivative := each(p.Stages["pooled_output"], func(y float64) float64 { return 1 - y*y })
	return p.denseBackward("bert/pooler/dense", times(p.grad("pooled_output", dy), derivative), first(x))
}

// layerBackward undoes y = LayerNorm(a + FFN(a)), then a = LayerNorm(x + MultiHead(x)).
func (p *Pass) layerBackward(n int, dy Matrix) {
	scope, below := fmt.Sprintf("bert/encoder/layer_%d/", n), p.stageOf(Vector{Layer: n - 1 - p.Layers})
	x, a := p.Stages[below], p.Stages[scope+"attention/output/LayerNorm"]
	dsum := p.addNormBackward(scope+"output/", dy)
	da := add(dsum, p.feedForwardBackward(scope, dsum, a))
	dsum = p.addNormBackward(scope+"attention/output/", da)
	p.grad(below, add(dsum, p.multiHeadBackward(scope+"attention/", dsum, x)))
}

// addNormBackward: the sum's gradient is that of x and that of f alike.
func (p *Pass) addNormBackward(scope string, dy Matrix) Matrix {
	return p.grad(scope+"sum", p.layerNormBackward(scope+"LayerNorm", dy, p.Stages[scope+"sum"]))
}

// multiHeadBackward: each head is P·v with P = softmax(S) and S = q·kᵀ/√D, so dP = dhead·vᵀ, dv = Pᵀ·dhead, dq = dS·k/√D, dk = dSᵀ·q/√D.
func (p *Pass) multiHeadBackward(scope string, dy, x Matrix) Matrix {
	q, k, v := p.Stages[scope+"self/query"], p.Stages[scope+"self/key"], p.Stages[scope+"self/value"]
	heads, s := p.Stages[scope+"self/context"], len(x)
	dheads := p.grad(scope+"self/context", p.denseBackward(scope+"output/dense", dy, heads))
	var dscores, dprobs Matrix
	dq, dk, dv := make(Matrix, s), make(Matrix, s), make(Matrix, s)
	for n := range p.Heads {
		probs, dhead := p.Stages[scope+"self/probs"][n*s:(n+1)*s], p.part(dheads, n)
		dp := multiply(dhead, transpose(p.part(v, n)))
		ds := softmaxBackward(dp, probs)
		dqk := scale(1/math.Sqrt(float64(len(dhead[0]))), ds)
		dq = concat(dq, multiply(dqk, p.part(k, n)))
		dk = concat(dk, multiply(transpose(dqk), p.part(q, n)))
		dv = concat(dv, multiply(transpose(probs), dhead))
		dscores, dprobs = append(dscores, ds...), append(dprobs, dp...)
	}
	p.grad(scope+"self/scores", dscores)
	p.grad(scope+"self/probs", dprobs)
	dx := add(p.denseBackward(scope+"self/query", dq, x), p.denseBackward(scope+"self/key", dk, x))
	return add(dx, p.denseBackward(scope+"self/value", dv, x))
}

// softmaxBackward is dx = y∘(dy − Σ dy∘y), for ∂yⱼ/∂xᵢ = yⱼ·(δᵢⱼ − yᵢ) within a row.
func softmaxBackward(dy, y Matrix) Matrix { return times(y, subtract(dy, sumRows(times(dy, y)))) }

// feedForwardBackward undoes act(x·W₁ + b₁)·W₂ + b₂.
func (p *Pass) feedForwardBackward(scope string, dy, x Matrix) Matrix {
	inner, act := p.Stages[scope+"intermediate/dense"], p.Stages[scope+"intermediate/act"]
	dact := p.grad(scope+"intermediate/act", p.denseBackward(scope+"output/dense", dy, act))
	return p.denseBackward(scope+"intermediate/dense", times(dact, each(inner, derivatives[p.Act])), x)
}

// derivatives are those of activations.
var derivatives = map[string]func(x float64) float64{
	"gelu": func(x float64) float64 { // x/2·(1 + t), t = tanh(u), t′ = (1 − t²)·u′
		t, du := math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)), math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x)
		return (1+t)/2 + x/2*(1-t*t)*du
	},
	"gelu_erf": func(x float64) float64 { // x·Φ(x), Φ′ the density
		return (1+math.Erf(x/math.Sqrt2))/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	},
	"relu": func(x float64) float64 {
		if x > 0 {
			return 1
		}
		return 0
	},
	"tanh":   func(x float64) float64 { return 1 - math.Tanh(x)*math.Tanh(x) },
	"linear": func(x float64) float64 { return 1 },
}

// denseBackward: y = x·W + b gives dW = xᵀ·dy, db = Σ dy over the rows, dx = dy·Wᵀ.
func (p *Pass) denseBackward(name string, dy, x Matrix) Matrix {
	p.grad(name, dy)
	p.grad(name+"/kernel", multiply(transpose(x), dy))
	p.grad(name+"/bias", sumColumns(dy))
	return multiply(dy, transpose(p.Weights[name+"/kernel"]))
}

// layerNormBackward: y = γ∘x̂ + β gives dγ = Σ dy∘x̂, dβ = Σ dy and, with g = γ∘dy, dx = (g − mean(g) − x̂·mean(g∘x̂))/√(σ² + ε): shifting
// and stretching x does not change y, so these two directions are taken out of g.
func (p *Pass) layerNormBackward(name string, dy, x Matrix) Matrix {
	norm, rstd := p.normalise(x)
	p.grad(name, dy)
	p.grad(name+"/gamma", sumColumns(times(dy, norm)))
	p.grad(name+"/beta", sumColumns(dy))
	g := times(dy, p.Weights[name+"/gamma"])
	return times(subtract(subtract(g, meanRows(g)), times(norm, meanRows(times(g, norm)))), rstd)
}

// embeddingsBackward: a row of a table has the gradients of all the tokens that it was picked for.
func (p *Pass) embeddingsBackward(dy Matrix) {
	const scope = "bert/embeddings/"
	dsum := p.grad(scope+"sum", p.layerNormBackward(scope+"LayerNorm", dy, p.Stages[scope+"sum"]))
	for stage, rows := range map[string][]int{"word": p.IDs, "token_type": p.Segments, "position": count(len(p.IDs))} {
		dtable := zeros(len(p.Weights[scope+stage+"_embeddings"]), len(dsum[0]))
		for token, row := range rows {
			dtable[row] = add(Matrix{dtable[row]}, dsum[token:token+1])[0]
		}
		p.grad(scope+stage, dsum)
		p.grad(scope+stage+"_embeddings", dtable)
	}
}
