//go:build race

package tokenizer

// raceEnabled: under the race detector sync.Pool drops what it holds at random, so it allocates.
const raceEnabled = true
