package mapping

import "go.opentelemetry.io/otel/attribute"

// meter gathers measurements. Their attributes come out of one slab, and what
// measurements share stands there once: a call has some hundred of them.
type meter struct {
	values []Measurement
	pairs  []attribute.KeyValue
}

// add records a value with the attributes given; nil is none but the base.
func (m *meter) add(metric string, value float64, base []attribute.KeyValue, span SpanID, attributes []attribute.KeyValue) {
	m.values = append(m.values, Measurement{
		Metric: metric, Value: value, Base: base, Attributes: attributes, SpanID: span,
	})
}

// duration records a measured duration in seconds; 0 is not measured.
func (m *meter) duration(metric string, value measure, base []attribute.KeyValue, span SpanID, attributes []attribute.KeyValue) {
	if value.measured() {
		m.add(metric, value.seconds(), base, span, attributes)
	}
}

// known records a duration in seconds of which 0 is a value too.
func (m *meter) known(metric string, value measure, base []attribute.KeyValue, span SpanID, attributes []attribute.KeyValue) {
	if value.known {
		m.add(metric, value.seconds(), base, span, attributes)
	}
}

// mark returns the position from which attributes are written.
func (m *meter) mark() int { return len(m.pairs) }

// since returns the attributes written since the position, nil if there are
// none. They stay where they are: nothing is appended to them.
func (m *meter) since(from int) []attribute.KeyValue {
	if from == len(m.pairs) {
		return nil
	}
	return m.pairs[from:len(m.pairs):len(m.pairs)]
}

// str writes a string attribute; an empty one is as if absent.
func (m *meter) str(key, value string) {
	if value != "" {
		m.pairs = append(m.pairs, attribute.String(key, Text(value, MaxString)))
	}
}

func (m *meter) int(key string, value int64) {
	m.pairs = append(m.pairs, attribute.Int64(key, value))
}

func (m *meter) bool(key string, value bool) {
	m.pairs = append(m.pairs, attribute.Bool(key, value))
}

// one returns a single string attribute, nil if it is empty.
func (m *meter) one(key, value string) []attribute.KeyValue {
	from := m.mark()
	m.str(key, value)
	return m.since(from)
}

// closed is the value if it is one of the set that is known, else _OTHER.
func closed(value string, known bool) string {
	if known {
		return value
	}
	return other
}
