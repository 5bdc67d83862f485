package doctor

import (
	"context"
	"strings"
	"time"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/telemetry"
)

// destinations checks that each signal that is on is taken where it goes to.
func (x *examination) destinations(ctx context.Context) {
	x.destination(ctx, delivery.SignalTraces, x.opts.Getenv)
	if check := checkOTLP + " " + delivery.SignalLogs; x.logsWanted() {
		x.destination(ctx, delivery.SignalLogs, x.opts.Getenv)
	} else {
		x.skip(check, "not used: mapping.events and correlation.late ask for none")
	}
	x.metrics(ctx)
}

// logsWanted tells whether the configuration makes log records.
func (x *examination) logsWanted() bool {
	events := x.cfg.Mapping.Events
	return events == config.EventsLog || events == config.EventsBoth || x.cfg.Correlation.Late == config.LateLog
}

func (x *examination) metrics(ctx context.Context) {
	const variable = "OTEL_METRICS_EXPORTER"
	if !telemetry.WantsOTLP(x.opts.Getenv) {
		x.ok(checkOTLP+" "+delivery.SignalMetrics, "not pushed (%s); they are scraped at /metrics of %s", variable, x.cfg.Admin.Endpoint)
		return
	}
	x.destination(ctx, delivery.SignalMetrics, func(name string) string {
		if name == variable { // it may be a list, of which otlp is one
			return delivery.ExporterOTLP
		}
		return x.opts.Getenv(name)
	})
}

// destination sends an empty request, by the client and with the settings of serve.
func (x *examination) destination(ctx context.Context, signal string, getenv func(string) string) {
	check := checkOTLP + " " + signal
	variable := "OTEL_" + strings.ToUpper(signal) + "_EXPORTER"
	s, err := delivery.SettingsFromEnv(signal, getenv)
	switch {
	case err != nil:
		x.skip(check, "repair the OTEL_* variables first")
		return
	case s.Exporter == delivery.ExporterNone:
		x.warn(check, "unset it, unless that is meant", "%s=none: %s go nowhere and count as exported", variable, signal)
		return
	case s.Exporter == delivery.ExporterConsole:
		x.ok(check, "%s=console: printed by serve", variable)
		return
	}
	s.UserAgent = "cdr2otel/" + x.opts.Version
	to := destination{signal: signal, name: s.ShownEndpoint(signal), grpc: s.Protocol == delivery.ProtocolGRPC}
	began := time.Now()
	a, at, err := delivery.Probe(ctx, signal, s)
	if err != nil {
		x.fail(check, "correct OTEL_EXPORTER_OTLP_ENDPOINT", "%s: %s", to.name, oneLine(delivery.WithoutURLSecrets(err.Error(), s.Endpoint), 300))
		return
	}
	x.heard("the "+signal+" endpoint", at, began)
	v := explain(a, to)
	x.add(Finding{Check: check, State: v.state, Seen: to.name + ": " + v.seen, Do: v.do})
}

// destination of a signal, as its answers are explained.
type destination struct {
	signal, name string
	grpc         bool
}

// variable is the name of a variable, for advice.
func (d destination) variable(key string) string { return "OTEL_EXPORTER_OTLP_" + key }

// own is the name of the signal's own form of a variable.
func (d destination) own(key string) string {
	return "OTEL_EXPORTER_OTLP_" + strings.ToUpper(d.signal) + "_" + key
}

// otherPort says what to do when the port speaks the other of the two protocols.
func (d destination) otherPort() string {
	if d.grpc {
		return "an HTTP port (mostly 4318), set " + d.variable("PROTOCOL") + "=http/protobuf"
	}
	return "a gRPC port (mostly 4317), set " + d.variable("PROTOCOL") + "=grpc"
}

// noPipeline says what to do when the receiver takes other signals only.
func (d destination) noPipeline() string {
	advice := "if the receiver has no pipeline for " + d.signal + ", add one"
	if d.signal == delivery.SignalMetrics { // Jaeger takes none
		advice += ", or set OTEL_METRICS_EXPORTER=none and have them scraped"
	}
	return advice
}
