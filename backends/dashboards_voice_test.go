package backends

// jitterLimit is the bucket edge at the 30 ms from which speech suffers.
const jitterLimit = "0.03"

func voiceDashboard() dashboard {
	return dashboard{
		File: "voice-quality", Title: "Phone calls: voice quality", From: "now-24h",
		Description: "How long callers wait and what they hear: latency by component, jitter, packet loss, recognition.",
		Variables:   callFilters(),
		Annotations: []annotation{newVersions()},
		Rows: []dashboardRow{
			{Title: "At a glance", Lines: []line{voiceAtAGlance()}},
			{Title: "How long the caller waits", Lines: []line{voiceTurns(), voiceTurnMap()}},
			{Title: "Where the time goes", Lines: []line{voiceComponents(), voiceComponentDetails()}},
			{Title: "The beginning of a call", Lines: []line{voiceBeginning()}},
			{Title: "The line", Lines: []line{voiceLine(), voiceTrunks()}},
			{Title: "The conversation", Lines: []line{voiceConversation()}},
		},
	}
}

func voiceAtAGlance() line {
	const answered = `wxa_turns_total{B,wxa_turn_response_class=~"ok|slow|dead_air|none"}`
	return line{4, []panel{
		{
			Kind: stat, Title: "Slow turns", Unit: "percentunit", Width: 4, Decimals: digits(1), Empty: "no turns", Steps: worseFrom(0.05, 0.15),
			Text:    "Share of turns whose answer came late (mapping.slow, 2 s), dead air included. Callers begin to talk over the assistant.",
			Targets: []target{{"slow", share(`wxa_turns_total{B,wxa_turn_response_class=~"slow|dead_air"}`, answered)}},
			Links:   traces("Slow turns", `{ span.wxa.turn.response.class =~ "slow|dead_air" }`, "wxa.turn.response.class=slow"),
		},
		{
			Kind: stat, Title: "Dead air", Unit: "percentunit", Width: 4, Decimals: digits(1), Empty: "no turns", Steps: worseFrom(0.01, 0.03),
			Text:    "Share of turns without an answer, or with one so late (mapping.dead_air, 4 s) that callers think the line is dead and hang up.",
			Targets: []target{{"dead air", share(`wxa_turns_total{B,wxa_turn_response_class=~"dead_air|none"}`, answered)}},
			Links:   traces("Turns with dead air", `{ span.wxa.turn.response.class =~ "dead_air|none" }`, "wxa.turn.response.class=dead_air"),
		},
		{
			Kind: stat, Title: "95 % of turns within", Unit: "s", Width: 4, Decimals: digits(2), Empty: "no turns", Steps: worseFrom(2, 4),
			Text:    "From the end of the caller's words, or the answer of the call, to the first audio: recognition, assistant, synthesis, and what no part explains.",
			Targets: []target{{"95 % within", quantileOver("0.95", "wxa_turn_response_duration_seconds", "{B}", "", "$__range")}},
		},
		{
			Kind: stat, Title: "Calls with jitter", Unit: "percentunit", Width: 4, Decimals: digits(1), Empty: "not measured", Steps: worseFrom(0.05, 0.1),
			Text:    "Share of measured streams whose average jitter was over 30 ms, where words become hard to understand, for people and for recognition.",
			Targets: []target{{"over 30 ms", beyond("wxa_rtp_jitter_avg_seconds", "{B}", jitterLimit, "$__range", "")}},
		},
		{
			Kind: stat, Title: "Packet loss", Unit: "percentunit", Width: 4, Decimals: digits(2), Empty: "not measured", Steps: worseFrom(0.01, 0.03),
			Text:    "Of all voice packets, those that never arrived. From 1 % on gaps are heard; from 3 % on recognition suffers.",
			Targets: []target{{"lost", share("wxa_rtp_packets_lost_total{B}", "wxa_rtp_packets_total{B}")}},
		},
		{
			Kind: stat, Title: "Recognition confidence", Unit: "percentunit", Width: 4, Decimals: digits(0), Empty: "no speech",
			Steps:   []step{{Colour: "red"}, {0.5, "orange"}, {0.7, "green"}},
			Text:    "Half of what callers said was recognised with less than this confidence. Low: noise, a wrong language model, or words it was not trained for.",
			Targets: []target{{"half below", quantileOver("0.5", "wxa_stt_confidence", "{B}", "", "$__range")}},
		},
	}}
}

