// Package baseline is the classifier that a BERT model has to beat: TF-IDF of words and word pairs, and a logistic regression for
// each label. It trains in seconds. Its numbers are those of scikit-learn's TfidfVectorizer and LogisticRegression.
//
//	tf-idf, a sparse vector of length 1 for each text     tfidf.go
//	the logistic regression of one label, solved exactly  logistic.go
//	all labels, with the strength of the penalty          baseline.go
//	a report on rows that it does not know                judge.go
package baseline
