package serve

import (
	"embed"
	"net/http"
	"path"
	"strings"
)

// The page for people: type and see, thresholds, words, files. It asks this server only, and works with what a request can have.
//
//go:embed page
var pageFiles embed.FS

// pageTypes are the content types of its files. They are the same for everybody, so they need no key; what they ask for does.
var pageTypes = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

// addPage adds GET /: the page for a browser, and for the probes of TEI's and KServe's clients what the latter reads.
func (s *Server) addPage() {
	r := s.add("GET", "/{$}", ownError, func(c *call) error {
		if s.NoPage || !strings.Contains(c.r.Header.Get("Accept"), "text/html") {
			c.w.Header().Set("Cache-Control", "no-store")
			return c.object(map[string]string{"status": "alive"})
		}
		return c.file("page.html")
	})
	r.open, r.quiet = true, true
	if s.NoPage {
		return
	}
	r = s.add("GET", "/favicon.ico", ownError, func(c *call) error {
		c.write(http.StatusNoContent, "image/x-icon", nil)
		return nil
	})
	r.open, r.quiet = true, true
	r = s.add("GET", "/page/{file}", ownError, func(c *call) error { return c.file(c.r.PathValue("file")) })
	r.open, r.quiet = true, true
}

// file answers with a file of the page.
func (c *call) file(name string) error {
	content, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		return notFound("there is no %.200q", c.r.URL.Path)
	}
	c.w.Header().Set("Cache-Control", "no-cache")
	c.w.Header().Set("Referrer-Policy", "no-referrer")
	c.write(http.StatusOK, pageTypes[path.Ext(name)], content)
	return nil
}
