package telemetry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"cdr2otel/internal/otlptest"
	"cdr2otel/mapping"
)

// protocols runs a test with both.
func protocols(t *testing.T, test func(t *testing.T, protocol string)) {
	t.Helper()
	for _, protocol := range []string{otlptest.ProtocolGRPC, otlptest.ProtocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			test(t, protocol)
		})
	}
}

func endpoint(r *otlptest.Receiver, protocol string) string {
	if protocol == otlptest.ProtocolGRPC {
		return r.GRPCEndpoint()
	}
	return r.HTTPEndpoint() + "/v1/metrics"
}

// pushing is a configuration that pushes to a receiver when it is flushed.
func pushing(r *otlptest.Receiver, protocol string, more env) func(*Config) {
	return func(c *Config) {
		e := env{envInterval: "3600000"}
		maps.Copy(e, more)
		c.Getenv = e.get
		c.OTLP = OTLP{Protocol: protocol, Endpoint: endpoint(r, protocol)}
	}
}

func flush(t testing.TB, telemetry *Telemetry) {
	t.Helper()
	if err := telemetry.provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// last are the metrics of the last request, by name.
func last(t testing.TB, r *otlptest.Receiver) map[string]*metricspb.Metric {
	t.Helper()
	all := r.Requests()
	if len(all) == 0 {
		t.Fatal("nothing came")
	}
	byName := map[string]*metricspb.Metric{}
	for _, resource := range all[len(all)-1].Metrics.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				byName[m.GetName()] = m
			}
		}
	}
	return byName
}

// labels of the points of a metric, as a scrape would show them; sorted.
func pointLabels(m *metricspb.Metric) []string {
	var all []string
	add := func(attributes []*commonpb.KeyValue) {
		var pairs []string
		for _, a := range attributes {
			pairs = append(pairs, strings.ReplaceAll(a.GetKey(), ".", "_")+"="+text(a.GetValue()))
		}
		slices.Sort(pairs)
		all = append(all, strings.Join(pairs, ","))
	}
	for _, p := range m.GetSum().GetDataPoints() {
		add(p.GetAttributes())
	}
	for _, p := range m.GetGauge().GetDataPoints() {
		add(p.GetAttributes())
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		add(p.GetAttributes())
	}
	slices.Sort(all)
	return all
}

func text(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_BoolValue:
		return fmt.Sprint(v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	default:
		return v.(*commonpb.AnyValue_StringValue).StringValue
	}
}

// sum of the points of a counter.
func sum(m *metricspb.Metric) (n int64) {
	for _, p := range m.GetSum().GetDataPoints() {
		n += p.GetAsInt()
	}
	return n
}

func TestOTLPHasTheInstrumentsAndLabelsOfAScrape(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{})
		telemetry := setup(t, func(c *Config) {
			whole(c)
			pushing(r, protocol, nil)(c)
		})
		everything(t, telemetry)
		flush(t, telemetry)
		e, got := scrape(t, telemetry, openMetrics), last(t, r)
		for _, i := range instruments() {
			m := got[i.name]
			if m == nil {
				t.Errorf("%s did not come", i.name)
				continue
			}
			if m.GetUnit() != i.unit || m.GetDescription() != i.description {
				t.Errorf("%s: unit %q, description %q", i.name, m.GetUnit(), m.GetDescription())
			}
			name := i.prometheus
			if i.kind == histogram {
				name += "_count"
				if diff := cmp.Diff(i.buckets, m.GetHistogram().GetDataPoints()[0].GetExplicitBounds()); diff != "" {
					t.Errorf("%s: buckets:\n%s", i.name, diff)
				}
			}
			var want []string
			for _, s := range e.find(name) {
				var pairs []string
				for label, value := range s.labels {
					pairs = append(pairs, label+"="+value)
				}
				slices.Sort(pairs)
				want = append(want, strings.Join(pairs, ","))
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, pointLabels(m)); diff != "" {
				t.Errorf("%s: labels of the scrape (-) and of OTLP (+):\n%s", i.name, diff)
			}
		}
		if len(got) != len(instruments()) {
			t.Errorf("%d metrics came, want %d", len(got), len(instruments()))
		}
	})
}

func TestExemplarsOverOTLPNameTheVerySpanMeasured(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{})
		telemetry := setup(t, pushing(r, protocol, nil))
		telemetry.Call("default", one(mapping.MetricTTSResponse, .4, callBase("default", "")))
		flush(t, telemetry)
		points := last(t, r)[mapping.MetricTTSResponse].GetHistogram().GetDataPoints()
		if len(points) != 1 || len(points[0].GetExemplars()) != 1 {
			t.Fatalf("points %v", points)
		}
		e := points[0].GetExemplars()[0]
		if !bytes.Equal(e.GetTraceId(), traceID[:]) || !bytes.Equal(e.GetSpanId(), spanID[:]) || e.GetAsDouble() != .4 {
			t.Errorf("exemplar %v", e)
		}
	})
}

