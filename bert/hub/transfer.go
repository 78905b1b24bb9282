package hub

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"

	"bertlabel/checkpoint/atomic"
)

// remote is one file of a host.
type remote struct {
	url, token string
	name       string // in the folder, with slashes
	bytes      int64  // −1: the host says how long it is when it is asked for, at most limit
	limit      int64
	google     bool // hashes come in x-goog-hash; else one of these two, in hexadecimal digits:
	sha256     string
	gitSHA1    string // of a file that is no LFS file: SHA-1 of "blob LENGTH\0" and its bytes
}

// sums are the hashes of a file being written.
type sums struct {
	sha256, sha1, md5 hash.Hash
	crc32c            hash.Hash32
	n                 int64
}

func newSums(f *remote) *sums {
	s := &sums{sha256.New(), sha1.New(), md5.New(), crc32.New(crc32.MakeTable(crc32.Castagnoli)), 0}
	fmt.Fprintf(s.sha1, "blob %d\x00", f.bytes)
	return s
}

func (s *sums) Write(p []byte) (int, error) {
	s.sha256.Write(p)
	s.sha1.Write(p)
	s.md5.Write(p)
	s.crc32c.Write(p)
	s.n += int64(len(p))
	return len(p), nil
}

// check compares the hash that the host names, and says which it was.
func (s *sums) check(f *remote, goog map[string]string) (by string, err error) {
	wrong := func(kind, got, want string) error {
		return &Error{URL: plainURL(f.url), What: fmt.Sprintf("%d bytes with %s %s, expected %s: the file is damaged, or not that one",
			s.n, kind, got, want), Err: errHash}
	}
	if !f.google {
		if f.sha256 != "" {
			if got := hex.EncodeToString(s.sha256.Sum(nil)); got != f.sha256 {
				return "", wrong("SHA-256", got, f.sha256)
			}
			return "lfs sha256", nil
		}
		if got := hex.EncodeToString(s.sha1.Sum(nil)); got != f.gitSHA1 {
			return "", wrong("git's SHA-1", got, f.gitSHA1)
		}
		return "git sha1", nil
	}
	var checked []string
	for kind, h := range map[string]hash.Hash{"crc32c": s.crc32c, "md5": s.md5} {
		want, ok := goog[kind]
		if !ok {
			continue
		}
		if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want {
			return "", wrong(kind, got, want)
		}
		checked = append(checked, kind)
	}
	if len(checked) == 0 {
		return "", &Error{URL: plainURL(f.url), What: "the host names no hash of the file (x-goog-hash)"}
	}
	return "x-goog-hash", nil
}

var errHash = errors.New("wrong hash")

// googHashes reads x-goog-hash: kind=base64, several in a header or several headers.
func googHashes(h http.Header) map[string]string {
	all := map[string]string{}
	for _, value := range h.Values("X-Goog-Hash") {
		for part := range strings.SplitSeq(value, ",") {
			if kind, sum, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
				all[kind] = sum
			}
		}
	}
	return all
}

// transfer is one file on its way.
type transfer struct {
	w    *work
	f    remote
	out  atomic.File
	sums *sums
	goog map[string]string
	old  bool // it began with bytes of a pull that was stopped
}

// download brings one file into the folder. It goes on where an earlier pull was stopped, and where the connection is cut.
func (w *work) download(ctx context.Context, f remote) (ReceiptFile, error) {
	t := &transfer{w: w, f: f}
	defer t.close()
	if err := t.resume(); err != nil {
		return ReceiptFile{}, err
	}
	for {
		if err := t.fill(ctx); err != nil {
			return ReceiptFile{}, err
		}
		by, err := t.sums.check(&t.f, t.goog)
		if err == nil {
			return t.finish(by)
		}
		if restart := t.restart(); restart != nil {
			return ReceiptFile{}, restart
		}
		if !t.old { // all of it came now, and is wrong
			return ReceiptFile{}, err
		}
		t.old = false
	}
}

func (t *transfer) part() string { return t.w.path(t.f.name + ".part") }

