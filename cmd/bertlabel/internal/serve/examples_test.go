package serve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every metric that the alert rules and the dashboard name is there from the start.
func TestExamplesNameMetrics(t *testing.T) {
	s := serve(t, Options{})
	_, metrics := s.send("GET", "/metrics", "")
	folder := filepath.Join("..", "..", "..", "..", "examples", "serve")
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`bertlabel_[a-z_]+`).FindAllString(string(text), -1)
		if len(found) < 5 {
			t.Errorf("%s names %d metrics", name, len(found))
		}
		for _, metric := range found {
			if !strings.Contains(metrics, "\n"+metric+" ") && !strings.Contains(metrics, "\n"+metric+"{") {
				t.Errorf("%s: there is no %s", name, metric)
			}
		}
		if filepath.Ext(name) == ".json" && !json.Valid(text) {
			t.Errorf("%s is no JSON", name)
		}
	}
}
