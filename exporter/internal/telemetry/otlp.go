package telemetry

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"

	"cdr2otel/exporter/internal/otelenv"
)

// OTLP is where metrics are pushed to, as the OTEL_EXPORTER_OTLP_… variables of the
// signal say. The stock exporters' own reading of them is overridden as a whole.
type OTLP struct {
	// Protocol is "http/protobuf" (default) or "grpc".
	Protocol string
	// Endpoint is used as it is: for HTTP the whole URL, path and query included; for
	// gRPC an http or https URL, or any target of gRPC. Default: port 4318 or 4317 of
	// localhost, no TLS.
	Endpoint string
	// Insecure means no TLS for a gRPC target without http or https.
	Insecure bool
	// Headers go with each request.
	Headers map[string]string
	// Gzip compresses requests.
	Gzip bool
	// Timeout of one request; default 10 s.
	Timeout time.Duration
	// TLS of an https endpoint; nil: the machine's roots, no client certificate.
	TLS *tls.Config
}

// exporter makes the stock exporter. It connects when something is sent.
func (o OTLP) exporter(cfg Config, env *environment) (e sdkmetric.Exporter, closeConnection func() error, err error) {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	switch o.Protocol {
	case "", "http/protobuf":
		return o.http(cfg, env)
	case "grpc":
		return o.grpc(cfg, env)
	}
	return nil, nil, fmt.Errorf("protocol %q is not one of grpc, http/protobuf", o.Protocol)
}

// retry: cumulative metrics go out again at the next interval anyhow; differences
// that are not sent now are lost.
func (o OTLP) retry(env *environment) otlpmetricgrpc.RetryConfig {
	return otlpmetricgrpc.RetryConfig{
		Enabled: env.delta(), InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: env.timeout,
	}
}

func (o OTLP) http(cfg Config, env *environment) (sdkmetric.Exporter, func() error, error) {
	if o.Endpoint == "" {
		o.Endpoint = "http://localhost:4318/v1/metrics"
	}
	u, err := otelenv.HTTPURL(o.Endpoint)
	if err != nil {
		return nil, nil, fmt.Errorf("endpoint: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = o.TLS.Clone()
	headers := map[string]string{"User-Agent": userAgent(cfg)}
	for name, value := range o.Headers {
		headers[name] = value
	}
	options := []otlpmetrichttp.Option{
		otlpmetrichttp.WithEndpointURL(o.Endpoint),
		otlpmetrichttp.WithTLSClientConfig(nil), // that of the client counts
		otlpmetrichttp.WithHeaders(headers),
		otlpmetrichttp.WithCompression(otlpmetrichttp.NoCompression),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig(o.retry(env))),
		otlpmetrichttp.WithTemporalitySelector(env.temporality),
		otlpmetrichttp.WithHTTPClient(&http.Client{
			Transport: withQuery{transport, u.RawQuery},
			Timeout:   o.Timeout,
			// A redirect is an answer: followed, a 302 turns the POST into a GET of a
			// login page, whose 200 would count as taken.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
	}
	if o.Gzip {
		options = append(options, otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	}
	e, err := otlpmetrichttp.New(context.Background(), options...)
	if err != nil {
		return nil, nil, err
	}
	return e, func() error { transport.CloseIdleConnections(); return nil }, nil
}

// withQuery adds the query of the endpoint, which the stock exporter leaves out. It
// may hold a key, and so stands in no error.
type withQuery struct {
	transport http.RoundTripper
	query     string
}

func (w withQuery) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.query != "" {
		r = r.Clone(r.Context())
		r.URL.RawQuery = w.query
	}
	return w.transport.RoundTrip(r)
}

func (o OTLP) grpc(cfg Config, env *environment) (sdkmetric.Exporter, func() error, error) {
	target, err := otelenv.GRPCTarget(cmp.Or(o.Endpoint, "http://localhost:4317"), o.Insecure)
	if err != nil {
		return nil, nil, fmt.Errorf("endpoint: %w", err)
	}
	transport := insecure.NewCredentials()
	if target.Encrypted {
		transport = credentials.NewTLS(o.TLS)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent(userAgent(cfg)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: o.Timeout,
		}),
	}
	if o.Gzip {
		dial = append(dial, grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	}
	conn, err := grpc.NewClient(target.Name, dial...)
	if err != nil {
		return nil, nil, fmt.Errorf("endpoint: %w", err)
	}
	e, err := otlpmetricgrpc.New(context.Background(),
		otlpmetricgrpc.WithGRPCConn(conn),
		otlpmetricgrpc.WithHeaders(o.Headers),
		otlpmetricgrpc.WithTimeout(o.Timeout),
		otlpmetricgrpc.WithRetry(o.retry(env)),
		otlpmetricgrpc.WithTemporalitySelector(env.temporality),
	)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return e, conn.Close, nil
}

// secrets are the values of headers and of the query, and the segments of the path
// that may be tokens: with a capital or a digit. Longest first.
func (o OTLP) secrets() []string {
	values := slices.Collect(maps.Values(o.Headers))
	if u, err := url.Parse(o.Endpoint); err == nil {
		for _, each := range u.Query() {
			values = append(values, each...)
		}
		for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
			if segment != strings.ToLower(segment) || strings.ContainsAny(segment, "0123456789") {
				values = append(values, segment)
			}
		}
	}
	var secrets []string
	for _, value := range values {
		for _, word := range append(strings.Fields(value), value) {
			if len(word) >= 8 { // a short one is no credential, and would eat words
				secrets = append(secrets, word)
			}
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

func userAgent(cfg Config) string {
	if cfg.Version == "" {
		return "cdr2otel"
	}
	return "cdr2otel/" + cfg.Version
}