// resume opens the file for what is missing, and hashes what is there.
func (t *transfer) resume() (err error) {
	t.sums = newSums(&t.f)
	if old, err := os.Open(t.part()); err == nil {
		_, err = io.Copy(t.sums, old)
		old.Close()
		if err != nil {
			return err
		}
		t.old = t.sums.n > 0
	}
	if t.f.bytes >= 0 && t.sums.n > t.f.bytes {
		return t.restart()
	}
	t.w.count(t.f.name, t.sums.n, true)
	t.out, err = t.w.c.disk.Append(t.part())
	return err
}

// restart throws away what is there.
func (t *transfer) restart() (err error) {
	t.close()
	t.w.count(t.f.name, -t.sums.n, false)
	if err := t.w.c.disk.RemoveAll(t.part()); err != nil {
		return err
	}
	t.sums = newSums(&t.f)
	t.out, err = t.w.c.disk.Append(t.part())
	return err
}

func (t *transfer) close() {
	if t.out != nil {
		t.out.Close()
		t.out = nil
	}
}

// fill asks until all bytes are there.
func (t *transfer) fill(ctx context.Context) error {
	var p patience
	for t.f.bytes < 0 || t.sums.n < t.f.bytes {
		before := t.sums.n
		err := t.ask(ctx)
		if err == nil {
			continue
		}
		wait, err := p.after(err, t.sums.n > before)
		if err != nil {
			return err
		}
		if err := t.w.c.sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// ask sends one request and takes what comes.
func (t *transfer) ask(ctx context.Context) error {
	from := t.sums.n
	if from > 0 && t.f.bytes < 0 {
		from-- // it may be all of the file, and an empty range is an error: the byte that comes again is passed over
	}
	resp, err := t.w.c.open(ctx, t.w.endpoint, t.f.url, t.f.token, from)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	total, err := t.begin(resp, from)
	if err != nil {
		return err
	}
	if err := t.settle(resp, total); err != nil {
		return err
	}
	if skip := t.sums.n - from; resp.StatusCode == http.StatusPartialContent && skip > 0 {
		if _, err := io.CopyN(io.Discard, resp.Body, skip); err != nil {
			return cutShort(t.f.url, err)
		}
	}
	return t.copy(resp.Body)
}

// begin compares the answer with the question and returns how long the whole file is. What answers a range with the whole begins anew.
func (t *transfer) begin(resp *http.Response, from int64) (total int64, err error) {
	bad := func(format string, args ...any) error {
		return &Error{URL: plainURL(t.f.url), Status: resp.StatusCode, What: fmt.Sprintf(format, args...)}
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" {
		return 0, bad("a web page, expected a file")
	}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var first, last int64
		got := resp.Header.Get("Content-Range")
		if n, _ := fmt.Sscanf(got, "bytes %d-%d/%d", &first, &last, &total); n != 3 || from == 0 || first != from || last != total-1 {
			return 0, bad("Content-Range %.80q, expected bytes %d- to the end", got, from)
		}
		return total, nil
	case http.StatusRequestedRangeNotSatisfiable:
		if from == 0 {
			return 0, bad("an answer that means nothing here")
		}
		if err := t.restart(); err != nil {
			return 0, err
		}
		return 0, &Error{URL: plainURL(t.f.url), Status: resp.StatusCode, What: "the file has become shorter", retry: true}
	}
	if t.sums.n > 0 {
		if err := t.restart(); err != nil {
			return 0, err
		}
		t.old = false
	}
	if resp.ContentLength < 0 && t.f.bytes < 0 {
		return 0, bad("the host does not say how long the file is")
	}
	if resp.ContentLength < 0 {
		return t.f.bytes, nil // copy counts
	}
	return resp.ContentLength, nil
}

// settle compares the length that the host says with the one that is expected.
func (t *transfer) settle(resp *http.Response, total int64) error {
	switch {
	case t.f.bytes < 0 && total > t.f.limit:
		return &Error{URL: plainURL(t.f.url), What: fmt.Sprintf("%d bytes, expected at most %d", total, t.f.limit)}
	case t.f.bytes < 0:
		t.f.bytes = total
		t.w.total(total)
	case total != t.f.bytes:
		return &Error{URL: plainURL(t.f.url), What: fmt.Sprintf("%d bytes, expected %d", total, t.f.bytes)}
	}
	if t.f.google {
		t.goog = googHashes(resp.Header)
	}
	return nil
}

// copy writes what comes, and no more than is missing.
func (t *transfer) copy(r io.Reader) error {
	buf := make([]byte, 256<<10)
	for t.sums.n < t.f.bytes {
		n, err := r.Read(buf)
		if int64(n) > t.f.bytes-t.sums.n {
			return &Error{URL: plainURL(t.f.url), What: fmt.Sprintf("more than the %d bytes that were expected", t.f.bytes)}
		}
		if _, err := t.out.Write(buf[:n]); err != nil {
			return err
		}
		t.sums.Write(buf[:n])
		t.w.count(t.f.name, int64(n), false)
		if err != nil && t.sums.n < t.f.bytes {
			return cutShort(t.f.url, err)
		}
	}
	if n, _ := r.Read(buf[:1]); n > 0 {
		return &Error{URL: plainURL(t.f.url), What: fmt.Sprintf("more than the %d bytes that were expected", t.f.bytes)}
	}
	return nil
}

// cutShort makes the end of a body that is not the file's an error after which trying again may help.
func cutShort(url string, err error) error {
	if errors.Is(err, io.EOF) {
		return &Error{URL: plainURL(url), What: "the connection was cut", Err: io.ErrUnexpectedEOF, retry: true}
	}
	return err
}

// finish makes the file durable and gives it its name.
func (t *transfer) finish(by string) (ReceiptFile, error) {
	out := t.out
	t.out = nil
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		return ReceiptFile{}, err
	}
	if err := t.w.c.disk.Rename(t.part(), t.w.path(t.f.name)); err != nil {
		return ReceiptFile{}, err
	}
	return ReceiptFile{Name: t.f.name, Bytes: t.sums.n, SHA256: hex.EncodeToString(t.sums.sha256.Sum(nil)), Checked: by}, nil
}

