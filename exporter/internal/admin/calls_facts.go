package admin

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"cdr2otel/exporter/internal/admin/waterfall"
	"cdr2otel/mapping"
)

const wxa = mapping.Prefix

// fact is a number of the call with its name.
type fact struct {
	Name, Value, Hint string
	Attribute         string
	Bad               bool
}

// stream is what was measured of the packets of one direction.
type stream struct {
	Direction            string
	JitterAvg, JitterMax string
	Transmitted, Lost    string
	Loss, Tool           string
}

// message is a message log of the trace.
type message struct {
	Event      waterfall.Event
	Offset     string
	Turn       string
	LogID      string
	Delivery   int64 // 0: not known
	About      []string
	Types      []string
	Channel    string
	Recognized string // yes, no, or empty: there was nothing to recognize
	Error      string
	Calls      []string // of extensions
	Input      []string
	Output     []string
	SpanID     string
	Confidence string
	Late       bool
}

// warning is a warning of the platform.
type warning struct{ ID, Severity, Text, Span string }

// callLink leads from a call to what it is linked with.
type callLink struct{ Name, Address, TraceID string }

// read takes from the spans what stands beside the picture. What
// of it may be seen decides visibility, by the key of the attribute.
func (d *callData) read(visibility func(key string) Visibility) {
	see := func(key string) bool {
		v := visibility(key)
		d.Private = d.Private || v == Private
		return v != Hidden
	}
	if root := d.Trace.Main(); root != nil {
		d.Facts = facts(root, see)
		d.Streams = streams(root.Attributes)
		for _, l := range root.Links {
			name := "what caused the call"
			address := ""
			if l.Kind == "conversation" {
				name, address = "messages of this call that left before its record came", "/calls/"+l.TraceID
			}
			d.Links = append(d.Links, callLink{name, address, l.TraceID})
		}
	}
	d.messages(see)
	for _, e := range d.Trace.Events(wxa + "warning") {
		w := warning{ID: e.Attributes.Text(wxa + "warning.id"), Severity: severity(e.Attributes.Text(wxa + "warning.severity")), Text: e.Attributes.Text(wxa + "warning.message")}
		if e.Span != nil && e.Span.Parent != nil {
			w.Span = waterfall.Label(e.Span)
		}
		d.Warnings = append(d.Warnings, w)
	}
}

func severity(letter string) string {
	switch letter {
	case "I":
		return "information"
	case "W":
		return "warning"
	case "E":
		return "error"
	}
	return letter
}

// shown are the attributes of a root that are facts, in their order; names without a
// prefix of their own are below wxa.
var shown = []struct{ attribute, name, hint string }{
	{"call.end_reason", "Ended by", ""},
	{"call.duration", "Answered for", ""},
	{"call.setup.duration", "Setup", "from the INVITE to the ACK"},
	{"call.first_audio.delay", "First audio", "after the call was answered"},
	{"call.max_turn_response.duration", "Longest wait", "for the first audio of an answer"},
	{"call.slow_turn_count", "Slow turns", ""},
	{"call.turn_count", "Turns", ""},
	{"call.barge_in_count", "Barge-ins", ""},
	{"call.warning_count", "Warnings", ""},
	{"call.active_calls", "Calls at the time", "that the platform carried for you"},
	{"call.max_response.assistant", "Slowest assistant", ""},
	{"call.max_response.speech_to_text", "Slowest recognition", ""},
	{"call.max_response.text_to_speech", "Slowest voice", ""},
	{"call.failure_occurred", "A failure occurred", ""},
	{"call.failure.message", "Failure", ""},
	{"call.transfer_attempted", "Transfer attempted", ""},
	{"call.custom_data_count", "Custom data", "mapping.custom_data says which may leave"},
	{"call.signaling_encrypted", "Signaling encrypted", ""},
	{"call.media_encrypted", "Media encrypted", ""},
	{"call.sip_authenticated", "SIP authenticated", ""},
	{"sip.from.host", "From host", ""},
	{"sip.to.host", "To host", ""},
	{"assistant.number", "Assistant's number", ""},
	{"message.channel", "Channel", ""},
	{"cdr.missing", "Call record missing", "these are messages of a phone call; its record did not come"},
	{"gen_ai.agent.name", "Assistant", ""},
	{"gen_ai.agent.id", "Assistant id", ""},
	{"gen_ai.agent.version", "Assistant's version", ""},
	{"gen_ai.conversation.id", "Session", ""},
	{"call.id", "Call id", ""},
	{"sip.call_id", "SIP Call-ID", ""},
	{"sip.trunk_call_id", "SIP trunk call id", ""},
	{"caller.hash", "Caller", "a keyed hash, the same for the same number"},
}

