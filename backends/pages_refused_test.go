package backends

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// postElsewhere posts a webhook to a path that is none.
func (s *site) postElsewhere(t testing.TB, path string) {
	t.Helper()
	lost := s.Client
	lost.URL = "http://" + s.Webhook + path
	if status, _, err := lost.Post(t.Context(), sampleCall(t, "transfer")[0]); err != nil || status != http.StatusNotFound {
		t.Fatalf("a webhook to %s: status %d, error %v", path, status, err)
	}
}

// postUnreadable posts an authentic webhook that is no JSON.
func (s *site) postUnreadable(t testing.TB) {
	t.Helper()
	if status, _, err := s.Post(t.Context(), []byte("hello")); err != nil || status != http.StatusBadRequest {
		t.Fatalf("an unreadable webhook: status %d, error %v", status, err)
	}
}

// awaitRefused returns once n requests were refused since the start: an answer is counted
// after it was given.
func (s *site) awaitRefused(t testing.TB, n int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d requests are refused", n), func(ctx context.Context) error {
		r, err := s.readiness(ctx)
		if err == nil && r.Refused != n {
			err = fmt.Errorf("%d are", r.Refused)
		}
		return err
	})
}

// redness of what the page shows: text and bars whose colour is much more red than green
// and blue.
const redness = `(() => {
	const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
	const red = colour => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); const [r, g, b] = pen.getImageData(0, 0, 1, 1).data; return r > g + 60 && r > b + 60; };
	const ink = name => getComputedStyle(document.querySelector("#series-" + name + " .ink-" + name) ?? document.querySelector("#chart .bar-" + name)).fill;
	return {
		tile: red(getComputedStyle(document.querySelector("#tile-ready .bad-text")).color),
		bars: document.querySelectorAll("#chart rect.bar-unauthorized").length,
		bar: red(ink("unauthorized")),
		taken: red(ink("accepted")),
		line: red(getComputedStyle(document.querySelector("#refused-by [data-reason=bad_credentials] th")).color),
	};
})()`

// What a stranger sees who has set another secret at the platform than here: at once, and
// also after the restart that is the first thing to try.
func TestAWrongSecretIsRedOnTheOverviewAndStaysAfterARestart(t *testing.T) {
	t.Parallel()
	s := startSite(t, exporterOptions{})
	b := openTab(t, s)
	b.open("/")
	if got := b.text("#tile-ready"); !strings.Contains(got, "none refused in 24 hours") {
		t.Errorf("before anything was refused the page says %q", got)
	}
	s.post(t, sampleCall(t, "dtmf_call")...)
	const n = 3
	for range n {
		s.postRefused(t)
	}
	s.postElsewhere(t, "/webhook/lvie")
	s.awaitRefused(t, n+1)
	look := func() {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			b.open("/")
			if got := b.text("#tile-ready"); !strings.Contains(got, fmt.Sprint(n, " refused in 24 hours")) || !strings.Contains(got, "1 more for their path, method or connection") {
				t.Errorf("the page says %q", got)
			}
			seen := measure[struct {
				Tile, Bar, Taken, Line bool
				Bars                   int
			}](b, redness)
			if !seen.Tile || !seen.Bar || !seen.Line || seen.Taken || seen.Bars == 0 {
				t.Errorf("%s: what is red is %+v", scheme, seen)
			}
		}
		if got := b.text(`#refused-by [data-reason=bad_credentials]`); !strings.Contains(got, "wrong credentials") || !strings.Contains(got, "default") || !strings.Contains(got, "401") {
			t.Errorf("the line of the wrong secret is %q", got)
		}
		if got := b.text(`.legend [data-outcome=accepted]`); !strings.HasPrefix(got, "4 ") {
			t.Errorf("what was taken in is %q", got)
		}
	}
	look()
	s.terminate(t)
	s.options.At = s.exporterProcess
	s.exporterProcess = s.again(t)
	look()
	b.click(`#refused-by [data-reason=unknown_source] a`)
	if got := b.text("#refusals"); !strings.Contains(got, "lvie") || !strings.Contains(got, "/webhook/lvie") || !strings.Contains(got, "not configured") {
		t.Errorf("the webhook to a wrong path is listed as %q", got)
	}
}

