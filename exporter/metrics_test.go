package exporter_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/grpc/codes"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
	samples "cdr2otel/internal/sample"
)

// scraped is one scrape of the admin listener.
type scraped map[string]*dto.MetricFamily

func (s *sidecar) scrape(t testing.TB) scraped {
	t.Helper()
	resp, err := http.Get("http://" + s.AdminAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// sum adds the series of a metric that have these labels, "name=value" each: the
// values of counters and gauges, the counts of histograms. There must be one.
func (s scraped) sum(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	total, found := s.find(name, labels)
	if !found {
		t.Errorf("no series of %s has %v", name, labels)
	}
	return total
}

func (s scraped) find(name string, labels []string) (total float64, found bool) {
	for _, m := range s[name].GetMetric() {
		if !has(m, labels) {
			continue
		}
		found = true
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return total, found
}

func has(m *dto.Metric, labels []string) bool {
	for _, want := range labels {
		found := false
		for _, l := range m.GetLabel() {
			found = found || l.GetName()+"="+l.GetValue() == want
		}
		if !found {
			return false
		}
	}
	return true
}

// recentCall is a sample call that ends now.
func recentCall(t testing.TB, name string) [][]byte {
	t.Helper()
	bodies, err := samples.EndingAt(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return bodies
}

func TestMetricsOfACallAreTheSameByScrapeAndByOTLPAndTheirExemplarsNameItsSpans(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{otlptest.ProtocolGRPC, otlptest.ProtocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.New(t, otlptest.Options{})
			endpoint := receiver.GRPCEndpoint()
			if protocol == otlptest.ProtocolHTTP {
				endpoint = receiver.HTTPEndpoint()
			}
			s := start(t, configuration(t.TempDir()), exporter.Options{Version: version, Getenv: environment(map[string]string{
				"OTEL_METRICS_EXPORTER":       "otlp",
				"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
				"OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
			})})
			for _, body := range recentCall(t, "speech_call") {
				s.accepted(t, body)
			}
			awaitRequests(t, receiver, 1)
			page := s.measured(t, 1)
			for metric, want := range map[string]float64{
				"wxa_calls_total": 1, "wxa_call_duration_seconds": 1, "wxa_turns_total": 6, "wxa_turn_response_duration_seconds": 5,
				"wxa_assistant_response_duration_seconds": 5, "wxa_assistant_processing_duration_seconds": 6, "wxa_messages_total": 6,
				"wxa_stt_response_duration_seconds": 2, "wxa_tts_response_duration_seconds": 4, "wxa_rtp_packets_lost_total": 27,
				"wxa_rtp_jitter_avg_seconds": 2, "wxa_rtp_packet_loss_ratio": 2, "wxa_barge_ins_total": 1, "wxa_warnings_total": 2,
			} {
				if got := page.sum(t, metric, "wxa_source=default"); got != want {
					t.Errorf("%s is %v, want %v", metric, got, want)
				}
			}
			if err := s.stop(); err != nil { // pushes
				t.Fatal(err)
			}
			pushed := lastMetrics(t, receiver, protocol)
			checkPushed(t, page, pushed)
			checkExemplars(t, receiver, pushed)
		})
	}
}

// lastMetrics are the metrics of the last push, by name.
func lastMetrics(t *testing.T, receiver *otlptest.Receiver, protocol string) map[string]*metricspb.Metric {
	t.Helper()
	last := map[string]*metricspb.Metric{}
	for _, q := range receiver.Requests() {
		for _, r := range q.Metrics.GetResourceMetrics() {
			if q.Protocol != protocol {
				t.Errorf("metrics came over %s", q.Protocol)
			}
			for _, scope := range r.ScopeMetrics {
				for _, m := range scope.Metrics {
					last[m.Name] = m
				}
			}
		}
	}
	return last
}

// checkPushed wants each call metric of the scrape among those pushed, with as
// many series.
func checkPushed(t *testing.T, page scraped, pushed map[string]*metricspb.Metric) {
	t.Helper()
	for otlp, prometheus := range map[string]string{
		"wxa.calls": "wxa_calls_total", "wxa.turn.response.duration": "wxa_turn_response_duration_seconds",
		"wxa.rtp.jitter.avg": "wxa_rtp_jitter_avg_seconds", "wxa.messages": "wxa_messages_total",
	} {
		points := len(pushed[otlp].GetSum().GetDataPoints()) + len(pushed[otlp].GetHistogram().GetDataPoints())
		if want := len(page[prometheus].GetMetric()); points != want || want == 0 {
			t.Errorf("%s was pushed with %d series, %s is scraped with %d", otlp, points, prometheus, want)
		}
	}
}

// checkExemplars wants every exemplar of a duration to name a span that was
// exported, of the kind that was measured.
func checkExemplars(t *testing.T, receiver *otlptest.Receiver, pushed map[string]*metricspb.Metric) {
	t.Helper()
	names := map[string]string{}
	for _, span := range receiver.Spans() {
		names[hex.EncodeToString(span.TraceId)+"/"+hex.EncodeToString(span.SpanId)] = span.Name
	}
	for metric, prefix := range map[string]string{
		"wxa.call.duration": "call inbound", "wxa.turn.response.duration": "turn ", "wxa.assistant.response.duration": "invoke_agent",
		"wxa.assistant.processing.duration": "invoke_agent", "wxa.stt.response.duration": "speech_to_text", "wxa.tts.response.duration": "text_to_speech",
	} {
		count := 0
		for _, point := range pushed[metric].GetHistogram().GetDataPoints() {
			for _, e := range point.Exemplars {
				count++
				if name := names[hex.EncodeToString(e.TraceId)+"/"+hex.EncodeToString(e.SpanId)]; !strings.HasPrefix(name, prefix) {
					t.Errorf("an exemplar of %s names the span %q, want one named %s…", metric, name, prefix)
				}
			}
		}
		if count == 0 {
			t.Errorf("%s has no exemplar", metric)
		}
	}
}

func TestAScrapeThatAsksForOpenMetricsGetsExemplars(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	for _, body := range recentCall(t, "dtmf_call") {
		s.accepted(t, body)
	}
	s.measured(t, 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.AdminAddr()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	// The order of an exemplar's labels means nothing.
	const ids = `(span_id="356d6e49b404ee21",trace_id="4eae7c9761713ed777ee4e9598579fac"|trace_id="4eae7c9761713ed777ee4e9598579fac",span_id="356d6e49b404ee21")`
	if !regexp.MustCompile(`(?m)^wxa_call_duration_seconds_bucket\{.*le="30.0"\} 1 # \{` + ids + `\} 17\.784 `).Match(text) {
		t.Error("the call's duration has no exemplar that names its span")
	}
}

func TestACallIsMeasuredWhateverBecomesOfItsTrace(t *testing.T) {
	t.Parallel()
	refused := otlptest.New(t, otlptest.Options{Answer: refusingTheFirst(otlptest.Answer{Code: codes.InvalidArgument})})
	down := otlptest.New(t, otlptest.Options{})
	down.SetDown(true)
	for name, c := range map[string]struct {
		opts  exporter.Options
		state string
	}{
		"refused by the back end":       {overriding(refused, otlptest.ProtocolGRPC), "dead"},
		"waiting for the back end":      {overriding(down, otlptest.ProtocolGRPC), "pending"},
		"not exported by configuration": {exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})}, "exported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, configuration(t.TempDir()), c.opts)
			for _, body := range recentCall(t, "dtmf_call") {
				s.accepted(t, body)
			}
			if got := s.measured(t, 1).sum(t, "wxa_calls_total"); got != 1 {
				t.Errorf("wxa_calls_total is %v, want 1", got)
			}
			if c.state == "dead" { // by another call that goes through
				s.accepted(t, sample(t, "failed_without_turns.cdr.json"))
			}
			s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events[c.state] == 4 })
		})
	}
}

