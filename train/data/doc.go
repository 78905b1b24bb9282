// Package data reads labelled texts: CSV, TSV, JSONL and fastText files, plain or gzipped, with a label list that fixes the
// order of the outputs, and errors that name file, line and column.
//
// One row goes through four steps, each a file:
//
//	source.go              bytes of a file: hashed, unpacked, without byte order mark; other encodings refused by name
//	lines.go               physical lines, counted, at most MaxRow bytes a row
//	csv.go, table.go       fields (RFC 4180, or tab-separated) and what each column means
//	json.go, jsonl.go      one JSON object a line (RFC 8259)
//	fasttext.go            __label__joy __label__love the text; text.go: a text, and nothing else
//	labels.go              names or 0/1 cells to places in the label list: 1, 0, or Unknown
//	labelcell.go           what stands in a label cell: words, lists, names; labeltext.go, numbers.go and separator.go take it
//
// Read first reader.go: [Reader] puts the steps together and decides what a bad row does; [Load] (dataset.go) reads a whole
// file; [Stream] (stream.go) is the endless sequence of training rows. A blank line is no row, but in a file of one text a
// line (fastText, lines, a table of one column), where it is an empty text. Lines end in LF or
// CRLF; other line breaks (a lone CR, U+2028) are part of the text.
package data
