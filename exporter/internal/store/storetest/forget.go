package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var forgetTests = map[string]func(*testing.T, Factory){
	"a call is forgotten whole, by whatever names one of its events":            forgetWhole,
	"what is pending, claimed, being sent, dead or exported is forgotten":       forgetStates,
	"late messages, conflicts, dropped ones and log records go with the call":   forgetLate,
	"conversations in which messages left before their CDR go with the call":    forgetOrphans,
	"a message under another session goes with the call that names it":          forgetElsewhere,
	"all segments of a conversation are forgotten":                              forgetSegments,
	"a customer is forgotten in all sessions, and nobody else":                  forgetCustomer,
	"what synchronous webhooks showed of a session is forgotten":                forgetObserved,
	"a dead letter that nobody could read is found by what is in it":            forgetUnreadable,
	"who has a claim on what was forgotten commits nothing":                     forgetFences,
	"a forgotten event that comes again is a duplicate, a new one is new":       forgetRedelivery,
	"the traces of what was exported are told, and no others":                   forgetTraces,
	"what is left of forgotten events goes with retention":                      forgetRetention,
	"forgetting twice, nobody, or of a source that never spoke forgets nothing": forgetNothing,
	"a large call is forgotten in slices":                                       forgetLarge,
}

func (b *bundle) forget(p store.Person) store.Forgotten {
	b.t.Helper()
	p.Source = "s"
	f, err := b.Forget(b.ctx(), p)
	if err != nil {
		b.t.Fatalf("forget: %v", err)
	}
	return f
}

// forgets wants that many events gone, and of them so many that were not exported.
func (b *bundle) forgets(p store.Person, events, pending int) store.Forgotten {
	b.t.Helper()
	f := b.forget(p)
	if f.Events != events || f.Pending != pending {
		b.t.Errorf("%d events were forgotten, %d of them not exported; want %d and %d", f.Events, f.Pending, events, pending)
	}
	return f
}

// bare wants that nothing is left but rows of events.
func (b *bundle) bare() {
	b.t.Helper()
	for _, table := range []string{"body", "subject", "turn", "alias", "orphan", "outbox", "request", "summary", "observation", "forgetting"} {
		if n := b.db.Count(b.t, table); n != 0 {
			b.t.Errorf("%d rows of %s are left", n, table)
		}
	}
}

// traced gives a CDR a trace of its own.
func traced(e *store.Event) *store.Event { e.TraceID = [16]byte(e.Key[:16]); return e }

func session(name string) store.Person { return store.Person{Session: sessionKey(name)} }

// about says whom an event is about.
func about(e *store.Event, customer, caller string) *store.Event {
	e.Customer, e.Caller = customer, caller
	return e
}

func forgetWhole(t *testing.T, factory Factory) {
	for name, p := range map[string]store.Person{
		"session":  session("A"),
		"CDR":      {Call: store.Key("cdr", "A")},
		"Call-ID":  {SIP: sipKey("A")},
		"customer": {Customer: "acme-7"},
		"caller":   {Caller: "15558675309"},
	} {
		b := setup(t, factory)
		b.accepts(about(message("A", "1"), "acme-7", ""), message("A", "2"), about(cdr("A", "1", "2"), "", "15558675309"))
		b.accepts(about(message("B", "3"), "acme-8", "15558675308"), traced(cdr("B", "3")))
		b.forgets(p, 3, 3)
		b.ledger(map[store.State]int64{store.StateForgotten: 3, store.StatePending: 2})
		b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr B", "message 3")
		if t.Failed() {
			t.Fatalf("forgotten by %s", name)
		}
	}
}

func forgetStates(t *testing.T, factory Factory) {
	for name, c := range map[string]struct {
		reach func(*bundle)
		left  store.State
	}{
		"pending":    {func(b *bundle) { b.accepts(message("A", "1"), traced(cdr("A", "1", "2"))) }, store.StateForgotten},
		"claimed":    {func(b *bundle) { b.accepts(message("A", "1"), traced(cdr("A", "1"))); b.claim() }, store.StateForgotten},
		"unmappable": {func(b *bundle) { unmappable(b) }, store.StateForgotten},
		"refused":    {func(b *bundle) { refused(b) }, store.StateForgotten},
		"expired": {func(b *bundle) {
			refused(b)
			b.clock.advance(b.cfg.DeadLetterRetention)
			b.sweep()
		}, store.StateExpired},
		"assembled": {func(b *bundle) {
			b.accepts(message("A", "1"), traced(cdr("A", "1")))
			b.assemble(b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete)))
		}, store.StateForgotten},
		"exported": {func(b *bundle) { b.accepts(message("A", "1"), traced(cdr("A", "1"))); b.drain() }, store.StateExported},
	} {
		b := setup(t, factory, func(c *store.Config) { c.KeepBodies = time.Hour })
		c.reach(b)
		pending := 0
		if c.left == store.StateForgotten {
			pending = 2
		}
		b.forgets(session("A"), 2, pending)
		b.ledger(map[store.State]int64{c.left: 2})
		b.bare()
		if rows := b.db.Rows(t)["s"]; rows[c.left] != 2 || len(rows) != 1 {
			t.Errorf("rows of events: %v", rows)
		}
		b.claimNone()
		if t.Failed() {
			t.Fatalf("forgotten when it was %s", name)
		}
	}
}

