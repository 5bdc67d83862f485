package store

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"
)

// recordPlan exercises the statements of log records and observations.
type recordPlan struct {
	*testing.T
	s *Store
}

func (p recordPlan) check(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// message of a call, with a log record.
func (p recordPlan) message(name, call string, late LateAs) {
	p.Helper()
	_, err := p.s.Accept(context.Background(), &Event{Source: "r", Kind: KindMessage, Key: Key(name), ContentHash: Key(name), Body: []byte(name),
		LogKeys: []Hash{Key(name)}, SIPKey: Key(call), Sessions: []Hash{Key(call)}, Quiet: time.Hour, QuietReason: ReasonWindow, Late: late, Record: true})
	p.check(err)
}

func (p recordPlan) cdr(call string, logs ...string) {
	p.Helper()
	e := &Event{Source: "r", Kind: KindCDR, Key: Key(call), ContentHash: Key(call), Body: []byte(call), SIPKey: Key(call), Sessions: []Hash{Key(call)}}
	for _, l := range logs {
		e.LogKeys = append(e.LogKeys, Key(l))
	}
	_, err := p.s.Accept(context.Background(), e)
	p.check(err)
}

// claim makes assemblies of what is due, as they would be mapped now.
func (p recordPlan) claim() (records, others []Assembly) {
	p.Helper()
	ctx := context.Background()
	due, err := p.s.ClaimDue(ctx, 100, time.Minute)
	p.check(err)
	for _, sub := range due {
		a := Assembly{Subject: sub, Root: Anchor{SpanID: [8]byte{1}}, Parts: []Part{{Signal: "traces"}}}
		p.check(p.s.Members(ctx, sub, func(m Member) error { a.Members = append(a.Members, m.EventID); return nil }))
		p.check(p.s.Observations(ctx, sub, func(o Observation) error { a.Observed = append(a.Observed, o.ID); return nil }))
		if sub.Kind != SubjectRecord {
			others = append(others, a)
			continue
		}
		a.Parts[0].Signal = "logs"
		records = append(records, a)
	}
	return records, others
}

func (p recordPlan) assemble(assemblies ...Assembly) {
	p.Helper()
	for _, a := range assemblies {
		p.check(p.s.Assemble(context.Background(), a))
	}
}

func (p recordPlan) settle(signal string, verdict Verdict) {
	p.Helper()
	requests, err := p.s.ClaimRequests(context.Background(), signal, 0, 100, time.Minute)
	p.check(err)
	for _, r := range requests {
		p.check(p.s.Settle(context.Background(), []Settlement{{Request: r, Verdict: verdict}}))
	}
}

func exerciseRecords(t *testing.T, s *Store) {
	t.Helper()
	p := recordPlan{t, s}
	p.observe()
	// A conversation, and a call whose messages leave to their records.
	p.message("r1", "p", LateSpan)
	p.cdr("q", "r2", "r3", "r4")
	records, others := p.claim()
	p.assemble(records...)
	p.message("r2", "q", LateRecord)
	refused, _ := p.claim()
	p.assemble(refused...)
	p.settle("logs", VerdictDead)
	p.message("r3", "q", LateRecord)
	done, _ := p.claim()
	p.assemble(done...)
	p.settle("logs", VerdictDone)
	p.message("r4", "q", LateRecord)
	p.assemble(others...)
	p.message("r5", "q", LateRecord)
	dead, _ := p.claim()
	for i := range dead {
		dead[i].DeadReason, dead[i].Parts = "unmappable", nil
	}
	p.assemble(dead...)
	p.check(s.Retry(context.Background(), dead[0].Members[0]))
	p.check(s.Retry(context.Background(), refused[0].Members[0]))
	p.settle("logs", VerdictDone)
	p.unusual()
	p.settle("traces", VerdictDone)
}

func (p recordPlan) observe() {
	p.Helper()
	observed := []ObservedEvent{{Source: "r", Session: Key("q"), Body: []byte("{}")}, {Source: "r", Record: []byte("logs")}}
	for i := range maxChunk {
		observed = append(observed, ObservedEvent{Source: "r", Session: Key("q"), Body: fmt.Append(nil, i)})
	}
	p.check(p.s.Observe(context.Background(), observed))
	p.settle("logs", VerdictDead)
}

// unusual are the statements of what seldom happens.
func (p recordPlan) unusual() {
	p.Helper()
	const nothing = math.MaxInt64
	p.check(p.s.writer.write(context.Background(), &op{run: func(t *tx) error {
		for _, step := range []func() error{
			func() error { return t.deleteRecord(Subject{ID: nothing}) },
			func() error { return t.expireRecord(1) },
			func() error { return t.closeEmpty(nothing) },
			func() error { return t.recordMembers(Subject{ID: nothing}) },
			func() error { return t.leaveToRecord(Subject{Source: "r"}, member{id: nothing, record: recordedDone}) },
			func() error { return t.leaveToRecord(Subject{Source: "r"}, member{id: nothing}) },
			func() error { _, err := t.deleteBodies(nothing, 1); return err },
			func() error { _, err := t.evictObservations(1); return err },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}}))
}
