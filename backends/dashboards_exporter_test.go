package backends

func exporterDashboard() dashboard {
	return dashboard{
		File: "exporter", Title: "cdr2otel: health", From: "now-6h",
		Description: "Whether cdr2otel takes what is sent to it and delivers it: what waits, what is refused, what is lost.",
		Variables: []dashboardVariable{{
			Name: "source", Label: "Source", Query: "label_values(wxa_exporter_ledger_events_total, wxa_source)", All: ".+",
			Description: "A configured source of cdr2otel. Applies to the panels whose metrics have a source.",
		}},
		Rows: []dashboardRow{
			{Title: "At a glance", Lines: []line{exporterAtAGlance(), exporterReserves()}},
			{Title: "What comes in", Lines: []line{exporterIntake(), exporterRequests()}},
			{Title: "What waits and what goes out", Lines: []line{exporterLedger(), exporterDelivery(), exporterDelays()}},
			{Title: "Calls and messages", Lines: []line{exporterAssembly()}},
			{Title: "Store and process", Lines: []line{exporterStore(), exporterProcessPanels()}},
		},
	}
}

// refusedOutcomes are those of events that the platform will not send again, or not
// for long: they are lost at the source.
const refusedOutcomes = "conflict|malformed|too_large|unsupported|refused"

func exporterAtAGlance() line {
	return line{4, []panel{
		{
			Kind: stat, Title: "Events accepted", Unit: "short", Width: 4, Decimals: digits(0), Empty: "0",
			Text:    "Events that are safe on disk. None by day: are the webhooks configured and do they reach us?",
			Targets: []target{{"accepted", total(`wxa_exporter_events_total{S,wxa_outcome="accepted"}`, "")}},
		},
		{
			Kind: stat, Title: "Events refused", Unit: "short", Width: 4, Decimals: digits(0), Empty: "0", Steps: bad(),
			Text:    "Events that were not taken and are lost, because the platform does not send them again for long. Any is one too many: see Events refused per minute.",
			Targets: []target{{"refused", total(`wxa_exporter_events_total{S,wxa_outcome=~"`+refusedOutcomes+`"}`, "")}},
		},
		{
			Kind: stat, Title: "Unauthorized", Unit: "short", Width: 4, Decimals: digits(0), Empty: "0", Steps: []step{{Colour: "green"}, {1, "orange"}, {100, "red"}},
			Text:    "Requests with a wrong or missing secret. A few: someone scans the internet. All of them: the secret of platform and configuration differ, and events are lost.",
			Targets: []target{{"unauthorized", total(`wxa_exporter_events_total{S,wxa_outcome="unauthorized"}`, "")}},
		},
		{
			Kind: stat, Title: "Waiting now", Unit: "short", Width: 4, Decimals: digits(0),
			Text:    "Accepted events that are not delivered yet: those of calls in progress, and a backlog while sending is held.",
			Targets: []target{{"waiting", expr("sum(wxa_exporter_ledger_pending{S})")}},
		},
		{
			Kind: stat, Title: "Dead letters", Unit: "short", Width: 4, Decimals: digits(0), Steps: bad(),
			Text:    "Events that the back end refuses for good. They wait to be looked at: cdr2otel's log says why.",
			Targets: []target{{"dead", expr("sum(wxa_exporter_ledger_dead{S})")}},
		},
		{
			Kind: stat, Title: "Sending", Unit: "short", Width: 4,
			Text:    "Held: the back end is down, refuses the credentials, or is wrongly configured; calls wait on disk. See Why sending is held.",
			Targets: []target{{"held", "max(wxa_exporter_gate)"}},
			States:  []state{{"0", "flows", "green"}, {"1", "held", "red"}},
		},
	}}
}

