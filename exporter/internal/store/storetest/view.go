package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var viewTests = map[string]func(*testing.T, Factory){
	"the delivery log lists what is known of an event":                    viewRow,
	"pages neither repeat nor leave out an event while others arrive":     viewPages,
	"a pending event says until when it waits":                            viewPending,
	"a late message is listed with its span once it is assembled":         viewLate,
	"a dropped message leads to the call it came too late for":            viewDropped,
	"a dead letter says why, a refused one with its last error":           viewDead,
	"a dead letter whose time was up is expired, without its body":        viewExpired,
	"a detail shows headers, body while it is kept, and requests":         viewDetail,
	"a detail of a message shows its log record's request too":            viewRecordDetail,
	"there is no detail of an event that is not there":                    viewNoDetail,
	"a receipt names the row of the event, of a duplicate the first one":  viewReceipt,
	"how long the answer took is listed, also after a restart":            viewTook,
	"refused requests are listed newest first, of one source or all":      viewRefusals,
	"what is gone with its retention is not listed, and pages go past it": viewRetention,
}

func (b *bundle) deliveries(f store.DeliveryFilter) []store.Delivery {
	b.t.Helper()
	p, err := b.Deliveries(b.ctx(), f, 0, 500)
	if err != nil {
		b.t.Fatalf("deliveries: %v", err)
	}
	if p.Next != 0 || !p.SearchedTo.IsZero() {
		b.t.Fatalf("a page of %d deliveries goes on at %d, searched to %v; want all of them", len(p.Deliveries), p.Next, p.SearchedTo)
	}
	return p.Deliveries
}

// delivery is the one of a log id or, without, of the CDR.
func (b *bundle) delivery(f store.DeliveryFilter, log string) store.Delivery {
	b.t.Helper()
	var found []store.Delivery
	for _, d := range b.deliveries(f) {
		if d.LogID == log {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		b.t.Fatalf("%d deliveries of %q, want one: %+v", len(found), log, found)
	}
	return found[0]
}

func (b *bundle) detail(id int64) store.DeliveryDetail {
	b.t.Helper()
	d, ok, err := b.Delivery(b.ctx(), id)
	if err != nil || !ok {
		b.t.Fatalf("delivery %d: %v, %v", id, ok, err)
	}
	return d
}

// receipt accepts an event and tells its row.
func (b *bundle) receipt(e *store.Event) int64 {
	b.t.Helper()
	r, err := b.Accept(b.ctx(), e)
	if err != nil {
		b.t.Fatal(err)
	}
	return r.EventID
}

func viewRow(t *testing.T, factory Factory) {
	b := setup(t, factory)
	e := with(message("A", "1"), func(e *store.Event) { e.ClientAddress, e.Endpoint = "203.0.113.7", "/webhook/s" })
	id := b.receipt(e)
	b.accept(store.OutcomeDuplicate, e)
	b.accepts(cdr("A", "1"))
	call := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.assemble(b.assembly(call))
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	want := store.Delivery{
		ID: id, Source: "s", Kind: store.KindMessage, Name: "message_logged", SessionID: "A", LogID: "1",
		ClientAddress: "203.0.113.7", Endpoint: "/webhook/s", ReceivedAt: start, Redeliveries: 1, State: store.StateExported,
		SubjectID: call.ID, Subject: store.SubjectCall, SubjectState: store.SubjectAssembled,
		TraceID: rootOf(call).TraceID, SpanID: turnOf(call, logKey("1")).SpanID,
	}
	if diff := cmp.Diff(want, b.delivery(store.DeliveryFilter{}, "1")); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if d := b.delivery(store.DeliveryFilter{}, ""); d.SpanID != rootOf(call).SpanID || d.TraceID != rootOf(call).TraceID || d.Kind != store.KindCDR {
		t.Errorf("the CDR is listed as %+v", d)
	}
}

func viewPages(t *testing.T, factory Factory) {
	b := setup(t, factory)
	n := 0
	more := func() {
		n++
		b.accepts(message(fmt.Sprint("call", n%3), fmt.Sprint(n)))
	}
	for range 25 {
		more()
	}
	for name, f := range map[string]store.DeliveryFilter{
		"all": {}, "by state": {State: store.StatePending}, "by session": {Session: sessionKey("call1")}, "by time": {From: start, To: start.Add(1)},
	} {
		all := b.deliveries(f)
		var got []store.Delivery
		for before := int64(0); ; more() {
			p, err := b.Deliveries(b.ctx(), f, before, 4)
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, p.Deliveries...); p.Next == 0 {
				break
			}
			if before = p.Next; len(p.Deliveries) != 4 {
				t.Errorf("%s: a page of %d in between", name, len(p.Deliveries))
			}
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("%s: pages (-all at once +one after the other):\n%s", name, diff)
		}
	}
}

