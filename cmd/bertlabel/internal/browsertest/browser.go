// Package browsertest opens pages in a headless Chromium, which is spoken to over a pipe, and says what is wrong with them. Imported by
// tests only.
package browsertest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Browser is a headless Chromium that is spoken to over a pipe, in the DevTools protocol: JSON messages, each with a zero byte at
// its end (https://chromedevtools.github.io/devtools-protocol/).
type Browser struct {
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

// Start starts Chromium, or skips the test where there is none. With BERTLABEL_BROWSER=required none is a failure.
func Start(t *testing.T) *Browser {
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
	b := &Browser{t: t, to: in, from: bufio.NewReader(out)}
	t.Cleanup(func() {
		b.session = ""
		b.Call("Browser.close", nil, nil)
		in.Close()
		out.Close()
		cmd.Wait()
	})
	var target struct{ TargetID string }
	b.Call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.Call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.Call(domain+".enable", nil, nil)
	}
	return b
}

// Call sends a command and sets result from its answer.
func (b *Browser) Call(method string, params map[string]any, result any) {
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
func (b *Browser) read(waiting string) (m message) {
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
func (b *Browser) wait(method string) {
	b.t.Helper()
	for !slices.ContainsFunc(b.events, func(e event) bool { return e.Method == method }) {
		b.read(method)
	}
}

// View is how a page is looked at.
type View struct {
	Name          string
	Width, Height int    // in pixels
	Scheme        string // light or dark
}

var Views = []View{{"wide-light", 1280, 900, "light"}, {"wide-dark", 1280, 900, "dark"}, {"phone-light", 390, 844, "light"},
	{"phone-dark", 390, 844, "dark"}}

// Open shows a file, or an address that begins with http://, as v says.
func (b *Browser) Open(path string, v View) {
	b.t.Helper()
	b.Call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": v.Width, "height": v.Height, "deviceScaleFactor": 1, "mobile": v.Width < 500}, nil)
	b.Call("Emulation.setEmulatedMedia",
		map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": v.Scheme}}}, nil)
	b.events = nil
	b.Call("Page.navigate", map[string]any{"url": address(path)}, nil)
	b.wait("Page.loadEventFired")
}

func address(path string) string {
	if strings.HasPrefix(path, "http://") {
		return path
	}
	return "file://" + path
}

// Until waits until a script is true, some minutes at most.
func (b *Browser) Until(script string) {
	b.t.Helper()
	for deadline := time.Now().Add(hangGuard / 5); ; time.Sleep(5 * time.Millisecond) {
		var yes bool
		if b.Evaluate(script, &yes); yes {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("never true: %s", script)
		}
	}
}

// Evaluate runs a script in the page and sets result from its value.
func (b *Browser) Evaluate(script string, result any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.Call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("script: %s", answer.ExceptionDetails)
	}
	if err := json.Unmarshal(answer.Result.Value, result); err != nil {
		b.t.Fatalf("script: %v in %s", err, answer.Result.Value)
	}
}

// SetScript says whether scripts of the pages run that are opened from now on. Evaluate works either way.
func (b *Browser) SetScript(on bool) {
	b.t.Helper()
	b.Call("Emulation.setScriptExecutionDisabled", map[string]any{"value": !on}, nil)
}

// Point moves the mouse to the middle of the first element that a CSS selector finds, and scrolls there before.
func (b *Browser) Point(selector string) { b.mouse(selector, "mouseMoved") }

// Click clicks there.
func (b *Browser) Click(selector string) {
	b.mouse(selector, "mouseMoved", "mousePressed", "mouseReleased")
}

func (b *Browser) mouse(selector string, events ...string) {
	b.t.Helper()
	var at []float64
	b.Evaluate(fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({block: 'center', inline: 'center'});
		const r = e.getBoundingClientRect();
		return [r.left + r.width / 2, r.top + r.height / 2];
	})()`, selector), &at)
	for _, event := range events {
		params := map[string]any{"type": event, "x": at[0], "y": at[1]}
		if event != "mouseMoved" {
			params["button"], params["clickCount"] = "left", 1
		}
		b.Call("Input.dispatchMouseEvent", params, nil)
	}
}

// Type types a text where the cursor is.
func (b *Browser) Type(text string) { b.Call("Input.insertText", map[string]any{"text": text}, nil) }

// Drop drops a file on the middle of the first element that a CSS selector finds.
func (b *Browser) Drop(selector, path string) {
	b.Point(selector)
	var at []float64
	b.Evaluate(fmt.Sprintf(`(() => {
		const r = document.querySelector(%q).getBoundingClientRect();
		return [r.left + r.width / 2, r.top + r.height / 2];
	})()`, selector), &at)
	for _, event := range []string{"dragEnter", "dragOver", "drop"} {
		b.Call("Input.dispatchDragEvent", map[string]any{"type": event, "x": at[0], "y": at[1],
			"data": map[string]any{"items": []any{}, "files": []string{path}, "dragOperationsMask": 1}}, nil)
	}
}

// Press presses keys by their names: Tab, ArrowDown, …
func (b *Browser) Press(keys ...string) {
	b.t.Helper()
	codes := map[string]int{"Tab": 9, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
	for _, key := range keys {
		for _, event := range []string{"rawKeyDown", "keyUp"} {
			b.Call("Input.dispatchKeyEvent", map[string]any{"type": event, "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}, nil)
		}
	}
}

// screenshot writes the whole page as PNG.
func (b *Browser) screenshot(path string) {
	b.t.Helper()
	var image struct{ Data []byte }
	b.Call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &image)
	if err := os.WriteFile(path, image.Data, 0o666); err != nil {
		b.t.Fatal(err)
	}
}

// layoutFaults is a script that returns what is wrong with the layout of the page: a page wider than its window, text of a figure
// outside of it or across another text, boxes that stand out of the page.
const layoutFaults = `(() => {
	const faults = [], name = e => (e.textContent || e.tagName).trim().slice(0, 40);
	const page = document.documentElement;
	if (page.scrollWidth > page.clientWidth) 
		faults.push('the page is ' + page.scrollWidth + ' pixels wide in a window of ' + page.clientWidth);
	const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
		Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
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
		if (b.width > b.height) return {left: b.left, right: b.right, top: b.top + cut, bottom: b.bottom - cut};
		return {left: b.left + cut, right: b.right - cut, top: b.top, bottom: b.bottom};
	}
	for (const e of document.querySelectorAll('main *')) {
		if (e.parentElement.closest('.scroll, svg')) continue;
		const b = e.getBoundingClientRect();
		if (b.width > 0 && (b.right > page.clientWidth + 1 || b.left < -1)) faults.push(name(e) + ' stands out of the page');
	}
	return faults.slice(0, 20);
})()`

// Check opens a page in views, or in all of Views if none is given, and reports what is wrong with it.
func (b *Browser) Check(t *testing.T, path string, views ...View) {
	t.Helper()
	if len(views) == 0 {
		views = Views
	}
	for _, v := range views {
		b.Open(path, v)
		b.Evaluate("document.querySelectorAll('details').forEach(d => d.open = true); document.body.offsetHeight", new(float64))
		b.CheckNow(t, filepath.Base(path)+", "+v.Name, address(path))
		if dir := os.Getenv("BERTLABEL_SCREENSHOTS"); dir != "" {
			b.screenshot(filepath.Join(dir, fmt.Sprintf("%s-%s.png", filepath.Base(path), v.Name)))
		}
	}
}

// CheckNow reports what is wrong with the layout of the page as it is, what it has said on the console since it was opened, and what it has
// asked for beside addresses that begin with origin.
func (b *Browser) CheckNow(t *testing.T, name, origin string) {
	t.Helper()
	var faults []string
	b.Evaluate(layoutFaults, &faults)
	for _, f := range faults {
		t.Errorf("%s: %s", name, f)
	}
	for _, e := range b.events {
		b.checkEvent(t, name, origin, e)
	}
}

// checkEvent reports console messages, errors, and requests elsewhere.
func (b *Browser) checkEvent(t *testing.T, name, origin string, e event) {
	t.Helper()
	switch e.Method {
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening", "Page.windowOpen":
		t.Errorf("%s: %s %s", name, e.Method, e.Params)
	case "Network.requestWillBeSent":
		var request struct {
			Request struct{ URL string }
		}
		if err := json.Unmarshal(e.Params, &request); err != nil || !strings.HasPrefix(request.Request.URL, origin) &&
			!strings.HasPrefix(request.Request.URL, "data:") { // which stands in the page
			t.Errorf("%s: requests %s", name, request.Request.URL)
		}
	}
}
