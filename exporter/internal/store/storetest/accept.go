package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var acceptTests = map[string]func(*testing.T, Factory){
	"the same event again is a duplicate in every state":                     duplicates,
	"the same key with other content is a conflict, once for each content":   conflicts,
	"a conflict joins nothing":                                               conflictJoinsNothing,
	"an event that is dead on arrival is kept and joins nothing":             deadOnArrival,
	"an event of an unknown name needs no reason to be a dead letter":        unknownName,
	"members come as they were accepted":                                     membersAreVerbatim,
	"hostile ids and texts stop nobody":                                      hostileText,
	"64 callers at once get one outcome each":                                manyCallers,
	"64 callers with the same event make one event":                          sameEventAtOnce,
	"events that come together are taken in together, each with its outcome": together,
	"of events that come together none is there when one finds no room":      noneOfTogether,
	"64 callers with some of the same events each get one outcome for each":  togetherAtOnce,
	"a caller that gave up before handing over accepted nothing":             cancelledBefore,
	"everything is there after a restart":                                    survivesRestart,
	"a closed store takes nothing and says so":                               closedStore,
	"closing commits what was handed over":                                   closingCommits,
	"keys do not depend on how their parts are cut":                          keysApart,
}

func duplicates(t *testing.T, factory Factory) {
	b := setup(t, factory)
	again := func() {
		t.Helper()
		b.accept(store.OutcomeDuplicate, cdr("A", "1"))
		b.accept(store.OutcomeDuplicate, message("A", "1"))
	}
	b.accepts(cdr("A", "1"), message("A", "1"))
	again()
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	again()
	b.assemble(b.assembly(s))
	again()
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	again()
	b.restart()
	again()
	b.ledger(map[store.State]int64{store.StateExported: 2})
}

func conflicts(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1"), message("B", "2"))
	for _, e := range []*store.Event{cdr("A", "1"), message("B", "2")} {
		b.accept(store.OutcomeConflict, altered(e))
		b.accept(store.OutcomeDuplicate, altered(e))
		b.accept(store.OutcomeConflict, altered(altered(e)))
		b.accept(store.OutcomeDuplicate, altered(altered(e)))
		b.accept(store.OutcomeDuplicate, e)
	}
	b.ledger(map[store.State]int64{store.StatePending: 2, store.StateDead: 4})
}

