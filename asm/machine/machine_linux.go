package machine

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// TotalMemory returns the bytes of RAM, or of the limit of the container (cgroup) or of the shell (ulimit -v) if that is less; 0 where
// none of them can be read.
func TotalMemory() int64 {
	var info unix.Sysinfo_t
	total := int64(0)
	if unix.Sysinfo(&info) == nil {
		total = int64(uint64(info.Totalram) * uint64(info.Unit))
	}
	for _, file := range limitFiles() {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is no number: no limit
		if err == nil && limit > 0 && (total == 0 || limit < total) {
			total = limit
		}
	}
	if limit := addressSpace(); limit > 0 && limit < total {
		return limit
	}
	return total
}

// addressSpace returns what the limit of the address space leaves, without that of addresses that the Go runtime has reserved for
// its tables; 0 if there is no limit.
func addressSpace() int64 {
	var limit unix.Rlimit
	reserved, resident := processMemory()
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur > math.MaxInt64 {
		return 0
	}
	return max(1, int64(limit.Cur)-int64(reserved-resident))
}

// limitFiles names the files that may hold a limit: those of our own group and its parents (v2), or of version 1.
func limitFiles() []string {
	text := readText("/proc/self/cgroup") // without it, the roots are what there is to look at
	return append([]string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}, groupFiles(text)...)
}

// groupFiles returns the limit files of the group of version 2 that text, as /proc/self/cgroup has it, names, and of its parents: the
// innermost first.
func groupFiles(text string) (files []string) {
	v2, _ := groupFolders(text, "memory")
	for _, folder := range v2 {
		if folder != groupRoot { // which is looked at anyway
			files = append(files, "/"+folder+"/memory.max")
		}
	}
	return files
}

// Resident returns the bytes of RAM that the process holds, with the pages of the program itself and garbage.
func Resident() int {
	if _, resident := processMemory(); resident > 0 {
		return resident
	}
	return mapped()
}

// processMemory returns the bytes of addresses and of RAM that the process holds, 0 if that is unknown.
func processMemory() (reserved, resident int) {
	text, err := os.ReadFile("/proc/self/statm") // pages: size, resident, …
	if err != nil {
		return 0, 0
	}
	if _, err := fmt.Sscan(string(text), &reserved, &resident); err != nil {
		return 0, 0
	}
	return reserved * os.Getpagesize(), resident * os.Getpagesize()
}
