package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"runtime/debug"

	"bertlabel/bert/tokenizer"
	"bertlabel/train/data"
)

// HashTokens returns SHA-256 over the tokens of all texts and their windows: with the weights, all that their features depend on.
func HashTokens(texts []tokenizer.Encoding) (sum [sha256.Size]byte) {
	h := sha256.New()
	var b []byte
	for _, e := range texts {
		b = binary.LittleEndian.AppendUint32(b[:0], uint32(len(e.IDs)))
		for i := range e.IDs {
			b = binary.LittleEndian.AppendUint32(b, uint32(e.IDs[i]))
			b = append(b, byte(e.Segments[i]))
		}
		for _, w := range e.Windows {
			for _, n := range []int{w.Start, w.End, w.KeptStart, w.KeptEnd} {
				b = binary.LittleEndian.AppendUint64(b, uint64(n)|1<<63) // no token looks like it
			}
		}
		h.Write(b)
	}
	h.Sum(sum[:0])
	return sum
}

// HashData tells a data set by its file, and by its tokens, labels and shares.
func HashData(set *data.Dataset, texts []tokenizer.Encoding) DataHash {
	h := sha256.New()
	tokens := HashTokens(texts)
	h.Write(tokens[:])
	for _, y := range set.Y {
		h.Write([]byte{byte(y)})
	}
	var b []byte
	for _, share := range set.Shares {
		b = binary.LittleEndian.AppendUint32(b[:0], math.Float32bits(share))
		h.Write(b)
	}
	return DataHash{File: hex.EncodeToString(set.SHA256[:]), Rows: hex.EncodeToString(h.Sum(nil))}
}

// Program returns version and revision of the program, as its checkpoints have them: "(devel) unknown" where the build says neither; a
// revision with local changes has a "+" at its end.
func Program() string {
	version, revision, modified := "(devel)", "unknown", false
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && s.Value != "":
				revision = s.Value
			case s.Key == "vcs.modified":
				modified = s.Value == "true"
			}
		}
	}
	if modified && revision != "unknown" {
		revision += "+"
	}
	return version + " " + revision
}
