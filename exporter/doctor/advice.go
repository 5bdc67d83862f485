package doctor

import (
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/telemetry"
)

// advice is what can't be seen from here, of back ends that see a call only when it
// is over. Settings and reasons are those of collector-config/README.md.
func (x *examination) advice() {
	getenv := x.opts.Getenv
	if s, err := delivery.SettingsFromEnv(delivery.SignalTraces, getenv); err == nil && s.Exporter == delivery.ExporterOTLP {
		x.note(checkBackEnd, "Tempo: search misses calls longer than live_store.wal.ingestion_time_range_slack and block_builder's (Tempo 2: storage.trace.wal's), by default 2m: set 6h")
		x.note(checkBackEnd, "Tempo: span metrics and service graphs drop spans older than metrics_generator.metrics_ingestion_time_range_slack, by default 30s: set 2h, or use cdr2otel's own metrics")
		x.note(checkBackEnd, "Jaeger: set extensions.jaeger_query.max_clock_skew_adjust to 0s; it takes traces only, no logs or metrics")
		x.note(checkBackEnd, "Collector: its yes means queued; set file_storage.fsync and retry_on_failure.max_elapsed_time: 0s as in collector-config/sidecar.yaml")
	}
	if x.logsWanted() {
		x.note(checkBackEnd, "Loki: refuses records older than half of ingester.max_chunk_age, by default 1h: set 4h for long calls")
	}
	if telemetry.WantsOTLP(getenv) {
		x.note(checkBackEnd, "Prometheus: to take pushed metrics it needs --web.enable-otlp-receiver, for exemplars --enable-feature=exemplar-storage, for points out of a queue storage.tsdb.out_of_order_time_window")
		return
	}
	x.note(checkBackEnd, "Prometheus: exemplars that lead to traces need --enable-feature=exemplar-storage")
}
