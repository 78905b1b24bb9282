package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// browser is a headless Chromium that is spoken to over a pipe, in the DevTools protocol: JSON messages, each with a zero byte at
// its end (https://chromedevtools.github.io/devtools-protocol/).
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	id      int
	session string
	events  []event // that have come since the page was opened
}

type event struct {
	Method string
	Params json.RawMessage
}

// hangGuard is some twenty times what all pages of a test take.
const hangGuard = 5 * time.Minute

// startBrowser starts Chromium, or skips the test where there is none. With BERTLABEL_BROWSER=required none is a failure.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" && os.Getenv("BERTLABEL_BROWSER") == "required" {
		t.Fatal("no Chromium is installed")
	}
	if program == "" || testing.Short() {
		t.Skip("needs Chromium, and some seconds")
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--remote-debugging-pipe",
		"--no-first-run", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(theirIn.Close(), theirOut.Close(), out.SetReadDeadline(time.Now().Add(hangGuard))); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, to: in, from: bufio.NewReader(out)}
	t.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil, nil)
		in.Close()
		out.Close()
		cmd.Wait()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call sends a command and sets result from its answer.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		if m := b.read(method); m.ID == b.id {
			if m.Error != nil {
				b.t.Fatalf("%s: %s", method, m.Error)
			}
			if result != nil {
				if err := json.Unmarshal(m.Result, result); err != nil {
					b.t.Fatalf("%s: %v in %s", method, err, m.Result)
				}
			}
			return
		}
	}
}

type message struct {
	ID            int
	Result, Error json.RawMessage
	event
}

// read returns the next message; an event is kept.
func (b *browser) read(waiting string) (m message) {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	if err == nil {
		err = json.Unmarshal(text[:len(text)-1], &m)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", waiting, err)
	}
	if m.Method != "" {
		b.events = append(b.events, m.event)
	}
	return m
}

// wait reads until an event has come.
func (b *browser) wait(method string) {
	b.t.Helper()
	for !slices.ContainsFunc(b.events, func(e event) bool { return e.Method == method }) {
		b.read(method)
	}
}

// view is how a page is looked at.
type view struct {
	name          string
	width, height int
	scheme        string
}

var views = []view{{"wide-light", 1280, 900, "light"}, {"wide-dark", 1280, 900, "dark"}, {"phone-light", 390, 844, "light"},
	{"phone-dark", 390, 844, "dark"}}

// open shows a file as v says.
func (b *browser) open(path string, v view) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": v.width, "height": v.height, "deviceScaleFactor": 1, "mobile": v.width < 500}, nil)
	b.call("Emulation.setEmulatedMedia",
		map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": v.scheme}}}, nil)
	b.events = nil
	b.call("Page.navigate", map[string]any{"url": "file://" + path}, nil)
	b.wait("Page.loadEventFired")
}

// evaluate runs a script in the page and sets result from its value.
func (b *browser) evaluate(script string, result any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("script: %s", answer.ExceptionDetails)
	}
	if err := json.Unmarshal(answer.Result.Value, result); err != nil {
		b.t.Fatalf("script: %v in %s", err, answer.Result.Value)
	}
}

// screenshot writes the whole page as PNG.
func (b *browser) screenshot(path string) {
	b.t.Helper()
	var image struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &image)
	if err := os.WriteFile(path, image.Data, 0o666); err != nil {
		b.t.Fatal(err)
	}
}

