package exporter_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// Trace ids of the samples, source "default".
const (
	speechTrace = "556237ee1b186c6e0badf1f12e8c24c7"
	dtmfTrace   = "4eae7c9761713ed777ee4e9598579fac"
)

var speechCall = []string{
	"speech_call.message-1-start.json", "speech_call.message-2-speech.json", "speech_call.message-3-speech_callout.json",
	"speech_call.message-4-post_response_timeout.json", "speech_call.message-5-dtmf.json", "speech_call.message-6-hangup.json", "speech_call.cdr.json",
}

var dtmfCall = []string{"dtmf_call.message-1-start.json", "dtmf_call.message-2-dtmf.json", "dtmf_call.message-3-hangup.json", "dtmf_call.cdr.json"}

// page reads a page of the admin listener and fails unless it has that status.
func (s *sidecar) page(t testing.TB, path string, status int) string {
	t.Helper()
	got, body := get(t, "http://"+s.AdminAddr()+path)
	if got != status {
		t.Fatalf("%s is %d, want %d: %s", path, got, status, body)
	}
	return body
}

// post sends sample bodies.
func (s *sidecar) post(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		s.accepted(t, sample(t, name))
	}
}

// shows fails unless the page has all of the texts.
func shows(t testing.TB, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page has no %q", text)
		}
	}
}

// showsNot fails if the page has one of the texts.
func showsNot(t testing.TB, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			t.Errorf("the page has %q", text)
		}
	}
}

// drawnBar is a bar of the picture as the page has it.
type drawnBar struct {
	span           string
	start, end     int64 // nanoseconds
	kind           string
	x, width       float64
	parent, failed string
}

var barPattern = regexp.MustCompile(`(?s)<g class="wf-row [^>]*data-span-id="([0-9a-f]+)" data-parent="([0-9a-f]*)" data-start="(\d+)" data-end="(\d+)" data-kind="(\w+)" data-depth="\d"(?: data-error="([^"]*)")?>.*?<rect class="wf-bar[^"]*" x="([\d.]+)%" y="7" width="([\d.]+)%"`)

