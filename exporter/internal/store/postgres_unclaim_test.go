package store_test

import (
	"errors"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

// claimable fills a store with one request that waits and one subject that is due.
func claimable(t *testing.T, s *store.Store) {
	t.Helper()
	for _, e := range []*store.Event{replicaMessage("sent", 0), replicaMessage("sent", 1), replicaCDR("sent", 2)} {
		mustAccept(t, s, e)
	}
	assembleAll(t, s)
	for _, e := range []*store.Event{replicaMessage("due", 0), replicaMessage("due", 1), replicaCDR("due", 2)} {
		mustAccept(t, s, e)
	}
}

// What it works at is fenced; what it may be sending it keeps.
func TestAReplicaWhoseDatabaseComesBackGivesItsSubjectsBackAndKeepsWhatItSends(t *testing.T) {
	t.Parallel()
	p, through, beside := newProxy(t)
	p.up()
	var stores [2]*store.Store
	for i, at := range []string{through, beside} {
		s, err := store.Open(t.Context(), store.Config{URL: at, Retention: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stores[i] = s
	}
	cut, other := stores[0], stores[1]
	claimable(t, cut)
	subjects, err := cut.ClaimDue(t.Context(), 10, time.Hour)
	if err != nil || len(subjects) != 1 {
		t.Fatalf("%d subjects, %v", len(subjects), err)
	}
	requests, err := cut.ClaimRequests(t.Context(), "traces", 0, 10, time.Hour)
	if err != nil || len(requests) != 1 {
		t.Fatalf("%d requests, %v", len(requests), err)
	}
	if again, err := other.ClaimDue(t.Context(), 10, time.Hour); err != nil || len(again) != 0 {
		t.Fatalf("%d subjects are claimed twice, %v", len(again), err)
	}
	p.down()
	until(t, func() bool { return errors.Is(cut.Ready(), store.ErrUnavailable) })
	p.up()
	until(t, func() bool { return cut.Ready() == nil })

	again, err := other.ClaimDue(t.Context(), 10, time.Hour)
	if err != nil || len(again) != 1 || again[0].ID != subjects[0].ID {
		t.Errorf("the other claims %d subjects, %v; want the one that was given back", len(again), err)
	}
	late, err := assemblyOf(t, cut, subjects[0])
	if err == nil {
		err = cut.Assemble(t.Context(), late)
	}
	if !errors.Is(err, store.ErrFenced) {
		t.Errorf("what was given back is assembled: %v, want ErrFenced", err)
	}
	if twice, err := other.ClaimRequests(t.Context(), "traces", 0, 10, time.Hour); err != nil || len(twice) != 0 {
		t.Errorf("%d requests would be sent twice, %v", len(twice), err)
	}
	if err := cut.Settle(t.Context(), []store.Settlement{{Request: requests[0], Verdict: store.VerdictDone}}); err != nil {
		t.Errorf("settle after the outage: %v", err)
	}
}