func conflictJoinsNothing(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"))
	b.accept(store.OutcomeConflict, altered(message("A", "1")))
	b.accepts(cdr("A", "1"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1")
}

func deadOnArrival(t *testing.T, factory Factory) {
	b := setup(t, factory)
	dead := with(message("A", "1"), func(e *store.Event) { e.DeadReason, e.DeadDetail = "unmappable", "log_id: want a string" })
	b.accept(store.OutcomeUnsupported, dead)
	b.accept(store.OutcomeDuplicate, dead)
	b.clock.advance(2 * quiet)
	b.claimNone()
	b.ledger(map[store.State]int64{store.StateDead: 1})
}

func unknownName(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accept(store.OutcomeUnsupported, with(message("A", "1"), func(e *store.Event) { e.Kind = store.KindOther }))
	b.ledger(map[store.State]int64{store.StateDead: 1})
}

func membersAreVerbatim(t *testing.T, factory Factory) {
	b := setup(t, factory)
	large := strings.Repeat("\x00binary \xff and large ", 100_000)
	received := start.Add(123456789 * time.Nanosecond)
	b.accepts(with(cdr("A"), func(e *store.Event) { e.Body, e.ReceivedAt = []byte(large), received }))
	want := cdr("A")
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	err := b.Members(b.ctx(), s, func(m store.Member) error {
		if string(m.Body) != large {
			t.Errorf("body of %d bytes came back as %d", len(large), len(m.Body))
		}
		m.Body, m.EventID = nil, 0
		return compare(store.Member{Kind: store.KindCDR, ReceivedAt: received.UTC(), Headers: want.Headers, ContentHash: want.ContentHash}, m)
	})
	if err != nil {
		t.Error(err)
	}
	stop := errors.New("enough")
	if err := b.Members(b.ctx(), s, func(store.Member) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("members ended with %v, want the error of the callback", err)
	}
	b.accepts(with(cdr("B"), func(e *store.Event) { e.Headers, e.Body = nil, nil }))
	s = b.claimOne(store.SubjectCall, store.ReasonComplete)
	err = b.Members(b.ctx(), s, func(m store.Member) error {
		if m.Headers != nil || len(m.Body) != 0 {
			t.Errorf("absent headers and body came back as %q, %q", m.Headers, m.Body)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func hostileText(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var wg sync.WaitGroup
	for _, text := range []string{"\x00", strings.Repeat("i", 3000), "'; DROP TABLE event; --", "\xff\xfe", strings.Repeat("é", 2000), "", "\u0000\u0000"} {
		wg.Go(func() {
			e := message(text, text)
			e.Name, e.ClientAddress, e.Endpoint = text, text, text
			e.RequestHeaders, e.Headers = []byte(text), []byte(text)
			b.accepts(e)
			c := cdr(text, text, text+"2")
			c.Name, c.SessionID, c.ClientAddress, c.Endpoint, c.DeadDetail = text, text, text, text, text
			b.accepts(c)
		})
	}
	wg.Wait()
	b.accepts(cdr("A", "1"), message("A", "1"))
	b.clock.advance(grace)
	b.drain()
	counts, err := b.Ledger(b.ctx())
	if err != nil || counts["s"][store.StateExported] != counts["s"][store.StateAccepted] {
		t.Errorf("ledger %v, %v: want all exported", counts, err)
	}
}

func manyCallers(t *testing.T, factory Factory) {
	b := setup(t, factory)
	const callers, calls = 64, 4
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range calls {
				call := fmt.Sprint(i, "/", j)
				b.accepts(message(call, call+".1"), cdr(call, call+".1", call+".2"), message(call, call+".2"))
				b.accept(store.OutcomeDuplicate, message(call, call+".1"))
			}
		})
	}
	wg.Wait()
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: 3 * callers * calls})
}

func sameEventAtOnce(t *testing.T, factory Factory) {
	b := setup(t, factory)
	outcomes := make(chan store.Outcome, 64)
	var wg sync.WaitGroup
	for range cap(outcomes) {
		wg.Go(func() {
			receipt, err := b.Accept(b.ctx(), message("A", "1"))
			if err != nil {
				t.Error(err)
			}
			outcomes <- receipt.Outcome
		})
	}
	wg.Wait()
	close(outcomes)
	got := make(map[store.Outcome]int)
	for o := range outcomes {
		got[o]++
	}
	if diff := cmp.Diff(map[store.Outcome]int{store.OutcomeAccepted: 1, store.OutcomeDuplicate: 63}, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func cancelledBefore(t *testing.T, factory Factory) {
	b := setup(t, factory)
	gone := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(b.ctx())
	cancel(gone)
	if receipt, err := b.Accept(ctx, cdr("A")); receipt != (store.Receipt{}) || !errors.Is(err, gone) {
		t.Fatalf("accept for nobody: %+v, %v", receipt, err)
	}
	b.accepts(cdr("A"))
}

func survivesRestart(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), message("B", "3"), cdr("A", "1", "2"))
	b.restart()
	b.accepts(message("A", "2"))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.members(s, "cdr A", "message 1", "message 2")
	// A claim does not outlive its process.
	b.restart()
	s = b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.assemble(b.assembly(s))
	b.oneRequest("traces")
	b.restart()
	r := b.oneRequest("traces")
	if string(r.Body) != string(requestOf(s)) {
		t.Errorf("request after restarts is %q", r.Body)
	}
	b.settle(store.VerdictDone, r)
	b.restart()
	b.ledger(map[store.State]int64{store.StateExported: 3, store.StatePending: 1})
	b.clock.advance(quiet)
	b.members(b.claimOne(store.SubjectConversation, store.ReasonWindow), "message 3")
}

func closedStore(t *testing.T, factory Factory) {
	b := setup(t, factory)
	if err := b.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Accept(b.ctx(), cdr("A")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("accept: %v, want ErrClosed", err)
	}
	if _, err := b.ClaimDue(b.ctx(), 1, ttl); !errors.Is(err, store.ErrClosed) {
		t.Errorf("claim: %v, want ErrClosed", err)
	}
	if err := b.Ready(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("ready: %v, want ErrClosed", err)
	}
	b.Answered(store.Answer{At: b.clock.Now(), Source: "s", Outcome: "refused", Reason: "closing", Status: 503, ClientAddress: "203.0.113.7"})
	b.open()
}

func closingCommits(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for i := range 200 {
		wg.Go(func() {
			_, err := b.Accept(b.ctx(), message("A", fmt.Sprint(i)))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				taken++
			case !errors.Is(err, store.ErrClosed):
				t.Errorf("accept while closing: %v", err)
			}
		})
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	b.open()
	b.balanced()
	counts, err := b.Ledger(b.ctx())
	if err != nil || counts["s"][store.StateAccepted] != int64(taken) {
		t.Errorf("acknowledged %d, stored %v (%v)", taken, counts["s"], err)
	}
}

func together(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), message("A", "2"))
	dead := with(message("A", "5"), func(e *store.Event) { e.DeadReason, e.DeadDetail = "unmappable", "not a JSON object" })
	events := []*store.Event{
		message("A", "1"), altered(message("A", "2")), message("A", "3"), dead, message("A", "4"), message("A", "3"), altered(message("A", "3")),
	}
	const again = store.OutcomeDuplicate
	for try, want := range [][]store.Outcome{
		{store.OutcomeDuplicate, store.OutcomeConflict, store.OutcomeAccepted, store.OutcomeUnsupported, store.OutcomeAccepted, store.OutcomeDuplicate, store.OutcomeConflict},
		{again, again, again, again, again, again, again},
	} {
		receipts, err := b.AcceptAll(b.ctx(), events)
		if err != nil {
			t.Fatal(err)
		}
		var got []store.Outcome
		for _, receipt := range receipts {
			got = append(got, receipt.Outcome)
		}
		if err := compare(want, got); err != nil {
			t.Errorf("try %d: %v", try+1, err)
		}
	}
	b.ledger(map[store.State]int64{store.StatePending: 4, store.StateDead: 3})
	b.restart()
	b.accepts(cdr("A", "1", "2", "3", "4"))
	b.claimOne(store.SubjectCall, store.ReasonComplete) // nothing is missing
}

