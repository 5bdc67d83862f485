package backends

// callFilters are the variables of the dashboards about calls.
func callFilters() []dashboardVariable {
	return []dashboardVariable{
		{
			Name: "source", Label: "Source", Query: "label_values(wxa_calls_total, wxa_source)", All: ".+",
			Description: "A configured source of cdr2otel: one watsonx Assistant environment.",
		},
		{
			Name: "environment", Label: "Environment", All: ".*",
			Query:       `label_values(wxa_calls_total{wxa_source=~"$source"}, deployment_environment_name)`,
			Description: "deployment.environment.name of the source's resource. All includes sources that have none.",
		},
		{
			Name: "assistant", Label: "Assistant", All: ".*",
			Query:       `query_result(count by (gen_ai_agent_id, gen_ai_agent_name) (wxa_calls_total{wxa_source=~"$source",gen_ai_agent_id!=""}))`,
			Regex:       `/gen_ai_agent_id="(?<value>[^"]+)"(?:,gen_ai_agent_name="(?<text>[^"]+)")?/`,
			Description: "Shown by its configured name, else by its id. All includes calls that reached no assistant.",
		},
	}
}

// versionFilter is of the agent's version, which only counts of calls carry.
func versionFilter() dashboardVariable {
	return dashboardVariable{
		Name: "version", Label: "Agent version (counts of calls)", All: ".*",
		Query:       `label_values(wxa_calls_total{wxa_source=~"$source",gen_ai_agent_id=~"$assistant"}, gen_ai_agent_version)`,
		Description: "Applies to the panels that count calls; other metrics have no version.",
	}
}

// newVersions marks the first call of an agent version, seen by none in the day before.
func newVersions() annotation {
	const calls = `wxa_calls_total{wxa_source=~"$source",gen_ai_agent_id=~"$assistant",gen_ai_agent_version!=""}`
	return annotation{
		Name:  "New agent version",
		Expr:  "sum by (gen_ai_agent_id, gen_ai_agent_version) (" + calls + ") unless sum by (gen_ai_agent_id, gen_ai_agent_version) (last_over_time(" + calls + "[1d] offset 5m))",
		Title: "Agent version {{gen_ai_agent_version}}",
		Text:  "First call that assistant {{gen_ai_agent_id}} answered with it in a day.",
	}
}

func callsDashboard() dashboard {
	return dashboard{
		File: "calls", Title: "Phone calls: overview", From: "now-24h",
		Description: "What became of the calls of watsonx Assistant's phone integration, from its call detail records.",
		Variables: append(callFilters(), versionFilter(), dashboardVariable{
			Name: "lines", Label: "Lines of the plan", Options: []string{"100", "1000"},
			Description: "How many calls the plan of the phone integration allows at once.",
		}),
		Annotations: []annotation{newVersions()},
		Rows: []dashboardRow{
			{Title: "At a glance", Lines: []line{callsAtAGlance()}},
			{Title: "Calls", Lines: []line{callResults(), callShapes()}},
			{Title: "Transfers and containment", Lines: []line{callTransfers()}},
			{Title: "Capacity and versions", Lines: []line{callCapacity()}},
			{Title: "Are the records complete?", Lines: []line{callRecords()}},
			{Title: "Warnings, commands and extensions", Lines: []line{callWarnings(), generativeAnswers()}},
		},
	}
}

