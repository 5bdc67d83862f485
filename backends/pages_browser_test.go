package backends

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"

	"cdr2otel/internal/testenv"
)

// Sizes of the window, in CSS pixels.
const (
	wide, tall   = 1280, 900
	narrow, long = 390, 844
)

// browserPath is Debian's Chromium. Without it the test ends as testenv.Missing says.
func browserPath(t testing.TB) string {
	t.Helper()
	return testenv.Program(t, "chromium", "Debian: apt-get install chromium")
}

// browserProfile is the folder of the one browser that all tests share. It ends
// with the last test, as every program does.
var browserProfile = sync.OnceValues(func() (string, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return "", err
	}
	profile, err := os.MkdirTemp(scratchRoot, "chromium-")
	if err != nil {
		return "", err
	}
	log, err := os.Create(profile + ".log")
	if err != nil {
		return "", err
	}
	defer log.Close() // the program has its own descriptor
	p := &process{name: "chromium", log: log.Name(), done: make(chan struct{})}
	p.cmd = exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb", "--font-render-hinting=none",
		"--user-data-dir="+profile, "--remote-debugging-port=0", "about:blank")
	p.cmd.Dir, p.cmd.Env = profile, append(cleanEnvironment(), "HOME="+profile)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = ownGroup()
	return profile, running.start(p)
})

// browserAddress is where the browser takes orders.
func browserAddress(t testing.TB) (url string) {
	t.Helper()
	profile, err := browserProfile()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "chromium takes orders", func(context.Context) error {
		content, err := os.ReadFile(filepath.Join(profile, "DevToolsActivePort"))
		if errors.Is(err, fs.ErrNotExist) {
			printed, _ := os.ReadFile(profile + ".log") // says why, if it is there
			return fmt.Errorf("%w; it printed %s", err, bytes.TrimSpace(printed))
		}
		port, path, found := strings.Cut(strings.TrimSpace(string(content)), "\n")
		if err == nil && !found {
			err = errors.New("the file is not complete")
		}
		url = "ws://127.0.0.1:" + port + path
		return err
	})
	return url
}

// tab is a tab of the browser with cookies and a cache of its own. Whatever the
// browser complains of while it is open fails the test when it ends.
type tab struct {
	t    testing.TB
	ctx  context.Context
	base string // scheme://host:port of the site

	mu         sync.Mutex // guards what follows
	requests   []string
	complaints []string
	expected   []int // statuses that are no complaint
}

// openTab opens a tab for the pages of a sidecar.
func openTab(t testing.TB, s *site) *tab {
	t.Helper()
	b := newTab(t, "http://"+s.Admin)
	t.Cleanup(func() { // before the tab is closed
		for _, c := range b.complained() {
			t.Errorf("the browser complains: %s", c)
		}
	})
	return b
}

// newTab opens a tab for a site.
func newTab(t testing.TB, base string) *tab {
	t.Helper()
	browserPath(t)
	deadline, cancelDeadline := context.WithTimeout(context.Background(), 3*patience)
	allocator, cancelAllocator := remote.NewAllocator(deadline, browserAddress(t), remote.NoModifyURL)
	b := &tab{t: t, base: base}
	ctx, closeTab := chromedp.NewContext(allocator, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	t.Cleanup(func() {
		closeTab()
		cancelAllocator()
		cancelDeadline()
	})
	b.ctx = ctx
	b.do(
		order(network.Enable, network.EnableParams{}),
		order(audits.Enable, cdp.Empty{}),
		order(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
	)
	b.size(wide, tall)
	return b
}

// order is a command of the protocol whose answer does not matter.
func order[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, command, params)
		return err
	})
}

