package scorecmd

import (
	"fmt"
	"io"
	"strings"
	"time"

	"bertlabel/checkpoint/atomic"
	"bertlabel/train/shard"
)

// metricsEvery is the least time between two writings of the figures of a shard that is being made.
const metricsEvery = 10 * time.Second

// metricsFile keeps figures of the shard that is being made, or was made last, in a file for node_exporter's textfile collector: the text
// format of Prometheus. The file is replaced as a whole. The zero metricsFile has no path and writes nothing.
type metricsFile struct {
	path string

	labels  string // of all figures
	began   time.Time
	written time.Time
}

// begin begins a shard.
func (m *metricsFile) begin(verb string, shard, of int) {
	m.labels = fmt.Sprintf(`{verb="%s",shard="%d",of="%d"}`, verb, shard, of)
	m.began, m.written = time.Now(), time.Time{}
}

// rows writes how far a shard has come, unless that was done a moment ago.
func (m *metricsFile) rows(done int) error {
	if time.Since(m.written) < metricsEvery {
		return nil
	}
	seconds := time.Since(m.began).Seconds()
	return m.write(shardFigures{rows: float64(done), perSecond: float64(done) / max(seconds, 1e-9), seconds: seconds})
}

// finish writes the figures of a shard that is there.
func (m *metricsFile) finish(r *shard.Receipt) error {
	return m.write(shardFigures{1, float64(r.Rows), float64(r.Refused), float64(r.Cut), float64(r.Rows) / max(r.Seconds, 1e-9), r.Seconds})
}

// shardFigures are those of a shard.
type shardFigures struct{ done, rows, refused, cut, perSecond, seconds float64 }

func (m *metricsFile) write(f shardFigures) error {
	if m.path == "" {
		return nil
	}
	m.written = time.Now()
	var b strings.Builder
	for _, g := range []struct {
		name, help string
		value      float64
	}{
		{"done", "1 when the part and its receipt are there.", f.done},
		{"rows", "Rows of the part so far.", f.rows},
		{"refused_rows", "Rows that could not be read; known at the end.", f.refused},
		{"cut_rows", "Rows with more tokens than the model takes; known at the end.", f.cut},
		{"rows_per_second", "Rows per second since the shard began.", f.perSecond},
		{"seconds", "Seconds since the shard began; at the end, what it took.", f.seconds},
		{"updated_timestamp_seconds", "When this was written.", float64(m.written.UnixMilli()) / 1000},
	} {
		name := "bertlabel_shard_" + g.name
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s%s %g\n", name, g.help, name, name, m.labels, g.value)
	}
	return atomic.WriteFile(atomic.OS{}, m.path, func(w io.Writer) error {
		_, err := io.WriteString(w, b.String())
		return err
	})
}