func forgetLate(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")), traced(cdr("A", "1", "2", "3", "4")))
	b.clock.advance(grace)
	b.drain()
	b.accepts(message("A", "2"), recorded(with(message("A", "3"), func(e *store.Event) { e.Late = store.LateRecord })), with(message("A", "4"), dropLate))
	b.accept(store.OutcomeConflict, altered(message("A", "1")))
	b.accept(store.OutcomeConflict, altered(cdr("A", "1")))
	b.forgets(store.Person{Call: store.Key("cdr", "A")}, 7, 4)
	b.ledger(map[store.State]int64{store.StateExported: 2, store.StateForgotten: 4, store.StateDropped: 1})
	b.bare()
}

func forgetOrphans(t *testing.T, factory Factory) {
	for _, p := range []store.Person{{Caller: "15558675309"}, session("elsewhere"), session("A")} {
		b := setup(t, factory)
		b.accepts(message("A", "1"), message("elsewhere", "2"))
		b.clock.advance(quiet)
		b.drain()
		b.accepts(about(cdr("A", "1", "2"), "", "15558675309"))
		b.forgets(p, 3, 1)
		b.bare()
	}
}

func forgetElsewhere(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("elsewhere", "1"), message("elsewhere", "x"), traced(cdr("A", "1")))
	b.forgets(session("elsewhere"), 3, 3)
	b.bare()
}

func forgetSegments(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for segment := range 3 {
		b.accepts(message("A", fmt.Sprint(segment)))
		if segment < 2 {
			b.clock.advance(quiet)
			b.drain()
		}
	}
	b.forgets(session("A"), 3, 1)
	b.bare()
}

func forgetCustomer(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i := range 5 {
		b.accepts(about(message(fmt.Sprint("of 7, ", i), fmt.Sprint(7, i)), "acme-7", ""), about(message(fmt.Sprint("of 8, ", i), fmt.Sprint(8, i)), "acme-8", ""))
	}
	b.accepts(about(message("other", "s"), "", "acme-7"), with(about(message("A", "elsewhere"), "acme-7", ""), func(e *store.Event) { e.Source = "t" }))
	b.restart() // the key under which they are found must not be a new one
	b.forgets(store.Person{Customer: "acme-7"}, 5, 5)
	b.ledger(map[store.State]int64{store.StateForgotten: 5, store.StatePending: 6})
}

func forgetObserved(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for _, call := range []string{"A", "B"} {
		err := b.Observe(b.ctx(), []store.ObservedEvent{{Source: "s", Session: sessionKey(call), ReceivedAt: start, Body: []byte("{}")}})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.accepts(message("A", "1"))
	b.forgets(session("A"), 1, 1)
	if n := b.db.Count(t, "observation"); n != 1 {
		t.Errorf("%d observations are left, want that of B", n)
	}
	b.forgets(session("B"), 0, 0)
	b.bare()
}

func forgetUnreadable(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i, body := range []string{`{"session": "S \"1\""`, `{"session": "S2"`} {
		b.accept(store.OutcomeUnsupported, &store.Event{
			Source: "s", Kind: store.KindMessage, Key: store.Key(body), ContentHash: store.Key(body), ReceivedAt: start,
			Body: []byte(body), DeadReason: "unmappable", Name: fmt.Sprint("message ", i),
		})
	}
	b.forgets(store.Person{Session: sessionKey(`S "1"`), Text: `"S \"1\""`}, 1, 1)
	b.ledger(map[store.State]int64{store.StateForgotten: 1, store.StateDead: 1})
	numbers := []string{
		`"+15558675309"`, `"tel:+1-555-867-5309"`, `"1 (555) 867.5309"`, `"1 555\/8675309"`, "\"\u202a+1\u00a0555\u2011867\u20115309\u202c\"", `15558675309`,
		`"15558675308"`, `"1555867 x 5309"`, `[1555867,5309]`, // other people's
	}
	for _, body := range numbers {
		b.accept(store.OutcomeUnsupported, &store.Event{
			Source: "s", Kind: store.KindMessage, Key: store.Key(body), ContentHash: store.Key(body), ReceivedAt: start,
			Body: []byte(body), DeadReason: "unmappable",
		})
	}
	b.forgets(store.Person{Caller: "15558675309", Text: "15558675309"}, 6, 6)
}

func forgetFences(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), traced(cdr("A", "1")))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	b.forgets(session("A"), 2, 2)
	if err := b.Assemble(b.ctx(), a); !errors.Is(err, store.ErrFenced) {
		t.Errorf("assemble what was forgotten: %v, want ErrFenced", err)
	}
	b.accepts(cdr("B"))
	b.assemble(b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete)))
	r := b.oneRequest("traces")
	f := b.forgets(session("B"), 1, 1)
	if len(f.Traces) != 1 || f.Traces[0] != r.TraceID {
		t.Errorf("a request is being sent, and the traces are %x", f.Traces)
	}
	for _, verdict := range []store.Verdict{store.VerdictDone, store.VerdictHold, store.VerdictRetry, store.VerdictDead} {
		if err := b.Settle(b.ctx(), []store.Settlement{{Request: r, Verdict: verdict}}); !errors.Is(err, store.ErrFenced) {
			t.Errorf("settle what was forgotten as %s: %v, want ErrFenced", verdict, err)
		}
	}
	split := store.Settlement{Request: r, Verdict: store.VerdictSplit, Parts: [][]byte{{1}, {2}}}
	if err := b.Settle(b.ctx(), []store.Settlement{split}); !errors.Is(err, store.ErrFenced) {
		t.Errorf("split what was forgotten: %v, want ErrFenced", err)
	}
	b.ledger(map[store.State]int64{store.StateForgotten: 3})
	b.bare()
}

