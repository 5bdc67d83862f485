package backends

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"
)

// tabTo presses Tab until the element that the selector finds has the focus. On
// the way each element must show that it has it.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 100 {
		if measure[bool](b, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
		b.press(kb.Tab)
		if unseen := measure[string](b, `(() => {
			const e = document.activeElement, s = getComputedStyle(e);
			return e === document.body || s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 ? "" : e.outerHTML.slice(0, 200);
		})()`); unseen != "" {
			b.t.Errorf("it can't be seen that this has the focus: %s", unseen)
		}
	}
	b.t.Fatalf("Tab does not lead to %s", selector)
}

func TestADeliveryIsFoundBySessionAndFollowedToItsCallWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := startSite(t, exporterOptions{})
	s.post(t, sampleCall(t, "dtmf_call")...)
	s.post(t, sampleCall(t, "speech_call")...)
	s.awaitExported(t, 11)
	b := openTab(t, s)
	b.open("/")
	b.tabTo(`nav a[href="/deliveries"]`)
	b.follow(chromedp.KeyEvent(kb.Enter))
	if n := b.count("#deliveries tbody tr"); n != 11 {
		t.Errorf("%d deliveries are listed, want 11", n)
	}
	b.tabTo("#id")
	b.press(speechSession)
	b.follow(chromedp.KeyEvent(kb.Enter))
	if n := b.count("#deliveries tbody tr"); n != 7 {
		t.Errorf("%d deliveries of the session, want 7", n)
	}
	if n := b.count(fmt.Sprintf(`#deliveries td.session a[title=%q]`, speechSession)); n != 7 {
		t.Errorf("%d of them are of the session", n)
	}
	b.tabTo(`#deliveries tbody tr:first-child th a`)
	b.follow(chromedp.KeyEvent(kb.Enter))
	if got := b.text("#facts"); !strings.Contains(got, speechSession) || !strings.Contains(got, speechTrace) {
		t.Errorf("the facts of the delivery are %q", got)
	}
	b.tabTo("#call")
	b.follow(chromedp.KeyEvent(kb.Enter))
	if got := b.path(); got != "/calls/"+speechTrace {
		t.Errorf("its call is at %s", got)
	}
	if b.count("#waterfall .wf-row") < 10 {
		t.Error("there is no waterfall")
	}
}

func TestCredentialsAreNeverShownAndBodiesOnlyWhereTheyAreKept(t *testing.T) {
	t.Parallel()
	for _, show := range []bool{false, true} {
		t.Run(fmt.Sprintf("kept %t", show), func(t *testing.T) {
			t.Parallel()
			o := exporterOptions{}
			if show {
				o = kept
			}
			s := startSite(t, o)
			bodies := sampleCall(t, "speech_call")
			s.post(t, bodies[1:]...)
			s.post(t, bodies[0])
			s.awaitExported(t, 7)
			b := openTab(t, s)
			b.open("/deliveries?session_id=" + speechSession)
			links := measure[[]string](b, `[...document.querySelectorAll("#deliveries tbody th a")].map(a => a.getAttribute("href"))`)
			slices.Reverse(links) // oldest first
			for i, body := range append(slices.Clone(bodies[1:]), bodies[0]) {
				b.open(links[i])
				if got := measure[string](b, `[...document.querySelectorAll("#headers tr")].find(r => r.cells[0].innerText === "Authorization").cells[1].innerText`); got != "redacted" {
					t.Errorf("the header Authorization is shown as %q", got)
				}
				if show {
					b.mustShowBody(body)
				} else if b.count("#body") != 0 || b.text("#body-gone") == "" {
					t.Errorf("%s has a body, or does not say why it has none", links[i])
				}
				for _, path := range []string{links[i], links[i] + "?tab=response", links[i] + "?tab=became", "/calls/" + speechTrace} {
					b.mustNotShow(path, show)
				}
			}
		})
	}
}

// mustShowBody fails the test unless the page has the payload of the body, indented.
func (b *tab) mustShowBody(body []byte) {
	b.t.Helper()
	var envelope struct {
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		b.t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Indent(&want, envelope.Payload, "", "  "); err != nil {
		b.t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), measure[string](b, `document.querySelector("#body").textContent`)); diff != "" {
		b.t.Errorf("the body is shown otherwise (-sent +shown):\n%.2000s", diff)
	}
}

