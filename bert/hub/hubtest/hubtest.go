// Package hubtest plays both hosts of package hub: Hugging Face's hub with its store for large files, and Google's bucket. Tests run it
// in their process; scripts/playhub lets other clients try it, huggingface_hub's own among them.
package hubtest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Repo is a repository of the hub at one commit.
type Repo struct {
	Commit  string            // 40 hexadecimal digits
	Files   map[string][]byte // by name, with slashes
	Licence string
	Gated   bool   // a token is needed, and the hub says so
	Token   string // that may read it; "": everybody may
}

// Hosts answers for both hosts. The fields are not to be changed while it serves.
type Hosts struct {
	Repos map[string]*Repo  // by org/name
	Zips  map[string][]byte // Google's, by DATE/NAME
	Store string            // the URL that large files are redirected to, which this handler may serve too

	// Fault, unless nil, sees each request first, and returns true if it has answered it.
	Fault func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []Request
}

// Request is one that was served.
type Request struct{ Method, Host, Path, Range, Authorization string }

// Requests returns what was asked so far.
func (h *Hosts) Requests() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// ServeHTTP implements http.Handler.
func (h *Hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests = append(h.requests, Request{r.Method, r.Host, r.URL.Path, r.Header.Get("Range"), r.Header.Get("Authorization")})
	h.mu.Unlock()
	if h.Fault != nil && h.Fault(w, r) {
		return
	}
	h.Serve(w, r)
}

// Serve answers a request as if there were no Fault, which may call it.
func (h *Hosts) Serve(w http.ResponseWriter, r *http.Request) {
	switch name := r.URL.Path; {
	case strings.HasPrefix(name, "/api/models/"):
		h.api(w, r, strings.TrimPrefix(name, "/api/models/"))
	case strings.HasPrefix(name, "/store/"):
		h.store(w, r, strings.TrimPrefix(name, "/store/"))
	case strings.HasPrefix(name, "/bert_models/"):
		h.zip(w, r, strings.TrimSuffix(strings.TrimPrefix(name, "/bert_models/"), ".zip"))
	default:
		h.resolve(w, r, strings.TrimPrefix(name, "/"))
	}
}

// LFS reports whether the hub would keep a file in its store for large ones.
func LFS(name string) bool {
	return path.Ext(name) == ".safetensors" || strings.Contains(name, ".data-")
}

// GitSHA1 is the name that git gives to a file's bytes.
func GitSHA1(data []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(data))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// SHA256 is what the hub calls a large file.
func SHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// refuse answers as the hub does: the code in a header tells clients what the status alone does not.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", code)
	http.Error(w, code, status)
}

// repo returns the repository of a name, or answers why not.
func (h *Hosts) repo(w http.ResponseWriter, r *http.Request, name string) *Repo {
	repo, ok := h.Repos[name]
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok && token == "":
		refuse(w, http.StatusUnauthorized, "RepoNotFound")
	case !ok:
		refuse(w, http.StatusNotFound, "RepoNotFound")
	case repo.Token != "" && token != repo.Token && repo.Gated:
		refuse(w, http.StatusForbidden, "GatedRepo")
	case repo.Token != "" && token != repo.Token:
		refuse(w, http.StatusUnauthorized, "RepoNotFound")
	default:
		return repo
	}
	return nil
}

// api answers /api/models/NAME, which is that of main, /api/models/NAME/revision/REV and /api/models/NAME/tree/REV.
func (h *Hosts) api(w http.ResponseWriter, r *http.Request, name string) {
	rev, tree := "main", false
	if before, after, ok := strings.Cut(name, "/revision/"); ok {
		name, rev = before, after
	} else if before, after, ok := strings.Cut(name, "/tree/"); ok {
		name, rev, tree = before, after, true
	}
	repo := h.repo(w, r, name)
	if repo == nil {
		return
	}
	if rev != "main" && rev != repo.Commit {
		refuse(w, http.StatusNotFound, "RevisionNotFound")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if tree {
		WriteJSON(w, repo.tree())
	} else {
		WriteJSON(w, repo.Listing(name))
	}
}

// WriteJSON writes a value.
func WriteJSON(w io.Writer, v any) { json.NewEncoder(w).Encode(v) }

// Listing is the hub's answer of a revision with blobs=true.
func (p *Repo) Listing(name string) map[string]any {
	siblings := []any{}
	for _, file := range p.names() {
		data := p.Files[file]
		s := map[string]any{"rfilename": file, "blobId": GitSHA1(data), "size": len(data)}
		if LFS(file) {
			s["blobId"] = GitSHA1([]byte("pointer"))
			s["lfs"] = map[string]any{"sha256": SHA256(data), "size": len(data), "pointerSize": 134}
		}
		siblings = append(siblings, s)
	}
	return map[string]any{"_id": "0", "id": name, "modelId": name, "sha": p.Commit, "siblings": siblings, "private": false, "gated": p.Gated,
		"tags": []string{}, "downloads": 0, "cardData": map[string]any{"license": p.Licence}}
}

func (p *Repo) tree() []any {
	tree := []any{}
	for _, file := range p.names() {
		data := p.Files[file]
		s := map[string]any{"type": "file", "path": file, "oid": GitSHA1(data), "size": len(data)}
		if LFS(file) {
			s["lfs"] = map[string]any{"oid": SHA256(data), "size": len(data), "pointerSize": 134}
		}
		tree = append(tree, s)
	}
	return tree
}

func (p *Repo) names() []string {
	var names []string
	for name := range p.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// resolve answers /NAME/resolve/REV/FILE: the file, or where the store has it.
func (h *Hosts) resolve(w http.ResponseWriter, r *http.Request, rest string) {
	name, rest, ok := strings.Cut(rest, "/resolve/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	repo := h.repo(w, r, name)
	if repo == nil {
		return
	}
	rev, file, _ := strings.Cut(rest, "/")
	data, ok := repo.Files[file]
	switch {
	case rev != "main" && rev != repo.Commit:
		refuse(w, http.StatusNotFound, "RevisionNotFound")
		return
	case !ok:
		refuse(w, http.StatusNotFound, "EntryNotFound")
		return
	}
	w.Header().Set("X-Repo-Commit", repo.Commit)
	if LFS(file) {
		sum := SHA256(data)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(data)))
		w.Header().Set("X-Linked-Etag", `"`+sum+`"`)
		http.Redirect(w, r, h.Store+"/store/"+sum+"?X-Signature=secret", http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("ETag", `"`+GitSHA1(data)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// store answers for large files, by their SHA-256.
func (h *Hosts) store(w http.ResponseWriter, r *http.Request, sum string) {
	for _, repo := range h.Repos {
		for name, data := range repo.Files {
			if LFS(name) && SHA256(data) == sum {
				w.Header().Set("Content-Type", "binary/octet-stream")
				w.Header().Set("ETag", `"`+sum+`"`)
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
				return
			}
		}
	}
	http.NotFound(w, r)
}

// zip answers for Google's bucket, with the hashes of the whole object whatever part is asked for.
func (h *Hosts) zip(w http.ResponseWriter, r *http.Request, name string) {
	data, ok := h.Zips[name]
	if !ok {
		w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code></Error>")
		return
	}
	sum := md5.Sum(data)
	crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	w.Header().Add("X-Goog-Hash", "crc32c="+base64.StdEncoding.EncodeToString(crc))
	w.Header().Add("X-Goog-Hash", "md5="+base64.StdEncoding.EncodeToString(sum[:]))
	w.Header().Set("Content-Type", "application/zip")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
