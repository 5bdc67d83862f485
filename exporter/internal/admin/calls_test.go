package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/exporter/internal/admin"
)

// hostile is what an attacker would like to see on a page as it is.
const hostile = `"><script>alert(1)</script><img src=x onerror=y>`

const (
	traceID = "4eae7c9761713ed777ee4e9598579fac"
	address = "/calls/" + traceID
)

var noon = time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)

// oneTrace is a store that has one trace, or fails.
type oneTrace struct {
	list  admin.CallList
	trace admin.CallTrace
	err   error
	asked admin.CallQuery
}

func (s *oneTrace) List(_ context.Context, q admin.CallQuery) (admin.CallList, error) {
	s.asked = q
	return s.list, s.err
}

func (s *oneTrace) Trace(context.Context, [16]byte) (admin.CallTrace, error) { return s.trace, s.err }

// look answers a request for a page.
func look(t *testing.T, store *oneTrace, path string, change ...func(*admin.Config)) (status int, page string) {
	t.Helper()
	cfg := admin.Config{
		Status:    func(*http.Request) admin.Status { return admin.Status{} },
		Activity:  func(context.Context) admin.Activity { return admin.Activity{} },
		OpenCalls: func(context.Context) int64 { return 3 },
		Attribute: func(string) admin.Visibility { return admin.Public },
		Sources:   func() []string { return []string{"default", hostile} },
		Metrics:   http.NotFoundHandler(),
		Calls:     store,
		Now:       func() time.Time { return noon },
	}
	for _, c := range change {
		c(&cfg)
	}
	w := httptest.NewRecorder()
	admin.New(cfg).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	page = w.Body.String()
	for _, never := range []string{"<script", "<img src=x", " style=", "ZgotmplZ"} {
		if strings.Contains(page, never) {
			t.Errorf("%s has %q", path, never)
		}
	}
	return w.Code, page
}

// expect fails unless the page has all of the texts.
func expect(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page has no %q", text)
		}
	}
}