func exporterReserves() line {
	return line{4, []panel{
		{
			Kind: stat, Title: "Overdue", Unit: "s", Width: 5, Steps: worseFrom(120, 900),
			Text:    "How long the oldest work is past its time. Seconds are normal; minutes: sending is held, or the machine is too small.",
			Targets: []target{{"overdue", "max(wxa_exporter_store_overdue_age_seconds)"}},
		},
		{
			Kind: stat, Title: "Store used", Unit: "percentunit", Width: 5, Decimals: digits(1), Empty: "no limit", Steps: worseFrom(0.5, 0.92),
			Text:    "Of store.max_size. When it is full, events are refused and lost: free the way to the back end or raise the limit.",
			Targets: []target{{"used", "max(wxa_exporter_store_usage_bytes / wxa_exporter_store_limit_bytes)"}},
		},
		{
			Kind: stat, Title: "Certificate ends in", Unit: "s", Width: 5, Steps: []step{{Colour: "red"}, {3 * 24 * 3600, "orange"}, {14 * 24 * 3600, "green"}}, Empty: "no TLS here",
			Text:    "The first of the listeners' certificates to expire. Afterwards the platform refuses to connect, and every event is lost.",
			Targets: []target{{"ends in", "min(wxa_exporter_certificate_expiry_seconds - time())"}},
		},
		{
			Kind: stat, Title: "Events unaccounted for", Unit: "short", Width: 5, Signed: true, Decimals: digits(0), Steps: []step{{Colour: "red"}, {0, "green"}, {1, "red"}},
			Text: "Accepted, less what waits, was exported, dropped, expired, forgotten or is dead. Anything but 0 that stays is a defect: report it.",
			Targets: []target{{"unaccounted", expr(`sum(wxa_exporter_ledger_events_total{S,wxa_state="accepted"})` +
				` - sum(wxa_exporter_ledger_events_total{S,wxa_state=~"exported|dropped|expired|forgotten"})` +
				` - sum(wxa_exporter_ledger_pending{S}) - sum(wxa_exporter_ledger_dead{S})`)}},
		},
		{
			Kind: stat, Title: "Taking webhooks", Unit: "short", Width: 4, Decimals: digits(0), Steps: []step{{Colour: "red"}, {1, "green"}},
			Text:    "Replicas that are ready. None: every event is refused and lost; fewer than there are: /readyz of the others says why.",
			Targets: []target{{"ready", "sum(wxa_exporter_ready)"}},
		},
	}}
}

func exporterIntake() line {
	return line{8, []panel{
		{
			Kind: stacked, Title: "Events per minute by outcome", Unit: "short", Width: 8,
			Text:    "Duplicates are harmless: the platform sent again what it had no answer for. Orange and red were not taken.",
			Targets: []target{{"{{wxa_outcome}}", perMinute("wxa_exporter_events_total{S}", "wxa_outcome")}},
			Styles: []style{
				{Legend: "accepted", Colour: "green"}, {Legend: "duplicate", Colour: "light-green"}, {Legend: "unauthorized", Colour: "orange"},
				{Legend: "conflict", Colour: "light-orange"}, {Legend: "malformed", Colour: "semi-dark-red"}, {Legend: "too_large", Name: "too large", Colour: "dark-red"},
				{Legend: "unsupported", Colour: "light-red"}, {Legend: "refused", Colour: "red"},
			},
		},
		{
			Kind: stacked, Title: "Accepted events per minute by name", Unit: "short", Width: 8,
			Text:    "cdr_logged are call records, message_logged what callers and assistant said. One of the two missing: its box is not ticked.",
			Targets: []target{{"{{wxa_event_name}}", perMinute(`wxa_exporter_events_total{S,wxa_outcome="accepted"}`, "wxa_event_name")}},
			Styles: []style{
				{Legend: "cdr_logged", Colour: "blue"}, {Legend: "message_logged", Colour: "purple"}, {Legend: "message_received", Colour: "light-blue"},
				{Legend: "message_processed", Colour: "light-purple"}, {Legend: "_OTHER", Name: "other", Colour: "yellow"},
			},
		},
		{
			Kind: stacked, Title: "Events refused per minute", Unit: "short", Width: 8,
			Text:    "By reason. Refused: no room or no disk; too large: over webhook.max_request_body_size; malformed and unsupported: not what the platform documents; conflict: the same id with another content.",
			Targets: []target{{"{{wxa_outcome}}", perMinute(`wxa_exporter_events_total{S,wxa_outcome=~"`+refusedOutcomes+`"}`, "wxa_outcome")}},
			Styles: []style{
				{Legend: "conflict", Colour: "light-orange"}, {Legend: "malformed", Colour: "semi-dark-red"}, {Legend: "too_large", Name: "too large", Colour: "dark-red"},
				{Legend: "unsupported", Colour: "light-red"}, {Legend: "refused", Colour: "red"},
			},
		},
	}}
}

