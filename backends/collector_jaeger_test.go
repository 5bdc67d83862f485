package backends

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// quickGrace exports calls soon whose message logs never come.
const quickGrace = "correlation: {grace: 500ms}"

// tracesOverGRPC and tracesOverHTTP are the OTEL_ variables of a sidecar that
// sends no metrics.
func tracesOverGRPC(url string) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_METRICS_EXPORTER=none"}
}

func tracesOverHTTP(url string) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_METRICS_EXPORTER=none"}
}

// checkTrace compares what Jaeger has with what a call must become.
func checkTrace(t testing.TB, j *jaegerServer, want call) {
	t.Helper()
	got := j.trace(t, want.TraceID, len(want.Spans))
	if !slices.Equal(got.ids(), want.Spans) {
		t.Errorf("trace %s has the spans %v, not %v", want.TraceID, got.ids(), want.Spans)
	}
	for _, complaint := range got.complaints() {
		t.Errorf("trace %s: %s", want.TraceID, complaint)
	}
}

func TestJaegerShowsEveryCallWithoutAWarning(t *testing.T) {
	t.Parallel()
	j := startJaeger(t, jaegerOptions{})
	bodies := sampleBodies(t)
	calls := expectedCalls(t, bodies...)
	e := startExporter(t, exporterOptions{Env: tracesOverGRPC(j.GRPC), Config: quickGrace})
	e.post(t, bodies...)
	e.awaitExported(t, len(bodies))
	for _, want := range calls {
		checkTrace(t, j, want)
		confirmed(t, "Jaeger returns trace %s by id: its %d spans and no other, each parent there, no warning", want.TraceID, len(want.Spans))
	}

	for _, want := range calls {
		for _, attribute := range []string{"wxa.call.id", "wxa.sip.call_id"} {
			value := want.Root[attribute]
			if value == "" {
				continue
			}
			if found := j.search(t, want.Service, map[string]string{attribute: value}); !slices.Equal(found, []string{want.TraceID}) {
				t.Errorf("search for %s=%s finds %v, not %s", attribute, value, found, want.TraceID)
			}
		}
	}
	// Jaeger wants all that is searched on one span: the root has agent and session.
	asked := 0
	for _, want := range calls {
		all := map[string]string{"wxa.call.result": want.Root["wxa.call.result"]}
		for _, attribute := range []string{"gen_ai.agent.id", "gen_ai.conversation.id"} {
			if value := want.Root[attribute]; value != "" {
				all[attribute] = value
			}
		}
		if len(all) < 3 {
			continue
		}
		asked++
		if found := j.search(t, want.Service, all); !slices.Contains(found, want.TraceID) {
			t.Errorf("search for %v finds %v, not %s", all, found, want.TraceID)
		}
	}
	if asked < 2 {
		t.Errorf("%d calls name agent and session on their root", asked)
	}
	confirmed(t, "Jaeger finds %d calls by result, agent and session at once", asked)
	byResult := map[string][]string{}
	for _, want := range calls {
		result := want.Root["wxa.call.result"]
		byResult[result] = append(byResult[result], want.TraceID)
	}
	for _, result := range []string{"completed", "transferred", "failed"} {
		want := slices.Sorted(slices.Values(byResult[result]))
		found := j.search(t, calls[0].Service, map[string]string{"wxa.call.result": result})
		if len(want) == 0 || !slices.Equal(found, want) {
			t.Errorf("search for wxa.call.result=%s finds %v, not %v", result, found, want)
			continue
		}
		confirmed(t, "Jaeger finds the %d calls of service %s with wxa.call.result=%s by search, and no other", len(want), calls[0].Service, result)
	}
}

// relay passes OTLP/HTTP requests on and remembers them.
type relay struct {
	*httptest.Server
	mu sync.Mutex // guards what follows
	// requests are the bodies that were passed on.
	requests []recordedRequest
	// taken is called when the back end has a request and the sender has no answer
	// yet; nil after the first time.
	taken func()
}

type recordedRequest struct {
	header http.Header
	body   []byte
}

func newRelay(t testing.TB, to string) *relay {
	r := &relay{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		recorded := recordedRequest{q.Header.Clone(), body}
		status, answer, err := recorded.send(q, to+q.URL.Path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		r.mu.Lock()
		taken := r.taken
		r.taken = nil
		r.requests = append(r.requests, recorded)
		r.mu.Unlock()
		if taken != nil {
			taken()
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.WriteHeader(status)
		_, _ = w.Write(answer) // the sender may be gone, which is the point
	}))
	t.Cleanup(r.Close)
	return r
}

// send sends a request as it was recorded.
func (r recordedRequest) send(q *http.Request, url string) (int, []byte, error) {
	request, err := http.NewRequestWithContext(q.Context(), http.MethodPost, url, bytes.NewReader(r.body))
	if err != nil {
		return 0, nil, err
	}
	for _, name := range []string{"Content-Type", "Content-Encoding"} {
		request.Header.Set(name, r.header.Get(name))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

func TestJaegerShowsEachSpanOnceWhenACallIsSentAgain(t *testing.T) {
	t.Parallel()
	j := startJaeger(t, jaegerOptions{})
	bodies := sampleCall(t, "speech_call")
	want := expectedCalls(t, bodies...)[0]
	r := newRelay(t, j.HTTP)
	e := startExporter(t, exporterOptions{Env: tracesOverHTTP(r.URL)})

	// Jaeger has the call, and the exporter dies before it knows.
	r.mu.Lock()
	r.taken = e.kill
	r.mu.Unlock()
	e.post(t, bodies...)
	<-e.done
	checkTrace(t, j, want)

	e = e.again(t)
	e.awaitExported(t, len(bodies))
	r.mu.Lock()
	requests := slices.Clone(r.requests)
	r.mu.Unlock()
	if len(requests) != 2 || !bytes.Equal(requests[0].body, requests[1].body) {
		t.Fatalf("%d requests reached Jaeger, not twice the same bytes", len(requests))
	}
	checkTrace(t, j, want)
	confirmed(t, "an exporter that is killed between send and answer sends the same %d bytes after its restart, and Jaeger still shows %d spans without a warning", len(requests[1].body), len(want.Spans))

	// The platform posts the call once more.
	e.post(t, bodies...)
	again, err := http.NewRequestWithContext(t.Context(), http.MethodPost, j.HTTP, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer, err := requests[0].send(again, j.HTTP+"/v1/traces"); err != nil || status != http.StatusOK {
		t.Fatalf("sending the recorded request again: status %d %s, %v", status, answer, err)
	}
	checkTrace(t, j, want)
	confirmed(t, "the same request once more by hand changes nothing: %d spans", len(want.Spans))

	// What the above must not be: the same spans of another resource are others to
	// Jaeger, which says so.
	changed := bytes.Replace(convert(t, bodies...), []byte(`"watsonx-assistant"`), []byte(`"another-service"`), 1)
	if _, err := post(t.Context(), j.HTTP+"/v1/traces", "application/json", changed); err != nil {
		t.Fatal(err)
	}
	doubled := j.trace(t, want.TraceID, len(want.Spans)+1)
	if len(doubled.Spans) != 2*len(want.Spans) {
		t.Errorf("with another resource Jaeger shows %d spans, not %d", len(doubled.Spans), 2*len(want.Spans))
	}
	confirmed(t, "with another resource the same spans would show twice (%d)", len(doubled.Spans))
}
