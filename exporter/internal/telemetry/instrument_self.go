package telemetry

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"cdr2otel/mapping"
)

// Names of the metrics about this process.
const (
	selfPrefix = mapping.Prefix + "exporter."

	metricRequests      = "http.server.request.duration"
	metricEvents        = selfPrefix + "events"
	metricLedger        = selfPrefix + "ledger.events"
	metricPending       = selfPrefix + "ledger.pending"
	metricDead          = selfPrefix + "ledger.dead"
	metricStoreUsage    = selfPrefix + "store.usage"
	metricStoreLimit    = selfPrefix + "store.limit"
	metricOverdue       = selfPrefix + "store.overdue.age"
	metricCallsOpen     = selfPrefix + "calls.open"
	metricCallsOpenAge  = selfPrefix + "calls.open.age"
	metricJoins         = selfPrefix + "message.joins"
	metricGaps          = selfPrefix + "turn.gaps"
	metricAssemblies    = selfPrefix + "assemblies"
	metricSkipped       = selfPrefix + "call.metrics_skipped"
	metricReady         = selfPrefix + "ready"
	metricCertificate   = selfPrefix + "certificate.expiry"
	metricReloads       = selfPrefix + "config.reloads"
	metricArrival       = selfPrefix + "cdr.arrival.delay"
	metricDelivery      = selfPrefix + "delivery.delay"
	metricGate          = selfPrefix + "gate"
	metricAnomalies     = selfPrefix + "mapping.anomalies"
	metricReadings      = selfPrefix + "mapping.prompts"
	metricObservations  = selfPrefix + "observations"
	metricSpansExported = "otel.sdk.exporter.span.exported"
	metricLogsExported  = "otel.sdk.exporter.log.exported"
)

// Keys of their attributes.
const (
	keyState         = attribute.Key(mapping.Prefix + "state")
	keyReason        = attribute.Key(mapping.Prefix + "reason")
	keySignal        = attribute.Key(mapping.Prefix + "signal")
	keyAnomaly       = attribute.Key(mapping.Prefix + "anomaly")
	keyReading       = attribute.Key(mapping.Prefix + "tts.start_reading")
	keyListener      = attribute.Key(mapping.Prefix + "listener")
	keyEventName     = attribute.Key(mapping.Prefix + "event.name")
	keyComponentName = semconv.OTelComponentNameKey
	keyComponentType = semconv.OTelComponentTypeKey

	componentNumber = "/0" // the conventions number the exporters of a process
)

// Words in present for values that only the configuration knows.
const (
	everySource           = "*"   // a row for each configured source
	everySpanExporter     = "@"   // what sends the spans
	everySpanExporterName = "@/0" // and its name
	everyLogExporter      = "&"   // what sends the log records
	everyLogExporterName  = "&/0" // and its name
)

// selfInstruments are the metrics of the exporter about itself.
func selfInstruments() []instrument {
	return slices.Concat(ofIntake(), ofStore(), ofJoining(), ofRunning())
}

func ofIntake() []instrument {
	return []instrument{
		{
			name: metricRequests, prometheus: "http_server_request_duration_seconds", kind: histogram, unit: "s",
			description: "Duration of HTTP server requests.",
			buckets:     requestBuckets,
			attributes: []attr{
				{key: semconv.HTTPRequestMethodKey, values: methods},
				{key: semconv.HTTPRouteKey, limit: limitNone, bound: "the path of the webhooks with `{source}` in it"},
				{key: semconv.HTTPResponseStatusCodeKey, typ: attribute.INT64, limit: limitStatus, bound: "what the webhook listener answers"},
				{key: semconv.URLSchemeKey, values: schemes},
				attrError(serverErrors...),
			},
			from: "requests to the webhook listener",
		},
		{
			name: metricEvents, prometheus: "wxa_exporter_events_total", kind: counter, unit: "{event}",
			description: "Webhook events, by what became of them. Refused ones are lost: the platform doesn't repeat them.",
			attributes: []attr{
				attrSource, {key: keyEventName, values: eventNames}, {key: keyOutcome, values: eventOutcomes},
			},
			present: combine([]string{everySource}, append(slices.Clone(eventNames), other), eventOutcomes),
			from:    "requests to the webhook listener; the name is `_OTHER` when it was not read; of several message logs in one the worst outcome",
		},
		{
			name: metricObservations, prometheus: "wxa_exporter_observations_total", kind: counter, unit: "{event}",
			description: "Pre- and post-message webhooks, by whether what they showed was recorded. They are answered in any case; recording is best effort.",
			attributes:  []attr{attrSource, {key: keyOutcome, values: observed}},
			present:     combine([]string{everySource}, observed),
			from:        "message_received and message_processed",
		},
	}
}

