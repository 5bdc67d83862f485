package storetest

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"cdr2otel/exporter/internal/store"
)

var deadTests = map[string]func(*testing.T, Factory){
	"what can't be mapped keeps its bodies and is due again on retry":   retryUnmappable,
	"a message during an assembly that fails dies with its call":        newcomerDies,
	"a refused request is sent again on retry":                          retryRefused,
	"only dead letters of a subject can be retried":                     notRetryable,
	"a dead letter expires after its time, and then its row":            expires,
	"an expired dead letter can't be retried":                           expiredIsFinal,
	"a dead part that expires leaves its living siblings to finish":     expiresBesideLiving,
	"a retried request counts its attempts anew":                        attemptsAnew,
	"half expired, the other half of a large call can still be retried": expiresInSlices,
	"a dead letter is retried after a restart":                          retryAfterRestart,
	"dead letters of one reason are retried together, some at a time":   retryTogether,
}

// unmappable is a call that was assembled dead, and its events.
func unmappable(b *bundle) []int64 {
	b.t.Helper()
	b.accepts(message("A", "1"), cdr("A", "1"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.Parts, a.DeadReason, a.DeadDetail = nil, "unmappable", "call.start_timestamp: no time"
	b.assemble(a)
	b.ledger(map[store.State]int64{store.StateDead: 2})
	return a.Members
}

// refused is a call whose only request the back end refused.
func refused(b *bundle) []int64 {
	b.t.Helper()
	b.accepts(message("A", "1"), cdr("A", "1"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	b.assemble(a)
	b.settle(store.VerdictDead, b.oneRequest("traces"))
	b.ledger(map[store.State]int64{store.StateDead: 2})
	return a.Members
}

func (b *bundle) retry(event int64) {
	b.t.Helper()
	if err := b.Retry(b.ctx(), event); err != nil {
		b.t.Fatalf("retry: %v", err)
	}
}

func (b *bundle) notRetryable(event int64) {
	b.t.Helper()
	if err := b.Retry(b.ctx(), event); !errors.Is(err, store.ErrNotRetryable) {
		b.t.Errorf("retry of event %d: %v, want ErrNotRetryable", event, err)
	}
}

func retryUnmappable(t *testing.T, factory Factory) {
	b := setup(t, factory)
	events := unmappable(b)
	b.claimNone()
	b.retry(events[1])
	b.due.await(t)
	b.ledger(map[store.State]int64{store.StatePending: 2})
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.members(s, "cdr A", "message 1")
	b.assemble(b.assembly(s))
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	b.ledger(map[store.State]int64{store.StateExported: 2})
}

func newcomerDies(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1"))
	b.clock.advance(grace)
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonGrace))
	b.accepts(message("A", "1"))
	a.Parts, a.DeadReason = nil, "unmappable"
	b.assemble(a)
	b.ledger(map[store.State]int64{store.StateDead: 2})
	b.retry(a.Members[0])
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1")
}

func retryRefused(t *testing.T, factory Factory) {
	b := setup(t, factory)
	events := refused(b)
	b.retry(events[0])
	b.sent.await(t)
	b.ledger(map[store.State]int64{store.StatePending: 2})
	r := b.oneRequest("traces")
	if r.Attempts != 0 || len(r.Body) == 0 {
		t.Errorf("retried request: %+v", r)
	}
	b.settle(store.VerdictDone, r)
	b.ledger(map[store.State]int64{store.StateExported: 2})
	b.notRetryable(events[0])
}

func notRetryable(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"))
	b.accept(store.OutcomeConflict, altered(message("A", "1")))
	for id := range int64(4) {
		b.notRetryable(id)
	}
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateDead: 1})
}

func expires(t *testing.T, factory Factory) {
	b := setup(t, factory)
	events := unmappable(b)
	b.accept(store.OutcomeConflict, altered(cdr("A", "1")))
	b.clock.advance(b.cfg.DeadLetterRetention - 1)
	if n := b.sweep(); n != 0 {
		t.Fatalf("swept %d rows too early", n)
	}
	b.clock.advance(1)
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExpired: 3})
	// Until retention a redelivery is still known.
	b.accept(store.OutcomeDuplicate, cdr("A", "1"))
	b.notRetryable(events[0])
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	if rows := b.db.Rows(t); len(rows["s"]) != 0 {
		t.Errorf("rows are left: %v", rows)
	}
	b.ledger(map[store.State]int64{store.StateExpired: 3})
	b.accepts(cdr("A", "1"))
}

