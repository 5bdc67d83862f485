package exporter

import (
	"context"
	"fmt"
	"time"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/correlator"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/exporter/internal/telemetry"
	"cdr2otel/mapping"
)

// flushTimeout bounds the last push of the metrics when the sidecar ends.
const flushTimeout = 5 * time.Second

// openTelemetry makes the metrics. The store and delivery are open: gauges read
// them.
func (e *Exporter) openTelemetry(context.Context) (err error) {
	otlp := e.destinations[delivery.SignalMetrics]
	components := map[string]string{}
	for _, o := range e.outlets {
		components[o.signal] = o.component
	}
	e.telemetry, err = telemetry.New(telemetry.Config{
		Version: e.opts.Version,
		Getenv:  e.opts.Getenv,
		OTLP: telemetry.OTLP{
			Protocol: otlp.Protocol,
			Endpoint: otlp.Endpoint,
			Insecure: otlp.Insecure,
			Headers:  otlp.Headers,
			Gzip:     otlp.Gzip,
			Timeout:  otlp.Timeout,
			TLS:      otlp.TLS,
		},
		Sources:      func() []telemetry.SourceLabels { return e.settings.Load().labels },
		CustomKeys:   func() []string { return e.settings.Load().customLabels },
		SpanExporter: components[delivery.SignalTraces],
		LogExporter:  components[delivery.SignalLogs],
		MaxAge:       e.cfg.Metrics.MaxAge,
		Now:          e.opts.Now,
		Logger:       e.log,
	})
	if err != nil {
		return err
	}
	e.telemetry.Observe(e.snapshot)
	return nil
}

// metricsSettings reads where metrics are pushed to, if they are.
func metricsSettings(getenv func(string) string) (delivery.Settings, error) {
	if !telemetry.WantsOTLP(getenv) {
		return delivery.Settings{}, nil
	}
	return delivery.SettingsFromEnv(delivery.SignalMetrics, metricsAsOTLP(getenv))
}

// metricsAsOTLP is an environment in which metrics go to OTLP alone. Their exporters
// may be a list, which is telemetry's to read.
func metricsAsOTLP(getenv func(string) string) func(string) string {
	return func(name string) string {
		if name == "OTEL_METRICS_EXPORTER" {
			return delivery.ExporterOTLP
		}
		return getenv(name)
	}
}

// sourceLabels is what the metrics of a source will carry, as far as the
// configuration tells.
func sourceLabels(name string, src config.Source, shared map[string]string) telemetry.SourceLabels {
	const environment = "deployment.environment.name"
	l := telemetry.SourceLabels{Name: name}
	if value := src.Resource[environment]; value != "" {
		l.Environments = append(l.Environments, value)
	} else if value := shared[environment]; value != "" {
		l.Environments = append(l.Environments, value)
	}
	for _, header := range src.HeaderAttributes {
		if header.Attribute == environment {
			l.Environments = append(l.Environments, header.Values...)
		}
	}
	for id, agent := range src.Agents {
		l.Agents = append(l.Agents, telemetry.AgentLabels{ID: id, Name: agent})
	}
	return l
}

