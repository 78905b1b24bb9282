package hub

import (
	"context"
	_ "embed" // the licence
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/archive"
)

// Release is one of the models that google-research/bert lists in its README.md.
type Release struct {
	Name   string // cased_L-12_H-768_A-12
	Date   string // of the release, the folder in Google's bucket
	About  string // base, large, whole-word masking, …
	Cased  bool   // the text is not lower-cased: validate_case_matches_checkpoint of tokenization.py
	Layers int
	Hidden int // the intermediate size is four times as much, heads are hidden/64
	Vocab  int // pieces
}

// Path is the release's place in the bucket, without .zip. Of two releases that are called the same it tells which one is meant.
func (r Release) Path() string { return r.Date + "/" + r.Name }

// Parameters is how many numbers encoder and pooler have, by the shapes of modeling.py: 512 positions, two segments.
func (r Release) Parameters() int {
	h := r.Hidden
	embeddings := (r.Vocab+512+2)*h + 2*h
	layer := 4*(h*h+h) + (h*4*h + 4*h) + (4*h*h + h) + 4*h
	return embeddings + r.Layers*layer + h*h + h
}

// Bytes is how large its weights are: float32.
func (r Release) Bytes() int64 { return int64(r.Parameters()) * 4 }

// Releases returns Google's releases: base, large, whole-word masking, multilingual, Chinese, and the 24 miniatures. The twelve layers of
// 768 are in two of them; the name alone is the first one's.
func Releases() []Release {
	const uncased, cased = 30522, 28996 // pieces of the English vocabularies
	const first, masked = "2018_10_18", "2019_05_30"
	all := []Release{
		{"uncased_L-12_H-768_A-12", first, "base", false, 12, 768, uncased},
		{"uncased_L-24_H-1024_A-16", first, "large", false, 24, 1024, uncased},
		{"cased_L-12_H-768_A-12", first, "base", true, 12, 768, cased},
		{"cased_L-24_H-1024_A-16", first, "large", true, 24, 1024, cased},
		{"wwm_uncased_L-24_H-1024_A-16", masked, "large, whole-word masking", false, 24, 1024, uncased},
		{"wwm_cased_L-24_H-1024_A-16", masked, "large, whole-word masking", true, 24, 1024, cased},
		{"multi_cased_L-12_H-768_A-12", "2018_11_23", "base, 104 languages", true, 12, 768, 119547},
		{"multilingual_L-12_H-768_A-12", "2018_11_03", "base, 102 languages, not recommended", false, 12, 768, 105879},
		{"chinese_L-12_H-768_A-12", "2018_11_03", "base, Chinese", false, 12, 768, 21128},
	}
	for _, layers := range []int{2, 4, 6, 8, 10, 12} {
		for _, hidden := range []int{128, 256, 512, 768} {
			name := fmt.Sprintf("uncased_L-%d_H-%d_A-%d", layers, hidden, hidden/64)
			all = append(all, Release{name, "2020_02_20", "miniature", false, layers, hidden, uncased})
		}
	}
	return all
}

// find returns the release of a name or path.
func find(name string) (Release, error) {
	all := Releases()
	if i := slices.IndexFunc(all, func(r Release) bool { return r.Name == name || r.Path() == name }); i >= 0 {
		return all[i], nil
	}
	return Release{}, fmt.Errorf("google:%.100s is none of Google's releases, such as google:%s; google: alone lists them", name, all[0].Name)
}

// Names of the files of a release that a model needs; of the weights the index and the data, not the graph.
const (
	googleConfig = "bert_config.json"
	googleIndex  = "bert_model.ckpt.index"
	googleData   = "bert_model.ckpt.data-?????-of-?????"
	vocabulary   = "vocab.txt"
	licenceFile  = "LICENSE"
)

// apache is the licence of Google's releases, which their zip files leave out: "all models … are released under the same license as the
// source code (Apache 2.0)", README.md of google-research/bert.
//
//go:embed apache-2.0.txt
var apache []byte

// planRelease says how a release is pulled.
func (c *Client) planRelease(ref Ref) (*plan, error) {
	r, err := find(ref.Name)
	if err != nil {
		return nil, err
	}
	url := c.googleEndpoint() + "/" + r.Path() + ".zip"
	p := &plan{source: ref.String(), url: url, licence: "apache-2.0", bytes: r.Bytes()}
	p.fetch = func(ctx context.Context, w *work) error { return w.release(ctx, r, url) }
	return p, nil
}

// release downloads the zip file of a release and unpacks it. The whole training state, three times the weights, is the most that a
// checkpoint of this model has.
func (w *work) release(ctx context.Context, r Release, url string) error {
	limit := 3*r.Bytes() + 64<<20
	zip := w.path("../release.zip")
	if _, err := os.Stat(zip); err == nil { // an earlier pull was stopped after the download: it counts as far as the host confirms it
		if err := w.c.disk.Rename(zip, zip+".part"); err != nil {
			return err
		}
	}
	at, err := w.download(ctx, remote{url: url, name: "../release.zip", bytes: -1, limit: limit, google: true})
	if err != nil {
		return err
	}
	w.receipt.Zip = &at
	f, err := os.Open(zip)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := archive.Open(f, at.Bytes, plainURL(url), limit)
	if err != nil {
		return err
	}
	members, err := releaseMembers(z, plainURL(url))
	if err != nil {
		return err
	}
	for _, m := range members {
		check := fmt.Sprintf("crc32 %08x", m.CRC32)
		if err := w.write(path.Base(m.Name), check, func(out io.Writer) error { return z.Copy(withContext(ctx, out), m) }); err != nil {
			return err
		}
	}
	return w.write(licenceFile, "", func(out io.Writer) error {
		_, err := out.Write(apache)
		return err
	})
}

// releaseMembers returns the members that a model needs: all of one folder, or of none.
func releaseMembers(z *archive.Zip, name string) ([]archive.Member, error) {
	var members []archive.Member
	for _, pattern := range []string{googleConfig, vocabulary, googleIndex, googleData} {
		found := false
		for _, m := range z.Members {
			if ok, _ := path.Match(pattern, path.Base(m.Name)); ok && !strings.HasPrefix(m.Name, "__MACOSX/") {
				members, found = append(members, m), true
			}
		}
		if !found {
			return nil, checkpoint.InFile(checkpoint.Refuse(checkpoint.MissingFile, "no %s in this zip file", pattern), name)
		}
	}
	for _, m := range members[1:] {
		if path.Dir(m.Name) != path.Dir(members[0].Name) {
			return nil, checkpoint.InFile(checkpoint.Refuse(checkpoint.Ambiguous, "several models in this zip file: %s and %s",
				checkpoint.Quote(members[0].Name), checkpoint.Quote(m.Name)), name)
		}
	}
	return members, nil
}

// withContext returns a writer that ends with ctx.
func withContext(ctx context.Context, w io.Writer) io.Writer { return contextWriter{ctx, w} }

type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (w contextWriter) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.w.Write(p)
}

// Megabytes is Bytes in MB, rounded.
func (r Release) Megabytes() int { return int(math.Round(float64(r.Bytes()) / 1e6)) }
