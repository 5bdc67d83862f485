package telemetry

import (
	"context"
	"encoding/binary"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Bounds of memory (I7), The caps bound each attribute, but not their product.
//
// A base is a combination of source, environment, direction, agent and custom
// values. Above maxBases new ones lose agent and custom values. Above maxSeries of
// an instrument new series are recorded as one, which is called as the SDK calls
// it, {otel.metric.overflow="true"}: sums over everything stay right. A histogram
// series with its exemplars takes some kB in each reader, that of a counter a
// tenth.
const (
	maxBases           = 400
	maxCounterSeries   = 10000
	maxHistogramSeries = 2000
)

// limits are those in force.
type limits struct{ bases, counterSeries, histogramSeries int }

var overflow = attribute.Bool("otel.metric.overflow", true)

// recorder is an instrument of the meter and its series. What can change belongs
// to the mutex of Telemetry.
type recorder struct {
	*instrument
	number    byte // in the table
	counter   metric.Int64Counter
	histogram metric.Float64Histogram
	total     metric.Int64ObservableCounter
	gauge     metric.Float64ObservableGauge
	series    int
	overflow  *series
}

func (l limits) of(r *recorder) int {
	if r.kind == histogram {
		return l.histogramSeries
	}
	return l.counterSeries
}

// series is one combination of attributes of one instrument, ready to record.
type series struct {
	of     *recorder
	add    []metric.AddOption
	record []metric.RecordOption
}

func (r *recorder) newSeries(attributes ...attribute.KeyValue) *series {
	option := metric.WithAttributeSet(attribute.NewSet(attributes...))
	return &series{of: r, add: []metric.AddOption{option}, record: []metric.RecordOption{option}}
}

// measure records a value; of a counter, a number of things.
func (s *series) measure(ctx context.Context, value float64) {
	if s.of.kind == histogram {
		s.of.histogram.Record(ctx, value, s.record...)
		return
	}
	s.of.counter.Add(ctx, int64(value), s.add...)
}

// base is a combination of base attributes with the series that have it. There is
// one without any, for the metrics of the exporter itself.
type base struct {
	owner      owner
	attributes []attribute.KeyValue // bounded
	series     map[string]*series
}

// baseOf finds or makes the base of some attributes. It needs the mutex.
func (t *Telemetry) baseOf(attributes []attribute.KeyValue) (b *base, isNew bool) {
	bounded, of := t.bound(attributes, false)
	if b, found := t.bases[string(t.key)]; found {
		return b, false
	}
	if len(t.bases) >= t.limits.bases {
		t.crowded("agents and custom values", t.limits.bases)
		bounded, of = t.bound(attributes, true)
		if b, found := t.bases[string(t.key)]; found {
			return b, false
		}
	}
	b = &base{owner: of, attributes: slices.Clone(bounded), series: map[string]*series{}}
	t.bases[string(t.key)] = b
	return b, true
}

// bound writes the bounded base attributes and their key; coarse ones are those of
// the source alone.
func (t *Telemetry) bound(attributes []attribute.KeyValue, coarse bool) ([]attribute.KeyValue, owner) {
	t.key, t.pairs = t.key[:0], t.pairs[:0]
	var of owner
	// The source first: the places of all others are its own.
	for i := range t.baseAttributes {
		a := &t.baseAttributes[i]
		v := find(attributes, a.key)
		if v.Type() == attribute.EMPTY {
			continue
		}
		if coarse && a.key != keySource && a.key != keyEnvironment && a.key != keyDirection {
			v = attribute.StringValue(other)
		}
		if v = a.bounded(t.labels, of, v); v.Type() == attribute.EMPTY {
			continue
		}
		switch a.key {
		case keySource:
			of.source = v.AsString()
		case keyAgentID:
			of.agent = v.AsString()
		}
		t.write(byte(i), v)
		if a.custom { // a reload may give its number to another
			t.key = append(append(t.key, a.key...), 0)
		}
		t.pairs = append(t.pairs, attribute.KeyValue{Key: a.key, Value: v})
	}
	return t.pairs, of
}

func find(attributes []attribute.KeyValue, key attribute.Key) attribute.Value {
	for i := range attributes {
		if attributes[i].Key == key {
			return attributes[i].Value
		}
	}
	return attribute.Value{}
}

// write appends an attribute to the key under which a series or a base is found.
func (t *Telemetry) write(number byte, v attribute.Value) {
	t.key = append(t.key, number, byte(v.Type()))
	switch v.Type() {
	case attribute.STRING:
		text := v.AsString()
		t.key = binary.AppendUvarint(t.key, uint64(len(text)))
		t.key = append(t.key, text...)
	case attribute.INT64:
		t.key = binary.AppendVarint(t.key, v.AsInt64())
	case attribute.BOOL:
		if v.AsBool() {
			t.key = append(t.key, 1)
		} else {
			t.key = append(t.key, 0)
		}
	default: // custom data are strings, numbers or booleans
		text := v.String()
		t.key = binary.AppendUvarint(t.key, uint64(len(text)))
		t.key = append(t.key, text...)
	}
}

// seriesOf finds or makes the series of an instrument with some attributes. It
// needs the mutex.
func (t *Telemetry) seriesOf(b *base, r *recorder, attributes []attribute.KeyValue) (s *series, isNew bool) {
	t.key, t.pairs = append(t.key[:0], r.number), t.pairs[:0]
	of := b.owner
	for i := range r.attributes {
		a := &r.attributes[i]
		v := find(attributes, a.key)
		if v.Type() == attribute.EMPTY {
			continue
		}
		if v = a.bounded(t.labels, of, v); v.Type() == attribute.EMPTY {
			continue
		}
		if a.key == keySource {
			of.source = v.AsString()
		}
		t.write(byte(i), v)
		t.pairs = append(t.pairs, attribute.KeyValue{Key: a.key, Value: v})
	}
	if s, found := b.series[string(t.key)]; found {
		return s, false
	}
	if most := t.limits.of(r); r.series >= most {
		t.crowded(r.name, most)
		if r.overflow == nil {
			r.overflow = r.newSeries(overflow)
		}
		return r.overflow, false
	}
	r.series++
	s = r.newSeries(append(slices.Clone(b.attributes), t.pairs...)...)
	b.series[string(t.key)] = s
	return s, true
}

// crowded says, now and then, that a bound of memory was reached.
func (t *Telemetry) crowded(what string, n int) {
	t.sayCrowded.Do(func() {
		t.log.Warn("too many series, new ones are recorded without telling them apart", "of", what, "limit", n)
	})
}
