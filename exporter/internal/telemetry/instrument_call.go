package telemetry

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"cdr2otel/mapping"
)

// Attributes of the metrics of calls and messages.
var (
	attrResult = attr{key: mapping.Prefix + "call.result", values: results}
	// The version of the agent follows its id.
	attrVersion = attr{key: "gen_ai.agent.version", limit: limitOfAgent(maxVersions),
		bound: "at most 5 per agent"}
	attrRequestType = attr{key: mapping.Prefix + "turn.request.type", values: requestTypes}
	attrTrunk       = attr{key: mapping.Prefix + "sip.trunk.host", limit: limitValues(maxTrunks),
		bound: "the carrier's host, at most 20 per source"}
	attrStream = attr{key: mapping.Prefix + "rtp.direction", values: streamDirections}
	attrStatus = attr{key: semconv.HTTPResponseStatusCodeKey, typ: attribute.INT64, limit: limitStatus, bound: "100 to 599"}
	// What the GenAI conventions ask for.
	modelAttributes = []attr{
		{key: "gen_ai.operation.name", values: modelOperations},
		{key: "gen_ai.provider.name", values: modelProviders},
		{key: "gen_ai.request.model", limit: limitValues(maxModels), bound: "at most 20 per source"},
	}
)

// callInstruments are the metrics that a call contributes to when it is assembled,
// and a message log when it is accepted.
func callInstruments() []instrument {
	table := slices.Concat(ofCalls(), ofTurns(), ofMedia(), ofMessages())
	for i := range table {
		table[i].call = true
	}
	return table
}

func ofCalls() []instrument {
	return []instrument{
		{
			name: mapping.MetricCalls, prometheus: "wxa_calls_total", kind: counter, unit: "{call}",
			description: "Calls that ended, by how.",
			attributes: []attr{
				attrResult,
				{key: mapping.Prefix + "call.end_reason", values: endReasons},
				{key: mapping.Prefix + "call.failure_occurred", values: booleans, typ: attribute.BOOL},
				{key: keyErrorType, limit: limitCallError, bound: "`call_failed`, or the id of the first warning that is an error, bounded as `wxa.warning.id`"},
				attrVersion,
			},
			carried: attrVersion.key,
			present: [][]string{
				{"completed", "assistant_hangup", "false", "", ""},
				{"completed", "caller_hangup", "false", "", ""},
				{"completed", "assistant_transfer", "false", "", ""}, // the last transfer failed
				{"completed", "assistant_hangup", "true", "call_failed", ""},
				{"completed", "caller_hangup", "true", "call_failed", ""},
				{"transferred", "assistant_transfer", "false", "", ""},
				{"transferred", "assistant_transfer", "true", "call_failed", ""},
				{"failed", "failed", "true", "call_failed", ""},
				{"failed", "failed", "false", "call_failed", ""},
			},
			from: "one for each CDR; `call.end_reason`, `failure_occurred`, `warnings_and_errors`; the version is `snapshot` of the message logs",
		},
		{
			name: mapping.MetricCallDuration, prometheus: "wxa_call_duration_seconds", kind: histogram, unit: "s",
			description: "Duration of the answered part of calls.",
			buckets:     []float64{1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200},
			attributes:  []attr{attrResult},
			from:        "`call.milliseconds_elapsed`",
		},
		{
			name: mapping.MetricCallSetupDuration, prometheus: "wxa_call_setup_duration_seconds", kind: histogram, unit: "s",
			description: "Time from INVITE to ACK.",
			buckets:     []float64{.05, .1, .25, .5, 1, 2, 3, 5, 10, 20, 30},
			from:        "`session_initiation_protocol.setup_milliseconds`",
		},
		{
			name: mapping.MetricCallFirstAudioDelay, prometheus: "wxa_call_first_audio_delay_seconds", kind: histogram, unit: "s",
			description: "Time from the answer of a call to the first audio its caller hears.",
			buckets:     voiceBuckets,
			from:        "earliest first audio (docs/mapping.md, Times) − `call.start_timestamp`, at least 0",
		},
		{
			name: mapping.MetricCallTurns, prometheus: "wxa_call_turns_per_call", kind: histogram, unit: "{turn}",
			description: "Turns of a call.",
			buckets:     []float64{1, 2, 3, 5, 8, 12, 20, 30, 50, 100},
			from:        "counted in `assistant_interaction_summaries[].turns[]`",
		},
		{
			name: mapping.MetricCallConcurrency, prometheus: "wxa_call_concurrency", kind: histogram, unit: "{call}",
			description: "Active calls that a call found when it began.",
			buckets:     []float64{0, 1, 2, 5, 10, 20, 50, 80, 90, 100, 200, 500, 900, 1000},
			from:        "`active_calls`; plans are limited to 100 or 1000",
		},
	}
}

