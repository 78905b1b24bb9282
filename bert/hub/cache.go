package hub

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"bertlabel/checkpoint/atomic"
)

// The cache is a folder with one for each host:
//
//	google/2018_10_18/uncased_L-12_H-768_A-12      the model
//	hf/google-bert--bert-base-cased/refs/main      the commit of a revision
//	hf/google-bert--bert-base-cased/0123abcd…      the model of a commit

// cached returns the folder of a model in our cache, which need not be there.
func (c *Client) cached(ref Ref, commit string) string {
	if ref.Google {
		r, err := find(ref.Name)
		if err != nil {
			return ""
		}
		return filepath.Join(c.Cache, "google", r.Date, r.Name)
	}
	return filepath.Join(c.Cache, "hf", strings.ReplaceAll(ref.Name, "/", "--"), commit)
}

// refFile returns the file with the commit of a revision.
func (c *Client) refFile(ref Ref) string {
	return filepath.Join(c.cached(ref, "refs"), url.PathEscape(ref.Revision))
}

// remember notes the commit of a revision.
func (c *Client) remember(ref Ref, commit string) error {
	if ref.Google {
		return nil
	}
	path := c.refFile(ref)
	if err := mkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return atomic.WriteFile(c.disk, path, func(w io.Writer) error {
		_, err := io.WriteString(w, commit)
		return err
	})
}

// find returns the folder of a model that is in a cache, "" if it is in none.
func (c *Client) find(ref Ref) string {
	if c.Cache != "" {
		if dir := c.cached(ref, commitIn(ref, c.refFile(ref))); whole(dir) {
			return dir
		}
	}
	if ref.Google || c.HubCache == "" {
		return ""
	}
	repo := filepath.Join(c.HubCache, "models--"+strings.ReplaceAll(ref.Name, "/", "--"))
	sha := commitIn(ref, filepath.Join(repo, "refs", filepath.FromSlash(ref.Revision)))
	if sha == "" {
		return ""
	}
	if dir := filepath.Join(repo, "snapshots", sha); usable(dir) {
		return dir
	}
	return ""
}

// commitIn returns the commit that a revision is: itself, or what stands in a file; "" if it is not known.
func commitIn(ref Ref, file string) string {
	if commit.MatchString(ref.Revision) {
		return ref.Revision
	}
	text, err := os.ReadFile(file)
	if sha := strings.TrimSpace(string(text)); err == nil && commit.MatchString(sha) {
		return sha
	}
	return ""
}

// usable reports whether a snapshot of huggingface_hub has the files of a model. It may hold some of a repository's files only. One in
// several shards is passed over: they are links that lead out of the folder, which the reader of an index does not follow.
func usable(dir string) bool {
	has := func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	}
	if has(googleConfig) && has(googleIndex) && has("bert_model.ckpt.data-00000-of-00001") {
		return has(vocabulary)
	}
	return has(hubConfig) && has(hubWeights) && (has(vocabulary) || has("tokenizer.json"))
}
