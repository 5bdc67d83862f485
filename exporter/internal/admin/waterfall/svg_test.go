package waterfall_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter/internal/admin/waterfall"
)

// checkMarkup fails unless the picture is well-formed, holds no script and no
// style of its own, and refers to nothing but itself.
func checkMarkup(t *testing.T, c *waterfall.Chart) string {
	t.Helper()
	svg, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	strip, err := c.StripSVG()
	if err != nil {
		t.Fatal(err)
	}
	legend, err := c.LegendHTML()
	if err != nil {
		t.Fatal(err)
	}
	all := string(svg) + string(strip) + string(legend)
	decoder := xml.NewDecoder(strings.NewReader("<page>" + all + "</page>"))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, all)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch element.Name.Local {
		case "script", "style", "image", "foreignObject", "a", "b", "x":
			t.Fatalf("there is a %s in the picture", element.Name.Local)
		}
		for _, a := range element.Attr {
			if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "ZgotmplZ") ||
				a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#wf-") {
				t.Fatalf("%s has %s=%q", element.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

func TestHostileNamesAreEscaped(t *testing.T) {
	t.Parallel()
	const hostile = `"><script>alert(1)</script><x onload='a'>&amp;` + "\u202e"
	turn := span(2, 1, "turn "+hostile, 0, 1000, text("wxa.turn.request.type", hostile), text("error.type", hostile), text("wxa.turn.response.class", hostile))
	turn.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	agent := span(3, 2, "invoke_agent "+hostile, 0, 500, text("gen_ai.agent.name", hostile))
	agent.Events = []*tracepb.Span_Event{
		event("wxa.message", 100, text("wxa.message.error", hostile)), event(hostile, 200),
		event("wxa.warning", 300, text("wxa.warning.id", hostile), text("wxa.warning.message", hostile)),
	}
	voice := span(4, 2, "text_to_speech", 500, 1000)
	voice.Events = []*tracepb.Span_Event{event("wxa.audio.start", 700)}
	all := checkMarkup(t, decode(t, traces(t, span(1, 0, hostile, 0, 1000), turn, agent, voice)).Chart(1))
	if !strings.Contains(all, "&lt;script&gt;") {
		t.Error("the hostile name is not shown at all")
	}
}

func TestThePictureNamesAndDescribesItself(t *testing.T) {
	t.Parallel()
	all := checkMarkup(t, decode(t, sampleCall(t, "speech_call")).Chart(1))
	for _, want := range []string{
		`role="img" aria-labelledby="wf-title wf-desc"`, `<title id="wf-title">Waterfall of a call inbound</title>`,
		`the caller waits 5 times for an answer, longest 3.52 s`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing", want)
		}
	}
}
