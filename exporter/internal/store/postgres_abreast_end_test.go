package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// endBatch assembles what is due in one batch, or each in its own, and settles its
// requests at once or one by one, until nothing is left. It tells what was answered.
func endBatch(t *testing.T, s *Store, together bool) (outcomes []string) {
	t.Helper()
	note := func(what string, err error) { outcomes = append(outcomes, fmt.Sprint(what, ": ", err)) }
	for round := 0; ; round++ {
		due, err := s.ClaimDue(t.Context(), 100, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			slices.Sort(outcomes)
			return outcomes
		}
		assemblies := endings(t, s, due)
		if round == 0 { // after the members were read
			for call, late := range []LateAs{LateSpan, LateDrop, LateRecord} {
				e := abreastMessage(fmt.Sprint("call ", call), fmt.Sprint("call ", call, ".3"))
				e.Late = late
				if _, err := s.Accept(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
		}
		release := func() {}
		if together {
			release = hold(t, s)
		}
		var waits []func() error
		for _, a := range assemblies {
			wait := handOver(s, s.assembly(a))
			if !together {
				err := wait()
				wait = func() error { return err }
			}
			waits = append(waits, wait)
		}
		release()
		for i, wait := range waits {
			note(fmt.Sprintf("%s %s", assemblies[i].Subject.Kind, assemblies[i].Subject.CallID), wait())
		}
		settleEnds(t, s, together)
	}
}

// endings are one of each: a call twice, of which the second is fenced; without
// requests; with a member that it has not; not mappable; its messages in records alone.
func endings(t *testing.T, s *Store, due []Subject) (all []Assembly) {
	t.Helper()
	for _, sub := range due {
		a := Assembly{Subject: sub, Root: Anchor{SpanID: [8]byte{1}, Start: 1, End: 2}}
		a.Parts = []Part{{Signal: "traces", Body: []byte("spans")}, {Signal: "traces", Body: []byte("more spans")}, {Signal: "logs", Body: []byte("logs")}}
		if sub.Kind == SubjectRecord {
			a.Parts = a.Parts[2:]
		}
		for i, key := range sub.Owned {
			a.Turns = append(a.Turns, TurnAnchor{LogKey: key, Anchor: Anchor{SpanID: [8]byte{2}, Start: uint64(i), End: uint64(i)}})
		}
		if err := s.Members(t.Context(), sub, func(m Member) error { a.Members = append(a.Members, m.EventID); return nil }); err != nil {
			t.Fatal(err)
		}
		switch string(sub.CallID) {
		case "call 4":
			if sub.Kind == SubjectCall {
				all = append(all, a)
			}
		case "call 5":
			a.Parts = nil
		case "call 6":
			a.Members = append(a.Members, 1<<40)
		case "call 7":
			a.DeadReason, a.DeadDetail = "unmappable", "no"
		case "call 8":
			a.Record = true
		}
		all = append(all, a)
	}
	return all
}

// settleEnds settles all requests there are, but for one of which the claim was lost.
func settleEnds(t *testing.T, s *Store, together bool) {
	t.Helper()
	var done []Settlement
	for _, signal := range []string{"traces", "logs"} {
		requests, err := s.ClaimRequests(t.Context(), signal, 0, 100, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range requests {
			done = append(done, Settlement{Request: r, Verdict: VerdictDone})
		}
	}
	if len(done) == 0 {
		return
	}
	lost := done[0]
	lost.Request.Token[15]++
	var fenced *FencedError
	if !together {
		for _, d := range done[1:] {
			if err := s.Settle(t.Context(), []Settlement{d}); err != nil {
				t.Error(err)
			}
		}
		done = nil
	}
	if len(done) > 0 {
		done = done[1:]
	}
	err := s.Settle(t.Context(), append(done, lost))
	if !errors.As(err, &fenced) || !slices.Equal(fenced.Requests, []int64{lost.Request.ID}) {
		t.Errorf("settle with one lost claim: %v %+v", err, fenced)
	}
}

func TestABatchOfAssembliesAndOfSettlementsEndsAsIfTheyHadComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	var outcomes, rows [2][]string
	for i, together := range []bool{false, true} {
		at, db := NewTestSchema(t)
		s := openReplica(t, at)
		for n := range 12 {
			call := fmt.Sprint("call ", n)
			recorded := abreastMessage(call, call+".2")
			recorded.Record = n%2 == 1
			cdr := abreastMessage(call, call)
			cdr.Kind, cdr.CallID, cdr.Grace, cdr.NotExpected = KindCDR, []byte(call), time.Hour, true
			cdr.LogKeys = []Hash{Key(call + ".1"), Key(call + ".2"), Key(call + ".3")}
			takeIn(t, s, false, []*Event{abreastMessage(call, call+".1"), recorded})
			if n < 10 {
				takeIn(t, s, false, []*Event{cdr})
			}
		}
		if _, err := db.Exec(`UPDATE subject SET due_at = 1, not_before = 0 WHERE state = 'open'`); err != nil { // the conversations too
			t.Fatal(err)
		}
		failed := watch(t, s)
		outcomes[i] = endBatch(t, s, together)
		rows[i] = contents(t, db)
		if n := failed.deadlocks.Load() + failed.others.Load(); n > 0 {
			t.Errorf("%d transactions were undone", n)
		}
	}
	for _, all := range [][2][]string{outcomes, rows} {
		if !slices.Equal(all[0], all[1]) {
			t.Errorf("abreast\n%s\none after the other\n%s", strings.Join(all[1], "\n"), strings.Join(all[0], "\n"))
		}
	}
	if n := len(outcomes[1]) - len(slices.DeleteFunc(slices.Clone(outcomes[1]), func(o string) bool { return strings.Contains(o, ErrFenced.Error()) })); n != 2 {
		t.Errorf("%d assemblies were fenced, want 2: %q", n, outcomes[1])
	}
}