// facts of a root, as its attributes say them.
func facts(root *waterfall.Span, see func(key string) bool) []fact {
	var list []fact
	if root.Failed {
		list = append(list, fact{Name: "Error", Value: root.Attributes.Text("error.type"), Attribute: "error.type", Bad: true})
	}
	for _, s := range shown {
		key := wxa + s.attribute
		if strings.HasPrefix(s.attribute, "gen_ai.") {
			key = s.attribute
		}
		if missing, told := root.Attributes.Bool(key); s.attribute == "cdr.missing" && told && !missing {
			continue // a chat has none
		}
		value := attributeText(root.Attributes, key)
		if s.attribute == "call.custom_data_count" && value != "" {
			value = plural(value, "key")
		}
		if value != "" && see(key) {
			list = append(list, fact{Name: s.name, Value: value, Hint: s.hint, Attribute: key})
		}
	}
	for _, kv := range root.Attributes {
		key := kv.GetKey()
		custom, isCustom := strings.CutPrefix(key, wxa+"custom.")
		personal, isPersonal := strings.CutPrefix(key, wxa+"pii.")
		switch {
		case !isCustom && !isPersonal || !see(key):
		case isCustom:
			list = append(list, fact{Name: custom, Value: root.Attributes.Scalar(key), Attribute: key})
		default:
			list = append(list, fact{Name: strings.ReplaceAll(personal, ".", " "), Value: root.Attributes.Scalar(key), Attribute: key, Hint: "personal"})
		}
	}
	return list
}

// plural is a number of things.
func plural(number, thing string) string {
	if number == "1" {
		return number + " " + thing
	}
	return number + " " + thing + "s"
}

// attributeText writes an attribute for people: doubles are durations in seconds.
func attributeText(a waterfall.Attributes, key string) string {
	if s, ok := a.Seconds(key); ok {
		return waterfall.Seconds(s)
	}
	if b, ok := a.Bool(key); ok {
		if b {
			return "yes"
		}
		return "no"
	}
	if n, ok := a.Int(key); ok {
		return count(n)
	}
	if key == wxa+"call.end_reason" {
		return strings.ReplaceAll(a.Text(key), "_", " ")
	}
	if several := a.Texts(key); len(several) > 0 {
		return strings.Join(several, ", ")
	}
	return a.Text(key)
}

// streams are the packets of both directions; none when they were not measured.
func streams(a waterfall.Attributes) []stream {
	var list []stream
	for _, direction := range []string{"inbound", "outbound"} {
		prefix := wxa + "rtp." + direction + "."
		s := stream{
			Direction: direction,
			JitterAvg: attributeText(a, prefix+"jitter.avg"), JitterMax: attributeText(a, prefix+"jitter.max"),
			Transmitted: attributeText(a, prefix+"packets.transmitted"), Lost: attributeText(a, prefix+"packets.lost"),
			Tool: a.Text(prefix + "tool_name"),
		}
		if ratio, ok := a.Seconds(prefix + "packet_loss.ratio"); ok {
			s.Loss = ratioWords(ratio)
		}
		if s != (stream{Direction: direction}) {
			list = append(list, s)
		}
	}
	return list
}

func ratioWords(ratio float64) string {
	if ratio < 0 || math.IsNaN(ratio) || ratio > 1 {
		return strconv.FormatFloat(100*ratio, 'g', 3, 64) + " %" // the source's own number, as it is
	}
	return loss(int64(math.Round(ratio * 1e6)))
}

