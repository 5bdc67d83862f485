package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var viewCallTests = map[string]func(*testing.T, Factory){
	"a call is listed with its summary":                                     callSummary,
	"calls are listed newest first or worst first, page by page":            callPages,
	"calls are selected by what became of them, kind and source":            callFilters,
	"an assembly without summary, and one that is dead, is no row":          callWithoutSummary,
	"a summary goes with its call's retention":                              callRetention,
	"a dead call that is mapped on a retry is listed":                       callRetried,
	"who lost the claim on a call leaves no summary":                        callFenced,
	"there is no selection of calls of an unknown name, and it is an error": callUnknown,
}

// summarized is an assembled call of that name.
func (b *bundle) summarized(e *store.Event, u store.Summary) store.Subject {
	b.t.Helper()
	b.accepts(e)
	if e.Kind == store.KindMessage {
		b.clock.advance(e.Quiet)
	}
	claimed := b.claim()
	if len(claimed) != 1 {
		b.t.Fatalf("claimed %d subjects, want one", len(claimed))
	}
	a := b.assembly(claimed[0])
	a.Summary = &u
	b.assemble(a)
	return claimed[0]
}

// calls are the subjects of every page of that list.
func (b *bundle) calls(f store.CallFilter, limit int) (ids []int64) {
	b.t.Helper()
	var from store.CallCursor
	for {
		p, err := b.Calls(b.ctx(), f, from, limit)
		if err != nil || !p.SearchedTo.IsZero() {
			b.t.Fatalf("calls: %+v, %v", p, err)
		}
		for _, c := range p.Calls {
			ids = append(ids, c.SubjectID)
		}
		if from = p.Next; from == (store.CallCursor{}) {
			return ids
		}
		if len(p.Calls) != limit {
			b.t.Errorf("a page of %d in between, want %d", len(p.Calls), limit)
		}
	}
}

