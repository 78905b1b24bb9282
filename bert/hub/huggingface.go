package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bertlabel/bert/model"
)

// Names in a repository that decide what is pulled.
const (
	hubConfig  = "config.json"
	hubWeights = "model.safetensors"
	hubIndex   = "model.safetensors.index.json"
)

// small are the files besides the weights that a model may need, Hugging Face's and ours. Pickles are never pulled: opening one runs what
// it says.
var small = []string{hubConfig, vocabulary, "tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json",
	"modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "bertlabel.json", "labels.txt", googleConfig,
	"LICENSE", "LICENSE.txt", "LICENSE.md"}

const (
	maxListing = 64 << 20 // bytes of the hub's answer
	maxFiles   = 200_000  // in a repository
	maxSmall   = 64 << 20 // bytes of a file that is not weights
	maxWeights = 1 << 40  // bytes of one that is
)

// sibling is a file as the hub lists it, with blobs=true.
type sibling struct {
	Name string  `json:"rfilename"`
	Size *int64  `json:"size"`
	Blob string  `json:"blobId"` // git's SHA-1
	LFS  *lfsRef `json:"lfs"`
}

type lfsRef struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// listing is what the hub says of a revision.
type listing struct {
	commit, licence string
	files           map[string]sibling // those that may be pulled
	pickled         bool               // there are weights as pickles
	count           int
}

// planRepository asks the hub for the commit and the files of a revision, and chooses.
func (c *Client) planRepository(ctx context.Context, ref Ref) (*plan, error) {
	revision := first(ref.Revision, mainBranch)
	where := c.hubEndpoint() + "/api/models/" + ref.Name + "/revision/" + url.PathEscape(revision) + "?blobs=true"
	var l listing
	err := c.fetchSmall(ctx, c.hubEndpoint(), where, c.Token, maxListing, func(r io.Reader) error {
		l = listing{files: map[string]sibling{}}
		if err := l.read(r); err != nil {
			var known *Error
			if errors.As(err, &known) || ctx.Err() != nil {
				return err
			}
			return &Error{URL: plainURL(where), What: err.Error()}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	files, err := l.choose(c, ref)
	if err != nil {
		return nil, err
	}
	p := &plan{source: ref.String(), url: c.hubEndpoint() + "/" + ref.Name, commit: l.commit, licence: l.licence}
	for _, f := range files {
		p.bytes += f.bytes
	}
	p.fetch = func(ctx context.Context, w *work) error { return w.repository(ctx, files) }
	return p, nil
}

// read reads the hub's answer piece by piece: it may list very many files.
func (l *listing) read(r io.Reader) error {
	dec := json.NewDecoder(r)
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return notJSON(err, "an object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return notJSON(err, "a key")
		}
		switch key {
		case "sha":
			err = dec.Decode(&l.commit)
		case "siblings":
			err = l.readFiles(dec)
		case "cardData":
			var card struct {
				License any `json:"license"`
			}
			err = dec.Decode(&card)
			if name, ok := card.License.(string); ok && len(name) < 100 {
				l.licence = name
			}
		default:
			var skipped json.RawMessage
			err = dec.Decode(&skipped)
		}
		if err != nil {
			return notJSON(err, fmt.Sprintf("the value of %v", key))
		}
	}
	if _, err := dec.Token(); err != nil {
		return notJSON(err, "the end of the object")
	}
	if !commit.MatchString(l.commit) {
		return fmt.Errorf("sha is %.80q, expected a commit of 40 hexadecimal digits", l.commit)
	}
	return nil
}

// notJSON says what was expected where an answer is malformed; an *Error of reading stays what it is.
func notJSON(err error, want string) error {
	var known *Error
	if errors.As(err, &known) || errors.Is(err, errListing) {
		return err
	}
	return fmt.Errorf("malformed JSON, expected %s: %v", want, err)
}

var errListing = errors.New("the hub's list of files is refused")

func (l *listing) readFiles(dec *json.Decoder) error {
	if token, err := dec.Token(); err != nil || token != json.Delim('[') {
		return notJSON(err, "the list siblings")
	}
	for dec.More() {
		var s sibling
		if err := dec.Decode(&s); err != nil {
			return err
		}
		if l.count++; l.count > maxFiles {
			return fmt.Errorf("%w: more than %d files", errListing, maxFiles)
		}
		if !filepath.IsLocal(filepath.FromSlash(s.Name)) || strings.ContainsAny(s.Name, "\\:\x00") || path.Clean(s.Name) != s.Name {
			return fmt.Errorf("%w: %.200q is no path inside a folder", errListing, s.Name)
		}
		base := strings.ToLower(path.Ext(s.Name))
		l.pickled = l.pickled || base == ".bin" || base == ".pt" || base == ".pth" || base == ".h5" || base == ".ckpt"
		if !wanted(s.Name) {
			continue
		}
		if _, twice := l.files[s.Name]; twice {
			return fmt.Errorf("%w: %.200q comes twice", errListing, s.Name)
		}
		l.files[s.Name] = s
	}
	_, err := dec.Token()
	return err
}

// wanted reports whether a file may be one of those that a model needs.
func wanted(name string) bool {
	return slices.Contains(small, name) || isWeights(name) && plainName(name) || name == hubIndex
}

func isWeights(name string) bool {
	data, _ := path.Match(googleData, name)
	return data || name == googleIndex || path.Ext(name) == ".safetensors"
}

// plainName reports whether a name is one of a file in the folder itself, of characters that no system reads otherwise.
func plainName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	})
}