func ofStore() []instrument {
	return []instrument{
		{
			name: metricLedger, prometheus: "wxa_exporter_ledger_events_total", kind: total, unit: "{event}",
			description: "Events ever accepted, and those in a final state. Accepted = pending + exported + dead + dropped + expired + forgotten.",
			attributes:  []attr{attrSource, {key: keyState, values: ledgerStates}},
			from:        "the store's ledger: it survives restarts",
		},
		{
			name: metricPending, prometheus: "wxa_exporter_ledger_pending", kind: gauge, unit: "{event}",
			description: "Accepted events that are not delivered yet.",
			attributes:  []attr{attrSource},
			from:        "the store's ledger",
		},
		{
			name: metricDead, prometheus: "wxa_exporter_ledger_dead", kind: gauge, unit: "{event}",
			description: "Dead letters.",
			attributes:  []attr{attrSource},
			from:        "the store's ledger",
		},
		{
			name: metricStoreUsage, prometheus: "wxa_exporter_store_usage_bytes", kind: gauge, unit: "By",
			description: "What the store occupies.",
			from:        "the store",
		},
		{
			name: metricStoreLimit, prometheus: "wxa_exporter_store_limit_bytes", kind: gauge, unit: "By",
			description: "What the store may occupy.",
			from:        "`store.max_size`, or what the disk has room for if that is less; absent without a limit",
		},
		{
			name: metricOverdue, prometheus: "wxa_exporter_store_overdue_age_seconds", kind: gauge, unit: "s",
			description: "How long the oldest due call is past its due time, or the oldest request has waited to be delivered. A call in progress is not overdue.",
			from:        "the store; 0 when nothing is",
		},
		{
			name: metricCallsOpen, prometheus: "wxa_exporter_calls_open", kind: gauge, unit: "{call}",
			description: "Phone sessions with messages and no CDR yet.",
			attributes:  []attr{attrSource},
			from:        "the store",
		},
		{
			name: metricCallsOpenAge, prometheus: "wxa_exporter_calls_open_age_seconds", kind: gauge, unit: "s",
			description: "How long ago the first message of the oldest open phone session came.",
			from:        "the store; 0 when none is open",
		},
	}
}

func ofJoining() []instrument {
	return []instrument{
		{
			name: metricJoins, prometheus: "wxa_exporter_message_joins_total", kind: counter, unit: "{message}",
			description: "Message logs, by whether they found their turn: late ones came after their call was assembled, orphaned ones have no CDR, missing ones are named by a CDR and never came, unnamed ones belong to a call of which no turn names them.",
			attributes:  []attr{attrSource, {key: keyOutcome, values: joinOutcomes}},
			present:     combine([]string{everySource}, joinOutcomes),
			from:        "each assembly",
		},
		{
			name: metricGaps, prometheus: "wxa_exporter_turn_gaps_total", kind: counter, unit: "{turn}",
			description: "Holes in the turn counts of a session: messages that the platform never delivered.",
			attributes:  []attr{attrSource},
			present:     [][]string{{everySource}},
			from:        "message logs: `context.global.system.turn_count`",
		},
		{
			name: metricAssemblies, prometheus: "wxa_exporter_assemblies_total", kind: counter, unit: "{assembly}",
			description: "Calls, conversations and late messages that were assembled, by why then.",
			attributes:  []attr{attrSource, {key: keyReason, values: assemblyReasons}},
			present:     combine([]string{everySource}, assemblyReasons),
			from:        "each assembly",
		},
		{
			name: metricSkipped, prometheus: "wxa_exporter_call_metrics_skipped_total", kind: counter, unit: "{call}",
			description: "Calls that ended longer ago than metrics.max_age: their metrics were not recorded.",
			attributes:  []attr{attrSource},
			present:     [][]string{{everySource}},
			from:        "each call",
		},
	}
}

