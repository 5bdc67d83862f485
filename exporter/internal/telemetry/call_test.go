package telemetry

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

func TestACallThatEndedLongAgoIsCountedAndNotRecorded(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, func(c *Config) { c.MaxAge = 15 * time.Minute })
	for _, c := range []struct {
		ended    time.Time
		recorded bool
	}{
		{noon.Add(-15*time.Minute - time.Second), false},
		{noon.Add(-15 * time.Minute), true},
		{noon.Add(time.Hour), true}, // clocks differ
		{time.Time{}, true},         // the source does not say
	} {
		before := scrape(t, telemetry, "text/plain")
		m := one(mapping.MetricCallDuration, 60, callBase("default", ""))
		m.EndedAt = c.ended
		telemetry.Call("default", m)
		m.Values[0].Metric = mapping.MetricAssistantProcessing
		telemetry.Message(m)
		after := scrape(t, telemetry, "text/plain")
		for name, want := range map[string]bool{
			"wxa_call_duration_seconds_count":                 c.recorded,
			"wxa_assistant_processing_duration_seconds_count": c.recorded,
			"wxa_exporter_call_metrics_skipped_total":         !c.recorded,
		} {
			if grew := max(0, after.value(name)) > max(0, before.value(name)); grew != want {
				t.Errorf("ended %s: %s grew: %v, want %v", c.ended, name, grew, want)
			}
		}
	}
}

func TestWithoutAMaximalAgeEveryCallIsRecorded(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	m := one(mapping.MetricBargeIns, 1, callBase("default", ""))
	m.EndedAt = noon.AddDate(-1, 0, 0)
	telemetry.Call("default", m)
	if n := scrape(t, telemetry, "text/plain").value("wxa_barge_ins_total"); n != 1 {
		t.Errorf("%v, want 1", n)
	}
}

func TestValuesThatNothingMeasuresAreNotRecorded(t *testing.T) {
	t.Parallel()
	var log logs
	telemetry := setup(t, func(c *Config) { c.Logger = log.logger() })
	for _, value := range []float64{-1, math.NaN(), math.Inf(1)} {
		telemetry.Call("default", one(mapping.MetricBargeIns, value, callBase("default", "")))
		telemetry.Call("default", one(mapping.MetricJitterAvg, value, callBase("default", "")))
	}
	for _, name := range []string{"wxa.nothing", metricEvents} {
		telemetry.Call("default", one(name, 1, callBase("default", "")))
	}
	e := scrape(t, telemetry, "text/plain")
	if e.value("wxa_barge_ins_total") != 0 || e.value("wxa_rtp_jitter_avg_seconds_count") != -1 {
		t.Error("something was recorded")
	}
	if strings.Count(log.String(), "wxa.nothing") != 1 {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestTheTableHasEveryMetricOfTheMapping(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../../mapping/measurement.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var known, table []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		text := mapping.Prefix
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if ok {
			text = ""
		} else {
			literal = spec.Values[0].(*ast.BinaryExpr).Y.(*ast.BasicLit)
		}
		name, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, text+name)
		return false
	})
	for _, i := range instruments() {
		if i.call {
			table = append(table, i.name)
		}
	}
	slices.Sort(known)
	slices.Sort(table)
	if diff := cmp.Diff(known, table); diff != "" {
		t.Errorf("mapping (-), table (+):\n%s", diff)
	}
}

func TestManyAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, whole)
	everything(t, telemetry)
	before := scrape(t, telemetry, "text/plain").value("wxa_barge_ins_total")
	var recorders sync.WaitGroup
	const each = 100
	for worker := range 4 {
		recorders.Go(func() {
			for n := range each {
				agent := numbered("agent", 30)[(n+worker)%30]
				telemetry.Call("default", one(mapping.MetricBargeIns, 1, callBase("default", agent)))
				telemetry.Request(Request{Method: "POST", Scheme: "http", Status: 200, Source: "default", EventName: "cdr_logged", Outcome: "accepted"})
				if n%50 == 0 {
					telemetry.Reloaded(true)
				}
			}
		})
	}
	recorders.Go(func() {
		for range 4 {
			scrape(t, telemetry, openMetrics)
		}
	})
	recorders.Wait()
	e := scrape(t, telemetry, "text/plain")
	if n := e.value("wxa_barge_ins_total") - before; n != 4*each {
		t.Errorf("%v, want %d", n, 4*each)
	}
	if n := e.value("wxa_exporter_events_total", "wxa_outcome", "accepted"); n != 4*each {
		t.Errorf("%v events, want %d", n, 4*each)
	}
}
