package solver

// AtEnd returns the labels whose strength is that end of the path, 1 for the strongest or −1 for the weakest, and the strength. labels
// and solutions go together.
func AtEnd(labels []string, solutions []Solution, end int) (at []string, l2 float64) {
	for i, s := range solutions {
		if s.End == end {
			at, l2 = append(at, labels[i]), s.L2
		}
	}
	return at, l2
}
