package serve

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bertlabel/asm/machine"
	"bertlabel/bert/queue"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the series of a server. All that are known exist from the start, with 0.
type metrics struct {
	http.Handler
	server *Server

	requests                           *prometheus.CounterVec   // route, code
	duration                           *prometheus.HistogramVec // route, class
	queued                             *prometheus.HistogramVec // class
	pass, batchTokens, batchTexts      *prometheus.HistogramVec // mode
	rejected                           *prometheus.CounterVec   // reason
	texts, tokens, cutTexts, cut       *prometheus.CounterVec   // model
	labels                             *prometheus.CounterVec   // model, label
	info, since                        *prometheus.GaugeVec     // model, digest; model
	reloads                            *prometheus.CounterVec   // result
	cacheHits, cacheMisses, cacheJoins prometheus.Counter
	panics                             prometheus.Counter
}

var (
	latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	sizeBuckets    = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
)

func newMetrics(s *Server) *metrics {
	r := prometheus.NewRegistry()
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bertlabel_" + name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "bertlabel_" + name, Help: help}, labels)
		r.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bertlabel_" + name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour}, labels)
		r.MustRegister(h)
		return h
	}
	m := &metrics{server: s,
		requests: counter("requests_total", "Requests that were answered.", "route", "code"),
		duration: histogram("request_duration_seconds", "From the headers of a request to the end of its answer.", latencyBuckets,
			"route", "class"),
		queued:      histogram("queue_seconds", "How long the last text of a request waited.", latencyBuckets, "class"),
		pass:        histogram("pass_seconds", "How long a pass through the encoder took.", latencyBuckets, "mode"),
		batchTokens: histogram("batch_tokens", "Tokens of a pass.", sizeBuckets, "mode"),
		batchTexts:  histogram("batch_texts", "Texts of a pass.", sizeBuckets, "mode"),
		rejected:    counter("rejected_total", "Requests that were refused before any work.", "reason"),
		texts:       counter("texts_total", "Texts that were read.", "model"),
		tokens:      counter("tokens_total", "Tokens that were read.", "model"),
		cutTexts:    counter("truncated_texts_total", "Texts that were too long and were cut.", "model"),
		cut:         counter("cut_tokens_total", "Tokens that were left out of them.", "model"),
		labels:      counter("labels_total", "Texts whose probability of a label was over the model's threshold.", "model", "label"),
		info:        gauge("model_info", "1 for the model that is served.", "model", "digest", "version"),
		since:       gauge("model_loaded_timestamp_seconds", "When the model that is served was opened.", "model"),
		reloads:     counter("reloads_total", "Models that were opened anew, or could not be.", "result"),
		cacheHits:   counter("cache_hits_total", "Texts whose features were in the cache.").WithLabelValues(),
		cacheMisses: counter("cache_misses_total", "Texts whose features were computed.").WithLabelValues(),
		cacheJoins:  counter("cache_joins_total", "Texts that waited for an equal one.").WithLabelValues(),
		panics:      counter("panics_total", "Bugs that were fenced.").WithLabelValues(),
	}
	for _, reason := range []string{"wait", "deadline", "bulk_full", "bodies"} {
		m.rejected.WithLabelValues(reason)
	}
	for _, result := range []string{"ok", "failed"} {
		m.reloads.WithLabelValues(result)
	}
	for _, mode := range modes {
		m.pass.WithLabelValues(mode)
		m.batchTokens.WithLabelValues(mode)
		m.batchTexts.WithLabelValues(mode)
	}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), stats{s})
	m.Handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return m
}

// modes are how a pass runs: on a thread of its own, or on all.
var modes = [...]string{"alone", "team"}

// observe takes a pass.
func (m *metrics) observe(b queue.Batch) {
	mode := modes[0]
	if b.Threads > 1 {
		mode = modes[1]
	}
	m.pass.WithLabelValues(mode).Observe(b.Took.Seconds())
	m.batchTokens.WithLabelValues(mode).Observe(float64(b.Tokens))
	m.batchTexts.WithLabelValues(mode).Observe(float64(b.Texts))
}

// start makes the series of routes and models.
func (m *metrics) start() {
	for _, r := range m.server.routes {
		m.requests.WithLabelValues(r.label(), "200")
		for _, class := range []queue.Class{queue.Interactive, queue.Bulk} {
			m.duration.WithLabelValues(r.label(), class.String())
			m.queued.WithLabelValues(class.String())
		}
	}
}

// label is the route in metrics.
func (r *route) label() string { return strings.TrimSuffix(r.name, "{$}") }

// request takes a request that was answered. Its class is that of its texts; without any it is interactive.
func (m *metrics) request(c *call, took time.Duration, trace string) {
	route, class := c.route.label(), c.class.String()
	m.requests.WithLabelValues(route, strconv.Itoa(c.code)).Inc()
	duration := m.duration.WithLabelValues(route, class)
	if e, ok := duration.(prometheus.ExemplarObserver); ok && trace != "" {
		e.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": trace})
	} else {
		duration.Observe(took.Seconds())
	}
	if c.ran.texts > 0 {
		m.queued.WithLabelValues(class).Observe(c.ran.queued.Seconds())
	}
}

