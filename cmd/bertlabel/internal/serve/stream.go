package serve

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/queue"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor/parallel"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// A stream is rows in, rows out, in order and in constant memory:
//
//	body ── read: rows, tokens ──▶ parts ──▶ queue, some at once ──▶ write: lines in order ──▶ outbox ──▶ client
//
// Each stage stops when the one after it does, so a client that reads slowly slows the reading of its body, and no stream fills the queue.
const (
	streamTokens = 1024             // of a part
	streamParts  = 3                // that wait or run
	streamRows   = 256              // read ahead
	streamAhead  = 8 << 20          // bytes of answers that are kept for a client that sends all before it reads
	streamIdle   = 60 * time.Second // after which a client that neither sends nor reads is given up
)

// What a stream answers with.
const (
	streamPredict = score.Predictions
	streamEmbed   = score.Vectors
)

// streamFormat returns the format of rows that a content type stands for, "" for none.
func streamFormat(mediaType string) data.Format {
	switch mediaType {
	case "application/x-ndjson", "application/jsonl", "application/x-jsonlines":
		return data.JSONL
	case "text/csv":
		return data.CSV
	case "text/tab-separated-values":
		return data.TSV
	}
	return ""
}

// stream is one of them.
type stream struct {
	c       *call
	ctx     context.Context
	m       *loaded
	lines   *model.Model // labels and thresholds
	line    score.Line
	result  score.Result
	pooling bert.Pooling
	engine  *engine
	onLong  string
	table   bool // CSV out

	in        *data.Reader
	out       *outbox
	share     *queue.Share // of the memory of all streams
	rows, bad int
	bugs      int // rows that failed for a reason inside
}

// streamRow is a row that was read.
type streamRow struct {
	data.Example
	tokens tokenizer.Encoding
	err    error // of making them
	bytes  int64 // of stream.share, until its line has been sent
}

// good tells whether a row is to be computed.
func (r *streamRow) good() bool { return r.Bad == nil && r.err == nil }

// part is rows that go through the queue together.
type part struct {
	rows    []streamRow
	results []row // once done is closed
	err     error
	done    chan struct{}
}

// stream answers rows with rows. Options are in the query.
func (c *call) stream(format data.Format, result score.Result) error {
	st := &stream{c: c, result: result}
	if err := st.options(); err != nil {
		return err
	}
	var err error
	if st.share, err = c.share(); err != nil {
		return err
	}
	defer st.share.End()
	control := http.NewResponseController(c.w)
	if err := control.EnableFullDuplex(); err != nil && c.r.ProtoMajor == 1 {
		return err
	}
	var stop context.CancelCauseFunc
	st.ctx, stop = context.WithCancelCause(context.WithoutCancel(c.r.Context())) // an interrupted Read would end that of the request
	defer stop(nil)
	context.AfterFunc(st.ctx, st.share.End)
	body := &idleReader{c.r.Body, control, st.ctx, c.s.stop}
	in, err := data.NewReader(body, "rows", data.Options{Format: format, IgnoreLabels: true, OnBadRow: data.ReportBadRows})
	if err != nil {
		return badRequest("", "%v", err)
	}
	st.in = in
	h := c.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	if st.table {
		h.Set("Content-Type", "text/csv; charset=utf-8")
	}
	h.Set("Trailer", "X-Rows, X-Bad-Rows, X-Digest")
	h.Set("X-Accel-Buffering", "no")
	c.code, c.wrote, c.class = http.StatusOK, true, queue.Bulk
	c.w.WriteHeader(http.StatusOK)
	st.out = newOutbox(c.w, control, st.share)
	caught := parallel.Catch(func() { err = st.run(stop) })
	if err := st.out.close(); err != nil {
		c.code = statusClosed
	}
	if caught != nil {
		panic(caught)
	}
	h.Set("X-Rows", strconv.Itoa(st.rows))
	h.Set("X-Bad-Rows", strconv.Itoa(st.bad))
	h.Set("X-Digest", st.m.digest)
	if err != nil {
		c.fail(err) // it has been told
	}
	return nil
}