func viewPending(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"))
	b.clock.advance(time.Minute)
	b.accepts(message("A", "2"), cdr("B", "3"))
	if d := b.delivery(store.DeliveryFilter{}, "1"); d.State != store.StatePending || d.Subject != store.SubjectConversation ||
		d.SubjectState != store.SubjectOpen || !d.DueAt.Equal(b.clock.Now().Add(quiet)) || d.TraceID != [16]byte{} || d.SpanID != [8]byte{} || d.KeptBody == 0 {
		t.Errorf("a message of an open conversation is listed as %+v", d)
	}
	if d := b.delivery(store.DeliveryFilter{}, ""); d.Subject != store.SubjectCall || !d.DueAt.Equal(b.clock.Now().Add(grace)) ||
		d.TraceID != cdr("B").TraceID || d.SpanID != [8]byte{} {
		t.Errorf("a call that waits is listed as %+v", d)
	}
	b.clock.advance(grace)
	b.assemble(b.assembly(b.claimOne(store.SubjectCall, store.ReasonGrace)))
	if d := b.delivery(store.DeliveryFilter{}, ""); d.State != store.StatePending || d.SubjectState != store.SubjectAssembled || !d.DueAt.IsZero() {
		t.Errorf("a call that is not delivered is listed as %+v", d)
	}
}

func viewLate(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call := assembled(b, "A", "1")
	b.accepts(message("A", "1"))
	if d := b.delivery(store.DeliveryFilter{}, "1"); d.Subject != store.SubjectLate || d.TraceID != rootOf(call).TraceID || d.SpanID != [8]byte{} {
		t.Errorf("a late message is listed as %+v", d)
	}
	late := b.claimOne(store.SubjectLate, store.ReasonLate)
	a := b.assembly(late)
	a.Root.TraceID = rootOf(call).TraceID
	b.assemble(a)
	if d := b.delivery(store.DeliveryFilter{}, "1"); d.SpanID != a.Root.SpanID || d.TraceID != rootOf(call).TraceID {
		t.Errorf("an assembled late message is listed as %+v", d)
	}
}

func viewDropped(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call := assembled(b, "A", "1")
	b.accepts(with(message("A", "1"), dropLate))
	d := b.delivery(store.DeliveryFilter{State: store.StateDropped}, "1")
	if d.Reason != "late" || !d.EndedAt.Equal(start) || d.SubjectID != 0 || d.TraceID != rootOf(call).TraceID || d.KeptBody != 0 {
		t.Errorf("a dropped message is listed as %+v", d)
	}
}

