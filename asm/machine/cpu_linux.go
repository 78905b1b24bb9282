package machine

import (
	"os"
	"time"
)

// CPUQuota returns how many cores' time the container (cgroup) may use: the least quota of its group and the groups round it, which
// Go's GOMAXPROCS does not look at (golang/go#81180); 0 where there is none.
func CPUQuota() float64 { return cpuGroups(os.DirFS("/"), readText("/proc/self/cgroup")).quota() }

// Throttled returns how long the container (cgroup) has been kept from running because its quota was used up; 0 where that is unknown.
func Throttled() time.Duration {
	return cpuGroups(os.DirFS("/"), readText("/proc/self/cgroup")).throttled()
}

func readText(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}
