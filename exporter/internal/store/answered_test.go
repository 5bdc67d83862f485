package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

func TestRefusedRequestsAreSampledInARing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	s := openTest(t, path)
	one, other := make(map[refusal]sample), make(map[refusal]sample)
	for n := range 2*refusalRing + 100 {
		one[refusal{source: "s", status: 401, reason: "credentials", client: fmt.Sprint(n)}] = sample{int64(n), 1}
	}
	for n := range 3 * refusalSources {
		other[refusal{source: fmt.Sprint("made up ", n), status: 404}] = sample{int64(n), 1}
	}
	write := func(samples map[refusal]sample) {
		t.Helper()
		if err := s.gather.await(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer s.gather.release()
		if err := s.gather.ring.write(samples); err != nil {
			t.Fatal(err)
		}
	}
	write(one)
	write(other)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	write(map[refusal]sample{{source: "s", status: 413, reason: "too_large"}: {1 << 40, 7}})
	var rows, sources, newest, oldest int
	err := s.reader.QueryRow(`SELECT (SELECT count(*) FROM refusal WHERE source = 's'), (SELECT count(DISTINCT source) FROM refusal),
		(SELECT status FROM refusal WHERE source = 's' ORDER BY seq DESC LIMIT 1), (SELECT min(received_at) FROM refusal WHERE source = 's')`).Scan(&rows, &sources, &newest, &oldest)
	if err != nil || rows != refusalRing || sources > refusalSources+1 || newest != 413 || oldest != refusalRing+101 {
		t.Errorf("%d rows of one source, %d sources, newest status %d, oldest at %d, %v", rows, sources, newest, oldest, err)
	}
}

// A store that hangs, or is slow, takes part of no answer.
func TestAnsweredWaitsForNothingAndForgetsNoCount(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	at := time.Unix(0, s.now())
	release := hold(t, s)
	const n = 100 * refusalSamples
	for i := range n {
		s.Answered(Answer{At: at, Source: "s", Outcome: "unauthorized", Reason: "credentials", Status: 401, ClientAddress: fmt.Sprint(i)})
	}
	s.Answered(Answer{At: at, Source: "s", Outcome: "malformed", Reason: "not_json", Status: 400})
	release()
	if got := answeredOf(t, s, at); got["credentials"] != n || got["not_json"] != 1 {
		t.Errorf("counted %v, want %d", got, n)
	}
	found, err := s.Refusals(t.Context(), "s", 500)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]int64{}
	for _, r := range found {
		kept[r.Reason] += r.N
	}
	if kept["credentials"] == 0 || kept["credentials"] > n/10 || kept["not_json"] != 1 {
		t.Errorf("the delivery log has %v of %d", kept, n)
	}
}

// answeredOf counts what was refused, by reason.
func answeredOf(t *testing.T, s *Store, since time.Time) map[string]int64 {
	t.Helper()
	counts, err := s.Refused(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int64{}
	for _, c := range counts {
		n[c.Reason] += c.N
	}
	return n
}

// A store that can't be written to is when webhooks are refused.
func TestWhatCouldNotBeWrittenIsCountedAndListedAllTheSame(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	at := time.Unix(0, s.now())
	broken := errors.New("disk on fire")
	fails := true
	commit := s.writer.commit
	inWriter := func(fn func()) {
		t.Helper()
		if err := s.writer.write(context.Background(), &op{aside: func(*writer) error { fn(); return nil }}); err != nil {
			t.Fatal(err)
		}
	}
	inWriter(func() {
		s.writer.commit = func() error {
			if fails {
				return broken
			}
			return commit()
		}
	})
	s.Answered(Answer{At: at, Source: "s", Outcome: "refused", Reason: "store_failed", Status: 503, Path: "/webhook/s"})
	s.Answered(Answer{At: at.Add(-3 * time.Hour), Source: "s", Outcome: "refused", Reason: "long_ago", Status: 503})
	look := func() {
		t.Helper()
		if got := answeredOf(t, s, at); got["store_failed"] != 1 {
			t.Errorf("counted %v, want one", got)
		}
		found, err := s.Refusals(t.Context(), "", 1)
		if err != nil || len(found) != 1 || found[0].Path != "/webhook/s" || !found[0].At.Equal(at) {
			t.Errorf("listed %+v, %v", found, err)
		}
	}
	s.gather.flush()
	look()
	s.gather.flush()
	look()
	if got := answeredOf(t, s, at.Add(-4*time.Hour)); got["long_ago"] != 0 {
		t.Errorf("what could not be written for hours is kept in memory: %v", got)
	}
	inWriter(func() { fails = false })
	s.gather.flush()
	look()
	s.gather.mu.Lock()
	defer s.gather.mu.Unlock()
	if len(s.gather.counts)+len(s.gather.samples) != 0 {
		t.Errorf("gathered after it was written: %v, %v", s.gather.counts, s.gather.samples)
	}
}
