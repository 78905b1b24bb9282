// Package metrics scores multi-label predictions: pure functions of truth and scores, equal to scikit-learn's.
//
// A data set is two row-major [rows, C] matrices: truth holds 1, 0, or −1 for an unknown cell, which is left out of every
// value; scores holds probabilities as float32. A prediction is positive when score > threshold, in float32; everything after
// that comparison is counted in integers and computed in float64. With TP, FP, FN, TN of a label, a row, or all cells:
//
//	precision = TP/(TP+FP)    recall = TP/(TP+FN)    F1 = 2TP/(2TP+FP+FN)    Jaccard = TP/(TP+FP+FN)
//
// where 0/0 is 0. micro counts all cells at once, macro is the mean over labels, weighted that mean by the labels' positives,
// samples the mean over rows. What orders the scores (ROC-AUC, average precision, thresholds) never looks at the threshold;
// it is read off one sorted list of the label's scores. A value that does not exist, such as the ROC-AUC of a label with one
// class, is NaN in Go and null in JSON, never a silent 0.
//
// Read first: counts.go (the formulas above), ranking.go (what is read off a sorted list), evaluate.go (which cells go where),
// report.go (the result). threshold.go chooses thresholds; calibrate.go (with newton.go) makes probabilities of logits
// that mean what they say.
package metrics
