package doctor

import "cdr2otel/exporter/internal/delivery"

// advice leads to what can't be seen from here: settings of back ends that see a call only
// when it is over.
func (x *examination) advice() {
	if s, err := delivery.SettingsFromEnv(delivery.SignalTraces, x.opts.Getenv); err != nil || s.Exporter != delivery.ExporterOTLP {
		return
	}
	x.note(checkBackEnd, "traces are written after the call: collector-config/README.md has the settings that Tempo, Jaeger, Loki, Prometheus and the Collector need for that")
}
