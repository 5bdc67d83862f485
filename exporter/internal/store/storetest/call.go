package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var callTests = map[string]func(*testing.T, Factory){
	"a call is due at once when its last message is there":                     callCompletes,
	"a call whose messages all came before it is due at once":                  messagesFirst,
	"every order of a call's webhooks gives the same members":                  everyOrder,
	"a call waits its grace for a missing message and no longer":               graceEnds,
	"a call without log ids is complete at once":                               nothingToWaitFor,
	"a source configured without message logs is not waited for":               notExpected,
	"a source that sent no message log for an hour is not waited for":          silentSource,
	"a source that is not known for an hour is waited for":                     newSource,
	"a message that no turn names joins by its SIP Call-ID":                    joinsBySIP,
	"a message that no turn names joins by its session":                        joinsBySession,
	"a message that came first under another session joins by its log id":      joinsByLogElsewhere,
	"the first CDR that names a log id owns it":                                firstOwns,
	"the first CDR that names a session gets its unnamed messages":             firstAlias,
	"a log id binds closer than a session, whatever comes first":               logBeforeSession,
	"a call takes messages out of a claimed conversation, whose claim is lost": takesFromClaimed,
	"what a call leaves in a claimed conversation can be claimed at once":      restOfClaimed,
	"the first CDR that names a Call-ID gets its unnamed messages":             firstSIP,
	"a message is found by its log id, whatever its key is":                    keyIsLogID,
	"a call finds messages by a Call-ID that came later in their session":      laterSIP,
	"calls of two sources never share a message":                               sourcesApart,
	"a CDR after its messages left counts them as present and links":           orphanLinks,
	"a CDR with far more log ids than a call can have is taken":                manyLogs,
}

func callCompletes(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1", "2"), message("A", "1"))
	b.claimNone()
	b.accepts(message("A", "2"))
	b.due.await(t)
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.members(s, "cdr A", "message 1", "message 2")
	if s.Source != "s" || string(s.CallID) != "A" || s.TraceID != cdr("A").TraceID {
		t.Errorf("subject does not say whose it is: %+v", s)
	}
	if diff := cmp.Diff([]store.Hash{logKey("1"), logKey("2")}, s.Owned); diff != "" {
		t.Errorf("owned (-want +got):\n%s", diff)
	}
	b.assemble(b.assembly(s))
	b.sent.await(t)
	b.ledger(map[store.State]int64{store.StatePending: 3})
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	b.ledger(map[store.State]int64{store.StateExported: 3})
}

func messagesFirst(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), message("A", "2"))
	b.claimNone()
	b.accepts(cdr("A", "1", "2"))
	b.due.await(t)
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1", "message 2")
	b.clock.advance(2 * quiet)
	if _, ok, err := b.NextDue(b.ctx()); !ok || err != nil {
		t.Errorf("the call is claimed, so something is due: %v, %v", ok, err)
	}
}

func everyOrder(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for n, order := range permutations(4) {
		call := fmt.Sprint("call", n)
		one, two := fmt.Sprint(n, ".1"), fmt.Sprint(n, ".2")
		unnamed := with(message(call, fmt.Sprint(n, ".x")), func(e *store.Event) { e.Sessions = nil })
		// Receipt times say in which order Members gives them, not acceptance.
		events := []*store.Event{cdr(call, one, two), at(message(call, one), 1), at(message("other"+call, two), 2), at(unnamed, 3)}
		for _, i := range order {
			b.accepts(events[i])
		}
		// The last of the two named messages, or the CDR, made it due; the
		// unnamed one may still have been on its way.
		s := b.claimOne(store.SubjectCall, store.ReasonComplete)
		b.members(s, "cdr "+call, "message "+one, "message "+two, "message "+fmt.Sprint(n, ".x"))
		b.assemble(b.assembly(s))
	}
	b.clock.advance(2 * quiet)
	b.claimNone()
}

