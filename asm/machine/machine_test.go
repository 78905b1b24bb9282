package machine

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// What the process holds grows with what it uses, and is no more than there is.
func TestResident(t *testing.T) {
	const size = 64 << 20
	before := Held()
	used := make([]byte, size)
	for i := range used {
		used[i] = 1
	}
	// The race detector keeps up to four bytes of its own for each one: with them it was 3.0 times the size.
	if after := Held(); after-before < size*9/10 || after-before > 6*size {
		t.Errorf("%d bytes held before, %d after using %d", before, after, size)
	}
	if total := TotalMemory(); total != 0 && total < int64(before) {
		t.Errorf("%d bytes of memory, of which %d are held", total, before)
	}
	if total := TotalMemory(); total == 0 && (runtime.GOOS == "linux" || runtime.GOOS == "darwin") {
		t.Error("the memory is not known")
	}
	runtime.KeepAlive(used)
}

// totalVariable has this test binary print TotalMemory.
const totalVariable = "BERTLABEL_TEST_TOTAL_MEMORY"

func TestMain(m *testing.M) {
	if os.Getenv(totalVariable) != "" {
		fmt.Println(TotalMemory())
		return
	}
	m.Run()
}

// Under ulimit -v there is no more than that.
func TestAddressSpace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit -v and /proc")
	}
	const kib = 4 << 20 // the Go runtime reserves less
	cmd := exec.Command("sh", "-c", fmt.Sprintf("ulimit -v %d && exec \"$0\"", kib), os.Args[0])
	cmd.Env = append(os.Environ(), totalVariable+"=1")
	out, err := cmd.Output()
	var total int64
	if _, scan := fmt.Sscan(string(out), &total); err != nil || scan != nil {
		t.Fatalf("%v, %v: %q", err, scan, out)
	}
	if total <= 0 || total > kib<<10 {
		t.Errorf("%d bytes of memory within a limit of %d", total, kib<<10)
	}
}
