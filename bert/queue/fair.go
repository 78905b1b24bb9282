package queue

import "container/heap"

// fair is the texts of one class that wait, in the order of start-time fair queueing (Goyal, Vin and Cheng 1996, SFQ). For text k of a
// flow, with v the virtual time,
//
//	S(k) = max(v, F(k−1))    F(k) = S(k) + tokens/weight
//
// The text with the least S goes first, and v is its S. So the flows that have work waiting get tokens in proportion to their weights, to
// within one text of each: who sends a thousand texts in a request and who sends a thousand requests have the same.
type fair struct {
	heap   entries
	tokens int     // of all that wait
	now    float64 // v
	flows  map[string]*flow
	seq    uint64
}

// flow is one sender.
type flow struct {
	name   string
	finish float64 // F of its last text
	queued int     // texts that wait
}

// tag returns the S that the next text of a flow would have.
func (f *fair) tag(name string) float64 {
	if flow := f.flows[name]; flow != nil {
		return max(f.now, flow.finish)
	}
	return f.now
}

// push adds a text of a flow.
func (f *fair) push(e *entry, name string, weight float64) {
	if f.flows == nil {
		f.flows = map[string]*flow{}
	}
	if weight <= 0 {
		weight = 1
	}
	e.start = f.tag(name)
	e.finish = e.start + float64(e.tokens())/weight
	if e.flow = f.flows[name]; e.flow == nil {
		f.sweep()
		e.flow = &flow{name: name}
		f.flows[name] = e.flow
	}
	e.flow.finish = e.finish
	f.seq++
	e.seq = f.seq
	f.add(e)
}

// add puts a text, which has its tags, into the heap.
func (f *fair) add(e *entry) {
	e.flow.queued++
	f.tokens += e.tokens()
	heap.Push(&f.heap, e)
}

// pop takes the text that goes first.
func (f *fair) pop() *entry {
	e := heap.Pop(&f.heap).(*entry)
	f.left(e)
	return e
}

// served moves the virtual time to a text that was popped and is to run.
func (f *fair) served(e *entry) {
	f.now = max(f.now, e.start)
	f.settle()
}

// settle forgets all tags when nothing waits: nobody is behind anybody.
func (f *fair) settle() {
	if len(f.heap) == 0 {
		f.now = 0
		clear(f.flows)
	}
}

// remove takes out a text that is not to run. If it is the last one of its flow, the flow has not used its turn.
func (f *fair) remove(e *entry) {
	heap.Remove(&f.heap, e.index)
	f.left(e)
	if e.flow.finish == e.finish {
		e.flow.finish = e.start
	}
	f.settle()
}

func (f *fair) left(e *entry) {
	e.index = -1
	e.flow.queued--
	f.tokens -= e.tokens()
}

// sweep forgets flows that have nothing waiting and no lead, when there are many.
func (f *fair) sweep() {
	if len(f.flows) < 64 || len(f.flows) < 2*len(f.heap) {
		return
	}
	for name, flow := range f.flows {
		if flow.queued == 0 && flow.finish <= f.now {
			delete(f.flows, name)
		}
	}
}

// entries is a heap by start tag, then by arrival.
type entries []*entry

func (h entries) Len() int { return len(h) }
func (h entries) Less(i, j int) bool {
	return h[i].start < h[j].start || h[i].start == h[j].start && h[i].seq < h[j].seq
}
func (h entries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *entries) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop is for container/heap.
func (h *entries) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
