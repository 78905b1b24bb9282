package serve

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// schema is what the tests read of a JSON schema.
type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	AnyOf      []schema          `json:"anyOf"`
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
			for want.Ref != "" || want.AnyOf != nil {
				if want.AnyOf != nil {
					want = want.AnyOf[0]
				} else {
					want = d.Components.Schemas[strings.TrimPrefix(want.Ref, "#/components/schemas/")]
				}
			}
			if got := slices.Sorted(maps.Keys(answer)); !slices.Equal(got, slices.Sorted(slices.Values(want.Required))) {
				t.Errorf("%s answers with %q, described are %q", path, got, want.Required)
			}
		}
	}
}

// Every status that a route answers with is described, whatever is wrong with the request or the server.
func TestDescribedStatuses(t *testing.T) {
	f := folders(t)
	key := []string{"Authorization", "Bearer k", "Content-Type", "application/json"}
	o := Options{Explain: true, Keys: func() []string { return []string{"k"} }, Hosts: Loopback, MaxBody: 1000, MaxTexts: 2, OnLong: "error"}
	s := serve(t, o)
	o.Models, o.Log = []Source{source("a", f["a"])}, s.log
	unready, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer unready.Close(t.Context())
	front := httptest.NewServer(unready)
	defer front.Close()
	starts := &testServer{Server: unready, URL: front.URL, t: t, log: s.log}
	var d described
	if err := json.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for path, methods := range d.Paths {
		for method, operation := range methods {
			check := func(s *testServer, query, body string, headers ...string) {
				t.Helper()
				r, answer := s.send(strings.ToUpper(method), path+query, body, headers...)
				seen[r.StatusCode] = true
				if _, there := operation.Responses[strconv.Itoa(r.StatusCode)]; !there {
					t.Errorf("%s %s%s %.60s: %s is not described: %s", method, path, query, body, r.Status, answer)
				}
			}
			check(starts, "", "{}", key...)
			check(s, "", "{}")
			check(s, "", "{}", append([]string{"Host", "evil.example"}, key...)...)
			check(s, "", "{}", append([]string{"Content-Encoding", "gzip"}, key...)...)
			check(s, "", "{}", append([]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, key...)...)
			for _, query := range []string{"", "?text=a", "?text=%ff", "?x=1", "?text=a&model=x", "?text=a&digest=x", "?text=a&top_k=",
				"?text=a&logits=", "?text=a&threshold=2", "?text=" + strings.Repeat("a+", 100)} {
				check(s, query, "", key...)
			}
			for _, body := range []string{"{}", "[", `{"text": 7}`, `{"text": "a"}`, `{"texts": ["a", "b", "c"]}`, `{"text": "a", "model": "x"}`,
				`{"text": "` + strings.Repeat("a ", 100) + `"}`, `{"text": "` + strings.Repeat("a", 2000) + `"}`, `{"text": "a", "timeout_ms": 1e-5}`,
				`{"text": "b", "timeout_ms": -1}`} {
				check(s, "", body, key...)
				check(s, "", body, key[0], key[1], "Content-Type", "text/plain")
			}
		}
	}
	for _, status := range []int{200, 400, 401, 403, 404, 412, 413, 415, 422, 503} {
		if !seen[status] {
			t.Errorf("no request is answered with %d", status)
		}
	}
}
