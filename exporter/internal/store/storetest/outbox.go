package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

var outboxTests = map[string]func(*testing.T, Factory){
	"events are exported when every part of every signal is done": allParts,
	"requests are claimed oldest first, from an id on":            requestOrder,
	"a request says what it is":                                   requestFields,
	"a request that is held is back with no attempt counted":      held,
	"a request to retry is back with one attempt counted":         retried,
	"a request that is set aside is claimed after the others":     setAside,
	"a claim on a request ends":                                   requestExpires,
	"who lost the claim on a request settles nothing":             settleFenced,
	"a split request is replaced by its parts":                    split,
	"a settlement without meaning changes nothing":                nonsense,
	"a dead part leaves the others alone":                         deadPart,
	"signals have queues of their own":                            signalsApart,
	"of many requests that are claimed at once each has its own":  claimManyRequests,
}

// twoSignals assembles a call of two parts of traces and one of logs.
func twoSignals(b *bundle, call string) store.Subject {
	b.t.Helper()
	b.accepts(cdr(call))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	a := b.assembly(s)
	a.Parts = []store.Part{
		{Signal: "traces", Body: []byte(call + " traces 0")}, {Signal: "logs", Body: []byte(call + " logs 0")}, {Signal: "traces", Body: []byte(call + " traces 1")},
	}
	b.assemble(a)
	return s
}

func allParts(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	traces := b.requests("traces")
	if len(traces) != 2 || traces[0].Part != 0 || traces[1].Part != 1 {
		t.Fatalf("traces: %+v", traces)
	}
	b.settle(store.VerdictDone, traces...)
	b.ledger(map[store.State]int64{store.StatePending: 1})
	b.settle(store.VerdictDone, b.oneRequest("logs"))
	b.ledger(map[store.State]int64{store.StateExported: 1})
}

func requestOrder(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i := range 5 {
		b.accepts(cdr(fmt.Sprint(i)))
		s := b.claimOne(store.SubjectCall, store.ReasonComplete)
		b.assemble(b.assembly(s))
	}
	claim := func(after int64, limit int) []store.Request {
		t.Helper()
		got, err := b.ClaimRequests(b.ctx(), "traces", after, limit, ttl)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := claim(0, 2)
	if len(first) != 2 || first[0].ID >= first[1].ID {
		t.Fatalf("first claim: %+v", first)
	}
	b.settle(store.VerdictHold, first...)
	rest := claim(first[1].ID, 10)
	if len(rest) != 3 || rest[0].ID <= first[1].ID {
		t.Fatalf("claim from %d on: %+v", first[1].ID, rest)
	}
	again := claim(0, 10)
	if len(again) != 2 || again[0].ID != first[0].ID {
		t.Fatalf("claim from the start: %+v", again)
	}
}

func requestFields(t *testing.T, factory Factory) {
	b := setup(t, factory)
	s := twoSignals(b, "A")
	r := b.oneRequest("logs")
	r.Token = store.Token{}
	want := store.Request{ID: r.ID, SubjectID: s.ID, Source: "s", Signal: "logs", TraceID: rootOf(s).TraceID, Body: []byte("A logs 0"), CreatedAt: start}
	if err := compare(want, r); err != nil {
		t.Error(err)
	}
}

func held(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	b.settle(store.VerdictHold, b.oneRequest("logs"))
	if r := b.oneRequest("logs"); r.Attempts != 0 {
		t.Errorf("held request counts %d attempts", r.Attempts)
	}
}

func retried(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	for n := 1; n <= 3; n++ {
		b.clock.advance(time.Second)
		b.settle(store.VerdictRetry, b.oneRequest("logs"))
		b.restart()
		r := b.oneRequest("logs")
		if r.Attempts != n {
			t.Errorf("after %d attempts: %d", n, r.Attempts)
		}
		b.settle(store.VerdictHold, r)
	}
}

func setAside(t *testing.T, factory Factory) {
	for _, verdict := range []store.Verdict{store.VerdictHold, store.VerdictRetry} {
		b := setup(t, factory)
		twoSignals(b, "A")
		aside := b.oneRequest("logs")
		settled := []store.Settlement{{Request: aside, Verdict: verdict, Aside: ttl / 2}}
		if err := b.Settle(b.ctx(), settled); err != nil {
			t.Fatal(err)
		}
		twoSignals(b, "B")
		if r := b.oneRequest("logs"); r.ID == aside.ID {
			t.Errorf("%s: claimed while it is set aside", verdict)
		}
		b.clock.advance(ttl/2 - 1)
		if got := b.requests("logs"); len(got) != 0 {
			t.Errorf("%s: claimed too early: %+v", verdict, got)
		}
		b.clock.advance(1)
		if r := b.oneRequest("logs"); r.ID != aside.ID {
			t.Errorf("%s: claimed %d, want %d again", verdict, r.ID, aside.ID)
		}
		if err := b.Settle(b.ctx(), settled); !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: settled twice by one claim: %v", verdict, err)
		}
	}
}