func forgetRedelivery(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), traced(cdr("A", "1")))
	b.drain()
	b.accepts(message("A", "x"))
	b.forgets(session("A"), 3, 1)
	b.accept(store.OutcomeDuplicate, message("A", "1"))
	b.accept(store.OutcomeDuplicate, message("A", "x"))
	b.accept(store.OutcomeDuplicate, traced(cdr("A", "1")))
	b.claimNone()
	b.accepts(message("A", "2"))
	b.clock.advance(quiet)
	b.members(b.claimOne(store.SubjectConversation, store.ReasonWindow), "message 2")
	b.ledger(map[store.State]int64{store.StateExported: 2, store.StateForgotten: 1, store.StatePending: 1})
}

func forgetTraces(t *testing.T, factory Factory) {
	b := setup(t, factory)
	person := func(e *store.Event) *store.Event { return about(e, "acme-7", "") }
	b.accepts(person(message("A", "1")), traced(cdr("A", "1")))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.assemble(b.assembly(s))
	b.accepts(person(message("B", "2")))
	b.clock.advance(quiet)
	conversation := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	b.assemble(b.assembly(conversation))
	b.accepts(message("A", "late"), person(message("C", "3")), traced(cdr("C", "3", "4"))) // the call C is open: nothing of it left
	f := b.forgets(store.Person{Customer: "acme-7"}, 6, 6)
	got := make(map[[16]byte]bool)
	for _, trace := range f.Traces {
		got[trace] = true
	}
	if diff := cmp.Diff(map[[16]byte]bool{rootOf(s).TraceID: true, rootOf(conversation).TraceID: true}, got); diff != "" || len(got) != len(f.Traces) {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
}

func forgetRetention(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"), traced(cdr("B", "1")))
	b.drain()
	b.forget(session("A"))
	b.forget(session("B"))
	b.clock.advance(b.cfg.Retention - 1)
	if n := b.sweep(); n != 0 {
		t.Errorf("swept %d rows too early", n)
	}
	b.clock.advance(1)
	b.sweep()
	if rows := b.db.Rows(t); len(rows) != 0 {
		t.Errorf("rows are left: %v", rows)
	}
	b.ledger(map[store.State]int64{store.StateExported: 1, store.StateForgotten: 1})
}

func forgetNothing(t *testing.T, factory Factory) {
	b := setup(t, factory)
	if _, err := b.Forget(b.ctx(), store.Person{Source: "s", Caller: "1"}); !errors.Is(err, store.ErrNoSource) {
		t.Errorf("forget of a source that never spoke: %v, want ErrNoSource", err)
	}
	b.accepts(cdr("A"))
	if _, err := b.Forget(b.ctx(), store.Person{Source: "s", Text: "A"}); !errors.Is(err, store.ErrNobody) {
		t.Errorf("forget nobody: %v, want ErrNobody", err)
	}
	b.forgets(store.Person{Customer: "x", Caller: "1", Session: sessionKey("B"), SIP: sipKey("B"), Call: store.Key("cdr", "B")}, 0, 0)
	b.ledger(map[store.State]int64{store.StatePending: 1})
	b.forgets(session("A"), 1, 1)
	b.forgets(session("A"), 0, 0)
	b.forgets(store.Person{Call: store.Key("cdr", "A")}, 0, 0)
}

func forgetLarge(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var logs []string
	for i := range 300 {
		logs = append(logs, fmt.Sprint(i))
		b.accepts(message(fmt.Sprint("session ", i), fmt.Sprint(i))) // more sessions than one scan asks for
	}
	b.accepts(cdr("A", logs...))
	b.accepts(with(message("session 299", "dropped"), func(e *store.Event) { e.SIPKey = store.Hash{} }))
	b.forgets(session("A"), 302, 302)
	b.ledger(map[store.State]int64{store.StateForgotten: 302})
	b.bare()
}
