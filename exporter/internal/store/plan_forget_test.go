package store

import (
	"context"
	"testing"
	"time"
)

// forgetPlan exercises the statements of Forget.
func forgetPlan(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	message := func(name, session string) *Event {
		return &Event{Source: "p", Kind: KindMessage, Key: Key(name), ContentHash: Key(name), Body: []byte(name), LogKeys: []Hash{Key(name)},
			SIPKey: Key(session), Sessions: []Hash{Key(session)}, Quiet: time.Hour, QuietReason: ReasonWindow, Customer: "c", Caller: "1"}
	}
	conflict := message("p1", "p")
	conflict.ContentHash = Key("other")
	dropped := message("p2", "p")
	dropped.DeadReason, dropped.LogKeys = "unmappable", nil
	cdr := &Event{Source: "p", Kind: KindCDR, Key: Key("p"), ContentHash: Key("p"), Body: []byte("p"), SIPKey: Key("p"), Sessions: []Hash{Key("p")}, LogKeys: []Hash{Key("p1")}}
	for _, e := range []*Event{message("p1", "p"), conflict, dropped, cdr} {
		if _, err := s.Accept(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Observe(ctx, []ObservedEvent{{Source: "p", Session: Key("p"), ReceivedAt: time.Now(), Body: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.FinishForgetting(ctx); err != nil {
		t.Fatal(err)
	}
	f, err := s.Forget(ctx, Person{Source: "p", Customer: "c", Text: "p2"})
	if err != nil || f.Events != 4 {
		t.Fatalf("forgot %+v, %v", f, err)
	}
}