func ofTurns() []instrument {
	return []instrument{
		{
			name: mapping.MetricTurns, prometheus: "wxa_turns_total", kind: counter, unit: "{turn}",
			description: "Turns, by what began them and how the answer came.",
			attributes: []attr{
				attrRequestType,
				{key: mapping.Prefix + "turn.response.class", values: classes},
				attrError(turnErrors...),
			},
			present: turnsPresent(),
			from:    "`…turns[].request.type`; the class by `mapping.slow` and `mapping.dead_air`, absent when the wait is not known",
		},
		{
			name: mapping.MetricTurnResponse, prometheus: "wxa_turn_response_duration_seconds", kind: histogram, unit: "s",
			description: "How long a caller waited for the first audio of a turn's answer, in wall-clock time; not while it rang.",
			buckets:     voiceBuckets,
			attributes:  []attr{attrRequestType},
			from:        "first audio − the end of the caller's turn, or the answer of the call (docs/mapping.md); no point when one is not known",
		},
		{
			name: mapping.MetricAssistantResponse, prometheus: "wxa_assistant_response_duration_seconds", kind: histogram, unit: "s",
			description: "Round trip to the assistant, as the phone integration measures it.",
			buckets:     voiceBuckets,
			attributes:  []attr{attrError(messageErrors...)},
			from:        "`…assistant.response_milliseconds`",
		},
		{
			name: mapping.MetricSTTResponse, prometheus: "wxa_stt_response_duration_seconds", kind: histogram, unit: "s",
			description: "Time from the end of speech to the final result of its recognition.",
			buckets:     voiceBuckets,
			attributes:  []attr{attrError("mrcp_recognition_unsuccessful")},
			from:        "`…request.streaming_statistics.response_milliseconds`",
		},
		{
			name: mapping.MetricTTSResponse, prometheus: "wxa_tts_response_duration_seconds", kind: histogram, unit: "s",
			description: "Time from sending a text to the first audio of its synthesis.",
			buckets:     voiceBuckets,
			attributes:  []attr{attrError()},
			from:        "`…response[].streaming_statistics.response_milliseconds`; prompts from the cache have no point",
		},
		{
			name: mapping.MetricAssistantProcessing, prometheus: "wxa_assistant_processing_duration_seconds", kind: histogram, unit: "s",
			description: "How long the assistant itself took; the round trip beyond it is network.",
			buckets:     voiceBuckets,
			from:        "message log: `response_timestamp` − `request_timestamp`; when it is accepted, while the call may go on; without `wxa.call.direction`",
		},
		{
			name: mapping.MetricSTTConfidence, prometheus: "wxa_stt_confidence", kind: histogram, unit: "1",
			description: "Confidence of recognitions.",
			buckets:     []float64{.1, .2, .3, .4, .5, .6, .7, .8, .9, .95},
			from:        "`…request.streaming_statistics.confidence`, else the message log's",
		},
		{
			name: mapping.MetricSTTEchoes, prometheus: "wxa_stt_echoes_total", kind: counter, unit: "{event}",
			description: "Recognitions of the platform's own voice.",
			present:     [][]string{{}},
			from:        "`…request.streaming_statistics.echo_detected`",
		},
		{
			name: mapping.MetricBargeIns, prometheus: "wxa_barge_ins_total", kind: counter, unit: "{event}",
			description: "Prompts that callers interrupted.",
			present:     [][]string{{}},
			from:        "`…response[].barge_in_occurred`",
		},
		{
			name: mapping.MetricTransfers, prometheus: "wxa_transfers_total", kind: counter, unit: "{transfer}",
			description: "Attempts to transfer a call, by what became of them.",
			attributes:  []attr{{key: mapping.Prefix + "transfer.outcome", values: transfers}},
			present:     combine(transfers),
			from:        "responses of type `transfer`, turns of type `transfer_failed`, `call.end_reason`",
		},
		{
			name: mapping.MetricCommands, prometheus: "wxa_commands_total", kind: counter, unit: "{command}",
			description: "What assistants had the phone integration do.",
			attributes:  []attr{{key: mapping.Prefix + "command.type", values: responseTypes}},
			present:     combine(responseTypes),
			from:        "`…response[].type`",
		},
	}
}

