package exporter_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

// Each test here fails when its option is read and ignored.

// withSource is cfg with its default source changed.
func withSource(cfg config.Config, change func(*config.Source)) config.Config {
	source := cfg.Sources[config.DefaultSource]
	change(&source)
	cfg.Sources = map[string]config.Source{config.DefaultSource: source}
	return cfg
}

func TestASourceWithoutMessageLogsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := withSource(configuration(t.TempDir()), func(s *config.Source) { s.Messages = config.MessagesNone })
	cfg.Correlation.Grace = time.Hour
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	awaitRequests(t, receiver, 1)
}

func TestALateMessageIsASpanOfItsOwnUnderItsTurn(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = 0
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	call := awaitRequests(t, receiver, 1)[0].Spans()
	s.accepted(t, sample(t, "dtmf_call.message-2-dtmf.json"))
	late := awaitRequests(t, receiver, 2)[1].Spans()
	if len(late) != 1 || late[0].Name != "message_logged" {
		t.Fatalf("got %v, want one message_logged span", late)
	}
	for _, span := range call {
		if string(span.SpanId) == string(late[0].ParentSpanId) {
			if attribute(span, "wxa.log_id") != attribute(late[0], "wxa.log_id") || span.Name != "invoke_agent" {
				t.Errorf("it hangs from %s of another turn", span.Name)
			}
			return
		}
	}
	t.Error("its parent is not in the call")
}

func TestALateMessageIsDroppedAndCountedWhenTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = 0
	cfg.Correlation.Late = config.LateDrop
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	awaitRequests(t, receiver, 1)
	s.accepted(t, sample(t, "dtmf_call.message-2-dtmf.json"))
	if _, r := s.readiness(t); r.Events["dropped"] != 1 {
		t.Errorf("events are %v, want one dropped", r.Events)
	}
}

func TestAChatThatFellSilentLeavesAsAConversation(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.ChatIdle = 2 * time.Millisecond
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "webchat_actions.message.json"))
	spans := awaitRequests(t, receiver, 1)[0].Spans()
	if spans[0].Name != "conversation" || attribute(spans[0], "wxa.message.channel") != "Web chat" {
		t.Errorf("the root is %v, want a conversation in the web chat", spans[0])
	}
}

func TestPhoneMessagesWhoseRecordIsMissingLeaveAfterTheWindow(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Window = 2 * time.Millisecond
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "dtmf_call.message-1-start.json"))
	root := awaitRequests(t, receiver, 1)[0].Spans()[0]
	if root.Name != "conversation" || !flag(root, "wxa.cdr.missing") {
		t.Errorf("the root is %v, want a conversation marked wxa.cdr.missing", root)
	}
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	// The two other messages are still to come, so the call waits for them.
	s.accepted(t, sample(t, "dtmf_call.message-2-dtmf.json"))
	s.accepted(t, sample(t, "dtmf_call.message-3-hangup.json"))
	call := awaitRequests(t, receiver, 2)[1].Spans()[0]
	if string(call.TraceId) != string(root.TraceId) || len(call.Links) != 0 {
		t.Errorf("the call is in trace %x with links %v, want it beside the conversation in trace %x", call.TraceId, call.Links, root.TraceId)
	}
}

func flag(span *tracepb.Span, key string) bool {
	for _, a := range span.Attributes {
		if a.Key == key {
			return a.Value.GetBoolValue()
		}
	}
	return false
}

func TestTheResourceIsTheSourcesThenTheEnvironmentsWithoutThisProcess(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := withSource(configuration(t.TempDir()), func(s *config.Source) {
		s.Messages = config.MessagesNone
		s.Resource = map[string]string{"service.namespace": "from source"}
		s.HeaderAttributes = map[string]config.HeaderAttribute{
			"x-environment": {Attribute: "deployment.environment.name", Values: []string{"live"}},
		}
	})
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.HTTPEndpoint(),
		"OTEL_SERVICE_NAME":           "voice bot",
		"OTEL_RESOURCE_ATTRIBUTES":    "service.namespace=from%20environment,team=a%2Cb,host.name=h,service.instance.id=i,k8s.pod.name=p,k8s.node.name=n,k8s.replicaset.name=r,container.id=c,faas.instance=f,k8s.cluster.name=c1",
	})})
	s.HTTPClient = &http.Client{Transport: header{"X-Environment", "live", s.HTTPClient.Transport}}
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	got := map[string]string{}
	for _, a := range awaitRequests(t, receiver, 1)[0].Traces.ResourceSpans[0].Resource.Attributes {
		got[a.Key] = a.Value.GetStringValue()
	}
	want := map[string]string{
		"service.name": "voice bot", "service.namespace": "from source", "team": "a,b", "k8s.cluster.name": "c1", "deployment.environment.name": "live",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// header adds a request header.
type header struct {
	name, value string
	next        http.RoundTripper
}

func (h header) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set(h.name, h.value)
	return h.next.RoundTrip(r)
}

