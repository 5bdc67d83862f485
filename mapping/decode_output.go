package mapping

// output walks response.output. Entities and user_defined are never read.
func (r *reader) output(m *Message) {
	m.clearOutput()
	if !r.begin('{') {
		return
	}
	for r.more() {
		switch string(r.key()) {
		case "intents":
			m.Intents = list(r, maxListed, (*reader).intent)
		case "generic":
			m.ResponseTypes, m.Replies = r.generic()
		case "internal":
			m.Fallback = member(r, "fallback", (*reader).isTrue) // undocumented but sent
		case "debug":
			r.debug(m)
		default:
			r.skip()
		}
	}
}

// clearOutput forgets an output that is repeated: the last one counts.
func (m *Message) clearOutput() {
	m.Intents, m.ResponseTypes, m.Replies, m.Fallback = nil, nil, nil, false
	m.clearDebug()
}

func (m *Message) clearDebug() {
	m.TurnEvents, m.LogMessages, m.MappedAction, m.MappedHandler = nil, nil, "", ""
}

func (r *reader) intent() (in Intent) {
	for r.more() {
		switch string(r.key()) {
		case "intent":
			in.Name = r.name()
		case "confidence":
			in.Confidence = r.number()
		default:
			r.skip()
		}
	}
	return in
}

// generic reads the types and the texts of the elements; an element may have no
// text.
func (r *reader) generic() (types, replies []string) {
	r.replies = 0
	for _, e := range list(r, maxListed, (*reader).genericElement) {
		if e.kind != "" {
			types = append(types, e.kind)
		}
		if e.text != "" {
			replies = append(replies, e.text)
		}
	}
	return types, replies
}

type genericElement struct{ kind, text string }

// genericElement reads one response. What the caller hears or reads is its text,
// or of a choice its title.
func (r *reader) genericElement() (e genericElement) {
	limit := min(maxContentBytes, maxRepliesBytes-r.replies)
	var title string
	for r.more() {
		switch string(r.key()) {
		case "response_type":
			e.kind = r.name()
		case "text":
			e.text = r.text(limit)
		case "title":
			title = r.text(limit)
		default:
			r.skip()
		}
	}
	if e.text == "" && (e.kind == "option" || e.kind == "suggestion") {
		e.text = title
	}
	r.replies += len(e.text)
	return e
}

func (r *reader) debug(m *Message) {
	m.clearDebug()
	if !r.begin('{') {
		return
	}
	for r.more() {
		switch string(r.key()) {
		case "turn_events":
			m.TurnEvents = list(r, maxListed, (*reader).turnEvent)
		case "log_messages":
			m.LogMessages = list(r, maxListed, (*reader).logMessage)
		case "output_generic_mapping":
			m.MappedAction, m.MappedHandler = r.genericMapping()
		default:
			r.skip()
		}
	}
}

// genericMapping reads the first element of output_generic_mapping.
func (r *reader) genericMapping() (action, handler string) {
	if !r.begin('[') {
		return "", ""
	}
	for i := 0; r.more(); i++ {
		if i > 0 {
			r.skip()
			continue
		}
		s := member(r, "source", (*reader).eventSource)
		action, handler = s.action, s.handler
	}
	return action, handler
}

func (r *reader) logMessage() (l LogMessage) {
	for r.more() {
		switch string(r.key()) {
		case "level":
			l.Level = r.name()
		case "code":
			l.Code = r.name()
		default:
			r.skip()
		}
	}
	return l
}