func exporterRequests() line {
	const requests = "http_server_request_duration_seconds"
	within := func(q string) string {
		return "histogram_quantile(" + q + ", sum by (le) (" + ours("rate("+requests+"_bucket[$__rate_interval])") + "))"
	}
	return line{8, []panel{
		{
			Kind: lines, Title: "Time to answer a webhook", Unit: "s", Width: 8, Steps: []step{{Colour: "transparent"}, {1, "orange"}, {5, "red"}},
			Text:    "From request to answer, which is given when the event is on disk. Seconds: the disk is slow, and the platform gives up and sends again, or not.",
			Targets: []target{{"half within", within("0.5")}, {"95 % within", within("0.95")}, {"99 % within", within("0.99")}},
			Styles:  []style{{Legend: "half within", Colour: "light-blue"}, {Legend: "95 % within", Colour: "blue"}, {Legend: "99 % within", Colour: "purple"}},
		},
		{
			Kind: stacked, Title: "Requests per minute by HTTP status", Unit: "short", Width: 8,
			Text:    "200 is safe on disk. 401: wrong secret; 4xx: not taken; 503: no room or shutting down, the platform may try again.",
			Targets: []target{{"{{http_response_status_code}}", "sum by (http_response_status_code) (" + ours("rate("+requests+"_count[$__rate_interval])") + ") * 60"}},
			Styles: []style{
				{Legend: "200", Colour: "green"}, {Legend: "400", Colour: "orange"}, {Legend: "401", Colour: "yellow"}, {Legend: "413", Colour: "dark-orange"},
				{Legend: "500", Colour: "dark-red"}, {Legend: "503", Colour: "red"},
			},
		},
		{
			Kind: stacked, Title: "Pre- and post-message webhooks per minute", Unit: "short", Width: 8,
			Text:    "All are answered at once. Dropped: what they showed was not recorded, since the store did not keep up.",
			Targets: []target{{"{{wxa_outcome}}", perMinute("wxa_exporter_observations_total{S}", "wxa_outcome")}},
			Styles:  []style{{Legend: "recorded", Colour: "green"}, {Legend: "dropped", Colour: "orange"}},
		},
	}}
}

func exporterLedger() line {
	return line{8, []panel{
		{
			Kind: stacked, Title: "What became of accepted events, per minute", Unit: "short", Width: 12,
			Text:    "Exported: the back end has them. Dropped: nothing to send, or told to drop. Expired: dead letters that nobody retried in time, and lost. Forgotten: deleted on a privacy request.",
			Targets: []target{{"{{wxa_state}}", perMinute(`wxa_exporter_ledger_events_total{S,wxa_state!="accepted"}`, "wxa_state")}},
			Styles: []style{
				{Legend: "exported", Colour: "green"}, {Legend: "dropped", Colour: "yellow"}, {Legend: "forgotten", Colour: "blue"}, {Legend: "expired", Colour: "red"},
			},
		},
		{
			Kind: lines, Title: "Waiting events and dead letters", Unit: "short", Width: 12,
			Text: "Waiting follows the calls in progress. A steady rise: sending is held or too slow. Dead letters stay until someone looks.",
			Targets: []target{
				{"waiting", expr("sum(wxa_exporter_ledger_pending{S})")},
				{"dead", expr("sum(wxa_exporter_ledger_dead{S})")},
			},
			Styles: []style{{Legend: "waiting", Colour: "blue"}, {Legend: "dead", Name: "dead letters", Colour: "red"}},
		},
	}}
}

