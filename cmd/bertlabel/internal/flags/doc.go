// Package flags has the flags that several verbs share, and makes of them what the library takes: which model (model.go), how labelled
// texts are read (data.go), how a head is tuned on dev (tuning.go). A struct of flags holds what was set, and no results.
//
// What several verbs tell of models and data in the same words is here, too (findings.go).
package flags
