package backends

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/sample"
)

// What the sample calls are known by.
const (
	speechSession = "c0a7a5a2-5c39-4f0e-9a3d-0a4c3d0f8b11"
	speechTrace   = "556237ee1b186c6e0badf1f12e8c24c7"
	dtmfTrace     = "4eae7c9761713ed777ee4e9598579fac"
	dtmfSession   = "7874ec3a-1330-4180-afe1-46bfb220af5b"
	transferTrace = "72a1a4b57603b29049ac267e17e0da59"
	// speechWords are said in the call, and speechNumber called it.
	speechWords, speechNumber = "uh one two three", "15555550100"
)

// kept are the options of a sidecar that shows what was said.
var kept = exporterOptions{Store: "keep_bodies: 1h", Config: "mapping: {content: true}"}

// site is a sidecar with its pages, and the receiver that it exports to.
type site struct {
	*exporterProcess
	receiver *otlptest.Receiver
}

// startSite runs a sidecar that waits for nothing long.
func startSite(t testing.TB, o exporterOptions) *site {
	t.Helper()
	browserPath(t) // first: the rest takes time
	receiver := otlptest.New(t, otlptest.Options{})
	o.Config = "correlation: {grace: 1s, chat_idle: 1s}\n" + o.Config
	o.Env = append(o.Env,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.GRPCEndpoint(),
		"OTEL_EXPORTER_OTLP_PROTOCOL="+otlptest.ProtocolGRPC,
		"OTEL_METRICS_EXPORTER=none",
	)
	return &site{receiver: receiver, exporterProcess: startExporter(t, o)}
}

// awaitState returns once n events have come to that end since the store is new.
func (s *site) awaitState(t testing.TB, state string, n int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d events are %s", n, state), func(ctx context.Context) error {
		r, err := s.readiness(ctx)
		if err == nil && r.Events[state] < n {
			err = fmt.Errorf("events %v, delivery %v", r.Events, r.Delivery)
		}
		return err
	})
}

// awaitRejected returns once the receiver has refused something. What is posted after it
// goes through after that refusal, which is what makes the refused call a dead letter.
func (s *site) awaitRejected(t testing.TB) {
	t.Helper()
	eventually(t, "the receiver refuses a call", func(context.Context) error {
		if slices.ContainsFunc(s.receiver.Requests(), func(r otlptest.Request) bool { return !r.Accepted() }) {
			return nil
		}
		return errors.New("it refused none")
	})
}

// refuse lets the receiver refuse the trace for good until it is called with "".
func (s *site) refuse(trace string) {
	if trace == "" {
		s.receiver.SetAnswer(nil)
		return
	}
	s.receiver.SetAnswer(func(_ int, request *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		for _, span := range (otlptest.Request{Traces: request}).Spans() {
			if fmt.Sprintf("%x", span.GetTraceId()) == trace {
				return otlptest.Answer{Code: codes.InvalidArgument, Message: "attribute wxa.call.result is not allowed here"}
			}
		}
		return otlptest.Answer{}
	})
}

// spans are those of a trace that the receiver accepted, by their ids.
func (s *site) spans(trace string) map[string]*tracepb.Span {
	spans := map[string]*tracepb.Span{}
	for _, span := range s.receiver.Spans() {
		if fmt.Sprintf("%x", span.GetTraceId()) == trace {
			spans[fmt.Sprintf("%x", span.GetSpanId())] = span
		}
	}
	return spans
}

// postRefused posts a webhook that is not authentic.
func (s *site) postRefused(t testing.TB) {
	t.Helper()
	forger := s.Client
	forger.Secret = "not the secret"
	if status, _, err := forger.Post(t.Context(), sampleCall(t, "transfer")[0]); err != nil || status != http.StatusUnauthorized {
		t.Fatalf("a forged webhook: status %d, error %v", status, err)
	}
}

// busySite is a sidecar to which everything has happened that pages show: calls
// of every kind, a web chat, a duplicate, a forgery, an event that can't be
// mapped, a refused call, a call whose record has not come, a late message, and
// in the end a receiver that is down with a call that waits for it.
func busySite(t testing.TB, o exporterOptions) *site {
	t.Helper()
	s := startSite(t, o)
	s.refuse(transferTrace)
	s.post(t, sampleCall(t, "transfer")...)
	s.awaitRejected(t)
	s.post(t, sampleCall(t, "speech_call")...)
	dtmf := sampleCall(t, "dtmf_call")
	late := dtmf[len(dtmf)-1]
	s.post(t, dtmf[:len(dtmf)-1]...)
	s.post(t, dtmf[0]) // again
	s.post(t, sampleCall(t, "outbound_without_rtcp")...)
	chat, err := sample.Chat(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.post(t, chat...)
	s.postRefused(t)
	s.post(t, []byte(`{"event":{"name":"alien_event"},"payload":{}}`))
	s.awaitState(t, "exported", 7+3+1+2)
	s.awaitState(t, "dead", 2)
	s.post(t, late)
	s.awaitState(t, "exported", 7+3+1+2+1)
	s.post(t, under("open", sampleCall(t, "speech_call")[1])...)
	s.receiver.SetDown(true)
	s.post(t, sampleCall(t, "failed_without_turns")...)
	eventually(t, "the receiver is missed", func(ctx context.Context) error {
		r, err := s.readiness(ctx)
		if err == nil && !strings.HasPrefix(r.Delivery["traces"], "held") {
			err = fmt.Errorf("delivery %v", r.Delivery)
		}
		return err
	})
	return s
}

var (
	uuid      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	sipCallID = regexp.MustCompile(`"[^"@]+(@[0-9.]+")`)
)

// under are bodies of a call as those of another one: every id is another one.
func under(name string, bodies ...[]byte) [][]byte {
	changed := make([][]byte, len(bodies))
	for i, body := range bodies {
		body = uuid.ReplaceAllFunc(body, func(id []byte) []byte {
			h := digest(name + string(id))
			return fmt.Appendf(nil, "%s-%s-4%s-8%s-%s", h[:8], h[8:12], h[13:16], h[17:20], h[20:32])
		})
		changed[i] = sipCallID.ReplaceAll(body, []byte(`"`+digest(name)[:12]+`$1`))
	}
	return changed
}

// withSession is a message as that of another session.
func withSession(t testing.TB, body []byte, session string) []byte {
	t.Helper()
	return bytes.ReplaceAll(under(session, body)[0], fmt.Appendf(nil, "%q", under(session, []byte(speechSession))[0]), []byte(quoted(t, session)))
}
