package serve

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// schema is what the tests read of a JSON schema.
type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
}

// content is a body by its type.
type content map[string]struct {
	Schema  schema          `json:"schema"`
	Example json.RawMessage `json:"example"`
}

// described is openapi.json.
type described struct {
	Paths map[string]map[string]struct {
		RequestBody struct{ Content content } `json:"requestBody"`
		Responses   map[string]struct{ Content content }
	}
	Components struct{ Schemas map[string]schema }
}

// The document names the routes that there are with their methods, the members that a request may have, all of them, and what an answer
// always has; its examples are answered.
func TestOpenAPI(t *testing.T) {
	s := serve(t, Options{Explain: true})
	_, text := s.send("GET", "/openapi.json", "")
	var d described
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	families := map[string]bool{"/v1/models": true, "/v1/predict": true, "/v1/embed": true, "/v1/tokenize": true, "/v1/explain": true,
		"/livez": true, "/readyz": true, "/healthz": true, "/version": true, "/metrics": true, "/openapi.json": true}
	for path := range d.Paths {
		if !families[path] {
			t.Errorf("%s is none of bertlabel's own routes", path)
		}
	}
	for key, r := range s.routes {
		if _, there := d.Paths[r.name][strings.ToLower(r.method)]; families[r.name] && !there {
			t.Errorf("%s is not described", key)
		}
	}
	for path, methods := range d.Paths {
		for method, operation := range methods {
			if s.routes[strings.ToUpper(method)+" "+path] == nil {
				t.Errorf("there is no %s %s", method, path)
			}
			body, posts := operation.RequestBody.Content["application/json"]
			if !posts {
				continue
			}
			// A member that there is not is refused by a list of those that there are.
			_, refused := s.send("POST", path, `{"?": 0}`, "Content-Type", "application/json")
			_, list, _ := strings.Cut(refused, "there is ")
			members := strings.Split(list[:max(0, strings.IndexByte(list, '"'))], ", ")
			if want := slices.Sorted(maps.Keys(body.Schema.Properties)); !slices.Equal(members, want) {
				t.Errorf("%s has the members %q, described are %q", path, members, want)
			}
			var answer map[string]any
			if err := json.Unmarshal([]byte(s.post(path, string(body.Example))), &answer); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			want := operation.Responses["200"].Content["application/json"].Schema
			if name, is := strings.CutPrefix(want.Ref, "#/components/schemas/"); is {
				want = d.Components.Schemas[name]
			}
			if got := slices.Sorted(maps.Keys(answer)); !slices.Equal(got, slices.Sorted(slices.Values(want.Required))) {
				t.Errorf("%s answers with %q, described are %q", path, got, want.Required)
			}
		}
	}
}
