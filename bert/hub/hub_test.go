package hub

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/hub/hubtest"
	"bertlabel/bert/model"
	"bertlabel/checkpoint/atomic/atomictest"
)

const (
	testCommit  = "0123456789abcdef0123456789abcdef01234567"
	testRepo    = "org/tiny-uncased"
	testToken   = "hf_secret"
	testRelease = "uncased_L-2_H-128_A-2"
	testZip     = "2020_02_20/" + testRelease
)

// fastDir is a folder in memory where there is one: many small files that are made durable wait for the disk most of their time.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bertlabel-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// made has the models of tiny by their number of words.
var made sync.Map

// tiny returns the files of a small model in both layouts, which are not to be changed. It has so many words more than a few: with 4000 the
// weights are some hundred KiB.
func tiny(t testing.TB, words int) (google, hf map[string][]byte) {
	t.Helper()
	if known, ok := made.Load(words); ok {
		pair := known.([2]map[string][]byte)
		return pair[0], pair[1]
	}
	google, hf = makeTiny(t, words)
	made.Store(words, [2]map[string][]byte{google, hf})
	return google, hf
}

func makeTiny(t testing.TB, words int) (google, hf map[string][]byte) {
	t.Helper()
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat")
	for i := range words {
		vocab = append(vocab, fmt.Sprint("word", i))
	}
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 24
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 16, 1, 2, 32
	lower := true
	m, err := model.New(config, []byte(strings.Join(vocab, "\n")), 7, &model.Options{LowerCase: &lower})
	if err != nil {
		t.Fatal(err)
	}
	dir := fastDir(t)
	if err := errors.Join(m.Save(filepath.Join(dir, "google"), nil), m.SaveHuggingFace(filepath.Join(dir, "hf"))); err != nil {
		t.Fatal(err)
	}
	return readFolder(t, filepath.Join(dir, "google")), readFolder(t, filepath.Join(dir, "hf"))
}

