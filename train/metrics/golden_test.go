package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/tensor/tensortest"
)

// golden is one case made with scikit-learn 1.9.1 by fixtures/make/metrics.py.
type golden struct {
	Labels    []string
	Threshold any         // a number or one per label
	YTrue     [][]int8    `json:"y_true"`
	YScore    [][]float32 `json:"y_score"`
	Expected  map[string]any
}

func readGolden(t testing.TB, path string) (g golden, d Data, thresholds []float32) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	d.Labels = g.Labels
	for i := range g.YTrue {
		d.Truth = append(d.Truth, g.YTrue[i]...)
		d.Scores = append(d.Scores, g.YScore[i]...)
	}
	switch v := g.Threshold.(type) {
	case float64:
		thresholds = []float32{float32(v)}
	case []any:
		for _, x := range v {
			thresholds = append(thresholds, float32(x.(float64)))
		}
	}
	return g, d, thresholds
}

// TestGoldens compares the report's JSON with scikit-learn's values: 1e-9 for what is computed in float64, equality for
// counts, lists and thresholds.
func TestGoldens(t *testing.T) {
	for _, dir := range []string{"testdata", "shared"} {
		t.Run(dir, func(t *testing.T) {
			want := 3
			if dir == "shared" {
				dir, want = tensortest.Shared(t, "fixtures/metrics"), 19
			}
			paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
			if err != nil || len(paths) != want {
				t.Fatalf("%d goldens in %s (%v), want %d", len(paths), dir, err, want)
			}
			for _, path := range paths {
				t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) { testGolden(t, path) })
			}
		})
	}
}

func testGolden(t *testing.T, path string) {
	g, d, thresholds := readGolden(t, path)
	r, err := Evaluate(d, thresholds)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	g.Expected["rows"], g.Expected["threshold"] = float64(len(g.YTrue)), g.Threshold
	labels := []any{}
	for _, l := range g.Labels {
		labels = append(labels, l)
	}
	g.Expected["labels"] = labels
	compare(t, "", got, g.Expected)
}

// compare fails unless got is want, numbers that are not exact within 1e-9.
func compare(t *testing.T, path string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		if len(got) != len(want) {
			t.Errorf("%s has %d names, want %d", path, len(got), len(want))
		}
		for name, w := range want {
			g, ok := got[name]
			if !ok {
				t.Errorf("%s/%s is missing", path, name)
				continue
			}
			compare(t, path+"/"+name, g, w)
		}
	case float64:
		tolerance := 1e-9
		switch path[strings.LastIndex(path, "/")+1:] {
		case "threshold", "best_f1_threshold", "support", "tn", "fp", "fn", "tp", "rows":
			tolerance = 0
		}
		if got, ok := got.(float64); !ok || !(math.Abs(got-want) <= tolerance) {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	default: // null, lists of names
		if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("%s = %#v, want %#v", path, got, want)
		}
	}
}
