package delivery

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"cdr2otel/internal/otlptest"
	"cdr2otel/mapping"
)

// The end of a request.
const (
	acknowledged = "acknowledged"
	split        = "split"
	dead         = "dead"
	held         = "held: " // and the reason
	aside        = "set aside"
)

// ends is what becomes of a request: when each one is answered so, and when only it is and
// others go through.
type ends struct{ all, alone string }

// answerCase is a row of the table, for one protocol.
type answerCase struct {
	protocol string
	answer   otlptest.Answer
	want     ends
}

func encodedResponse(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// answerCases are media types, bodies, statuses and codes; the documents have the same
// rows, in words.
func answerCases(t *testing.T) map[string]answerCase {
	partial := encodedResponse(t, &coltracepb.ExportTraceServiceResponse{PartialSuccess: &coltracepb.ExportTracePartialSuccess{RejectedSpans: 1, ErrorMessage: "too old"}})
	refusal := encodedResponse(t, &rpcstatus.Status{Code: 3, Message: "tenant unknown"})
	yes, no := ends{acknowledged, acknowledged}, ends{held + HeldMisconfigured, aside}
	cases := map[string]answerCase{}
	accepting := func(media, body string, want ends) {
		for _, status := range []int{200, 202, 204} {
			if status == 204 && body != "" { // net/http sends none
				continue
			}
			cases[fmt.Sprintf("%d, %s, %.40q", status, media, body)] = answerCase{ProtocolHTTP, otlptest.Answer{
				Status: status, Header: map[string]string{"Content-Type": media}, Body: []byte(body),
			}, want}
		}
	}
	const protobuf, json = "application/x-protobuf", "application/json"
	for _, media := range []string{protobuf, json, "text/html", "text/plain", "application/octet-stream", ""} {
		accepting(media, "", yes)
	}
	for _, media := range []string{protobuf, "application/protobuf", protobuf + "; charset=utf-8"} {
		accepting(media, string(partial), yes)
		accepting(media, string(partial)+"\x18\x01", yes) // a field of a later version
	}
	for _, body := range []string{string(refusal), "ok", "\xff", "\x18\x01", `{}`, "<html></html>"} {
		accepting(protobuf, body, no)
	}
	for _, body := range []string{
		`{}`, ` {} `, `{"partialSuccess":{}}`, `{"partialSuccess":null}`, `{"partial_success":null}`,
		`{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old","more":1}}`, `{"partialSuccess":{"rejectedSpans":1}}`,
		`{"message":"Trace received successfully.","partialSuccess":{"rejectedSpans":0,"errorMessage":""}}`,
	} {
		accepting(json, body, yes)
		accepting(json+"; charset=utf-8", body, yes)
	}
	for _, body := range []string{
		`{"error":"tenant unknown"}`, `{"status":"ok"}`, `{"code":401,"msg":"unauthorized"}`, `{"partialSuccess":`, `[]`, `"OK"`, `ok`, string(partial),
		`{"partialSuccess":{"rejectedSpans":"many"}}`,
	} {
		accepting(json, body, no)
	}
	for _, media := range []string{"text/plain", "text/html", "application/xhtml+xml", "application/octet-stream", "%"} {
		accepting(media, "ok", no)
		accepting(media, `{}`, no)
		accepting(media, `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><title>Sign in</title></html>`, no)
	}
	accepting(json, `{"partialSuccess":{"errorMessage":"`+strings.Repeat("x", responseSize)+`"}}`, no) // longer than is read

	hold := func(reason string) ends { return ends{held + reason, aside} }
	for status, want := range map[int]ends{
		302: hold(HeldMisconfigured), 404: hold(HeldMisconfigured), 405: hold(HeldMisconfigured), 415: hold(HeldMisconfigured), 501: hold(HeldMisconfigured),
		401: hold(HeldCredentials), 403: hold(HeldCredentials), 407: hold(HeldCredentials),
		408: hold(HeldUnavailable), 502: hold(HeldUnavailable), 503: hold(HeldUnavailable), 504: hold(HeldUnavailable),
		429: hold(HeldThrottled),
		400: {held + HeldMisconfigured, dead}, 422: {held + HeldMisconfigured, dead},
		413: {split, split},
		402: {held + HeldFailing, split}, 409: {held + HeldFailing, split}, 500: {held + HeldFailing, split}, 507: {held + HeldFailing, split},
	} {
		cases[fmt.Sprint(status)] = answerCase{ProtocolHTTP, otlptest.Answer{Status: status, Message: "no", Header: map[string]string{"Location": "/login"}}, want}
	}
	text := func(status int, body string, want ends) {
		cases[fmt.Sprintf("%d %.40s", status, body)] = answerCase{ProtocolHTTP, otlptest.Answer{Status: status, Body: []byte(body), Header: map[string]string{"Content-Type": "text/plain"}}, want}
	}
	text(400, "Client sent an HTTP request to an HTTPS server.", ends{held + HeldMisconfigured, dead})
	text(401, "no org id", hold(HeldCredentials))
	text(400, "http: request body too large", ends{split, split})
	text(500, "grpc: received message larger than max (5000000 vs. 4194304)", ends{split, split})

	for code, want := range map[codes.Code]ends{
		codes.OK: yes, codes.Canceled: hold(HeldUnavailable), codes.Unknown: {held + HeldFailing, split}, codes.InvalidArgument: {held + HeldMisconfigured, dead},
		codes.DeadlineExceeded: hold(HeldUnavailable), codes.NotFound: {held + HeldFailing, split}, codes.AlreadyExists: {held + HeldFailing, split},
		codes.PermissionDenied: hold(HeldCredentials), codes.ResourceExhausted: hold(HeldThrottled), codes.FailedPrecondition: {held + HeldFailing, split},
		codes.Aborted: hold(HeldUnavailable), codes.OutOfRange: hold(HeldUnavailable), codes.Unimplemented: hold(HeldMisconfigured), codes.Internal: {held + HeldFailing, split},
		codes.Unavailable: hold(HeldUnavailable), codes.DataLoss: hold(HeldUnavailable), codes.Unauthenticated: hold(HeldCredentials),
	} {
		cases["gRPC "+code.String()] = answerCase{ProtocolGRPC, otlptest.Answer{Code: code, Message: "no"}, want}
		if code != codes.OK && code != codes.ResourceExhausted {
			cases["gRPC "+code.String()+", too large"] = answerCase{ProtocolGRPC, otlptest.Answer{Code: code, Message: "Error, decoded message length too large: found 9933716 bytes"}, ends{split, split}}
		}
	}
	cases["gRPC ResourceExhausted, a small one, too large"] = answerCase{ProtocolGRPC, otlptest.Answer{Code: codes.ResourceExhausted, Message: "grpc: received message larger than max"}, hold(HeldThrottled)}
	cases["gRPC OK, partial"] = answerCase{ProtocolGRPC, otlptest.Answer{Partial: &otlptest.Partial{Rejected: 1e18, Message: "no"}}, yes}
	return cases
}

// twoSpans is a call that can be split, once.
func twoSpans(t *testing.T, name string) string {
	name += strings.Repeat(".", 100)
	return string(encoded(t, name, name))
}

// quickest are bounds for a table whose rows wait some times each.
var quickest = Backoff{Min: 100 * time.Microsecond, Max: time.Millisecond, Alarm: time.Millisecond}

func TestEachAnswerOfARealServerHasTheEndThatTheTableGivesIt(t *testing.T) {
	t.Parallel()
	for name, c := range answerCases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := otlptest.New(t, otlptest.Options{})
			if got := endOf(t, r, c, true); got != c.want.all {
				t.Errorf("to every request: %s, want %s", got, c.want.all)
			}
			if got := endOf(t, r, c, false); got != c.want.alone {
				t.Errorf("to one request while others go through: %s, want %s", got, c.want.alone)
			}
		})
	}
}