func TestEachTemporalityIsWhatTheVariableAsksFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		preference           string
		counter, ledger      metricspb.AggregationTemporality
		secondCalls, secondL int64
	}{
		{"", metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, 2, 1005},
		{"cumulative", metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, 2, 1005},
		{"Delta", metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, 1, 5},
		{"lowmemory", metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, 1, 1005},
	} {
		protocols(t, func(t *testing.T, protocol string) {
			r := otlptest.New(t, otlptest.Options{})
			telemetry := setup(t, pushing(r, protocol, env{envTemporality: c.preference}))
			accepted := int64(1000) // by earlier processes
			telemetry.Observe(func(context.Context) (Snapshot, error) {
				return Snapshot{Ledger: map[string]map[string]int64{"default": {"accepted": accepted}}}, nil
			})
			call := one(mapping.MetricBargeIns, 1, callBase("default", ""))
			telemetry.Call("default", call)
			flush(t, telemetry)
			telemetry.Call("default", call)
			accepted += 5
			flush(t, telemetry)
			got := last(t, r)
			calls, ledger := got[mapping.MetricBargeIns], got[metricLedger]
			if calls.GetSum().GetAggregationTemporality() != c.counter || sum(calls) != c.secondCalls {
				t.Errorf("%s: counter %v", c.preference, calls)
			}
			if ledger.GetSum().GetAggregationTemporality() != c.ledger || sum(ledger) != c.secondL {
				t.Errorf("%s: ledger %v", c.preference, ledger)
			}
			if m := got[mapping.MetricBargeIns].GetSum(); !m.GetIsMonotonic() {
				t.Error("a counter that is not monotonic")
			}
		})
	}
}

// A delta of the ledger after a restart must not be everything that was ever
// counted.
func TestTheFirstDifferenceOfTheLedgerIsNotItsPast(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	telemetry := setup(t, pushing(r, otlptest.ProtocolGRPC, env{envTemporality: "delta"}))
	accepted := int64(1000)
	telemetry.Observe(func(context.Context) (Snapshot, error) {
		return Snapshot{Ledger: map[string]map[string]int64{"default": {"accepted": accepted}}}, nil
	})
	accepted += 7
	flush(t, telemetry)
	if n := sum(last(t, r)[metricLedger]); n != 7 {
		t.Errorf("the first difference is %d, want 7", n)
	}
}

func TestMetricsArePushedAtTheIntervalOfTheVariable(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{})
		setup(t, pushing(r, protocol, env{envInterval: "5"}))
		if err := r.Wait(t.Context(), func(all []otlptest.Request) bool { return len(all) >= 3 }); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRequestsAreWhatTheSettingsSay(t *testing.T) {
	t.Parallel()
	authority, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.PEM())
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{Authority: authority})
		telemetry := setup(t, func(c *Config) {
			pushing(r, protocol, env{"OTEL_RESOURCE_ATTRIBUTES": "team=voice", "OTEL_SERVICE_NAME": "voice-bot"})(c)
			c.InstanceID = "replica-1"
			c.OTLP.Headers = map[string]string{"X-Api-Key": "s3cret"}
			c.OTLP.Gzip = true
			c.OTLP.Timeout = time.Minute
			c.OTLP.TLS = &tls.Config{RootCAs: roots}
			if protocol == otlptest.ProtocolHTTP {
				c.OTLP.Endpoint += "?tenant=7"
			}
		})
		flush(t, telemetry)
		q := r.Requests()[0]
		if q.Signal != "metrics" || q.Protocol != protocol || !slices.Equal(q.Header["x-api-key"], []string{"s3cret"}) {
			t.Errorf("%s over %s, headers %v", q.Signal, q.Protocol, q.Header)
		}
		if agent := strings.Join(q.Header["user-agent"], " "); !strings.HasPrefix(agent, "cdr2otel/1.2.3") {
			t.Errorf("user agent %q", agent)
		}
		switch protocol {
		case otlptest.ProtocolHTTP:
			if q.Path != "/v1/metrics?tenant=7" || !slices.Equal(q.Header["content-encoding"], []string{"gzip"}) {
				t.Errorf("path %s, headers %v", q.Path, q.Header)
			}
		case otlptest.ProtocolGRPC:
			if until := time.Until(q.Deadline); until < 20*time.Second || until > time.Minute {
				t.Errorf("%s to the deadline", until) // the shorter of time-out and export time-out
			}
		}
		resource := q.Metrics.GetResourceMetrics()[0]
		got := map[string]string{}
		for _, a := range resource.GetResource().GetAttributes() {
			got[a.GetKey()] = text(a.GetValue())
		}
		want := map[string]string{
			"service.name": "cdr2otel", "service.version": "1.2.3", "service.instance.id": "replica-1", "team": "voice",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if scope := resource.GetScopeMetrics()[0].GetScope(); scope.GetName() != "cdr2otel" || scope.GetVersion() != "1.2.3" {
			t.Errorf("scope %v", scope)
		}
	})
}

func TestTheEndPushesWhatWasRecorded(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{})
		telemetry := setup(t, pushing(r, protocol, nil))
		telemetry.Call("default", one(mapping.MetricBargeIns, 3, callBase("default", "")))
		if err := telemetry.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := sum(last(t, r)[mapping.MetricBargeIns]); n != 3 {
			t.Errorf("%d came, want 3", n)
		}
	})
}

func TestTheConsoleGetsWhatIsRecordedBesideOTLP(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	var console logs
	telemetry := setup(t, func(c *Config) {
		pushing(r, otlptest.ProtocolGRPC, env{envExporter: "otlp, console"})(c)
		c.Console = &console
	})
	flush(t, telemetry)
	if r.Count() != 1 || !strings.Contains(console.String(), `"wxa.calls"`) {
		t.Errorf("%d requests, console: %.100s", r.Count(), console.String())
	}
}

func TestNoneAndPrometheusPushNothing(t *testing.T) {
	t.Parallel()
	for _, exporter := range []string{"none", "prometheus"} {
		r := otlptest.New(t, otlptest.Options{})
		telemetry := setup(t, pushing(r, otlptest.ProtocolGRPC, env{envExporter: exporter}))
		flush(t, telemetry)
		if n := r.Count(); n != 0 {
			t.Errorf("%s: %d requests", exporter, n)
		}
	}
}