// measured returns a scrape after that many calls were measured to the end: the
// arrival of their CDRs is the last of it.
func (s *sidecar) measured(t testing.TB, calls float64) scraped {
	t.Helper()
	return s.await(t, "wxa_exporter_cdr_arrival_delay_seconds", calls)
}

// await returns a scrape once the metric's series add up to n: the next one, since a
// scrape collects one metric after the other while others go on.
func (s *sidecar) await(t testing.TB, name string, n float64, labels ...string) scraped {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		got, _ := s.scrape(t).find(name, labels)
		if got == n {
			return s.scrape(t)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s%v is %v, want %v", name, labels, got, n)
		}
	}
}

func TestACallThatEndedLongAgoIsCountedAsSkippedAndNotMeasured(t *testing.T) {
	t.Parallel()
	off := exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})}
	cfg := withSource(configuration(t.TempDir()), func(s *config.Source) { s.Messages = config.MessagesNone })
	s := start(t, cfg, off)
	s.accepted(t, sample(t, "dtmf_call.cdr.json")) // of the year 2024
	page := s.measured(t, 1)
	if got := page.sum(t, "wxa_exporter_call_metrics_skipped_total"); got != 1 {
		t.Errorf("%v calls are skipped, want 1", got)
	}
	if got := page.sum(t, "wxa_calls_total"); got != 0 {
		t.Errorf("wxa_calls_total is %v, want 0", got)
	}

	cfg = withSource(configuration(t.TempDir()), func(s *config.Source) { s.Messages = config.MessagesNone })
	cfg.Metrics.MaxAge = 50 * 365 * 24 * time.Hour
	s = start(t, cfg, off)
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	page = s.measured(t, 1)
	if got := page.sum(t, "wxa_calls_total"); got != 1 {
		t.Errorf("wxa_calls_total is %v, want 1", got)
	}
	if got := page.sum(t, "wxa_exporter_call_metrics_skipped_total"); got != 0 {
		t.Errorf("%v calls are skipped, want none", got)
	}
}

func TestCustomDataIsALabelOnlyWhenTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	cfg := withSource(configuration(t.TempDir()), func(s *config.Source) { s.Messages = config.MessagesNone })
	cfg.Mapping.CustomData = []config.CustomData{
		{Key: "/queue", Attribute: "wxa.custom.queue", Metric: true},
		{Key: "/reservation_complete", Attribute: "wxa.custom.reserved"},
	}
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	s.accepted(t, recentCall(t, "speech_call")[0])
	page := s.measured(t, 1)
	if got := page.sum(t, "wxa_calls_total", "wxa_custom_queue=billing"); got != 1 {
		t.Errorf("%v calls have the label, want 1", got)
	}
	for _, m := range page["wxa_calls_total"].GetMetric() {
		if has(m, []string{"wxa_custom_reserved=true"}) {
			t.Error("custom data that is no label became one")
		}
	}
}

func TestAMessageIsMeasuredWhenItIsAcceptedAndOnce(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	message := recentCall(t, "dtmf_call")[1]
	s.accepted(t, message)
	s.accepted(t, message)
	page := s.scrape(t)
	for metric, want := range map[string]float64{
		"wxa_messages_total": 1, "wxa_assistant_processing_duration_seconds": 1, "wxa_exporter_calls_open": 1, "wxa_calls_total": 0,
	} {
		if got := page.sum(t, metric); got != want {
			t.Errorf("%s is %v, want %v", metric, got, want)
		}
	}
	if got := page.sum(t, "wxa_exporter_events_total", "wxa_event_name=message_logged", "wxa_outcome=duplicate"); got != 1 {
		t.Errorf("%v duplicates are counted, want 1", got)
	}
}