// turnsPresent are the turns that alerts ask for: those with an answer to wait for,
// and those that are errors.
func turnsPresent() [][]string {
	heard := classes[:3]
	return slices.Concat(
		combine([]string{"start", "no_input_turn", "final_utterance_timeout", "post_response_timeout"}, heard, []string{""}),
		combine([]string{"speech_to_text", "dtmf"}, classes, []string{""}),
		combine([]string{"transfer_failed"}, append([]string{""}, heard...), []string{"transfer_failed"}),
		combine([]string{"sms_failure"}, append([]string{""}, heard...), []string{"sms_failure"}),
		combine([]string{"mrcp_recognition_unsuccessful"}, append([]string{""}, heard...), []string{"mrcp_recognition_unsuccessful"}),
		combine([]string{"hangup", "transfer"}, []string{""}, []string{""}),
	)
}

func ofMedia() []instrument {
	rtp := []attr{attrStream, attrTrunk}
	return []instrument{
		{
			name: mapping.MetricWarnings, prometheus: "wxa_warnings_total", kind: counter, unit: "{warning}",
			description: "Warnings of the platform about calls.",
			attributes: []attr{
				{key: mapping.Prefix + "warning.id", limit: limitWarning, bound: "`CWSxxNNNN` and `I`, `W` or `E`; at most 50 per source"},
				{key: mapping.Prefix + "warning.severity", values: severities},
			},
			from: "`warnings_and_errors[]`",
		},
		{
			name: mapping.MetricJitterAvg, prometheus: "wxa_rtp_jitter_avg_seconds", kind: histogram, unit: "s",
			description: "Average jitter of a stream of a call.",
			buckets:     jitterBuckets, attributes: rtp,
			from: "`realtime_transport_network_summary.….average_jitter`, only with RTCP",
		},
		{
			name: mapping.MetricJitterMax, prometheus: "wxa_rtp_jitter_max_seconds", kind: histogram, unit: "s",
			description: "Highest jitter of a stream of a call: one spike.",
			buckets:     jitterBuckets, attributes: rtp,
			from: "`….maximum_jitter`, only with RTCP",
		},
		{
			name: mapping.MetricPackets, prometheus: "wxa_rtp_packets_total", kind: counter, unit: "{packet}",
			description: "Packets that were sent.", attributes: rtp,
			from: "`….packets_transmitted`, an estimate",
		},
		{
			name: mapping.MetricPacketsLost, prometheus: "wxa_rtp_packets_lost_total", kind: counter, unit: "{packet}",
			description: "Packets that were lost.", attributes: rtp,
			from: "`….packets_lost`; a negative number counts 0",
		},
		{
			name: mapping.MetricPacketLossRatio, prometheus: "wxa_rtp_packet_loss_ratio", kind: histogram, unit: "1",
			description: "Packets lost of those sent, of a stream of a call.",
			buckets:     lossBuckets, attributes: rtp,
			from: "lost / transmitted, within 0 and 1; no point under 250 packets (5 s)",
		},
	}
}

func ofMessages() []instrument {
	recognized := attr{key: mapping.Prefix + "message.recognized", values: booleans, typ: attribute.BOOL}
	return []instrument{
		{
			name: mapping.MetricMessages, prometheus: "wxa_messages_total", kind: counter, unit: "{message}",
			description: "Messages that the assistant answered.",
			attributes: []attr{
				{key: mapping.Prefix + "message.channel", values: channels},
				recognized,
				attrError(messageErrors...),
			},
			live:    true,
			present: combine(channels[:1], booleans, append([]string{""}, messageErrors...)),
			from:    "one for each message log, when it is accepted; without `wxa.call.direction`",
		},
		{
			name: mapping.MetricExtensionCalls, prometheus: "wxa_extension_calls_total", kind: counter, unit: "{call}",
			description: "Calls of the assistant to extensions.",
			attributes: []attr{
				attrStatus,
				{key: keyErrorType, limit: limitStatusError, bound: "a status code from 400 to 599, or `_OTHER`"},
			},
			live:    true,
			present: [][]string{{"200", ""}},
			from:    "message log: `…turn_events[]` of type `callout`; without `wxa.call.direction`",
		},
		{
			name: mapping.MetricTokenUsage, prometheus: "gen_ai_client_token_usage", kind: histogram, unit: "{token}",
			description: "Tokens of calls to language models.",
			buckets:     tokenBuckets,
			attributes:  append(slices.Clone(modelAttributes), attr{key: "gen_ai.token.type", values: tokenTypes}),
			from:        "message log: `…generative_ai_called…llm`; without `wxa.call.direction`",
		},
		{
			name: mapping.MetricOperationDuration, prometheus: "gen_ai_client_operation_duration_seconds", kind: histogram, unit: "s",
			description: "Duration of calls to language models.",
			buckets:     operationBuckets,
			attributes:  append(slices.Clone(modelAttributes), attrError()),
			from:        "message log: `…generative_ai_called…metrics`; without `wxa.call.direction`",
		},
	}
}