func callSummary(t *testing.T, factory Factory) {
	b := setup(t, factory)
	u := store.Summary{
		StartedAt: start.Add(-time.Minute), Duration: time.Minute, Direction: "inbound", Result: "completed", Channel: "", Turns: 7,
		WorstTurn: 3 * time.Second, Jitter: 40 * time.Millisecond, LossPPM: 1200, Warnings: 2, Failed: true, Transferred: true, Slow: true,
	}
	s := b.summarized(cdr("A"), u)
	want := store.Call{SubjectID: s.ID, Source: "s", Kind: store.SubjectCall, Reason: store.ReasonComplete, TraceID: rootOf(s).TraceID, Summary: u}
	for _, delivered := range []bool{false, true} {
		want.Delivered = delivered
		p, err := b.Calls(b.ctx(), store.CallFilter{}, store.CallCursor{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(store.CallPage{Calls: []store.Call{want}}, p); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if !delivered {
			b.settle(store.VerdictDone, b.oneRequest("traces"))
		}
	}
}

func callPages(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var newest, worst []int64
	for i := range 9 {
		// Three of each: the newest of them comes first.
		s := b.summarized(cdr(fmt.Sprint("call", i)), store.Summary{WorstTurn: time.Duration(i/3) * time.Second})
		newest, worst = append([]int64{s.ID}, newest...), append([]int64{s.ID}, worst...)
	}
	for limit := 1; limit <= 10; limit++ {
		if diff := cmp.Diff(newest, b.calls(store.CallFilter{}, limit)); diff != "" {
			t.Errorf("newest first, %d a page (-want +got):\n%s", limit, diff)
		}
		if diff := cmp.Diff(worst, b.calls(store.CallFilter{WorstFirst: true}, limit)); diff != "" {
			t.Errorf("worst first, %d a page (-want +got):\n%s", limit, diff)
		}
	}
	s := b.summarized(cdr("another"), store.Summary{WorstTurn: time.Millisecond})
	if got := b.calls(store.CallFilter{WorstFirst: true}, 4); got[6] != s.ID || b.calls(store.CallFilter{}, 4)[0] != s.ID {
		t.Errorf("worst first: %v; want %d in the seventh place", got, s.ID)
	}
}

func callFilters(t *testing.T, factory Factory) {
	b := setup(t, factory)
	fine := b.summarized(cdr("fine"), store.Summary{}).ID
	failed := b.summarized(cdr("failed"), store.Summary{Failed: true, WorstTurn: 5}).ID
	moved := b.summarized(cdr("moved"), store.Summary{Transferred: true, WorstTurn: 9}).ID
	slow := b.summarized(with(cdr("slow"), func(e *store.Event) { e.Source = "other" }), store.Summary{Slow: true, Failed: true, WorstTurn: 7}).ID
	chat := b.summarized(message("chat", "1"), store.Summary{Channel: "chat", WorstTurn: 1}).ID
	for _, c := range []struct {
		f    store.CallFilter
		want []int64
	}{
		{store.CallFilter{}, []int64{chat, slow, moved, failed, fine}},
		{store.CallFilter{WorstFirst: true}, []int64{moved, slow, failed, chat, fine}},
		{store.CallFilter{Only: store.CallsFailed}, []int64{slow, failed}},
		{store.CallFilter{Only: store.CallsFailed, WorstFirst: true, Source: "s"}, []int64{failed}},
		{store.CallFilter{Only: store.CallsTransferred}, []int64{moved}},
		{store.CallFilter{Only: store.CallsSlow, WorstFirst: true}, []int64{slow}},
		{store.CallFilter{Kind: store.SubjectConversation}, []int64{chat}},
		{store.CallFilter{Kind: store.SubjectCall, WorstFirst: true}, []int64{moved, slow, failed, fine}},
		{store.CallFilter{Source: "other"}, []int64{slow}},
		{store.CallFilter{Source: "other", Kind: store.SubjectConversation}, nil},
	} {
		if diff := cmp.Diff(c.want, b.calls(c.f, 10)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.f, diff)
		}
	}
}

func callWithoutSummary(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	b.drain()
	b.accepts(cdr("B"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.DeadReason, a.Summary = "unmappable", &store.Summary{}
	b.assemble(a)
	if got := b.calls(store.CallFilter{}, 10); len(got) != 0 {
		t.Errorf("calls %v are listed", got)
	}
}

func callRetention(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.summarized(cdr("A"), store.Summary{Failed: true})
	b.drain()
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	for _, f := range []store.CallFilter{{}, {WorstFirst: true}, {Only: store.CallsFailed}} {
		if got := b.calls(f, 10); len(got) != 0 {
			t.Errorf("calls %v are listed after their retention", got)
		}
	}
}

func callRetried(t *testing.T, factory Factory) {
	b := setup(t, factory)
	id := b.receipt(cdr("A"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.DeadReason = "unmappable"
	b.assemble(a)
	if err := b.Retry(b.ctx(), id); err != nil {
		t.Fatal(err)
	}
	a = b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.Summary = &store.Summary{}
	b.assemble(a)
	if got := b.calls(store.CallFilter{}, 10); len(got) != 1 {
		t.Errorf("calls %v are listed, want the one", got)
	}
}

func callFenced(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.Summary = &store.Summary{}
	b.clock.advance(ttl)
	b.claimOne(store.SubjectCall, store.ReasonComplete)
	if err := b.Assemble(b.ctx(), a); err == nil {
		t.Error("an assembly without a claim was committed")
	}
	if got := b.calls(store.CallFilter{}, 10); len(got) != 0 {
		t.Errorf("calls %v are listed", got)
	}
}

func callUnknown(t *testing.T, factory Factory) {
	b := setup(t, factory)
	if _, err := b.Calls(b.ctx(), store.CallFilter{Only: "odd"}, store.CallCursor{}, 1); err == nil {
		t.Error("an unknown selection is no error")
	}
}