func noneOfTogether(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	taken := fill(b, func(i int) *store.Event { return large(cdr(fmt.Sprint("call ", i))) })
	events := []*store.Event{message("A", "1"), large(message("A", "2")), message("A", "3")}
	if receipts, err := b.AcceptAll(b.ctx(), events); receipts != nil || !errors.Is(err, store.ErrFull) {
		t.Errorf("accept into a full store: %v, %v; want ErrFull", receipts, err)
	}
	b.ledger(map[store.State]int64{store.StatePending: taken})
}

func togetherAtOnce(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var wg sync.WaitGroup
	var mu sync.Mutex
	accepted := map[string]int{}
	for i := range 64 {
		wg.Go(func() {
			var events []*store.Event
			for j := range 8 {
				events = append(events, message(fmt.Sprint("call ", j%3), fmt.Sprint((i*3+j)%40)))
			}
			receipts, err := b.AcceptAll(b.ctx(), events)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(receipts) != len(events) {
				t.Errorf("%d receipts, %v", len(receipts), err)
				return
			}
			for j, receipt := range receipts {
				if receipt.Outcome == store.OutcomeAccepted {
					accepted[events[j].LogID]++
				}
			}
		})
	}
	wg.Wait()
	for log, n := range accepted {
		if n != 1 {
			t.Errorf("message %s was accepted %d times", log, n)
		}
	}
	b.ledger(map[store.State]int64{store.StatePending: int64(len(accepted))})
}

func keysApart(t *testing.T, _ Factory) {
	seen := make(map[store.Hash][]string)
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"a\x00b"}} {
		k := store.Key(parts...)
		if other, ok := seen[k]; ok {
			t.Errorf("%q and %q have the same key", parts, other)
		}
		seen[k] = parts
	}
}

func compare(want, got any) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("(-want +got):\n%s", diff)
	}
	return nil
}