// choose returns the files that the model needs, the small ones first: model.safetensors, else the shards of its index, else a
// checkpoint of TensorFlow beside a bert_config.json.
func (l *listing) choose(c *Client, ref Ref) ([]remote, error) {
	has := func(name string) bool { _, ok := l.files[name]; return ok }
	single, sharded, google := has(hubConfig) && has(hubWeights), has(hubConfig) && has(hubIndex), has(googleConfig) && has(googleIndex)
	where := c.hubEndpoint() + "/" + ref.Name
	if !single && !sharded && !google {
		what := "no model: neither config.json with model.safetensors nor bert_config.json with bert_model.ckpt.index"
		if l.pickled {
			what = "its weights are pickles or another format that is never pulled, since opening a pickle runs code; " +
				"look for a revision with model.safetensors, such as refs/pr/1"
		}
		return nil, &Error{URL: plainURL(where), What: what}
	}
	var files []remote
	for name, s := range l.files {
		switch {
		case !isWeights(name) && name != hubIndex: // small
		case single && name != hubWeights, !single && sharded && path.Ext(name) != ".safetensors" && name != hubIndex,
			!single && !sharded && (path.Ext(name) == ".safetensors" || name == hubIndex):
			continue
		}
		f, err := s.remote(where + "/resolve/" + l.commit + "/" + name)
		if err != nil {
			return nil, err
		}
		f.token = c.Token
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b remote) int {
		if x, y := isWeights(a.name), isWeights(b.name); x != y {
			if x {
				return 1
			}
			return -1
		}
		return strings.Compare(a.name, b.name)
	})
	return files, nil
}

// remote checks what the hub says of a file.
func (s *sibling) remote(where string) (remote, error) {
	bad := func(what string) (remote, error) { return remote{}, &Error{URL: plainURL(where), What: what} }
	f := remote{url: where, name: s.Name, gitSHA1: s.Blob}
	limit := int64(maxSmall)
	if isWeights(s.Name) {
		limit = maxWeights
	}
	switch {
	case s.LFS != nil:
		f.sha256, f.bytes = s.LFS.SHA256, s.LFS.Size
	case s.Size == nil:
		return bad("the hub does not say how long the file is")
	default:
		f.bytes = *s.Size
	}
	switch {
	case f.bytes < 0 || f.bytes > limit:
		return bad(fmt.Sprintf("%d bytes by the hub's word, expected at most %d", f.bytes, limit))
	case s.LFS != nil && !isHex(f.sha256, 64), s.LFS == nil && !isHex(f.gitSHA1, 40):
		return bad("the hub names no hash of the file")
	}
	return f, nil
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// repository downloads the files. When the small ones are there it asks the model's reader whether it can be a model at all: before
// the weights, not after them.
func (w *work) repository(ctx context.Context, files []remote) error {
	checked := false
	for _, f := range files {
		if isWeights(f.name) && !checked {
			checked = true
			if err := w.checkConfig(files); err != nil {
				return err
			}
		}
		if dir := path.Dir(f.name); dir != "." {
			if err := mkdirAll(w.path(dir)); err != nil {
				return err
			}
		}
		line, ok := w.have(f)
		if ok {
			w.count(f.name, f.bytes, true)
		} else {
			var err error
			if line, err = w.download(ctx, f); err != nil {
				return err
			}
		}
		w.receipt.Files = append(w.receipt.Files, line)
	}
	return nil
}

// checkConfig refuses another architecture.
func (w *work) checkConfig(files []remote) error {
	name := hubConfig
	if !slices.ContainsFunc(files, func(f remote) bool { return f.name == hubConfig }) {
		name = googleConfig
	}
	config := w.path(name)
	_, err := model.ReadConfig("", &model.Options{ConfigFile: config, VocabFile: config, InitCheckpoint: config}) // the first counts
	return err
}
