package delivery

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"cdr2otel/internal/otlptest"
)

// protocols to run a test with, each in parallel.
func protocols(t *testing.T, test func(t *testing.T, protocol string)) {
	for _, p := range []string{ProtocolGRPC, ProtocolHTTP} {
		t.Run(p, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

func endpoint(r *otlptest.Receiver, protocol string) string {
	if protocol == ProtocolGRPC {
		return r.GRPCEndpoint()
	}
	return r.HTTPEndpoint() + "/v1/traces"
}

// dial makes a client that is closed when the test ends.
func dial(t *testing.T, s Settings) Client {
	t.Helper()
	c, err := NewClient(SignalTraces, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// env is an environment of variables without their prefix.
func env(pairs map[string]string) func(string) string {
	return func(name string) string {
		if v, ok := pairs[name]; ok {
			return v
		}
		return pairs[strings.TrimPrefix(name, "OTEL_EXPORTER_OTLP_")]
	}
}

// fromEnv are the settings of an environment that is right.
func fromEnv(t *testing.T, pairs map[string]string) Settings {
	t.Helper()
	s, err := SettingsFromEnv("traces", env(pairs))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encoded(t *testing.T, names ...string) []byte {
	t.Helper()
	spans := make([]*tracepb.Span, len(names))
	for n, name := range names {
		spans[n] = &tracepb.Span{Name: name}
	}
	b, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{
		ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func answering(a otlptest.Answer) otlptest.AnswerFunc {
	return func(int, *coltracepb.ExportTraceServiceRequest) otlptest.Answer { return a }
}

func TestEveryCodeOfARealServerIsReadAsItIs(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	c := dial(t, Settings{Protocol: ProtocolGRPC, Endpoint: r.GRPCEndpoint()})
	body := encoded(t, "call")
	for code := codes.Code(0); code <= 17; code++ {
		for _, retry := range []*time.Duration{nil, new(time.Duration), new(3 * time.Second)} {
			for _, partial := range []*otlptest.Partial{nil, {}, {Rejected: 2, Message: "no"}, {Message: "careful"}} {
				r.SetAnswer(answering(otlptest.Answer{Code: code, Message: "said so", Retry: retry, Partial: partial}))
				got := c.Send(t.Context(), body)

				want := Answer{Origin: FromGRPC, Code: code}
				if code == codes.OK {
					want.Partial = wantPartial(partial)
				} else {
					want.Detail = code.String() + ": said so"
					want.RetryInfo = retry != nil
					if retry != nil {
						want.RetryAfter = *retry
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%v, %v, %v: %s", code, retry, partial, diff)
				}
				if got, want := classOf(got, 1), wantGRPC(code, want.RetryInfo); got != want {
					t.Errorf("%v, %v, %v: class %d, want %d", code, retry, partial, got, want)
				}
			}
		}
	}
}

func wantPartial(p *otlptest.Partial) *Partial {
	if p == nil || *p == (otlptest.Partial{}) {
		return nil
	}
	return &Partial{Rejected: p.Rejected, Message: p.Message}
}

func TestEveryStatusOfARealServerIsReadAsItIs(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	c := dial(t, Settings{Endpoint: r.HTTPEndpoint() + "/v1/traces"})
	body := encoded(t, "call")
	for status := 200; status < 600; status++ {
		for _, retry := range []*time.Duration{nil, new(3 * time.Second)} {
			for _, partial := range []*otlptest.Partial{nil, {}, {Rejected: 2, Message: "no"}} {
				r.SetAnswer(answering(otlptest.Answer{
					Status: status, Message: "said so", Retry: retry, Partial: partial,
					Header: map[string]string{"Location": "/elsewhere"},
				}))
				got := c.Send(t.Context(), body)

				want := Answer{Origin: FromHTTP, Status: status, RetryInfo: retry != nil}
				if retry != nil {
					want.RetryAfter = *retry
				}
				silent := status == http.StatusNoContent || status == http.StatusNotModified
				if status/100 == 2 && !silent {
					want.Partial = wantPartial(partial)
				}
				if status/100 != 2 {
					want.Detail = got.Detail // the words are net/http's
					if !silent && !strings.HasSuffix(got.Detail, ": said so") {
						t.Errorf("%d: detail %q lacks the message", status, got.Detail)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%d, %v, %v: %s", status, retry, partial, diff)
				}
				if got, want := classOf(got, 1), wantHTTP(status, retry != nil); got != want {
					t.Errorf("%d: class %d, want %d", status, got, want)
				}
			}
		}
	}
}

func TestRetryAfterIsReadAsSecondsAndAsDate(t *testing.T) {
	t.Parallel()
	now := noon
	for value, want := range map[string]time.Duration{
		"7":                             7 * time.Second,
		"0":                             0,
		"Thu, 01 Jan 2026 12:01:30 GMT": 90 * time.Second,
		"Thu, 01 Jan 2026 11:00:00 GMT": 0,
		"99999999999999999999999999":    maxPause,
	} {
		if got, ok := retryAfter(value, now); !ok || got != want {
			t.Errorf("%q: %v, %t, want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "-1", "soon", "1.5"} {
		if _, ok := retryAfter(value, now); ok {
			t.Errorf("%q was read", value)
		}
	}
}

func TestAPartialSuccessInJSONIsRead(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{
		Header: map[string]string{"Content-Type": "application/json; charset=utf-8"},
		Body:   []byte(`{"partialSuccess":{"rejectedSpans":"4","errorMessage":"too old","more":1}}`),
	})})
	got := dial(t, Settings{Endpoint: r.HTTPEndpoint()}).Send(t.Context(), encoded(t, "call"))
	if diff := cmp.Diff(Answer{Origin: FromHTTP, Status: 200, Partial: &Partial{Rejected: 4, Message: "too old"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{Status: status, Header: map[string]string{"Location": "/login"}})})
		got := dial(t, Settings{Endpoint: r.HTTPEndpoint()}).Send(t.Context(), encoded(t, "call"))
		if got.Status != status || r.Count() != 1 {
			t.Errorf("%d: answer %+v after %d requests", status, got, r.Count())
		}
	}
}

func TestACutConnectionIsNoAnswerAndTheNextRequestGoesThrough(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{Answer: func(n int, _ *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
			return otlptest.Answer{Reset: n == 0}
		}})
		c := dial(t, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol)})
		if got := c.Send(t.Context(), encoded(t, "call")); classOf(got, 1) != away {
			t.Errorf("answer %+v, want none", got)
		}
		if got := c.Send(t.Context(), encoded(t, "call")); classOf(got, 1) != taken {
			t.Errorf("answer %+v, want acceptance", got)
		}
	})
}

func TestACredentialThatTheReceiverEchoesIsNotInTheDetail(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		echo := answering(otlptest.Answer{Code: codes.Unauthenticated, Message: "token s3cret-token\nis not 'Bearer s3cret-token'" + strings.Repeat("x", 2000)})
		r := otlptest.New(t, otlptest.Options{Answer: echo})
		s := Settings{Protocol: protocol, Endpoint: endpoint(r, protocol), Headers: map[string]string{"authorization": "Bearer s3cret-token"}}
		got := dial(t, s).Send(t.Context(), encoded(t, "call"))
		if strings.Contains(got.Detail, "s3cret") || strings.Contains(got.Detail, "\n") || len(got.Detail) > detailSize {
			t.Errorf("detail %q", got.Detail)
		}
	})
}

func TestAKeyInTheEndpointIsNotInTheDetail(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	r.SetDown(true)
	got := dial(t, Settings{Endpoint: r.HTTPEndpoint() + "/v1/traces?key=s3cret"}).Send(t.Context(), encoded(t, "call"))
	if classOf(got, 1) != away || strings.Contains(got.Detail, "s3cret") || got.Detail == "" {
		t.Errorf("answer %+v", got)
	}
	r.SetDown(false)
	if got := dial(t, Settings{Endpoint: r.HTTPEndpoint() + "/v1/traces?key=s3cret"}).Send(t.Context(), encoded(t, "call")); classOf(got, 1) != taken {
		t.Errorf("answer %+v", got)
	}
	if path := r.Requests()[0].Path; path != "/v1/traces?key=s3cret" {
		t.Errorf("path %q", path)
	}
}

func TestARequestOverTheReceiversLimitIsTooLarge(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{MaxReceiveSize: smallRequest})
	body := encoded(t, strings.Repeat("x", smallRequest))
	got := dial(t, Settings{Protocol: ProtocolGRPC, Endpoint: r.GRPCEndpoint()}).Send(t.Context(), body)
	if classOf(got, len(body)) != tooLarge {
		t.Errorf("answer %+v", got)
	}
}

func TestTheConsolePrintsOneRequestALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := fromEnv(t, map[string]string{"OTEL_TRACES_EXPORTER": "console"})
	s.Console = &out
	c := dial(t, s)
	for _, name := range []string{"one", "two"} {
		if got := c.Send(t.Context(), encoded(t, name)); classOf(got, 1) != taken {
			t.Errorf("answer %+v", got)
		}
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"name":"one"`) || !strings.Contains(lines[1], `"name":"two"`) {
		t.Errorf("printed %q", lines)
	}
	if got := c.Send(t.Context(), []byte{0xff}); classOf(got, 1) != unencodable {
		t.Errorf("answer %+v to bytes that are no request", got)
	}
}

func TestSettingsThatCanNotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Settings{
		"unknown protocol":            {Protocol: "http/json"},
		"exporter none":               {Exporter: ExporterNone},
		"negative time-out":           {Timeout: -1},
		"HTTP without scheme":         {Endpoint: "localhost:4318"},
		"HTTP without host":           {Endpoint: "http:///v1/traces"},
		"credentials in URL":          {Endpoint: "https://u:p@localhost/v1/traces"},
		"fragment in URL":             {Endpoint: "https://localhost/v1/traces#x"},
		"path of a gRPC URL":          {Protocol: ProtocolGRPC, Endpoint: "https://localhost/otlp"},
		"header with a line break":    {Headers: map[string]string{"a": "b\r\nc: d"}},
		"header without a name":       {Headers: map[string]string{"": "b"}},
		"metadata that gRPC reserves": {Protocol: ProtocolGRPC, Headers: map[string]string{"grpc-timeout": "1S"}},
		"metadata beyond ASCII":       {Protocol: ProtocolGRPC, Headers: map[string]string{"a": "é"}},
	} {
		if c, err := NewClient(SignalTraces, s); err == nil {
			t.Errorf("%s: accepted", name)
			_ = c.Close()
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line: %v", name, err)
		}
	}
}
