package model

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/archive"
)

// maxStampHeader is the longest header of a safetensors file, RELIABILITY §3.
const maxStampHeader = 100 << 20

// Stamp returns SHA-256 over what tells the model at path from others, without reading its weights, in a millisecond or two: its config,
// vocabulary, labels, settings and tokenizer files, and of the weights what has their checksums. That is the .index of a TensorFlow
// checkpoint, with a CRC of every tensor, and the directory of a zip file, with one of every member. Other files have none: of safetensors
// count the header, the size and the time of the last change, of a V1 checkpoint the last two. Two folders with one stamp give the same
// model; a copy of a safetensors folder may have another. Of o only the names of files count, and Vocab does not. Errors are those of Open
// that show without the weights.
func Stamp(path string, o *Options) ([]byte, error) {
	if o == nil {
		o = &Options{}
	}
	h := sha256.New()
	if isZip(path) {
		return stampZip(h, path)
	}
	f, err := find(path, o, true)
	if err != nil {
		return nil, err
	}
	sentence := existing([]string{filepath.Dir(f.config)}, "modules.json")
	parts := []string{f.config, f.vocab, f.labels, f.settings, f.hfTokenizer, f.hfTokenizerConfig, f.hfAddedTokens, f.hfSpecialTokens,
		sentence}
	if sentence != "" { // the files of its modules
		more, err := filepath.Glob(filepath.Join(filepath.Dir(sentence), "*", hfConfigName))
		if err != nil {
			return nil, err
		}
		parts = append(append(parts, more...), existing([]string{filepath.Dir(sentence)}, "sentence_bert_config.json"))
	}
	for _, part := range parts {
		if err := stampFile(h, part); err != nil {
			return nil, err
		}
	}
	if err := stampWeights(h, f.checkpoint); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// stampFile hashes a file with its length before it; one that is not there counts as none.
func stampFile(h hash.Hash, path string) error {
	if path == "" {
		fmt.Fprint(h, "none ")
		return nil
	}
	data, err := readFile(path, maxVocabBytes)
	if err != nil {
		return err
	}
	stampBytes(h, data)
	return nil
}

// stampBytes hashes the bytes of a file with their number before them.
func stampBytes(h hash.Hash, data []byte) {
	fmt.Fprintf(h, "%d ", len(data))
	h.Write(data)
}

// stampWeights hashes what tells weights from others.
func stampWeights(h hash.Hash, path string) error {
	if index := path + ".index"; exists(index) {
		path = index
	}
	switch {
	case strings.HasSuffix(path, ".index"):
		return stampFile(h, path)
	case strings.HasSuffix(path, ".index.json"):
		return stampShards(h, path)
	}
	return stampSingle(h, path)
}

// stampShards hashes the index of several safetensors files, and of each what stampSingle does.
func stampShards(h hash.Hash, path string) error {
	data, err := readFile(path, maxVocabBytes)
	if err != nil {
		return err
	}
	stampBytes(h, data)
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	names := slices.Sorted(maps.Values(index.WeightMap))
	for _, name := range slices.Compact(names) {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s: path %.80q leads out of the folder", path, name)
		}
		if err := stampSingle(h, filepath.Join(filepath.Dir(path), name)); err != nil {
			return err
		}
	}
	return nil
}

// stampSingle hashes size and time of a file, and the header if it has the one of safetensors.
func stampSingle(h hash.Hash, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%d %d ", info.Size(), info.ModTime().UnixNano())
	if !strings.HasSuffix(path, ".safetensors") {
		return nil
	}
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var length [8]byte
	if _, err := f.ReadAt(length[:], 0); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	n := min(binary.LittleEndian.Uint64(length[:]), maxStampHeader, uint64(f.Size))
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, int64(n))); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// stampZip hashes the directory of a zip file.
func stampZip(h hash.Hash, path string) ([]byte, error) {
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := archive.Open(f, f.Size, path, maxUnpacked)
	if err != nil {
		return nil, err
	}
	for _, m := range z.Members {
		fmt.Fprintf(h, "%q %d %08x ", m.Name, m.Bytes, m.CRC32)
	}
	return h.Sum(nil), nil
}
