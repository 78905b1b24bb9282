package train

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// readGolden reads a file of testdata; the script of the same name made it.
func readGolden(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestScheduleGolden: every rate of eight schedules has the bits that TensorFlow computed.
func TestScheduleGolden(t *testing.T) {
	var cases []struct {
		LearningRate float64 `json:"learning_rate"`
		Steps        int     `json:"steps"`
		WarmupSteps  int     `json:"warmup_steps"`
		Rates        []float32
	}
	readGolden(t, "schedule.json", &cases)
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		s := Schedule{c.LearningRate, c.Steps, c.WarmupSteps}
		for g, want := range c.Rates {
			if got := s.Rate(int64(g)); got != want {
				t.Errorf("%+v: rate after %d steps is %v, want %v", s, g, got, want)
			}
		}
	}
}

func TestStepCounts(t *testing.T) {
	for _, c := range []struct {
		rows, batch   int
		epochs        float64
		warmup        float64
		steps, warmed int
	}{
		{43410, 32, 3, 0.1, 4069, 406}, // GoEmotions
		{11, 4, 1, 0.1, 2, 0},
		{11, 4, 0.5, 0.5, 1, 0},
		{3, 4, 1, 0.1, 0, 0},
		{57, 100, 100, 0.1, 56, 5}, // 0.57·100 is 56.99999999999999 in float64, in Python too
		{49, 49, 0.99999, 0, 0, 0}, // truncated, not rounded
		{100, 10, 0.3, 1, 3, 3},
	} {
		steps := TotalSteps(c.rows, c.batch, c.epochs)
		if warmed := WarmupSteps(steps, c.warmup); steps != c.steps || warmed != c.warmed {
			t.Errorf("%d rows, batch %d, %v epochs, warm-up %v: %d and %d steps, want %d and %d",
				c.rows, c.batch, c.epochs, c.warmup, steps, warmed, c.steps, c.warmed)
		}
	}
}