func voiceTurns() line {
	waits, colours := quantiles("wxa_turn_response_duration_seconds", "{B}")
	return line{9, []panel{
		{
			Kind: stacked, Title: "Turns per minute by how fast the answer came", Unit: "short", Width: 12,
			Text:    "Slow and dead air are longer than mapping.slow (2 s) and mapping.dead_air (4 s); no answer: silence after speech or keys.",
			Targets: []target{{"{{wxa_turn_response_class}}", perMinute(`wxa_turns_total{B,wxa_turn_response_class!=""}`, "wxa_turn_response_class")}},
			Styles: []style{
				{Legend: "ok", Name: "in time", Colour: "green"}, {Legend: "slow", Colour: "orange"},
				{Legend: "dead_air", Name: "dead air", Colour: "red"}, {Legend: "none", Name: "no answer", Colour: "dark-red"},
			},
			Links: traces("Turns with dead air", `{ span.wxa.turn.response.class =~ "dead_air|none" }`, "wxa.turn.response.class=dead_air"),
		},
		{
			Kind: lines, Title: "How long callers waited for an answer", Unit: "s", Width: 12, Targets: waits, Styles: colours,
			Steps: []step{{Colour: "transparent"}, {2, "orange"}, {4, "red"}},
			Text:  "Recognition, assistant and synthesis of a turn together. Over the orange line answers are slow, over the red one callers hear dead air. The dots are turns: click one for its call.",
		},
	}}
}

func voiceTurnMap() line {
	return line{9, []panel{
		{
			Kind: heat, Title: "All waits", Unit: "s", Width: 12, Targets: buckets("wxa_turn_response_duration_seconds", "{B}"),
			Text: "How many turns waited how long. A second dark band above the first: one kind of turn is slow, not all of them.",
		},
		{
			Kind: lines, Title: "95 % waited less than, by what began the turn", Unit: "s", Width: 12,
			Text:    "Speech needs recognition, keys don't: when only speech is slow, recognition is. When all are, it is the assistant or the network to it.",
			Targets: []target{{"{{wxa_turn_request_type}}", quantile("0.95", "wxa_turn_response_duration_seconds", "{B}", "wxa_turn_request_type")}},
		},
	}}
}

func voiceComponents() line {
	const processing, roundTrip = "wxa_assistant_processing_duration_seconds", "wxa_assistant_response_duration_seconds"
	return line{9, []panel{
		{
			Kind: lines, Title: "95 % within, by component", Unit: "s", Width: 12,
			Text: "Which part makes callers wait. The highest curve is where to look first.",
			Targets: []target{
				{"speech to text", quantile("0.95", "wxa_stt_response_duration_seconds", "{B}", "")},
				{"assistant", quantile("0.95", roundTrip, "{B}", "")},
				{"text to speech", quantile("0.95", "wxa_tts_response_duration_seconds", "{B}", "")},
			},
			Styles: []style{{Legend: "speech to text", Colour: "yellow"}, {Legend: "assistant", Colour: "blue"}, {Legend: "text to speech", Colour: "purple"}},
		},
		{
			Kind: lines, Title: "Is it the assistant or the way to it?", Unit: "s", Width: 12, Signed: true,
			Text: "Averages. Round trip is what the phone integration measured, own work what the assistant logged; the difference is network, gateway and waiting. It can be below zero for a while, because messages arrive before calls.",
			Targets: []target{
				{"round trip", mean(roundTrip, "{B}")},
				{"own work", mean(processing, "{B}")},
				{"the way", mean(roundTrip, "{B}") + " - " + mean(processing, "{B}")},
			},
			Styles: []style{{Legend: "round trip", Colour: "blue"}, {Legend: "own work", Colour: "light-blue"}, {Legend: "the way", Colour: "orange"}},
		},
	}}
}