func expiredIsFinal(t *testing.T, factory Factory) {
	b := setup(t, factory)
	events := refused(b)
	b.clock.advance(b.cfg.DeadLetterRetention)
	b.sweep()
	for _, id := range events {
		b.notRetryable(id)
	}
	if got := b.requests("traces"); len(got) != 0 {
		t.Errorf("an expired request is sent: %+v", got)
	}
	b.ledger(map[store.State]int64{store.StateExpired: 2})
}

func expiresBesideLiving(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	b.settle(store.VerdictDead, b.oneRequest("logs"))
	b.clock.advance(b.cfg.DeadLetterRetention + b.cfg.Retention)
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExpired: 1})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	traces := b.requests("traces")
	if len(traces) != 2 {
		t.Fatalf("%d requests are left, want 2", len(traces))
	}
	b.settle(store.VerdictDone, traces...)
	b.ledger(map[store.State]int64{store.StateExpired: 1})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	if rows := b.db.Rows(t); len(rows["s"]) != 0 {
		t.Errorf("rows are left: %v", rows)
	}
}

func attemptsAnew(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	b.assemble(a)
	b.settle(store.VerdictRetry, b.oneRequest("traces"))
	b.settle(store.VerdictDead, b.oneRequest("traces"))
	b.retry(a.Members[0])
	if r := b.oneRequest("traces"); r.Attempts != 0 {
		t.Errorf("after a retry %d attempts", r.Attempts)
	}
}

func retryTogether(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for call := range 5 { // of two events each
		name := fmt.Sprint(call)
		b.accepts(message(name, name), cdr(name, name))
		b.assemble(b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete)))
		r := b.oneRequest("traces")
		reason := "invalid"
		if call == 2 {
			reason = "too_large"
		}
		if err := b.Settle(b.ctx(), []store.Settlement{{Request: r, Verdict: store.VerdictDead, Reason: reason}}); err != nil {
			t.Fatal(err)
		}
	}
	b.ledger(map[store.State]int64{store.StateDead: 10})
	b.accept(store.OutcomeConflict, altered(cdr("0", "0"))) // dead on arrival
	for source, want := range map[string]map[string]int64{"": {"invalid": 8, "too_large": 2}, "elsewhere": {}} {
		got, all, err := b.RetryableReasons(b.ctx(), source)
		if err != nil || !all || !maps.Equal(got, want) {
			b.t.Errorf("source %q: %v can be retried, want %v; %v", source, got, want, err)
		}
	}
	if n, last, err := b.RetryReason(b.ctx(), "elsewhere", "invalid", 0, 4); n != 0 || last != 0 || err != nil {
		t.Errorf("%d of another source were retried, %d, %v", n, last, err)
	}

	var retried, last int64
	rounds := 0
	for more := true; more; more = last > 0 {
		n, next, err := b.RetryReason(b.ctx(), "", "invalid", last, 4)
		if err != nil || n > 4 {
			t.Fatalf("%d retried at once, %v; want 4 at most", n, err)
		}
		retried, last, rounds = retried+n, next, rounds+1
	}
	if retried != 8 || rounds < 2 {
		t.Errorf("%d retried in %d rounds, want 8 in several", retried, rounds)
	}
	b.ledger(map[store.State]int64{store.StateDead: 3, store.StatePending: 8})
	b.settle(store.VerdictDone, b.requests("traces")...)
	b.ledger(map[store.State]int64{store.StateDead: 3, store.StateExported: 8})
	if n, last, err := b.RetryReason(b.ctx(), "", "invalid", 0, 4); n != 0 || last != 0 || err != nil {
		t.Errorf("nothing is left, but %d were retried, %d, %v", n, last, err)
	}
}

func expiresInSlices(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var logs []string
	for i := range 80 {
		logs = append(logs, fmt.Sprint(i))
		b.accepts(message("A", fmt.Sprint(i)))
	}
	b.accepts(cdr("A", logs...))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	b.assemble(a)
	b.settle(store.VerdictDead, b.oneRequest("traces"))
	b.clock.advance(b.cfg.DeadLetterRetention)
	if n, err := b.Sweep(b.ctx()); err != nil || n >= len(a.Members) {
		t.Fatalf("the first slice is %d rows, %v", n, err)
	}
	retried := false
	for _, id := range a.Members {
		retried = retried || b.Retry(b.ctx(), id) == nil
	}
	if !retried {
		t.Fatal("nothing could be retried")
	}
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExpired: 50, store.StateExported: 31})
}

func retryAfterRestart(t *testing.T, factory Factory) {
	b := setup(t, factory)
	events := refused(b)
	b.restart()
	b.retry(events[0])
	b.restart()
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	b.ledger(map[store.State]int64{store.StateExported: 2})
}
