package data_test

import (
	"fmt"
	"io"
	"strings"

	"bertlabel/train/data"
)

// A file is loaded whole; its label list is gathered from its rows.
func ExampleLoadFrom() {
	file := strings.NewReader(`text,labels
"Thanks, I love it","gratitude,love"
So sad,
`)
	d, err := data.LoadFrom(file, "train.csv", data.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Labels.Names())
	for i, text := range d.Texts {
		fmt.Printf("line %d: %q %v\n", d.Lines[i], text, d.Row(i))
	}
	// Output:
	// [gratitude love]
	// line 2: "Thanks, I love it" [1 1]
	// line 3: "So sad" [0 0]
}

// A file is read row by row. Bad rows are reported, and the reading goes on.
func ExampleReader() {
	file := strings.NewReader(`{"text": "Thanks!", "labels": ["gratitude"]}
{"text": "So sad", "labels": ["sadnes"]}
{"text": "Hm", "labels": {"gratitude": null}}
`)
	labels, err := data.NewLabelList([]string{"gratitude", "sadness"}, "labels.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := data.NewReader(file, "in.jsonl", data.Options{Labels: labels, OnBadRow: data.ReportBadRows})
	if err != nil {
		fmt.Println(err)
		return
	}
	var ex data.Example
	for {
		err := r.Read(&ex)
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		if ex.Bad != nil {
			fmt.Println(ex.Bad)
			continue
		}
		fmt.Println(ex.Line, ex.Text, ex.Labels)
	}
	// Output:
	// 1 Thanks! [1 0]
	// in.jsonl:2: column 31 (labels): found the unknown label "sadnes", expected one of the 2 labels of labels.txt; fix: did you mean "sadness"?
	// 3 Hm [-1 0]
}

// Batches run across the border of two epochs, and none is short.
func ExampleStream() {
	s := data.Stream{Rows: 5, Seed: 42, Shuffle: true}
	batch := make([]int, 4)
	for step := range int64(3) {
		s.Batch(batch, step*4)
		fmt.Println(batch)
	}
	// Output:
	// [1 2 0 3]
	// [4 4 3 1]
	// [2 0 2 1]
}