func bars(t testing.TB, page string) []drawnBar {
	t.Helper()
	var bars []drawnBar
	for _, m := range barPattern.FindAllStringSubmatch(page, -1) {
		b := drawnBar{span: m[1], parent: m[2], kind: m[5], failed: m[6]}
		for _, number := range []struct {
			text string
			into *int64
		}{{m[3], &b.start}, {m[4], &b.end}} {
			n, err := strconv.ParseInt(number.text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			*number.into = n
		}
		b.x, _ = strconv.ParseFloat(m[7], 64)     // the pattern lets numbers through
		b.width, _ = strconv.ParseFloat(m[8], 64) // as above
		bars = append(bars, b)
	}
	return bars
}

func TestTheWaterfallShowsTheVerySpansThatWereExported(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	s.post(t, speechCall...)
	exported := map[string]*tracepb.Span{}
	var first, last uint64
	for _, span := range awaitRequests(t, receiver, 1)[0].Spans() {
		exported[fmt.Sprintf("%x", span.SpanId)] = span
		if first == 0 || span.StartTimeUnixNano < first {
			first = span.StartTimeUnixNano
		}
		last = max(last, span.EndTimeUnixNano)
	}
	drawn := bars(t, s.page(t, "/calls/"+speechTrace, http.StatusOK))
	if len(drawn) != len(exported) || len(drawn) == 0 {
		t.Fatalf("%d bars of %d spans", len(drawn), len(exported))
	}
	seen := map[string]bool{"": true}
	for _, b := range drawn {
		span := exported[b.span]
		if span == nil {
			t.Fatalf("bar of span %s, which was not exported", b.span)
		}
		if !seen[b.parent] || fmt.Sprintf("%x", span.ParentSpanId) != b.parent {
			t.Errorf("%s %s comes before its parent, or has another one", span.Name, b.span)
		}
		seen[b.span] = true
		if uint64(b.start) != span.StartTimeUnixNano-first || uint64(b.end) != span.EndTimeUnixNano-first {
			t.Errorf("%s is drawn from %d to %d", span.Name, b.start, b.end)
		}
		scale := 100 / float64(last-first)
		x, width := float64(span.StartTimeUnixNano-first)*scale, float64(span.EndTimeUnixNano-span.StartTimeUnixNano)*scale
		if width >= 0.3 && (abs(b.x-x) > 0.001 || abs(b.width-width) > 0.001) {
			t.Errorf("%s is at %v, %v wide; its share of the call is %v, %v", span.Name, b.x, b.width, x, width)
		}
		if (span.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR) != (b.failed != "") {
			t.Errorf("%s has status %v and is drawn with error %q", span.Name, span.GetStatus(), b.failed)
		}
	}
}

func abs(x float64) float64 { return max(x, -x) }

func TestThePageOfACallSaysWhyItWasSlow(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Admin.TraceURL = "http://jaeger.example/trace/{trace_id}?uiFind={span_id}"
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.post(t, speechCall...)
	s.awaitState(t, "exported", 7)
	page := s.page(t, "/calls/"+speechTrace, http.StatusOK)
	shows(t, page,
		"Why it was slow:", "the caller heard nothing for 3.52 s", "assistant <strong>2.23 s</strong>", "network <strong>60 ms</strong>", "unexplained <strong>30 ms</strong>", `<h2>Answered for</h2><p class="figure">41.7 s</p>`, "✕ assistant: extension_call_failed",
		`data-kind="wait"`, `data-class="slow"`, "waited 3.52 s · slow", "the caller barges in", // the picture
		"The same as a table", "caller hangup", `data-attribute="wxa.call.first_audio.delay"`,
		"CWSMR0031W", "CWSMR0032W", "extension call GET 404", "not in the spans: mapping.content is off",
		`data-direction="inbound"`, "1.29 %", "11 ms", // packets
		`href="http://jaeger.example/trace/`+speechTrace+`?uiFind=29ccfb9003e69e19"`,
		"everything it waited for was there", `data-state="exported"`,
		`<a href="/calls?show=slow&amp;source=default" id="others">`, "</time> UTC",
	)
	if others := s.listed(t, "?show=slow&source=default"); !slices.Equal(others, []string{speechTrace}) {
		t.Errorf("the slow calls are %v", others)
	}
	if n := len(regexp.MustCompile(`<tr data-event="\d+">`).FindAllString(page, -1)); n != 7 {
		t.Errorf("%d deliveries, want 7", n)
	}
	for _, link := range regexp.MustCompile(`/deliveries/\d+`).FindAllString(page, -1) {
		s.page(t, link, http.StatusOK)
	}
	showsNot(t, page, "<script", "style=", " onload", "notice-")
}

func TestACallThatWaitsSaysForWhatAndUntilWhen(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = time.Hour
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.post(t, "speech_call.cdr.json", "speech_call.message-1-start.json")
	page := s.page(t, "/calls/"+speechTrace, http.StatusOK)
	shows(t, page, "Not put together yet.", "It waits for the messages that its record names", "at the latest in ", `data-state="pending"`)
	showsNot(t, page, `id="waterfall"`)
}

func TestACallThatIsNotDeliveredIsDrawnAndSaysWhatHoldsIt(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	receiver.SetDown(true)
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	s.post(t, dtmfCall...)
	for deadline := time.Now().Add(time.Minute); len(s.listed(t, "")) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the call is not listed")
		}
	}
	shows(t, s.page(t, "/calls", http.StatusOK), "not delivered")
	page := s.page(t, "/calls/"+dtmfTrace, http.StatusOK)
	shows(t, page, "Not delivered yet.", "they wait to be sent", `id="waterfall"`)
}

func TestACallThatTheBackEndRefusedSaysSo(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{Answer: refusingTheFirst(otlptest.Answer{Code: codes.InvalidArgument, Message: "no <b>such</b> attribute"})})
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	s.post(t, dtmfCall...)
	awaitRequests(t, receiver, 1)
	s.accepted(t, sample(t, "failed_without_turns.cdr.json")) // goes through
	s.awaitState(t, "dead", 4)
	page := s.page(t, "/calls/"+dtmfTrace, http.StatusOK)
	shows(t, page, "The back end refused it for good.", "no &lt;b&gt;such&lt;/b&gt; attribute", `data-state="dead"`, `id="waterfall"`)
	showsNot(t, page, "<b>such")
}

