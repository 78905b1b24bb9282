package report

import (
	"os"
	"path/filepath"
	"testing"

	"bertlabel/cmd/bertlabel/internal/browsertest"
)

// TestLook opens the pages of $BERTLABEL_PAGES, for people who want to look at their screenshots.
func TestLook(t *testing.T) {
	t.Parallel()
	pages := filepath.SplitList(os.Getenv("BERTLABEL_PAGES"))
	if len(pages) == 0 {
		t.Skip("BERTLABEL_PAGES names no pages")
	}
	b := browsertest.Start(t)
	for _, path := range pages {
		b.Check(t, path)
	}
}

// In a browser, wide and on a phone, light and dark: nothing overlaps or is cut, the page is no wider than its window, the console is
// silent, nothing is asked for, and no name has become an element.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	b := browsertest.Start(t)
	dir := t.TempDir()
	for name, r := range map[string]*Report{
		"28-labels":  full(synthetic(800, plainNames(28), 1), []string{"a text of some words"}),
		"300-labels": full(synthetic(500, plainNames(300), 2), []string{"a text of some words"}),
		"hostile":    full(synthetic(100, hostileNames(), 3), hostile),
		"training":   {Title: "Training only", History: history(3)},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".html", []byte(pageOf(t, r)), 0o666); err != nil {
			t.Fatal(err)
		}
		b.Check(t, path+".html")
		var alive int
		if b.Evaluate("document.querySelectorAll('script,img,iframe,object,a,link[href^=http],[onload],[onerror]').length",
			&alive); alive != 0 {
			t.Errorf("%s: %d elements that could do something", name, alive)
		}
	}
}