// layoutFaults is a script that returns what is wrong with the layout of the page: a page wider than its window, text of a figure
// outside of it or across another text, boxes that stand out of the page.
const layoutFaults = `(() => {
	const faults = [], name = e => (e.textContent || e.tagName).trim().slice(0, 40);
	const page = document.documentElement;
	if (page.scrollWidth > page.clientWidth) faults.push('the page is ' + page.scrollWidth + ' pixels wide in a window of ' + page.clientWidth);
	const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
	for (const svg of document.querySelectorAll('svg')) {
		const frame = svg.getBoundingClientRect(), title = svg.getAttribute('aria-label');
		const scale = frame.width / svg.viewBox.baseVal.width;
		const texts = [...svg.querySelectorAll('text')].map(e => ({e, box: glyphs(e, scale)}));
		for (const {e, box} of texts)
			if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
				faults.push(title + ': "' + name(e) + '" is cut');
		for (let i = 0; i < texts.length; i++)
			for (let j = i + 1; j < texts.length; j++)
				if (overlap(texts[i].box, texts[j].box)) faults.push(title + ': "' + name(texts[i].e) + '" stands on "' + name(texts[j].e) + '"');
	}
	// glyphs returns the box of a text without the room above and below its letters, which lines share.
	function glyphs(e, scale) {
		const b = e.getBoundingClientRect(), cut = 1.7 * scale;
		return b.width > b.height ? {left: b.left, right: b.right, top: b.top + cut, bottom: b.bottom - cut} : {left: b.left + cut, right: b.right - cut, top: b.top, bottom: b.bottom};
	}
	for (const e of document.querySelectorAll('main *')) {
		if (e.parentElement.closest('.scroll, svg')) continue;
		const b = e.getBoundingClientRect();
		if (b.width > 0 && (b.right > page.clientWidth + 1 || b.left < -1)) faults.push(name(e) + ' stands out of the page');
	}
	return faults.slice(0, 20);
})()`

// checkPage opens a page in every view and reports what is wrong with it.
func (b *browser) checkPage(t *testing.T, path string) {
	t.Helper()
	for _, v := range views {
		b.open(path, v)
		b.evaluate("document.querySelectorAll('details').forEach(d => d.open = true); document.body.offsetHeight", new(float64))
		var faults []string
		b.evaluate(layoutFaults, &faults)
		for _, f := range faults {
			t.Errorf("%s, %s: %s", filepath.Base(path), v.name, f)
		}
		for _, e := range b.events {
			b.checkEvent(t, path, v, e)
		}
		if dir := os.Getenv("BERTLABEL_SCREENSHOTS"); dir != "" {
			b.screenshot(filepath.Join(dir, fmt.Sprintf("%s-%s.png", filepath.Base(path), v.name)))
		}
	}
}

// checkEvent reports console messages, errors, and requests for anything but the page itself.
func (b *browser) checkEvent(t *testing.T, path string, v view, e event) {
	t.Helper()
	switch e.Method {
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening", "Page.windowOpen":
		t.Errorf("%s, %s: %s %s", filepath.Base(path), v.name, e.Method, e.Params)
	case "Network.requestWillBeSent":
		var request struct {
			Request struct{ URL string }
		}
		if err := json.Unmarshal(e.Params, &request); err != nil || request.Request.URL != "file://"+path &&
			request.Request.URL != "data:," {
			t.Errorf("%s, %s: requests %s", filepath.Base(path), v.name, request.Request.URL)
		}
	}
}

// TestLook opens the pages of $BERTLABEL_PAGES, for people who want to look at their screenshots.
func TestLook(t *testing.T) {
	t.Parallel()
	pages := filepath.SplitList(os.Getenv("BERTLABEL_PAGES"))
	if len(pages) == 0 {
		t.Skip("BERTLABEL_PAGES names no pages")
	}
	b := startBrowser(t)
	for _, path := range pages {
		b.checkPage(t, path)
	}
}

// In a browser, wide and on a phone, light and dark: nothing overlaps or is cut, the page is no wider than its window, the console is
// silent, nothing is asked for, and no name has become an element.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
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
		b.checkPage(t, path+".html")
		var alive int
		if b.evaluate("document.querySelectorAll('script,img,iframe,object,a,link[href^=http],[onload],[onerror]').length",
			&alive); alive != 0 {
			t.Errorf("%s: %d elements that could do something", name, alive)
		}
	}
}
