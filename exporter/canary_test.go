package exporter_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

// A canary is a word or a number that no payload of the samples holds. Each field
// of each payload gets one of its own; what is found outside the store afterwards
// names the fields that leave.

// leaving are the fields that leave with the default configuration, each with the
// forms of a canary that do: names and ids that the platform or the builder of an
// assistant gave, and none of a person's. A field that is not here does not leave.
var leaving = map[string]string{
	// Ids: they are how a call is found. A number in one does not leave.
	"cdr:global_session_id":                                                                        words,
	"cdr:session_initiation_protocol.headers.call_id":                                              words,
	"cdr:x-global-sip-trunk-call-id":                                                               words,
	"cdr:assistant_interaction_summaries[].session_id":                                             words,
	"cdr:assistant_interaction_summaries[].assistant_id":                                           words,
	"cdr:assistant_interaction_summaries[].turns[].assistant.log_id":                               words,
	"cdr:assistant_interaction_summaries[].turns[].request.streaming_statistics.transaction_id":    words,
	"cdr:assistant_interaction_summaries[].turns[].response[].streaming_statistics.transaction_id": words,
	"outbound:global_session_id":                                                                   words,
	"outbound:session_initiation_protocol.headers.call_id":                                         words,
	"outbound:assistant_interaction_summaries[].session_id":                                        words,
	"outbound:assistant_interaction_summaries[].assistant_id":                                      words,
	"message:assistant_id":                                                                         words,
	"message:log_id":                                                                               words,
	"message:session_id":                                                                           words,
	"message:skill_id":                                                                             words,
	"message:snapshot":                                                                             "word",
	"message:request.context.integrations.voice_telephony.sip_call_id":                             words,
	// The business's own number, which an inbound call is answered by.
	"cdr:primary_phone_number": anything,
	// The carrier, the region.
	"cdr:session_initiation_protocol.headers.from_uri":      "host",
	"cdr:session_initiation_protocol.headers.to_uri":        "host",
	"outbound:session_initiation_protocol.headers.from_uri": "host",
	"outbound:session_initiation_protocol.headers.to_uri":   "host",
	// Sets that are open at their source keep an unknown word, but no number and no sentence.
	"cdr:call.end_reason": "word",
	"cdr:assistant_interaction_summaries[].turns[].request.type":         "word",
	"cdr:assistant_interaction_summaries[].turns[].response[].type":      "word",
	"outbound:call.end_reason":                                           "word",
	"outbound:assistant_interaction_summaries[].turns[].request.type":    "word",
	"outbound:assistant_interaction_summaries[].turns[].response[].type": "word",
	// The platform's own prose, scrubbed.
	"cdr:failure_details": words,
	// Names from the platform's and the builder's side, held to their form. A language is
	// a tag, which a canary is not.
	"cdr:realtime_transport_network_summary.inbound_stream.tool_name":  "word",
	"cdr:realtime_transport_network_summary.outbound_stream.tool_name": "word",
	"message:request.context.integrations.channel.name":                "word",
	"message:response.output.debug.turn_events[].callout.llm.model_id": "word",
	"message:response.output.debug.turn_events[].source.action_title":  words,
	"message:response.output.generic[].response_type":                  "word",
	"message:response.output.intents[].intent":                         words,
}

// Forms of canaries, see canaries.
const (
	anything = "number sentence word"
	words    = "sentence word"
)

// buffer is a log that several goroutines write to.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// post posts the body, as it should be, by a stranger, and broken.
func (p plant) post(t testing.TB, platform, stranger *client.Client) error {
	for _, post := range []struct {
		by   *client.Client
		body []byte
		want int
	}{
		{platform, p.body, http.StatusOK},
		{stranger, p.body, http.StatusUnauthorized},
		{platform, p.body[:len(p.body)-1], http.StatusBadRequest},
	} {
		if status, _, err := post.by.Post(t.Context(), post.body); err != nil || status != post.want {
			return fmt.Errorf("%s %s: status %d, error %w; want %d", p.path, p.form, status, err, post.want)
		}
	}
	return nil
}

// recording keeps every answer.
type recording struct {
	next http.RoundTripper
	out  io.Writer
}

