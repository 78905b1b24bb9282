package safetensors

import (
	"encoding/json"
	"testing"

	"bertlabel/checkpoint"
)

// FuzzHeader reads headers before data of any length. What is accepted is JSON, without a tensor twice, and its tensors fill
// the data exactly.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}`), uint64(9))
	f.Add([]byte(`{"__metadata__":{"format":"pt"},"\u00e9\ud83d\ude00":{"data_offsets":[0,0],"dtype":"BF16","shape":[0,3]}}  `), uint64(0))
	f.Add([]byte(`{}`), uint64(0))
	f.Fuzz(func(t *testing.T, text []byte, n uint64) {
		h, err := parseHeader(text, n, checkpoint.Defaults())
		if err != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatalf("accepted, and %v", err)
		}
		delete(members, metadataKey)
		if len(members) != len(h.entries) {
			t.Fatalf("%d tensors, the JSON has %d", len(h.entries), len(members))
		}
		total := uint64(0)
		for _, e := range h.entries {
			if _, ok := members[e.name]; !ok {
				t.Fatalf("no tensor %q in the JSON", e.name)
			}
			total += uint64(e.elements) * uint64(e.dtype.Size())
		}
		if total != n {
			t.Fatalf("tensors of %d bytes fill %d", total, n)
		}
	})
}

// FuzzIndex reads index files. What is accepted is JSON and names plain files.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":1.5e3,"x":[null,true,{"y":-1}]},"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		byShard, err := parseIndex(text, checkpoint.Defaults())
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatal("accepted, and no JSON")
		}
		for shard := range byShard {
			if !plain(shard) {
				t.Fatalf("shard %q", shard)
			}
		}
	})
}
