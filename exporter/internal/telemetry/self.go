package telemetry

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"cdr2otel/mapping"
)

// measure records a value of a metric about the exporter.
func (t *Telemetry) measure(name string, value float64, attributes ...attribute.KeyValue) {
	if value < 0 {
		return
	}
	t.mu.Lock()
	s, _ := t.seriesOf(t.self, t.byName[name], attributes)
	t.mu.Unlock()
	s.measure(context.Background(), value)
}

// count is measure for counters, which nothing happened to when it is 0.
func (t *Telemetry) count(name string, n int, attributes ...attribute.KeyValue) {
	if n > 0 {
		t.measure(name, float64(n), attributes...)
	}
}

// Request is a request to the webhook listener, answered.
type Request struct {
	Method, Route, Scheme string
	Status                int
	Duration              time.Duration
	// Source and EventName of the event, and what became of it. An empty Outcome: the
	// request was no event of a source, and is not counted as one.
	Source, EventName, Outcome string
}

// Request records an answered request.
func (t *Telemetry) Request(r Request) {
	attributes := [5]attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(r.Method),
		semconv.HTTPRouteKey.String(r.Route),
		semconv.HTTPResponseStatusCode(r.Status),
		semconv.URLScheme(r.Scheme),
	}
	n := 4
	if r.Status >= 500 {
		attributes[n] = keyErrorType.String(strconv.Itoa(r.Status))
		n++
	}
	t.measure(metricRequests, r.Duration.Seconds(), attributes[:n]...)
	if r.Outcome == "" {
		return
	}
	if r.EventName == "" {
		r.EventName = other
	}
	t.measure(metricEvents, 1, keySource.String(r.Source), keyEventName.String(r.EventName), keyOutcome.String(r.Outcome))
}

// Assembled counts an assembly by its reason.
func (t *Telemetry) Assembled(source, reason string) {
	t.measure(metricAssemblies, 1, keySource.String(source), keyReason.String(reason))
}

// Joins counts how the messages of a call found their turns.
func (t *Telemetry) Joins(source string, j mapping.Joins) {
	t.joined(source, "joined", j.Joined)
	t.joined(source, "unnamed", j.Unnamed)
	t.joined(source, "missing", j.Missing)
	t.count(metricGaps, j.Gaps, keySource.String(source))
}

// Late counts messages that came after their call was assembled.
func (t *Telemetry) Late(source string, messages int) { t.joined(source, "late", messages) }

// Orphaned counts messages of phone sessions whose CDR did not come.
func (t *Telemetry) Orphaned(source string, messages int) { t.joined(source, "orphaned", messages) }

func (t *Telemetry) joined(source, outcome string, n int) {
	t.count(metricJoins, n, keySource.String(source), keyOutcome.String(outcome))
}

// Anomalies counts what a payload had wrong, by mapping.AnomalyNames.
func (t *Telemetry) Anomalies(source string, byName map[string]int) {
	for name, n := range byName {
		t.count(metricAnomalies, n, keySource.String(source), keyAnomaly.String(name))
	}
}

// PromptReadings counts prompts by how their start was read, by
// mapping.PromptReadingNames.
func (t *Telemetry) PromptReadings(source string, byName map[string]int) {
	for name, n := range byName {
		t.count(metricReadings, n, keySource.String(source), keyReading.String(name))
	}
}

// CDRArrived records how long after its call a CDR came. Clocks differ: a negative
// delay is none.
func (t *Telemetry) CDRArrived(source string, delay time.Duration) {
	t.measure(metricArrival, max(0, delay.Seconds()), keySource.String(source))
}

// Delivered records a request that the receiver took: how many spans or log records
// it had, how many of them it rejected, and how long ago it was assembled.
func (t *Telemetry) Delivered(signal string, items, rejected int64, delay time.Duration) {
	t.measure(metricDelivery, max(0, delay.Seconds()), keySignal.String(signal))
	name, exporter := metricSpansExported, t.cfg.SpanExporter
	if signal == signals[1] {
		name, exporter = metricLogsExported, t.cfg.LogExporter
	}
	if exporter == "" {
		return
	}
	component := [2]attribute.KeyValue{
		keyComponentName.String(exporter + componentNumber),
		keyComponentType.String(exporter),
	}
	t.count(name, int(items-rejected), component[:]...)
	t.count(name, int(rejected), component[0], component[1], keyErrorType.String(rejections[0]))
}

// Observed counts a synchronous webhook by whether what it showed was recorded.
func (t *Telemetry) Observed(source string, recorded bool) {
	outcome := observed[1]
	if recorded {
		outcome = observed[0]
	}
	t.measure(metricObservations, 1, keySource.String(source), keyOutcome.String(outcome))
}

// Reloaded counts a reload. One that was applied may have brought new sources.
func (t *Telemetry) Reloaded(applied bool) {
	outcome := reloadOutcomes[1]
	if applied {
		outcome = reloadOutcomes[0]
		t.configure()
	}
	t.measure(metricReloads, 1, keyOutcome.String(outcome))
}
