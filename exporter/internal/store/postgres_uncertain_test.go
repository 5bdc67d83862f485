package store

import (
	"errors"
	"io"
	"testing"
	"time"
)

// loseAnswer lets the next commit happen without an answer.
func loseAnswer(t *testing.T, s *Store) {
	t.Helper()
	err := s.writer.write(t.Context(), &op{stage: stageOther, aside: func(w *writer) error {
		commit := w.commit
		w.commit = func() error {
			w.commit = commit
			if err := commit(); err != nil {
				return err
			}
			return io.ErrUnexpectedEOF
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func wantUncertain(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrUncertain) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable and ErrUncertain", err)
	}
}

func TestAClaimWhoseAnswerWasLostIsGivenBackWithTheNextConnection(t *testing.T) {
	t.Parallel()
	at, _ := NewTestSchema(t)
	s, other := openReplica(t, at), openReplica(t, at)
	e := abreastMessage("call", "one")
	e.Record = true
	e.Quiet = time.Nanosecond

	loseAnswer(t, s)
	_, err := s.Accept(t.Context(), e)
	wantUncertain(t, err)
	if err := s.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Accept(t.Context(), e); err != nil || r.Outcome != OutcomeDuplicate {
		t.Errorf("the second time: %+v, %v", r, err)
	}

	loseAnswer(t, s)
	_, err = s.ClaimDue(t.Context(), 10, time.Hour)
	wantUncertain(t, err)
	if err := s.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	subjects, err := other.ClaimDue(t.Context(), 10, time.Hour)
	if err != nil || len(subjects) == 0 {
		t.Fatalf("%d subjects, %v", len(subjects), err)
	}
	for _, sub := range subjects {
		a := Assembly{Subject: sub, Root: Anchor{TraceID: sub.TraceID, SpanID: [8]byte{1}}, Parts: []Part{{Signal: "traces", Body: []byte("request")}}}
		if err := other.Members(t.Context(), sub, func(m Member) error { a.Members = append(a.Members, m.EventID); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := other.Assemble(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}

	loseAnswer(t, s)
	_, err = s.ClaimRequests(t.Context(), "traces", 0, 10, time.Hour)
	wantUncertain(t, err)
	for range 2 * len(s.untold.last) { // what did not happen pushes nothing out
		s.untold.noteUncertain(s.newToken(), ErrUnavailable)
	}
	if err := s.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if requests, err := other.ClaimRequests(t.Context(), "traces", 0, 10, time.Hour); err != nil || len(requests) != len(subjects) {
		t.Errorf("%d requests can be claimed, %v; want %d", len(requests), err, len(subjects))
	}
}

func TestAStoreThatIsThereIsNotAwaited(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + t.TempDir() + "/store.db"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Await(t.Context()); err != nil {
		t.Error(err)
	}
}
