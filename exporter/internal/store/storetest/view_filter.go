package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var viewFilterTests = map[string]func(*testing.T, Factory){
	"every filter of the delivery log finds what it names":                    viewFilters,
	"a session finds its messages wherever they went":                         viewSession,
	"what an id finds does not mix sources":                                   viewSources,
	"a call finds its late messages, its Call-ID those of an open call":       viewCallOf,
	"a session of many segments is found as one":                              viewSegments,
	"subjects without a trace have nothing in common":                         viewWithoutTrace,
	"a session finds what was dropped and what conflicts, if a turn names it": viewOutside,
}

// listed wants the deliveries of that filter to be these: log ids and, of CDRs and
// others, event names, newest first.
func (b *bundle) listed(name string, f store.DeliveryFilter, want ...string) {
	b.t.Helper()
	var got []string
	for _, d := range b.deliveries(f) {
		if d.LogID != "" {
			got = append(got, d.LogID)
		} else {
			got = append(got, d.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func viewFilters(t *testing.T, factory Factory) {
	b := setup(t, factory)
	at := func(e *store.Event) *store.Event { e.ReceivedAt = b.clock.Now(); return e }
	other := with(message("C", "5"), func(e *store.Event) { e.Source = "other" })
	b.accepts(message("A", "1"), message("A", "2"), cdr("A", "1", "2"))
	b.drain()
	b.clock.advance(time.Hour)
	b.accepts(at(message("B", "3")), at(message("B", "4")), at(other))
	b.accept(store.OutcomeUnsupported, at(with(message("B", "6"), func(e *store.Event) {
		e.Kind, e.Name, e.LogID, e.DeadReason = store.KindOther, "unheard_of", "", "unsupported"
	})))
	later := start.Add(time.Hour)
	b.listed("all", store.DeliveryFilter{}, "unheard_of", "5", "4", "3", "cdr_logged", "2", "1")
	b.listed("source", store.DeliveryFilter{Source: "other"}, "5")
	b.listed("name", store.DeliveryFilter{Name: "cdr_logged"}, "cdr_logged")
	b.listed("exported", store.DeliveryFilter{State: store.StateExported}, "cdr_logged", "2", "1")
	b.listed("pending", store.DeliveryFilter{State: store.StatePending}, "5", "4", "3")
	b.listed("pending of a source", store.DeliveryFilter{State: store.StatePending, Source: "s"}, "4", "3")
	b.listed("dead", store.DeliveryFilter{State: store.StateDead}, "unheard_of")
	b.listed("forgotten", store.DeliveryFilter{State: store.StateForgotten})
	b.listed("session", store.DeliveryFilter{Session: sessionKey("A")}, "cdr_logged", "2", "1")
	b.listed("Call-ID", store.DeliveryFilter{SIP: sipKey("A")}, "cdr_logged", "2", "1")
	b.listed("call", store.DeliveryFilter{Call: store.Key("cdr", "A")}, "cdr_logged", "2", "1")
	b.listed("log", store.DeliveryFilter{Log: logKey("2")}, "cdr_logged", "2")
	b.listed("log of a conversation", store.DeliveryFilter{Log: logKey("4")}, "4")
	b.listed("log of another source", store.DeliveryFilter{Source: "s", Log: logKey("5")})
	b.listed("session and name", store.DeliveryFilter{Session: sessionKey("A"), Name: "message_logged"}, "2", "1")
	b.listed("session and state", store.DeliveryFilter{Session: sessionKey("A"), State: store.StateDead})
	b.listed("session and log", store.DeliveryFilter{Session: sessionKey("A"), Log: logKey("1")}, "cdr_logged", "1")
	b.listed("session and time", store.DeliveryFilter{Session: sessionKey("A"), From: later})
	b.listed("unknown session", store.DeliveryFilter{Session: sessionKey("Z")})
	b.listed("from", store.DeliveryFilter{From: later}, "unheard_of", "5", "4", "3")
	b.listed("to", store.DeliveryFilter{To: later}, "cdr_logged", "2", "1")
	b.listed("from and to", store.DeliveryFilter{From: start, To: start.Add(time.Nanosecond)}, "cdr_logged", "2", "1")
	b.listed("from later than all", store.DeliveryFilter{From: later.Add(time.Hour)})
	b.listed("to earlier than all", store.DeliveryFilter{To: start})
	b.listed("time and state", store.DeliveryFilter{From: later, State: store.StatePending, Name: "message_logged"}, "5", "4", "3")
}

func viewSession(t *testing.T, factory Factory) {
	b := setup(t, factory)
	// Left as an orphan, waited for its call, came late, and joined by its log id.
	b.accepts(message("A", "1"))
	b.clock.advance(quiet)
	b.assemble(b.assembly(b.claimOne(store.SubjectConversation, store.ReasonWindow)))
	b.accepts(message("A", "2"), cdr("A", "1", "2", "3", "4"))
	b.clock.advance(grace)
	b.assemble(b.assembly(b.claimOne(store.SubjectCall, store.ReasonGrace)))
	b.accepts(message("A", "3"))
	b.accepts(message("A", "x"))
	b.accepts(message("B", "4"))
	b.listed("session", store.DeliveryFilter{Session: sessionKey("A")}, "x", "3", "cdr_logged", "2", "1")
	b.listed("Call-ID", store.DeliveryFilter{SIP: sipKey("A")}, "x", "3", "cdr_logged", "2", "1")
	b.listed("log id under another session", store.DeliveryFilter{Log: logKey("4")}, "4", "cdr_logged")
}

func viewSources(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), with(message("A", "1"), func(e *store.Event) { e.Source = "other" }))
	for _, f := range []store.DeliveryFilter{{Session: sessionKey("A")}, {SIP: sipKey("A")}, {Log: logKey("1")}} {
		b.listed("any source", f, "1", "1")
		f.Source = "other"
		if found := b.deliveries(f); len(found) != 1 || found[0].Source != "other" {
			t.Errorf("source other: %+v", found)
		}
	}
}

func viewCallOf(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1"), message("A", "1"), message("A", "y"))
	b.listed("open call", store.DeliveryFilter{SIP: sipKey("A")}, "y", "1", "cdr_logged")
	call := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.assemble(b.assembly(call))
	b.accepts(message("A", "x"))
	late := b.assembly(b.claimOne(store.SubjectLate, store.ReasonLate))
	late.Root.TraceID = rootOf(call).TraceID
	b.assemble(late)
	b.accepts(cdr("B"))
	b.listed("call", store.DeliveryFilter{Call: store.Key("cdr", "A")}, "x", "y", "1", "cdr_logged")
}

func viewSegments(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var want []string
	for _, log := range []string{"1", "2", "3"} {
		b.accepts(with(message("A", log), func(e *store.Event) { e.SIPKey = store.Hash{} }))
		b.clock.advance(quiet)
		a := b.assembly(b.claimOne(store.SubjectConversation, store.ReasonWindow))
		a.Root.TraceID = [16]byte{5}
		b.assemble(a)
		want = append([]string{log}, want...)
	}
	b.listed("session", store.DeliveryFilter{Session: sessionKey("A")}, want...)
}

func viewWithoutTrace(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for _, call := range []string{"A", "B"} {
		b.accepts(with(cdr(call), func(e *store.Event) { e.TraceID = [16]byte{} }))
	}
	b.listed("call", store.DeliveryFilter{Session: sessionKey("A")}, "cdr_logged")
	trace, err := b.Trace(b.ctx(), [16]byte{})
	if err != nil || len(trace.Parts) != 0 {
		t.Errorf("no trace id leads to %+v, %v", trace, err)
	}
}

func viewOutside(t *testing.T, factory Factory) {
	b := setup(t, factory)
	assembled(b, "A", "1")
	b.accepts(with(message("A", "1"), dropLate))
	b.accept(store.OutcomeConflict, altered(message("A", "1")))
	b.accept(store.OutcomeConflict, altered(cdr("A", "1")))
	b.listed("session", store.DeliveryFilter{Session: sessionKey("A")}, "cdr_logged", "1", "1", "cdr_logged")
	b.listed("log", store.DeliveryFilter{Log: logKey("1")}, "1", "1", "cdr_logged")
	b.listed("call", store.DeliveryFilter{Call: store.Key("cdr", "A")}, "cdr_logged", "1", "1", "cdr_logged")
}
