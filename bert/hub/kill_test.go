package hub

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childEnv has the arguments of a pull in a process of its own: endpoint, reference, folder.
const childEnv = "BERTLABEL_TEST_PULL"

// TestPullChild is the process that TestKilled kills.
func TestPullChild(t *testing.T) {
	args := strings.Split(os.Getenv(childEnv), "\n")
	if len(args) != 3 {
		t.Skip("is run by TestKilled")
	}
	c := New("")
	c.HubEndpoint, c.GoogleEndpoint = args[0], args[0]+"/bert_models"
	if _, err := c.Pull(t.Context(), mustRef(t, args[1]), args[2]); err != nil {
		t.Fatal(err)
	}
}

// trickle sends an answer in pieces, so that there is a time at which it can be killed.
type trickle struct{ http.ResponseWriter }

func (w trickle) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var k int
		k, err = w.ResponseWriter.Write(p[:min(len(p), 16<<10)])
		n, p = n+k, p[k:]
		w.ResponseWriter.(http.Flusher).Flush()
		time.Sleep(time.Millisecond)
	}
	return n, err
}

// TestKilled ends pulls by kill -9 at random moments: never is there half a folder, and the pull that is let live makes the right one of
// what was left. BERTLABEL_TEST_KILLS is how many; docs/testing.md has the long runs.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills := 12
	if n, err := strconv.Atoi(os.Getenv("BERTLABEL_TEST_KILLS")); err == nil {
		kills = n
	} else if testing.Short() {
		kills = 2
	}
	if runtime.GOOS == "windows" {
		t.Skip("has no signals")
	}
	c, h := played(t, 4000)
	h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if _, slow := w.(trickle); slow {
			return false
		}
		h.Serve(trickle{w}, r)
		return true
	}
	rng := rand.New(rand.NewPCG(uint64(kills), 3))
	for ref, m := range both(t, h) {
		took, killed, resumed := time.Second, 0, 0
		for killed < (kills+1)/2 {
			dir := filepath.Join(fastDir(t), "model")
			for life := 0; ; life++ {
				var output bytes.Buffer
				cmd := exec.Command(os.Args[0], "-test.run=^TestPullChild$", "-test.count=1")
				cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{c.HubEndpoint, ref, dir}, "\n"))
				cmd.Stdout, cmd.Stderr = &output, &output
				start := time.Now()
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if life < 4 {
					kill := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { cmd.Process.Kill() })
					defer kill.Stop()
				}
				err := cmd.Wait()
				if _, statErr := os.Stat(dir); statErr == nil && !whole(dir) {
					t.Fatalf("%s: half a folder", ref)
				}
				if err == nil {
					took = min(took, time.Since(start))
					break
				}
				if life >= 4 || cmd.ProcessState.Exited() && !bytes.Contains(output.Bytes(), []byte("file already exists")) {
					t.Fatalf("%s: %v\n%s", ref, err, output.String())
				}
				if cmd.ProcessState.Exited() {
					break // it was killed between the last rename and its end
				}
				if left, _ := filepath.Glob(filepath.Join(dir+".partial", "*")); len(left) > 1 {
					resumed++
				}
				killed++
			}
			checkFiles(t, dir, m.want, m.names...)
		}
		t.Logf("%s: %d kills, %d of them left something", ref, killed, resumed)
	}
}

// TestProgress adds up: the bytes told of never go back, end at what was said to come, and those of a stopped pull are told of as such.
func TestProgress(t *testing.T) {
	c, h := played(t, 4000)
	for ref, m := range both(t, h) {
		var told []Progress
		c.Progress = func(p Progress) { told = append(told, p) }
		cut := true
		h.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			if cut && (strings.HasPrefix(r.URL.Path, "/store/") || strings.HasSuffix(r.URL.Path, ".zip")) {
				if r.Header.Get("Range") != "" {
					w.WriteHeader(http.StatusForbidden)
				} else {
					h.Serve(&cutting{w, 100_000}, r)
				}
				return true
			}
			return false
		}
		dir := filepath.Join(fastDir(t), "model")
		if _, err := c.Pull(t.Context(), mustRef(t, ref), dir); err == nil {
			t.Fatalf("%s: a refused pull succeeded", ref)
		}
		before := told[len(told)-1].Bytes
		told, cut = nil, false
		if _, err := c.Pull(t.Context(), mustRef(t, ref), dir); err != nil {
			t.Fatal(err)
		}
		checkFiles(t, dir, m.want, m.names...)
		last, old := int64(0), int64(0)
		for _, p := range told {
			if p.Bytes < last || p.Of > 0 && p.Bytes > p.Of || p.File == "" {
				t.Errorf("%s: %+v after %d bytes", ref, p, last)
			}
			if last = p.Bytes; p.Interrupted {
				old = p.Bytes
			}
		}
		if end := told[len(told)-1]; end.Of == 0 || end.Bytes != end.Of {
			t.Errorf("%s: ends with %+v", ref, end)
		}
		if old < 90_000 || old > before {
			t.Errorf("%s: %d bytes of %d were told of as there already", ref, old, before)
		}
	}
}
