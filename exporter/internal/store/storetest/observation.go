package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var observationTests = map[string]func(*testing.T, Factory){
	"a call is shown what was observed of its sessions, in order":        observedOfCall,
	"a conversation is shown what was observed of its session":           observedOfConversation,
	"what went into an assembly is gone with it, the rest stays":         observedAssembled,
	"an assembly that fails or can't be mapped deletes nothing observed": observedFenced,
	"what nobody asks for goes after a day":                              observedExpires,
	"the record of an observation is sent, and is no event":              observedRecord,
	"the refused record of an observation is gone":                       observedRefused,
	"no more is read of a session than fits":                             observedBounded,
	"observations are the first to go when the store is crowded":         observedEvicted,
	"a full store takes no observation":                                  observedFull,
}

// observed is what a synchronous webhook showed of that session.
func observed(session, body string) store.ObservedEvent {
	return store.ObservedEvent{Source: "s", Session: sessionKey(session), ReceivedAt: start, Body: []byte(body)}
}

func (b *bundle) observe(events ...store.ObservedEvent) {
	b.t.Helper()
	if err := b.Observe(b.ctx(), events); err != nil {
		b.t.Fatalf("observe: %v", err)
	}
}

// shown wants these bodies, in this order, and gives the ids.
func (b *bundle) shown(s store.Subject, want ...string) (ids []int64) {
	b.t.Helper()
	var bodies []string
	err := b.Observations(b.ctx(), s, func(o store.Observation) error {
		ids, bodies = append(ids, o.ID), append(bodies, string(o.Body))
		if !o.ReceivedAt.Equal(start) {
			b.t.Errorf("observed at %v", o.ReceivedAt)
		}
		return nil
	})
	if err != nil {
		b.t.Fatalf("observations: %v", err)
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		b.t.Fatalf("observed (-want +got):\n%s", diff)
	}
	return ids
}

func observedOfCall(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.observe(observed("A", "1"), observed("other", "2"), observed("nobody's", "3"), store.ObservedEvent{Source: "s", Body: []byte("no session")})
	elsewhere := observed("A", "of another source")
	elsewhere.Source = "t"
	b.observe(elsewhere)
	now := observed("A", "4")
	now.ReceivedAt = time.Time{}
	b.observe(now)
	b.restart()
	b.accepts(message("A", "1"), with(cdr("A", "1"), func(e *store.Event) { e.Sessions = append(e.Sessions, sessionKey("other")) }))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.shown(s, "1", "2", "4")
	stop := errors.New("enough")
	if err := b.Observations(b.ctx(), s, func(store.Observation) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("observations: %v, want the caller's error", err)
	}
	b.ledger(map[store.State]int64{store.StatePending: 2})
}

func observedOfConversation(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.observe(observed("A", "1"), observed("B", "2"))
	b.accepts(recorded(message("A", "1")))
	b.shown(b.record())
	b.clock.advance(quiet)
	for _, s := range b.claim() {
		if s.Kind == store.SubjectConversation {
			b.shown(s, "1")
		}
	}
}

func observedAssembled(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"))
	b.observe(observed("A", "1"), observed("A", "2"))
	b.clock.advance(quiet)
	s := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	a := b.assembly(s)
	a.Observed = b.shown(s, "1", "2")
	b.observe(observed("A", "3"))
	b.assemble(a)
	b.shown(s, "3")
	// Of the next segment.
	b.accepts(message("A", "2"))
	for i := range 100 {
		b.observe(observed("A", fmt.Sprint(i)))
	}
	b.clock.advance(quiet)
	a = b.assembly(b.claimOne(store.SubjectConversation, store.ReasonWindow))
	err := b.Observations(b.ctx(), a.Subject, func(o store.Observation) error { a.Observed = append(a.Observed, o.ID); return nil })
	if err != nil || len(a.Observed) != 101 {
		t.Fatalf("%d observations, %v; want 101", len(a.Observed), err)
	}
	b.assemble(a)
	b.count("observation", 0)
}

