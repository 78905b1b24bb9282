package metrics

// Accuracy returns the share of the rows whose most probable label, the first of equals, is one of theirs: what a model of labels that
// exclude
// each other is judged by, accuracy_score of scikit-learn where each row has one label. Rows with an unknown cell are left out; without any
// other the value does not exist.
func Accuracy(d Data) *Number {
	labels := len(d.Labels)
	right, rows := 0, 0
	for from := 0; labels > 0 && from+labels <= len(d.Truth); from += labels {
		top, known := from, true
		for i := from; i < from+labels; i++ {
			known = known && d.Truth[i] >= 0
			if d.Scores[i] > d.Scores[top] {
				top = i
			}
		}
		if known {
			rows++
			right += int(d.Truth[top])
		}
	}
	accuracy := Number(float64(right) / float64(rows)) // NaN without rows: it does not exist
	return &accuracy
}
