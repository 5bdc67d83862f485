package doctor_test

import (
	"net"
	"strings"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/exporter/doctor"
	"cdr2otel/internal/otlptest"
)

// scripted answers every request so.
func scripted(a otlptest.Answer) otlptest.AnswerFunc {
	return func(int, *coltracepb.ExportTraceServiceRequest) otlptest.Answer { return a }
}

func TestEachSignalThatIsOnIsTakenWhereItGoesTo(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{otlptest.ProtocolGRPC, otlptest.ProtocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := otlptest.New(t, otlptest.Options{})
			s := surround(t, r)
			s.yaml = "mapping: {events: both}\n"
			s.env["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol
			s.env["OTEL_EXPORTER_OTLP_HEADERS"] = "x-tenant=acme"
			if protocol == otlptest.ProtocolGRPC {
				s.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = r.GRPCEndpoint()
			}
			f := s.examine(nil)
			var signals []string
			for _, q := range r.Requests() {
				signals = append(signals, q.Signal)
				if len(q.Body) != 0 || q.Protocol != protocol || q.Header["x-tenant"][0] != "acme" || !strings.HasPrefix(q.Header["user-agent"][0], "cdr2otel/test") {
					t.Errorf("%s got %d bytes over %s with %v", q.Signal, len(q.Body), q.Protocol, q.Header)
				}
				f.want("otlp "+q.Signal, doctor.OK, "an empty request was accepted")
			}
			if got := strings.Join(signals, " "); got != "traces logs metrics" {
				t.Errorf("it sent %q", got)
			}
			if protocol == otlptest.ProtocolHTTP {
				f.want("clock", doctor.OK, "the traces endpoint")
			} else {
				f.want("clock", doctor.Skip, "OTLP/gRPC does not")
			}
			if failed := f.Failed(); failed != nil {
				t.Errorf("%q failed:\n%s", failed, f)
			}
		})
	}
}

