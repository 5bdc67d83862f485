package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func personMessage(customer string, i int) *Event {
	name := fmt.Sprintf("%s/%d", customer, i)
	return &Event{
		Source: "s", Kind: KindMessage, Key: Key("log_id", name), ContentHash: Key("content", name), Body: []byte(`{"of":"` + name + `"}`),
		LogKeys: []Hash{Key("log_id", name)}, Sessions: []Hash{Key("session", customer, fmt.Sprint(i/3))},
		Quiet: time.Nanosecond, QuietReason: ReasonIdle, Customer: customer,
	}
}

func openReplicas(t *testing.T, n int) (stores []*Store, count func(query string) int) {
	t.Helper()
	at, db := NewTestSchema(t)
	for range n {
		s, err := Open(t.Context(), Config{URL: at, Retention: time.Hour, DeadLetterRetention: time.Hour, KeepBodies: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stores = append(stores, s)
	}
	return stores, func(query string) (n int) {
		if err := db.QueryRow(query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
}

func TestAForgetThatWasInterruptedIsCompletedByOneOfTheOthers(t *testing.T) {
	t.Parallel()
	stores, count := openReplicas(t, 3)
	const messages = 300
	var accepting sync.WaitGroup
	for n, customer := range []string{"anna", "berta"} {
		for i := range messages {
			accepting.Go(func() {
				if _, err := stores[n].Accept(t.Context(), personMessage(customer, i)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	accepting.Wait()
	// Kept is whom to forget, and then the process ends.
	if _, err := stores[0].begin(t.Context(), stores[0].sought(Person{Source: "s", Customer: "anna"})); err != nil {
		t.Fatal(err)
	}
	release, alone, err := stores[0].engine.forgetsAlone(t.Context(), true)
	if err != nil || !alone {
		t.Fatal(alone, err)
	}
	if n, err := stores[1].FinishForgetting(t.Context()); n != 0 || err != nil {
		t.Errorf("while another one works: %d, %v", n, err)
	}
	release()
	if err := stores[0].Close(); err != nil {
		t.Fatal(err)
	}
	forgotten := make([]int, 2)
	var both sync.WaitGroup
	for i, s := range stores[1:] {
		both.Go(func() {
			var err error
			if forgotten[i], err = s.FinishForgetting(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if n := forgotten[0] + forgotten[1]; n != messages || forgotten[0] != 0 && forgotten[1] != 0 {
		t.Errorf("%d events were forgotten, want %d by one of both", forgotten, messages)
	}
	for query, want := range map[string]int{
		`SELECT count(*) FROM forgetting`:                                                 0,
		`SELECT count(*) FROM event WHERE state = 'forgotten'`:                            messages,
		`SELECT count(*) FROM event WHERE state = 'pending' AND customer_key IS NOT NULL`: messages,
		`SELECT sum(n) FROM ledger WHERE state = 'forgotten'`:                             messages,
		`SELECT sum(n) FROM ledger WHERE state = 'pending'`:                               messages,
		`SELECT count(*) FROM body`:                                                       messages,
	} {
		if got := count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

// One process forgets while others accept, assemble and deliver for the same person.
func TestForgettingBesideReplicasThatWorkForTheSamePersonLosesNobodyElse(t *testing.T) {
	t.Parallel()
	stores, count := openReplicas(t, 3)
	const messages = 120
	var work sync.WaitGroup
	fenced := func(err error) {
		if err != nil && !errors.Is(err, ErrFenced) {
			t.Error(err)
		}
	}
	for n, customer := range []string{"anna", "berta"} {
		work.Go(func() {
			for i := range messages {
				_, err := stores[n].Accept(t.Context(), personMessage(customer, i))
				fenced(err)
			}
		})
	}
	for _, s := range stores[:2] {
		work.Go(func() {
			for range messages / 2 {
				due, err := s.ClaimDue(t.Context(), 5, time.Minute)
				fenced(err)
				for _, sub := range due {
					a := Assembly{Subject: sub, Parts: []Part{{Signal: "traces", Body: []byte("request")}}}
					fenced(s.Members(t.Context(), sub, func(m Member) error { a.Members = append(a.Members, m.EventID); return nil }))
					fenced(s.Assemble(t.Context(), a))
				}
				requests, err := s.ClaimRequests(t.Context(), "traces", 0, 5, time.Minute)
				fenced(err)
				for _, r := range requests {
					fenced(s.Settle(t.Context(), []Settlement{{Request: r, Verdict: VerdictDone}}))
				}
			}
		})
	}
	work.Go(func() {
		for range 5 {
			if _, err := stores[2].Forget(t.Context(), Person{Source: "s", Customer: "anna"}); err != nil && !errors.Is(err, ErrNoSource) {
				t.Error(err)
			}
		}
	})
	work.Wait()
	if _, err := stores[2].Forget(t.Context(), Person{Source: "s", Customer: "anna"}); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{
		`SELECT count(DISTINCT customer_key) FROM event`:                                                                   1,
		`SELECT count(*) FROM event WHERE customer_key IS NOT NULL`:                                                        messages,
		`SELECT count(*) FROM event`:                                                                                       2 * messages,
		`SELECT sum(n) FROM ledger WHERE state = 'accepted'`:                                                               2 * messages,
		`SELECT sum(n) FROM ledger WHERE state <> 'accepted'`:                                                              2 * messages,
		`SELECT count(*) FROM body b JOIN event e ON e.id = b.event_id`:                                                    messages, // keep_bodies
		`SELECT count(*) FROM body`:                                                                                        messages,
		`SELECT count(*) FROM outbox o LEFT JOIN subject s ON s.id = o.subject_id WHERE s.id IS NULL`:                      0,
		`SELECT count(*) FROM request r LEFT JOIN outbox o ON o.id = r.outbox_id WHERE o.id IS NULL`:                       0,
		`SELECT count(*) FROM event e LEFT JOIN subject s ON s.id = e.subject_id WHERE e.subject_id <> 0 AND s.id IS NULL`: 0,
		`SELECT count(*) FROM (SELECT state FROM event GROUP BY state HAVING count(*) <> (SELECT sum(n) FROM ledger l WHERE l.state = event.state)) wrong`: 0,
	} {
		if got := count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}
