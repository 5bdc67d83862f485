package backends

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// everyPage are addresses of all pages of a busy sidecar in all their forms.
func everyPage(b *tab) []string {
	b.t.Helper()
	paths := []string{
		"/", "/deliveries", "/deliveries?state=expired", "/deliveries?tab=refused", "/deliveries?from=2030-01-01T00:00&to=2020-01-01T00:00",
		"/calls", "/calls?show=slow", "/calls?show=failed&kind=conversation", "/calls/" + speechTrace, "/calls/" + dtmfTrace, "/calls/" + strings.Repeat("0", 32),
		"/lookup", "/lookup?session_id=nobody", "/nowhere",
	}
	for _, state := range []string{"exported", "dead", "pending"} {
		b.open("/deliveries?state=" + state)
		link := measure[string](b, `document.querySelector("#deliveries tbody th a").getAttribute("href")`)
		paths = append(paths, link, link+"?tab=response", link+"?tab=became")
	}
	return paths
}

// busyTab opens a tab for the pages of a busy sidecar, those of the errors too.
func busyTab(t testing.TB, o exporterOptions) *tab {
	t.Helper()
	b := openTab(t, busySite(t, o))
	b.expect(http.StatusNotFound, http.StatusBadRequest)
	return b
}

// overflow is by how much the page is wider than the window.
func (b *tab) overflow() int {
	b.t.Helper()
	return measure[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth")
}

// tooSmall are what one presses that is smaller than a finger: 24 pixels, or as
// WCAG 2.5.8 excepts, stands in a line of text or far from the next one.
const tooSmall = `(() => {
	const targets = [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")].filter(e => e.checkVisibility() && !e.matches(".skip"));
	const boxes = targets.map(e => e.getBoundingClientRect());
	const middle = r => [r.left + r.width / 2, r.top + r.height / 2];
	return targets.filter((e, i) => {
		const r = boxes[i];
		if (r.height >= 24 && r.width >= 24) return false;
		if (e.closest("p, li, q") && getComputedStyle(e).display === "inline" && !e.closest("nav")) return false;
		const [x, y] = middle(r);
		return boxes.some((o, j) => j !== i && Math.hypot(middle(o)[0] - x, middle(o)[1] - y) < 24);
	}).map(e => e.outerHTML.slice(0, 120));
})()`

func TestNoPageIsWiderThanATelephone(t *testing.T) {
	t.Parallel()
	b := busyTab(t, kept)
	pages := everyPage(b)
	for _, width := range []int64{320, narrow} {
		b.size(width, long)
		for _, path := range pages {
			b.open(path)
			if over := b.overflow(); over > 0 {
				t.Errorf("%s is %d px too wide for %d px: %v", path, over, width, measure[[]string](b, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".skip")).map(e => e.outerHTML.slice(0, 120)).slice(0, 3)`))
			}
			for _, target := range measure[[]string](b, tooSmall) {
				t.Errorf("%s at %d px: too small to press: %s", path, width, target)
			}
		}
	}
	confirmed(t, "%d pages fit on 320 and %d px", len(pages), narrow)
}

// faint are texts whose contrast with what they stand on is below 4.5 to 1, the
// level AA of WCAG for text of any size. Colours are read back from a canvas, which
// knows every notation.
const faint = `(() => {
	const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
	const rgba = colour => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); return [...pen.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255); };
	const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
	const ground = e => { const c = rgba(getComputedStyle(e).backgroundColor); return c[3] === 1 || !e.parentElement ? over(c, [255, 255, 255, 1]) : over(c, ground(e.parentElement)); };
	const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const found = new Map();
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = walker.nextNode();) {
		const e = n.parentElement;
		if (!n.data.trim() || !e.checkVisibility({opacityProperty: true, visibilityProperty: true}) || e.closest("title, desc, .hidden, .skip, datalist, option")) continue;
		const style = getComputedStyle(e), below = ground(e);
		const ink = over(rgba(e instanceof SVGElement ? style.fill : style.color), below);
		const [hi, lo] = [light(ink), light(below)].sort((a, b) => b - a);
		const ratio = (hi + 0.05) / (lo + 0.05);
		if (ratio < 4.5) found.set(e.getAttribute("class") + " " + e.tagName + " " + n.data.trim().slice(0, 30), ratio.toFixed(2));
	}
	return [...found].map(([what, ratio]) => what + ": " + ratio);
})()`

func TestEveryTextCanBeReadInLightAndDark(t *testing.T) {
	t.Parallel()
	b := busyTab(t, kept)
	pages := everyPage(b)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, path := range pages {
			b.open(path)
			for _, text := range measure[[]string](b, faint) {
				t.Errorf("%s, %s: contrast below 4.5: %s", path, scheme, text)
			}
		}
		ground := measure[string](b, "getComputedStyle(document.body).backgroundColor")
		if (scheme == "dark") != strings.HasPrefix(ground, "rgb(14,") {
			t.Errorf("the ground of the %s pages is %s", scheme, ground)
		}
	}
	confirmed(t, "the text of %d pages has a contrast of 4.5 or more", len(pages))
}

// structure are what is wrong with the structure of a page.
const structure = `(() => {
	const wrong = [], all = selector => [...document.querySelectorAll(selector)];
	if (document.documentElement.lang !== "en") wrong.push("the language is not named");
	if (all("h1").length !== 1) wrong.push(all("h1").length + " headings of the first level");
	if (all("main").length !== 1) wrong.push(all("main").length + " main parts");
	if (!all("h1")[0]?.closest("main")) wrong.push("the heading is not in the main part");
	for (const e of all("nav, form, ul.tabs, section")) if (!e.ariaLabel && !e.getAttribute("aria-labelledby") && !e.matches(".actions, section.span, section.record")) wrong.push("no name: " + e.outerHTML.slice(0, 80));
	for (const e of all("[aria-labelledby]")) for (const id of e.getAttribute("aria-labelledby").split(" ")) if (!document.getElementById(id)) wrong.push("named by what is not there: " + id);
	for (const e of all("input:not([type=hidden]), select")) if (!e.labels.length) wrong.push("no label: " + e.outerHTML);
	for (const e of all("table")) if (!e.caption || !all("th[scope=col]").some(th => e.contains(th)) || [...e.tBodies].some(b => [...b.rows].some(r => !r.querySelector("th[scope=row], th.full, td[colspan]") && e.matches(".pairs")))) wrong.push("a table without caption or headers: " + e.outerHTML.slice(0, 80));
	const ids = all("[id]").map(e => e.id), twice = ids.filter((id, i) => ids.indexOf(id) !== i);
	if (twice.length) wrong.push("ids used twice: " + twice);
	if (all("[tabindex]").some(e => e.tabIndex > 0)) wrong.push("the order of focus is forced");
	let level = 1;
	for (const h of all("h1, h2, h3, h4")) { const n = +h.tagName[1]; if (n > level + 1) wrong.push("a heading leaves out a level: " + h.innerText); level = n; }
	return wrong;
})()`

// named are the roles that are nothing without a name.
var named = []string{"link", "button", "textbox", "combobox", "searchbox", "image", "form", "search", "navigation", "table", "DateTime"}

func TestPagesMakeSenseToAScreenReader(t *testing.T) {
	t.Parallel()
	b := busyTab(t, kept)
	pages := everyPage(b)
	for _, path := range pages {
		b.open(path)
		for _, wrong := range measure[[]string](b, structure) {
			t.Errorf("%s: %s", path, wrong)
		}
		roles := b.roles()
		for role, want := range map[string]int{"main": 1, "navigation": 1, "contentinfo": 1, "banner": 1} {
			if roles[role] < want {
				t.Errorf("%s: %d times %s, want at least %d", path, roles[role], role, want)
			}
		}
		// A table stays one on a narrow screen, where its rows are no table rows to look at.
		if tables := b.count("table"); tables > 0 {
			b.size(narrow, long)
			if got := b.roles()["table"]; got < tables-b.count("details:not([open]) table") {
				t.Errorf("%s: %d of %d tables are tables on a narrow screen", path, got, tables)
			}
			b.size(wide, tall)
		}
	}
	confirmed(t, "%d pages have landmarks, headings, labels and names", len(pages))
}

// roles counts what a screen reader finds in the page, and fails the test where a
// name is missing.
func (b *tab) roles() map[string]int {
	b.t.Helper()
	tree, err := chromedp.Run(b.ctx, func(ctx context.Context, target *chromedp.Target) ([]*accessibility.Node, error) {
		result, err := cdp.Call(ctx, target, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		return result.Nodes, err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	roles := map[string]int{}
	for _, node := range tree {
		if node.Ignored || node.Role == nil {
			continue
		}
		role := strings.Trim(string(node.Role.Value), `"`)
		roles[role]++
		if slices.Contains(named, role) && (node.Name == nil || strings.Trim(string(node.Name.Value), `" `) == "") {
			b.t.Errorf("%s: a %s has no name", b.path(), role)
		}
	}
	return roles
}

func TestAFreshSidecarSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := openTab(t, startSite(t, exporterOptions{}))
	for _, width := range []int64{wide, narrow} {
		b.size(width, tall)
		for path, want := range map[string]string{
			"/":                       "/webhook/default",
			"/deliveries":             "/webhook/default",
			"/deliveries?tab=refused": "Nothing was refused",
			"/calls":                  "No call has been put together yet",
			"/calls?show=slow":        "No call is like that",
			"/deliveries?state=dead":  "No delivery fits this filter",
		} {
			b.open(path)
			if got := b.text("#empty"); !strings.Contains(got, want) {
				t.Errorf("%s says %q, not %q", path, got, want)
			}
			if over := b.overflow(); over > 0 {
				t.Errorf("%s is %d px too wide", path, over)
			}
		}
	}
}

// The number is for the log: other programs share the processor. The limit only
// catches what is wrong by a magnitude.
func TestTheFirstByteOfAPageComesSoon(t *testing.T) {
	const limit = 250 // milliseconds
	b := busyTab(t, exporterOptions{})
	for _, path := range []string{"/", "/deliveries", "/deliveries?session_id=" + speechSession, "/deliveries/1", "/calls", "/calls/" + speechTrace, "/lookup"} {
		var times []float64
		for range 7 {
			b.open(path)
			times = append(times, measure[float64](b, `(n => n.responseStart - n.requestStart)(performance.getEntriesByType("navigation")[0])`))
		}
		slices.Sort(times)
		if median := times[len(times)/2]; median > limit {
			t.Errorf("%s: the first byte takes %.1f ms", path, median)
		}
		confirmed(t, "%-60s first byte after %s ms", path, fmt.Sprintf("%.1f (%.1f to %.1f)", times[len(times)/2], times[0], times[len(times)-1]))
	}
}
