package mapping

// messageInput is what is read of request.input.
type messageInput struct {
	messageType string
	text        string
	voiceInput
}

// voiceInput is what is read of its integrations.voice_telephony.
type voiceInput struct {
	there  bool
	isDTMF bool
	sms    string
	speech *SpeechResult
}

func (r *reader) messageInput() (in messageInput) {
	if !r.begin('{') {
		return in
	}
	for r.more() {
		switch string(r.key()) {
		case "message_type":
			in.messageType = r.name()
		case "text":
			in.text = r.text(maxContentBytes)
		case "integrations":
			in.voiceInput = r.inputIntegrations()
		default:
			r.skip()
		}
	}
	return in
}

func (r *reader) inputIntegrations() (in voiceInput) {
	if !r.begin('{') {
		return in
	}
	for r.more() {
		switch string(r.key()) {
		case "voice_telephony":
			in = r.voiceInput()
		default:
			r.skip()
		}
	}
	return in
}

func (r *reader) voiceInput() (in voiceInput) {
	if !r.begin('{') {
		return in
	}
	in.there = true
	for r.more() {
		switch string(r.key()) {
		case "is_dtmf":
			in.isDTMF = r.isTrue()
		case "sms_message":
			in.sms = r.text(maxContentBytes)
		case "speech_to_text_result":
			in.speech = r.speechResult()
		default:
			r.skip()
		}
	}
	return in
}

// speechResult reads speech_to_text_result, whose own members are camelCase
// where everything around them is snake_case.
func (r *reader) speechResult() *SpeechResult {
	if !r.begin('{') {
		return nil
	}
	s := new(SpeechResult)
	var global string
	for r.more() {
		switch string(r.key()) {
		case "startTimestamp":
			s.Start = r.instant()
		case "stopTimestamp":
			s.Stop = r.instant()
		case "transactionID":
			s.TransactionID = r.name()
		case "transaction_ids":
			global = member(r, "x-global-transaction-id", (*reader).name)
		case "results":
			s.Confidence = r.recognitions()
		default:
			r.skip()
		}
	}
	s.TransactionID = first(s.TransactionID, global)
	return s
}

// recognitions returns the confidence of the last final result.
func (r *reader) recognitions() (confidence Number) {
	if !r.begin('[') {
		return Number{}
	}
	for r.more() {
		if !r.begin('{') {
			continue
		}
		if n, final := r.recognition(); final {
			confidence = n
		}
	}
	return confidence
}

func (r *reader) recognition() (confidence Number, final bool) {
	for r.more() {
		switch string(r.key()) {
		case "final":
			final = r.isTrue()
		case "alternatives":
			confidence = r.firstAlternative()
		default:
			r.skip()
		}
	}
	return confidence, final
}

func (r *reader) firstAlternative() (confidence Number) {
	if !r.begin('[') {
		return Number{}
	}
	for i := 0; r.more(); i++ {
		if i > 0 {
			r.skip()
			continue
		}
		confidence = member(r, "confidence", (*reader).number)
	}
	return confidence
}