func exporterDelivery() line {
	return line{8, []panel{
		{
			Kind: states, Title: "Why sending is held", Unit: "short", Width: 8,
			Text:    "Unavailable and throttled pass by themselves. Credentials and misconfigured don't: someone has to act. Failing: the back end answers, but with errors.",
			Targets: []target{{"{{wxa_signal}}: {{wxa_reason}}", "max by (wxa_signal, wxa_reason) (wxa_exporter_gate)"}},
			States:  []state{{"0", "flows", "green"}, {"1", "held", "red"}},
		},
		{
			Kind: lines, Title: "Oldest overdue work", Unit: "s", Width: 8, Colour: "blue", Steps: []step{{Colour: "transparent"}, {120, "orange"}, {900, "red"}},
			Text:    "How long a call or a request is past its time. Rises second by second while sending is held.",
			Targets: []target{{"overdue", "max(wxa_exporter_store_overdue_age_seconds)"}},
		},
		{
			Kind: stacked, Title: "Spans and log records per minute", Unit: "short", Width: 8,
			Text: "Taken and rejected by the back end. Rejected ones are lost: cdr2otel's log has the back end's reason. Log records only with mapping.events log or both.",
			Targets: []target{
				{"spans", "sum(" + ours(`rate(otel_sdk_exporter_span_exported_total{error_type=""}[$__rate_interval])`) + ") * 60"},
				{"log records", "sum(" + ours(`rate(otel_sdk_exporter_log_exported_total{error_type=""}[$__rate_interval])`) + ") * 60"},
				{"spans rejected", "sum(" + ours(`rate(otel_sdk_exporter_span_exported_total{error_type!=""}[$__rate_interval])`) + ") * 60"},
				{"log records rejected", "sum(" + ours(`rate(otel_sdk_exporter_log_exported_total{error_type!=""}[$__rate_interval])`) + ") * 60"},
			},
			Styles: []style{
				{Legend: "spans", Colour: "green"}, {Legend: "log records", Colour: "blue"},
				{Legend: "spans rejected", Colour: "red"}, {Legend: "log records rejected", Colour: "dark-red"},
			},
		},
	}}
}

func exporterDelays() line {
	pair := func(histogram, selector string) []target {
		return []target{{"half within", quantile("0.5", histogram, selector, "")}, {"95 % within", quantile("0.95", histogram, selector, "")}}
	}
	colours := []style{{Legend: "half within", Colour: "light-blue"}, {Legend: "95 % within", Colour: "blue"}}
	return line{8, []panel{
		{
			Kind: lines, Title: "End of call to its record", Unit: "s", Width: 12, Styles: colours,
			Text:    "How late the platform sends call records. Minutes: the platform is behind, or its earlier tries failed.",
			Targets: pair("wxa_exporter_cdr_arrival_delay_seconds", "{S}"),
		},
		{
			Kind: lines, Title: "Put together to delivered", Unit: "s", Width: 12, Styles: colours,
			Text:    "From the moment a call is put together to the back end's answer. Seconds are a slow back end; minutes: sending was held.",
			Targets: pair("wxa_exporter_delivery_delay_seconds", "{}"),
		},
	}}
}