func callsAtAGlance() line {
	return line{4, []panel{
		{
			Kind: stat, Title: "Calls", Unit: "short", Width: 4, Decimals: digits(0), Empty: "0",
			Text:    "Calls whose record arrived in the time shown. Fewer than usual by day: is the phone number reachable, are records still sent?",
			Targets: []target{{"calls", total("wxa_calls_total{C}", "")}},
		},
		{
			Kind: stat, Title: "Failed calls", Unit: "percentunit", Width: 4, Decimals: digits(1), Empty: "no calls", Steps: worseFrom(0.05, 0.1),
			Text:    "Share of calls that ended in a failure: the caller got no service. The reasons are in Why calls failed.",
			Targets: []target{{"failed", share(`wxa_calls_total{C,wxa_call_result="failed"}`, "wxa_calls_total{C}")}},
			Links:   traces("Failed calls", `{ span.wxa.call.result = "failed" }`, "wxa.call.result=failed"),
		},
		{
			Kind: stat, Title: "Containment", Unit: "percentunit", Width: 4, Decimals: digits(1), Empty: "no calls",
			Text:    "Share of calls that were not handed to a person, of those that did not fail. A sudden fall: callers don't get what they need, look at the agent's version.",
			Targets: []target{{"contained", share(`wxa_calls_total{C,wxa_call_result="completed"}`, `wxa_calls_total{C,wxa_call_result=~"completed|transferred"}`)}},
		},
		{
			Kind: stat, Title: "Failed transfers", Unit: "percentunit", Width: 4, Decimals: digits(1), Empty: "none tried", Steps: worseFrom(0.05, 0.2),
			Text:    "Share of transfers that did not reach their target. These callers asked for a person and got none: check target number, trunk and opening hours.",
			Targets: []target{{"failed", share(`wxa_transfers_total{B,wxa_transfer_outcome="failed"}`, "wxa_transfers_total{B}")}},
			Links:   traces("Failed transfers", `{ span.wxa.turn.request.type = "transfer_failed" }`, "wxa.turn.request.type=transfer_failed"),
		},
		{
			Kind: stat, Title: "Busiest moment", Unit: "percentunit", Width: 4, Decimals: digits(0), Empty: "no calls", Steps: worseFrom(0.8, 0.95),
			Text:    "The most calls at once that any call saw when it began, as a share of the plan's lines, rounded up to the next bucket. At 100 % further callers are rejected.",
			Targets: []target{{"busiest", quantileOver("1", "wxa_call_concurrency", "{B}", "", "$__range") + " / $lines"}},
		},
		{
			Kind: stat, Title: "Messages that met their call", Unit: "percentunit", Width: 4, Decimals: digits(1), Empty: "no messages",
			Steps:   []step{{Colour: "red"}, {0.9, "orange"}, {0.98, "green"}},
			Text:    "Of all logged messages of phone calls, and those that a record names but that never came, the share found with its call. Low: one of the two log webhooks is switched off or fails.",
			Targets: []target{{"met", share(`wxa_exporter_message_joins_total{S,wxa_outcome=~"joined|late|unnamed"}`, "wxa_exporter_message_joins_total{S}")}},
		},
	}}
}

func callResults() line {
	return line{9, []panel{
		{
			Kind: stacked, Title: "Calls per minute by result", Unit: "short", Width: 12,
			Text:    "Each call once, when its record was put together. Red is a failed call; a gap by day means that no records arrive.",
			Targets: []target{{"{{wxa_call_result}}", perMinute("wxa_calls_total{C}", "wxa_call_result")}},
			Styles:  []style{{Legend: "completed", Colour: "green"}, {Legend: "transferred", Colour: "blue"}, {Legend: "failed", Colour: "red"}},
			Links:   traces("All calls", `{ name =~ "call (inbound|outbound)" }`, "wxa.call.direction=inbound"),
		},
		{
			Kind: ranking, Title: "How calls ended", Unit: "short", Width: 6, Decimals: digits(0),
			Text:    "By the record's end reason. Many hang-ups of callers beside few of the assistant: they give up before it is done.",
			Targets: []target{{"{{wxa_call_end_reason}}", total(`wxa_calls_total{C,wxa_call_end_reason!=""}`, "wxa_call_end_reason")}},
			Styles: []style{
				{Legend: "assistant_hangup", Name: "assistant hung up"}, {Legend: "caller_hangup", Name: "caller hung up"},
				{Legend: "assistant_transfer", Name: "transferred"}, {Legend: "failed", Name: "failed", Colour: "red"},
			},
		},
		{
			Kind: ranking, Title: "Why calls failed", Unit: "short", Width: 6, Decimals: digits(0), Colour: "red",
			Text:    "The first error warning of each failed call, else call_failed. IBM's list of CWSMR and CWSGW messages says what each id means.",
			Targets: []target{{"{{error_type}}", total(`wxa_calls_total{C,error_type!=""}`, "error_type")}},
			Links:   traces("Failed calls", `{ span.wxa.call.result = "failed" } | select(span.error.type)`, "wxa.call.result=failed"),
		},
	}}
}

