package telemetry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/internal/otlptest"
	"cdr2otel/mapping"
)

func TestABackEndThatIsDownCostsOneLineOfTheLogAndNothingElse(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{})
		r.SetDown(true)
		var log logs
		telemetry := setup(t, func(c *Config) {
			pushing(r, protocol, nil)(c)
			c.Logger = log.logger()
		})
		for range 5 {
			telemetry.Call("default", one(mapping.MetricBargeIns, 1, callBase("default", "")))
			flush(t, telemetry)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "metrics were not exported") {
			t.Errorf("log:\n%s", log.String())
		}
		if n := scrape(t, telemetry, "text/plain").value("wxa_barge_ins_total"); n != 5 {
			t.Errorf("a scrape shows %v", n)
		}
		r.SetDown(false)
		// The connection may still be in its pause.
		for r.Count() == 0 {
			flush(t, telemetry)
			if err := t.Context().Err(); err != nil {
				t.Fatal(err)
			}
		}
		if n := sum(last(t, r)[mapping.MetricBargeIns]); n != 5 {
			t.Errorf("%d came, want 5", n)
		}
		if !strings.Contains(log.String(), "metrics are exported again") {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

func answering(a otlptest.Answer) otlptest.AnswerFunc {
	return func(int, *coltracepb.ExportTraceServiceRequest) otlptest.Answer { return a }
}

func TestWhatTheBackEndSaysIsLoggedInOneLineWithoutCredentials(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{
			Code: codes.InvalidArgument, Message: "no such\nkey: s3cret-key " + strings.Repeat("x", 4000),
		})})
		var log logs
		telemetry := setup(t, func(c *Config) {
			pushing(r, protocol, nil)(c)
			c.Logger = log.logger()
			c.OTLP.Headers = map[string]string{"authorization": "Bearer s3cret-key"}
			if protocol == otlptest.ProtocolHTTP {
				c.OTLP.Endpoint += "?key=s3cret-query"
			}
		})
		flush(t, telemetry)
		if text := log.String(); strings.Count(text, "\n") != 1 || len(text) > 1000 || strings.Contains(text, "s3cret") {
			t.Errorf("log:\n%s", text)
		}
	})
}

// The error of a lost connection quotes the address.
func TestATokenInTheAddressIsNotLogged(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	r.SetDown(true)
	var log logs
	telemetry := setup(t, func(c *Config) {
		pushing(r, otlptest.ProtocolHTTP, nil)(c)
		c.Logger = log.logger()
		c.OTLP.Endpoint = r.HTTPEndpoint() + "/otlp/s3cret-Token/v1/metrics"
	})
	flush(t, telemetry)
	if text := log.String(); !strings.Contains(text, "/otlp/[redacted]/v1/metrics") || strings.Contains(text, "s3cret") {
		t.Errorf("log:\n%s", text)
	}
}

func TestAPartialSuccessIsLogged(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{
			Partial: &otlptest.Partial{Rejected: 3, Message: "too many series"},
		})})
		var log logs
		telemetry := setup(t, func(c *Config) {
			pushing(r, protocol, nil)(c)
			c.Logger = log.logger()
		})
		flush(t, telemetry)
		if text := log.String(); !strings.Contains(text, "too many series") {
			t.Errorf("log:\n%s", text)
		}
	})
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := otlptest.New(t, otlptest.Options{})
	r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{
		Status: http.StatusTemporaryRedirect, Header: map[string]string{"Location": elsewhere.HTTPEndpoint() + "/v1/metrics"},
	})})
	var log logs
	telemetry := setup(t, func(c *Config) {
		pushing(r, otlptest.ProtocolHTTP, nil)(c)
		c.Logger = log.logger()
	})
	flush(t, telemetry)
	if elsewhere.Count() != 0 || !strings.Contains(log.String(), "307") {
		t.Errorf("%d requests elsewhere, log:\n%s", elsewhere.Count(), log.String())
	}
}

func TestTheEndDoesNotWaitForABackEndThatHangs(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		never := make(chan struct{})
		defer close(never)
		r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{Until: never})})
		telemetry := setup(t, pushing(r, protocol, nil))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- telemetry.Shutdown(ctx) }()
		if err := r.Wait(t.Context(), func(all []otlptest.Request) bool { return len(all) > 0 }); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestTheEndDoesNotWaitForAConsoleThatNobodyReads(t *testing.T) {
	t.Parallel()
	nobody, console := io.Pipe()
	defer nobody.Close()
	telemetry := setup(t, func(c *Config) {
		c.Getenv = env{envExporter: "console", envInterval: "3600000"}.get
		c.Console = console
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- telemetry.Shutdown(ctx) }()
	if _, err := nobody.Read(make([]byte, 1)); err != nil { // it is writing, and the rest is never read
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the end of its context", err)
	}
}

// Differences that are not sent now are lost: they are sent again within the
// export's time.
func TestADifferenceThatWasRefusedForNowIsSentAgain(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{Answer: func(n int, _ *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
			if n == 0 {
				return otlptest.Answer{Code: codes.Unavailable}
			}
			return otlptest.Answer{}
		}})
		telemetry := setup(t, pushing(r, protocol, env{envTemporality: "delta"}))
		telemetry.Call("default", one(mapping.MetricBargeIns, 2, callBase("default", "")))
		flush(t, telemetry)
		if n := sum(last(t, r)[mapping.MetricBargeIns]); r.Count() != 2 || n != 2 {
			t.Errorf("%d requests, %d came", r.Count(), n)
		}
	})
}