// fetchSmall returns an answer of at most limit bytes.
func (c *Client) fetchSmall(ctx context.Context, endpoint, url, token string, limit int64, read func(io.Reader) error) error {
	var p patience
	for {
		err := c.fetchOnce(ctx, endpoint, url, token, limit, read)
		if err == nil {
			return nil
		}
		wait, err := p.after(err, false)
		if err != nil {
			return err
		}
		if err := c.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (c *Client) fetchOnce(ctx context.Context, endpoint, url, token string, limit int64, read func(io.Reader) error) error {
	ctx, stop := context.WithTimeoutCause(ctx, 4*c.stall, &Error{URL: plainURL(url), What: "the answer took too long"})
	defer stop()
	resp, err := c.open(ctx, endpoint, url, token, 0)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "application/json" {
		return &Error{URL: plainURL(url), Status: resp.StatusCode, What: "an answer of type " + strconv.Quote(kind) + ", expected JSON"}
	}
	return read(&limited{resp.Body, limit, plainURL(url)})
}

// limited is an answer that must not be longer.
type limited struct {
	io.Reader
	left int64
	url  string
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, &Error{URL: l.url, What: "an answer that is too long"}
	}
	return n, err
}

// have reports whether a file is there, whole, with the host's hash; it returns its line of the receipt.
func (w *work) have(f remote) (ReceiptFile, bool) {
	file, err := os.Open(w.path(f.name))
	if err != nil {
		return ReceiptFile{}, false
	}
	defer file.Close()
	s := newSums(&f)
	if _, err := io.Copy(s, file); err != nil || s.n != f.bytes {
		return ReceiptFile{}, false
	}
	by, err := s.check(&f, nil)
	return ReceiptFile{Name: f.name, Bytes: s.n, SHA256: hex.EncodeToString(s.sha256.Sum(nil)), Checked: by}, err == nil
}