// token is a credential of the platform.
var token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.eyJ`)

// mustNotShow fails the test if the page holds a credential, or what was said and
// by whom although that is not kept.
func (b *tab) mustNotShow(path string, kept bool) {
	b.t.Helper()
	b.open(path)
	html := measure[string](b, "document.documentElement.outerHTML")
	if token.MatchString(html) {
		b.t.Errorf("%s holds a token", path)
	}
	for _, text := range []string{speechWords, speechNumber} {
		if !kept && strings.Contains(html, text) {
			b.t.Errorf("%s holds %q", path, text)
		}
	}
}

func TestADeadLetterIsRetriedAndLeaves(t *testing.T) {
	t.Parallel()
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprintf("script %t", script), func(t *testing.T) {
			t.Parallel()
			s := startSite(t, exporterOptions{})
			s.refuse(dtmfTrace)
			s.post(t, sampleCall(t, "dtmf_call")...)
			s.awaitRejected(t)
			s.post(t, sampleCall(t, "failed_without_turns")...)
			s.awaitState(t, "dead", 4)
			b := openTab(t, s)
			b.do(order(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script}))
			b.open("/deliveries?state=dead")
			if n := b.count("#deliveries tr[data-state=dead]"); n != 4 {
				t.Errorf("%d dead letters are listed, want 4", n)
			}
			b.click("#deliveries tbody th a")
			detail := b.path()
			if got := b.text("#why"); !strings.Contains(got, "is not allowed here") {
				t.Errorf("why it died is told as %q", got)
			}
			s.refuse("")
			b.click("#retry")
			if !strings.HasPrefix(b.path(), detail) {
				t.Errorf("the button leads to %s", b.path())
			}
			eventually(t, "it has left", func(context.Context) error {
				b.open(detail)
				if state := b.text(".title .state"); !strings.Contains(state, "exported") {
					return fmt.Errorf("its state is %q", state)
				}
				return nil
			})
			if len(s.spans(dtmfTrace)) == 0 {
				t.Error("the receiver has none of its spans")
			}
			if b.count("#retry") != 0 {
				t.Error("it can be retried although it has left")
			}
			b.open("/deliveries?state=dead")
			if b.count("#deliveries") != 0 || b.text("#empty") == "" {
				t.Error("there are still dead letters")
			}
			b.open("/deliveries")
			if n := b.count("#deliveries tr[data-state=exported]"); n != 5 {
				t.Errorf("%d of the list are exported, want 5", n)
			}
		})
	}
}

func TestTheListSaysWhatBecameOfEveryWebhook(t *testing.T) {
	t.Parallel()
	s := busySite(t, exporterOptions{})
	b := openTab(t, s)
	for state, want := range map[string]int{"exported": 14, "dead": 2, "pending": 2} {
		b.open("/deliveries?state=" + state)
		if n := b.count("#deliveries tr[data-state=" + state + "]"); n != want || n != b.count("#deliveries tbody tr") {
			t.Errorf("%d of %d rows are %s, want %d", n, b.count("#deliveries tbody tr"), state, want)
		}
	}
	b.open("/deliveries")
	if got := measure[[]string](b, `[...document.querySelectorAll("#deliveries td[data-label='Delivered again']")].map(c => c.innerText).filter(c => c.includes("×"))`); len(got) != 1 {
		t.Errorf("what came again is shown as %v, want one row", got)
	}
	b.open("/deliveries?tab=refused")
	if n := b.count(`#refusals tr[data-status="401"]`); n != 1 {
		t.Errorf("%d rows of refused webhooks, want 1", n)
	}
	b.open("/calls/" + dtmfTrace)
	if n := b.count(`#waterfall .wf-row[data-kind=message]`); n != 1 {
		t.Errorf("%d late messages in the waterfall, want 1", n)
	}
	b.open("/calls")
	if n := b.count("#calls [data-undelivered]"); n != 2 {
		t.Errorf("%d calls are not delivered, want the one that waits and the refused one", n)
	}
	if got := b.text("#open-calls"); !strings.HasPrefix(got, "1 telephone session") {
		t.Errorf("the call that goes on is told as %q", got)
	}
	b.open("/")
	if got := b.text(".alert[data-signal=traces]"); !strings.Contains(got, "held") {
		t.Errorf("that nothing can be sent is told as %q", got)
	}
}