func (r recording) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Fprintln(r.out, resp.Header, string(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

// leaked runs a sidecar, posts everything, collects all that leaves it, and
// returns the fields whose canaries are found, with the forms of those.
func leaked(t *testing.T, plants []plant, change func(*config.Config)) map[string]string {
	t.Helper()
	receiver := otlptest.New(t, otlptest.Options{})
	log := &buffer{}
	dir := t.TempDir()
	cfg := configuration(dir)
	cfg.Correlation.Grace, cfg.Correlation.Window, cfg.Correlation.ChatIdle = 0, time.Millisecond, time.Millisecond
	cfg.Metrics.MaxAge = 50 * 365 * 24 * time.Hour
	change(&cfg)
	s := start(t, cfg, exporter.Options{
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Getenv: environment(map[string]string{
			"OTEL_METRICS_EXPORTER":       "otlp",
			"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.GRPCEndpoint(),
			"OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC,
			"OTEL_EXPORTER_OTLP_HEADERS":  "authorization=Bearer%20canary999999",
		}),
	})
	out := &buffer{}
	s.HTTPClient.Transport = recording{s.HTTPClient.Transport, out}
	stranger := &client.Client{URL: s.URL, Secret: "canary999998", HTTPClient: s.HTTPClient}
	var posting errgroup.Group
	posting.SetLimit(8)
	for _, p := range plants {
		posting.Go(func() error { return p.post(t, s.Client, stranger) })
	}
	if err := posting.Wait(); err != nil {
		t.Fatal(err)
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["pending"] == 0 })
	fmt.Fprintln(out, s.allPages(t))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for _, q := range receiver.Requests() {
		fmt.Fprintf(out, "%s\n", q.Body)
	}
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		fmt.Fprintln(out, path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found(t, plants, out.String()+log.String())
}

// allPages are all that the admin listener shows: the lists page by page, and every
// delivery and call that they lead to.
func (s *sidecar) allPages(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	read := func(path string) page {
		p := s.visit(t, path)
		if p.status != http.StatusOK {
			t.Errorf("%s: status %d", path, p.status)
		}
		all.WriteString(p.text)
		return p
	}
	for _, path := range []string{"/", "/metrics", "/about", "/readyz", "/healthz", "/lookup", "/deliveries?tab=refused"} {
		read(path)
	}
	traces := map[string]bool{}
	for path := "/deliveries"; path != ""; {
		p := read(path)
		for _, id := range p.rows() {
			read("/deliveries/" + id)
			read("/deliveries/" + id + "?tab=response")
			read("/deliveries/" + id + "?tab=span")
		}
		for _, n := range p.with("data-trace") {
			traces[attr(n, "data-trace")] = true
		}
		path = attr(p.id("older"), "href")
	}
	for _, trace := range slices.Sorted(maps.Keys(traces)) {
		read("/calls/" + trace)
	}
	if len(traces) == 0 {
		t.Error("no delivery leads to a trace")
	}
	read("/calls")
	return all.String()
}

// canariesIn are the words and numbers of plants that a text holds. There are megabytes
// of text: a regular expression takes ten times as long.
func canariesIn(text string) map[string]bool {
	seen := map[string]bool{}
	for prefix, digits := range map[string]int{"canary": 6, "555": 7} {
		for rest := text; ; {
			_, after, more := strings.Cut(rest, prefix)
			if !more {
				break
			}
			rest = after
			if len(after) >= digits && strings.Trim(after[:digits], "0123456789") == "" {
				seen[prefix+after[:digits]] = true
				rest = after[digits:]
			}
		}
	}
	return seen
}

func found(t *testing.T, plants []plant, out string) map[string]string {
	t.Helper()
	seen := canariesIn(out)
	if seen["canary999999"] || seen["canary999998"] {
		t.Error("a secret left: the token of the collector or of a request")
	}
	forms := map[string]map[string]bool{}
	for _, p := range plants {
		if seen[p.canary] {
			if forms[p.path] == nil {
				forms[p.path] = map[string]bool{}
			}
			forms[p.path][p.form] = true
		}
	}
	fields := map[string]string{}
	for path, set := range forms {
		fields[path] = strings.Join(slices.Sorted(maps.Keys(set)), " ")
	}
	return fields
}

func TestEveryFieldThatLeavesByDefaultIsListed(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(leaving, leaked(t, atMost(2, plantsIn(t, "*.json")), func(*config.Config) {})); diff != "" {
		t.Errorf("fields that leave (-listed +found):\n%s", diff)
	}
}

func TestEachOptInRevealsExactlyWhatItNames(t *testing.T) {
	t.Parallel()
	// Each field once: what an opt-in names stands in the record.
	records := "*.cdr.json"
	spoken, keyed := "speech_call.message-2-speech.json", "dtmf_call.message-2-dtmf.json"
	plants, byDefault := map[string][]plant{}, map[string]map[string]string{}
	for _, bodies := range []string{records, spoken, keyed} {
		plants[bodies] = atMost(1, plantsIn(t, bodies))
		byDefault[bodies] = leaked(t, plants[bodies], func(*config.Config) {})
	}
	for name, c := range map[string]struct {
		bodies  string
		change  func(*config.Config)
		reveals map[string]string
	}{
		"caller_number": {records, func(c *config.Config) { c.Mapping.PII = []config.PII{config.PIICallerNumber} }, map[string]string{
			"cdr:session_initiation_protocol.headers.from_uri":      "host number",
			"outbound:session_initiation_protocol.headers.from_uri": "host number",
		}},
		"callee_number": {records, func(c *config.Config) { c.Mapping.PII = []config.PII{config.PIICalleeNumber} }, map[string]string{
			"outbound:primary_phone_number": anything,
		}},
		"sip_uris": {records, func(c *config.Config) { c.Mapping.PII = []config.PII{config.PIISIPURIs} }, map[string]string{
			"cdr:session_initiation_protocol.headers.from_uri":      "host number word",
			"cdr:session_initiation_protocol.headers.to_uri":        "host number word",
			"outbound:session_initiation_protocol.headers.from_uri": "host number word",
			"outbound:session_initiation_protocol.headers.to_uri":   "host number word",
		}},
		"custom_data": {records, func(c *config.Config) {
			c.Mapping.CustomData = []config.CustomData{{Key: "/queue", Attribute: "wxa.custom.queue", Metric: true}}
		}, map[string]string{"cdr:injected_custom_data.queue": anything}},
		"hash_ids: none": {records, func(c *config.Config) { c.Mapping.HashIDs = config.HashNone }, map[string]string{
			"cdr:global_session_id":                                                                        anything,
			"cdr:session_initiation_protocol.headers.call_id":                                              anything,
			"cdr:x-global-sip-trunk-call-id":                                                               anything,
			"cdr:assistant_interaction_summaries[].session_id":                                             anything,
			"cdr:assistant_interaction_summaries[].assistant_id":                                           anything,
			"cdr:assistant_interaction_summaries[].turns[].assistant.log_id":                               anything,
			"cdr:assistant_interaction_summaries[].turns[].request.streaming_statistics.transaction_id":    anything,
			"cdr:assistant_interaction_summaries[].turns[].response[].streaming_statistics.transaction_id": anything,
			"outbound:global_session_id":                                                                   anything,
			"outbound:session_initiation_protocol.headers.call_id":                                         anything,
			"outbound:assistant_interaction_summaries[].session_id":                                        anything,
			"outbound:assistant_interaction_summaries[].assistant_id":                                      anything,
		}},
		// Transcripts are no content: the platform masks the text, not them.
		"content": {spoken, func(c *config.Config) { c.Mapping.Content = true }, map[string]string{
			"message:request.input.text":             anything,
			"message:response.output.generic[].text": anything,
		}},
		"content of keys": {keyed, func(c *config.Config) { c.Mapping.Content = true }, map[string]string{
			"message:response.output.generic[].text": anything,
		}},
		"dtmf_digits": {keyed, func(c *config.Config) { c.Mapping.Content, c.Mapping.DTMFDigits = true, true }, map[string]string{
			"message:request.input.text":             anything,
			"message:response.output.generic[].text": anything,
		}},
		"dtmf_digits without content": {keyed, func(c *config.Config) { c.Mapping.DTMFDigits = true }, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			revealed := leaked(t, plants[c.bodies], c.change)
			maps.DeleteFunc(revealed, func(path, forms string) bool { return byDefault[c.bodies][path] == forms })
			if diff := cmp.Diff(c.reveals, revealed); diff != "" {
				t.Errorf("fields that leave beyond the default (-named +found):\n%s", diff)
			}
		})
	}
}