func exporterAssembly() line {
	return line{8, []panel{
		{
			Kind: stacked, Title: "Calls put together per minute, by reason", Unit: "short", Width: 8,
			Text:    "Complete: nothing was missing. Grace: the record's messages did not all come in time. Window and idle: no record came. Many that are not complete: the message log webhook is off or slow.",
			Targets: []target{{"{{wxa_reason}}", perMinute("wxa_exporter_assemblies_total{S}", "wxa_reason")}},
			Styles: []style{
				{Legend: "complete", Colour: "green"}, {Legend: "not_expected", Name: "no messages expected", Colour: "light-green"}, {Legend: "late", Colour: "light-blue"},
				{Legend: "idle", Colour: "blue"}, {Legend: "grace", Colour: "yellow"}, {Legend: "window", Colour: "orange"}, {Legend: "size", Colour: "purple"},
			},
		},
		{
			Kind: stacked, Title: "Messages the platform never sent, per minute", Unit: "short", Width: 8, Colour: "orange",
			Text:    "Holes in the turn counts of messages. Any: the platform lost them or could not reach us; compare with refused events.",
			Targets: []target{{"holes", perMinute("wxa_exporter_turn_gaps_total{S}", "")}},
		},
		{
			Kind: stacked, Title: "Oddities in payloads, per minute", Unit: "short", Width: 8,
			Text: "What had to be repaired or left out: times of 1970, unknown words, missing fields. A new kind, or many: the platform changed its format, look for a newer cdr2otel. So too when prompts are read as text_sent all at once.",
			Targets: []target{
				{"{{wxa_anomaly}}", perMinute("wxa_exporter_mapping_anomalies_total{S}", "wxa_anomaly")},
				{"prompt read as {{wxa_tts_start_reading}}", perMinute(`wxa_exporter_mapping_prompts_total{S, wxa_tts_start_reading="text_sent"}`, "wxa_tts_start_reading")},
			},
		},
	}}
}

func exporterStore() line {
	return line{8, []panel{
		{
			Kind: lines, Title: "Store, against its limit", Unit: "bytes", Width: 8,
			Text: "A rise while sending is held is what the store is for. At the dashed line events are refused.",
			Targets: []target{
				{"used {{instance}}", "sum by (instance) (wxa_exporter_store_usage_bytes)"},
				{"limit", "max(wxa_exporter_store_limit_bytes)"},
			},
			Styles: []style{{Legend: "limit", Colour: "red", Dashed: true}},
		},
		{
			Kind: ranking, Title: "Certificates end in", Unit: "s", Width: 8, Steps: []step{{Colour: "red"}, {3 * 24 * 3600, "orange"}, {14 * 24 * 3600, "green"}}, Empty: "no TLS here",
			Text:    "By listener. They are read again when their files change; if this does not rise after a renewal, the new file is not where the old one was.",
			Targets: []target{{"{{wxa_listener}}", "min by (wxa_listener) (wxa_exporter_certificate_expiry_seconds - time())"}},
		},
		{
			Kind: ranking, Title: "Reloads and calls left out of metrics", Unit: "short", Width: 8, Decimals: digits(0),
			Text: "Refused reloads: the new configuration has a mistake and the old one is still in use. Calls left out: older than metrics.max_age when they were put together, after an outage for example.",
			Targets: []target{
				{"reloads {{wxa_outcome}}", total("wxa_exporter_config_reloads_total", "wxa_outcome")},
				{"calls left out", total("wxa_exporter_call_metrics_skipped_total{S}", "")},
			},
			Styles: []style{{Legend: "reloads refused", Colour: "red"}, {Legend: "reloads applied", Colour: "green"}, {Legend: "calls left out", Colour: "yellow"}},
		},
	}}
}

func exporterProcessPanels() line {
	return line{8, []panel{
		{
			Kind: lines, Title: "Memory", Unit: "bytes", Width: 8,
			Text:    "Of the process, when it is scraped. It does not grow with a backlog; a steady rise is a defect: report it.",
			Targets: []target{{"{{instance}}", ours("process_resident_memory_bytes")}},
		},
		{
			Kind: lines, Title: "CPU", Unit: "short", Width: 8,
			Text:    "Cores in use, when it is scraped. Near the container's limit webhooks are answered late.",
			Targets: []target{{"{{instance}}", ours("rate(process_cpu_seconds_total[$__rate_interval])")}},
		},
		{
			Kind: lines, Title: "Goroutines", Unit: "short", Width: 8,
			Text:    "What the process does at once, when it is scraped. A steady rise is a defect: report it.",
			Targets: []target{{"{{instance}}", ours("go_goroutines")}},
		},
	}}
}