func TestPagesWorkWithScriptSwitchedOff(t *testing.T) {
	t.Parallel()
	s := startSite(t, exporterOptions{})
	message := sampleCall(t, "speech_call")[1]
	const sessions = 120
	for n := range sessions {
		s.post(t, under(fmt.Sprint(n), message)...)
	}
	s.post(t, sampleCall(t, "dtmf_call")...)
	s.awaitExported(t, 4)
	b := openTab(t, s)
	b.do(order(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	b.open("/deliveries")
	seen := map[string]bool{}
	for pages := 1; ; pages++ {
		for _, id := range measure[[]string](b, `[...document.querySelectorAll("#deliveries tbody tr")].map(r => r.dataset.id)`) {
			if seen[id] {
				t.Errorf("delivery %s is listed twice", id)
			}
			seen[id] = true
		}
		if b.count("#older") == 0 {
			break
		}
		if pages > 10 {
			t.Fatal("the pages do not end")
		}
		b.click("#older")
	}
	if len(seen) != sessions+4 {
		t.Errorf("%d deliveries on all pages, want %d", len(seen), sessions+4)
	}
	b.click("#newest")
	b.do(chromedp.SetValue(chromedp.CSS("#state"), "exported"))
	b.click("#filter button")
	if n := b.count("#deliveries tbody tr"); n != 4 {
		t.Errorf("%d rows are exported, want 4", n)
	}
	b.click("#deliveries tbody th a")
	b.click("#tab-response")
	if got := b.text("#answer"); got != "{}" {
		t.Errorf("the answer is shown as %q", got)
	}
	b.click("#tab-request")
	b.click("#call")
	if b.count("#waterfall .wf-row") == 0 {
		t.Error("there is no waterfall")
	}
	b.do(chromedp.Click(chromedp.CSS("#waterfall-table summary")))
	if got := b.text("#waterfall-table tbody"); got == "" {
		t.Error("the table beside the picture does not open")
	}
	b.open("/lookup")
	b.do(chromedp.SendKeys(chromedp.CSS("#id"), dtmfSession))
	b.click("#lookup button")
	if got := b.path(); got != "/calls/"+dtmfTrace {
		t.Errorf("the lookup leads to %s", got)
	}
}

func TestHostileTextsAreTexts(t *testing.T) {
	t.Parallel()
	hostile := "\"'><script>document.title='taken'</script><img src=x onerror=alert(1)>\u202etfel" + strings.Repeat("x", 150)
	s := startSite(t, kept)
	s.post(t, withSession(t, sampleCall(t, "speech_call")[1], hostile))
	s.post(t, fmt.Appendf(nil, `{"event":{"name":%[1]s},"payload":{"text":%[1]s}}`, quoted(t, hostile)))
	s.awaitState(t, "dead", 1)
	b := openTab(t, s)
	b.expect(http.StatusNotFound)
	b.open("/deliveries")
	if n := measure[int](b, fmt.Sprintf(`[...document.querySelectorAll("#deliveries td.session a")].filter(a => a.title === %s).length`, quoted(t, hostile))); n != 1 {
		t.Errorf("the session is shown %d times as it was sent, want 1", n)
	}
	b.click("#deliveries td.session a")
	if n := b.count("#deliveries tbody tr"); n != 1 {
		t.Errorf("%d deliveries of that session, want 1", n)
	}
	b.click("#deliveries tbody th a")
	if !strings.Contains(b.text("#facts"), "<script>document.title='taken'</script>") {
		t.Errorf("the session is shown as %q", b.text("#facts"))
	}
	b.open("/deliveries?state=dead")
	b.click("#deliveries tbody th a")
	if !strings.Contains(b.text("#body"), "<img src=x onerror=alert(1)>") {
		t.Errorf("the body is shown as %q", b.text("#body"))
	}
	for _, path := range []string{b.path(), "/deliveries", "/deliveries/1", "/lookup?by=session_id&id=" + url.QueryEscape(hostile)} {
		for _, width := range []int64{wide, narrow} {
			b.size(width, tall)
			b.open(path)
			if over := b.overflow(); over > 0 {
				t.Errorf("%s is %d px too wide for %d", path, over, width)
			}
		}
		if n := b.count("script, img:not([src^='/assets/'])"); n != 0 {
			t.Errorf("%s has %d elements that a text made", path, n)
		}
		if title := measure[string](b, "document.title"); title == "taken" {
			t.Errorf("%s ran a script", path)
		}
	}
}

func quoted(t testing.TB, text string) string {
	t.Helper()
	var q strings.Builder
	encoder := json.NewEncoder(&q)
	encoder.SetEscapeHTML(false) // the letters as they are
	if err := encoder.Encode(text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(q.String())
}
