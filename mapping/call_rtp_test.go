package mapping_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

// A call of 40 s has at most 8 200 packets of one direction.
func TestACountOfPacketsThatCannotBeIsAbsentAndCounted(t *testing.T) {
	t.Parallel()
	const packets, lost, ratio = mapping.MetricPackets, mapping.MetricPacketsLost, mapping.MetricPacketLossRatio
	const times = `"start_timestamp":"2024-03-05T15:00:00Z","stop_timestamp":"2024-03-05T15:00:40Z","milliseconds_elapsed":40000`
	const implausible, negative = "implausible_number", "negative_loss"
	for name, test := range map[string]struct {
		call, transmitted, lost string
		want                    map[string]float64
		anomalies               map[string]int
	}{
		"none lost":                             {times, `2000`, `0`, map[string]float64{packets: 2000, lost: 0, ratio: 0}, nil},
		"all lost":                              {times, `2000`, `2000`, map[string]float64{packets: 2000, lost: 2000, ratio: 1}, nil},
		"one more than all lost":                {times, `2000`, `2001`, map[string]float64{packets: 2000}, map[string]int{implausible: 1}},
		"lost of nothing sent":                  {times, `0`, `3`, map[string]float64{packets: 0}, map[string]int{implausible: 1}},
		"-1 with its sign":                      {times, `2000`, `-1`, map[string]float64{packets: 2000, lost: 0, ratio: 0}, map[string]int{negative: 1}},
		"-1 without its sign":                   {times, `2000`, `16777215`, map[string]float64{packets: 2000, lost: 0, ratio: 0}, map[string]int{negative: 1}},
		"-2 without its sign, as text":          {times, `"2000"`, `"16777214"`, map[string]float64{packets: 2000, lost: 0, ratio: 0}, map[string]int{negative: 1}},
		"more than 24 bits":                     {times, `2000`, `16777216`, map[string]float64{packets: 2000}, map[string]int{implausible: 1}},
		"-2 in 32 bits without their sign":      {times, `2000`, `4294967294`, map[string]float64{packets: 2000}, map[string]int{implausible: 1}},
		"less than 24 bits":                     {times, `2000`, `-8388609`, map[string]float64{packets: 2000}, map[string]int{implausible: 1}},
		"the least that 24 bits hold":           {times, `2000`, `8388608`, map[string]float64{packets: 2000}, map[string]int{implausible: 1}},
		"as many as could be sent":              {times, `8200`, `82`, map[string]float64{packets: 8200, lost: 82, ratio: 0.01}, nil},
		"more than could be sent":               {times, `8201`, `82`, map[string]float64{lost: 82}, map[string]int{implausible: 1}},
		"lost more than could be sent":          {times, `null`, `8201`, map[string]float64{}, map[string]int{implausible: 1}},
		"only the elapsed time is known":        {`"milliseconds_elapsed":1000`, `401`, `0`, map[string]float64{lost: 0}, map[string]int{implausible: 1}},
		"only start and stop are known":         {`"start_timestamp":"2024-03-05T15:00:00Z","stop_timestamp":"2024-03-05T15:00:01Z"`, `400`, `0`, map[string]float64{packets: 400, lost: 0, ratio: 0}, nil},
		"the call's time is not known":          {`"start_timestamp":"2024-03-05T15:00:00Z"`, `1000000`, `0`, map[string]float64{packets: 1000000, lost: 0, ratio: 0}, nil},
		"of contradictory times the longest":    {`"start_timestamp":"2024-03-05T15:00:00Z","stop_timestamp":"2024-03-05T15:00:01Z","milliseconds_elapsed":40000`, `8200`, `0`, map[string]float64{packets: 8200, lost: 0, ratio: 0}, nil},
		"of a stream that nothing is said of":   {times, `null`, `null`, map[string]float64{}, nil},
		"a negative number of packets was sent": {times, `-5`, `0`, map[string]float64{lost: 0}, map[string]int{implausible: 1}},
	} {
		cdr := decoded(t, fmt.Sprintf(`{"call":{%s},"realtime_transport_network_summary":{"inbound_stream":{"packets_transmitted":%s,"packets_lost":%s}}}`,
			test.call, test.transmitted, test.lost))
		trace := defaultMapper(t).Call(mapping.CallInput{CDR: cdr})
		got := map[string]float64{}
		for _, value := range trace.Measured.Values {
			if value.Metric == packets || value.Metric == lost || value.Metric == ratio {
				got[value.Metric] = value.Value
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, anomaly := range []string{implausible, negative} {
			if trace.Anomalies[anomaly] != test.anomalies[anomaly] {
				t.Errorf("%s: %d times %s, want %d", name, trace.Anomalies[anomaly], anomaly, test.anomalies[anomaly])
			}
		}
		if ratio, has := got[ratio]; trace.Overview.Loss != ratio && has {
			t.Errorf("%s: the list says a loss of %v, the metric %v", name, trace.Overview.Loss, ratio)
		}
	}
}