func graceEnds(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1", "2"), message("A", "1"))
	next, ok, err := b.NextDue(b.ctx())
	if err != nil || !ok || !next.Equal(start.Add(grace)) {
		t.Fatalf("next due %v, %v, %v; want %v", next, ok, err, start.Add(grace))
	}
	b.clock.advance(grace - time.Nanosecond)
	b.claimNone()
	b.clock.advance(time.Nanosecond)
	s := b.claimOne(store.SubjectCall, store.ReasonGrace)
	b.members(s, "cdr A", "message 1")
	if !s.DueAt.Equal(next) {
		t.Errorf("due at %v, want %v", s.DueAt, next)
	}
}

func nothingToWaitFor(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A")
}

func notExpected(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(with(cdr("A", "1"), func(e *store.Event) { e.NotExpected = true }))
	b.due.await(t)
	b.claimOne(store.SubjectCall, store.ReasonNotExpected)
}

func silentSource(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("early", "0"))
	b.clock.advance(time.Hour + time.Minute)
	b.restart() // the rule must not rest on memory
	b.accepts(cdr("A", "1"))
	b.claimOne(store.SubjectCall, store.ReasonNotExpected)
	b.accepts(message("B", "2"))
	b.accepts(cdr("B", "2", "3"))
	b.claimNone()
}

func newSource(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1"))
	b.claimNone()
	b.clock.advance(30 * time.Minute)
	b.accepts(cdr("B", "2"))
	b.claimOne(store.SubjectCall, store.ReasonGrace) // A
}

func joinsBySIP(t *testing.T, factory Factory) {
	for _, order := range permutations(2) {
		b := setup(t, factory)
		unnamed := with(message("A", "x"), func(e *store.Event) { e.Sessions = []store.Hash{sessionKey("unheard of")} })
		events := []*store.Event{cdr("A", "1"), unnamed}
		b.accepts(events[order[0]], events[order[1]], message("A", "1"))
		b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message x", "message 1")
		b.clock.advance(2 * quiet)
	}
}

func joinsBySession(t *testing.T, factory Factory) {
	for _, order := range permutations(2) {
		b := setup(t, factory)
		unnamed := with(message("A", "x"), func(e *store.Event) { e.SIPKey = store.Hash{} })
		events := []*store.Event{cdr("A", "1"), unnamed}
		b.accepts(events[order[0]], events[order[1]], message("A", "1"))
		b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message x", "message 1")
	}
}