func observedFenced(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.observe(observed("A", "1"))
	b.accepts(cdr("A"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.Observed = b.shown(a.Subject, "1")
	b.clock.advance(ttl)
	again := a
	again.Subject = b.claimOne(store.SubjectCall, store.ReasonComplete)
	if err := b.Assemble(b.ctx(), a); !errors.Is(err, store.ErrFenced) {
		t.Fatalf("assemble after the claim was lost: %v, want ErrFenced", err)
	}
	b.count("observation", 1)
	again.Parts, again.DeadReason = nil, "unmappable"
	b.assemble(again)
	b.retry(a.Members[0])
	b.shown(b.claimOne(store.SubjectCall, store.ReasonComplete), "1")
}

func observedExpires(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for range 60 {
		b.observe(observed("A", "1"))
	}
	b.clock.advance(24*time.Hour - 1)
	if n := b.sweep(); n != 0 {
		t.Fatalf("swept %d rows too early", n)
	}
	b.clock.advance(1)
	if n, err := b.Sweep(b.ctx()); err != nil || n != 50 {
		t.Fatalf("the first slice is %d rows, %v; want 50", n, err)
	}
	b.sweep()
	b.count("observation", 0)
}

func observedRecord(t *testing.T, factory Factory) {
	b := setup(t, factory)
	trace := [16]byte{9}
	b.observe(store.ObservedEvent{Source: "s", ReceivedAt: start, TraceID: trace, Record: []byte("logs")}, observed("A", "1"))
	b.sent.await(t)
	b.restart()
	b.claimNone()
	r := b.oneRequest("logs")
	want := store.Request{ID: r.ID, SubjectID: r.SubjectID, Source: "s", Signal: "logs", TraceID: trace, Body: []byte("logs"), CreatedAt: start}
	got := r
	got.Token = store.Token{}
	if err := compare(want, got); err != nil {
		t.Error(err)
	}
	b.settle(store.VerdictRetry, r)
	err := b.Settle(b.ctx(), []store.Settlement{{Request: b.oneRequest("logs"), Verdict: store.VerdictSplit, Parts: [][]byte{{1}, {2}}}})
	if err != nil {
		t.Fatal(err)
	}
	b.done("logs", 2)
	b.ledger(map[store.State]int64{})
	b.clock.advance(b.cfg.Retention - 1)
	b.sweep()
	b.count("subject", 1)
	b.clock.advance(1)
	b.sweep()
	b.empty()
}

func observedRefused(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.observe(store.ObservedEvent{Source: "s", ReceivedAt: start, Record: []byte("logs")})
	b.settle(store.VerdictDead, b.oneRequest("logs"))
	b.ledger(map[store.State]int64{})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func observedBounded(t *testing.T, factory Factory) {
	b := setup(t, factory)
	all := make([]store.ObservedEvent, 4100)
	for i := range all {
		all[i] = observed("A", fmt.Sprint(i))
	}
	b.observe(all...)
	b.accepts(cdr("A"))
	n := 0
	err := b.Observations(b.ctx(), b.claimOne(store.SubjectCall, store.ReasonComplete), func(o store.Observation) error {
		if string(o.Body) != fmt.Sprint(n) {
			t.Errorf("observation %d is %s", n, o.Body)
		}
		n++
		return nil
	})
	if err != nil || n != 4096 {
		t.Errorf("read %d observations, %v; want 4096", n, err)
	}
}

func observedEvicted(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	b.accepts(cdr("exported"))
	b.drain()
	for i := range 100 {
		e := large(cdr(fmt.Sprint(i)))
		b.observe(store.ObservedEvent{Source: "s", Session: sessionKey("A"), ReceivedAt: start, Body: e.Body})
	}
	for i := 0; b.Usage().Used <= maxSize*9/10; i++ {
		b.accepts(large(cdr(fmt.Sprint(i))))
	}
	if n, err := b.Sweep(b.ctx()); err != nil || n != 50 {
		t.Errorf("the first slice is %d rows, %v; want 50", n, err)
	}
	b.count("observation", 50)
	b.count("request", 1) // of the call that was exported
}

func observedFull(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	fill(b, func(i int) *store.Event { return large(cdr(fmt.Sprint("call ", i))) })
	body := large(cdr("A")).Body
	if err := b.Observe(b.ctx(), []store.ObservedEvent{{Source: "s", Session: sessionKey("A"), Body: body}}); !errors.Is(err, store.ErrFull) {
		t.Errorf("observe in a full store: %v, want ErrFull", err)
	}
	b.count("observation", 0)
}
