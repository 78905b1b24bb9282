// Package shard scores a file in parts. Any number of processes make them, on any number of machines, in any order, killed and run twice;
// put one after the other, the parts are what one process would have written, byte for byte. Nothing here coordinates: engines that place,
// retry and restart work there are enough.
//
//	Plan     cuts the input, and says what every part has to be       plan.go, cut.go, input.go
//	Run      makes one part: reads, scores, writes, commits           run.go, commit.go
//	Receipt  what stands beside a part, and makes it count            receipt.go
//	Verify   what is there, what is missing, what is damaged          verify.go
//
// The commit. A part is written under a temporary name that names host and process, flushed to the disk, and renamed; then its receipt is,
// in the same way. A part without a receipt does not count and is made again. A receipt that agrees with the plan ends a run before the
// model is opened; one that differs is a *ConflictError. There is no lock: two processes that make the same part write the same bytes, and
// the second rename changes nothing. Read run.go first.
package shard