func callShapes() line {
	durations, colours := quantiles("wxa_call_duration_seconds", "{B}")
	return line{8, []panel{
		{
			Kind: lines, Title: "Length of calls", Unit: "s", Width: 8, Targets: durations, Styles: colours,
			Text: "From answer to end. Shorter than usual: callers give up; longer: they are led in circles.",
		},
		{
			Kind: lines, Title: "Turns per call", Unit: "short", Width: 8,
			Text: "How often caller and assistant took turns. More turns for the same work: the assistant asks again because it did not understand.",
			Targets: []target{
				{"half within", quantile("0.5", "wxa_call_turns_per_call", "{B}", "")},
				{"95 % within", quantile("0.95", "wxa_call_turns_per_call", "{B}", "")},
			},
			Styles: []style{{Legend: "half within", Colour: "light-blue"}, {Legend: "95 % within", Colour: "blue"}},
		},
		{
			Kind: stacked, Title: "Inbound and outbound calls per minute", Unit: "short", Width: 8,
			Text:    "Who called whom. Outbound calls that stop although a campaign runs: its starter or the trunk is broken.",
			Targets: []target{{"{{wxa_call_direction}}", perMinute("wxa_calls_total{C}", "wxa_call_direction")}},
			Styles:  []style{{Legend: "inbound", Colour: "blue"}, {Legend: "outbound", Colour: "purple"}},
		},
	}}
}

func callTransfers() line {
	return line{8, []panel{
		{
			Kind: lines, Title: "Containment", Unit: "percentunit", Width: 8, Colour: "blue",
			Text:    "Share of calls not handed to a person, of those that did not fail. Compare with the marks of new agent versions.",
			Targets: []target{{"contained", shareOverTime(`wxa_calls_total{C,wxa_call_result="completed"}`, `wxa_calls_total{C,wxa_call_result=~"completed|transferred"}`, "")}},
		},
		{
			Kind: stacked, Title: "Transfers per minute by outcome", Unit: "short", Width: 8,
			Text:    "Unknown: the record does not say how the transfer went. A surge floods the people who answer; red ones reached nobody.",
			Targets: []target{{"{{wxa_transfer_outcome}}", perMinute("wxa_transfers_total{B}", "wxa_transfer_outcome")}},
			Styles:  []style{{Legend: "succeeded", Colour: "green"}, {Legend: "failed", Colour: "red"}, {Legend: "unknown", Colour: "yellow"}},
		},
		{
			Kind: stacked, Title: "Text messages per minute", Unit: "short", Width: 8,
			Text: "SMS that the assistant asked for during calls, and how many of them failed. Failures: check the SMS provider's account and the numbers.",
			Targets: []target{
				{"asked for", perMinute(`wxa_commands_total{B,wxa_command_type="sms"}`, "")},
				{"failed", perMinute(`wxa_turns_total{B,wxa_turn_request_type="sms_failure"}`, "")},
			},
			Styles: []style{{Legend: "asked for", Colour: "blue"}, {Legend: "failed", Colour: "red"}},
			Links:  traces("Failed text messages", `{ span.wxa.turn.request.type = "sms_failure" }`, "wxa.turn.request.type=sms_failure"),
		},
	}}
}

func callCapacity() line {
	return line{8, []panel{
		{
			Kind: lines, Title: "Calls at once", Unit: "short", Width: 12,
			Text: "How many calls each call saw in progress when it began, rounded up to the next bucket. Near the dashed line further callers are rejected.",
			Targets: []target{
				{"most", quantile("1", "wxa_call_concurrency", "{B}", "")},
				{"usual", quantile("0.5", "wxa_call_concurrency", "{B}", "")},
				{"lines of the plan", "vector($lines)"},
			},
			Styles: []style{{Legend: "most", Colour: "blue"}, {Legend: "usual", Colour: "light-blue"}, {Legend: "lines of the plan", Colour: "red", Dashed: true}},
		},
		{
			Kind: stacked, Title: "Calls per minute by agent version", Unit: "short", Width: 12,
			Text:    "Two versions at once for long: a release reached only part of the environments. _OTHER: more versions than are told apart.",
			Targets: []target{{"{{gen_ai_agent_version}}", perMinute(`wxa_calls_total{C,gen_ai_agent_version!=""}`, "gen_ai_agent_version")}},
		},
	}}
}