func textOf(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// rootSpan is a call of ten seconds from noon on.
func rootSpan(attributes ...*commonpb.KeyValue) *tracepb.Span {
	from := uint64(noon.UnixNano())
	return &tracepb.Span{SpanId: []byte("rootroot"), Name: "call inbound", StartTimeUnixNano: from, EndTimeUnixNano: from + 10e9, Attributes: attributes}
}

func encoded(t *testing.T, spans ...*tracepb.Span) admin.CallRequest {
	t.Helper()
	body, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{
		ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return admin.CallRequest{Signal: "traces", State: "done", Body: body}
}

// callOf is a store with a call whose parts may be changed.
func callOf(change func(*admin.CallPart), requests ...admin.CallRequest) *oneTrace {
	part := admin.CallPart{
		Kind: "call", Source: "default", State: "assembled", Reason: "complete", AssembledAt: noon, SettledAt: noon,
		Summary: &admin.CallSummary{StartedAt: noon, Duration: 10 * time.Second, Direction: "outbound", Result: "completed", Turns: 4, LossPPM: -1}, Requests: requests,
	}
	if change != nil {
		change(&part)
	}
	return &oneTrace{trace: admin.CallTrace{Parts: []admin.CallPart{part}}}
}

func TestACallOfWhichOnlyNumbersAreLeftSaysWhy(t *testing.T) {
	t.Parallel()
	status, page := look(t, callOf(func(p *admin.CallPart) { p.Evicted = true }, admin.CallRequest{Signal: "traces", State: "done"}), address)
	if status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	expect(t, page, "Its spans are not kept here any more.", "store.max_size", `id="numbers"`, "10.0 s", "Outbound call")
	if strings.Contains(page, `id="waterfall"`) {
		t.Error("there is a picture of spans that are gone")
	}
}

func TestACallThatCanNotBeMappedShowsTheReasonOfItsDelivery(t *testing.T) {
	t.Parallel()
	_, page := look(t, callOf(func(p *admin.CallPart) {
		p.State, p.Summary = "dead", nil
		p.Events = []admin.CallEvent{{ID: 7, Kind: "cdr", Name: hostile, ReceivedAt: noon, State: "dead", Reason: "unmappable", Detail: "decode cdr: call: no object " + hostile}}
	}), address)
	expect(t, page, "It could not be mapped.", "unmappable: decode cdr: call: no object", `href="/deliveries/7"`, `data-state="dead"`, "&lt;script&gt;")
}

func TestMessagesWhoseCallHasNotComeSaySo(t *testing.T) {
	t.Parallel()
	_, page := look(t, &oneTrace{trace: admin.CallTrace{Parts: []admin.CallPart{{Kind: "log", Source: "default", State: "open", DueAt: noon}}}}, address)
	expect(t, page, "Messages of it have come.", "log record of a message", `data-state="pending"`)
}

func TestATraceThatIsTooLargeForThePageSaysSo(t *testing.T) {
	t.Parallel()
	store := callOf(nil, encoded(t, rootSpan()))
	store.trace.RequestsLeftOut = 2
	_, page := look(t, store, address)
	expect(t, page, "Not all of it is shown.", `id="waterfall"`)
}

func TestAFailedCallSaysWhatFailed(t *testing.T) {
	t.Parallel()
	root := rootSpan(textOf("error.type", "CWSGW0100E"), textOf("wxa.call.failure.message", "no "+hostile))
	root.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	_, page := look(t, callOf(func(p *admin.CallPart) { p.Summary.Failed, p.Summary.Result = true, "failed" }, encoded(t, root)), address)
	expect(t, page, "It ended with an error:", "CWSGW0100E.", "result-failed", "✕ CWSGW0100E")
}

func TestLinksLeadToTheConversationThatLeftBeforeItsCall(t *testing.T) {
	t.Parallel()
	root := rootSpan()
	root.Links = []*tracepb.Span_Link{
		{TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: bytes.Repeat([]byte{1}, 8), Attributes: []*commonpb.KeyValue{textOf("wxa.link.kind", "conversation")}},
		{TraceId: bytes.Repeat([]byte{0xcd}, 16), SpanId: bytes.Repeat([]byte{2}, 8), Attributes: []*commonpb.KeyValue{textOf("wxa.link.kind", "upstream")}},
	}
	_, page := look(t, callOf(nil, encoded(t, root)), address)
	expect(t, page, `href="/calls/`+strings.Repeat("ab", 16)+`"`, "left before its record came", "what caused the call", strings.Repeat("cd", 16))
}

func TestHiddenValuesAreOnNoCallPageAndALookAtPrivateOnesIsLogged(t *testing.T) {
	t.Parallel()
	root := rootSpan(textOf("wxa.pii.caller.number", "+15550100"), textOf("wxa.caller.hash", "00ff00ff00ff00ff"), textOf("wxa.custom.queue", hostile))
	root.Events = []*tracepb.Span_Event{{Name: "wxa.message", TimeUnixNano: root.StartTimeUnixNano, Attributes: []*commonpb.KeyValue{
		textOf("wxa.log_id", hostile), textOf("gen_ai.input.messages", `[{"role":"user","parts":[{"type":"text","content":"my PIN is 1234"}]}]`),
		textOf("gen_ai.output.messages", `[{"role":"assistant","parts":[{"type":"text","cont`),
	}}}
	private := []string{"wxa.pii.caller.number", "wxa.caller.hash", "gen_ai.input.messages", "gen_ai.output.messages"}
	values := []string{"+15550100", "00ff00ff00ff00ff", "my PIN is 1234", "&#34;cont"}
	for _, visible := range []admin.Visibility{admin.Private, admin.Hidden} {
		var log bytes.Buffer
		_, page := look(t, callOf(nil, encoded(t, root)), address, func(c *admin.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			c.Attribute = func(key string) admin.Visibility {
				for _, p := range private {
					if p == key {
						return visible
					}
				}
				return admin.Public
			}
		})
		page = strings.ReplaceAll(page, "&#43;", "+")
		for _, value := range values {
			if strings.Contains(page, value) != (visible == admin.Private) {
				t.Errorf("visibility %d: %q on the page: %t", visible, value, strings.Contains(page, value))
			}
		}
		if logged := strings.Contains(log.String(), "private values of a call were looked at"); logged != (visible == admin.Private) {
			t.Errorf("visibility %d: logged: %t", visible, logged)
		}
	}
}

func TestTheListHandsItsFilterToTheStoreAndKeepsItInItsLinks(t *testing.T) {
	t.Parallel()
	store := &oneTrace{list: admin.CallList{
		Calls: []admin.CallRow{
			{TraceID: traceID, Source: hostile, Kind: "call", CallSummary: admin.CallSummary{StartedAt: noon, Direction: hostile, Result: hostile, Worst: 9 * time.Second, Waited: true, Slow: true, LossPPM: 50}},
			{TraceID: strings.Repeat("ab", 16), Kind: "conversation", Delivered: true, CallSummary: admin.CallSummary{StartedAt: noon, Channel: hostile, LossPPM: -1}},
		},
		Next: admin.CallCursor{Worst: 5 * time.Second, ID: 42}, SearchedTo: noon,
	}}
	status, page := look(t, store, "/calls?show=slow&kind=call&source=a+b&sort=worst&after=7000.43")
	want := admin.CallQuery{Source: "a b", Kind: "call", Only: "slow", WorstFirst: true, After: admin.CallCursor{Worst: 7000, ID: 43}, Limit: 50}
	if status != http.StatusOK || store.asked != want {
		t.Errorf("status %d, asked for %+v, want %+v", status, store.asked, want)
	}
	expect(t, page, `href="/calls?after=5000000000.42&amp;kind=call&amp;show=slow&amp;sort=worst&amp;source=a&#43;b"`, "Look further back",
		`href="/calls?kind=call&amp;show=slow&amp;sort=worst&amp;source=a&#43;b"`, `<option value="slow" selected>`, `<option value="worst" selected>`,
		"9.00 s", `<rect class="level" width="100"`, "&lt;0.01 %", "&lt;script&gt;", "telephone sessions are going on")
}

// Nobody waited, and it is not known how long somebody waited, are two things. The list
// knows no class of a wait, so it gives none.
func TestTheListTellsAWaitOfZeroFromOneThatIsNotKnown(t *testing.T) {
	t.Parallel()
	for want, summary := range map[string]admin.CallSummary{
		`<span class="wait-figure">0 s</span><svg`:                                                {Waited: true},
		`<rect class="level" width="0"`:                                                           {Waited: true},
		`class="wait"><span class="muted">–</span>`:                                               {},
		`<span class="wait-figure">7.00 s</span> <span class="wait-word">slow or dead air</span>`: {Worst: 7 * time.Second, Waited: true, Slow: true},
		`<span class="wait-word">no answer</span>`:                                                {Slow: true},
	} {
		_, page := look(t, &oneTrace{list: admin.CallList{Calls: []admin.CallRow{{TraceID: traceID, Kind: "call", CallSummary: summary}}}}, "/calls")
		expect(t, page, want)
	}
}

func TestAStoreThatFailsIsAnErrorPageWithoutItsWords(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/calls", address} {
		status, page := look(t, &oneTrace{err: errors.New("secret path")}, path)
		if status != http.StatusInternalServerError || strings.Contains(page, "secret path") {
			t.Errorf("%s: status %d, %s", path, status, page)
		}
	}
}

func TestAStoreThatIsAwayIsToldFromOneThatFails(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for _, path := range []string{"/calls", address} {
		status, page := look(t, &oneTrace{err: fmt.Errorf("secret path: %w", away)}, path, func(cfg *admin.Config) { cfg.Unavailable = away })
		if status != http.StatusServiceUnavailable || strings.Contains(page, "secret path") {
			t.Errorf("%s: status %d, %s", path, status, page)
		}
		expect(t, page, "The store does not answer")
	}
}

func TestACallWhoseStoredSpansAreDamagedStillShowsItsNumbers(t *testing.T) {
	t.Parallel()
	status, page := look(t, callOf(nil, admin.CallRequest{Signal: "traces", State: "done", Body: []byte{0xff}}), address)
	if status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	expect(t, page, "Its spans can&#39;t be read.", `id="numbers"`)
}
