package mapping_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

// minutes after the INVITE of these tests.
func minutes(n float64) mapping.Instant { return at(int(n * 60_000)) }

// answeredCall was answered 4 s after its INVITE and lasted 16 s.
func answeredCall(edit func(*mapping.CDR)) *mapping.CDR {
	cdr := &mapping.CDR{
		Call: mapping.CallRecord{Start: at(4000), Stop: at(20_000), MillisecondsElapsed: ms(16_000)},
		SIP:  mapping.SIPRecord{Invite: at(0), SetupMilliseconds: ms(4000)},
	}
	if edit != nil {
		edit(cdr)
	}
	return cdr
}

func withTurn(turn mapping.Turn) func(*mapping.CDR) {
	return func(c *mapping.CDR) { c.Summaries = []mapping.Summary{{Turns: []mapping.Turn{turn}}} }
}

func TestTheTimesOfACallAreThoseThatAgree(t *testing.T) {
	t.Parallel()
	const time, duration, contradiction = "implausible_time", "implausible_duration", "contradictory_duration"
	whole := []string{"call inbound 0…20000", "call setup 0…4000"}
	derived := []string{"call inbound 0…20000 inferred", "call setup 0…4000 inferred"}
	for name, test := range map[string]struct {
		edit      func(*mapping.CDR)
		want      []string
		anomalies map[string]int
	}{
		"all agree": {nil, whole, nil},
		"an INVITE 40 minutes after the end": {
			func(c *mapping.CDR) { c.SIP.Invite = minutes(40) }, derived, map[string]int{time: 1},
		},
		"an INVITE an hour too early": {
			func(c *mapping.CDR) { c.SIP.Invite = minutes(-60) }, derived, map[string]int{time: 1},
		},
		"an INVITE after the answer": {
			func(c *mapping.CDR) { c.SIP.Invite = at(10_000) }, derived, map[string]int{time: 1},
		},
		"an INVITE an hour off within a long call": {
			func(c *mapping.CDR) {
				c.SIP.Invite, c.Call.Stop, c.Call.MillisecondsElapsed = minutes(60), minutes(120), ms(7_196_000)
			},
			[]string{"call inbound 0…7.2e+06 inferred", "call setup 0…4000 inferred"}, map[string]int{time: 1},
		},
		"an INVITE a few milliseconds after the answer, by another process": {
			func(c *mapping.CDR) { c.SIP.Invite = at(4005) },
			[]string{"call inbound 0…20000 envelope", "call setup 0…4000 inferred"}, nil,
		},
		"a caller who heard it ring for five minutes": {
			func(c *mapping.CDR) { c.SIP.Invite, c.SIP.SetupMilliseconds = minutes(-5), ms(304_000) },
			[]string{"call inbound -300000…20000", "call setup -300000…4000"}, nil,
		},
		"no INVITE": {
			func(c *mapping.CDR) { c.SIP.Invite = mapping.Instant{} }, derived, nil,
		},
		"neither INVITE nor setup time": {
			func(c *mapping.CDR) { c.SIP = mapping.SIPRecord{} }, []string{"call inbound 4000…20000"}, nil,
		},
		"a setup that ends after the answer": {
			func(c *mapping.CDR) { c.SIP.SetupMilliseconds = ms(9000) },
			[]string{"call inbound 0…20000", "call setup 0…4000 clamped"}, nil,
		},
		"a turn an hour after the end": {
			withTurn(mapping.Turn{Request: mapping.TurnRequest{Type: "start"}, Assistant: asked(minutes(60), ms(500))}),
			[]string{"call inbound 0…20000", "call setup 0…4000", "turn start 0…500", "invoke_agent 0…500 inferred"}, map[string]int{time: 1},
		},
		"a prompt an hour before the call": {
			withTurn(mapping.Turn{Request: mapping.TurnRequest{Type: "start"}, Response: []mapping.TurnResponse{spoken(minutes(-60), minutes(-59), ms(300))}}),
			[]string{"call inbound 0…20000", "call setup 0…4000", "turn start 0…300", "text_to_speech 0…300 inferred"}, map[string]int{time: 2},
		},
		"a turn a little after the end": {
			withTurn(mapping.Turn{Request: mapping.TurnRequest{Type: "hangup"}, Assistant: asked(at(20_002), ms(0))}),
			[]string{"call inbound 0…20002.001 envelope", "call setup 0…4000", "turn hangup 20002…20002.001", "invoke_agent 20002…20002.001 clamped"}, nil,
		},
		"an assistant that was asked while it rang": {
			withTurn(mapping.Turn{Request: mapping.TurnRequest{Type: "start"}, Assistant: asked(at(10), ms(500))}),
			[]string{"call inbound 0…20000", "call setup 0…4000", "turn start 10…510", "invoke_agent 10…510"}, nil,
		},
		"timestamps that were cut to seconds": {
			func(c *mapping.CDR) { c.Call.MillisecondsElapsed = ms(16_999) }, whole, nil,
		},
		"an elapsed time that contradicts start and stop": {
			func(c *mapping.CDR) { c.Call.MillisecondsElapsed = ms(3_616_000) },
			[]string{"call inbound 0…20000 contradicted", "call setup 0…4000"}, map[string]int{contradiction: 1},
		},
		"an elapsed time in seconds": {
			func(c *mapping.CDR) { c.Call.MillisecondsElapsed = ms(16) },
			[]string{"call inbound 0…20000 contradicted", "call setup 0…4000"}, map[string]int{contradiction: 1},
		},
		"an elapsed time that was not measured": {
			func(c *mapping.CDR) { c.Call.MillisecondsElapsed = ms(0) }, whole, nil,
		},
		"a call of 30 hours": {
			func(c *mapping.CDR) { c.Call.Stop, c.Call.MillisecondsElapsed = minutes(30*60), ms(107_996_000) },
			[]string{"call inbound 0…1.08e+08", "call setup 0…4000"}, nil,
		},
		"a call of 30 hours that nothing bears out": {
			func(c *mapping.CDR) { c.Call.Stop = minutes(30 * 60) },
			[]string{"call inbound 0…20000 inferred", "call setup 0…4000"}, map[string]int{time: 1},
		},
		"a call of ten years": {
			func(c *mapping.CDR) {
				c.Call.Stop, c.Call.MillisecondsElapsed = minutes(10*365*24*60), ms(315_360_000_000-4000)
			},
			[]string{"call inbound 0…4000 inferred", "call setup 0…4000"}, map[string]int{time: 1, duration: 1},
		},
	} {
		trace := defaultMapper(t).Call(mapping.CallInput{CDR: answeredCall(test.edit)})
		if diff := cmp.Diff(test.want, drawn(trace)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, anomaly := range []string{time, duration, contradiction} {
			if trace.Anomalies[anomaly] != test.anomalies[anomaly] {
				t.Errorf("%s: %d times %s, want %d", name, trace.Anomalies[anomaly], anomaly, test.anomalies[anomaly])
			}
		}
	}
}

func TestACallOfMoreThanADayIsMeasured(t *testing.T) {
	t.Parallel()
	cdr := answeredCall(func(c *mapping.CDR) { c.Call.Stop, c.Call.MillisecondsElapsed = minutes(30*60), ms(107_996_000) })
	if got := valuesOf(t, cdr, mapping.MetricCallDuration); got[mapping.MetricCallDuration] != 107_996 {
		t.Errorf("measured %v, want 107996 s", got)
	}
}

// The clock of the assistant is another one: what is off there is worth seeing.
func TestTheTimesOfAMessageAreBelievedAnHourOutsideOfTheCall(t *testing.T) {
	t.Parallel()
	cdr := answeredCall(withTurn(mapping.Turn{Assistant: asked(at(5000), ms(500))}))
	message := mapping.MessageInput{Message: &mapping.Message{LogID: "log", RequestAt: minutes(60), ResponseAt: minutes(60)}}
	trace := defaultMapper(t).Call(mapping.CallInput{CDR: cdr, Messages: []mapping.MessageInput{message}})
	if n := trace.Anomalies["implausible_time"]; n != 0 {
		t.Errorf("%d of its times are not believed", n)
	}
}
