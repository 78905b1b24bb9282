// Package tensorboard writes the event files that TensorBoard shows: scalars by step.
package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"bertlabel/checkpoint"

	"google.golang.org/protobuf/encoding/protowire"
)

// Prefix begins the names of event files (tsl/util/events_writer.cc).
const Prefix = "events.out.tfevents."

// Scalar is one value of a plot.
type Scalar struct {
	Tag   string
	Value float64 // shown as float32
}

// Writer appends to an event file. Each record goes to the system in one piece.
type Writer struct {
	f   *os.File
	now func() time.Time
}

// Create begins a new event file in dir, which it makes. With step > 0 the file goes on with the plots of older files after
// that step: what they have of later steps, from a run that was killed, is no longer shown.
func Create(dir string, step int64) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost" // it is only part of a file name
	}
	now := time.Now()
	name := fmt.Sprintf("%s%010d.%s.%d.%d", Prefix, now.Unix(), host, os.Getpid(), now.Nanosecond())
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	w := &Writer{f, time.Now}
	err = w.event(0, fieldFileVersion, []byte("brain.Event:2"))
	if err == nil && step > 0 {
		err = w.event(step+1, fieldSessionLog, appendVarint(nil, fieldStatus, statusStart))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// Clear removes the event files of a folder, which need not be there.
func Clear(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, Prefix+"*"))
	errs := []error{err}
	for _, f := range files {
		errs = append(errs, os.Remove(f))
	}
	return errors.Join(errs...)
}

// Scalars appends the values of a step.
func (w *Writer) Scalars(step int64, values []Scalar) error {
	var summary []byte
	for _, v := range values {
		value := protowire.AppendTag(nil, fieldTag, protowire.BytesType)
		value = protowire.AppendString(value, v.Tag)
		value = protowire.AppendTag(value, fieldSimpleValue, protowire.Fixed32Type)
		value = protowire.AppendFixed32(value, math.Float32bits(float32(v.Value)))
		summary = protowire.AppendTag(summary, fieldValue, protowire.BytesType)
		summary = protowire.AppendBytes(summary, value)
	}
	return w.event(step, fieldSummary, summary)
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }

// Fields of Event and SessionLog (tensorflow/core/util/event.proto), and of Summary (tensorflow/core/framework/summary.proto).
const (
	fieldWallTime    = 1 // Event
	fieldStep        = 2
	fieldFileVersion = 3
	fieldSummary     = 5
	fieldSessionLog  = 7

	fieldStatus = 1 // SessionLog
	statusStart = 1 // purges what older files have of this step and later ones

	fieldValue       = 1 // Summary
	fieldTag         = 1 // Summary.Value
	fieldSimpleValue = 2
)

// event appends one Event, whose field holds message.
func (w *Writer) event(step int64, field protowire.Number, message []byte) error {
	event := protowire.AppendTag(nil, fieldWallTime, protowire.Fixed64Type)
	event = protowire.AppendFixed64(event, math.Float64bits(float64(w.now().UnixNano())/1e9))
	event = appendVarint(event, fieldStep, uint64(step))
	event = protowire.AppendTag(event, field, protowire.BytesType)
	event = protowire.AppendBytes(event, message)
	_, err := w.f.Write(record(event))
	return err
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

// record frames data as TFRecord files do: length, its masked CRC32C, data, its masked CRC32C (tsl/lib/io/record_writer.h).
func record(data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(b))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, maskedCRC(data))
}

func maskedCRC(data []byte) uint32 { return checkpoint.MaskCRC(checkpoint.CRC32C(0, data)) }
