package machine

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// groups are the folders of a process's CPU control group and of the groups round it, the innermost first, in a file system.
type groups struct {
	files fs.FS
	v2    []string // the unified hierarchy: cpu.max, cpu.stat
	v1    []string // cpu.cfs_quota_us, cpu.cfs_period_us, cpu.stat
}

// cpuGroups finds the groups that text, as /proc/self/cgroup has it, names.
func cpuGroups(files fs.FS, text string) groups {
	v2, v1 := groupFolders(text, "cpu")
	return groups{files, v2, v1}
}

// quota returns the least quota in cores, 0 where there is none.
func (g groups) quota() (least float64) {
	note := func(quota, period float64) {
		if quota > 0 && period > 0 && (least == 0 || quota/period < least) {
			least = quota / period
		}
	}
	for _, folder := range g.v2 {
		if fields := strings.Fields(g.read(folder, "cpu.max")); len(fields) == 2 { // "max 100000": no quota
			note(parse(fields[0]), parse(fields[1]))
		}
	}
	for _, folder := range g.v1 {
		note(parse(g.read(folder, "cpu.cfs_quota_us")), parse(g.read(folder, "cpu.cfs_period_us"))) // −1: no quota
	}
	return least
}

// throttled returns the most time that a group counts: each counts what its own quota took.
func (g groups) throttled() (most time.Duration) {
	count := func(folder, key string, unit time.Duration) {
		for line := range strings.Lines(g.read(folder, "cpu.stat")) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == key {
				most = max(most, time.Duration(parse(value)*float64(unit)))
			}
		}
	}
	for _, folder := range g.v2 {
		count(folder, "throttled_usec", time.Microsecond)
	}
	for _, folder := range g.v1 {
		count(folder, "throttled_time", time.Nanosecond)
	}
	return most
}

func (g groups) read(folder, name string) string {
	text, _ := fs.ReadFile(g.files, path.Join(folder, name))
	return strings.TrimSpace(string(text))
}

// parse returns a number, 0 for what is none.
func parse(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return v
}
