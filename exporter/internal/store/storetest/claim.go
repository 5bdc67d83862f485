package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

var claimTests = map[string]func(*testing.T, Factory){
	"subjects are claimed in the order of their due times":    claimOrder,
	"a claimed subject is nobody else's until the claim ends": claimExpires,
	"who lost the claim commits nothing":                      claimFences,
	"many claimants share the work and none does it twice":    claimShared,
	"an assembly without requests exports at once":            noParts,
	"an assembly is all or nothing and final":                 assembleOnce,
	"a conversation without members is deleted":               emptyConversation,
	"nothing is due in an empty store":                        nothingDue,
	"of many that are claimed at once each has its own":       claimMany,
}

func claimOrder(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i, wait := range []time.Duration{3, 1, 2, 5, 4} {
		b.accepts(with(cdr(fmt.Sprint(i), fmt.Sprint(i)), func(e *store.Event) { e.Grace = wait * time.Second }))
	}
	b.clock.advance(time.Minute)
	var got string
	for range 3 {
		claimed, err := b.ClaimDue(b.ctx(), 2, ttl)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range claimed {
			got += string(s.CallID)
		}
	}
	if got != "12043" {
		t.Errorf("claimed in the order %s, want 12043", got)
	}
}

func claimExpires(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.claimNone()
	next, ok, err := b.NextDue(b.ctx())
	if err != nil || !ok || !next.Equal(start.Add(ttl)) {
		t.Errorf("next due %v, %v, %v; want the end of the claim", next, ok, err)
	}
	b.clock.advance(ttl - 1)
	b.claimNone()
	b.clock.advance(1)
	b.claimOne(store.SubjectCall, store.ReasonComplete)
}

func claimFences(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	slow := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	b.clock.advance(ttl)
	quick := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	if err := b.Assemble(b.ctx(), slow); !errors.Is(err, store.ErrFenced) {
		t.Fatalf("slow assembly: %v, want ErrFenced", err)
	}
	b.assemble(quick)
	b.oneRequest("traces")
}

func claimShared(t *testing.T, factory Factory) {
	b := setup(t, factory)
	const calls = 100
	for i := range calls {
		b.accepts(cdr(fmt.Sprint(i)))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				claimed, err := b.ClaimDue(b.ctx(), 7, ttl)
				if err != nil {
					t.Error(err)
				}
				if len(claimed) == 0 {
					return
				}
				for _, s := range claimed {
					b.assemble(b.assembly(s))
				}
			}
		})
	}
	wg.Wait()
	if got := b.requests("traces"); len(got) != calls {
		t.Errorf("%d requests, want %d", len(got), calls)
	}
}

func noParts(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), cdr("A", "1"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.Parts = nil
	b.assemble(a)
	b.ledger(map[store.State]int64{store.StateExported: 2})
	b.accepts(message("A", "x"))
	checkLate(b, b.claimOne(store.SubjectLate, store.ReasonLate), rootOf(a.Subject), false, "A", "message x")
}

func assembleOnce(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	stranger := a
	stranger.Members = append([]int64{12345}, a.Members...)
	if err := b.Assemble(b.ctx(), stranger); !errors.Is(err, store.ErrFenced) {
		t.Errorf("assembly of a stranger's event: %v, want ErrFenced", err)
	}
	without := a
	without.Members = nil
	if err := b.Assemble(b.ctx(), without); !errors.Is(err, store.ErrFenced) {
		t.Errorf("assembly of a call without its CDR: %v, want ErrFenced", err)
	}
	b.assemble(a)
	if err := b.Assemble(b.ctx(), a); !errors.Is(err, store.ErrFenced) {
		t.Errorf("second assembly: %v, want ErrFenced", err)
	}
	if ids, _ := b.read(a.Subject); len(ids) != 0 {
		t.Errorf("bodies are still there after assembly: %v", ids)
	}
	b.oneRequest("traces")
}

func emptyConversation(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"))
	b.clock.advance(quiet)
	s := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	b.accepts(cdr("A", "1"))
	b.members(s) // the call has it
	if err := b.Assemble(b.ctx(), store.Assembly{Subject: s}); !errors.Is(err, store.ErrFenced) {
		t.Errorf("assemble a conversation that is gone: %v, want ErrFenced", err)
	}
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1")
	b.clock.advance(2 * ttl)
	b.drain()
	if _, ok, err := b.NextDue(b.ctx()); ok || err != nil {
		t.Errorf("something is still due: %v, %v", ok, err)
	}
}

func nothingDue(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.claimNone()
	if at, ok, err := b.NextDue(b.ctx()); ok || err != nil {
		t.Errorf("next due %v, %v, %v; want none", at, ok, err)
	}
	if got := b.requests("traces"); len(got) != 0 {
		t.Errorf("requests: %+v", got)
	}
	if n := b.sweep(); n != 0 {
		t.Errorf("swept %d rows", n)
	}
}
