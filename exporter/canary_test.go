package exporter_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"cdr2otel/examples/webhooks"
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
	// Ids: they are how a call is found. A SIP Call-ID is a pseudonym, the documents
	// say so.
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
	"message:assistant_id":                                                                         anything,
	"message:log_id":                                                                               anything,
	"message:session_id":                                                                           anything,
	"message:skill_id":                                                                             anything,
	"message:snapshot":                                                                             anything,
	"message:request.context.integrations.voice_telephony.sip_call_id":                             anything,
	// The business's own number, which an inbound call is answered by.
	"cdr:primary_phone_number": anything,
	// The carrier, the region.
	"cdr:session_initiation_protocol.headers.from_uri":      "host",
	"cdr:session_initiation_protocol.headers.to_uri":        "host",
	"outbound:session_initiation_protocol.headers.from_uri": "host",
	"outbound:session_initiation_protocol.headers.to_uri":   "host",
	// Sets that are open at their source keep unknown words, but no number.
	"cdr:call.end_reason": words,
	"cdr:assistant_interaction_summaries[].turns[].request.type":         words,
	"cdr:assistant_interaction_summaries[].turns[].response[].type":      words,
	"outbound:call.end_reason":                                           words,
	"outbound:assistant_interaction_summaries[].turns[].request.type":    words,
	"outbound:assistant_interaction_summaries[].turns[].response[].type": words,
	// The platform's own prose, scrubbed.
	"cdr:failure_details": words,
	// Names from the platform's and the builder's side.
	"cdr:realtime_transport_network_summary.inbound_stream.tool_name":  anything,
	"cdr:realtime_transport_network_summary.outbound_stream.tool_name": anything,
	"message:language": anything,
	"message:request.context.integrations.channel.name":                anything,
	"message:response.output.debug.turn_events[].callout.llm.model_id": anything,
	"message:response.output.debug.turn_events[].source.action_title":  anything,
	"message:response.output.generic[].response_type":                  anything,
	"message:response.output.intents[].intent":                         anything,
}

// Forms of canaries, see canaries.
const (
	anything = "number sentence word"
	words    = "sentence word"
)

// plant is one body with one canary in it.
type plant struct {
	path   string // kind of event and JSON path, elements of lists as []
	form   string // "word", "number", …
	canary string
	body   []byte
}

// planted gives every string of a body a canary, one body for each.
func planted(t testing.TB, file string, next func() int) []plant {
	t.Helper()
	raw, err := webhooks.Bodies.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	kind := "message"
	switch {
	case strings.HasPrefix(file, "outbound"):
		kind = "outbound"
	case strings.Contains(file, ".cdr."):
		kind = "cdr"
	}
	var plants []plant
	for _, leaf := range leaves(t, raw) {
		for form, value := range canaries(leaf.value) {
			n := next()
			canary := fmt.Sprintf("canary%06d", n)
			if strings.Contains(value, "#") {
				canary = fmt.Sprintf("555%07d", n)
			}
			body := decodeJSON(t, raw)
			renumber(body, n)
			replace(body, leaf.steps, strings.NewReplacer("*", canary, "#", canary).Replace(value))
			plants = append(plants, plant{path: kind + ":" + leaf.path, form: form, canary: canary, body: []byte(encoded(t, body))})
		}
	}
	return plants
}

// canaries are the forms in which a field is tried: * stands for a word, # for the
// digits of a number.
func canaries(value string) map[string]string {
	switch {
	case strings.HasPrefix(value, "sip:"):
		return map[string]string{"word": "sip:*@pstn.example.net", "number": "sip:+1#@pstn.example.net", "host": "sip:+15550000000@*.example.net"}
	case strings.HasPrefix(value, "CWS"):
		code, _, _ := strings.Cut(value, ":")
		return map[string]string{
			"header":        code + `: it failed, response headers = {"x-customer":"*"}`,
			"body":          code + `: it failed, response body = {"name":"*"}`,
			"number":        code + ": it failed for +1#",
			"address":       code + ": it failed for sip:*@example.net",
			"authorization": code + ": it failed, Authorization: Bearer *",
		}
	}
	return map[string]string{"word": "*", "number": "+1#", "sentence": "my name is * and I live here"}
}

type leaf struct {
	path  string
	steps []any
	value string
}

// leaves are the strings of the payload, but for timestamps.
func leaves(t testing.TB, raw []byte) []leaf {
	t.Helper()
	var found []leaf
	var walk func(v any, path string, steps []any)
	walk = func(v any, path string, steps []any) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key], strings.TrimPrefix(path+"."+key, "."), append(slices.Clone(steps), key))
			}
		case []any:
			for i := range v {
				walk(v[i], path+"[]", append(slices.Clone(steps), i))
			}
		case string:
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				found = append(found, leaf{path, steps, v})
			}
		}
	}
	walk(decodeJSON(t, raw)["payload"], "", []any{"payload"})
	return found
}

func decodeJSON(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func replace(v any, steps []any, with string) {
	for _, step := range steps[:len(steps)-1] {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	switch step := steps[len(steps)-1].(type) {
	case string:
		v.(map[string]any)[step] = with
	case int:
		v.([]any)[step] = with
	}
}

// renumber gives the body ids of its own.
func renumber(v any, n int) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if id, ok := inner.(string); ok && slices.Contains([]string{"global_session_id", "session_id", "log_id", "call_id", "sip_call_id"}, key) {
				v[key] = fmt.Sprintf("%s-v%d", id, n)
				continue
			}
			renumber(inner, n)
		}
	case []any:
		for _, inner := range v {
			renumber(inner, n)
		}
	}
}

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

// atMost keeps so many of each field and form: a field of a turn is in all turns.
func atMost(n int, plants []plant) []plant {
	tried := map[string]int{}
	return slices.DeleteFunc(plants, func(p plant) bool {
		tried[p.path+p.form]++
		return tried[p.path+p.form] > n
	})
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

// plantsIn are those of the sample bodies that match.
func plantsIn(t testing.TB, pattern string) []plant {
	t.Helper()
	files, err := fs.Glob(webhooks.Bodies, pattern)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var plants []plant
	for _, file := range files {
		if !strings.HasPrefix(file, "message_") { // those are answered, not kept
			plants = append(plants, planted(t, file, func() int { n++; return n })...)
		}
	}
	return plants
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
	for _, page := range []string{"/", "/metrics", "/readyz", "/healthz"} {
		_, text := get(t, "http://"+s.AdminAddr()+page)
		fmt.Fprintln(out, text)
	}
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

var canaryPattern = regexp.MustCompile(`canary\d{6}|555\d{7}`)

func found(t *testing.T, plants []plant, out string) map[string]string {
	t.Helper()
	seen := map[string]bool{}
	for _, canary := range canaryPattern.FindAllString(out, -1) {
		seen[canary] = true
	}
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