func viewDead(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	b.accept(store.OutcomeConflict, altered(cdr("A")))
	b.accept(store.OutcomeUnsupported, with(message("X", "9"), func(e *store.Event) {
		e.Kind, e.Name, e.DeadReason, e.DeadDetail = store.KindOther, "call_exploded", "unsupported", "this release knows no event of that name"
	}))
	b.assemble(b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete)))
	b.settle(store.VerdictDead, b.oneRequest("traces"))
	b.accepts(cdr("unmappable"))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.DeadReason, a.DeadDetail = "unmappable", "no start time"
	b.assemble(a)
	got := make(map[string]string)
	for _, d := range b.deliveries(store.DeliveryFilter{State: store.StateDead}) {
		if d.EndedAt.IsZero() || d.KeptBody == 0 && d.Reason != "refused" {
			t.Errorf("a dead letter is listed as %+v", d)
		}
		got[d.Reason] = d.Detail
	}
	want := map[string]string{
		"conflict": "another event with this id and other content was accepted before", "unsupported": "this release knows no event of that name",
		"refused": "the back end said no", "unmappable": "no start time",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	requests := b.detail(b.deliveries(store.DeliveryFilter{Call: store.Key("cdr", "A"), State: store.StateDead})[1].ID).Requests
	if len(requests) != 1 || requests[0].State != store.RequestDead || requests[0].LastError != "the back end said no" {
		t.Errorf("requests of a refused call: %+v", requests)
	}
}

func viewExpired(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accept(store.OutcomeUnsupported, with(message("A", "1"), func(e *store.Event) { e.DeadReason, e.DeadDetail = "unmappable", "no" }))
	b.clock.advance(b.cfg.DeadLetterRetention)
	b.sweep()
	d := b.delivery(store.DeliveryFilter{State: store.StateExpired}, "1")
	if d.Reason != "unmappable" || d.KeptBody != 0 || b.detail(d.ID).Body != nil {
		t.Errorf("an expired letter is listed as %+v", d)
	}
}

func viewDetail(t *testing.T, factory Factory) {
	b := setup(t, factory, func(c *store.Config) { c.KeepBodies = time.Hour })
	id := b.receipt(with(cdr("A"), func(e *store.Event) { e.RequestHeaders = []byte(`{"authorization":"[redacted]"}`) }))
	if d := b.detail(id); string(d.Body) != "cdr A" || string(d.RequestHeaders) != `{"authorization":"[redacted]"}` || len(d.Requests) != 0 || !d.AssembledAt.IsZero() {
		t.Errorf("detail of what is pending: %+v", d)
	}
	call := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.assemble(b.assembly(call))
	want := []store.StoredRequest{{ID: 1, SubjectID: call.ID, Signal: "traces", State: store.RequestPending, CreatedAt: start, Body: requestOf(call)}}
	d := b.detail(id)
	if diff := cmp.Diff(want, d.Requests); diff != "" || string(d.Body) != "cdr A" || !d.AssembledAt.Equal(start) || !d.SettledAt.IsZero() {
		t.Errorf("detail of what is assembled: %+v\n%s", d, diff)
	}
	b.drain()
	b.clock.advance(time.Hour)
	b.sweep()
	d = b.detail(id)
	if d.Body != nil || d.KeptBody != 0 || !d.SettledAt.Equal(start) || len(d.Requests) != 1 || d.Requests[0].State != store.RequestDone || string(d.Requests[0].Body) != string(requestOf(call)) {
		t.Errorf("detail of what is delivered: %+v", d)
	}
}

func viewRecordDetail(t *testing.T, factory Factory) {
	b := setup(t, factory)
	id := b.receipt(recorded(message("A", "1")))
	s := b.record()
	b.assemble(b.assembly(s))
	d := b.detail(id)
	if d.Subject != store.SubjectConversation || len(d.Requests) != 1 || d.Requests[0].Signal != "logs" || d.Requests[0].SubjectID != s.ID ||
		string(d.Requests[0].Body) != string(requestOf(s)) {
		t.Errorf("detail of a recorded message: %+v", d)
	}
}

func viewNoDetail(t *testing.T, factory Factory) {
	b := setup(t, factory)
	if _, ok, err := b.Delivery(b.ctx(), 17); ok || err != nil {
		t.Errorf("detail of nothing: %v, %v", ok, err)
	}
	if all := b.deliveries(store.DeliveryFilter{}); len(all) != 0 {
		t.Errorf("an empty store lists %+v", all)
	}
}