// messages of the trace in order of time, each with the calls of extensions made
// for it.
func (d *callData) messages(see func(key string) bool) {
	deliveries := map[string]int64{}
	for _, e := range d.Events {
		if e.Kind == "message" && e.LogID != "" && deliveries[e.LogID] == 0 {
			deliveries[e.LogID] = e.ID
		}
	}
	type place struct {
		span *waterfall.Span
		at   uint64
	}
	byPlace := map[place]int{}
	for _, e := range d.Trace.Events(wxa + "message") {
		m := d.message(e, see)
		m.Delivery = deliveries[m.LogID]
		byPlace[place{e.Span, e.At}] = len(d.Messages)
		d.Messages = append(d.Messages, m)
		d.Said = d.Said || len(m.Input)+len(m.Output) > 0
	}
	d.lateMessages(deliveries, see)
	for _, e := range d.Trace.Events(wxa + "extension.call") {
		i, ok := byPlace[place{e.Span, e.At}]
		if !ok {
			continue
		}
		d.Messages[i].Calls = append(d.Messages[i].Calls, waterfall.EventWords(e))
	}
}

// lateMessages are spans of their own: what was exported before did not change.
func (d *callData) lateMessages(deliveries map[string]int64, see func(key string) bool) {
	for _, s := range d.Trace.Named("message_logged") {
		m := d.message(waterfall.Event{Name: s.Name, At: s.Start, Attributes: s.Attributes, Span: s}, see)
		m.Delivery, m.Late = deliveries[m.LogID], true
		for _, e := range s.Events {
			m.Calls = append(m.Calls, waterfall.EventWords(e))
		}
		d.Messages = append(d.Messages, m)
		d.Said = d.Said || len(m.Input)+len(m.Output) > 0
	}
}

func (d *callData) message(e waterfall.Event, see func(key string) bool) message {
	a := e.Attributes
	m := message{
		Event: e, LogID: a.Text(wxa + "log_id"), Types: a.Texts(wxa + "message.response_types"), Channel: a.Text(wxa + "message.channel"),
		Error: a.Text(wxa + "message.error"), About: append(a.Texts(wxa+"message.intents"), a.Texts(wxa+"message.actions")...),
	}
	if e.At >= d.Trace.Start && d.Trace.Start > 0 {
		m.Offset = duration(time.Duration(min(e.At-d.Trace.Start, math.MaxInt64)))
	}
	if b, ok := a.Bool(wxa + "message.recognized"); ok {
		m.Recognized = map[bool]string{true: "yes", false: "no"}[b]
	}
	if c, ok := a.Seconds(wxa + "message.intent.confidence"); ok {
		m.Confidence = fmt.Sprintf("%.2f", c)
	}
	from := a // where what was said stands
	if s := e.Span; s != nil {
		m.SpanID = s.ID
		if from.Text("gen_ai.input.messages") == "" && from.Text("gen_ai.output.messages") == "" && s.Attributes.Text(wxa+"log_id") == m.LogID {
			from = s.Attributes
		}
		for turn := s; turn != nil; turn = turn.Parent {
			if n, ok := turn.Attributes.Int(wxa + "turn.number"); ok {
				m.Turn = strconv.FormatInt(n, 10)
			}
		}
	}
	for _, said := range []struct {
		key  string
		into *[]string
	}{{"gen_ai.input.messages", &m.Input}, {"gen_ai.output.messages", &m.Output}} {
		if text := from.Text(said.key); text != "" && see(said.key) {
			*said.into = texts(text)
		}
	}
	return m
}

// texts are the texts of messages in the schema of the GenAI conventions.
func texts(encoded string) []string {
	if encoded == "" {
		return nil
	}
	var messages []struct {
		Parts []struct {
			Content string `json:"content"`
		} `json:"parts"`
	}
	if err := json.Unmarshal([]byte(encoded), &messages); err != nil {
		return []string{encoded} // cut to fit: as it left
	}
	var list []string
	for _, m := range messages {
		for _, part := range m.Parts {
			if part.Content != "" {
				list = append(list, part.Content)
			}
		}
	}
	return list
}
