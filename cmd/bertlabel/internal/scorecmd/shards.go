package scorecmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train/data"
	"bertlabel/train/score"
	"bertlabel/train/shard"

	"github.com/spf13/cobra"
)

// shards is the value of --shard: shards First to Last of Of; the zero value is none.
type shards struct{ First, Last, Of int }

// addShard declares --shard and --metrics-file.
func addShard(cmd *cobra.Command, s *shards, metricsFile *string) {
	cmd.Flags().Var(s, "shard", "make part `I/N` (or A-B/N), from 0, of --input in the folder --output (docs/scale.md)")
	cmd.Flags().StringVar(metricsFile, "metrics-file", "", "`FILE`.prom to keep figures of --shard in, for node_exporter's textfile collector")
	cli.Minor(cmd, "Data flags", "metrics-file")
}

// String implements pflag.Value.
func (s *shards) String() string {
	switch {
	case s.Of == 0:
		return ""
	case s.First == s.Last:
		return fmt.Sprintf("%d/%d", s.First, s.Of)
	}
	return fmt.Sprintf("%d-%d/%d", s.First, s.Last, s.Of)
}

// Set implements pflag.Value.
func (s *shards) Set(text string) (err error) {
	s.First, s.Last, s.Of, err = shard.Parse(text)
	if bad := new(data.OptionError); errors.As(err, &bad) {
		err = errors.New(bad.Problem)
	}
	return err
}

// Type implements pflag.Value.
func (s *shards) Type() string { return "I/N" }

// check refuses streams, which cannot be cut.
func (s *shards) check(input, output, metricsFile string, texts int) error {
	switch {
	case s.Of == 0 && metricsFile != "":
		return cli.Usagef("--metrics-file has figures of shards: it needs --shard")
	case s.Of == 0:
		return nil
	case texts > 0 || input == "-":
		return cli.Usagef("--shard %s cuts a file, or deals the files of a folder: name it by --input", s)
	case output == "-":
		return cli.Usagef("--shard %s makes a part in a folder: name it by --output", s)
	}
	return nil
}

// sharding makes the parts of a verb.
type sharding struct {
	app    *cli.App
	work   string // what the progress display calls it
	shards shards
	source *flags.Source
	rows   flags.Data // BadRowsFile is the folder of the lists
	shard.Options
	open    func() (*model.Model, error)
	metrics metricsFile
	labels  bool // of the rows are looked at, where there is a list of them

	done, at int // rows of the shard that is being made, and which it is
}

// run makes the shards, one after the other, and opens the model for the first that is not there.
func (s *sharding) run(ctx context.Context) error {
	files, flood, err := s.prepare()
	if err != nil {
		return err
	}
	p, err := shard.Plan(s.Options)
	if err != nil {
		return err
	}
	open := sync.OnceValues(s.open)
	refused := 0
	for i := s.shards.First; i <= s.shards.Last; i++ {
		s.done, s.at = 0, i
		s.metrics.begin(s.work, i, s.shards.Of)
		r, err := shard.Run(ctx, p, i, func() (*model.Model, error) {
			m, err := open()
			if err == nil {
				s.progress()
			}
			return m, err
		})
		s.app.Log.Done()
		if err != nil {
			return failure(err) // the goroutine that reads, and counts bad rows, may not have ended yet
		}
		s.say(r)
		s.warnOnce(s.metrics.finish(r))
		if !r.Allows(files.Options.MaxBadRows) {
			refused += r.Refused
		}
	}
	flood.Done("; --bad-rows DIR lists them")
	if refused > 0 {
		return cli.WithCode(cli.ExitData, fmt.Errorf("%s, shard %s: %d rows could not be read; each has an error in its place in the output "+
			"(--max-bad-rows allows some)", s.Input, &s.shards, refused))
	}
	return nil
}

// prepare completes the options by what the flags of data and model say.
func (s *sharding) prepare() (*flags.Reading, *cli.Flood, error) {
	badRows := s.rows.BadRowsFile
	s.rows.BadRowsFile = "" // a list for each shard
	files, err := s.rows.Read(s.app)
	if err != nil {
		return nil, nil, err
	}
	if files.Options.IgnoreLabels = !s.labels || files.Options.Labels == nil; files.Options.IgnoreLabels {
		files.Options.Labels = nil // which only names the outputs
	}
	if err := files.Check(s.Input); err != nil {
		return nil, nil, err
	}
	stamp, err := s.source.Stamp(s.app)
	if err != nil {
		return nil, nil, err
	}
	settings := s.source.Settings()
	for key, value := range s.Settings {
		settings[key] = value
	}
	settings["verb"] = s.work
	flood := cli.NewFlood(s.app.Log)
	s.Of, s.Data, s.Model, s.Settings, s.Version = s.shards.Of, files.Options, stamp, settings, version()
	s.BadRows, s.ShowBad = badRows, cli.FlaggedRow
	s.Data.OnBad = func(bad *data.RowError) { flood.Warnf(badRowsKind, "%v", cli.FlaggedRow(bad)) }
	s.Observer = shard.Observer{
		Chunk: func(_ int, rows []score.Row) {
			s.done += len(rows)
			s.progress()
			s.warnOnce(s.metrics.rows(s.done))
		},
		Note: func(message string) { s.app.Log.Warnf("%s", message) },
	}
	return files, flood, nil
}

func (s *sharding) progress() {
	s.app.Log.Progress(s.work, cli.Progress{Step: s.done, Examples: s.done, Shard: s.at, Shards: s.shards.Of})
}

// warnOnce says that the figures could not be written, which is no reason to end; there will be no more.
func (s *sharding) warnOnce(err error) {
	if err != nil {
		s.app.Log.Warnf("--metrics-file: %v", err)
		s.metrics.path = ""
	}
}

// say tells of a part.
func (s *sharding) say(r *shard.Receipt) {
	path := filepath.Join(s.Output, r.Part.Name)
	if s.app.LogFormat == "json" {
		s.app.Log.Attrs(slog.LevelInfo, "part", "shard", r.Shard, "of", r.Of, "path", path, "found", r.Found, "rows", r.Rows,
			"refused", r.Refused, "cut", r.Cut, "seconds", r.Seconds)
		return
	}
	if r.Found {
		s.app.Log.Infof("%s is there: %d rows, of which %d could not be read", path, r.Rows, r.Refused)
		return
	}
	s.app.Log.Infof("%s: %d rows in %.1f s, of which %d could not be read and %d were cut", path, r.Rows, r.Seconds, r.Refused, r.Cut)
}

// failure gives the error of a shard its exit code. A file that is not there any more is no wrong usage: the plan has seen it.
func failure(err error) error {
	var conflict *shard.ConflictError
	switch {
	case errors.As(err, &conflict):
		return cli.WithCode(cli.ExitUsage, errors.New(cli.AsFlags(err.Error())))
	case errors.Is(err, fs.ErrNotExist):
		return cli.WithCode(cli.ExitFailure, err)
	}
	return err
}

// version is what receipts say of the program.
func version() string {
	b := cli.ReadBuildInfo()
	return fmt.Sprintf("%s %s", b.Version, b.Revision)
}

// contents returns what stands for a file in a receipt: the SHA-256 of its bytes; "" for no file.
func contents(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	if err := cli.CheckInput(path); err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:]), err
}