func TestACallWhoseSpansAreOffSaysWhyThereIsNoPicture(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	opts := overriding(receiver, otlptest.ProtocolGRPC)
	opts.Getenv = environment(map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
	s := start(t, configuration(t.TempDir()), opts)
	s.post(t, dtmfCall...)
	s.awaitState(t, "exported", 4)
	page := s.page(t, "/calls/"+dtmfTrace, http.StatusOK)
	shows(t, page, "Its spans are not kept here any more.", "The export of traces is off", `id="numbers"`, "17.8 s")
	showsNot(t, page, `id="waterfall"`)
}

func TestALateMessageIsOnThePageOfItsCall(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = time.Millisecond
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.post(t, "dtmf_call.cdr.json", "dtmf_call.message-1-start.json")
	awaitRequests(t, receiver, 1)
	s.post(t, "dtmf_call.message-2-dtmf.json")
	s.awaitState(t, "exported", 3)
	page := s.page(t, "/calls/"+dtmfTrace, http.StatusOK)
	shows(t, page, `data-kind="message"`, "late message", "it came after its call had been exported")
	for _, b := range bars(t, page) {
		if b.kind == "message" && b.parent == "" {
			t.Error("the late message hangs from nothing")
		}
	}
}

func TestEventsThatLeaveAsLogRecordsAreMarksToo(t *testing.T) {
	t.Parallel()
	for _, events := range []config.Events{"log", "both"} {
		t.Run(string(events), func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.New(t, otlptest.Options{})
			cfg := configuration(t.TempDir())
			cfg.Mapping.Events = events
			s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
			s.post(t, speechCall...)
			s.awaitState(t, "exported", 7)
			page := s.page(t, "/calls/"+speechTrace, http.StatusOK)
			marks := func(kind string) int { return strings.Count(page, `<use class="wf-mark wf-mark-`+kind+`"`) }
			if marks("message") != 5 || marks("failure") != 1 || marks("audio") != 5 || marks("barge-in") != 1 {
				t.Errorf("%d messages, %d failed, %d first audios, %d barge-ins; want 5, 1, 5, 1", marks("message"), marks("failure"), marks("audio"), marks("barge-in"))
			}
			if n := strings.Count(page, "<tr data-log-id="); n != 6 {
				t.Errorf("%d messages are listed, want 6", n)
			}
		})
	}
}

func TestWhatWasSaidIsShownOnlyWhenItLeavesAndThatIsLogged(t *testing.T) {
	t.Parallel()
	for _, content := range []bool{false, true} {
		receiver := otlptest.New(t, otlptest.Options{})
		cfg := configuration(t.TempDir())
		cfg.Mapping.Content = content
		opts := overriding(receiver, otlptest.ProtocolGRPC)
		log := &buffer{}
		opts.Logger = slog.New(slog.NewTextHandler(log, nil))
		s := start(t, cfg, opts)
		s.post(t, speechCall...)
		s.awaitState(t, "exported", 7)
		page := s.page(t, "/calls/"+speechTrace, http.StatusOK)
		if got := strings.Contains(page, `<q class="said`); got != content {
			t.Errorf("content %t: what was said is shown: %t", content, got)
		}
		if got := strings.Contains(log.String(), "private values of a call were looked at"); got != content {
			t.Errorf("content %t: the look was logged: %t", content, got)
		}
	}
}

func TestAConversationHasAPageToo(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.ChatIdle = time.Millisecond
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.post(t, "webchat_actions.message.json")
	s.awaitState(t, "exported", 1)
	ids := s.listed(t, "?kind=conversation")
	if len(ids) != 1 {
		t.Fatalf("conversations %v, want one", ids)
	}
	page := s.page(t, "/calls/"+ids[0], http.StatusOK)
	shows(t, page, "<h1>Conversation</h1>", `data-kind="conversation"`, "it had been silent for correlation.chat_idle")
	showsNot(t, page, "Jitter", "Packets lost", "Longest wait", "Call record missing") // a chat has none
}

func TestAnUnknownTraceHasNoPage(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), overriding(otlptest.New(t, otlptest.Options{}), otlptest.ProtocolGRPC))
	shows(t, s.page(t, "/calls/"+strings.Repeat("0", 32), http.StatusNotFound), "No such trace is known here")
	shows(t, s.page(t, "/calls/"+strings.Repeat("ab", 16), http.StatusNotFound), "No such trace is known here")
	shows(t, s.page(t, "/calls/%3Cscript%3E", http.StatusNotFound), "That is no trace id")
}
