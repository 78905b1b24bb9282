package shard

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"

	"bertlabel/checkpoint/atomic"
	"bertlabel/train/data"
)

// badList lists the bad rows of a shard in a file, which is made at the first one. A nil badList lists nothing. Rows are added by the
// goroutine that reads.
type badList struct {
	mu   sync.Mutex
	fs   atomic.FS
	path string
	show func(*data.RowError) *data.RowError
	file *atomic.Shared // nil: there was none
	err  error          // the first failure to write
}

// badRow is a line of it: where the row begins in its file, and what is wrong with it.
type badRow struct {
	*data.RowError
	Offset *int64 `json:"offset,omitempty"` // bytes from 0; nil for a row of a file that was read whole, which has a line
}

func (l *badList) add(bad *data.RowError) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	if l.file == nil {
		if l.err = makeFolder(filepath.Dir(l.path)); l.err == nil {
			l.file, l.err = atomic.CreateShared(l.fs, l.path)
		}
	}
	line := badRow{RowError: l.show(bad)}
	if bad.Line == 0 {
		line.Offset = &bad.Offset
	}
	if l.err == nil {
		l.err = json.NewEncoder(l.file).Encode(line)
	}
}

// failed returns the first failure.
func (l *badList) failed() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// commit gives the list its name.
func (l *badList) commit() error {
	if l == nil || l.file == nil {
		return nil
	}
	return l.file.Commit()
}

// abort removes what was not committed. The goroutine that reads may not have ended yet.
func (l *badList) abort() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = context.Canceled; l.file != nil {
		l.file.Abort()
	}
}