// options reads the query.
func (st *stream) options() (err error) {
	c := st.c
	query := c.r.URL.Query()
	for name := range query {
		switch name {
		case "model", "threshold", "top_k", "logits", "on_long", "pooling":
		default:
			return badRequest(name, "unknown parameter %.100q", name)
		}
	}
	var form predictForm
	if err := form.readQuery(query); err != nil {
		return err
	}
	if st.onLong, err = c.onLong(query.Get("on_long")); err != nil {
		return err
	}
	if st.m, st.pooling, err = c.embedder(query.Get("model"), query.Get("pooling")); err != nil {
		return err
	}
	if st.lines, err = form.threshold.of(st.m); err != nil {
		return err
	}
	st.line = score.Line{TopK: form.topK, Logits: form.logits}
	st.table = strings.HasPrefix(c.r.Header.Get("Accept"), "text/csv")
	switch {
	case st.result == streamPredict && st.m.Head == nil:
		return badRequest("model", "the model %q has no head", st.m.name)
	case st.table && (st.result == streamEmbed || form.topK > 0 || form.logits):
		return badRequest("top_k", "a table has one probability a label: top_k, logits and embeddings want application/x-ndjson")
	}
	if st.result == streamPredict {
		st.pooling = st.m.Pooling
	}
	st.engine, err = st.m.engine(st.pooling)
	return err
}

// run runs the stages until the rows end. The error is the one that ended them, which the client has been told.
func (st *stream) run(stop context.CancelCauseFunc) error {
	rows := make(chan streamRow, streamRows)
	parts := make(chan *part, streamParts-1)
	var stages parallel.Group
	readErr := make(chan error, 1)
	stages.Go(func() {
		defer close(rows)
		readErr <- st.read(rows)
	})
	stages.Go(func() {
		defer close(parts)
		st.cut(rows, parts)
	})
	interrupt := func() { http.NewResponseController(st.c.w).SetReadDeadline(time.Now()) } // ends a Read that the reader is in
	over := make(chan struct{})
	stages.Go(func() {
		select {
		case <-st.c.s.stop:
			interrupt()
		case <-over:
		}
	})
	var err error
	caught := parallel.Catch(func() { err = st.write(parts) })
	if caught != nil {
		err = caught
	}
	if err != nil {
		stop(err)
		interrupt()
		for range parts { // nobody waits for them any more
		}
	}
	close(over)
	stages.Wait()
	if caught != nil {
		panic(caught)
	}
	if err != nil {
		return err
	}
	switch err := <-readErr; {
	case err == io.EOF:
		return nil
	case errors.Is(err, queue.ErrClosed):
		st.last(fmt.Sprintf(`{"error":"stopping","resume_from_row":%d}`, st.rows+1))
		return err
	default:
		var own *Error
		if errors.Is(err, context.Canceled) || errors.As(err, &own) {
			err = asError(err)
		} else {
			err = badRequest("", "%v", err)
		}
		st.last(string(score.AppendString([]byte(`{"error":`), err.Error())) + fmt.Sprintf(`,"resume_from_row":%d}`, st.rows+1))
		return err
	}
}

// last writes the line that says why there are no more; a table has no place for it.
func (st *stream) last(line string) {
	if !st.table {
		st.out.write([]byte(line+"\n"), 0)
	}
}

// read hands out the rows until the end, which is io.EOF, or until the server stops.
func (st *stream) read(rows chan<- streamRow) error {
	for {
		var r streamRow
		if err := st.in.Read(&r.Example); err != nil {
			return err
		}
		if r.Bad == nil {
			r.err = fenced(func() error { r.tokens = st.m.EncodeOne(model.Text{A: r.Text, B: r.Pair}); return nil })
			if r.tokens.Cut > 0 && st.onLong == "error" {
				r.Bad = &data.RowError{File: r.File, Line: r.Line, Found: fmt.Sprintf("a text of %d tokens", r.tokens.Kept()+r.tokens.Cut),
					Expected: fmt.Sprintf("at most %d with [CLS] and [SEP]", st.m.limit(&r.tokens))}
			}
		}
		r.bytes = int64(len(r.Text)+len(r.Pair)+len(r.ID)) + st.m.textMemory(st.engine, len(r.tokens.IDs), st.result == streamPredict)
		if windows := r.tokens.Sequences(); windows > 1 {
			r.bytes += int64(4 * windows * st.engine.width) // their features
		}
		st.share.Take(r.bytes)
		select {
		case <-st.c.s.stop:
			return queue.ErrClosed
		case <-st.ctx.Done():
			return context.Cause(st.ctx)
		case rows <- r:
		}
	}
}

