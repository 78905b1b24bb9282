package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
	"slices"
	"testing"

	"bertlabel/checkpoint"
)

// token is a piece of JSON that edits leave whole: a string, a number, white space, or one other byte.
var token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[0-9]+|[ \t\r\n]+|(?s).`)

// replacements are where sizes overflow and limits lie, and what stands elsewhere in headers.
var replacements = []string{"0", "1", "2", "3", "4", "8", "9", "24", "-1", "1.5", "1e2", "2147483647", "2147483648", "4294967296",
	"4611686018427387904",
	"9223372036854775807", "18446744073709551615", "18446744073709551616", `"F32"`, `"BF16"`, `"F64"`, `"U8"`, `"F8_E4M3"`, `"a"`, `"b"`,
	`"\u0061"`, `"\ud800"`,
	`"dtype"`, `"shape"`, `"data_offsets"`, `"__metadata__"`, "null", "true", "[", "]", "{", "}", ",", ":", " ", "[]", "{}", "\x00",
	"\xff", `"`}

// edit changes a text, given as tokens, as the bytes of a fuzzing engine say: three bytes an edit.
func edit(tokens [][]byte, decisions []byte) []byte {
	for ; len(decisions) >= 3 && len(tokens) > 0; decisions = decisions[3:] {
		i, with := int(decisions[1])%len(tokens), int(decisions[2])
		switch decisions[0] % 6 {
		case 0, 1:
			tokens[i] = []byte(replacements[with%len(replacements)])
		case 2:
			tokens = slices.Insert(tokens, i, []byte(replacements[with%len(replacements)]))
		case 3:
			tokens = slices.Delete(tokens, i, min(i+1+with%16, len(tokens)))
		case 4: // a run of tokens once more, here or there
			run := slices.Clone(tokens[i:min(i+1+with%32, len(tokens))])
			tokens = slices.Insert(tokens, with%(len(tokens)+1), run...)
		case 5:
			j := with % len(tokens)
			tokens[i], tokens[j] = tokens[j], tokens[i]
		}
	}
	return bytes.Join(tokens, nil)
}

// FuzzFile opens whole files: a header with edits, its length put right unless off says how wrong, and some bytes of data. What is
// accepted is read in all ways, and the tensors have exactly the bytes behind the header.
func FuzzFile(f *testing.F) {
	headers := []string{
		`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}`,
		`{"__metadata__":{"format":"pt","x":""},"n":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},"e":{"dtype":"I64","shape":[0,3],"data_offsets":[8,8]},"é":{"data_offsets":[8,9],"dtype":"BOOL","shape":[1]}}  `,
		`{}`,
	}
	var tokens [][][]byte
	for i := range headers {
		tokens = append(tokens, token.FindAll([]byte(headers[i]), -1))
		f.Add(byte(i), []byte{0, 8, 3}, []byte("012345678"), int8(0))
		f.Add(byte(i), []byte{4, 2, 40, 2, 9, 18}, []byte("012345678"), int8(1))
	}
	f.Fuzz(func(t *testing.T, header byte, decisions, data []byte, off int8) {
		text := edit(slices.Clone(tokens[int(header)%len(headers)]), decisions[:min(len(decisions), 60)])
		file := binary.LittleEndian.AppendUint64(nil, uint64(len(text)+int(off)))
		file = append(append(file, text...), data...)
		src, err := open(&checkpoint.File{ReaderAt: bytes.NewReader(file), Closer: io.NopCloser(nil), Path: "f", Size: int64(len(file))},
			checkpoint.Limits{})
		if err != nil {
			var refused *checkpoint.FormatError
			if !errors.As(err, &refused) || refused.File == "" {
				t.Fatalf("%v is no FormatError with a file", err)
			}
			return
		}
		total := int64(0)
		for _, info := range src.Tensors() {
			raw, err := src.ReadRaw(info.Name)
			if err != nil {
				t.Fatalf("%s: %v", info.Name, err)
			}
			if !bytes.Equal(raw, file[info.Offset:][:info.Bytes]) {
				t.Fatalf("%+v has other bytes than the file", info)
			}
			total += info.Bytes
			if err := src.ReadFloat32(info.Name, make([]float32, info.Elements())); err != nil &&
				(info.DType == checkpoint.Float32 || info.DType == checkpoint.BFloat16) {
				t.Fatalf("%s: %v", info.Name, err)
			}
		}
		if behind := int64(len(file)) - 8 - int64(len(text)+int(off)); total != behind {
			t.Fatalf("tensors of %d bytes fill %d", total, behind)
		}
	})
}
