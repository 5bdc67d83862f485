package delivery

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/internal/otlptest"
)

func TestAPrivateAuthorityAndAClientCertificateFromTheEnvironmentAreUsed(t *testing.T) {
	t.Parallel()
	authority, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.ClientPEM("cdr2otel")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	all := map[string]string{
		"CERTIFICATE":        file("ca.pem", authority.PEM()),
		"CLIENT_CERTIFICATE": file("client.pem", certificate),
		"CLIENT_KEY":         file("client.key", key),
	}

	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{Authority: authority, RequireClientCertificate: true})
		base := r.HTTPEndpoint()
		if protocol == ProtocolGRPC {
			base = r.GRPCEndpoint()
		}
		with := func(names ...string) Settings {
			pairs := map[string]string{"PROTOCOL": protocol, "ENDPOINT": base, "TIMEOUT": "5000"}
			for _, n := range names {
				pairs[n] = all[n]
			}
			return fromEnv(t, pairs)
		}

		got := dial(t, with("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")).Send(t.Context(), encoded(t, "call"))
		if classOf(got, 1) != taken {
			t.Fatalf("answer %+v", got)
		}
		if name := r.Requests()[0].PeerCertificates[0].Subject.CommonName; name != "cdr2otel" {
			t.Errorf("the server saw a certificate of %q", name)
		}
		for _, s := range []Settings{with(), with("CERTIFICATE"), with("CLIENT_CERTIFICATE", "CLIENT_KEY")} {
			if got := dial(t, s).Send(t.Context(), encoded(t, "call")); classOf(got, 1) != away {
				t.Errorf("answer %+v, want no connection", got)
			}
		}
		if r.Count() != 1 {
			t.Errorf("%d requests came through, want 1", r.Count())
		}
	})
}

func TestHeadersCompressionAndBytesArriveAsTheyWereSet(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		for _, compression := range []string{"gzip", "none"} {
			r := otlptest.New(t, otlptest.Options{})
			s := fromEnv(t, map[string]string{
				"PROTOCOL": protocol, "TRACES_ENDPOINT": endpoint(r, protocol), "COMPRESSION": compression,
				"HEADERS":        "x-lost=the signal's own win",
				"TRACES_HEADERS": "Authorization=Bearer%20s3cret%2C%3D, x-tenant = acme ,",
			})
			body := encoded(t, strings.Repeat("call ", 1000))
			if got := dial(t, s).Send(t.Context(), body); classOf(got, 1) != taken {
				t.Fatalf("answer %+v", got)
			}
			q := r.Requests()[0]
			if diff := cmp.Diff([]string{"Bearer s3cret,="}, q.Header["authorization"]); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"acme"}, q.Header["x-tenant"]); diff != "" {
				t.Error(diff)
			}
			if q.Header["x-lost"] != nil {
				t.Error("headers of the general variable were sent though the signal has its own")
			}
			if !bytes.Equal(q.Body, body) {
				t.Error("the bytes are not those that were stored")
			}
			if agent := q.Header["user-agent"][0]; !strings.HasPrefix(agent, "cdr2otel") {
				t.Errorf("user agent %q", agent)
			}
			if protocol == ProtocolHTTP && (q.Header["content-encoding"] != nil) != (compression == "gzip") {
				t.Errorf("%s: content-encoding %q", compression, q.Header["content-encoding"])
			}
		}
	})
}

func TestTheTimeoutFromTheEnvironmentEndsARequest(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		never := make(chan struct{})
		defer close(never)
		r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{Until: never})})
		s := fromEnv(t, map[string]string{"PROTOCOL": protocol, "TRACES_ENDPOINT": endpoint(r, protocol), "TIMEOUT": "60000", "TRACES_TIMEOUT": "500"})
		began := time.Now()
		got := dial(t, s).Send(t.Context(), encoded(t, "call"))
		if took := time.Since(began); took < 500*time.Millisecond || classOf(got, 1) != away {
			t.Errorf("answer %+v after %v", got, took)
		}
		if r.Count() != 1 {
			t.Errorf("%d requests arrived, want 1", r.Count())
		}
		if d := r.Requests()[0].Deadline; protocol == ProtocolGRPC && (d.IsZero() || d.After(began.Add(10*time.Second))) {
			t.Errorf("the server was told the deadline %v", d)
		}
	})
}

func TestAContextThatEndsEndsARequest(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		never := make(chan struct{})
		defer close(never)
		ctx, cancel := context.WithCancel(t.Context())
		r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{Until: never}), OnRequest: func(otlptest.Request) { cancel() }})
		if got := dial(t, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol)}).Send(ctx, encoded(t, "call")); classOf(got, 1) != away {
			t.Errorf("answer %+v", got)
		}
	})
}

// What a maintained client sends for the same settings is what ours sends, but
// for its name.
func TestTheStockClientsSendTheSame(t *testing.T) {
	t.Parallel()
	headers := map[string]string{"authorization": "Bearer abc", "x-tenant": "acme"}
	stock := map[string]func(r *otlptest.Receiver, h *http.Client) otlptrace.Client{
		ProtocolGRPC: func(r *otlptest.Receiver, _ *http.Client) otlptrace.Client {
			return otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(r.GRPCEndpoint()), otlptracegrpc.WithHeaders(headers), otlptracegrpc.WithCompressor("gzip"))
		},
		ProtocolHTTP: func(r *otlptest.Receiver, h *http.Client) otlptrace.Client {
			return otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(r.HTTPEndpoint()+"/v1/traces"), otlptracehttp.WithHeaders(headers),
				otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithHTTPClient(h))
		},
	}
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{})
		body := encoded(t, strings.Repeat("call ", 100))
		if got := dial(t, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol), Headers: headers, Gzip: true}).Send(t.Context(), body); classOf(got, 1) != taken {
			t.Fatalf("answer %+v", got)
		}

		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		c := stock[protocol](r, &http.Client{Transport: transport})
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		request := &coltracepb.ExportTraceServiceRequest{}
		if err := proto.Unmarshal(body, request); err != nil {
			t.Fatal(err)
		}
		if err := c.UploadTraces(t.Context(), request.GetResourceSpans()); err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}

		ours, theirs := r.Requests()[0], r.Requests()[1]
		for _, name := range []string{"user-agent", "content-length", "transfer-encoding"} { // the name; one streams, one does not
			delete(ours.Header, name)
			delete(theirs.Header, name)
		}
		if diff := cmp.Diff(theirs.Header, ours.Header); diff != "" {
			t.Error(diff)
		}
		if ours.Path != theirs.Path || !bytes.Equal(ours.Body, theirs.Body) {
			t.Errorf("path %q, body %x; want %q, %x", ours.Path, ours.Body, theirs.Path, theirs.Body)
		}
	})
}
