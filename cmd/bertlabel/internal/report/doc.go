// Package report makes the page that `eval --report` and `train` leave: one HTML file without scripts that needs no network,
// in light or dark as the reader's system is, and readable on a phone.
//
// Read report.go first: Report is all that the page shows, WriteHTML and WritePlots are pure functions of it. tally.go counts what
// the figures draw, in one pass over the scores; rows.go finds the rows to look at; figures.go and heatmap.go draw them by package
// chart; figure.go has their colours, which on the page are its own; page.qtpl is the page. docs/report.md says how to read it.
//
// Names and texts come from outside. quicktemplate escapes them, package plaintext makes visible what hides in them, and figures
// reserve exactly the width that a name then takes.
package report
