package telemetry

import (
	"context"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"cdr2otel/mapping"
)

// point is a measurement whose series was found.
type point struct {
	series *series
	value  float64
	span   mapping.SpanID
}

// Call records what a call contributes, once, when it is assembled: whatever becomes
// of its trace. One that ended longer ago than MaxAge is only counted.
func (t *Telemetry) Call(source string, m mapping.Measurements) {
	if t.old(m.EndedAt) {
		t.measure(metricSkipped, 1, keySource.String(source))
		return
	}
	t.record(m)
}

// Message records what a message log contributes, when it is accepted. One that was
// answered longer ago than MaxAge leaves no trace.
func (t *Telemetry) Message(m mapping.Measurements) {
	if !t.old(m.EndedAt) {
		t.record(m)
	}
}

func (t *Telemetry) old(at time.Time) bool {
	return t.cfg.MaxAge > 0 && !at.IsZero() && t.cfg.Now().Sub(at) > t.cfg.MaxAge
}

func (t *Telemetry) record(m mapping.Measurements) {
	room := t.points.Get().(*[]point)
	points := t.resolve((*room)[:0], m.Values)
	span, ctx := mapping.SpanID{}, context.Background()
	for i := range points {
		if p := &points[i]; p.span != span {
			span, ctx = p.span, measured(m.TraceID, p.span)
		}
		points[i].series.measure(ctx, points[i].value)
	}
	*room = points
	t.points.Put(room)
}

// measured is the context of a span that lives elsewhere: the SDK takes the ids of
// an exemplar from it. It is sampled: every call is exported.
func measured(traceID mapping.TraceID, span mapping.SpanID) context.Context {
	ctx := context.Background()
	if span == (mapping.SpanID{}) || traceID == (mapping.TraceID{}) {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(traceID), SpanID: trace.SpanID(span), TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}

// resolve finds the series of the values. Neighbours mostly share the base.
func (t *Telemetry) resolve(points []point, values []mapping.Measurement) []point {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b *base
	var last []attribute.KeyValue
	for i := range values {
		v := &values[i]
		r := t.byName[v.Metric]
		switch {
		case r == nil || !r.call:
			t.sayUnknown.Do(func() { t.log.Error("a measurement of a metric that doesn't exist", "metric", v.Metric) })
			continue
		case !(v.Value >= 0) || math.IsInf(v.Value, 1):
			continue // a counter can't shrink, and nothing measured is negative
		case b == nil || !same(last, v.Base):
			b, last = t.calledBase(v.Base), v.Base
		}
		points = append(points, point{t.calledSeries(b, r, v.Attributes), v.Value, v.SpanID})
	}
	return points
}

// same says whether two slices are one.
func same(a, b []attribute.KeyValue) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// calledBase is baseOf; the counters of one that was not seen before begin with 0.
func (t *Telemetry) calledBase(attributes []attribute.KeyValue) *base {
	b, isNew := t.baseOf(attributes)
	if isNew {
		t.presentBase(b)
	}
	return b
}

// calledSeries is seriesOf; with a new agent version its siblings begin with 0.
func (t *Telemetry) calledSeries(b *base, r *recorder, attributes []attribute.KeyValue) *series {
	s, isNew := t.seriesOf(b, r, attributes)
	if isNew && r.carried != "" {
		if v := find(attributes, r.carried); v.Type() != attribute.EMPTY {
			t.presentSeries(b, r, attribute.KeyValue{Key: r.carried, Value: v})
		}
	}
	return s
}
