package serve

import (
	_ "embed"
	"net/http"
)

// openAPI describes bertlabel's own API and the probes, for those who make clients by machine. A test holds it to the routes and to what
// they answer.
//
//go:embed openapi.json
var openAPI []byte

// addOpenAPI adds GET /openapi.json, which is the same for everybody and needs no key.
func (s *Server) addOpenAPI() {
	r := s.add("GET", "/openapi.json", ownError, func(c *call) error {
		c.w.Header().Set("Cache-Control", "no-cache")
		c.write(http.StatusOK, "application/json", openAPI)
		return nil
	})
	r.open, r.quiet = true, true
}