func requestExpires(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	b.oneRequest("logs")
	b.clock.advance(ttl - 1)
	if got := b.requests("logs"); len(got) != 0 {
		t.Fatalf("claimed twice: %+v", got)
	}
	b.clock.advance(1)
	b.oneRequest("logs")
}

func settleFenced(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	slow := b.oneRequest("logs")
	b.clock.advance(ttl)
	quick := b.oneRequest("logs")
	other := b.requests("traces")
	for _, verdict := range []store.Verdict{store.VerdictDone, store.VerdictHold, store.VerdictRetry, store.VerdictDead, store.VerdictSplit} {
		lost := store.Settlement{Request: slow, Verdict: verdict, Parts: [][]byte{{1}, {2}}}
		if err := b.Settle(b.ctx(), []store.Settlement{lost}); !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s after the claim was lost: %v, want ErrFenced", verdict, err)
		}
	}
	mixed := []store.Settlement{{Request: slow, Verdict: store.VerdictDone}, {Request: other[0], Verdict: store.VerdictDone}, {Request: other[1], Verdict: store.VerdictDone}}
	var fenced *store.FencedError
	if err := b.Settle(b.ctx(), mixed); !errors.As(err, &fenced) || len(fenced.Requests) != 1 || fenced.Requests[0] != slow.ID {
		t.Errorf("settle with one lost claim: %v %+v, want request %d fenced", err, fenced, slow.ID)
	}
	b.settle(store.VerdictDone, quick)
	b.ledger(map[store.State]int64{store.StateExported: 1})
}

func split(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	b.clock.advance(time.Second)
	r := b.oneRequest("logs")
	err := b.Settle(b.ctx(), []store.Settlement{{Request: r, Verdict: store.VerdictSplit, Parts: [][]byte{[]byte("first"), []byte("second"), []byte("third")}}})
	if err != nil {
		t.Fatal(err)
	}
	b.settle(store.VerdictDone, b.requests("traces")...)
	parts := b.requests("logs")
	if len(parts) != 3 {
		t.Fatalf("%d parts, want 3", len(parts))
	}
	for i, want := range []string{"first", "second", "third"} {
		if p := parts[i]; string(p.Body) != want || p.ID == r.ID || p.SubjectID != r.SubjectID || !p.CreatedAt.Equal(r.CreatedAt) || p.Attempts != 0 {
			t.Errorf("part %d is %+v", i, p)
		}
		b.ledger(map[store.State]int64{store.StatePending: 1})
		b.settle(store.VerdictDone, parts[i])
	}
	b.ledger(map[store.State]int64{store.StateExported: 1})
}

func nonsense(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	r := b.oneRequest("logs")
	for _, s := range []store.Settlement{{Request: r, Verdict: store.VerdictSplit}, {Request: r, Verdict: "maybe"}, {Request: r}} {
		if err := b.Settle(b.ctx(), []store.Settlement{s}); err == nil {
			t.Errorf("settled as %q with %d parts", s.Verdict, len(s.Parts))
		}
	}
	b.settle(store.VerdictDone, r)
}

func deadPart(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	b.settle(store.VerdictDead, b.oneRequest("logs"))
	b.ledger(map[store.State]int64{store.StateDead: 1})
	b.settle(store.VerdictDone, b.requests("traces")...)
	b.ledger(map[store.State]int64{store.StateDead: 1})
	if got := b.requests("logs"); len(got) != 0 {
		t.Errorf("a dead request is sent again: %+v", got)
	}
}

func signalsApart(t *testing.T, factory Factory) {
	b := setup(t, factory)
	twoSignals(b, "A")
	if got := b.requests("metrics"); len(got) != 0 {
		t.Errorf("metrics: %+v", got)
	}
	b.oneRequest("logs")
	if got := b.requests("traces"); len(got) != 2 {
		t.Errorf("traces: %+v", got)
	}
}
