package atomic

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestParseManifest has manifests that differ from a good one in one place.
func TestParseManifest(t *testing.T) {
	const file = `{"name":"a","bytes":0,"crc32c":"00000000"}`
	for text, legal := range map[string]bool{
		`{"format_version":1,"step":7,"files":[` + file + `]}`:              true,
		`{"format_version":1,"step":0,"files":[` + file + `],"later":true}`: true,
		`{"format_version":1,"step":7,"files":[]}`:                          false,
		`{"format_version":1,"step":7,"files":null}`:                        false,
		`{"format_version":1,"step":7,"filez":[` + file + `]}`:              false,
		`{"format_version":1,"stap":7,"files":[` + file + `]}`:              false,
		`{"format_version":2,"step":7,"files":[` + file + `]}`:              false,
		`{"step":7,"files":[` + file + `]}`:                                 false,
		`{"format_version":1,"step":7,"files":[` + file + `,` + file + `]}`: false,
		`{"format_version":1,"step":7,"files":[{"name":"b"},{"name":"a"}]}`: false,
		`{"format_version":1,"step":7,"files":[{"name":"../a"}]}`:           false,
		`{"format_version":1,"step":7,"files":[{"name":"a","bytes":-1}]}`:   false,
		`{"format_version":1,"step":7,"files":[` + file + `]}{}`:            false,
		`[]`: false, ``: false,
	} {
		if _, err := ParseManifest([]byte(text)); (err == nil) != legal {
			t.Errorf("%s: %v, want legal = %v", text, err, legal)
		}
	}
}

// TestDamagedManifest flips every bit of a manifest and cuts it at every byte: it is refused, or lists a file that the folder does
// not have in that form, or lists all files as before. The step there is a note; train has it in a file that the manifest covers.
func TestDamagedManifest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	if err := saveFolder(OS{}, dir, 7); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	want, err := VerifyFolder(OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(f ManifestFile) bool { return !slices.Contains(want.Files, f) }
	try := func(what string, n int, text []byte) {
		if got, err := ParseManifest(text); err == nil && !slices.ContainsFunc(got.Files, damaged) && len(got.Files) != len(want.Files) {
			t.Errorf("%s %d: accepted %+v", what, n, got)
		}
	}
	for bit := range 8 * len(good) {
		bad := slices.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		try("bit", bit, bad)
	}
	for n := range len(good) {
		try("cut at", n, good[:n])
	}
	if err := os.WriteFile(filepath.Join(dir, ManifestName), []byte(`{"format_version":1,"step":7,"files":[]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if m, err := VerifyFolder(OS{}, dir); err == nil {
		t.Errorf("verified by an empty list: %+v", m)
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
