package correlator_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cdr2otel/exporter/internal/correlator"
	"cdr2otel/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is an inbox in memory: it gives each subject out once and keeps what was
// committed.
type shelf struct {
	mu        sync.Mutex
	due       []correlator.Subject
	members   map[string][]correlator.Member
	observed  []correlator.Observation // of every subject
	readError map[string]error
	claimFail int // so many claims fail
	committed chan correlator.Assembly
}

func (s *shelf) Claim(_ context.Context, limit int) ([]correlator.Subject, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claimFail > 0 {
		s.claimFail--
		return nil, time.Time{}, errors.New("database is locked")
	}
	n := min(limit, len(s.due))
	out := s.due[:n]
	s.due = s.due[n:]
	return out, time.Time{}, nil
}

func (s *shelf) Read(_ context.Context, sub correlator.Subject, each func(correlator.Member) error) error {
	name := sub.Handle.(string)
	for _, m := range s.members[name] {
		if err := each(m); err != nil {
			return err
		}
	}
	return s.readError[name]
}

func (s *shelf) Observations(_ context.Context, _ correlator.Subject, each func(correlator.Observation) error) error {
	for _, o := range s.observed {
		if err := each(o); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Commit(_ context.Context, a correlator.Assembly) error {
	s.committed <- a
	return nil
}

func (s *shelf) put(sub correlator.Subject, members ...correlator.Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = append(s.due, sub)
	s.members[sub.Handle.(string)] = members
}

func logKey(logID string) correlator.Hash {
	var h correlator.Hash
	copy(h[:], logID)
	return h
}

// start runs a correlator on an empty shelf and returns both.
func start(t *testing.T) (*shelf, *correlator.Correlator) {
	t.Helper()
	return startWith(t, mapping.EventsSpan, time.Now)
}

func startWith(t *testing.T, events mapping.Events, now func() time.Time) (*shelf, *correlator.Correlator) {
	t.Helper()
	mapper, err := mapping.New(mapping.Config{Source: "default", Events: events})
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{
		members:   map[string][]correlator.Member{},
		readError: map[string]error{},
		committed: make(chan correlator.Assembly),
	}
	c := correlator.New(correlator.Config{
		Inbox:      s,
		Mapper:     func(string) *mapping.Mapper { return mapper },
		LogKey:     logKey,
		MaxRequest: mapping.MaxRequest,
		Batch:      8,
		Poll:       time.Hour,
		Now:        now,
		Logger:     slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, c
}

const (
	cdrBody     = `{"global_session_id":"g","assistant_interaction_summaries":[{"session_id":"s","turns":[{"assistant":{"log_id":"l","start_timestamp":"2024-03-05T15:00:00.150Z","response_milliseconds":420},"request":{"type":"start"},"response":[]}]}]}`
	messageBody = `{"log_id":"l","session_id":"s","request_timestamp":"2024-03-05T15:00:00.160Z"}`
)

func TestACallIsAssembledFromItsRecordAndItsMessages(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	s.put(correlator.Subject{Source: "default", Kind: correlator.Call, Owned: []correlator.Hash{logKey("l")}, Handle: "call"},
		correlator.Member{EventID: 1, CDR: true, Body: []byte(cdrBody)},
		correlator.Member{EventID: 2, Body: []byte(messageBody)})
	c.Due(time.Now())
	a := <-s.committed
	if diff := cmp.Diff([]int64{1, 2}, a.Members); diff != "" {
		t.Error(diff)
	}
	if len(a.Requests) != 1 || a.DeadReason != "" {
		t.Errorf("%d requests, dead reason %q; want one request", len(a.Requests), a.DeadReason)
	}
	turn, ok := a.Turns[logKey("l")]
	if !ok || turn.SpanID != a.Root.TraceID.Span(mapping.AssistantPath(mapping.TurnPath("l"))) {
		t.Errorf("the turn's anchor is %v, want the invoke_agent span of its log id", turn)
	}
}

func TestWhatCannotBeDecodedBecomesADeadLetterAndTheNextCallFlows(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	s.put(correlator.Subject{Source: "default", Kind: correlator.Call, Handle: "bad"},
		correlator.Member{EventID: 1, CDR: true, Body: []byte(`[]`)})
	s.put(correlator.Subject{Source: "default", Kind: correlator.Call, Handle: "good"},
		correlator.Member{EventID: 2, CDR: true, Body: []byte(cdrBody)})
	c.Due(time.Now())
	got := map[any]string{}
	for range 2 {
		a := <-s.committed
		got[a.Subject.Handle] = a.DeadReason
	}
	if diff := cmp.Diff(map[any]string{"bad": "unmappable", "good": ""}, got); diff != "" {
		t.Error(diff)
	}
}

func TestACallWhoseRecordIsGoneIsADeadLetter(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	s.put(correlator.Subject{Source: "default", Kind: correlator.Call, Handle: "call"},
		correlator.Member{EventID: 2, Body: []byte(messageBody)})
	c.Due(time.Now())
	if a := <-s.committed; a.DeadReason != "unmappable" {
		t.Errorf("dead reason %q, want unmappable", a.DeadReason)
	}
}

func TestAReadErrorLeavesTheCallToItsClaim(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	s.readError["call"] = errors.New("disk")
	s.put(correlator.Subject{Source: "default", Kind: correlator.Call, Handle: "call"})
	s.put(correlator.Subject{Source: "default", Kind: correlator.Conversation, Handle: "next"},
		correlator.Member{EventID: 3, Body: []byte(messageBody)})
	c.Due(time.Now())
	if a := <-s.committed; a.Subject.Handle != "next" {
		t.Errorf("%v was committed, want only the one that could be read", a.Subject.Handle)
	}
}

// Nobody says that the store is back, and the next poll may be an hour away.
func TestAClaimThatFailedIsTriedAgainSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := start(t)
		synctest.Wait() // it found nothing and sleeps
		s.mu.Lock()
		s.claimFail = 3
		s.mu.Unlock()
		s.put(correlator.Subject{Source: "default", Kind: correlator.Conversation, Handle: "overdue"},
			correlator.Member{EventID: 1, Body: []byte(messageBody)})
		began := time.Now()
		c.Due(began)
		if a := <-s.committed; a.Subject.Handle != "overdue" {
			t.Errorf("%v was committed", a.Subject.Handle)
		}
		if took := time.Since(began); took < time.Second || took > 10*time.Second {
			t.Errorf("it was assembled after %v", took)
		}
	})
}

func TestWhatIsDueIsAssembledAtOnceAfterTheClockWasSetForward(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		s, c := startWith(t, mapping.EventsSpan, now)
		synctest.Wait() // it found nothing and sleeps
		ahead.Store(int64(24 * time.Hour))
		s.put(correlator.Subject{Source: "default", Kind: correlator.Conversation, Handle: "due"},
			correlator.Member{EventID: 1, Body: []byte(messageBody)})
		began := time.Now()
		c.Due(now())
		<-s.committed
		if took := time.Since(began); took > 0 {
			t.Errorf("it was assembled after %v", took)
		}
	})
}

