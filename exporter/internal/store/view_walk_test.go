package store

import (
	"context"
	"database/sql"
	"testing"
	"time"
)

// A filter that no index answers looks at a bounded number of rows and says how
// far it came; whoever goes on from there comes to the end.
func TestASearchGoesOnFromWhereItStopped(t *testing.T) {
	t.Parallel()
	const looked, events = 1000, 5000
	s := filled(t, events)
	for name, c := range map[string]struct {
		f           DeliveryFilter
		pages, rows int
	}{
		"a rare source":             {DeliveryFilter{Source: "rare"}, 5, 1},
		"a name that is not there":  {DeliveryFilter{Name: "no_such_event"}, 5, 0},
		"within a time":             {DeliveryFilter{Source: "rare", To: fillStart.Add(looked * fillStep)}, 2, 1},
		"since a time":              {DeliveryFilter{Source: "rare", From: fillStart.Add(4 * looked * fillStep)}, 2, 0},
		"a state and a rare source": {DeliveryFilter{State: StateDead, Source: "rare"}, 1, 0},
	} {
		var before int64
		var rows, pages int
		last := fillStart.Add(events * fillStep)
		for {
			p, err := s.list(t.Context(), c.f, before, 50, looked)
			if err != nil {
				t.Fatal(err)
			}
			pages, rows = pages+1, rows+len(p.Deliveries)
			if before = p.Next; before == 0 {
				break
			}
			if !p.SearchedTo.Before(last) {
				t.Fatalf("%s: searched to %v after %v", name, p.SearchedTo, last)
			}
			last = p.SearchedTo
		}
		if pages != c.pages || rows != c.rows {
			t.Errorf("%s: %d rows on %d pages, want %d on %d", name, rows, pages, c.rows, c.pages)
		}
	}
}

// The same of calls, of which a page looks at fewer.
func TestASearchOfCallsGoesOnFromWhereItStopped(t *testing.T) {
	t.Parallel()
	const looked, calls = 40, 100
	s := filled(t, calls*fillCall)
	for _, f := range []CallFilter{{Kind: SubjectConversation}, {Only: CallsFailed, WorstFirst: true}} {
		var from CallCursor
		rows, pages := 0, 0
		for {
			p, err := s.listCalls(t.Context(), f, from, 50, looked)
			if err != nil {
				t.Fatal(err)
			}
			pages, rows = pages+1, rows+len(p.Calls)
			if from = p.Next; from == (CallCursor{}) {
				break
			}
			if p.SearchedTo.IsZero() {
				t.Fatalf("%+v goes on without saying how far it came", f)
			}
		}
		if pages != 3 || rows != 1 {
			t.Errorf("%+v: %d rows on %d pages, want 1 on 3", f, rows, pages)
		}
	}
}

// Rows within receiptSkew of the bounds are looked at, and none outside of them is
// listed, whatever the order of ids.
func TestATimeRangeIsExact(t *testing.T) {
	t.Parallel()
	const events = 3_000
	s := filled(t, events)
	for _, c := range []struct{ from, to int64 }{{0, events}, {0, 1}, {1234, 1240}, {events - 1, events}, {events, events + 10}, {-10, 0}, {2000, 2000}, {2001, 2000}} {
		f := DeliveryFilter{From: fillStart.Add(time.Duration(c.from) * fillStep), To: fillStart.Add(time.Duration(c.to) * fillStep)}
		p, err := s.Deliveries(t.Context(), f, 0, maxPage)
		if err != nil {
			t.Fatal(err)
		}
		want := min(max(min(c.to, events)-max(c.from, 0), 0), maxPage)
		if int64(len(p.Deliveries)) != want {
			t.Errorf("%+v: %d rows, want %d", c, len(p.Deliveries), want)
		}
		if want > 0 && p.Deliveries[0].ID != min(c.to, events) { // ids begin at 1
			t.Errorf("%+v: the newest is %d", c, p.Deliveries[0].ID)
		}
	}
}

// Bytes that can't be read cost the page those bytes, and no more.
func TestDamagedBytesAreShownAsMissing(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	receipt, err := s.Accept(t.Context(), &Event{Source: "s", Kind: KindCDR, Key: Key("k"), ContentHash: Key("k"), Body: []byte("body"), TraceID: [16]byte{5}})
	if err != nil {
		t.Fatal(err)
	}
	due, err := s.ClaimDue(t.Context(), 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	a := Assembly{Subject: due[0], Members: []int64{receipt.EventID}, Parts: []Part{{Signal: "traces", Body: []byte("one")}, {Signal: "traces", Body: []byte("two")}}}
	if err := s.Assemble(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+s.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{
		`INSERT INTO body (event_id, bytes) VALUES (1, x'ff01')`, // as kept by keep_bodies
		`UPDATE request SET bytes = x'00' WHERE outbox_id = (SELECT min(outbox_id) FROM request)`,
	} {
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	d, ok, err := s.Delivery(t.Context(), receipt.EventID)
	if err != nil || !ok || d.Body != nil || d.KeptBody != 2 || len(d.Requests) != 2 || d.Requests[0].Body != nil || string(d.Requests[1].Body) != "two" {
		t.Errorf("detail: %+v, %v, %v", d, ok, err)
	}
	trace, err := s.Trace(t.Context(), [16]byte{5})
	if err != nil || len(trace.Parts) != 1 || len(trace.Parts[0].Requests) != 2 || trace.Parts[0].Requests[0].Body != nil {
		t.Errorf("trace: %+v, %v", trace, err)
	}
}

// What was evicted is listed still, without its bytes.
func TestAnEvictedTraceSaysSo(t *testing.T) {
	t.Parallel()
	s := filled(t, 2*fillCall)
	request := s.codec.pack([]byte("request"))
	err := s.writer.write(t.Context(), &op{run: func(t *tx) error {
		return t.exec(`INSERT INTO request (outbox_id, bytes) VALUES (1, ?)`, request)
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, evicted := range []bool{false, true} {
		trace, err := s.Trace(t.Context(), fillTrace(0))
		if err != nil || len(trace.Parts) != 1 {
			t.Fatalf("trace: %+v, %v", trace, err)
		}
		if p := trace.Parts[0]; p.Stripped != evicted || len(p.Requests) != 1 || (p.Requests[0].Body == nil) != evicted || len(p.Deliveries) != fillCall {
			t.Errorf("evicted %v: %+v", evicted, p)
		}
		err = s.writer.write(t.Context(), &op{run: func(t *tx) error { _, err := t.strip(100); return err }})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever the size of a trace, a page holds a bounded part of it and says so.
func TestALargeTraceIsShownInPart(t *testing.T) {
	t.Parallel()
	s := filled(t, fillCall)
	parts := maxTraceParts + 1
	request := s.codec.pack(make([]byte, 1<<20))
	err := s.writer.write(context.Background(), &op{run: func(t *tx) error {
		for range parts {
			id, err := t.insertLate(1, nil)
			if err != nil {
				return err
			}
			if err := t.insertPart(id, "traces", 0, 1, request); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	trace, err := s.Trace(t.Context(), fillTrace(0))
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, p := range trace.Parts {
		for _, r := range p.Requests {
			shown += len(r.Body)
		}
	}
	if len(trace.Parts) != maxTraceParts || !trace.MoreParts || shown != maxShown || trace.RequestsLeftOut != parts-maxShown>>20 || trace.Parts[0].Kind != SubjectCall {
		t.Errorf("%d parts (more %v), %d bytes of requests, %d left out", len(trace.Parts), trace.MoreParts, shown, trace.RequestsLeftOut)
	}
}