func TestAnswersOfAReceiverAreExplained(t *testing.T) {
	t.Parallel()
	page, text, json := map[string]string{"Content-Type": "text/html"}, map[string]string{"Content-Type": "text/plain"}, map[string]string{"Content-Type": "application/json"}
	for name, test := range map[string]struct {
		grpc   bool
		answer otlptest.Answer
		state  doctor.State
		texts  []string
	}{
		"credentials":           {false, otlptest.Answer{Status: 401}, doctor.Fail, []string{"refused the credentials (401 Unauthorized)", "OTEL_EXPORTER_OTLP_HEADERS"}},
		"credentials over grpc": {true, otlptest.Answer{Code: codes.Unauthenticated}, doctor.Fail, []string{"refused the credentials (Unauthenticated)"}},
		"path":                  {false, otlptest.Answer{Status: 404}, doctor.Fail, []string{"takes no traces there (404 Not Found)", "/v1/traces added", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used as it is"}},
		"no pipeline":           {true, otlptest.Answer{Code: codes.Unimplemented}, doctor.Fail, []string{"takes no traces there (Unimplemented)", "no pipeline for traces, add one"}},
		"page":                  {false, otlptest.Answer{Status: 200, Header: page, Body: []byte("<html>Sign in</html>")}, doctor.Fail, []string{"not in the words of an OTLP receiver (200 OK)", "OTEL_EXPORTER_OTLP_ENDPOINT"}},
		"says OK to all":        {false, otlptest.Answer{Status: 200, Header: text, Body: []byte("ok")}, doctor.Fail, []string{"not in the words of an OTLP receiver (200 OK: ok)"}},
		"an error that is 200":  {false, otlptest.Answer{Status: 200, Header: json, Body: []byte(`{"error":"tenant unknown"}`)}, doctor.Fail, []string{`(200 OK: {"error":"tenant unknown"})`}},
		"empty JSON":            {false, otlptest.Answer{Status: 202, Header: json, Body: []byte(`{}`)}, doctor.OK, []string{"accepted"}},
		"no content":            {false, otlptest.Answer{Status: 204}, doctor.OK, []string{"accepted"}},
		"no tenant":             {false, otlptest.Answer{Status: 400, Header: text, Body: []byte("no org id")}, doctor.Warn, []string{"no org id", "OTEL_EXPORTER_OTLP_HEADERS"}},
		"redirect":              {false, otlptest.Answer{Status: 302, Header: map[string]string{"Location": "/login"}}, doctor.Fail, []string{"it redirects (302 Found)"}},
		"partial":               {false, otlptest.Answer{Partial: &otlptest.Partial{Message: "tenant is on trial"}}, doctor.Warn, []string{"with a remark: tenant is on trial"}},
		"partial over grpc":     {true, otlptest.Answer{Partial: &otlptest.Partial{Message: "tenant is on trial"}}, doctor.Warn, []string{"with a remark: tenant is on trial"}},
		"throttled":             {false, otlptest.Answer{Status: 429}, doctor.Warn, []string{"asks to wait (429"}},
		"empty is invalid":      {true, otlptest.Answer{Code: codes.InvalidArgument, Message: "no spans"}, doctor.Warn, []string{"takes no empty request (InvalidArgument: no spans)", "--send-test-call"}},
		"broken":                {false, otlptest.Answer{Status: 500, Header: page, Body: []byte("<h1>secret page</h1>")}, doctor.Fail, []string{"can't take anything now (500 Internal Server Error)"}},
		"hangs up":              {false, otlptest.Answer{Reset: true}, doctor.Fail, []string{"it hangs up"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := otlptest.New(t, otlptest.Options{})
			r.SetAnswer(scripted(test.answer))
			s := surround(t, r)
			if test.grpc {
				s.env["OTEL_EXPORTER_OTLP_PROTOCOL"] = otlptest.ProtocolGRPC
				s.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = r.GRPCEndpoint()
			}
			s.examine(nil).want("otlp traces", test.state, test.texts...)
		})
	}
}

func TestWhyNothingAnswersIsExplained(t *testing.T) {
	t.Parallel()
	authority, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	plain := otlptest.New(t, otlptest.Options{})
	secure := otlptest.New(t, otlptest.Options{Authority: authority})
	mutual := otlptest.New(t, otlptest.Options{Authority: authority, RequireClientCertificate: true})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	scheme := func(to, url string) string { return to + "://" + strings.SplitN(url, "://", 2)[1] }
	const grpc, http = otlptest.ProtocolGRPC, otlptest.ProtocolHTTP
	for name, test := range map[string]struct {
		protocol, endpoint string
		known              bool // the authority
		texts              []string
	}{
		"nobody there":                {http, nobody, false, []string{"connection refused", "in a container localhost"}},
		"nobody there, grpc":          {grpc, nobody, false, []string{"connection refused"}},
		"no such name":                {http, "http://" + noSuchName + ":4318", false, []string{"no such host", "correct the name"}},
		"no such name, grpc":          {grpc, "http://" + noSuchName + ":4317", false, []string{"no such host", "correct the name"}},
		"unknown authority":           {http, secure.HTTPEndpoint(), false, []string{"authority this machine does not know", "OTEL_EXPORTER_OTLP_CERTIFICATE"}},
		"unknown authority, grpc":     {grpc, secure.GRPCEndpoint(), false, []string{"authority this machine does not know"}},
		"another name":                {http, strings.Replace(secure.HTTPEndpoint(), "127.0.0.1", "127.0.0.2", 1), true, nil},
		"client certificate":          {http, mutual.HTTPEndpoint(), true, []string{"want", "a client certificate", "OTEL_EXPORTER_OTLP_CLIENT_KEY"}},
		"client certificate, grpc":    {grpc, mutual.GRPCEndpoint(), true, []string{"want", "a client certificate"}},
		"TLS to plain":                {http, scheme("https", plain.HTTPEndpoint()), false, []string{"speaks without TLS", "http://"}},
		"TLS to plain, grpc":          {grpc, scheme("https", plain.GRPCEndpoint()), false, []string{"speaks without TLS"}},
		"plain to TLS":                {http, scheme("http", secure.HTTPEndpoint()), false, []string{"it wants TLS", "https://"}},
		"plain to TLS, grpc":          {grpc, scheme("http", secure.GRPCEndpoint()), false, []string{"it hangs up", "if it wants TLS"}},
		"HTTP to a gRPC port":         {http, plain.GRPCEndpoint(), false, []string{"a gRPC port", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}},
		"gRPC to an HTTP port":        {grpc, plain.HTTPEndpoint(), false, []string{"an HTTP port", "=http/protobuf"}},
		"gRPC to an HTTP port, TLS":   {grpc, secure.HTTPEndpoint(), true, nil},
		"HTTP to a gRPC port, TLS":    {http, secure.GRPCEndpoint(), true, nil},
		"right, to see that it works": {http, secure.HTTPEndpoint(), true, []string{"accepted"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := surround(t, nil)
			s.env["OTEL_EXPORTER_OTLP_ENDPOINT"], s.env["OTEL_EXPORTER_OTLP_PROTOCOL"] = test.endpoint, test.protocol
			s.env["OTEL_METRICS_EXPORTER"] = "none"
			if test.known {
				s.env["OTEL_EXPORTER_OTLP_CERTIFICATE"] = s.file("ca.pem", authority.PEM())
			}
			state := doctor.Fail
			if strings.HasPrefix(name, "right") {
				state = doctor.OK
			}
			f := s.examine(nil)
			t.Log(f)
			f.want("otlp traces", state, test.texts...)
		})
	}
}

func TestSignalsThatGoNowhereAreSaid(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	s := surround(t, r)
	s.env["OTEL_TRACES_EXPORTER"] = "none"
	s.env["OTEL_METRICS_EXPORTER"] = "prometheus"
	f := s.examine(nil)
	f.want("otlp traces", doctor.Warn, "OTEL_TRACES_EXPORTER=none", "go nowhere")
	f.want("otlp logs", doctor.Skip, "not used")
	f.want("otlp metrics", doctor.OK, "scraped at /metrics of "+s.admin)
	f.none("back end", doctor.Note)
	if r.Count() != 0 {
		t.Errorf("%d requests were sent", r.Count())
	}
}
