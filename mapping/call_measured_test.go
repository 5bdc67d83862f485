package mapping_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

// valuesOf maps a call and returns what it measured, value by metric.
func valuesOf(t *testing.T, cdr *mapping.CDR, metrics ...string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for _, value := range defaultMapper(t).Call(mapping.CallInput{CDR: cdr}).Measured.Values {
		for _, metric := range metrics {
			if value.Metric == metric {
				values[metric] += value.Value
			}
		}
	}
	return values
}

func TestARatioOfLossNeedsFiveSecondsOfPackets(t *testing.T) {
	t.Parallel()
	n := func(value float64) mapping.Number { return mapping.Number{Value: value, Valid: true} }
	const packets, lost, ratio = mapping.MetricPackets, mapping.MetricPacketsLost, mapping.MetricPacketLossRatio
	const average, maximum = mapping.MetricJitterAvg, mapping.MetricJitterMax
	for name, test := range map[string]struct {
		stream *mapping.RTPStream
		want   map[string]float64
	}{
		"no RTCP":            {nil, map[string]float64{}},
		"nothing in it":      {&mapping.RTPStream{}, map[string]float64{}},
		"just enough":        {&mapping.RTPStream{PacketsTransmitted: n(250), PacketsLost: n(5)}, map[string]float64{packets: 250, lost: 5, ratio: 0.02}},
		"one too few":        {&mapping.RTPStream{PacketsTransmitted: n(249), PacketsLost: n(5)}, map[string]float64{packets: 249, lost: 5}},
		"none lost":          {&mapping.RTPStream{PacketsTransmitted: n(500), PacketsLost: n(0)}, map[string]float64{packets: 500, lost: 0, ratio: 0}},
		"fewer than none":    {&mapping.RTPStream{PacketsTransmitted: n(500), PacketsLost: n(-3)}, map[string]float64{packets: 500, lost: 0, ratio: 0}},
		"more than all":      {&mapping.RTPStream{PacketsTransmitted: n(500), PacketsLost: n(700)}, map[string]float64{packets: 500}},
		"loss unknown":       {&mapping.RTPStream{PacketsTransmitted: n(500)}, map[string]float64{packets: 500}},
		"no jitter measured": {&mapping.RTPStream{PacketsTransmitted: n(0), AverageJitter: n(0), MaximumJitter: n(0)}, map[string]float64{packets: 0}},
		"a jitter of none":   {&mapping.RTPStream{PacketsTransmitted: n(9), AverageJitter: n(0), MaximumJitter: n(3)}, map[string]float64{packets: 9, average: 0, maximum: 0.003}},
		"only jitter":        {&mapping.RTPStream{AverageJitter: n(4), MaximumJitter: n(0)}, map[string]float64{average: 0.004}},
	} {
		got := valuesOf(t, &mapping.CDR{Outbound: test.stream}, packets, lost, ratio, average, maximum)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheTrunkIsTheCarriersSideOfTheCall(t *testing.T) {
	t.Parallel()
	for outbound, want := range map[bool]string{false: "from.example", true: "to.example"} {
		cdr := &mapping.CDR{Inbound: &mapping.RTPStream{PacketsTransmitted: ms(300)}}
		cdr.Call.Outbound = &outbound
		cdr.SIP.FromURI, cdr.SIP.ToURI = "sip:+15555550100@from.example", "sip:+18885557777@to.example:5061"
		for _, value := range defaultMapper(t).Call(mapping.CallInput{CDR: cdr}).Measured.Values {
			host, has := attributesOf(value)["wxa.sip.trunk.host"]
			if has != (value.Metric == mapping.MetricPackets) || has && host != want {
				t.Errorf("outbound %t: %s has the trunk %v, want %s", outbound, value.Metric, host, want)
			}
		}
	}
}

func TestOnlySynthesisIsMeasuredAsSynthesis(t *testing.T) {
	t.Parallel()
	file := spoken(at(700), at(2000), ms(300))
	file.Type, file.BargeIn = "url", true
	cached := spoken(at(2100), at(2200), ms(0))
	voice := spoken(at(2300), at(2400), ms(200))
	cdr := &mapping.CDR{SIP: mapping.SIPRecord{Invite: at(0)}, Summaries: []mapping.Summary{{Turns: []mapping.Turn{{
		Request: mapping.TurnRequest{Type: "start"}, Response: []mapping.TurnResponse{file, cached, voice},
	}}}}}
	got := valuesOf(t, cdr, mapping.MetricTTSResponse, mapping.MetricBargeIns, mapping.MetricCommands)
	want := map[string]float64{mapping.MetricTTSResponse: 0.2, mapping.MetricBargeIns: 1, mapping.MetricCommands: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheAgentOfACallIsItsFirst(t *testing.T) {
	t.Parallel()
	mapper, err := mapping.New(mapping.Config{Source: "default", Agents: map[string]string{"environment": "bot"}})
	if err != nil {
		t.Fatal(err)
	}
	turn := func(logID string) mapping.Turn {
		return mapping.Turn{Assistant: &mapping.AssistantStep{LogID: logID}}
	}
	logged := func(logID, assistant, snapshot string) mapping.MessageInput {
		return mapping.MessageInput{Message: &mapping.Message{LogID: logID, AssistantID: assistant, Snapshot: snapshot}}
	}
	in := mapping.CallInput{
		CDR: &mapping.CDR{Summaries: []mapping.Summary{
			{Turns: []mapping.Turn{turn("a"), turn("b")}},
			{AssistantID: "second", Turns: []mapping.Turn{turn("c")}},
		}},
		Messages: []mapping.MessageInput{logged("c", "environment", "v2"), logged("b", "environment", "v1")},
	}
	var got []string
	for _, value := range mapper.Call(in).Measured.Values {
		switch attributes := attributesOf(value); value.Metric {
		case mapping.MetricCalls, mapping.MetricTurns:
			got = append(got, fmt.Sprint(value.Metric, " ", attributes["gen_ai.agent.id"], " ",
				attributes["gen_ai.agent.name"], " ", attributes["gen_ai.agent.version"]))
		}
	}
	want := []string{
		"wxa.calls environment bot v1",
		"wxa.turns environment bot <nil>", "wxa.turns environment bot <nil>", "wxa.turns second bot <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