// snapshot is what the gauges show. The ledger is that of the store: it survives
// restarts. Of a store that replicas share one of them reports. What is the process's
// own comes first: it is shown also when the store can't be read.
func (e *Exporter) snapshot(ctx context.Context) (telemetry.Snapshot, error) {
	usage, now := e.store.Usage(), e.opts.Now()
	s := telemetry.Snapshot{
		Ledger:     map[string]map[string]int64{},
		StoreUsage: usage.Used,
		StoreLimit: usage.Limit,
		Follows:    !e.store.Leads(),
		Ready:      e.store.Ready() == nil && !e.draining.Load(),
		Gates:      map[string]string{},
	}
	for _, o := range e.outlets {
		s.Gates[o.signal] = o.delivery.Gate().Reason
	}
	var err error
	s.CertificateExpiry, err = e.certificateExpiry()
	if err != nil {
		e.sayCertificate.Do(func() { e.log.Warn("a certificate can't be read, its end is not in the metrics", "error", err) })
	}
	ledger, err := e.store.Ledger(ctx)
	if err != nil {
		return s, fmt.Errorf("ledger: %w", err)
	}
	for source, states := range ledger {
		s.Ledger[source] = map[string]int64{}
		for state, n := range states {
			s.Ledger[source][string(state)] = n
		}
	}
	waiting, err := e.store.Waiting(ctx, exported...)
	if err != nil {
		return s, fmt.Errorf("what waits: %w", err)
	}
	s.Overdue = since(waiting.OverdueSince, now)
	s.OpenCallsAge = since(waiting.OpenSince, now)
	s.OpenCalls = waiting.OpenCalls
	return s, nil
}

// since is 0 for what does not wait.
func since(at, now time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return now.Sub(at)
}

// measureAnswer counts a request to the webhook listener.
func (e *Exporter) measureAnswer(a receiver.Answer) {
	e.telemetry.Request(telemetry.Request{
		Method: a.Method, Route: a.Route, Scheme: a.Scheme,
		Status:    a.Status,
		Duration:  a.Duration,
		Source:    a.Source,
		EventName: a.EventName,
		Outcome:   string(a.Outcome),
	})
}

// measureMessage records what a message log says of itself, while its call may
// still be in progress. The message is on disk: whatever happens here must not
// take its acknowledgement back.
func (e *Exporter) measureMessage(source string, in mapping.MessageInput, headers map[string]string) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("a message could not be measured; please report it", "source", source, "panic", fmt.Sprintf("%T", p))
		}
	}()
	e.telemetry.Message(e.settings.Load().mapper(source).Message(in, headers))
}

// measureAssembly records what a call measured, once, whatever becomes of its
// trace: alerting on voice must not go blind because the trace back end is down.
func (e *Exporter) measureAssembly(a correlator.Assembled) {
	source := a.Subject.Source
	e.telemetry.Anomalies(source, a.Anomalies)
	if a.Subject.Kind == correlator.Record && a.Subject.Reason == string(store.ReasonLate) {
		e.telemetry.Assembled(source, a.Subject.Reason)
		e.telemetry.Late(source, a.Messages)
	}
	if a.Trace == nil { // a log record stands beside its call, or the call was taken
		return
	}
	e.telemetry.Assembled(source, a.Subject.Reason)
	switch a.Subject.Kind {
	case correlator.Call:
		e.telemetry.Call(source, a.Trace.Measured)
		e.telemetry.Joins(source, joins(a))
		e.telemetry.PromptReadings(source, a.Trace.PromptReadings)
		if ended := a.Trace.Measured.EndedAt; !ended.IsZero() {
			e.telemetry.CDRArrived(source, a.ReceivedAt.Sub(ended))
		}
	case correlator.Late:
		e.telemetry.Late(source, a.Messages)
	case correlator.Conversation:
		e.telemetry.Orphaned(source, a.Orphaned)
	}
}

// joins is how the messages of a call found their turns. The mapping sees only its
// members; the store knows that some left in a conversation before the CDR came, so
// they are not missing. Where nobody sends messages, none is.
func joins(a correlator.Assembled) mapping.Joins {
	j := a.Trace.Joins
	j.Missing = a.Subject.Missing
	if a.Subject.Reason == string(store.ReasonNotExpected) {
		j.Missing = 0
	}
	return j
}

// measureDelivery counts the spans or log records of a request that the receiver
// took.
func (e *Exporter) measureDelivery(s delivery.Settlement) {
	if s.Verdict != delivery.VerdictDone {
		return
	}
	e.telemetry.Delivered(s.Request.Signal, s.Items, s.Rejected, e.opts.Now().Sub(s.Request.CreatedAt))
}
