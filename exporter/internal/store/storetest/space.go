package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"cdr2otel/exporter/internal/store"
)

var spaceTests = map[string]func(*testing.T, Factory){
	"history makes room before an event is refused":                 evicts,
	"rows of history make room when nothing else is left":           evictsRows,
	"a store full of pending events refuses, delivers and recovers": fullRecovers,
	"a store full of dead letters refuses until they expire":        fullOfDead,
	"sweeping makes room before the store is full":                  sweepEvicts,
}

const maxSize = 4 << 20

func small(c *store.Config) { c.MaxSize = maxSize }

// large is an event whose body no compression makes smaller.
func large(e *store.Event) *store.Event {
	random := rand.NewChaCha8(e.Key)
	e.Body = make([]byte, 20_000)
	_, _ = random.Read(e.Body)
	return e
}

// acceptLarge accepts n large calls at once.
func (b *bundle) acceptLarge(from, n int) {
	b.t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { b.accepts(large(cdr(fmt.Sprint("call ", from+i)))) })
	}
	wg.Wait()
}

// drainLarge assembles so that the request is as large as the body was.
func (b *bundle) drainLarge() {
	b.t.Helper()
	for claimed := b.claim(); len(claimed) > 0; claimed = b.claim() {
		for _, s := range claimed {
			a := b.assembly(s)
			a.Parts[0].Body = large(cdr(string(s.CallID))).Body
			b.assemble(a)
		}
	}
	for claimed := b.requests("traces"); len(claimed) > 0; claimed = b.requests("traces") {
		b.settle(store.VerdictDone, claimed...)
	}
}

func evicts(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	const calls = 400 // twice what fits
	for i := 0; i < calls; i += 20 {
		b.acceptLarge(i, 20)
		b.drainLarge()
		if used := b.Usage().Used; used > maxSize {
			t.Fatalf("after %d calls %d bytes are used of %d", i+1, used, maxSize)
		}
	}
	b.ledger(map[store.State]int64{store.StateExported: calls})
	// The requests went, the rows that know duplicates did not.
	b.accept(store.OutcomeDuplicate, cdr("call 0"))
	b.accept(store.OutcomeDuplicate, cdr(fmt.Sprint("call ", calls-1)))
}

func evictsRows(t *testing.T, factory Factory) {
	b := setup(t, factory, func(c *store.Config) { c.MaxSize = 2 << 20 })
	const calls = 700
	for i := 0; i < calls; i += 20 {
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				e := cdr(fmt.Sprint("call ", i+n))
				e.RequestHeaders = large(cdr(fmt.Sprint("call ", i+n))).Body[:4000]
				b.accepts(e)
			})
		}
		wg.Wait()
		b.drain()
		if used := b.Usage().Used; used > 2<<20 {
			t.Fatalf("after %d calls %d bytes are used", i+20, used)
		}
	}
	b.ledger(map[store.State]int64{store.StateExported: calls})
	b.accepts(cdr("call 0")) // forgotten, so new
}

// fill accepts until the store is full and tells how many it took.
func fill(b *bundle, event func(int) *store.Event) (taken int64) {
	b.t.Helper()
	for i := range 1000 {
		_, err := b.Accept(b.ctx(), event(i))
		if errors.Is(err, store.ErrFull) {
			return taken
		}
		if err != nil {
			b.t.Fatalf("accept: %v", err)
		}
		taken++
	}
	b.t.Fatal("the store never was full")
	return 0
}

func fullRecovers(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	taken := fill(b, func(i int) *store.Event { return large(cdr(fmt.Sprint("call ", i))) })
	if taken < 100 {
		t.Errorf("full after %d events", taken)
	}
	for range 3 {
		if _, err := b.Accept(b.ctx(), large(cdr("one more"))); !errors.Is(err, store.ErrFull) {
			t.Fatalf("accept into a full store: %v, want ErrFull", err)
		}
	}
	b.ledger(map[store.State]int64{store.StatePending: taken})
	b.restart()
	b.drainLarge()
	b.ledger(map[store.State]int64{store.StateExported: taken})
	b.accepts(large(cdr("one more")))
	if err := b.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
	if used := b.Usage(); used.Used > used.Limit || used.Limit != maxSize {
		t.Errorf("usage %+v", used)
	}
}

func fullOfDead(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	taken := fill(b, func(i int) *store.Event {
		e := large(cdr(fmt.Sprint("call ", i)))
		e.DeadReason = "unmappable"
		return e
	})
	if n := b.sweep(); n != 0 {
		t.Errorf("swept %d rows of dead letters that can still be retried", n)
	}
	b.clock.advance(b.cfg.DeadLetterRetention)
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExpired: taken})
	b.accepts(cdr("A"))
}

func sweepEvicts(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	for i := 0; i < 240; i += 10 {
		b.acceptLarge(i, 10)
		b.drainLarge()
		b.sweep()
		if used := b.Usage().Used; used > maxSize*93/100 {
			t.Fatalf("after %d calls %d bytes are used of %d", i+1, used, maxSize)
		}
	}
}
