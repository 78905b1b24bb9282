package train

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/tensor"
)

func TestFeatureKey(t *testing.T) {
	seen := map[FeatureKey][]string{}
	for _, parts := range [][]string{{}, {""}, {"a", "b"}, {"ab"}, {"a", "b", ""}, {"b", "a"}, {"a1:b"}} {
		key := NewFeatureKey(parts...)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have one key", parts, other)
		}
		seen[key] = parts
	}
}

// cacheTest counts how often features are computed.
type cacheTest struct {
	*testing.T
	cache    FeatureCache
	computed int
	warnings []string
}

func newCacheTest(t *testing.T) *cacheTest {
	c := &cacheTest{T: t}
	c.cache = FeatureCache{Dir: filepath.Join(t.TempDir(), "new", "cache"), Warn: func(m string) { c.warnings = append(c.warnings, m) }}
	return c
}

// get asks for features 0, 1, 2, … of the given shape and checks what comes.
func (c *cacheTest) get(key FeatureKey, rows, hidden int) {
	c.Helper()
	want := tensor.New(rows, hidden)
	for i := range want.Data {
		want.Data[i] = float32(i) / 3
	}
	want.Data[0] = float32(math.Copysign(0, -1))
	x, err := c.cache.Features(key, rows, hidden, func() (*tensor.Tensor, error) { c.computed++; return want, nil })
	if err != nil || x.Rows != rows || x.Cols != hidden || !slices.EqualFunc(x.Data, want.Data, func(a, b float32) bool {
		return math.Float32bits(a) == math.Float32bits(b)
	}) {
		c.Errorf("got %v, %v, want %v", x, err, want)
	}
}

// expect checks how often features were computed, and the number of warnings, since the last call.
func (c *cacheTest) expect(what string, computed, warnings int) {
	c.Helper()
	if c.computed != computed || len(c.warnings) != warnings {
		c.Errorf("%s: computed %d times with warnings %q, want %d times and %d", what, c.computed, c.warnings, computed, warnings)
	}
	c.computed, c.warnings = 0, nil
}

func (c *cacheTest) file() string {
	c.Helper()
	files, err := filepath.Glob(filepath.Join(c.cache.Dir, "*"))
	if err != nil || len(files) != 1 {
		c.Fatalf("files %v, %v, want one", files, err)
	}
	return files[0]
}

func TestFeatureCache(t *testing.T) {
	c := newCacheTest(t)
	c.get(NewFeatureKey("a"), 5, 3)
	c.expect("first time", 1, 0)
	c.get(NewFeatureKey("a"), 5, 3)
	c.expect("second time", 0, 0)
	c.get(NewFeatureKey("b"), 5, 3)
	c.expect("another key", 1, 0)
}

// TestFeatureCacheTrustsNothing: a file that is cut or changed anywhere, or that holds another key or shape, is replaced, with a message.
func TestFeatureCacheTrustsNothing(t *testing.T) {
	c := newCacheTest(t)
	key := NewFeatureKey("a")
	c.get(key, 4, 3)
	path := c.file()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c.expect("first time", 1, 0)
	for i := 0; i < len(whole); i += 3 {
		damaged := slices.Clone(whole)
		damaged[i] ^= 1
		if i%4 == 0 {
			damaged = whole[:i]
		}
		if err := os.WriteFile(path, damaged, 0o666); err != nil {
			t.Fatal(err)
		}
		c.get(key, 4, 3)
		c.expect("damaged", 1, 1)
		c.get(key, 4, 3)
		c.expect("mended", 0, 0)
	}
	c.get(key, 3, 4)
	c.expect("another shape", 1, 1)

	c.get(key, 4, 3)
	c.expect("back", 1, 1)
	other := newCacheTest(t)
	other.get(NewFeatureKey("b"), 4, 3)
	if err := os.Rename(other.file(), path); err != nil {
		t.Fatal(err)
	}
	c.get(key, 4, 3)
	c.expect("the file of another key", 1, 1)
}

// TestFeatureCacheCannotWrite: the features are there all the same.
func TestFeatureCacheCannotWrite(t *testing.T) {
	c := newCacheTest(t)
	c.cache.Dir = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(c.cache.Dir, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	c.get(NewFeatureKey("a"), 2, 2)
	if all := strings.Join(c.warnings, "\n"); c.computed != 1 || !strings.Contains(all, c.cache.Dir) {
		t.Errorf("computed %d times, warnings %q do not name the folder", c.computed, all)
	}
	failed := errors.New("no encoder")
	if _, err := c.cache.Features(NewFeatureKey("a"), 2, 2, func() (*tensor.Tensor, error) { return nil, failed }); err != failed {
		t.Errorf("error %v, want %v", err, failed)
	}
}