// refused takes an error that may be of a request that was refused before any work.
func (m *metrics) refused(err error) {
	var overload *queue.OverloadError
	if errors.As(err, &overload) {
		m.rejected.WithLabelValues(overload.Reason.String()).Inc()
	} else if errors.Is(err, queue.ErrBytes) {
		m.rejected.WithLabelValues("bodies").Inc()
	}
}

// read takes texts that a model reads.
func (m *metrics) read(l *loaded, texts, tokens, cutTexts, cut int) {
	m.texts.WithLabelValues(l.name).Add(float64(texts))
	m.tokens.WithLabelValues(l.name).Add(float64(tokens))
	m.cutTexts.WithLabelValues(l.name).Add(float64(cutTexts))
	m.cut.WithLabelValues(l.name).Add(float64(cut))
}

// labelled takes a prediction, by the thresholds of the model.
func (m *metrics) labelled(l *loaded, probabilities []float32) {
	top := l.Top(probabilities)
	for i, p := range probabilities {
		if i == top || top < 0 && l.Predicts(i, p) {
			m.labels.WithLabelValues(l.name, l.Labels[i]).Inc()
		}
	}
}

// replaced takes a model that is served now; old is nil or its predecessor.
func (m *metrics) replaced(old, l *loaded) {
	if old != nil {
		m.info.DeleteLabelValues(old.name, old.digest, old.version)
	}
	m.info.WithLabelValues(l.name, l.digest, l.version).Set(1)
	m.since.WithLabelValues(l.name).Set(float64(l.since.Unix()))
	m.read(l, 0, 0, 0, 0)
	for _, label := range l.Labels {
		m.labels.WithLabelValues(l.name, label)
	}
}

// stats hands on what the queue counts, at the time of a scrape.
type stats struct{ s *Server }

// Describe describes nothing: the series depend on the models.
func (stats) Describe(chan<- *prometheus.Desc) {}

// Collect asks the queue.
func (c stats) Collect(out chan<- prometheus.Metric) {
	q := c.s.queue.Stats()
	send := func(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
		var names, values []string
		for i := 0; i < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("bertlabel_"+name, help, names, nil), kind, value, values...)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	for _, class := range []queue.Class{queue.Interactive, queue.Bulk} {
		send(gauge, "queue_texts", "Texts that wait.", float64(q.Queued[class]), "class", class.String())
		send(gauge, "queue_tokens", "Tokens that wait.", float64(q.QueuedTokens[class]), "class", class.String())
	}
	threads := max(1, c.s.Options.Queue.Threads)
	send(gauge, "estimated_wait_seconds", "How long a request of a new client would wait.", q.Wait.Seconds())
	send(counter, "busy_seconds_total", "Thread-seconds in passes.", q.Busy.Seconds())
	send(gauge, "threads", "Threads that compute.", float64(threads))
	send(gauge, "running_passes", "Passes that run.", float64(q.Running))
	send(counter, "failed_passes_total", "Passes that failed; their texts ran again one by one.", float64(q.Failed))
	isReady := 0.0
	if c.s.now() == ready {
		isReady = 1
	}
	send(gauge, "ready", "1 while /readyz says yes.", isReady)
	bytes := 0.0
	if c.s.cache != nil {
		bytes = float64(c.s.cache.Bytes())
	}
	send(gauge, "cache_bytes", "Bytes of features in the cache.", bytes)
	send(gauge, "body_bytes", "Bytes of JSON requests and their texts in memory.", float64(c.s.bodies.Used()))
	send(gauge, "stream_bytes", "Bytes of rows of streams in memory.", float64(c.s.rows.Used()))
	c.machine(send)
	for _, slot := range c.s.models.slots {
		if l := slot.now.Load(); l != nil {
			c.costs(l, func(name, help string, value float64, mode string) {
				send(gauge, name, help, value, "model", l.name, "mode", mode)
			})
		}
	}
}

// machine is what the server may take of the machine, and what a container leaves it.
func (c stats) machine(send func(kind prometheus.ValueType, name, help string, value float64, labels ...string)) {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	for part, bytes := range c.s.Memory().parts() {
		send(gauge, "memory_bound_bytes", "The most that the server may hold, without garbage.", float64(bytes), "part", part)
	}
	send(gauge, "memory_budget_bytes", "What it may be at most (--max-memory); 0: no limit.", float64(c.s.MaxMemory))
	send(gauge, "cpu_quota_cores", "Cores' time that the container and those round it leave; 0: no quota.", machine.CPUQuota())
	send(counter, "cpu_throttled_seconds_total", "Time that the quota has kept the container from running.", machine.Throttled().Seconds())
}

// costs are what the queue takes passes of a model to cost.
func (c stats) costs(l *loaded, send func(name, help string, value float64, mode string)) {
	e, err := l.engine(l.Pooling)
	if err != nil {
		return
	}
	alone, team, _ := c.s.queue.Costs(e.target)
	for i, cost := range []queue.Cost{alone, team} {
		send("cost_seconds_per_token", "What a token adds to a pass.", cost.PerToken, modes[i])
		send("cost_seconds_per_pass", "What a pass takes beside its tokens.", cost.PerPass, modes[i])
		send("cost_correction", "How much longer passes take than was measured.", cost.Correction, modes[i])
	}
}
