package main

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
)

// build builds the program for a platform and returns the path of the binary.
func build(t *testing.T, goos, goarch string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	path := filepath.Join(t.TempDir(), "bertlabel.exe")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// The Linux binary is static: no interpreter, no dynamic section, no library.
func TestStatic(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(build(t, "linux", "amd64"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a program header %v", p.Type)
		}
	}
	if libs, _ := f.ImportedLibraries(); len(libs) > 0 {
		t.Errorf("the binary needs %v", libs)
	}
}

// What only a process of its own shows: the kernel set by environment and flag, that a signal ends
// a wait for stdin, and that a closed stdout is no error.
func TestProcess(t *testing.T) {
	t.Parallel()
	program := build(t, runtime.GOOS, runtime.GOARCH)
	start := func(env string, args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd, stderr := exec.Command(program, args...), &bytes.Buffer{}
		cmd.Env, cmd.Stderr = append(os.Environ(), env), stderr
		return cmd, stderr
	}
	for _, c := range []struct {
		env, flag string
		code      int
	}{
		{"", "--kernels=generic", cli.ExitOK},
		{"BERTLABEL_KERNELS=generic", "--quiet", cli.ExitOK},
		{"BERTLABEL_KERNELS=generic", "--kernels=mmx", cli.ExitUsage},
		{"BERTLABEL_KERNELS=mmx", "--quiet", cli.ExitUsage},
		{"BERTLABEL_KERNELS=mmx", "--kernels=generic", cli.ExitOK},
	} {
		cmd, stderr := start(c.env, "version", c.flag)
		out, _ := cmd.Output()
		if code := cmd.ProcessState.ExitCode(); code != c.code || code == cli.ExitOK && !bytes.Contains(out, []byte("kernels generic,")) {
			t.Errorf("%s bertlabel version %s: exit %d, want %d\n%s%s", c.env, c.flag, code, c.code, out, stderr)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, stderr := start("", "metrics", "--truth", "-", "--scores", program) // stdin comes first
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			// more than a pipe holds: when it is written, the program reads
			_, err = io.WriteString(in, "joy\n"+strings.Repeat("0\n", 1<<17))
		}
		if err == nil {
			err = cmd.Process.Signal(sig)
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 128+int(sig) {
			t.Errorf("%v while stdin waits: exit %d, want %d\n%s", sig, code, 128+int(sig), stderr)
		}
		in.Close()
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd, stderr := start("", "version")
	cmd.Stdout = w
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("with stdout closed: %v, stderr %q; want a quiet end", err, stderr)
	}
	w.Close()
}