func voiceComponentDetails() line {
	component := func(title, histogram, text, traceQL string) panel {
		targets, colours := quantiles(histogram, "{B}")
		return panel{
			Kind: lines, Title: title, Unit: "s", Width: 8, Targets: targets, Styles: colours, Text: text,
			Links: traces("More than 3 s", traceQL, ""),
		}
	}
	return line{8, []panel{
		component("Speech to text", "wxa_stt_response_duration_seconds",
			"From the end of speech to the final text. Long: the end-of-speech setting waits too long, or the service is busy.",
			`{ name = "speech_to_text" && span.wxa.stt.response.duration > 3.0 }`),
		component("Assistant", "wxa_assistant_response_duration_seconds",
			"From request to response, extensions and language models included. Long: look at a slow call for what it waited for.",
			`{ span.wxa.assistant.response.duration > 3.0 }`),
		component("Text to speech", "wxa_tts_response_duration_seconds",
			"From text to first audio, without prompts from the cache. Long: long texts, or the service is busy.",
			`{ name = "text_to_speech" && span.wxa.tts.response.duration > 3.0 }`),
	}}
}

func voiceBeginning() line {
	audio, audioColours := quantiles("wxa_call_first_audio_delay_seconds", "{B}")
	setup, setupColours := quantiles("wxa_call_setup_duration_seconds", "{B}")
	return line{8, []panel{
		{
			Kind: lines, Title: "Answer to first audio", Unit: "s", Width: 12, Targets: audio, Styles: audioColours,
			Text: "How long a caller who was put through heard nothing. From about 2 s on people say hello, and the assistant takes that for an answer.",
		},
		{
			Kind: lines, Title: "Ringing to answer", Unit: "s", Width: 12, Targets: setup, Styles: setupColours,
			Text: "From INVITE to ACK. Long: the trunk or the platform is slow to take calls; carriers give up after some seconds.",
		},
	}}
}

func voiceLine() line {
	directions := []style{{Legend: "inbound", Name: "from the caller", Colour: "blue"}, {Legend: "outbound", Name: "to the caller", Colour: "purple"}}
	return line{8, []panel{
		{
			Kind: lines, Title: "Average jitter, 95 % of streams within", Unit: "s", Width: 8, Styles: directions,
			Steps:   []step{{Colour: "transparent"}, {0.03, "red"}},
			Text:    "Over the red line at 30 ms words break up. From the caller: the carrier's way to the platform, which also hurts recognition.",
			Targets: []target{{"{{wxa_rtp_direction}}", quantile("0.95", "wxa_rtp_jitter_avg_seconds", "{B}", "wxa_rtp_direction")}},
		},
		{
			Kind: lines, Title: "Share of streams over 30 ms of jitter", Unit: "percentunit", Width: 8,
			Text: "By average, and by maximum. A high maximum alone is one spike in a call; a high average is a bad call.",
			Targets: []target{
				{"average", beyond("wxa_rtp_jitter_avg_seconds", "{B}", jitterLimit, "$__rate_interval", "")},
				{"maximum", beyond("wxa_rtp_jitter_max_seconds", "{B}", jitterLimit, "$__rate_interval", "")},
			},
			Styles: []style{{Legend: "average", Colour: "orange"}, {Legend: "maximum", Colour: "light-blue"}},
		},
		{
			Kind: lines, Title: "Highest jitter, 95 % of streams within", Unit: "s", Width: 8, Styles: directions,
			Text:    "The worst moment of each call. High while the average is low: short interruptions, such as a change of route.",
			Targets: []target{{"{{wxa_rtp_direction}}", quantile("0.95", "wxa_rtp_jitter_max_seconds", "{B}", "wxa_rtp_direction")}},
		},
	}}
}

