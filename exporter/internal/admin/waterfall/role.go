package waterfall

import (
	"fmt"
	"strings"
)

// Roles: what a span is in the picture. Each has a colour, a line in the legend
// and a word of its own, so that colour is never the only sign.
const (
	roleCall         = "call"
	roleConversation = "conversation"
	roleSetup        = "setup"
	roleTurn         = "turn"
	roleSpeech       = "speech"    // speech to text
	roleAssistant    = "assistant" // invoke_agent
	roleVoice        = "voice"     // text to speech, or an audio file
	roleMessage      = "message"   // a message log that came late
	roleOther        = "other"
	roleFolded       = "folded" // stands for spans that are not drawn
)

func role(s *Span) string {
	name, _, _ := strings.Cut(s.Name, " ")
	switch {
	case s.Name == "call setup":
		return roleSetup
	case name == "call":
		return roleCall
	case name == "conversation":
		return roleConversation
	case name == "turn":
		return roleTurn
	case name == "speech_to_text":
		return roleSpeech
	case name == "invoke_agent":
		return roleAssistant
	case name == "text_to_speech", name == "play_audio":
		return roleVoice
	case name == "message_logged":
		return roleMessage
	}
	return roleOther
}

// Request types of turns in words.
var requestWords = map[string]string{
	"start":                          "greeting",
	"speech_to_text":                 "caller speaks",
	"dtmf":                           "caller presses keys",
	"post_response_timeout":          "caller stays silent",
	"no_input_turn":                  "no input",
	"final_utterance_timeout":        "utterance timed out",
	"hangup":                         "hang up",
	"transfer":                       "transfer",
	"transfer_failed":                "transfer failed",
	"sms":                            "text message",
	"sms_failure":                    "text message failed",
	"redirect":                       "redirect",
	"speech_to_text_result_filtered": "recognition filtered",
	"mrcp_recognition_unsuccessful":  "recognition unsuccessful",
	"network_warning":                "network warning",
	"media_capability_change":        "media changes",
	"text":                           "text",
	"search":                         "search",
}

// labelSize is how many letters of a label find room beside the bars.
const labelSize = 34

// Label is what the row of a span says in front of its bar.
func Label(s *Span) string {
	switch role(s) {
	case roleCall:
		return "Call" + strings.TrimPrefix(s.Name, "call")
	case roleConversation:
		return "Conversation"
	case roleSetup:
		return "setup"
	case roleTurn:
		return turnLabel(s)
	case roleSpeech:
		return "speech to text"
	case roleAssistant:
		if name := s.Attributes.Text(attrAgentName); name != "" {
			return "assistant " + name
		}
		return "assistant"
	case roleVoice:
		if s.Name == "play_audio" {
			return "audio file"
		}
		return "text to speech"
	case roleMessage:
		return "late message"
	}
	return s.Name
}

func turnLabel(s *Span) string {
	what := s.Attributes.Text(attrTurnRequest)
	if what == "" {
		what = strings.TrimPrefix(s.Name, "turn ")
	}
	if words := requestWords[what]; words != "" {
		what = words
	}
	if n, ok := s.Attributes.Int(attrTurnNumber); ok {
		return fmt.Sprintf("%d  %s", n, what)
	}
	return "Turn " + what
}

// note is the one thing to know about a span beside its times, besides errors
// and waits, which are drawn.
func note(s *Span) string {
	var notes []string
	a := s.Attributes
	if v, ok := a.Seconds(attrSTTConfidence); ok {
		notes = append(notes, fmt.Sprintf("confidence %.2f", v))
	}
	if a.True(attrSTTEcho) {
		notes = append(notes, "echo")
	}
	if a.True(attrTTSCached) {
		notes = append(notes, "cached")
	} else if v, ok := a.Seconds(attrTTSResponse); ok {
		notes = append(notes, "audio after "+Seconds(v))
	}
	if v, ok := a.Seconds(attrTurnSilence); ok {
		notes = append(notes, "caller silent "+Seconds(v)+" before")
	}
	if s.Detached {
		notes = append(notes, "its parent left earlier")
	}
	return strings.Join(notes, ", ")
}

// failure is the error.type of a span whose status is Error.
func failure(s *Span) string {
	if !s.Failed {
		return ""
	}
	if what := s.Attributes.Text(attrErrorType); what != "" {
		return what
	}
	return "error"
}

// cut shortens a text to n letters.
func cut(text string, n int) string {
	letters := []rune(text)
	if len(letters) <= n {
		return text
	}
	return string(letters[:n-1]) + "…"
}