func TestAConversationThatACallTookIsCommittedEmpty(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	s.put(correlator.Subject{Source: "default", Kind: correlator.Conversation, Handle: "empty"})
	c.Due(time.Now())
	if a := <-s.committed; len(a.Members)+len(a.Requests) != 0 || a.DeadReason != "" {
		t.Errorf("got %+v, want an empty assembly", a)
	}
}

func TestALogRecordIsMadeOfOneMessageWithTheIDsThatAreKnown(t *testing.T) {
	t.Parallel()
	s, c := startWith(t, mapping.EventsLog, time.Now)
	parent := mapping.SpanRef{TraceID: mapping.TraceID{1}, SpanID: mapping.SpanID{2}}
	s.put(correlator.Subject{Source: "default", Kind: correlator.Record, Parent: parent, Named: true, CallID: "g", Handle: "record"},
		correlator.Member{EventID: 2, Body: []byte(messageBody)})
	c.Due(time.Now())
	a := <-s.committed
	if len(a.Requests) != 1 || a.Requests[0].Signal != "logs" || mapping.CountLogRecords(a.Requests[0].Body) != 1 {
		t.Fatalf("got %+v, want one request of logs with one record", a)
	}
	if a.Root.TraceID != parent.TraceID || a.Root.SpanID != parent.SpanID || a.Overview != nil {
		t.Errorf("it belongs to %v, want %v", a.Root, parent)
	}
}

func TestTheEventsOfACallLeaveInARequestOfTheirOwnWhereTheyAreRecords(t *testing.T) {
	t.Parallel()
	const cdr = `{"global_session_id":"g","call":{"start_timestamp":"2024-03-05T15:00:00Z","stop_timestamp":"2024-03-05T15:01:00Z"}}`
	for events, signals := range map[mapping.Events][]string{
		mapping.EventsSpan: {"traces"},
		mapping.EventsLog:  {"traces", "logs"},
		mapping.EventsBoth: {"traces", "logs"},
	} {
		s, c := startWith(t, events, time.Now)
		s.put(correlator.Subject{Source: "default", Kind: correlator.Call, Handle: "call"}, correlator.Member{EventID: 1, CDR: true, Body: []byte(cdr)})
		c.Due(time.Now())
		a := <-s.committed
		var got []string
		for _, r := range a.Requests {
			got = append(got, r.Signal)
		}
		if diff := cmp.Diff(signals, got); diff != "" {
			t.Errorf("events %v: %s", events, diff)
		}
		if a.Record != (events == mapping.EventsLog) {
			t.Errorf("events %v: messages without a record need one: %v", events, a.Record)
		}
	}
}

func TestWhatWasObservedGoesIntoItsTurnAndAnObservationThatCannotBeReadStays(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	s.observed = []correlator.Observation{
		{ID: 7, Body: []byte(`{`)},
		{ID: 8, Body: []byte(`{"name":"message_processed","session_id":"s","turn_count":{"Value":1,"Valid":true},"size":12}`)},
	}
	s.put(correlator.Subject{Source: "default", Kind: correlator.Call, Owned: []correlator.Hash{logKey("l")}, Handle: "call"},
		correlator.Member{EventID: 1, CDR: true, Body: []byte(cdrBody)},
		correlator.Member{EventID: 2, Body: []byte(messageBody)})
	c.Due(time.Now())
	a := <-s.committed
	if diff := cmp.Diff([]int64{8}, a.Observed); diff != "" {
		t.Error(diff)
	}
	if a.Overview == nil || a.Overview.Turns != 1 {
		t.Errorf("overview %+v, want one turn", a.Overview)
	}
}