// endOf runs a delivery until the first of its requests has come to an end.
func endOf(t *testing.T, r *otlptest.Receiver, c answerCase, all bool) string {
	t.Helper()
	r.SetAnswer(func(_ int, q *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		if all || q.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName()[:2] == "it" {
			return c.answer
		}
		return otlptest.Answer{}
	})
	client, err := NewClient(SignalTraces, Settings{Protocol: c.protocol, Endpoint: endpoint(r, c.protocol)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}()
	o := newOutbox(twoSpans(t, "it"))
	other := twoSpans(t, "other")
	var d *Delivery
	var tries int
	var last atomic.Pointer[GateState]
	end := make(chan string, 100)
	config := Config{Client: client, Outbox: o, Workers: 2, Backoff: quickest, Poll: time.Millisecond, Split: mapping.Split, Count: mapping.CountSpans}
	config.OnGate = func(g GateState) { last.Store(&g) }
	config.OnSettled = func(s Settlement) {
		if s.Request.ID != 1 {
			return
		}
		switch s.Verdict {
		case VerdictDone:
			end <- acknowledged
		case VerdictSplit:
			end <- split
		case VerdictDead:
			end <- dead
		default:
			switch tries++; {
			case all && tries == 5:
				end <- held + last.Load().Reason
			case s.Aside > 0 && s.Request.Attempts == 0 && s.Verdict == VerdictHold: // no attempt ever counts
				end <- aside
			}
			o.add(other)
			d.Wake()
		}
	}
	_, stop := start(t, config, func(of *Delivery) { d = of })
	defer stop()
	select {
	case e := <-end:
		return e
	case <-t.Context().Done():
		return "none"
	}
}

// grpcServer answers requests over HTTP/2 by hand, as a proxy may: with a status, or
// with a message of its own.
func grpcServer(t *testing.T, answer func(size int) (status int, message []byte)) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		status, message := answer(len(body))
		if status != http.StatusOK {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = w.Write(message)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
		w.Header().Set("Grpc-Status", "0")
	}))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// nginx refuses in HTTP what should be answered over gRPC.
