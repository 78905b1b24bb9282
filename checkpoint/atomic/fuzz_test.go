package atomic

import (
	"testing"
)

// TestParseManifest has manifests that differ from a good one in one place.
func TestParseManifest(t *testing.T) {
	const file = `{"name":"a","bytes":0,"crc32c":"00000000"}`
	for text, legal := range map[string]bool{
		`{"format_version":1,"step":7,"files":[` + file + `]}`:     true,
		`{"format_version":1,"files":[],"later":true}`:             true,
		`{"format_version":2,"step":7,"files":[` + file + `]}`:     false,
		`{"step":7,"files":[` + file + `]}`:                        false,
		`{"format_version":1,"files":[` + file + `,` + file + `]}`: false,
		`{"format_version":1,"files":[{"name":"b"},{"name":"a"}]}`: false,
		`{"format_version":1,"files":[{"name":"../a"}]}`:           false,
		`{"format_version":1,"files":[{"name":"a","bytes":-1}]}`:   false,
		`{"format_version":1,"files":[` + file + `]}{}`:            false,
		`[]`: false, ``: false,
	} {
		if _, err := ParseManifest([]byte(text)); (err == nil) != legal {
			t.Errorf("%s: %v, want legal = %v", text, err, legal)
		}
	}
}

// FuzzManifest parses manifests. What is accepted names plain files in order.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"step":7,"files":[{"name":"a","bytes":3,"crc32c":"01234567"},{"name":"b","bytes":0,"crc32c":"00000000"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		for i, file := range m.Files {
			if checkPlain(file.Name) != nil || file.Bytes < 0 || i > 0 && m.Files[i-1].Name >= file.Name {
				t.Fatalf("accepted %+v", m)
			}
		}
	})
}