// hear takes down what the browser asks for and complains of.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	complain := func(format string, args ...any) { b.complaints = append(b.complaints, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if strings.HasPrefix(e.Request.URL, "data:") {
			return // the browser's own pictures, of a field for a time; policy lets none of a page through
		}
		b.requests = append(b.requests, e.Request.URL)
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 && !slices.Contains(b.expected, int(e.Response.Status)) {
			complain("%s is answered %d", e.Response.URL, e.Response.Status)
		}
	case *network.EventLoadingFailed:
		complain("a %s did not load: %s %s", e.Type, e.ErrorText, e.BlockedReason)
	case *runtime.EventConsoleAPICalled:
		complain("console.%s was called", e.Type)
	case *runtime.EventExceptionThrown:
		complain("exception: %s", e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		if !b.isExpected(e.Entry) {
			complain("log: %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		complain("issue %s: %+v", e.Issue.Code, e.Issue.Details)
	}
}

// isExpected tells whether a line of the browser's log repeats a status that the
// test asked for.
func (b *tab) isExpected(entry *cdplog.Entry) bool {
	return slices.ContainsFunc(b.expected, func(status int) bool {
		return strings.Contains(entry.Text, fmt.Sprintf("status of %d", status))
	})
}

// expect makes these statuses no complaint.
func (b *tab) expect(statuses ...int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, statuses...)
}

// complained is what the browser complained of and where it was led elsewhere.
func (b *tab) complained() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	complaints := slices.Clone(b.complaints)
	for _, url := range b.requests {
		if !strings.HasPrefix(url, b.base+"/") {
			complaints = append(complaints, "a page asked for "+url)
		}
	}
	return complaints
}

// do carries out orders.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// size sets the window.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.do(order(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
	}))
}

// scheme is what the system prefers: light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	b.do(order(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}))
}

// open loads a page and fails the test unless it is answered 200 or as expected.
func (b *tab) open(path string) {
	b.t.Helper()
	b.follow(chromedp.Navigate(b.base + path))
}

// follow carries out what leads to another page, and returns when that is loaded.
func (b *tab) follow(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, actions...); err != nil {
		b.t.Fatalf("no page came: %v", err)
	}
}

// click follows the link or presses the button that the selector finds.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.follow(chromedp.Click(chromedp.CSS(selector)))
}

// press types keys wherever the focus is.
func (b *tab) press(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// path is that of the page, with its query.
func (b *tab) path() string {
	b.t.Helper()
	return strings.TrimPrefix(measure[string](b, "location.href"), b.base)
}

// text is what a reader sees in the element that the selector finds first; ""
// without one.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return measure[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// count is how many elements the selector finds.
func (b *tab) count(selector string) int {
	b.t.Helper()
	return measure[int](b, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// measure evaluates an expression in the page.
func measure[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%v in %.200s", err, expression)
	}
	return value
}

// What fails the other tests must be heard at all.
func TestTheBrowserTellsWhatAPageDoesWrong(t *testing.T) {
	t.Parallel()
	browserPath(t)
	for what, page := range map[string]struct{ policy, body, complaint string }{
		"an inline script":      {"default-src 'none'", "<script>1</script>", "Content Security Policy"},
		"an inline style":       {"default-src 'none'", "<p style='color:red'>", "Content Security Policy"},
		"an exception":          {"", "<script>nobody.knows()</script>", "exception"},
		"a word on the console": {"", "<script>console.warn('x')</script>", "console.warn"},
		"a picture of another":  {"", "<img src='http://127.0.0.2:9/x.png' alt=''>", "asked for http://127.0.0.2:9/x.png"},
		"a file that is gone":   {"", "<img src='/gone.png' alt=''>", "answered 404"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				if page.policy != "" {
					w.Header().Set("Content-Security-Policy", page.policy)
				}
				_, _ = io.WriteString(w, "<!DOCTYPE html><html lang=en><title>x</title><link rel=icon href='data:,'>"+page.body)
			}))
			defer server.Close()
			b := newTab(t, server.URL)
			b.open("/")
			eventually(t, "the browser complains", func(context.Context) error {
				if complaints := b.complained(); !strings.Contains(strings.Join(complaints, "\n"), page.complaint) {
					return fmt.Errorf("it complains of %q", complaints)
				}
				return nil
			})
		})
	}
}
