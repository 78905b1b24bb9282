package tensorboard

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestBytes compares a file with the bytes of these events as TensorFlow's protobuf and TFRecord definitions have them; TensorBoard
// 2.21's own reader (EventAccumulator) has been seen to read such files.
func TestBytes(t *testing.T) {
	w := &Writer{now: func() time.Time { return time.Unix(1, 5e8) }} // 1.5 s
	path := filepath.Join(t.TempDir(), "events")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	if err := w.Scalars(300, []Scalar{{"loss", 0.25}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	event := "09" + "000000000000f83f" + // wall_time 1.5
		"10" + "ac02" + // step 300
		"2a" + "0d" + "0a" + "0b" + "0a04" + hex.EncodeToString([]byte("loss")) + "15" + "0000803e" // summary.value: tag, simple_value 0.25
	want, err := hex.DecodeString(event)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(want); len(got) != 12+n+4 || got[0] != byte(n) || !bytes.Equal(got[12:12+n], want) {
		t.Errorf("file\n%x\nwant an event of %d bytes\n%x", got, n, want)
	}
}

// TestRecord has the framing of the record "abc", its checksums from masked_crc32c of TensorBoard 2.21.
func TestRecord(t *testing.T) {
	const want = "0300000000000000" + "b099490e" + "616263" + "6e57f121"
	if got := hex.EncodeToString(record([]byte("abc"))); got != want {
		t.Errorf("record is %s, want %s", got, want)
	}
}

// TestCreate: a file that goes on says from where, and no file is written over.
func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tensorboard")
	for _, step := range []int64{0, 7} {
		w, err := Create(dir, step)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, Prefix+"*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v, want two files", files, err)
	}
	text, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	if session := []byte{0x10, 8, 0x3a, 2, 8, 1}; !bytes.Contains(text, session) || !bytes.Contains(text, []byte("brain.Event:2")) {
		t.Errorf("%q has no session start at step 8, or no version", text)
	}
}