func voiceTrunks() line {
	return line{8, []panel{
		{
			Kind: lines, Title: "Packet loss by trunk", Unit: "percentunit", Width: 8, Steps: []step{{Colour: "transparent"}, {0.01, "orange"}, {0.03, "red"}},
			Text:    "By host of the carrier's side. One trunk alone: its carrier. All at once: our own network or the platform.",
			Targets: []target{{"{{wxa_sip_trunk_host}}", shareOverTime("wxa_rtp_packets_lost_total{B}", "wxa_rtp_packets_total{B}", "wxa_sip_trunk_host")}},
		},
		{
			Kind: ranking, Title: "Calls with more than 1 % loss, by trunk", Unit: "percentunit", Width: 8, Decimals: digits(1), Steps: worseFrom(0.02, 0.1),
			Text:    "Share of streams of at least 5 s. Tells one broken call with much loss from many calls with some.",
			Targets: []target{{"{{wxa_sip_trunk_host}}", beyond("wxa_rtp_packet_loss_ratio", "{B}", "0.01", "$__range", "wxa_sip_trunk_host")}},
		},
		{
			Kind: ranking, Title: "Jitter over 30 ms, by trunk", Unit: "percentunit", Width: 8, Decimals: digits(1), Steps: worseFrom(0.05, 0.1),
			Text:    "Share of streams whose average jitter was over 30 ms. A trunk that stands out: talk to its carrier.",
			Targets: []target{{"{{wxa_sip_trunk_host}}", beyond("wxa_rtp_jitter_avg_seconds", "{B}", jitterLimit, "$__range", "wxa_sip_trunk_host")}},
		},
	}}
}

func voiceConversation() line {
	return line{8, []panel{
		{
			Kind: lines, Title: "Recognition confidence", Unit: "percentunit", Width: 8,
			Text: "A tenth, and half, of what callers said was recognised with less than this. A drop at once: a new model or vocabulary, or a noisy trunk.",
			Targets: []target{
				{"a tenth below", quantile("0.1", "wxa_stt_confidence", "{B}", "")},
				{"half below", quantile("0.5", "wxa_stt_confidence", "{B}", "")},
			},
			Styles: []style{{Legend: "a tenth below", Colour: "orange"}, {Legend: "half below", Colour: "blue"}},
			Links:  traces("Recognised with less than 0.5", `{ span.wxa.stt.confidence < 0.5 }`, ""),
		},
		{
			Kind: lines, Title: "Interruptions and echoes, per 100 turns", Unit: "short", Width: 8,
			Text: "Callers who interrupt a prompt know what they want, or the prompt is too long. Echoes: the assistant hears itself and interrupts itself; the trunk lacks echo cancellation.",
			Targets: []target{
				{"interrupted", "100 * " + shareOverTime("wxa_barge_ins_total{B}", "wxa_turns_total{B}", "")},
				{"echoes", "100 * " + shareOverTime("wxa_stt_echoes_total{B}", "wxa_turns_total{B}", "")},
			},
			Styles: []style{{Legend: "interrupted", Colour: "blue"}, {Legend: "echoes", Colour: "orange"}},
		},
		{
			Kind: ranking, Title: "What began the turns", Unit: "short", Width: 8, Decimals: digits(0),
			Text:    "By type. Many time-outs: callers don't know what to say. mrcp_recognition_unsuccessful: they were not understood. Red ones failed.",
			Targets: []target{{"{{wxa_turn_request_type}}", total("wxa_turns_total{B}", "wxa_turn_request_type") + " > 0"}},
			Styles: []style{
				{Legend: "transfer_failed", Colour: "red"}, {Legend: "sms_failure", Colour: "red"}, {Legend: "mrcp_recognition_unsuccessful", Colour: "orange"},
			},
		},
	}}
}
