package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var answeredTests = map[string]func(*testing.T, Factory){
	"refused requests are sampled in a ring":                        refusals,
	"answers are counted by minute, and a restart changes nothing":  answeredByMinute,
	"answers of processes that share the store add up":              answeredByAll,
	"a store that is full counts what it refuses, and lists it":     answeredWhenFull,
	"answers are counted for a day, then they go":                   answeredGo,
	"what strangers wrote into a refused request is stored bounded": answeredStrangers,
}

func refused401(source, client string, at time.Time) store.Answer {
	return store.Answer{At: at, Source: source, Outcome: "unauthorized", Reason: "credentials", Status: 401, ClientAddress: client}
}

func refusals(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i := range 5000 {
		b.Answered(refused401(fmt.Sprint("source ", i%100), fmt.Sprint("203.0.113.", i%256), b.clock.Now()))
	}
	b.restart()
	b.Answered(refused401("s", "203.0.113.7", b.clock.Now()))
	b.restart()
	b.ledger(map[store.State]int64{})
	var n int64
	for _, c := range b.refused(start) {
		n += c.N
	}
	if n != 5001 {
		t.Errorf("%d are counted, want 5001", n)
	}
}

func (b *bundle) answers(since time.Time) []store.AnswerCount {
	b.t.Helper()
	counts, err := b.Answers(b.ctx(), since)
	if err != nil {
		b.t.Fatal(err)
	}
	return counts
}

func (b *bundle) refused(since time.Time) []store.AnswerCount {
	b.t.Helper()
	counts, err := b.Refused(b.ctx(), since)
	if err != nil {
		b.t.Fatal(err)
	}
	return counts
}

func answeredByMinute(t *testing.T, factory Factory) {
	b := setup(t, factory)
	accepted := store.Answer{Source: "s", Outcome: "accepted"}
	at := func(a store.Answer, after time.Duration) store.Answer {
		a.At = start.Add(after)
		return a
	}
	say := func() {
		for range 3 {
			b.Answered(at(accepted, time.Second))
		}
		b.Answered(at(accepted, 59*time.Second))
		b.Answered(at(accepted, time.Minute))
		b.Answered(at(refused401("s", "203.0.113.1", time.Time{}), time.Minute))
		b.Answered(at(refused401("s", "203.0.113.2", time.Time{}), 2*time.Minute))
		b.Answered(at(refused401("t", "203.0.113.2", time.Time{}), 2*time.Minute))
	}
	look := func(times int64) {
		t.Helper()
		count := func(minute int, source, outcome, reason string, n int64) store.AnswerCount {
			return store.AnswerCount{Minute: start.Add(time.Duration(minute) * time.Minute), Source: source, Outcome: outcome, Reason: reason, N: times * n}
		}
		want := []store.AnswerCount{
			count(0, "s", "accepted", "", 4), count(1, "s", "accepted", "", 1), count(1, "s", "unauthorized", "credentials", 1),
			count(2, "s", "unauthorized", "credentials", 1), count(2, "t", "unauthorized", "credentials", 1),
		}
		if diff := cmp.Diff(want, b.answers(start)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want[3:], b.answers(start.Add(2*time.Minute+30*time.Second))); diff != "" {
			t.Errorf("answers of the last minute (-want +got):\n%s", diff)
		}
		sum := []store.AnswerCount{
			{Source: "s", Outcome: "unauthorized", Reason: "credentials", N: 2 * times}, {Source: "t", Outcome: "unauthorized", Reason: "credentials", N: times},
		}
		if diff := cmp.Diff(sum, b.refused(start)); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
	}
	say()
	look(1)
	b.restart()
	look(1)
	say()
	look(2)
	b.restart()
	look(2)
}

// Where only one process may open the store the second is told so.
func answeredByAll(t *testing.T, factory Factory) {
	b := setup(t, factory)
	other, err := store.Open(b.ctx(), b.cfg)
	if err != nil {
		return
	}
	defer func() {
		if err := other.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	}()
	for range 100 {
		b.Answered(refused401("s", "203.0.113.1", start))
		other.Answered(refused401("s", "203.0.113.1", start))
	}
	b.restart()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if got := b.refused(start); len(got) != 1 || got[0].N != 200 {
		t.Errorf("refused: %+v, want 200", got)
	}
}

func answeredGo(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for minute := range 3 {
		for source := range 40 {
			b.Answered(store.Answer{At: start.Add(time.Duration(minute) * time.Minute), Source: fmt.Sprint("s", source), Outcome: "accepted"})
		}
	}
	b.restart()
	b.clock.advance(25 * time.Hour)
	if n := b.sweep(); n != 0 {
		t.Errorf("swept %d rows too early", n)
	}
	b.clock.advance(2 * time.Minute)
	if n := b.sweep(); n != 80 {
		t.Errorf("swept %d rows, want 80", n)
	}
	if n := b.db.Count(t, "answer"); n != 40 {
		t.Errorf("%d rows are left, want 40", n)
	}
}

func answeredStrangers(t *testing.T, factory Factory) {
	b := setup(t, factory)
	wild := "\x00\xff\u202e" + string(make([]byte, 1000))
	a := refused401("s", wild, start)
	a.Path, a.AskedSource, a.UserAgent = wild, wild, wild
	b.Answered(a)
	b.restart()
	found, err := b.Refusals(b.ctx(), "", 10)
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, text := range []string{found[0].ClientAddress, found[0].Path, found[0].AskedSource, found[0].UserAgent} {
		if len(text) > 256 {
			t.Errorf("%d bytes are stored", len(text))
		}
	}
}

func answeredWhenFull(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	fill(b, func(i int) *store.Event { return large(cdr(fmt.Sprint("call ", i))) })
	b.Answered(store.Answer{At: start, Source: "s", Outcome: "refused", Reason: "store_unavailable", Status: 503})
	want := []store.AnswerCount{{Source: "s", Outcome: "refused", Reason: "store_unavailable", N: 1}}
	if diff := cmp.Diff(want, b.refused(start)); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if found, err := b.Refusals(b.ctx(), "s", 10); err != nil || len(found) != 1 || found[0].Status != 503 {
		t.Errorf("listed %+v, %v", found, err)
	}
	b.restart()
	if diff := cmp.Diff(want, b.refused(start)); diff != "" {
		t.Errorf("refused, after a restart (-want +got):\n%s", diff)
	}
}
