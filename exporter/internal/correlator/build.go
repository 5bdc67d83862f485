package correlator

import (
	"context"
	"errors"
	"fmt"

	"cdr2otel/mapping"
)

// build reads the members and maps them. What can't be mapped comes back as an
// assembly of dead letters, so that it leaves the queue (I8); an error means the
// inbox could not be read.
func (c *Correlator) build(ctx context.Context, s Subject) (Assembly, Assembled, error) {
	in, err := c.gather(ctx, s)
	done := Assembled{Subject: s, Messages: len(in.messages), ReceivedAt: in.receivedAt, Orphaned: in.orphaned(s.Kind)}
	var bad *unmappableError
	if errors.As(err, &bad) {
		return dead(s, in.ids, bad.Error()), done, nil
	}
	if err != nil {
		return Assembly{}, done, err
	}
	if in.empty() {
		return Assembly{Subject: s}, done, nil
	}
	a, trace, err := c.mapSafely(s, in)
	if err != nil {
		return dead(s, in.ids, err.Error()), done, nil
	}
	done.Trace, done.Anomalies = trace, a.anomalies
	return a.Assembly, done, nil
}

func dead(s Subject, ids []int64, detail string) Assembly {
	return Assembly{Subject: s, Members: ids, DeadReason: "unmappable", DeadDetail: detail}
}

// mapped is an assembly and what its mapping noticed.
type mapped struct {
	Assembly
	anomalies map[string]int
}

// mapSafely turns a panic of the mapping into an error. The panic's value could
// hold payload text, so only its type leaves (I5).
func (c *Correlator) mapSafely(s Subject, in gathered) (out mapped, trace *mapping.Trace, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, trace, err = mapped{}, nil, fmt.Errorf("mapping stopped on this input (%T); please report it", p)
		}
	}()
	m := c.cfg.Mapper(s.Source)
	switch s.Kind {
	case Record:
		out, err = c.record(s, in, m.Record(in.record(s)))
		return out, nil, err
	case Call:
		trace = m.Call(in.call(s, c.cfg.LogKey))
	case Late:
		trace = m.Late(in.late(s))
	default:
		trace = m.Conversation(in.conversation())
	}
	out, err = c.trace(s, in, trace)
	out.Record = s.Kind != Late && m.Events() == mapping.EventsLog
	return out, trace, err
}

// trace makes the assembly of a call, a conversation or a late message, and takes
// the requests out of the trace: whoever is told needs only what was measured.
func (c *Correlator) trace(s Subject, in gathered, trace *mapping.Trace) (mapped, error) {
	a := Assembly{Subject: s, Members: in.ids, Root: trace.Root, Turns: make(map[Hash]mapping.SpanRef, len(trace.Turns))}
	encoded, err := mapping.Encode(trace.Request)
	if err == nil {
		a.Requests, err = c.cut(nil, signalTraces, encoded, mapping.Split)
	}
	if err == nil && trace.Logs != nil {
		if encoded, err = mapping.EncodeLogs(trace.Logs); err == nil {
			a.Requests, err = c.cut(a.Requests, signalLogs, encoded, mapping.SplitLogs)
		}
	}
	trace.Request, trace.Logs = nil, nil
	for logID, ref := range trace.Turns {
		a.Turns[c.cfg.LogKey(logID)] = ref
	}
	for _, i := range trace.Observed {
		a.Observed = append(a.Observed, in.observationIDs[i])
	}
	if s.Kind != Late {
		a.Overview = &trace.Overview
	}
	return mapped{a, trace.Anomalies}, err
}

// record makes the assembly of a message's log record.
func (c *Correlator) record(s Subject, in gathered, records *mapping.Records) (mapped, error) {
	a := Assembly{Subject: s, Members: in.ids, Root: mapping.SpanRef{TraceID: records.TraceID, SpanID: records.SpanID}}
	encoded, err := mapping.EncodeLogs(records.Request)
	if err == nil {
		a.Requests, err = c.cut(nil, signalLogs, encoded, mapping.SplitLogs)
	}
	return mapped{a, records.Anomalies}, err
}

// cut appends an encoded request of a signal, in several if receivers would find it
// too large.
func (c *Correlator) cut(to []Request, signal string, encoded []byte, split func([]byte, int) ([][]byte, error)) ([]Request, error) {
	bodies, err := split(encoded, c.cfg.MaxRequest)
	for _, body := range bodies {
		to = append(to, Request{Signal: signal, Body: body})
	}
	return to, err
}
