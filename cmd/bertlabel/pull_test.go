package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/hub/hubtest"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// playHub plays a hub that has a model with a head, and returns an environment in which bertlabel asks it.
func playHub(t *testing.T) (h *hubtest.Hosts, env map[string]string) {
	t.Helper()
	folder := cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 3, bert.Mean, cmdtest.TinyLabels))
	files := map[string][]byte{}
	names, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range names {
		if files[f.Name()], err = os.ReadFile(filepath.Join(folder, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	h = &hubtest.Hosts{Repos: map[string]*hubtest.Repo{"org/tiny": {Commit: strings.Repeat("0", 40), Files: files}}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.Store = server.URL
	return h, map[string]string{"HF_ENDPOINT": server.URL, "BERTLABEL_HOME": filepath.Join(t.TempDir(), "cache")}
}

// A model that is named by its host is pulled once, and every verb that takes a model takes it.
func TestPull(t *testing.T) {
	t.Parallel()
	h, env := playHub(t)
	for i, args := range [][]string{
		{"predict", "--model", "hf:org/tiny"},
		{"embed", "--model", "hf:org/tiny", "--offline"},
		{"inspect", "hf:org/tiny", "--offline"},
		{"pull", "hf:org/tiny", "--offline"},
		{"bench", "--model", "hf:org/tiny", "--offline", "--shape", "1x4", "--runs", "1"},
	} {
		stdout, stderr, code := bertlabelIn(t, env, `{"text": "the cat"}`, args...)
		if code != cli.ExitOK || stdout == "" {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
		if said := strings.Contains(stderr, "hf:org/tiny is not on this machine yet: pulling it"); said != (i == 0) {
			t.Errorf("%v: stderr %q", args, stderr)
		}
	}
	downloads := 0
	for _, r := range h.Requests() {
		if strings.HasPrefix(r.Path, "/store/") {
			downloads++
		}
	}
	if downloads != 1 {
		t.Errorf("%d downloads of the weights", downloads)
	}
}

func TestPullInto(t *testing.T) {
	t.Parallel()
	_, env := playHub(t)
	dir := filepath.Join(t.TempDir(), "new", "model")
	stdout, stderr, code := bertlabelIn(t, env, "", "pull", "hf:org/tiny", "--output", dir)
	if code != cli.ExitOK || stdout != dir+"\n" || stderr != "" {
		t.Fatalf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if _, stderr, code := bertlabelIn(t, env, `{"text": "the cat"}`, "predict", "--model", dir); code != cli.ExitOK {
		t.Errorf("exit %d: %s", code, stderr)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"pull", "hf:org/tiny", "--output", dir}, cli.ExitUsage, "is not empty"},
		{[]string{"pull", "hf:org/tiny", "--output", dir, "--offline"}, cli.ExitUsage, "--offline forbids it"},
		{[]string{"pull", "hf:org/none"}, cli.ExitFailure, "there is no such repository"},
		{[]string{"pull", "hf:../x"}, cli.ExitUsage, "no name of a repository"},
		{[]string{"pull", "google:uncased"}, cli.ExitUsage, "none of Google's releases"},
		{[]string{"pull"}, cli.ExitUsage, "want one"},
		{[]string{"predict", "--model", "google:uncased"}, cli.ExitUsage, "none of Google's releases"},
		{[]string{"predict", "--model", "hf:org/other", "--offline"}, cli.ExitUsage, "is in no cache, and --offline forbids"},
		{[]string{"inspect", "hf:x y"}, cli.ExitUsage, "no name of a repository"},
		{[]string{"bench", "--model", "hf:"}, cli.ExitUsage, "no name of a repository"},
	} {
		if _, stderr, code := bertlabelIn(t, env, "", c.args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d, stderr %q; want exit %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
	env["HF_TOKEN"] = "se cret"
	if _, stderr, code := bertlabelIn(t, env, "", "pull", "hf:org/tiny"); code != cli.ExitUsage || strings.Contains(stderr, "cret") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestPullList(t *testing.T) {
	t.Parallel()
	stdout, _, code := bertlabel(t, "", "pull", "google:")
	if code != cli.ExitOK || strings.Count(stdout, "\n") != 1+33 || !strings.Contains(stdout, "google:2020_02_20/uncased_L-12_H-768_A-12") ||
		!strings.Contains(stdout, "438 MB") {
		t.Errorf("exit %d:\n%s", code, stdout)
	}
}
