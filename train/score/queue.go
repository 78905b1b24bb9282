package score

import "sync"

// How far reading may be ahead of the model.
const (
	aheadRows  = 4096
	aheadBytes = 16 << 20 // of text; one row that is longer passes alone
)

// queue holds the rows that have been read and that the model has not taken. One goroutine puts, one takes.
type queue struct {
	mu      sync.Mutex
	changed sync.Cond
	rows    []Row
	bytes   int   // of their texts
	err     error // how reading ended, io.EOF too; nil while it goes on
	stopped bool  // nobody takes any more
}

func newQueue() *queue {
	q := &queue{}
	q.changed.L = &q.mu
	return q
}

// put adds a row, when there is room for it. It reports whether more rows are wanted.
func (q *queue) put(row Row) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := len(row.Text) + len(row.Pair)
	for !q.stopped && len(q.rows) > 0 && (len(q.rows) >= aheadRows || q.bytes+size > aheadBytes) {
		q.changed.Wait()
	}
	if q.stopped {
		return false
	}
	q.rows, q.bytes = append(q.rows, row), q.bytes+size
	q.changed.Broadcast()
	return true
}

// end says how the reading has ended.
func (q *queue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	q.changed.Broadcast()
}

// take returns all rows that are there, and waits for one if there is none; the error comes when there will be none. After stop there
// may be neither.
func (q *queue) take() (rows []Row, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.rows) == 0 && q.err == nil && !q.stopped {
		q.changed.Wait()
	}
	if len(q.rows) == 0 {
		return nil, q.err
	}
	rows, q.rows, q.bytes = q.rows, nil, 0
	q.changed.Broadcast()
	return rows, nil
}

// stop says that nobody takes any more.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.changed.Broadcast()
}
