package machine

import (
	"testing"
	"testing/fstest"
	"time"
)

// The least quota of a group and those round it counts, in both versions of control groups; "max", −1 and missing files are none.
func TestCPUGroups(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		cgroup    string
		files     fstest.MapFS
		quota     float64
		throttled time.Duration
	}{
		"none": {"", nil, 0, 0},
		"no quota": {"0::/a\n", fstest.MapFS{"sys/fs/cgroup/a/cpu.max": file("max 100000\n"),
			"sys/fs/cgroup/a/cpu.stat": file("usage_usec 5\nthrottled_usec 0\n")}, 0, 0},
		"of the parent": {"0::/a/b\n", fstest.MapFS{"sys/fs/cgroup/a/cpu.max": file("150000 100000\n"),
			"sys/fs/cgroup/a/b/cpu.max": file("max 100000\n"), "sys/fs/cgroup/a/cpu.stat": file("nr_throttled 3\nthrottled_usec 2500\n")},
			1.5, 2500 * time.Microsecond},
		"of its own": {"0::/a/b\n", fstest.MapFS{"sys/fs/cgroup/a/cpu.max": file("400000 100000\n"),
			"sys/fs/cgroup/a/b/cpu.max": file("50000 100000\n")}, 0.5, 0},
		"of the container's root": {"0::/\n", fstest.MapFS{"sys/fs/cgroup/cpu.max": file("200000 100000\n")}, 2, 0},
		"version 1": {"3:memory:/m\n2:cpuacct,cpu:/x\n0::/\n", fstest.MapFS{"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": file("-1\n"),
			"sys/fs/cgroup/cpu/x/cpu.cfs_period_us": file("100000\n"), "sys/fs/cgroup/cpu/cpu.cfs_quota_us": file("300000\n"),
			"sys/fs/cgroup/cpu/cpu.cfs_period_us": file("100000\n"), "sys/fs/cgroup/cpu/cpu.stat": file("throttled_time 7000000\n")},
			3, 7 * time.Millisecond},
		"nonsense": {"x\n0::/a\n", fstest.MapFS{"sys/fs/cgroup/a/cpu.max": file("1\n"), "sys/fs/cgroup/cpu.max": file("a b\n")}, 0, 0},
	} {
		g := cpuGroups(c.files, c.cgroup)
		if got := g.quota(); got != c.quota {
			t.Errorf("%s: a quota of %v cores, want %v", name, got, c.quota)
		}
		if got := g.throttled(); got != c.throttled {
			t.Errorf("%s: throttled for %v, want %v", name, got, c.throttled)
		}
	}
	if CPUQuota() < 0 || Throttled() < 0 {
		t.Errorf("this process: %v cores, %v", CPUQuota(), Throttled())
	}
}
