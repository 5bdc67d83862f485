package backends

import (
	"slices"
	"testing"
)

func TestEveryAlertIsTestedToFireAndToBeQuiet(t *testing.T) {
	t.Parallel()
	_, alerts := rules(t)
	firing, quiet := map[string]int{}, map[string]int{}
	for _, file := range ruleTests(t) {
		for _, test := range file.Tests {
			for _, a := range test.Alerts {
				if len(a.Expected) > 0 {
					firing[a.Name]++
				} else {
					quiet[a.Name]++
				}
			}
		}
	}
	for _, r := range alerts {
		if firing[r.Alert] == 0 || quiet[r.Alert] == 0 {
			t.Errorf("%s: %d tests expect it to fire and %d expect it to be quiet", r.Alert, firing[r.Alert], quiet[r.Alert])
		}
		delete(firing, r.Alert)
		delete(quiet, r.Alert)
	}
	for name := range firing {
		t.Errorf("tests expect %s, which is no alert", name)
	}
	for name := range quiet {
		t.Errorf("tests name %s, which is no alert", name)
	}
	confirmed(t, "%d alerts are tested to fire and to be quiet", len(alerts))
}

// An alert about calls is tested with calls of an old backlog, and not to be silenced
// by what is missing.
func TestEveryAlertAboutCallsIsTestedWhileABacklogDrains(t *testing.T) {
	t.Parallel()
	drained, undrained := map[string]bool{}, map[string]bool{}
	for _, file := range ruleTests(t) {
		for _, test := range file.Tests {
			draining := slices.ContainsFunc(test.Input, func(in struct {
				Series string `yaml:"series"`
				Values string `yaml:"values"`
			},
			) bool {
				return metricOf(in.Series) == "wxa_exporter_call_metrics_skipped_total"
			})
			for _, a := range test.Alerts {
				switch {
				case draining && len(a.Expected) == 0:
					drained[a.Name] = true
				case !draining && len(a.Expected) > 0:
					undrained[a.Name] = true
				}
			}
		}
	}
	_, alerts := rules(t)
	for _, r := range alerts {
		if r.ofCalls() && (!drained[r.Alert] || !undrained[r.Alert]) {
			t.Errorf("%s: quiet while a backlog drains: %v; fires where nothing is known of one: %v",
				r.Alert, drained[r.Alert], undrained[r.Alert])
		}
	}
}

// Without an order promtool evaluates groups in that of a map: alerts before what they
// compare, now and then.
func TestRuleTestsEvaluateWhatIsRecordedFirst(t *testing.T) {
	t.Parallel()
	recorded, alerts := rules(t)
	for _, file := range ruleTests(t) {
		place := func(r rule) int { return slices.Index(file.GroupEvalOrder, r.group) }
		last := -1
		for _, r := range recorded {
			if place(r) < max(last, 0) {
				t.Errorf("%s: group %s is not in group_eval_order, or not in the order of recording.yaml", file.file, r.group)
			}
			last = max(last, place(r))
		}
		for _, r := range alerts {
			if place(r) <= last {
				t.Errorf("%s: group %s must come after the recording rules in group_eval_order", file.file, r.group)
			}
		}
	}
}

// A test that is fed what does not exist proves nothing.
func TestRuleTestsFeedWhatExists(t *testing.T) {
	t.Parallel()
	documented := documentedSeries(t)
	foreign := map[string]bool{"up": true}
	seen := map[string]bool{}
	for _, file := range ruleTests(t) {
		for _, test := range file.Tests {
			if seen[file.file+test.Name] {
				t.Errorf("%s: two tests have the name %q", file.file, test.Name)
			}
			seen[file.file+test.Name] = true
			for _, in := range test.Input {
				if name := metricOf(in.Series); !foreign[name] {
					for _, label := range labelsOf(t, in.Series) {
						checkLabel(t, documented, test.Name, name, label)
					}
				}
			}
		}
	}
}
