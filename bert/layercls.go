package bert

import (
	"bertlabel/asm"
	"bertlabel/tensor"
)

// The last layer under a head that reads nothing but [CLS]: keys and values of every token, all else for the first token of each text.
// With I = 4H keys and values are a sixth of the layer's products (2 of 12·H² a token), so for long texts five sixths are saved.

// ForwardCLS sets y [texts, hidden] to the first row of each text of what Forward gives for x [tokens, hidden], bit for bit. y must not
// share memory with x.
//
//	q    = first·Wq + bq               first: the [CLS] rows of x, [texts, hidden]
//	k, v = x·Wk + bk, x·Wv + bv        [tokens, hidden]
//
// and then what afterQKV says, for one query a text.
func (l *Layer) ForwardCLS(ws *Workspace, y, x *tensor.Tensor, offsets []int) {
	h, texts := x.Cols, len(offsets)-1
	first := &ws.cls
	first.Resize(texts, h)
	firstRows(first, x, offsets)
	ws.clsOffsets = ws.clsOffsets[:0]
	for t := range texts + 1 {
		ws.clsOffsets = append(ws.clsOffsets, t)
	}

	// The three kernels lie side by side, and columns are computed by whole panels: those of the queries end with the panel in which
	// column h−1 lies, those of the keys begin with the panel in which column h lies. Where that is the same one it is computed twice.
	nr := l.qkv.PanelWidth()
	ws.qkv.Resize(x.Rows, 3*h)
	ws.MatMulPanels(&ws.qkv, x, l.qkv, h/nr, (3*h+nr-1)/nr, tensor.Epilogue{Bias: l.qkvBias})
	ws.clsQuery.Resize(texts, 3*h)
	ws.MatMulPanels(&ws.clsQuery, first, l.qkv, 0, (h+nr-1)/nr, tensor.Epilogue{Bias: l.qkvBias})
	query, key, value := ws.clsQuery.SliceCols(0, h), ws.qkv.SliceCols(h, 2*h), ws.qkv.SliceCols(2*h, 3*h)
	l.afterQKV(ws, y, first, &query, &key, &value, ws.clsOffsets, offsets)
}

// firstRows returns the rows of x [tokens, hidden] that go on, the first of each text: [texts, hidden].
func (t *layerTraining) firstRows(x *tensor.Tensor, rows *rowSet) *tensor.Tensor {
	texts := len(rows.keys) - 1
	t.first.Resize(texts, x.Cols)
	firstRows(&t.first, x, rows.keys)
	return &t.first
}

// firstRowsBackward is the end of backward when only the first row of each text went on: dy [texts, hidden] is the gradient that
// reaches these rows past the attention.
func (t *layerTraining) firstRowsBackward(w *tensor.Workspace, g *layerGradients, dx, dy *tensor.Tensor, rows *rowSet) {
	if dx == nil {
		dy = nil
	}
	t.Query.Backward(w, dy, &g.dqkv.Query, &t.first, dy) // q = first·Wq + bq
	t.Key.Backward(w, dx, &g.dqkv.Key, t.x, nil)         // k = x·Wk + bk
	t.Value.Backward(w, dx, &g.dqkv.Value, t.x, dx)      // v = x·Wv + bv
	if dx == nil {
		return
	}
	for text, row := range rows.keys[:dy.Rows] { // first[text] = x[row]
		asm.Best.Add(dx.Row(row), dy.Row(text))
	}
}