// cut makes parts of the rows that are there and sends each through the queue. It never waits for a part to be full.
func (st *stream) cut(rows <-chan streamRow, parts chan<- *part) {
	var running parallel.Group
	defer running.Wait()
	for r := range rows {
		p := &part{done: make(chan struct{}), rows: []streamRow{r}}
		tokens := len(r.tokens.IDs)
	filling:
		for tokens < streamTokens && len(p.rows) < streamRows {
			select {
			case next, ok := <-rows:
				if !ok {
					break filling
				}
				p.rows, tokens = append(p.rows, next), tokens+len(next.tokens.IDs)
			default:
				break filling
			}
		}
		running.Go(func() {
			defer close(p.done)
			p.err = fenced(func() error { return st.compute(p) })
		})
		select {
		case parts <- p:
		case <-st.ctx.Done():
		}
	}
}

// compute takes the good rows of a part through the queue.
func (st *stream) compute(p *part) error {
	var texts []tokenizer.Encoding
	var places []int
	p.results = make([]row, len(p.rows))
	for i := range p.rows {
		if p.results[i].err = p.rows[i].err; p.rows[i].good() {
			texts, places = append(texts, p.rows[i].tokens), append(places, i)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	windows, first := model.Separate(texts)
	result, err := st.c.s.queue.Do(st.ctx, queue.Request{Target: st.engine.target, Class: queue.Bulk, Stream: true, Flow: st.c.flow,
		Scope: st.c.scope, Texts: windows})
	if err != nil {
		return err
	}
	rows := make([]row, len(windows))
	for i := range rows {
		rows[i].feature, rows[i].err = result.Features.Row(i), result.Errors[i]
	}
	if rows, err = st.m.join(st.pooling, texts, rows, first); err != nil {
		return err
	}
	n := len(st.m.Labels)
	for k, i := range places {
		r := &p.results[i]
		r.feature, r.windows, r.err = rows[k].feature, rows[k].windows, rows[k].err
		if r.err == nil && st.result == streamPredict {
			r.logits, r.probabilities = make([]float32, n), make([]float32, n)
			r.err = fenced(func() error { return st.m.score(r) })
		}
	}
	return nil
}

// write writes the rows of the parts in order.
func (st *stream) write(parts <-chan *part) error {
	var table *csv.Writer
	if st.table {
		table = csv.NewWriter(st.out)
		table.Write(append([]string{"id"}, st.m.Labels...))
	}
	var line []byte
	for p := range parts {
		<-p.done
		if p.err != nil {
			if e := asError(p.err); e.Status != statusClosed {
				st.last(string(score.AppendString([]byte(`{"error":`), e.Message)) + fmt.Sprintf(`,"resume_from_row":%d}`, st.rows+1))
			}
			return p.err
		}
		st.count(p)
		line = line[:0]
		bytes := int64(0)
		for i := range p.rows {
			bytes += p.rows[i].bytes
			st.rows++
			if line = st.row(line, table, &p.rows[i], &p.results[i]); p.rows[i].Bad != nil || p.results[i].err != nil {
				st.bad++
			}
		}
		if table != nil {
			table.Flush()
		}
		if err := st.out.write(line, bytes); err != nil {
			return err
		}
	}
	return nil
}

// row appends the line of a row, or writes that of a table.
func (st *stream) row(line []byte, table *csv.Writer, in *streamRow, r *row) []byte {
	out := &score.Row{Example: in.Example, Err: r.err}
	switch {
	case r.err != nil:
		if out.Err = asError(r.err); asError(r.err).Status == http.StatusInternalServerError {
			st.bug(r.err)
		}
	case in.Bad == nil && st.result == streamEmbed:
		out.Vector = r.feature
	case in.Bad == nil:
		out.Prediction = model.Prediction{Logits: r.logits, Probabilities: r.probabilities}
		st.c.s.m.labelled(st.m, r.probabilities)
	}
	if table == nil {
		return st.line.Append(line, st.lines, out)
	}
	cells := []string{in.ID}
	for i := range st.m.Labels {
		cell := ""
		if in.Bad == nil && r.err == nil {
			cell = strconv.FormatFloat(float64(r.probabilities[i]), 'g', -1, 32)
		}
		cells = append(cells, cell)
	}
	table.Write(cells) // an error comes from the outbox
	return line
}

// bug takes what is wrong inside with a row; the log has the first one of a stream.
func (st *stream) bug(err error) {
	if st.bugs++; st.bugs == 1 {
		st.c.bug(err)
	} else if isPanic(err) {
		st.c.s.m.panics.Inc()
	}
}

// count counts the texts of a part.
func (st *stream) count(p *part) {
	var texts []tokenizer.Encoding
	for i := range p.rows {
		if p.rows[i].good() {
			texts = append(texts, p.rows[i].tokens)
		}
	}
	st.c.note(st.m, texts)
}

// idleReader gives a body up when nothing comes for streamIdle.
type idleReader struct {
	io.Reader
	control *http.ResponseController
	ctx     context.Context
	stop    <-chan struct{}
}

// Read returns queue.ErrClosed once the server stops, which ends a Read that waits (stream.run).
func (r *idleReader) Read(p []byte) (int, error) {
	r.control.SetReadDeadline(time.Now().Add(streamIdle)) // an error is that of a connection without deadlines
	select {
	case <-r.stop:
		return 0, queue.ErrClosed
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	default:
	}
	n, err := r.Reader.Read(p)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return n, context.Canceled // the client has left
	}
	select {
	case <-r.stop:
		return n, queue.ErrClosed
	default:
		return n, &Error{Status: http.StatusRequestTimeout, Message: fmt.Sprintf("no row came for %v", streamIdle)}
	}
}

// outbox hands lines on to the client by a goroutine of its own, and keeps streamAhead bytes for one who does not read them yet.
type outbox struct {
	w       *bufio.Writer
	control *http.ResponseController
	share   *queue.Share

	mu      sync.Mutex
	changed sync.Cond
	waiting []byte
	held    int64 // bytes of share of the rows whose lines wait
	ended   bool  // nothing more is written
	err     error
	done    chan struct{}
}

func newOutbox(w io.Writer, control *http.ResponseController, share *queue.Share) *outbox {
	o := &outbox{w: bufio.NewWriterSize(w, 1<<16), control: control, share: share, done: make(chan struct{})}
	o.changed.L = &o.mu
	go o.send()
	return o
}

// Write is for a csv.Writer.
func (o *outbox) Write(p []byte) (int, error) { return len(p), o.write(p, 0) }

// write takes lines, and waits while there are too many. When they have been sent, so many bytes of the share are given back.
func (o *outbox) write(lines []byte, held int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.waiting) > 0 && len(o.waiting)+len(lines) > streamAhead && o.err == nil && !o.ended {
		o.changed.Wait()
	}
	if o.err == nil && !o.ended {
		o.waiting, o.held = append(o.waiting, lines...), o.held+held
		o.changed.Broadcast()
	}
	return o.err
}

// send writes what waits until the end.
func (o *outbox) send() {
	defer close(o.done)
	var lines []byte
	for {
		o.mu.Lock()
		for len(o.waiting) == 0 && o.held == 0 && !o.ended {
			o.changed.Wait()
		}
		if len(o.waiting) == 0 && o.held == 0 {
			o.mu.Unlock()
			return
		}
		held := o.held
		lines, o.waiting, o.held = o.waiting, lines[:0], 0
		o.changed.Broadcast()
		o.mu.Unlock()
		o.control.SetWriteDeadline(time.Now().Add(streamIdle))
		_, err := o.w.Write(lines)
		if err == nil {
			err = o.w.Flush()
		}
		if err == nil {
			err = o.control.Flush()
		}
		if err != nil {
			o.mu.Lock()
			o.err, o.ended = err, true
			o.waiting = nil
			o.changed.Broadcast()
			o.mu.Unlock()
			return
		}
		o.share.Give(held)
	}
}

// close sends what waits, and returns the first error of the client.
func (o *outbox) close() error {
	o.mu.Lock()
	o.ended = true
	o.changed.Broadcast()
	o.mu.Unlock()
	<-o.done
	return o.err
}