func viewReceipt(t *testing.T, factory Factory) {
	b := setup(t, factory)
	first := b.receipt(message("A", "1"))
	if again := b.receipt(message("A", "1")); again != first {
		t.Errorf("a duplicate of row %d is told as %d", first, again)
	}
	conflict := b.receipt(altered(message("A", "1")))
	if again := b.receipt(altered(message("A", "1"))); conflict == first || again != conflict {
		t.Errorf("a conflict with row %d is row %d, its duplicate %d", first, conflict, again)
	}
	for _, id := range []int64{first, conflict} {
		if d := b.detail(id); d.LogID != "1" || d.Conflict != (id == conflict) || d.Redeliveries == 0 {
			t.Errorf("row %d: %+v", id, d)
		}
	}
}

func viewTook(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i := range 500 {
		b.Took(b.receipt(message("A", fmt.Sprint(i))), time.Duration(i+1)*time.Millisecond)
	}
	b.Took(1_000_000, time.Second) // gone by now
	b.restart()
	for i, d := range b.deliveries(store.DeliveryFilter{}) {
		if want := time.Duration(500-i) * time.Millisecond; d.Took != want {
			t.Fatalf("event %d took %v, want %v", d.ID, d.Took, want)
		}
	}
}

func viewRefusals(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i := range 30 {
		b.Answered(refused401([]string{"s", "t"}[i%2], fmt.Sprint("203.0.113.", i), b.clock.Now()))
	}
	b.restart() // writes them, all of the same time
	b.clock.advance(time.Second)
	last := store.Answer{At: b.clock.Now(), Source: "s", Outcome: "too_large", Reason: "too_large", Status: 413, ClientAddress: "203.0.113.99",
		Path: "/webhook/s/", AskedSource: "s", UserAgent: strings.Repeat("a", 300)}
	earlier := last
	earlier.At = earlier.At.Add(-time.Millisecond)
	b.Answered(last)
	b.Answered(earlier)
	want := store.Refusal{Source: "s", Status: 413, Reason: "too_large", ClientAddress: "203.0.113.99", At: last.At, N: 2,
		Path: "/webhook/s/", AskedSource: "s", UserAgent: strings.Repeat("a", 256)}
	for _, restart := range []bool{false, true} { // gathered, perhaps, and written
		if restart {
			b.restart()
		}
		for source, n := range map[string]int{"": 31, "s": 16, "t": 15, "u": 0} {
			found, err := b.Refusals(b.ctx(), source, 500)
			if err != nil || len(found) != n {
				t.Fatalf("%d refusals of source %q, %v; want %d", len(found), source, err, n)
			}
			for i, r := range found {
				if i > 0 && r.At.After(found[i-1].At) || source != "" && r.Source != source {
					t.Errorf("refusal %d of source %q is %+v", i, source, r)
				}
			}
		}
		newest, err := b.Refusals(b.ctx(), "", 1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]store.Refusal{want}, newest); diff != "" {
			t.Errorf("newest refusal (-want +got):\n%s", diff)
		}
	}
}

func viewRetention(t *testing.T, factory Factory) {
	b := setup(t, factory)
	pending := b.receipt(message("waits", "0"))
	for i := range 10 {
		b.accepts(cdr(fmt.Sprint("gone", i)))
	}
	b.drain()
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	newest := b.receipt(with(message("waits", "1"), func(e *store.Event) { e.ReceivedAt = b.clock.Now() }))
	all := b.deliveries(store.DeliveryFilter{})
	if len(all) != 2 || all[0].ID != newest || all[1].ID != pending {
		t.Errorf("after retention %+v is listed", all)
	}
	if old := b.deliveries(store.DeliveryFilter{To: start.Add(time.Hour)}); len(old) != 1 || old[0].ID != pending {
		t.Errorf("before the gap %+v is listed", old)
	}
	if young := b.deliveries(store.DeliveryFilter{From: start.Add(time.Hour)}); len(young) != 1 || young[0].ID != newest {
		t.Errorf("after the gap %+v is listed", young)
	}
}
