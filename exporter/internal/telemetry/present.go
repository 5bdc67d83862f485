package telemetry

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// SourceLabels is what is known of a configured source before its first event.
type SourceLabels struct {
	Name string
	// Environments are the values that deployment.environment.name can have; none:
	// it is not known.
	Environments []string
	Agents       []AgentLabels
}

// AgentLabels is an agent of the configuration.
type AgentLabels struct{ ID, Name string }

// configure gives what the configuration names its places, and lets the series
// exist that nothing was recorded for: a counter that begins with 1 has grown, but
// Prometheus' increase() has not seen it grow.
func (t *Telemetry) configure() {
	var sources []SourceLabels
	if t.cfg.Sources != nil {
		sources = t.cfg.Sources()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.baseAttributes = baseAttributes()
	if t.cfg.CustomKeys != nil {
		for _, key := range t.cfg.CustomKeys() {
			t.baseAttributes = append(t.baseAttributes, attr{key: attribute.Key(key), limit: limitValues(maxCustom), custom: true})
		}
	}
	t.sources = t.sources[:0]
	for _, s := range sources {
		t.sources = append(t.sources, s.Name)
		t.labels.configured(place{key: keySource}, s.Name)
		of := owner{source: s.Name}
		for _, environment := range s.Environments {
			t.labels.configured(place{keyEnvironment, of}, environment)
		}
		for _, agent := range s.Agents {
			t.labels.configured(place{keyAgentID, of}, agent.ID)
			t.labels.configured(place{keyAgentName, owner{s.Name, agent.ID}}, agent.Name)
		}
	}
	t.presentSelf()
	for _, s := range sources {
		t.presentSource(s)
	}
}

// presentSource lets the series of a source's calls and messages exist: in each
// environment, of each agent and without one (a call may fail before it has any).
func (t *Telemetry) presentSource(s SourceLabels) {
	environments := s.Environments
	if len(environments) == 0 {
		environments = []string{""}
	}
	// The first by id: the same at each start, in whatever order they come.
	known := slices.SortedFunc(slices.Values(s.Agents), func(a, b AgentLabels) int { return strings.Compare(a.ID, b.ID) })
	agents := append([]AgentLabels{{}}, known[:min(len(known), maxAgents)]...)
	for _, environment := range environments {
		for _, agent := range agents {
			message := []attribute.KeyValue{
				keySource.String(s.Name), keyEnvironment.String(environment), keyAgentID.String(agent.ID), keyAgentName.String(agent.Name),
			}
			for _, attributes := range [][]attribute.KeyValue{message, append(slices.Clone(message), keyDirection.String("inbound"))} {
				if b, isNew := t.baseOf(attributes); isNew {
					t.presentBase(b)
				}
			}
		}
	}
}

// presentBase lets the series of a base exist: those of calls have a direction,
// those of messages none.
func (t *Telemetry) presentBase(b *base) {
	ofCall := find(b.attributes, keyDirection).Type() != attribute.EMPTY
	for _, r := range t.recorders {
		if r.call && r.live != ofCall {
			t.presentSeries(b, r, attribute.KeyValue{})
		}
	}
}

// presentSeries adds 0 to the series of an instrument that are to be present; with
// an attribute besides, if it carries one.
func (t *Telemetry) presentSeries(b *base, r *recorder, carried attribute.KeyValue) {
	for _, row := range r.present {
		attributes := make([]attribute.KeyValue, 0, len(row)+1)
		for i, text := range row {
			attributes = append(attributes, attribute.KeyValue{Key: r.attributes[i].key, Value: r.attributes[i].parse(text)})
		}
		if carried.Valid() {
			attributes = slices.DeleteFunc(attributes, func(a attribute.KeyValue) bool { return a.Key == carried.Key })
			attributes = append(attributes, carried)
		}
		if s, isNew := t.seriesOf(b, r, attributes); isNew {
			s.measure(context.Background(), 0)
		}
	}
}

// presentSelf lets the series of the exporter's own counters exist.
func (t *Telemetry) presentSelf() {
	for _, r := range t.recorders {
		if r.call || r.kind != counter {
			continue
		}
		for _, row := range r.present {
			for _, filled := range t.fill(row) {
				attributes := make([]attribute.KeyValue, len(filled))
				for i, text := range filled {
					attributes[i] = attribute.KeyValue{Key: r.attributes[i].key, Value: r.attributes[i].parse(text)}
				}
				if s, isNew := t.seriesOf(t.self, r, attributes); isNew {
					s.measure(context.Background(), 0)
				}
			}
		}
	}
}

// fill replaces what stands for values that only the configuration knows.
func (t *Telemetry) fill(row []string) [][]string {
	for _, signal := range []struct{ exporter, word, name string }{
		{t.cfg.SpanExporter, everySpanExporter, everySpanExporterName},
		{t.cfg.LogExporter, everyLogExporter, everyLogExporterName},
	} {
		if !slices.Contains(row, signal.word) {
			continue
		}
		if signal.exporter == "" {
			return nil
		}
		row = slices.Clone(row)
		for i := range row {
			switch row[i] {
			case signal.word:
				row[i] = signal.exporter
			case signal.name:
				row[i] = signal.exporter + componentNumber
			}
		}
	}
	at := slices.Index(row, everySource)
	if at < 0 {
		return [][]string{row}
	}
	rows := make([][]string, len(t.sources))
	for i, source := range t.sources {
		rows[i] = slices.Clone(row)
		rows[i][at] = source
	}
	return rows
}

// parse is the value that a word in present stands for.
func (a *attr) parse(text string) attribute.Value {
	switch {
	case text == "":
		return attribute.Value{}
	case a.typ == attribute.BOOL:
		return attribute.BoolValue(text == "true")
	case a.typ == attribute.INT64:
		n := int64(0)
		for _, digit := range []byte(text) {
			n = 10*n + int64(digit-'0')
		}
		return attribute.Int64Value(n)
	}
	return attribute.StringValue(text)
}