func TestA413OfAProxyBeforeGRPCSplitsTheCall(t *testing.T) {
	t.Parallel()
	const limit = 4000
	var refused, taken atomic.Int64
	url := grpcServer(t, func(size int) (int, []byte) {
		if size > limit {
			refused.Add(1)
			return http.StatusRequestEntityTooLarge, []byte("<html><head><title>413 Request Entity Too Large</title></head></html>")
		}
		taken.Add(1)
		return http.StatusOK, nil
	})
	o := newOutbox(string(encoded(t, strings.Repeat("a", 3000), strings.Repeat("b", 3000), strings.Repeat("c", 300))))
	_, stop := run(t, Config{
		Client: dial(t, Settings{Protocol: ProtocolGRPC, Endpoint: url}),
		Outbox: o, Backoff: quick, Split: mapping.Split,
	})
	settled := o.wait(t, func([]Settlement) bool { return o.open() == 0 })
	stop()
	if n := len(bodies(settled, VerdictSplit)); n != 1 || len(settled) != 1+len(bodies(settled, VerdictDone)) {
		t.Errorf("settled %+v, want one split and each part delivered", settled)
	}
	if refused.Load() != 1 || taken.Load() < 2 {
		t.Errorf("%d refused, %d taken, want 1 and its parts", refused.Load(), taken.Load())
	}
}

func TestAnOKOverGRPCWithFieldsThatAreForeignIsNoAcknowledgement(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message []byte
		want    class
	}{
		"nothing":                         {nil, taken},
		"a partial success":               {encodedResponse(t, &coltracepb.ExportTraceServiceResponse{PartialSuccess: &coltracepb.ExportTracePartialSuccess{}}), taken},
		"a status":                        {encodedResponse(t, &rpcstatus.Status{Code: 3, Message: "tenant unknown"}), misplaced},
		"a field of another kind of them": {[]byte("\x18\x01"), misplaced},
	} {
		url := grpcServer(t, func(int) (int, []byte) { return http.StatusOK, c.message })
		got := dial(t, Settings{Protocol: ProtocolGRPC, Endpoint: url}).Send(t.Context(), encoded(t, "call"))
		if classOf(got, 1) != c.want {
			t.Errorf("%s: %+v, class %d, want %d", name, got, classOf(got, 1), c.want)
		}
	}
}

// Half an answer may be the beginning of a refusal.
func TestAnAcknowledgementThatBreaksOffIsNone(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{
		Header: map[string]string{"Content-Type": "application/json", "Content-Length": "100"}, Body: []byte(`{}`),
	})})
	got := dial(t, Settings{Endpoint: r.HTTPEndpoint()}).Send(t.Context(), encoded(t, "call"))
	if classOf(got, 1) != away || !strings.Contains(got.Detail, "200 OK, and then: ") {
		t.Errorf("answer %+v, want none", got)
	}
}
