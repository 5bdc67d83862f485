package doctor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"cdr2otel/exporter/doctor"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/testenv"
)

// wantTrace wants one exported call whose trace the findings name.
func wantTrace(t *testing.T, r *otlptest.Receiver, f findings) {
	t.Helper()
	var traces []string
	for _, q := range r.Requests() {
		if spans := q.Spans(); len(spans) > 0 {
			traces = append(traces, fmt.Sprintf("%x of %d spans", spans[0].GetTraceId(), len(spans)))
		}
	}
	if len(traces) != 1 || !strings.HasSuffix(traces[0], " of 9 spans") {
		t.Fatalf("exported were %q, want one call of 9 spans\n%s", traces, f)
	}
	f.want("test call", doctor.OK, "exported after", strings.TrimSuffix(traces[0], " of 9 spans"))
	f.want("test call", doctor.Note, "counted and shown like a real one", "doctor-")
	if failed := f.Failed(); failed != nil {
		t.Errorf("%q failed:\n%s", failed, f)
	}
}

func TestATestCallGoesTheWholeWay(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]string{
		"token":    "{jwt: {secrets: [" + secret + "]}}",
		"header":   "{header: {name: X-Key, values: [" + secret + "]}}",
		"password": "{basic: {username: ibm, passwords: [" + secret + "]}}",
		"nothing":  "{none: true}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := otlptest.New(t, otlptest.Options{})
			s := surround(t, r)
			s.auth = auth
			s.serve()
			f := s.examine(&doctor.TestCall{})
			f.want("test call", doctor.OK, "3 webhooks acknowledged by http://"+s.webhook+"/webhook/default")
			wantTrace(t, r, f)
		})
	}
}

func TestATestCallGoesThroughTLSAndAPassword(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	s := surround(t, r)
	s.certificate(-time.Hour, 90*24*time.Hour, "telemetry.example.com")
	hash, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	web := s.file("web.yaml", fmt.Appendf(nil, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {ada: %q}\n", hash))
	s.yaml += fmt.Sprintf("admin: {endpoint: \"%s\", web_config: %s, trace_url: \"http://jaeger/trace/{trace_id}\"}\n", s.admin, web)
	s.serve()
	s.asking = doctor.Admin{User: "ada", Password: "hunter2"}
	f := s.examine(&doctor.TestCall{})
	f.want("listener admin", doctor.OK)
	f.want("test call", doctor.OK, "acknowledged by https://"+s.webhook+"/webhook/default")
	f.want("test call", doctor.Note, "http://jaeger/trace/")
	wantTrace(t, r, f)

	s.asking = doctor.Admin{}
	f = s.examine(&doctor.TestCall{})
	f.want("sidecar", doctor.Note, "could not be asked", "wants a password", "--admin-user")
	f.want("test call", doctor.Fail, "wants a password", "--admin-user")
}

func TestATestCallOfASourceWithoutMessagesIsItsCDR(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	s := surround(t, r)
	s.yaml = "sources: {draft: {messages: none, auth: " + s.auth + "}}\n"
	s.serve()
	f := s.examine(&doctor.TestCall{})
	f.want("test call", doctor.OK, "1 webhook acknowledged by", "/webhook/draft")
	wantTrace(t, r, f)
}

func TestWhyATestCallDoesNotLeaveIsSaid(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	s := surround(t, r)
	s.env["OTEL_METRICS_EXPORTER"] = "none"
	s.serve()

	r.SetDown(true)
	f := s.examine(&doctor.TestCall{Deadline: time.Second})
	f.want("otlp traces", doctor.Fail, "it hangs up")
	f.want("test call", doctor.OK, "3 webhooks acknowledged")
	f.want("test call", doctor.Fail, "has not left after ", ": acknowledged, pending")
	s.examine(nil).want("sidecar", doctor.Warn, "traces are held", "nothing is lost meanwhile")
	r.SetDown(false)

	s.auth = "{jwt: {secrets: [another-" + secret + "]}}"
	s.examine(&doctor.TestCall{}).want("test call", doctor.Fail, "refused a webhook (401 Unauthorized)", "the running sidecar has another secret")
	s.examine(nil).want("sidecar", doctor.Warn, "1 webhook refused since its start, lost if the platform sent it: wrong credentials", "; compare the secret")

	s.yaml = "sources: {other: {auth: " + s.auth + "}}\n"
	s.examine(&doctor.TestCall{}).want("test call", doctor.Fail, "refused a webhook (404 Not Found)", "no such source")
}

func TestATestCallNeedsASidecarAndAWayToIt(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	s := surround(t, r)
	f := s.examine(&doctor.TestCall{})
	f.want("test call", doctor.Fail, "no sidecar answers on health.endpoint", "start cdr2otel serve first")

	nobody := "http://" + testenv.FreeAddress(t) + "/webhook/live"
	f = s.examine(&doctor.TestCall{URL: nobody + "?key=hunter2"})
	f.want("test call", doctor.Fail, "no answer from "+nobody+": nobody listens there")
	if strings.Contains(f.String(), "hunter2") {
		t.Error("the query of the URL was printed")
	}

	s = surround(t, r)
	s.auth = "{jwt: {algorithms: [HS512], secrets: [" + secret + "]}}"
	s.serve()
	s.examine(&doctor.TestCall{}).want("test call", doctor.Fail, "does not take tokens of HS256")
}

func TestAnInterruptEndsTheWaitForATestCall(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	s.serve()
	s.write()
	ctx, cancel := context.WithCancel(t.Context())
	report := doctor.Examine(ctx, doctor.Options{
		ConfigPath: s.path(), Getenv: s.getenv, TestCall: &doctor.TestCall{Deadline: time.Hour},
		OnFinding: func(f doctor.Finding) {
			if f.Check == "test call" { // acknowledged
				cancel()
			}
		},
	})
	findings{t, report}.want("test call", doctor.Fail, "has not left after ")
}
