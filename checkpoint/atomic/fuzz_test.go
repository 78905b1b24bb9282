package atomic

import (
	"testing"
)

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
