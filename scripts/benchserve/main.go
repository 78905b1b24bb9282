// Benchserve measures a server of BERT labels: the rows of docs/serve.md ("How fast it is"), as JSON lines. scripts/bench_serve.sh sets it
// up.
//
//	benchserve -bertlabel ./bertlabel -model model -texts texts.txt                    # all rows of bertlabel serve
//	benchserve … -rows start,load80 -seconds 10 -rounds 1                              # some, briefly
//	benchserve … -peer fastapi=simple@http://127.0.0.1:9000                            # a peer that runs, too, in turns
//
// Load is open: requests go out at the times of a Poisson process, whether earlier ones have been answered or not, and latency counts
// from the time at which a request was to be sent. The answers of every server are compared with those of `bertlabel predict` first.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// bench is what all rows share.
type bench struct {
	bertlabel, model string
	texts, labels    []string
	want             [][]float64 // probabilities of the first texts, from predict
	seconds          time.Duration
	soak             time.Duration
	capacity         float64 // texts a second, of the server that is measured
	out              *json.Encoder
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "benchserve:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	b := &bench{out: json.NewEncoder(os.Stdout)}
	f := flag.NewFlagSet("benchserve", flag.ContinueOnError)
	f.StringVar(&b.bertlabel, "bertlabel", "bertlabel", "the program")
	f.StringVar(&b.model, "model", "", "a folder that train wrote")
	texts := f.String("texts", "", "a file of texts, one a line")
	seconds := f.Float64("seconds", 60, "of a measurement")
	rounds := f.Int("rounds", 3, "times that all rows are measured")
	rows := f.String("rows", "", "names of rows, with commas; default: all but soak")
	var peers []string
	f.Func("peer", "NAME=KIND@URL[#GROUP] of a server that runs; kinds: simple, tei, infinity; "+
		"its process group stands still while others are measured", func(s string) error {
		peers = append(peers, s)
		return nil
	})
	f.DurationVar(&b.soak, "soak", 30*time.Minute, "of the row soak")
	if err := f.Parse(args); err != nil {
		return err
	}
	b.seconds = time.Duration(*seconds * float64(time.Second))
	text, err := os.ReadFile(*texts)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			b.texts = append(b.texts, line)
		}
	}
	if err := b.reference(); err != nil {
		return err
	}
	for round := range *rounds {
		if err := b.round(round, *rows, peers); err != nil {
			return err
		}
	}
	return nil
}

// round measures our server, then each peer.
func (b *bench) round(round int, names string, peers []string) error {
	print := func(server, what string, r result, err error) {
		line := merge(result{"server": server, "what": what, "round": round}, r)
		if err != nil {
			line["error"] = err.Error()
		}
		b.out.Encode(line) // an error is that of a closed stdout
	}
	for _, row := range ownRows {
		if names == "" && row.name == "soak" || names != "" && !slices.Contains(strings.Split(names, ","), row.name) {
			continue
		}
		r, err := row.measure(b)
		print("bertlabel", row.name, r, err)
	}
	for _, peer := range peers {
		name, rest, _ := strings.Cut(peer, "=")
		kind, place, found := strings.Cut(rest, "@")
		url, group, _ := strings.Cut(place, "#")
		if _, ok := kinds[kind]; !found || !ok {
			return fmt.Errorf("-peer %s: want NAME=KIND@URL[#GROUP]", peer)
		}
		if err := signal(group, "-CONT"); err != nil {
			return fmt.Errorf("-peer %s: %w", peer, err)
		}
		b.peer(name, newClient(kinds[kind], url, b.texts), names, print)
		if err := signal(group, "-STOP"); err != nil {
			return fmt.Errorf("-peer %s: %w", peer, err)
		}
	}
	return nil
}

// reference asks `bertlabel predict` for the probabilities that all servers are held to.
func (b *bench) reference() error {
	n := min(100, len(b.texts))
	out, err := b.run(strings.NewReader(rowsOf(b.texts[:n])), "predict", "--model", b.model, "--input", "-", "--format", "jsonl", "--quiet")
	if err != nil {
		return err
	}
	labels, err := os.ReadFile(b.model + "/labels.txt")
	if err != nil {
		return err
	}
	b.labels = strings.Split(strings.TrimRight(string(labels), "\n"), "\n")
	for line := range strings.Lines(string(out)) {
		var p struct{ Probabilities map[string]float64 }
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			return err
		}
		row := make([]float64, len(b.labels))
		for i, label := range b.labels {
			row[i] = p.Probabilities[label]
		}
		b.want = append(b.want, row)
	}
	if len(b.want) != n {
		return fmt.Errorf("predict has answered %d of %d texts", len(b.want), n)
	}
	return nil
}

// check compares a server's probabilities with predict's: float32 in another order of sums moves them by less than 1e-4.
func (b *bench) check(c *client) error {
	for first := 0; first < len(b.want); first += 10 {
		texts := b.texts[first:min(first+10, len(b.want))]
		code, answer, err := c.post(context.Background(), texts)
		for try := 0; err == nil && code == 429 && try < 20; try++ { // on a machine that is busy with other things
			time.Sleep(200 * time.Millisecond)
			code, answer, err = c.post(context.Background(), texts)
		}
		if err == nil && code != 200 {
			err = fmt.Errorf("status %d: %.200s", code, answer)
		}
		if err != nil {
			return err
		}
		got, err := c.scores(answer, b.labels)
		if err != nil || len(got) != len(texts) {
			return fmt.Errorf("%d of %d answers, %v: %.200s", len(got), len(texts), err, answer)
		}
		for i := range got {
			for j, p := range got[i] {
				if want := b.want[first+i][j]; !(math.Abs(p-want) <= 1e-4) {
					return fmt.Errorf("text %d: %s has %v, want %v", first+i, b.labels[j], p, want)
				}
			}
		}
	}
	return nil
}

// peer measures one.
func (b *bench) peer(name string, c *client, names string, print func(server, what string, r result, err error)) {
	if err := b.check(c); err != nil {
		print(name, "check", nil, err)
		return
	}
	capacity := 0.0
	for _, row := range loadRows {
		if names != "" && !slices.Contains(strings.Split(names, ","), row.name) {
			continue
		}
		if capacity == 0 {
			capacity = b.saturate(c)
		}
		print(name, row.name, row.measure(b, c, capacity), nil)
	}
}

// signal sends one to a process group, if there is one. A peer that is not measured stands still: LitServe's idle processes keep a core
// busy.
func signal(group, name string) error {
	if group == "" {
		return nil
	}
	return exec.Command("kill", name, "--", "-"+group).Run()
}
