package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var viewTraceTests = map[string]func(*testing.T, Factory){
	"a trace is its call, late messages and log records, in order": traceParts,
	"a trace of a conversation is its segments":                    traceSegments,
	"a trace says what is open, dead or evicted":                   traceStates,
	"there is nothing of an unknown trace":                         traceUnknown,
	"a call is looked up by each of its ids":                       lookupCall,
	"a message is looked up wherever it went":                      lookupMessage,
	"a conversation is looked up by session and Call-ID":           lookupConversation,
	"what was looked up is of the asked source":                    lookupSources,
}

func (b *bundle) trace(id [16]byte, parts int) store.Trace {
	b.t.Helper()
	trace, err := b.Trace(b.ctx(), id)
	if err != nil || len(trace.Parts) != parts || trace.MoreParts || trace.MoreDeliveries || trace.RequestsLeftOut != 0 {
		b.t.Fatalf("trace: %+v, %v; want %d parts, whole", trace, err, parts)
	}
	return trace
}

func traceParts(t *testing.T, factory Factory) {
	b := setup(t, factory)
	recordedMessage := b.receipt(recorded(message("A", "1")))
	b.accepts(with(cdr("A", "1"), func(e *store.Event) { e.TraceID = [16]byte{5} }))
	var call, record store.Subject
	for _, s := range b.claim() {
		a := b.assembly(s)
		a.Root.TraceID = [16]byte{5}
		if s.Kind == store.SubjectCall {
			call, a.Summary = s, &store.Summary{StartedAt: start, Turns: 1, LossPPM: -1}
		} else {
			record = s
		}
		b.assemble(a)
	}
	b.accepts(message("A", "x"))
	late := b.claimOne(store.SubjectLate, store.ReasonLate)
	a := b.assembly(late)
	a.Root.TraceID = [16]byte{5}
	b.assemble(a)
	trace := b.trace([16]byte{5}, 3)
	type part struct {
		Kind    store.SubjectKind
		Event   int64
		Root    [8]byte
		Signal  string
		Request string
		Logs    []string
		Summary bool
	}
	var got []part
	for _, p := range trace.Parts {
		one := part{Kind: p.Kind, Event: p.EventID, Root: p.SpanID, Signal: p.Requests[0].Signal, Request: string(p.Requests[0].Body), Summary: p.Summary != nil}
		for _, d := range p.Deliveries {
			one.Logs = append(one.Logs, d.LogID)
		}
		if p.Source != "s" || p.State != store.SubjectAssembled || !p.AssembledAt.Equal(start) || !p.SettledAt.IsZero() || !p.DueAt.IsZero() || p.Reason == "" {
			t.Errorf("part %+v", p)
		}
		got = append(got, one)
	}
	want := []part{
		{Kind: store.SubjectCall, Root: rootOf(call).SpanID, Signal: "traces", Request: string(requestOf(call)), Logs: []string{"1", ""}, Summary: true},
		{Kind: store.SubjectRecord, Event: recordedMessage, Signal: "logs", Request: string(requestOf(record))},
		{Kind: store.SubjectLate, Root: rootOf(late).SpanID, Signal: "traces", Request: string(requestOf(late)), Logs: []string{"x"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&store.Summary{StartedAt: start, Turns: 1, LossPPM: -1}, trace.Parts[0].Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func traceSegments(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for _, log := range []string{"1", "2"} {
		b.accepts(message("A", log))
		b.clock.advance(quiet)
		a := b.assembly(b.claimOne(store.SubjectConversation, store.ReasonWindow))
		a.Root.TraceID = [16]byte{5}
		b.assemble(a)
	}
	for i, p := range b.trace([16]byte{5}, 2).Parts {
		if p.Kind != store.SubjectConversation || len(p.Deliveries) != 1 || p.Deliveries[0].LogID != []string{"1", "2"}[i] || p.Summary != nil {
			t.Errorf("segment %d: %+v", i, p)
		}
	}
}

func traceStates(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1"))
	if p := b.trace(cdr("A").TraceID, 1).Parts[0]; p.State != store.SubjectOpen || !p.DueAt.Equal(start.Add(grace)) || p.SpanID != [8]byte{} || p.Requests != nil {
		t.Errorf("an open call: %+v", p)
	}
	b.clock.advance(grace)
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonGrace))
	a.DeadReason = "unmappable"
	b.assemble(a)
	if p := b.trace(cdr("A").TraceID, 1).Parts[0]; p.State != store.SubjectDead || p.Deliveries[0].Reason != "unmappable" || !p.DueAt.IsZero() {
		t.Errorf("a dead call: %+v", p)
	}
}

func traceUnknown(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	b.trace([16]byte{9}, 0)
}

// found wants one answer.
func (b *bundle) found(k store.LookupKey, want store.Found) {
	b.t.Helper()
	found, err := b.Lookup(b.ctx(), k)
	if err != nil {
		b.t.Fatal(err)
	}
	if diff := cmp.Diff([]store.Found{want}, found); diff != "" {
		b.t.Errorf("lookup (-want +got):\n%s", diff)
	}
}

func lookupCall(t *testing.T, factory Factory) {
	b := setup(t, factory)
	id := b.receipt(cdr("A", "1"))
	keys := []store.LookupKey{{Session: sessionKey("A")}, {SIP: sipKey("A")}, {Call: store.Key("cdr", "A")}}
	want := store.Found{Source: "s", Subject: store.SubjectCall, EventID: id, State: store.StatePending, TraceID: cdr("A").TraceID, DueAt: start.Add(grace)}
	for _, k := range keys {
		b.found(k, want)
	}
	want.EventID = 0 // the message has not come
	b.found(store.LookupKey{Log: logKey("1")}, want)
	b.clock.advance(grace)
	call := b.claimOne(store.SubjectCall, store.ReasonGrace)
	b.assemble(b.assembly(call))
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	want = store.Found{Source: "s", Subject: store.SubjectCall, EventID: id, State: store.StateExported, TraceID: rootOf(call).TraceID, SpanID: rootOf(call).SpanID}
	for _, k := range keys {
		b.found(k, want)
	}
	want.EventID, want.SpanID = 0, turnOf(call, logKey("1")).SpanID
	b.found(store.LookupKey{Log: logKey("1")}, want)
}

func lookupMessage(t *testing.T, factory Factory) {
	b := setup(t, factory)
	one := b.receipt(message("A", "1"))
	b.accepts(cdr("A", "1", "2", "3"))
	b.clock.advance(grace)
	call := b.claimOne(store.SubjectCall, store.ReasonGrace)
	b.assemble(b.assembly(call))
	late := b.receipt(message("A", "2"))
	dropped := b.receipt(with(message("A", "3"), dropLate))
	root := rootOf(call)
	b.found(store.LookupKey{Log: logKey("1")}, store.Found{Source: "s", Subject: store.SubjectCall, EventID: one, State: store.StatePending,
		TraceID: root.TraceID, SpanID: turnOf(call, logKey("1")).SpanID})
	b.found(store.LookupKey{Log: logKey("2")}, store.Found{Source: "s", Subject: store.SubjectLate, EventID: late, State: store.StatePending,
		TraceID: root.TraceID, SpanID: turnOf(call, logKey("2")).SpanID, DueAt: b.clock.Now()})
	b.found(store.LookupKey{Log: logKey("3")}, store.Found{Source: "s", EventID: dropped, State: store.StateDropped,
		TraceID: root.TraceID, SpanID: turnOf(call, logKey("3")).SpanID})
}

func lookupConversation(t *testing.T, factory Factory) {
	b := setup(t, factory)
	first := b.receipt(message("A", "1"))
	b.accepts(message("A", "2"))
	keys := []store.LookupKey{{Session: sessionKey("A")}, {SIP: sipKey("A")}, {Log: logKey("1")}}
	want := store.Found{Source: "s", Subject: store.SubjectConversation, EventID: first, State: store.StatePending, DueAt: start.Add(quiet)}
	for _, k := range keys {
		b.found(k, want)
	}
	b.clock.advance(quiet)
	s := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	b.assemble(b.assembly(s))
	want.DueAt, want.TraceID, want.SpanID = time.Time{}, rootOf(s).TraceID, rootOf(s).SpanID
	for _, k := range keys {
		b.found(k, want)
	}
	// Its CDR comes after it left: the call first, then the orphan.
	call := b.receipt(cdr("A", "1"))
	found, err := b.Lookup(b.ctx(), store.LookupKey{Session: sessionKey("A")})
	if err != nil || len(found) != 2 || found[0].EventID != call || found[1].EventID != first {
		t.Errorf("a call and its orphan are looked up as %+v, %v", found, err)
	}
	if found, err := b.Lookup(b.ctx(), store.LookupKey{Session: sessionKey("B")}); err != nil || len(found) != 0 {
		t.Errorf("an unknown session is looked up as %+v, %v", found, err)
	}
	if found, err := b.Lookup(b.ctx(), store.LookupKey{}); err != nil || len(found) != 0 {
		t.Errorf("no id is looked up as %+v, %v", found, err)
	}
}

func lookupSources(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1"), with(cdr("A", "1"), func(e *store.Event) { e.Source = "other" }))
	for _, k := range []store.LookupKey{{Session: sessionKey("A")}, {SIP: sipKey("A")}, {Call: store.Key("cdr", "A")}, {Log: logKey("1")}} {
		for source, want := range map[string]int{"": 2, "s": 1, "other": 1, "unknown": 0} {
			k.Source = source
			found, err := b.Lookup(b.ctx(), k)
			if err != nil || len(found) != want {
				t.Errorf("%+v: %+v, %v; want %d", k, found, err, want)
			}
		}
	}
}