func TestPersonalDataLeavesOnlyWhenNamed(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := withSource(configuration(t.TempDir()), func(s *config.Source) { s.Messages = config.MessagesNone })
	cfg.Mapping.PII = []config.PII{config.PIICallerNumber}
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	root := awaitRequests(t, receiver, 1)[0].Spans()[0]
	if got := attribute(root, "wxa.pii.caller.number"); got != "+18885550456" {
		t.Errorf("the caller's number is %q", got)
	}
	if got := attribute(root, "wxa.pii.sip.from_uri"); got != "" {
		t.Errorf("the SIP URI left too: %q", got)
	}
}

func TestWithTheSignalOffEventsCountAsExportedAtOnce(t *testing.T) {
	t.Parallel()
	cfg := withSource(configuration(t.TempDir()), func(s *config.Source) { s.Messages = config.MessagesNone })
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// The assembly was committed or is due again: after a restart it has happened.
	again := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	again.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["exported"] == 1 })
}

func TestTheWebhookListenerSpeaksHTTPSWithItsCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, roots := certificate(t, dir)
	cfg := configuration(t.TempDir())
	cfg.Webhook.TLS.CertFile, cfg.Webhook.TLS.KeyFile = cert, key
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	secure := &client.Client{URL: s.URL, Secret: secret, HTTPClient: &http.Client{Transport: transport}}
	if status, _, err := secure.Post(t.Context(), sample(t, "dtmf_call.cdr.json")); err != nil || status != http.StatusOK {
		t.Errorf("https: status %d, error %v", status, err)
	}
	old := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}}
	defer old.CloseIdleConnections()
	outdated := &client.Client{URL: s.URL, Secret: secret, HTTPClient: &http.Client{Transport: old}}
	if status, _, err := outdated.Post(t.Context(), []byte(`{}`)); err == nil {
		t.Errorf("TLS 1.1 got status %d, want no connection", status)
	}
}

func TestTheWebhookListenerAsksForAClientCertificateWhenConfigured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, roots := certificate(t, dir)
	cfg := configuration(t.TempDir())
	cfg.Webhook.TLS.CertFile, cfg.Webhook.TLS.KeyFile, cfg.Webhook.TLS.ClientCAFile = cert, key, cert
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	stranger := &client.Client{URL: s.URL, Secret: secret, HTTPClient: &http.Client{Transport: transport}}
	if status, _, err := stranger.Post(t.Context(), []byte(`{}`)); err == nil {
		t.Errorf("without a certificate got status %d, want no connection", status)
	}
}

// certificate writes a certificate for 127.0.0.1 and its key as PEM.
func certificate(t *testing.T, dir string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	roots = x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return certFile, keyFile, roots
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheAdminListenerAsksForThePasswordOfItsWebConfig(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("open"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cfg := configuration(t.TempDir())
	cfg.Admin.WebConfig = filepath.Join(t.TempDir(), "web.yaml")
	cfg.Admin.PProf = true
	write(t, cfg.Admin.WebConfig, []byte("basic_auth_users:\n  admin: "+string(hash)+"\n"))
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	for _, path := range []string{"/", "/about", "/readyz", "/debug/pprof/"} {
		if status, _ := get(t, "http://"+s.AdminAddr()+path); status != http.StatusUnauthorized {
			t.Errorf("%s without a password is %d, want 401", path, status)
		}
		if status, _ := get(t, "http://admin:open@"+s.AdminAddr()+path); status != http.StatusOK {
			t.Errorf("%s with the password is %d, want 200", path, status)
		}
	}
	if status, _ := get(t, "http://"+s.HealthAddr()+"/readyz"); status != http.StatusOK {
		t.Errorf("probes are asked for a password: %d", status)
	}
}

func TestABodyAboveItsLimitIsRefused(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Webhook.MaxRequestBodySize = 1000
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	if status, _, err := s.Post(t.Context(), sample(t, "dtmf_call.cdr.json")); err != nil || status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, error %v; want 413", status, err)
	}
}

func TestItStillAcceptsForTheShutdownDelayWhileNotReady(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.ShutdownDelay = 5 * time.Second
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	s.cancel()
	s.awaitReadiness(t, func(status int, r readiness) bool {
		return status == http.StatusServiceUnavailable && r.NotReady == "shutting down"
	})
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
}