// seriesLooks are how each series of the legend looks: its colour, its pattern, and its
// contrast with what it stands on.
const seriesLooks = `(() => {
	const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
	const rgb = colour => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3); };
	const light = c => c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = light(rgb(getComputedStyle(document.querySelector(".chart")).backgroundColor));
	return [...document.querySelectorAll(".legend li")].map(li => {
		const name = li.dataset.outcome, pattern = document.querySelector("#series-" + name);
		const colour = rgb(getComputedStyle(pattern ? pattern.querySelector(".ink-" + name) : li.querySelector("rect")).fill);
		const [hi, lo] = [light(colour), ground].sort((a, b) => b - a);
		return {name, colour: colour.join(), pattern: pattern ? pattern.outerHTML.replaceAll(name, "") : "", contrast: (hi + 0.05) / (lo + 0.05)};
	});
})()`

func TestNoTwoSeriesOfTheOverviewLookAlike(t *testing.T) {
	t.Parallel()
	s := busySite(t, exporterOptions{})
	s.postUnreadable(t)
	s.postElsewhere(t, "/nowhere")
	s.awaitRefused(t, 3) // with the one of a busy site
	b := openTab(t, s)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.open("/")
		colours, losses := map[string]string{}, map[string]string{}
		all := measure[[]struct {
			Name, Colour, Pattern string
			Contrast              float64
		}](b, seriesLooks)
		for _, one := range all {
			if other, taken := colours[one.Colour]; taken {
				t.Errorf("%s: %s has the colour of %s", scheme, one.Name, other)
			}
			if other, taken := losses[one.Pattern]; taken && one.Pattern != "" {
				t.Errorf("%s: %s has the pattern of %s", scheme, one.Name, other)
			}
			if one.Contrast < 3 {
				t.Errorf("%s: %s has a contrast of %.2f with its ground", scheme, one.Name, one.Contrast)
			}
			colours[one.Colour], losses[one.Pattern] = one.Name, one.Name
		}
		if len(all) < 6 {
			t.Errorf("only %d series are there", len(all))
		}
	}
}

func TestAHeldSignalSaysWhereWhyAndSinceWhen(t *testing.T) {
	t.Parallel()
	s := busySite(t, exporterOptions{})
	b := openTab(t, s)
	b.open("/")
	held := b.text(`.alert[data-signal=traces]`)
	for _, want := range []string{"Sending traces is held: the receiver can't be reached", s.receiver.GRPCEndpoint(), "Held since", "next try at", "cdr2otel doctor"} {
		if !strings.Contains(held, want) {
			t.Errorf("the page says %q, without %q", held, want)
		}
	}
	if got := b.text(`#tile-export`); !strings.Contains(got, "logs not used") {
		t.Errorf("the export is %q, want that logs are not used", got)
	}
}

func TestAnOverviewOfAnOutageFitsEveryScreen(t *testing.T) {
	t.Parallel()
	s := busySite(t, exporterOptions{})
	for range 40 {
		s.postRefused(t)
	}
	s.postUnreadable(t)
	s.postElsewhere(t, "/webhook/"+strings.Repeat("x", 400))
	b := openTab(t, s)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{wide, narrow, 320} {
			for _, path := range []string{"/", "/deliveries?tab=refused"} {
				b.scheme(scheme)
				b.size(width, long)
				b.open(path)
				if over := b.overflow(); over > 0 {
					t.Errorf("%s is %d px too wide for %d px", path, over, width)
				}
				if *pictures != "" {
					shot := b.picture(picture{path, path, width, "footer", scheme})
					name := fmt.Sprintf("outage-%s-%d-%s.png", map[bool]string{true: "overview", false: "refused"}[path == "/"], width, scheme)
					if err := os.WriteFile(filepath.Join(*pictures, name), shot, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}