func joinsByLogElsewhere(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("elsewhere", "1"), message("elsewhere", "2"), cdr("A", "1"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1")
	b.clock.advance(quiet)
	for _, s := range b.claim() {
		if s.Kind == store.SubjectConversation {
			b.members(s, "message 2")
			return
		}
	}
	t.Error("the other message of that conversation is gone")
}

func firstOwns(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1", "2"), cdr("B", "2", "3"), message("B", "2"), message("B", "3"))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	if diff := cmp.Diff([]store.Hash{logKey("3")}, s.Owned); diff != "" {
		t.Errorf("B owns (-want +got):\n%s", diff)
	}
	b.members(s, "cdr B", "message 3")
	b.assemble(b.assembly(s))
	b.accepts(message("A", "1"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 2", "message 1")
}

func firstAlias(t *testing.T, factory Factory) {
	b := setup(t, factory)
	shares := func(e *store.Event) { e.Sessions, e.SIPKey = []store.Hash{sessionKey("shared")}, store.Hash{} }
	b.accepts(with(cdr("A", "1"), shares), with(cdr("B", "2"), shares), with(message("?", "x"), shares), message("B", "2"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr B", "message 2")
	b.accepts(message("A", "1"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message x", "message 1")
}

func logBeforeSession(t *testing.T, factory Factory) {
	for _, order := range permutations(3) {
		b := setup(t, factory)
		shares := func(e *store.Event) { e.Sessions, e.SIPKey = []store.Hash{sessionKey("shared")}, store.Hash{} }
		events := []*store.Event{with(cdr("A", "1"), shares), cdr("B", "2"), with(message("?", "2"), shares)}
		for _, i := range order {
			b.accepts(events[i])
		}
		b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr B", "message 2")
		b.accepts(message("A", "1"))
		b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1")
	}
}

func takesFromClaimed(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), message("A", "2"))
	b.clock.advance(quiet)
	conversation := b.assembly(b.claimOne(store.SubjectConversation, store.ReasonWindow))
	b.accepts(cdr("A", "1", "2"))
	if err := b.Assemble(b.ctx(), conversation); err != store.ErrFenced {
		t.Fatalf("assemble what a call took: %v, want ErrFenced", err)
	}
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1", "message 2")
}

func restOfClaimed(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("S", "1"), message("S", "2"))
	b.clock.advance(quiet)
	a := b.assembly(b.claimOne(store.SubjectConversation, store.ReasonWindow))
	b.accepts(cdr("A", "1"))
	if err := b.Assemble(b.ctx(), a); err != store.ErrFenced {
		t.Fatalf("assemble what a call took: %v, want ErrFenced", err)
	}
	for _, s := range b.claim() {
		if s.Kind == store.SubjectConversation {
			b.members(s, "message 2")
			return
		}
	}
	t.Error("the rest of the conversation is still claimed")
}

func firstSIP(t *testing.T, factory Factory) {
	b := setup(t, factory)
	shares := func(e *store.Event) { e.Sessions, e.SIPKey = nil, sipKey("shared") }
	b.accepts(with(cdr("A", "1"), shares), with(cdr("B", "2"), shares), with(message("?", "x"), shares), message("B", "2"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr B", "message 2")
	b.accepts(message("A", "1"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message x", "message 1")
}

func keyIsLogID(t *testing.T, factory Factory) {
	b := setup(t, factory)
	other := func(e *store.Event) { e.Key = store.Key("another way to hash", e.LogID) }
	b.accepts(with(message("elsewhere", "1"), other), cdr("A", "1", "2"), with(message("A", "2"), other))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1", "message 2")
	b.accept(store.OutcomeDuplicate, message("A", "2"))
}

func laterSIP(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(with(message("S", "1"), func(e *store.Event) { e.SIPKey = store.Hash{} }))
	b.accepts(with(message("S", "2"), func(e *store.Event) { e.SIPKey = sipKey("A") }))
	b.accepts(cdr("A"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 2")
}

func sourcesApart(t *testing.T, factory Factory) {
	b := setup(t, factory)
	other := with(message("A", "1"), func(e *store.Event) { e.Source = "other" })
	b.accepts(other, cdr("A", "1"))
	b.claimNone()
	b.accepts(message("A", "1"))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.members(s, "cdr A", "message 1")
}

func orphanLinks(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), message("A", "x"))
	b.clock.advance(quiet)
	first := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	b.assemble(b.assembly(first))
	b.accepts(message("elsewhere", "2"))
	b.clock.advance(quiet)
	second := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	b.assemble(b.assembly(second))
	b.accepts(message("A", "3"))

	b.accepts(cdr("A", "1", "2", "3"))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.members(s, "cdr A", "message 3")
	if diff := cmp.Diff([]store.Anchor{rootOf(first), rootOf(second)}, s.Orphaned); diff != "" {
		t.Errorf("orphaned (-want +got):\n%s", diff)
	}
	b.drain()
}

func manyLogs(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var logs []string
	for i := range 10_000 {
		logs = append(logs, fmt.Sprint("log ", i))
	}
	b.accepts(cdr("A", logs...), message("A", "log 9999"), message("A", "log 0"))
	b.clock.advance(grace)
	s := b.claimOne(store.SubjectCall, store.ReasonGrace)
	b.members(s, "cdr A", "message log 9999", "message log 0")
	b.assemble(b.assembly(s))
	b.drain()
	b.clock.advance(b.cfg.Retention)
	b.sweep()
}

// at moves the receipt of an event.
func at(e *store.Event, seconds int) *store.Event {
	e.ReceivedAt = e.ReceivedAt.Add(time.Duration(seconds) * time.Second)
	return e
}

// permutations of 0 … n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, shorter := range permutations(n - 1) {
		for i := range n {
			p := append(append(append([]int{}, shorter[:i]...), n-1), shorter[i:]...)
			all = append(all, p)
		}
	}
	return all
}
