package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

// What belongs to what is claimed is read of many at a time: more are claimed here.
const claimedAtOnce = 35

// leave assembles a conversation of each of these messages, and gives their roots by
// the message.
func (b *bundle) leave(messages ...*store.Event) map[string]store.Anchor {
	b.t.Helper()
	b.accepts(messages...)
	b.clock.advance(quiet)
	roots := make(map[string]store.Anchor)
	for _, s := range b.claim() {
		a := b.assembly(s)
		_, bodies := b.read(s)
		roots[bodies[0]] = a.Root
		b.assemble(a)
	}
	return roots
}

func claimMany(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var left, elsewhere, cdrs []*store.Event
	named := make(map[string]*store.Event) // CDRs
	for i := range claimedAtOnce {
		call := fmt.Sprint(i)
		left = append(left, message(call, call+".1"))
		elsewhere = append(elsewhere, message("elsewhere "+call, call+".0"))
		e := cdr(call, call+".2", call+".1", call+".3", call+".0")
		e.NotExpected = true
		if i%5 == 4 {
			e.LogKeys, e.Sessions, e.SIPKey = nil, nil, sipKey("nobody's "+call) // owns nothing, and nothing left
		}
		cdrs, named[call] = append(cdrs, e), e
	}
	first, second := b.leave(left...), b.leave(elsewhere...)
	b.accepts(cdrs...)
	for i := range claimedAtOnce {
		b.accepts(recorded(message(fmt.Sprint("talk ", i), fmt.Sprint("talk ", i))))
	}
	calls, records := 0, 0
	for _, s := range b.claim() {
		if s.Kind == store.SubjectRecord {
			records++
			b.members(s, "message "+s.FirstLogID)
			continue
		}
		calls++
		call := string(s.CallID)
		var roots []store.Anchor
		if len(named[call].LogKeys) > 0 {
			roots = []store.Anchor{first["message "+call+".1"], second["message "+call+".0"]}
		}
		if diff := cmp.Diff(named[call].LogKeys, s.Owned); diff != "" {
			t.Errorf("call %s owns (-want +got):\n%s", call, diff)
		}
		if diff := cmp.Diff(roots, s.Orphaned); diff != "" {
			t.Errorf("call %s, orphaned (-want +got):\n%s", call, diff)
		}
		b.assemble(b.assembly(s))
	}
	if calls != claimedAtOnce || records != claimedAtOnce {
		t.Errorf("%d calls and %d log records, want %d of each", calls, records, claimedAtOnce)
	}
}

func claimManyRequests(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var subjects []store.Subject
	for i := range claimedAtOnce {
		b.accepts(with(cdr(fmt.Sprint(i)), func(e *store.Event) { e.Source = []string{"s", "t"}[i%2] }))
		s := b.claimOne(store.SubjectCall, store.ReasonComplete)
		b.assemble(b.assembly(s))
		subjects = append(subjects, s)
	}
	requests := b.requests("traces")
	if len(requests) != claimedAtOnce {
		t.Fatalf("%d requests, want %d", len(requests), claimedAtOnce)
	}
	for i, r := range requests {
		s := subjects[i] // oldest first
		want := store.Request{ID: r.ID, SubjectID: s.ID, Source: s.Source, Signal: "traces", TraceID: rootOf(s).TraceID, Body: requestOf(s), CreatedAt: start, Token: r.Token}
		if err := compare(want, r); err != nil {
			t.Error(err)
		}
	}
}
