package mapping

// cdr walks the payload of cdr_logged. A member that comes twice counts as it
// came last.
func (r *reader) cdr(c *CDR) {
	if !r.begin('{') {
		return
	}
	for r.more() {
		switch string(r.key()) {
		case "primary_phone_number":
			c.PrimaryPhoneNumber = r.person(maxNameBytes)
		case "global_session_id":
			c.GlobalSessionID = r.id()
		case "failure_occurred":
			c.FailureOccurred = r.isTrue()
		case "failure_details":
			c.FailureDetails = r.text(maxReasonBytes)
		case "transfer_occurred":
			c.TransferOccurred = r.isTrue()
		case "active_calls":
			c.ActiveCalls = r.number()
		case "x-global-sip-trunk-call-id":
			c.TrunkCallID = r.name()
		case "call":
			c.Call = r.callRecord()
		case "session_initiation_protocol":
			c.SIP = r.sipRecord()
		case "max_response_milliseconds":
			c.MaxResponse = r.maxResponse()
		case "assistant_interaction_summaries":
			c.Summaries = r.summaries()
		case "injected_custom_data":
			c.CustomData = r.customData()
		case "warnings_and_errors":
			c.Warnings = list(r, maxWarnings, (*reader).warning)
		case "realtime_transport_network_summary":
			c.Inbound, c.Outbound = r.rtpSummary()
		default:
			r.skip()
		}
	}
}

func (r *reader) callRecord() (c CallRecord) {
	if !r.begin('{') {
		return c
	}
	for r.more() {
		switch string(r.key()) {
		case "start_timestamp":
			c.Start = r.instant()
		case "stop_timestamp":
			c.Stop = r.instant()
		case "milliseconds_elapsed":
			c.MillisecondsElapsed = r.number()
		case "end_reason":
			c.EndReason = r.name()
		case "outbound":
			c.Outbound = r.flag()
		case "security":
			c.MediaEncrypted, c.SignalingEncrypted, c.SIPAuthenticated = r.security()
		default:
			r.skip()
		}
	}
	return c
}

func (r *reader) security() (media, signaling, sip *bool) {
	if !r.begin('{') {
		return nil, nil, nil
	}
	for r.more() {
		switch string(r.key()) {
		case "media_encrypted":
			media = r.flag()
		case "signaling_encrypted":
			signaling = r.flag()
		case "sip_authenticated":
			sip = r.flag()
		default:
			r.skip()
		}
	}
	return media, signaling, sip
}

func (r *reader) sipRecord() (s SIPRecord) {
	if !r.begin('{') {
		return s
	}
	// IBM's examples say …_time, its reference tables …_timestamp.
	var example Instant
	for r.more() {
		switch string(r.key()) {
		case "invite_arrival_timestamp":
			s.Invite = r.instant()
		case "invite_arrival_time":
			example = r.instant()
		case "setup_milliseconds":
			s.SetupMilliseconds = r.number()
		case "headers":
			s.CallID, s.FromURI, s.ToURI = r.sipHeaders()
		default:
			r.skip()
		}
	}
	if s.Invite.Time.IsZero() && (example != Instant{}) {
		s.Invite = example
	}
	return s
}

func (r *reader) sipHeaders() (callID, from, to string) {
	if !r.begin('{') {
		return "", "", ""
	}
	for r.more() {
		switch string(r.key()) {
		case "call_id":
			callID = r.id()
		case "from_uri":
			from = r.text(maxURIBytes)
		case "to_uri":
			to = r.text(maxURIBytes)
		default:
			r.skip()
		}
	}
	return callID, from, to
}

func (r *reader) maxResponse() (m MaxResponse) {
	if !r.begin('{') {
		return m
	}
	for r.more() {
		switch string(r.key()) {
		case "assistant":
			m.Assistant = r.number()
		case "text_to_speech":
			m.TextToSpeech = r.number()
		case "speech_to_text":
			m.SpeechToText = r.number()
		default:
			r.skip()
		}
	}
	return m
}

// customData keeps injected_custom_data as it is: it may be nested, and only
// allow-listed parts of it ever leave.
func (r *reader) customData() []byte {
	if r.err == nil && r.dec.PeekKind() != '{' {
		r.mismatch()
		return nil
	}
	v := r.value()
	if len(v) > maxCustomBytes {
		r.truncated = true
		return nil
	}
	return v.Clone()
}

func (r *reader) warning() (w Warning) {
	var code string // the full examples say code, the reference tables id
	for r.more() {
		switch string(r.key()) {
		case "id":
			w.ID = r.name()
		case "code":
			code = r.name()
		case "message":
			w.Message = r.text(maxReasonBytes)
		default:
			r.skip()
		}
	}
	if w.ID == "" {
		w.ID = code
	}
	if w.ID == "" {
		w.ID = warningCode.FindString(w.Message)
	}
	return w
}

func (r *reader) rtpSummary() (inbound, outbound *RTPStream) {
	if !r.begin('{') {
		return nil, nil
	}
	for r.more() {
		switch string(r.key()) {
		case "inbound_stream":
			inbound = r.rtpStream()
		case "outbound_stream":
			outbound = r.rtpStream()
		default:
			r.skip()
		}
	}
	return inbound, outbound
}

func (r *reader) rtpStream() *RTPStream {
	if !r.begin('{') {
		return nil
	}
	s := new(RTPStream)
	for r.more() {
		switch string(r.key()) {
		case "average_jitter":
			s.AverageJitter = r.number()
		case "maximum_jitter":
			s.MaximumJitter = r.number()
		case "packets_lost":
			s.PacketsLost = r.number()
		case "packets_transmitted":
			s.PacketsTransmitted = r.number()
		case "tool_name":
			s.ToolName = r.name()
		default:
			r.skip()
		}
	}
	return s
}

// streaming reads streaming_statistics.
func (r *reader) streaming() *Streaming {
	if !r.begin('{') {
		return nil
	}
	s := new(Streaming)
	for r.more() {
		switch string(r.key()) {
		case "transaction_id":
			s.TransactionID = r.name()
		case "start_timestamp":
			s.Start = r.instant()
		case "stop_timestamp":
			s.Stop = r.instant()
		case "response_milliseconds":
			s.ResponseMilliseconds = r.number()
		case "echo_detected":
			s.EchoDetected = r.flag()
		case "confidence":
			s.Confidence = r.number()
		default:
			r.skip()
		}
	}
	return s
}
