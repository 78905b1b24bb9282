package machine

import (
	"path"
	"strings"
)

// groupRoot is where Linux shows control groups, below the root of the file system.
const groupRoot = "sys/fs/cgroup"

// groupFolders returns the folders of the control groups that text, as /proc/self/cgroup has it, names, and of those round them, the
// innermost first and groupRoot last: of the unified hierarchy, and of that which version 1 has for a controller.
func groupFolders(text, controller string) (v2, v1 []string) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(parts) < 3 {
			continue
		}
		root, folders := groupRoot, &v2
		if parts[1] != "" {
			if !strings.Contains(","+parts[1]+",", ","+controller+",") {
				continue
			}
			root, folders = path.Join(groupRoot, controller), &v1
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			*folders = append(*folders, path.Join(root, group))
			if group == "/" {
				break
			}
		}
	}
	return v2, v1
}
