package exporter

import (
	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/store"
)

// records says where what happens at an instant goes: to spans, to log records, or
// to both.
type records struct {
	events config.Events
	// exported: log records leave. If OTEL_LOGS_EXPORTER switches that off none are
	// made.
	exported bool
	late     store.LateAs
	content  bool // texts of the synchronous webhooks are kept until their turn is assembled
}

func newRecords(cfg config.Config, getenv func(string) string) (records, error) {
	logs, err := delivery.SettingsFromEnv(delivery.SignalLogs, getenv)
	if err != nil {
		return records{}, err
	}
	content, err := captureContent(cfg.Mapping.Content, getenv)
	if err != nil {
		return records{}, err
	}
	r := records{events: cfg.Mapping.Events, exported: logs.Enabled(), content: content}
	r.late = r.lateAs(cfg.Correlation.Late)
	return r, nil
}

// asSpans tells whether events are on spans, asRecords whether they are log records.
func (r records) asSpans() bool   { return r.events != config.EventsLog }
func (r records) asRecords() bool { return r.events != config.EventsSpan && r.exported }

// leave tells whether any log record is ever made.
func (r records) leave() bool { return r.asRecords() || r.late == store.LateRecord }

// lateAs is what a message becomes that comes after its call was assembled. Where
// each message has its log record anyway a late one needs no second, and is not
// dropped; only a span may stand beside it.
func (r records) lateAs(late config.Late) store.LateAs {
	switch {
	case late == config.LateSpan && r.asSpans():
		return store.LateSpan
	case r.asRecords(), late == config.LateLog && r.exported:
		return store.LateRecord
	}
	return store.LateDrop
}
