package delivery

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/internal/otlptest"
)

func logRequest(t *testing.T, names ...string) []byte {
	t.Helper()
	records := make([]*logspb.LogRecord, len(names))
	for n, name := range names {
		records[n] = &logspb.LogRecord{EventName: name}
	}
	b, err := proto.Marshal(&collogspb.ExportLogsServiceRequest{
		ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEachSignalGoesToItsOwnServiceByteForByte(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	body := logRequest(t, "wxa.message", "wxa.warning")
	for _, signal := range []string{SignalTraces, SignalLogs, SignalMetrics} {
		for protocol, endpoint := range map[string]string{ProtocolGRPC: r.GRPCEndpoint(), ProtocolHTTP: r.HTTPEndpoint()} {
			variables := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
			s, err := SettingsFromEnv(signal, env(variables))
			if err != nil {
				t.Fatal(err)
			}
			c, err := NewClient(signal, s)
			if err != nil {
				t.Fatal(err)
			}
			sent := body
			if signal != SignalLogs { // a request of an unknown shape would not be decoded there
				sent = nil
			}
			before := r.Count()
			if got := c.Send(t.Context(), sent); classOf(got, 1) != taken {
				t.Errorf("%s over %s: %+v", signal, protocol, got)
			}
			if q := r.Requests()[before]; q.Signal != signal || q.Protocol != protocol || !bytes.Equal(q.Body, sent) {
				t.Errorf("%s over %s arrived as %s, %s with %d bytes", signal, protocol, q.Signal, q.Protocol, len(q.Body))
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	names := []string{}
	for _, record := range r.LogRecords() {
		names = append(names, record.GetEventName())
	}
	if diff := cmp.Diff([]string{"wxa.message", "wxa.warning", "wxa.message", "wxa.warning"}, names); diff != "" {
		t.Error(diff)
	}
}

// A receiver may answer in JSON, where the field has another name for each signal.
func TestWhatAnAnswerInJSONRejectedIsCountedForEachSignal(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	for signal, field := range map[string]string{
		SignalTraces: "rejectedSpans", SignalLogs: "rejectedLogRecords", SignalMetrics: "rejectedDataPoints",
	} {
		r.SetSignalAnswer(signal, &otlptest.Answer{
			Header: map[string]string{"Content-Type": "application/json"},
			Body:   []byte(`{"partialSuccess":{"` + field + `":"3","errorMessage":"too old","later":1}}`),
		})
		c, err := NewClient(signal, Settings{Endpoint: r.HTTPEndpoint() + "/v1/" + signal})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&Partial{Rejected: 3, Message: "too old"}, c.Send(t.Context(), nil).Partial); diff != "" {
			t.Errorf("%s: %s", signal, diff)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheConsolePrintsEachSignalAsOTLPInJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c, err := NewClient(SignalLogs, Settings{Exporter: ExporterConsole, Console: &out})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Send(t.Context(), logRequest(t, "wxa.message")); classOf(got, 1) != taken {
		t.Errorf("%+v", got)
	}
	if line := out.String(); !strings.HasPrefix(line, `{"resourceLogs":[`) || !strings.Contains(line, `"eventName":"wxa.message"`) || strings.Count(line, "\n") != 1 {
		t.Errorf("printed %q", line)
	}
}

func TestASignalThatOTLPDoesNotHaveIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := NewClient("profiles", Settings{}); err == nil || !strings.Contains(err.Error(), `"profiles"`) {
		t.Errorf("got %v", err)
	}
}