func ofRunning() []instrument {
	return []instrument{
		{
			name: metricReady, prometheus: "wxa_exporter_ready", kind: gauge, unit: "{process}",
			description: "1: webhooks are taken in. 0: /readyz says why not; they are refused, and lost unless another replica takes them.",
			from:        "each process: the store, and whether it shuts down",
		},
		{
			name: metricCertificate, prometheus: "wxa_exporter_certificate_expiry_seconds", kind: gauge, unit: "s",
			description: "When the certificate of a listener expires, in Unix time.",
			attributes:  []attr{{key: keyListener, values: listeners}},
			from:        "the certificates in use; absent without TLS",
		},
		{
			name: metricReloads, prometheus: "wxa_exporter_config_reloads_total", kind: counter, unit: "{reload}",
			description: "Attempts to reload the configuration.",
			attributes:  []attr{{key: keyOutcome, values: reloadOutcomes}},
			present:     combine(reloadOutcomes),
			from:        "SIGHUP",
		},
		{
			name: metricArrival, prometheus: "wxa_exporter_cdr_arrival_delay_seconds", kind: histogram, unit: "s",
			description: "Time from the end of a call to the receipt of its CDR.",
			buckets:     arrivalBuckets,
			attributes:  []attr{attrSource},
			from:        "receipt − `call.stop_timestamp`, at least 0",
		},
		{
			name: metricDelivery, prometheus: "wxa_exporter_delivery_delay_seconds", kind: histogram, unit: "s",
			description: "Time from assembling a request to its delivery.",
			buckets:     deliveryBuckets,
			attributes:  []attr{{key: keySignal, values: signals}},
			from:        "each request that was delivered",
		},
		{
			name: metricGate, prometheus: "wxa_exporter_gate", kind: gauge, unit: "{gate}",
			description: "1: sending is held for that reason.",
			attributes:  []attr{{key: keySignal, values: signals}, {key: keyReason, values: gateReasons}},
			from:        "answers of the receiver",
		},
		{
			name: metricAnomalies, prometheus: "wxa_exporter_mapping_anomalies_total", kind: counter, unit: "{anomaly}",
			description: "What payloads had wrong.",
			attributes:  []attr{attrSource, {key: keyAnomaly, values: mapping.AnomalyNames()}},
			present:     combine([]string{everySource}, mapping.AnomalyNames()),
			from:        "the mapping",
		},
		{
			name: metricReadings, prometheus: "wxa_exporter_mapping_prompts_total", kind: counter, unit: "{prompt}",
			description: "Prompts of calls, by how their start_timestamp was read: as the first audio, or as the time at which the text was sent.",
			attributes:  []attr{attrSource, {key: keyReading, values: mapping.PromptReadingNames()}},
			present:     combine([]string{everySource}, mapping.PromptReadingNames()),
			from:        "the mapping",
		},
		{
			name: metricSpansExported, prometheus: "otel_sdk_exporter_span_exported_total", kind: counter, unit: "{span}",
			description: "Spans that the receiver answered for; rejected ones it turned away in a partial success.",
			attributes: []attr{
				attrError(rejections...),
				{key: keyComponentName, limit: limitNone, bound: "the type and `/0`"},
				{key: keyComponentType, values: spanExporters},
			},
			present: combine(append([]string{""}, rejections...), []string{everySpanExporterName}, []string{everySpanExporter}),
			from:    "answers of the receiver",
		},
		{
			name: metricLogsExported, prometheus: "otel_sdk_exporter_log_exported_total", kind: counter, unit: "{log_record}",
			description: "Log records that the receiver answered for; rejected ones it turned away in a partial success.",
			attributes: []attr{
				attrError(rejections...),
				{key: keyComponentName, limit: limitNone, bound: "the type and `/0`"},
				{key: keyComponentType, values: logExporters},
			},
			present: combine(append([]string{""}, rejections...), []string{everyLogExporterName}, []string{everyLogExporter}),
			from:    "answers of the receiver",
		},
	}
}
