package store

import (
	"context"
	"testing"
	"time"
)

// Otherwise what is due would be looked for as much later.
func TestAWaitForALockIsNotTakenForADifferenceOfClocks(t *testing.T) {
	t.Parallel()
	at, db := NewTestSchema(t)
	s := openReplica(t, at)
	e := abreastMessage("call", "1")
	e.Quiet = time.Nanosecond
	if _, err := s.Accept(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	subjects, err := s.ClaimDue(t.Context(), 1, time.Hour)
	if err != nil || len(subjects) != 1 {
		t.Fatalf("%d subjects, %v", len(subjects), err)
	}
	other, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback()
	if _, err := other.Exec(`SELECT id FROM subject FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	assembled := make(chan error, 1)
	go func() {
		assembled <- s.Assemble(context.Background(), Assembly{Subject: subjects[0], DeadReason: "unmappable"})
	}()
	const wait = time.Second
	<-time.After(wait)
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-assembled; err != nil {
		t.Error(err)
	}
	if skew := s.engine.skew(); skew < -wait/2 {
		t.Errorf("the server's clock is %v ahead, of the same machine", skew)
	}
}
