package backends

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// notYet are recorded series that need a week, a backlog or what the sample calls
// don't have.
var notYet = []string{
	"wxa:calls:increase1h_last_week", "wxa:transfers:increase1h_last_week",
	"wxa:stt_recognitions:increase1w", "wxa:stt_confidence:mean1w",
	"wxa:exporter_draining:now",
}

// ofSamples are alerts for which the sample calls give reason: most of them come
// without their message logs.
var ofSamples = []string{"WxaMessagesMissing"}

// Names are one thing, types, edges and label sets that meet are another: the rules
// are evaluated over what the exporter really says, in both ways it is written.
func TestRulesWorkOnRealCalls(t *testing.T) {
	t.Parallel()
	recorded, _ := rules(t)
	for _, way := range []string{"scraped", "over OTLP"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			e, p := exporterWithRules(t, way)
			p.query(t, "wxa_calls_total")
			// The second round makes histograms grow: increase() doesn't see a
			// series appear.
			e.post(t, anotherRound(sampleBodies(t), 1)...)
			p.query(t, "wxa_rtp_jitter_avg_seconds_count > 0 and wxa_rtp_jitter_avg_seconds_count offset 2s")
			e.post(t, anotherRound(sampleBodies(t), 2)...)
			for _, r := range recorded {
				if !slices.Contains(notYet, r.Record) {
					p.query(t, r.Record+" == "+r.Record) // NaN is not equal to itself
				}
			}
			p.query(t, "wxa:exporter_draining == 0")
			p.query(t, "wxa:plan_concurrent_calls:limit == 100")
			states := healthyRules(t, p)
			for alert, state := range states {
				if state != "inactive" && !slices.Contains(ofSamples, alert) {
					t.Errorf("%s is %s after a few calls", alert, state)
				}
			}
			confirmed(t, "%d recorded series have values, %s; %d alerts are quiet", len(recorded)-len(notYet), way, len(states))
		})
	}
}

func TestAnExporterThatWasKilledIsMissed(t *testing.T) {
	t.Parallel()
	e, p := exporterWithRules(t, "scraped")
	p.query(t, "wxa:exporter_source:present")
	e.kill()
	p.query(t, `ALERTS{alertname="WxaExporterAbsent", wxa_source="default", alertstate="pending"}`)
	healthyRules(t, p)
	confirmed(t, "WxaExporterAbsent is pending once the exporter is gone")
}

// exporterWithRules runs a sidecar and a Prometheus that has its metrics and the
// rules.
func exporterWithRules(t testing.TB, way string) (*exporterProcess, *prometheusServer) {
	t.Helper()
	toolPath(t, "prometheus") // before a sidecar is built
	o := prometheusOptions{Rules: ruleFiles(t)}
	env := []string{"OTEL_TRACES_EXPORTER=none"}
	source := exporterOptions{Config: quickGrace, Source: "resource: {deployment.environment.name: live}"}
	if way == "scraped" {
		source.Env = append(env, "OTEL_METRICS_EXPORTER=none")
		e := startExporter(t, source)
		o.Scrape = []string{e.Admin}
		return e, startPrometheus(t, o)
	}
	p := startPrometheus(t, o)
	source.Env = append(env, "OTEL_METRICS_EXPORTER=otlp", "OTEL_METRIC_EXPORT_INTERVAL=500",
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="+p.URL+"/api/v1/otlp/v1/metrics", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf")
	return startExporter(t, source), p
}

// idOfCall is an id that makes a call, a session or a message what it is.
var idOfCall = regexp.MustCompile(`"(?:global_session_id|session_id|log_id|call_id|sip_call_id|[A-Za-z_]*sip_call_id)"\s*:\s*"[^"]+`)

// anotherRound are other calls with the same content.
func anotherRound(bodies [][]byte, n int) [][]byte {
	round := make([][]byte, len(bodies))
	for i, body := range bodies {
		round[i] = idOfCall.ReplaceAllFunc(body, func(id []byte) []byte { return fmt.Appendf(slices.Clone(id), "-%d", n) })
	}
	return round
}

// healthyRules are the states of the alerts, when every rule was evaluated without an
// error.
func healthyRules(t testing.TB, p *prometheusServer) (states map[string]string) {
	t.Helper()
	eventually(t, "every rule is evaluated", func(ctx context.Context) error {
		var answer struct {
			Data struct {
				Groups []struct {
					Rules []struct {
						Name, Type, State, Health, LastError string
						LastEvaluation                       time.Time
					}
				}
			}
		}
		if err := getJSON(ctx, p.URL, "/api/v1/rules", nil, &answer); err != nil {
			return err
		}
		states = map[string]string{}
		var late []string
		for _, group := range answer.Data.Groups {
			for _, r := range group.Rules {
				switch {
				case r.Health == "err":
					t.Fatalf("%s: %s", r.Name, r.LastError)
				case r.Health != "ok":
					late = append(late, r.Name)
				case r.Type == "alerting":
					states[r.Name] = r.State
				}
			}
		}
		if len(late) > 0 || len(states) == 0 {
			return fmt.Errorf("not yet: %s", strings.Join(late, ", "))
		}
		return nil
	})
	return states
}
