package otlptest_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"cdr2otel/internal/otlptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func resourceSpans(name string) []*tracepb.ResourceSpans {
	return []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{Name: name}}}}}}
}

func TestStockClientsOfBothProtocolsAreReceived(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})

	overGRPC := otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(r.GRPCEndpoint()), otlptracegrpc.WithCompressor("gzip"),
		otlptracegrpc.WithHeaders(map[string]string{"x-tenant": "grpc"}))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	overHTTP := otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(r.HTTPEndpoint()+"/v1/traces"), otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: transport}),
		otlptracehttp.WithHeaders(map[string]string{"x-tenant": "http"}))
	ctx := t.Context()
	if err := overGRPC.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := overGRPC.UploadTraces(ctx, resourceSpans("one")); err != nil {
		t.Fatal(err)
	}
	if err := overHTTP.UploadTraces(ctx, resourceSpans("two")); err != nil {
		t.Fatal(err)
	}
	if err := overGRPC.Stop(ctx); err != nil {
		t.Fatal(err)
	}

	if err := r.Wait(ctx, func(q []otlptest.Request) bool { return len(q) == 2 }); err != nil {
		t.Fatal(err)
	}
	var got [][3]string
	for n, q := range r.Requests() {
		got = append(got, [3]string{q.Protocol, q.Header["x-tenant"][0], r.Spans()[n].GetName()})
		want, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: resourceSpans(r.Spans()[n].GetName())})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(q.Body, want) {
			t.Errorf("request %d: body %x, want %x", n, q.Body, want)
		}
	}
	want := [][3]string{{otlptest.ProtocolGRPC, "grpc", "one"}, {otlptest.ProtocolHTTP, "http", "two"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnswersFollowTheScriptAndRefusedSpansAreNotCounted(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	retry := 7 * time.Second
	r.SetAnswer(func(int, *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		return otlptest.Answer{Code: codes.Unavailable, Retry: &retry}
	})

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Post(r.HTTPEndpoint()+"/v1/traces", "application/x-protobuf", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "7" {
		t.Errorf("answer %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	if n := len(r.Requests()); n != 1 || r.Requests()[0].Accepted() || len(r.Spans()) != 0 {
		t.Errorf("%d requests, %d spans accepted; want one request, refused", n, len(r.Spans()))
	}
}

func TestReceiverThatIsDownResetsConnectionsUntilItIsUpAgain(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	r.SetDown(true)
	if res, err := client.Post(r.HTTPEndpoint()+"/v1/traces", "application/x-protobuf", http.NoBody); err == nil {
		t.Errorf("answered %s while down", res.Status)
	}
	r.SetDown(false)
	res, err := client.Post(r.HTTPEndpoint()+"/v1/traces", "application/x-protobuf", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if r.Count() != 1 {
		t.Errorf("%d requests, want 1", r.Count())
	}
}
