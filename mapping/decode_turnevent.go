package mapping

// turnEvent reads one element of debug.turn_events. Action variables, queries
// and the contents of call-outs are never read: they hold what callers said and
// the credentials of extensions.
func (r *reader) turnEvent() (e TurnEvent) {
	for r.more() {
		switch string(r.key()) {
		case "event":
			e.Event = r.name()
		case "reason":
			e.Reason = r.name()
		case "source":
			s := r.eventSource()
			e.Action, e.ActionTitle, e.Handler = s.action, s.actionTitle, s.handler
		case "callout":
			r.callout(&e)
		case "error":
			e.Failed = member(r, "message", (*reader).isNonEmpty)
		case "metrics":
			e.SearchMilliseconds, e.GenerationMilliseconds, e.Total = r.generationMetrics()
		default:
			r.skip()
		}
	}
	return e
}

// eventSource is what is read of a turn event's or a mapping's source.
type eventSource struct{ action, actionTitle, handler string }

func (r *reader) eventSource() (s eventSource) {
	if !r.begin('{') {
		return s
	}
	for r.more() {
		switch string(r.key()) {
		case "action":
			s.action = r.name()
		case "action_title":
			s.actionTitle = r.name()
		case "handler":
			s.handler = r.name()
		default:
			r.skip()
		}
	}
	return s
}

func (r *reader) callout(e *TurnEvent) {
	e.Method, e.StatusCode = "", Number{}
	e.noModel()
	if !r.begin('{') {
		return
	}
	for r.more() {
		switch string(r.key()) {
		case "request":
			e.Method = member(r, "method", (*reader).name)
		case "response":
			e.StatusCode = member(r, "status_code", (*reader).number)
		case "llm":
			r.languageModel(e)
		default:
			r.skip()
		}
	}
}

func (e *TurnEvent) noModel() {
	e.Model, e.ModelType, e.ModelFailed = "", "", false
	e.InputTokens, e.OutputTokens = Number{}, Number{}
}

func (r *reader) languageModel(e *TurnEvent) {
	e.noModel()
	if !r.begin('{') {
		return
	}
	for r.more() {
		switch string(r.key()) {
		case "model_id":
			e.Model = r.name()
		case "type":
			e.ModelType = r.name()
		case "success":
			success := r.flag()
			e.ModelFailed = success != nil && !*success
		case "input_token_count":
			e.InputTokens = r.number()
		case "generated_token_count":
			e.OutputTokens = r.number()
		default:
			r.skip()
		}
	}
}

func (r *reader) generationMetrics() (search, generation, total Number) {
	if !r.begin('{') {
		return Number{}, Number{}, Number{}
	}
	for r.more() {
		switch string(r.key()) {
		case "search_time_ms":
			search = r.number()
		case "answer_generation_time_ms":
			generation = r.number()
		case "total_time_ms":
			total = r.number()
		default:
			r.skip()
		}
	}
	return search, generation, total
}
