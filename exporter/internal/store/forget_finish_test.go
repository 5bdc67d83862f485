package store

import (
	"context"
	"errors"
	"testing"
	"time"
)

// After any slice the process may end: nothing else is lost, nothing more of the person
// is sent once it is marked, and the next start completes it.
func TestAForgetThatWasInterruptedAfterAnySliceIsCompletedByTheNextStart(t *testing.T) {
	t.Parallel()
	for stop := 1; ; stop += 1 + stop/3 {
		p := newPopulation(t)
		p.live(20)
		n, size := p.rowsOf("berta")
		who := p.s.sought(Person{Source: "s", Customer: "anna"})
		if _, err := p.s.begin(t.Context(), who); err != nil {
			t.Fatal(err)
		}
		found, err := p.s.find(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		left := found.work()
		for range stop {
			if left.done() {
				break
			}
			var gone erased
			err := p.s.writer.write(t.Context(), &op{run: func(t *tx) (err error) { gone, err = t.erase(left); return err }})
			if err != nil {
				t.Fatal(err)
			}
			if gone.rows > sliceRows+maxOrphans+maxAliases {
				t.Fatalf("a slice of %d rows", gone.rows)
			}
			left = gone.left
		}
		if len(left.unmarked) == 0 {
			for _, signal := range []string{"traces", "logs"} {
				requests, err := p.s.ClaimRequests(t.Context(), signal, 0, 1000, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range requests {
					if found.subjects[r.SubjectID] {
						t.Errorf("stopped after %d slices: a request of what is being forgotten is sent", stop)
					}
				}
			}
		}
		interrupted := !left.done()
		if err := p.s.Close(); err != nil {
			t.Fatal(err)
		}
		p.s = openAt(t, p.path)
		p.sound()
		p.assemble() // nothing of it is exported meanwhile
		if _, err := p.s.FinishForgetting(t.Context()); err != nil {
			t.Fatal(err)
		}
		if pieces := p.grams["anna"].in(t, p.path); len(pieces) > 0 {
			t.Errorf("stopped after %d slices: pieces are left: %v", stop, pieces)
		}
		if n2, size2 := p.rowsOf("berta"); n2 != n || size2 > size {
			t.Errorf("stopped after %d slices: of the other customer %d rows of %d bytes are left of %d of %d", stop, n2, size2, n, size)
		}
		p.sound()
		if !interrupted {
			if stop < 5 {
				t.Errorf("it took %d slices: too few to be interrupted", stop)
			}
			return
		}
	}
}

// A client that goes away ends its Forget between any two of its steps; then too
// nothing is left.
func TestAForgetWhoseCallerWentAwayIsCompletedWithoutIt(t *testing.T) {
	t.Parallel()
	p := newPopulation(t)
	p.live(20)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	reading, err := p.s.reader.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRow(`SELECT count(*) FROM event`).Scan(&n); err != nil { // keeps the log from being cut
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := p.s.Forget(ctx, Person{Source: "s", Customer: "anna"})
		ended <- err
	}()
	for n, _ := p.rowsOf("anna"); n > 0; n, _ = p.rowsOf("anna") {
	}
	if n, err := p.s.FinishForgetting(t.Context()); n != 0 || err != nil {
		t.Errorf("while it works: %d, %v", n, err)
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("forget: %v, want that it was cancelled", err)
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	if pieces := p.grams["anna"].in(t, p.path); len(pieces) == 0 {
		t.Error("nothing is left to overwrite: this test finds nothing any more")
	}
	if _, err := p.s.FinishForgetting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if pieces := p.grams["anna"].in(t, p.path); len(pieces) > 0 {
		t.Errorf("pieces are left: %v", pieces)
	}
	if n, err := p.s.FinishForgetting(t.Context()); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}
