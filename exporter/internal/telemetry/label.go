package telemetry

import (
	"regexp"
	"slices"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// limit bounds the values of an open set. The zero value leaves the attribute out.
type limit func(l *labels, of owner, key attribute.Key, v attribute.Value) attribute.Value

// owner is whose places a value takes.
type owner struct{ source, agent string }

// place is where values of an open set are kept.
type place struct {
	key attribute.Key
	owner
}

// labels remembers which values of open sets are in use. It belongs to the mutex of
// Telemetry.
type labels struct {
	taken map[place]map[string]bool // true: from the configuration, which costs no place
}

func newLabels() *labels { return &labels{taken: map[place]map[string]bool{}} }

// configured gives a value a place that no cap takes away.
func (l *labels) configured(p place, value string) {
	if value == "" || !utf8.ValidString(value) {
		return
	}
	if l.taken[p] == nil {
		l.taken[p] = map[string]bool{}
	}
	l.taken[p][value] = true
}

// cap returns value if it has a place or there is one left, else _OTHER.
func (l *labels) cap(p place, value string, n int) string {
	values := l.taken[p]
	if _, ok := values[value]; ok || value == other {
		return value
	}
	free := 0
	for _, configured := range values {
		if !configured {
			free++
		}
	}
	if free >= n || !utf8.ValidString(value) {
		return other
	}
	if values == nil {
		values = map[string]bool{}
		l.taken[p] = values
	}
	values[value] = false
	return value
}

// bounded is the value as it is recorded; the zero value leaves the attribute out.
func (a *attr) bounded(l *labels, of owner, v attribute.Value) attribute.Value {
	if a.values == nil {
		return a.limit(l, of, a.key, v)
	}
	if a.typ == attribute.BOOL {
		if v.Type() != attribute.BOOL {
			return attribute.Value{}
		}
		return v
	}
	switch text := v.AsString(); {
	case text == "":
		return attribute.Value{}
	case slices.Contains(a.values, text):
		return v
	}
	return attribute.StringValue(other)
}

// limitValues allows n values per source.
func limitValues(n int) limit {
	return func(l *labels, of owner, key attribute.Key, v attribute.Value) attribute.Value {
		text := v.String()
		if text == "" {
			return attribute.Value{}
		}
		if l.cap(place{key, owner{source: of.source}}, text, n) == other {
			return attribute.StringValue(other)
		}
		return v
	}
}

// limitOfAgent allows n values per agent. Of agents that have no place of their own
// nothing is told apart.
func limitOfAgent(n int) limit {
	return func(l *labels, of owner, key attribute.Key, v attribute.Value) attribute.Value {
		text := v.AsString()
		if text == "" || of.agent == other {
			return attribute.Value{}
		}
		return attribute.StringValue(l.cap(place{key, of}, text, n))
	}
}

// limitSource lets the configured sources through. Events of one that was taken out
// of the configuration may wait in the store for days.
func limitSource(l *labels, _ owner, key attribute.Key, v attribute.Value) attribute.Value {
	text := v.AsString()
	if text == "" {
		return attribute.Value{}
	}
	return attribute.StringValue(l.cap(place{key: key}, text, maxSources))
}

func limitAgent(l *labels, of owner, key attribute.Key, v attribute.Value) attribute.Value {
	return limitValues(maxAgents)(l, owner{source: of.source}, key, v)
}

// warningID is the form of the platform's codes. The field is free text at its
// source.
var warningID = regexp.MustCompile(`^CWS[A-Z]{2}[0-9]{4}[IWE]$`)

// keyWarning is where warnings are counted, whichever attribute names them.
const keyWarning = attribute.Key("warning")

func limitWarning(l *labels, of owner, _ attribute.Key, v attribute.Value) attribute.Value {
	text := v.AsString()
	if text == "" {
		return attribute.Value{}
	}
	p := place{keyWarning, owner{source: of.source}}
	if _, known := l.taken[p][text]; !known && !warningID.MatchString(text) {
		return attribute.StringValue(other)
	}
	return attribute.StringValue(l.cap(p, text, maxWarnings))
}

// limitCallError is call_failed or the id of a warning.
func limitCallError(l *labels, of owner, key attribute.Key, v attribute.Value) attribute.Value {
	if v.AsString() == "call_failed" {
		return v
	}
	return limitWarning(l, of, key, v)
}

// limitStatus lets through what can be an HTTP status.
func limitStatus(_ *labels, _ owner, _ attribute.Key, v attribute.Value) attribute.Value {
	if status := v.AsInt64(); v.Type() != attribute.INT64 || status < 100 || status > 599 {
		return attribute.Value{}
	}
	return v
}

// limitStatusError lets through the statuses that are errors.
func limitStatusError(_ *labels, _ owner, _ attribute.Key, v attribute.Value) attribute.Value {
	text := v.AsString()
	switch {
	case text == "":
		return attribute.Value{}
	case len(text) == 3 && (text[0] == '4' || text[0] == '5') && isDigit(text[1]) && isDigit(text[2]):
		return v
	}
	return attribute.StringValue(other)
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// limitNone is for what this program itself gives.
func limitNone(_ *labels, _ owner, _ attribute.Key, v attribute.Value) attribute.Value {
	if v.AsString() == "" {
		return attribute.Value{}
	}
	return v
}