// readFolder returns the files of a folder by name, with slashes.
func readFolder(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// zipOf packs files below a folder of the zip file.
func zipOf(t testing.TB, folder string, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, data := range files {
		f, err := w.Create(path.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		f.Write(data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// played returns a client of both hosts, which are played, in a folder of its own. It waits for nothing.
func played(t testing.TB, words int) (*Client, *hubtest.Hosts) {
	t.Helper()
	google, hf := tiny(t, words)
	google, hf = maps.Clone(google), maps.Clone(hf)
	hf["pytorch_model.bin"], hf["README.md"], hf["onnx/model.onnx"] = []byte("pickle"), []byte("# card"), []byte("other")
	hf["1_Pooling/config.json"], hf["LICENSE"] = []byte(`{"pooling_mode_mean_tokens": true}`), []byte("the licence")
	google["bert_model.ckpt.meta"] = []byte("graph")
	delete(google, "bertlabel.json")
	h := &hubtest.Hosts{Repos: map[string]*hubtest.Repo{testRepo: {Commit: testCommit, Files: hf, Licence: "apache-2.0"}},
		Zips: map[string][]byte{testZip: zipOf(t, testRelease, google)}}
	server, store := httptest.NewServer(h), httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(store.Close)
	h.Store = store.URL
	c := New(filepath.Join(fastDir(t), "cache"))
	c.HubEndpoint, c.GoogleEndpoint = server.URL, server.URL+"/bert_models"
	c.sleep = func(ctx context.Context, _ time.Duration) error {
		time.Sleep(time.Millisecond)
		return context.Cause(ctx)
	}
	return c, h
}

func mustRef(t testing.TB, s string) Ref {
	t.Helper()
	ref, err := ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// checkFiles compares a pulled folder with what was to come, and its receipt with the files.
func checkFiles(t *testing.T, dir string, want map[string][]byte, names ...string) {
	t.Helper()
	got := readFolder(t, dir)
	for _, name := range names {
		if want[name] == nil || !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s: %d bytes, want %d", name, len(got[name]), len(want[name]))
		}
	}
	r, err := readReceipt(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(r.Files)+1 {
		t.Errorf("%d files, the receipt lists %d", len(got)-1, len(r.Files))
	}
	for _, f := range r.Files {
		if hubtest.SHA256(got[f.Name]) != f.SHA256 || int64(len(got[f.Name])) != f.Bytes || f.Checked == "" && f.Name != licenceFile {
			t.Errorf("receipt: %+v does not fit the file", f)
		}
	}
	if left, _ := filepath.Glob(dir + ".partial*"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

var (
	hubFiles = []string{"config.json", "vocab.txt", "model.safetensors", "tokenizer_config.json", "1_Pooling/config.json", "LICENSE"}
	zipFiles = []string{"bert_config.json", "vocab.txt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"}
)

// both are the models that the played hosts have, and what comes of them.
func both(t testing.TB, h *hubtest.Hosts) map[string]struct {
	want  map[string][]byte
	names []string
} {
	google := map[string][]byte{}
	z, err := zip.NewReader(bytes.NewReader(h.Zips[testZip]), int64(len(h.Zips[testZip])))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, _ := f.Open()
		google[path.Base(f.Name)], _ = io.ReadAll(r)
	}
	return map[string]struct {
		want  map[string][]byte
		names []string
	}{"hf:" + testRepo: {h.Repos[testRepo].Files, hubFiles}, "google:" + testRelease: {google, zipFiles}}
}

func TestPull(t *testing.T) {
	c, h := played(t, 0)
	for ref, m := range both(t, h) {
		dir := filepath.Join(fastDir(t), "model")
		r, err := c.Pull(t.Context(), mustRef(t, ref), dir)
		if err != nil {
			t.Fatal(err)
		}
		checkFiles(t, dir, m.want, m.names...)
		for _, name := range []string{"pytorch_model.bin", "onnx", "README.md", "bert_model.ckpt.meta"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				t.Errorf("%s: pulled %s", ref, name)
			}
		}
		if r.Source != ref || r.Licence != "apache-2.0" || (r.Commit == testCommit) != strings.HasPrefix(ref, "hf:") {
			t.Errorf("receipt %+v", r)
		}
		if _, err := model.Open(dir, nil); err != nil {
			t.Error(err)
		}
		if _, err := c.Pull(t.Context(), mustRef(t, ref), dir); !errors.Is(err, fs.ErrExist) {
			t.Errorf("into a folder that is not empty: %v", err)
		}
	}
}

// TestCuts cuts every connection after 64 KiB: the rest is asked for, and the folder is right.
func TestCuts(t *testing.T) {
	c, h := played(t, 4000)
	h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			h.Serve(&cutting{ResponseWriter: w, left: 64 << 10}, r)
			return true
		}
		return false
	}
	for ref, m := range both(t, h) {
		dir := filepath.Join(fastDir(t), "model")
		if _, err := c.Pull(t.Context(), mustRef(t, ref), dir); err != nil {
			t.Fatal(err)
		}
		checkFiles(t, dir, m.want, m.names...)
	}
	ranges := 0
	for _, r := range h.Requests() {
		if r.Range != "" {
			ranges++
		}
	}
	if ranges < 5 {
		t.Errorf("%d requests for a range", ranges)
	}
}

// cutting ends the connection after some bytes of the body.
type cutting struct {
	http.ResponseWriter
	left int
}

func (w *cutting) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p[:min(len(p), w.left)])
	if w.left -= n; w.left == 0 {
		w.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// TestRangeIgnored has a host that answers a range with the whole: it begins anew.
func TestRangeIgnored(t *testing.T) {
	c, h := played(t, 4000)
	var asked atomic.Int64
	h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/store/") {
			return false
		}
		r.Header.Del("Range")
		if asked.Add(1) == 1 {
			w = &cutting{ResponseWriter: w, left: 64 << 10}
		}
		h.Serve(w, r)
		return true
	}
	dir := filepath.Join(fastDir(t), "model")
	if _, err := c.Pull(t.Context(), mustRef(t, "hf:"+testRepo), dir); err != nil || asked.Load() != 2 {
		t.Fatalf("%v after %d requests, want 2", err, asked.Load())
	}
	checkFiles(t, dir, h.Repos[testRepo].Files, hubFiles...)
}

// TestHostile has a host that does one thing wrong. Each is an error with these words in it, and no folder.
func TestHostile(t *testing.T) {
	weights := func(r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, "/store/") || strings.HasSuffix(r.URL.Path, ".zip")
	}
	api := func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }
	listing := func(change func(files []any) []any) func(w http.ResponseWriter, h *hubtest.Hosts) {
		return func(w http.ResponseWriter, h *hubtest.Hosts) {
			l := h.Repos[testRepo].Listing(testRepo)
			l["siblings"] = change(l["siblings"].([]any))
			writeJSON(w, l)
		}
	}
	named := func(name string) func(w http.ResponseWriter, h *hubtest.Hosts) {
		return listing(func(files []any) []any {
			return append(files, map[string]any{"rfilename": name, "size": 1, "blobId": strings.Repeat("0", 40)})
		})
	}
	for _, c := range []struct {
		name   string
		where  func(*http.Request) bool
		answer func(w http.ResponseWriter, h *hubtest.Hosts)
		words  string
	}{
		{"longer", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) {
			w.Header().Set("Content-Length", "999999999")
			w.Write(make([]byte, 1<<20))
		}, "999999999 bytes, expected"},
		{"shorter", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) { w.Write(make([]byte, 10)) }, ""},
		{"without a length", weights, endless, ""},
		{"a web page", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) {
			io.WriteString(w, "<html><body>log in</body></html>")
		}, "a web page"},
		{"gzip", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write([]byte("x"))
		},
			"which was not asked for"},
		{"a loop", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) {
			w.Header().Set("Location", "/loop.zip")
			w.WriteHeader(http.StatusFound)
		}, "more than 10 redirects"},
		{"to a file", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		}, "refused"},
		{"a strange status", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) { w.WriteHeader(http.StatusTeapot) }, "HTTP 418"},
		{"broken for ever", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) {
			w.WriteHeader(http.StatusBadGateway)
		}, "given up after 5 tries"},
		{"come back tomorrow", weights, func(w http.ResponseWriter, _ *hubtest.Hosts) {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "come back in 24h0m0s"},
		{"a page for the list", api, func(w http.ResponseWriter, _ *hubtest.Hosts) { io.WriteString(w, "<html>") }, "expected JSON"},
		{"half a list", api, func(w http.ResponseWriter, _ *hubtest.Hosts) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"sha": "`+testCommit+`", "siblings": [{"rfilename"`)
		}, "JSON"},
		{"no commit", api, func(w http.ResponseWriter, _ *hubtest.Hosts) { writeJSON(w, map[string]any{"sha": "../../x"}) }, "expected a commit"},
		{"nothing", api, listing(func([]any) []any { return []any{} }), "no model"},
		{"only pickles", api, listing(func(files []any) []any {
			return slices.DeleteFunc(files, func(f any) bool { return hubtest.LFS(f.(map[string]any)["rfilename"].(string)) })
		}), "pickle"},
		{"the same twice", api, listing(func(files []any) []any { return append(files, files...) }), "comes twice"},
		{"no hash", api, listing(func(files []any) []any {
			for _, f := range files {
				delete(f.(map[string]any), "blobId")
			}
			return files
		}), "names no hash"},
		{"10⁵ files and one too many", api, listing(func(files []any) []any {
			for i := range maxFiles {
				files = append(files, map[string]any{"rfilename": fmt.Sprint("f", i)})
			}
			return files
		}), "more than 200000 files"},
		{"parent", api, named("../model.safetensors"), "no path inside a folder"},
		{"inner parent", api, named("a/../../x"), "no path inside a folder"},
		{"absolute", api, named("/etc/passwd"), "no path inside a folder"},
		{"drive", api, named("C:x.safetensors"), "no path inside a folder"},
		{"backslash", api, named(`..\x.safetensors`), "no path inside a folder"},
		{"empty", api, named(""), "no path inside a folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, h := played(t, 0)
			client.stall = 10 * time.Second
			h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
				if c.where(r) || strings.HasPrefix(r.URL.Path, "/loop") {
					c.answer(w, h)
					return true
				}
				return false
			}
			for _, ref := range []string{"hf:" + testRepo, "google:" + testRelease} {
				if ref[0] == 'g' && c.where(httptest.NewRequest("GET", "/api/", nil)) {
					continue
				}
				dir := filepath.Join(fastDir(t), "model")
				_, err := client.Pull(t.Context(), mustRef(t, ref), dir)
				if err == nil || !strings.Contains(err.Error(), c.words) {
					t.Errorf("%s: %v, want an error with %q", ref, err, c.words)
				} else {
					t.Log(err)
				}
				if _, err := os.Stat(dir); err == nil {
					t.Errorf("%s: a folder is there", ref)
				}
			}
		})
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	hubtest.WriteJSON(w, v)
}

// endless never says how long it is, and never ends.
func endless(w http.ResponseWriter, _ *hubtest.Hosts) {
	for {
		if _, err := w.Write(make([]byte, 64<<10)); err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
}

// TestStalled has a host from which nothing comes any more: an error in the end, whatever was sent before.
func TestStalled(t *testing.T) {
	c, h := played(t, 0)
	c.stall = 20 * time.Millisecond
	stop := make(chan struct{})
	defer close(stop)
	h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/store/") {
			return false
		}
		w.Header().Set("Content-Length", "100000")
		w.(http.Flusher).Flush()
		select {
		case <-stop:
		case <-r.Context().Done():
		}
		return true
	}
	hf := h.Repos[testRepo].Files
	hf["model.safetensors"] = append(hf["model.safetensors"], make([]byte, 100_000-len(hf["model.safetensors"]))...)
	_, err := c.Pull(t.Context(), mustRef(t, "hf:"+testRepo), filepath.Join(fastDir(t), "model"))
	if err == nil || !strings.Contains(err.Error(), "nothing came for") {
		t.Errorf("%v", err)
	}
}

// TestHash damages one byte of each file: the hash finds it, and a second pull is right.
func TestHash(t *testing.T) {
	c, h := played(t, 0)
	for ref, m := range both(t, h) {
		dir := filepath.Join(fastDir(t), "model")
		h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/api/") {
				return false
			}
			h.Serve(&flipping{w}, r)
			return true
		}
		_, err := c.Pull(t.Context(), mustRef(t, ref), dir)
		if !errors.Is(err, errHash) {
			t.Errorf("%s: %v, want a wrong hash", ref, err)
		}
		h.Fault = nil
		if _, err := c.Pull(t.Context(), mustRef(t, ref), dir); err != nil {
			t.Errorf("%s: again: %v", ref, err)
		}
		checkFiles(t, dir, m.want, m.names...)
	}
}

type flipping struct{ http.ResponseWriter }

func (w *flipping) Write(p []byte) (int, error) {
	b := bytes.Clone(p)
	b[len(b)/2] ^= 4
	return w.ResponseWriter.Write(b)
}

// TestWeights has a host whose hash is that of weights which their own reader refuses.
func TestWeights(t *testing.T) {
	c, h := played(t, 0)
	w := h.Repos[testRepo].Files
	w["model.safetensors"] = w["model.safetensors"][:len(w["model.safetensors"])-1]
	if _, err := c.Pull(t.Context(), mustRef(t, "hf:"+testRepo), filepath.Join(fastDir(t), "model")); err == nil ||
		!strings.Contains(err.Error(), "st_") {
		t.Errorf("%v, want the reader's refusal", err)
	}
	w["config.json"] = []byte(`{"model_type": "roberta", "vocab_size": 10}`)
	before := len(h.Requests())
	if _, err := c.Pull(t.Context(), mustRef(t, "hf:"+testRepo), filepath.Join(fastDir(t), "model")); err == nil ||
		!strings.Contains(err.Error(), "RoBERTa") {
		t.Errorf("%v, want another architecture", err)
	}
	for _, r := range h.Requests()[before:] {
		if strings.HasPrefix(r.Path, "/store/") {
			t.Error("asked for the weights of another architecture")
		}
	}
}

// TestToken has the token go to the endpoint's host alone, and no word of it into a message or a receipt.
func TestToken(t *testing.T) {
	c, h := played(t, 0)
	c.Token, h.Repos[testRepo].Token = testToken, testToken
	dir := filepath.Join(fastDir(t), "model")
	if _, err := c.Pull(t.Context(), mustRef(t, "hf:"+testRepo), dir); err != nil {
		t.Fatal(err)
	}
	with, without := 0, 0
	for _, r := range h.Requests() {
		if r.Authorization == "Bearer "+testToken && "http://"+r.Host == c.HubEndpoint {
			with++
		} else if r.Authorization == "" && "http://"+r.Host == h.Store {
			without++
		} else {
			t.Errorf("%+v", r)
		}
	}
	if with < 5 || without != 1 {
		t.Errorf("%d requests with the token, %d without", with, without)
	}
	for name, data := range readFolder(t, dir) {
		if bytes.Contains(data, []byte(testToken)) || bytes.Contains(data, []byte("X-Signature")) {
			t.Errorf("%s has the token or a signature", name)
		}
	}
	if _, err := c.Pull(t.Context(), mustRef(t, "google:"+testRelease), filepath.Join(fastDir(t), "model")); err != nil {
		t.Fatal(err)
	}
	for _, r := range h.Requests() {
		if strings.HasPrefix(r.Path, "/bert_models") && r.Authorization != "" {
			t.Error("Google was sent the token")
		}
	}
}

// TestRefused has each refusal say what to do.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		token, needed string
		gated         bool
		ref, words    string
	}{
		{"", "x", false, "hf:" + testRepo, "HF_TOKEN"},
		{"wrong", "x", false, "hf:" + testRepo, "the token is wrong"},
		{"", "x", true, "hf:" + testRepo, "accept its terms"},
		{"wrong", "x", true, "hf:" + testRepo, "has no access"},
		{"", "", false, "hf:org/none", "there is no such repository"},
		{"some", "", false, "hf:org/none", "not found"},
		{"", "", false, "hf:" + testRepo + "@v2", "no such revision"},
		{"", "", false, "google:uncased_L-2_H-256_A-4", "not found"},
	} {
		client, h := played(t, 0)
		client.Token, h.Repos[testRepo].Token, h.Repos[testRepo].Gated = c.token, c.needed, c.gated
		_, err := client.Pull(t.Context(), mustRef(t, c.ref), filepath.Join(fastDir(t), "model"))
		if err == nil || !strings.Contains(err.Error(), c.words) || c.token != "" && strings.Contains(err.Error(), strconv.Quote(c.token)) {
			t.Errorf("%s: %v, want %q", c.ref, err, c.words)
		}
	}
}

// TestBusy has a host that is busy twice, and says for how long.
func TestBusy(t *testing.T) {
	c, h := played(t, 0)
	var waited []time.Duration
	c.sleep = func(ctx context.Context, d time.Duration) error {
		waited = append(waited, d)
		return context.Cause(ctx)
	}
	h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/api/") && len(waited) < 2 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	if _, err := c.Pull(t.Context(), mustRef(t, "hf:"+testRepo), filepath.Join(fastDir(t), "model")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(waited, []time.Duration{7 * time.Second, 7 * time.Second}) {
		t.Errorf("waited %v", waited)
	}
	if got := retryAfter("Thu, 01 Jan 1970 00:01:00 GMT", time.Unix(0, 0)); got != time.Minute {
		t.Errorf("a date in a minute: %v", got)
	}
}

// TestDowngrade refuses the way from https to plain http, and a user in a redirect.
func TestDowngrade(t *testing.T) {
	for next, words := range map[string]string{"http://other/x": "plain http", "https://user:pw@other/x": "refused", "https://other/x": ""} {
		from := httptest.NewRequest("GET", "https://hub.example/a", nil).URL
		got, err := redirected("https://hub.example", from, next)
		if (err == nil) != (words == "") || err != nil && (!strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "pw")) {
			t.Errorf("%s: %q, %v", next, got, err)
		}
	}
}

// TestDiskFull makes each operation of a pull fail in turn: the error says so, no folder is there or a whole one, and the next pull
// makes a right one of what was left.
func TestDiskFull(t *testing.T) {
	c, h := played(t, 0)
	for ref, m := range both(t, h) {
		faults := 0
		for n := 1; ; n++ {
			full := &atomictest.Faulty{Err: syscall.ENOSPC, Left: n}
			c.disk = full
			dir := filepath.Join(fastDir(t), "model")
			_, err := c.Pull(t.Context(), mustRef(t, ref), dir)
			if full.Left > 0 {
				if err != nil {
					t.Fatalf("%s, without a fault: %v", ref, err)
				}
				break
			}
			faults++
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s, fault %d: %v", ref, n, err)
			}
			c.disk = osDisk{}
			if _, statErr := os.Stat(dir); statErr == nil && !whole(dir) {
				t.Errorf("%s, fault %d: half a folder", ref, n)
			} else if statErr != nil {
				if _, err := c.Pull(t.Context(), mustRef(t, ref), dir); err != nil {
					t.Errorf("%s, after fault %d: %v", ref, n, err)
				}
			}
			for _, name := range m.names {
				if data, _ := os.ReadFile(filepath.Join(dir, name)); !bytes.Equal(data, m.want[name]) {
					t.Errorf("%s, after fault %d: %s differs", ref, n, name)
				}
			}
		}
		if faults < 20 {
			t.Errorf("%s: only %d operations were made to fail", ref, faults)
		}
	}
}

// TestStopped ends a pull in the middle and begins again: what was there is not asked for again.
func TestStopped(t *testing.T) {
	c, h := played(t, 4000)
	for ref, m := range both(t, h) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("interrupted")
		var asked int64
		h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/store/") || strings.HasSuffix(r.URL.Path, ".zip") {
				if r.Header.Get("Range") == "" {
					h.Serve(&cutting{w, 100_000}, r)
					return true
				}
				asked, _ = strconv.ParseInt(strings.Trim(r.Header.Get("Range"), "bytes=-"), 10, 64)
				cancel(why)
			}
			return false
		}
		dir := filepath.Join(fastDir(t), "model")
		if _, err := c.Pull(ctx, mustRef(t, ref), dir); !errors.Is(err, why) {
			t.Errorf("%s: %v", ref, err)
		}
		asked = 0
		if _, err := c.Pull(t.Context(), mustRef(t, ref), dir); err != nil {
			t.Error(err)
		}
		if asked < 90_000 {
			t.Errorf("%s: asked for the bytes from %d on", ref, asked)
		}
		checkFiles(t, dir, m.want, m.names...)
	}
}

// TestAtOnce pulls the same into one cache several times at once: one download, one folder.
func TestAtOnce(t *testing.T) {
	c, h := played(t, 500)
	for ref, m := range both(t, h) {
		before := len(h.Requests())
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				dir, err := c.Folder(t.Context(), mustRef(t, ref))
				if err != nil {
					t.Error(err)
					return
				}
				if !whole(dir) {
					t.Errorf("%s: half a folder", ref)
				}
			})
		}
		group.Wait()
		downloads := 0
		for _, r := range h.Requests()[before:] {
			if strings.HasPrefix(r.Path, "/store/") || strings.HasSuffix(r.Path, ".zip") {
				downloads++
			}
		}
		if downloads != 1 {
			t.Errorf("%s: %d downloads", ref, downloads)
		}
		dir, err := c.Folder(t.Context(), mustRef(t, ref))
		if err != nil {
			t.Fatal(err)
		}
		checkFiles(t, dir, m.want, m.names...)
	}
}

// TestCache serves a model from our cache without a request, until it is damaged; Update asks, and downloads a new commit only.
func TestCache(t *testing.T) {
	c, h := played(t, 0)
	for ref := range both(t, h) {
		dir, err := c.Folder(t.Context(), mustRef(t, ref))
		if err != nil {
			t.Fatal(err)
		}
		before := len(h.Requests())
		c.Offline = true
		if again, err := c.Folder(t.Context(), mustRef(t, ref)); err != nil || again != dir || len(h.Requests()) > before {
			t.Errorf("%s: %s, %v", ref, again, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "vocab.txt"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		var offline *OfflineError
		if _, err := c.Folder(t.Context(), mustRef(t, ref)); !errors.As(err, &offline) {
			t.Errorf("%s: a damaged folder: %v", ref, err)
		}
		c.Offline = false
		os.RemoveAll(dir)
	}
	ref := mustRef(t, "hf:"+testRepo)
	first, err := c.Update(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	before := len(h.Requests())
	if again, err := c.Update(t.Context(), ref); err != nil || again != first || len(h.Requests()) != before+1 {
		t.Errorf("update of nothing: %s, %v, %d requests", again, err, len(h.Requests())-before)
	}
	h.Repos[testRepo].Commit = strings.Repeat("f", 40)
	if next, err := c.Update(t.Context(), ref); err != nil || next == first || !whole(next) || !whole(first) {
		t.Errorf("update: %s, %v", next, err)
	}
}

// TestHubCache takes a model from the cache of huggingface_hub, whose files are links.
func TestHubCache(t *testing.T) {
	c, h := played(t, 0)
	c.HubCache, c.Offline = fastDir(t), true
	repo := filepath.Join(c.HubCache, "models--org--tiny-uncased")
	snapshot := filepath.Join(repo, "snapshots", testCommit)
	for _, dir := range []string{snapshot, filepath.Join(repo, "refs"), filepath.Join(repo, "blobs")} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(repo, "refs", "main"), []byte(testCommit), 0o666)
	for i, name := range []string{"config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"} {
		if dir, err := c.Folder(t.Context(), mustRef(t, "hf:"+testRepo)); err == nil {
			t.Errorf("%d files will do: %s", i, dir)
		}
		blob := filepath.Join(repo, "blobs", hubtest.SHA256(h.Repos[testRepo].Files[name]))
		os.WriteFile(blob, h.Repos[testRepo].Files[name], 0o666)
		if err := os.Symlink(filepath.Join("..", "..", "blobs", filepath.Base(blob)), filepath.Join(snapshot, name)); err != nil {
			t.Skip(err)
		}
	}
	for _, ref := range []string{"hf:" + testRepo, "hf:" + testRepo + "@" + testCommit} {
		dir, err := c.Folder(t.Context(), mustRef(t, ref))
		if err != nil || dir != snapshot {
			t.Fatalf("%s, %v", dir, err)
		}
		if _, err := model.Open(dir, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestParseRef(t *testing.T) {
	for _, s := range []string{"google:cased_L-12_H-768_A-12", "google:2020_02_20/uncased_L-12_H-768_A-12", "hf:bert-base-cased",
		"hf:org/name", "hf:org/name@v1.0", "hf:org/name@refs/pr/1", "hf:org/name@" + testCommit} {
		ref, err := ParseRef(s)
		if err != nil || ref.String() != s || !IsRef(s) {
			t.Errorf("%s: %+v, %v", s, ref, err)
		}
	}
	for _, s := range []string{"", "x", "google:", "google:x", "google:../x", "hf:", "hf:a/b/c", "hf:../x", "hf:a/..", "hf:a--b/c", "hf:a/b@",
		"hf:a/b@../x",
		"hf:a/b@-x", "hf:a b", "hf:/a", "hf:a/", "hf:a/b@c@d", "hf:a/b?x", "hf:" + strings.Repeat("a", 97)} {
		if ref, err := ParseRef(s); err == nil {
			t.Errorf("%q is %+v", s, ref)
		}
	}
}

// TestReleases compares the numbers with Google's own and with the encoder's shapes.
func TestReleases(t *testing.T) {
	all := Releases()
	if len(all) != 9+24 {
		t.Errorf("%d releases", len(all))
	}
	for _, r := range all {
		if found, err := find(r.Path()); err != nil || found != r {
			t.Errorf("%s: %+v, %v", r.Path(), found, err)
		}
	}
	// "BERT-Tiny 4.4M parameters", "BERT-Base 110.1M": the table of arXiv:1908.08962; large has 340M in arXiv:1810.04805, rounded.
	for name, want := range map[string]float64{testRelease: 4.4, "uncased_L-12_H-768_A-12": 109.5, "uncased_L-24_H-1024_A-16": 335.1} {
		r, _ := find(name)
		if got := float64(r.Parameters()) / 1e6; got < want-0.06 || got > want+0.06 {
			t.Errorf("%s: %.2f million parameters, want %.1f", name, got, want)
		}
	}
	r, _ := find(testRelease)
	config := bert.DefaultConfig()
	config.VocabSize, config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads = r.Vocab, r.Hidden, r.Layers, 2
	config.IntermediateSize = 512
	config.TypeVocabSize, config.MaxPositionEmbeddings = 2, 512
	m, err := bert.New(config)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range m.Params() {
		n += p.Size()
	}
	if n != r.Parameters() {
		t.Errorf("%d parameters, the encoder has %d", r.Parameters(), n)
	}
}

func TestFromEnvironment(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	c, err := FromEnvironment(env("HOME", "/h"))
	if err != nil || c.Cache != filepath.Join("/h", ".cache", "bertlabel") ||
		c.HubCache != filepath.Join("/h", ".cache", "huggingface", "hub") ||
		c.hubEndpoint() != "https://huggingface.co" || c.Offline {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = FromEnvironment(env("HOME", "/h", "XDG_CACHE_HOME", "/x", "HF_HOME", "/hf", "BERTLABEL_HOME", "/b", "HF_TOKEN", " t\n",
		"HF_ENDPOINT", "http://mirror/", "HF_HUB_OFFLINE", "1", "BERTLABEL_GOOGLE_ENDPOINT", "http://g/b"))
	if err != nil || c.Cache != "/b" || c.HubCache != filepath.Join("/hf", "hub") || c.Token != "t" || c.hubEndpoint() != "http://mirror" ||
		!c.Offline || c.googleEndpoint() != "http://g/b" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, pairs := range [][]string{{"HF_TOKEN", "sec\nret"}, {"HF_ENDPOINT", "ftp://x"}, {"HF_ENDPOINT", "https://user:secret@x"},
		{"BERTLABEL_GOOGLE_ENDPOINT", "x"}} {
		_, err := FromEnvironment(env(pairs...))
		if err == nil || !strings.Contains(err.Error(), pairs[0]) || strings.Contains(err.Error(), "ret") {
			t.Errorf("%s: %v", pairs[0], err)
		}
	}
}

// TestZipTricks has zip files that Google would not make: refused, and no folder.
func TestZipTricks(t *testing.T) {
	google, _ := tiny(t, 0)
	without := func(name string) map[string][]byte {
		files := map[string][]byte{}
		for n, data := range google {
			if n != name {
				files[n] = data
			}
		}
		return files
	}
	with := func(name string) map[string][]byte {
		files := without("")
		files[name] = []byte("x")
		return files
	}
	for name, c := range map[string]struct {
		data  []byte
		words string
	}{
		"no vocabulary": {zipOf(t, "m", without("vocab.txt")), "no vocab.txt"},
		"two models":    {zipOf(t, "", with("other/vocab.txt")), "several models"},
		"parent":        {zipOf(t, "", with("../../vocab.txt")), "bad_name"},
		"no zip file":   {[]byte("PK"), "bad_magic"},
	} {
		client, h := played(t, 0)
		h.Zips[testZip] = c.data
		dir := filepath.Join(fastDir(t), "model")
		_, err := client.Pull(t.Context(), mustRef(t, "google:"+testRelease), dir)
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: a folder is there", name)
		}
	}
	client, h := played(t, 0)
	h.Zips[testZip] = zipOf(t, "", google) // as the miniatures are
	if _, err := client.Pull(t.Context(), mustRef(t, "google:"+testRelease), filepath.Join(fastDir(t), "model")); err != nil {
		t.Error(err)
	}
}

// FuzzListing has any answer of the hub: no panic, and only files that may be pulled.
func FuzzListing(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	f.Add([]byte(`{"sha":"` + testCommit + `","siblings":[{"rfilename":"config.json","size":1,"blobId":"` + testCommit + `"},` +
		`{"rfilename":"model.safetensors",` +
		`"size":9,"lfs":{"sha256":"` + strings.Repeat(fmt.Sprintf("%x", rng.IntN(10)), 64) + `","size":9}}],"cardData":{"license":"mit"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := listing{files: map[string]sibling{}}
		if l.read(bytes.NewReader(data)) != nil {
			return
		}
		files, err := l.choose(New(""), Ref{Name: "a/b"})
		if err != nil {
			return
		}
		for _, file := range files {
			if !filepath.IsLocal(file.name) || file.bytes < 0 || file.sha256 == "" && file.gitSHA1 == "" {
				t.Errorf("%+v", file)
			}
		}
	})
}