func callRecords() line {
	return line{8, []panel{
		{
			Kind: stacked, Title: "Logged messages per minute by what became of them", Unit: "short", Width: 12,
			Text:    "Joined and late ones are with their call. Orphaned: no call record came; missing: the record names a message that never came; unnamed: of the call, but no turn names it. Orphaned only: the box for call records is not ticked.",
			Targets: []target{{"{{wxa_outcome}}", perMinute("wxa_exporter_message_joins_total{S}", "wxa_outcome")}},
			Styles: []style{
				{Legend: "joined", Colour: "green"}, {Legend: "late", Colour: "light-green"}, {Legend: "unnamed", Colour: "yellow"},
				{Legend: "missing", Colour: "orange"}, {Legend: "orphaned", Colour: "red"},
			},
		},
		{
			Kind: lines, Title: "Calls that wait for their record", Unit: "short", Width: 6, Colour: "blue",
			Text:    "Phone sessions with messages and no call record yet: calls in progress, and calls whose record is lost. Should follow the number of calls; if it only grows, records don't come.",
			Targets: []target{{"calls", "sum(wxa_exporter_calls_open)"}},
		},
		{
			Kind: lines, Title: "Oldest call without a record", Unit: "s", Width: 6, Colour: "blue", Steps: []step{{Colour: "transparent"}, {3600, "orange"}},
			Text:    "Since its first message. Longer than your longest calls: its record is lost. Is the call log webhook on, and does it reach us?",
			Targets: []target{{"oldest", "max(wxa_exporter_calls_open_age_seconds)"}},
		},
	}}
}

func callWarnings() line {
	return line{9, []panel{
		{
			Kind: ranking, Title: "Warnings by id", Unit: "short", Width: 8, Decimals: digits(0), Colour: "orange",
			Text:    "The fifteen most frequent warnings in call records, E for errors, W for warnings. An id that was not there yesterday is worth a look.",
			Targets: []target{{"{{wxa_warning_severity}} {{wxa_warning_id}}", "topk(15, " + total("wxa_warnings_total{B}", "wxa_warning_severity, wxa_warning_id") + " > 0)"}},
			Links:   traces("Warnings", `{ event:name = "wxa.warning" } | select(event.wxa.warning.id, event.wxa.warning.severity)`, ""),
		},
		{
			Kind: ranking, Title: "What the assistant did", Unit: "short", Width: 8, Decimals: digits(0), Colour: "blue",
			Text:    "Responses and commands of the assistant by type. A type that disappears after a release was probably lost in it.",
			Targets: []target{{"{{wxa_command_type}}", total("wxa_commands_total{B}", "wxa_command_type") + " > 0"}},
		},
		{
			Kind: stacked, Title: "Extension calls per minute by HTTP status", Unit: "short", Width: 8,
			Text:    "What the assistant's extensions were answered, from the message logs. 4xx: the request or its credentials are wrong; 5xx and no status: the other side is down.",
			Targets: []target{{"{{http_response_status_code}} {{error_type}}", perMinute("wxa_extension_calls_total{B}", "http_response_status_code, error_type")}},
			Links:   traces("Failed extension calls", `{ event:name = "wxa.extension.call" && event.error.type != nil }`, ""),
		},
	}}
}

func generativeAnswers() line {
	return line{8, []panel{
		{
			Kind: stacked, Title: "Messages per minute, understood or not", Unit: "short", Width: 8,
			Text: "Logged messages of all channels, by whether an intent or action was recognised. More that are not: callers ask for something new, or recognition of speech got worse.",
			Targets: []target{
				{"understood", perMinute(`wxa_messages_total{B,wxa_message_recognized="true"}`, "")},
				{"not understood", perMinute(`wxa_messages_total{B,wxa_message_recognized="false"}`, "")},
			},
			Styles: []style{{Legend: "understood", Colour: "green"}, {Legend: "not understood", Colour: "orange"}},
		},
		{
			Kind: stacked, Title: "Tokens per minute", Unit: "short", Width: 8,
			Text:    "Of answers that a language model wrote, by model. Twice the tokens for the same calls: twice the bill, and slower answers.",
			Targets: []target{{"{{gen_ai_request_model}} {{gen_ai_token_type}}", perMinute("gen_ai_client_token_usage_sum{B}", "gen_ai_request_model, gen_ai_token_type")}},
		},
		{
			Kind: lines, Title: "Time to write an answer", Unit: "s", Width: 8,
			Text:    "How long the language model took for 95 % of its answers, by operation and model. The caller waits for all of it.",
			Targets: []target{{"{{gen_ai_operation_name}} {{gen_ai_request_model}}", quantile("0.95", "gen_ai_client_operation_duration_seconds", "{B}", "gen_ai_operation_name, gen_ai_request_model")}},
		},
	}}
}
