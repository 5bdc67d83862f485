package exporter_test

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter"
	"cdr2otel/internal/otlptest"
	"cdr2otel/mapping"
)

// exports are the requests that the collector took, by trace, in order of arrival, and
// when who sent them died.
type exports struct {
	mu      sync.Mutex // guards what follows
	byTrace map[string][]export
	deaths  map[string]time.Time // by launch: when it was gone
}

type export struct {
	launch string
	at     time.Time
	body   []byte
}

func newExports() *exports {
	return &exports{byTrace: map[string][]export{}, deaths: map[string]time.Time{}}
}

// note is told before the answer: what is noted first was sent first.
func (x *exports) note(q otlptest.Request) {
	spans := q.Spans()
	if len(spans) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	trace := string(spans[0].TraceId)
	x.byTrace[trace] = append(x.byTrace[trace], export{q.Header[launchHeader][0], time.Now(), q.Body})
}

func (x *exports) died(launch string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.deaths[launch] = time.Now()
}

// judge says what is wrong with what left.
func (c *chaos) judge(ledger map[string]int64) {
	c.t.Helper()
	acknowledged, uncertain := int64(c.book.count()), int64(c.book.uncertain())
	accepted := ledger["accepted"]
	if ledger["exported"] != accepted {
		c.t.Errorf("not all is exported: %v", ledger)
	}
	if accepted < acknowledged || accepted > acknowledged+uncertain {
		c.t.Errorf("%d events in the ledger, want %d acknowledged and up to %d more", accepted, acknowledged, uncertain)
	}
	for _, what := range c.seen.changed {
		c.t.Errorf("%s arrived with two contents", what)
	}
	whole := c.compare()
	died, interrupted, hung := c.repeated()
	c.t.Logf("%d kills of %d launches, %d stops of the database, one replica that hung", c.kills, c.launches, len(c.outages))
	c.t.Logf("%d events acknowledged (%d more may be), %d answers 503, %d requests without an answer", acknowledged, uncertain, c.book.refused, c.book.unanswered)
	c.t.Logf("%d of %d calls were acknowledged whole and are as the mapping made them; sent again because the sender died: %d, because the database was away: %d, because it hung: %d, otherwise: 0; lost: 0",
		whole, c.calls, died, interrupted, hung)
}

// compare holds each call of which all was acknowledged against what the mapping makes
// of its webhooks at once. It returns how many there are.
func (c *chaos) compare() (whole int) {
	c.t.Helper()
	mapper := defaultMapper(c.t)
	for _, call := range c.book.calls {
		if !c.book.whole(call) {
			continue
		}
		whole++
		trace, want := mapped(c.t, mapper, call.events)
		got := c.exports.byTrace[string(trace[:])]
		if len(got) == 0 {
			c.t.Errorf("%s never left", call.events[0].id)
		}
		for _, x := range got {
			if !bytes.Equal(x.body, want) {
				c.t.Errorf("%s, sent by %s: %s", call.events[0].id, x.launch, cmp.Diff(otlpJSON(c.t, want), otlpJSON(c.t, x.body)))
			}
		}
	}
	// Others had a webhook that nobody sent again, or took too long on this machine.
	if least := c.calls / 2; whole < least {
		c.t.Errorf("only %d calls were acknowledged whole and in time, want %d", whole, least)
	}
	return whole
}

// repeated looks for requests that came twice, and why that was right: nobody could
// write down that the collector had said yes to the first.
func (c *chaos) repeated() (died, interrupted, hung int) {
	c.t.Helper()
	for _, all := range c.exports.byTrace {
		before := map[string]export{}
		for _, second := range all {
			first, again := before[string(second.body)]
			before[string(second.body)] = second
			if !again {
				continue
			}
			death, dead := c.exports.deaths[first.launch]
			switch {
			case dead && death.Before(second.at):
				died++
			case c.wasAway(first.at, second.at):
				interrupted++
			case c.hung(first, second):
				hung++
			default:
				c.t.Errorf("%s sent at %v what %s had sent at %v, and which is alive",
					second.launch, second.at.Format(time.StampMilli), first.launch, first.at.Format(time.StampMilli))
			}
		}
	}
	return died, interrupted, hung
}

// wasAway: the database, at some time between the two.
func (c *chaos) wasAway(from, to time.Time) bool {
	for _, o := range c.outages {
		if o.from.Before(to) && o.to.After(from) {
			return true
		}
	}
	return false
}

// hung: one of them was sent by the replica that hung until its claims were others'.
func (c *chaos) hung(first, second export) bool {
	return (first.launch == c.frozen.name() || second.launch == c.frozen.name()) && second.at.After(c.frozenAt)
}

// mapped is what the mapping makes of a call's webhooks, the CDR first, at once.
func mapped(t testing.TB, mapper *mapping.Mapper, events []generated) (mapping.TraceID, []byte) {
	t.Helper()
	var in mapping.CallInput
	for n, e := range events {
		var envelope struct{ Payload json.RawMessage }
		if err := json.Unmarshal(e.body, &envelope); err != nil {
			t.Fatal(err)
		}
		hash, err := new(mapping.Hasher).Sum(envelope.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			in.ContentHash = hash
			in.CDR, err = mapping.DecodeCDR(envelope.Payload)
		} else {
			message := mapping.MessageInput{ContentHash: hash}
			message.Message, err = mapping.DecodeMessage(envelope.Payload)
			in.Messages = append(in.Messages, message)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	trace := mapper.Call(in)
	body, err := mapping.Encode(trace.Request)
	if err != nil {
		t.Fatal(err)
	}
	return trace.TraceID, body
}

// defaultMapper is that of the children.
func defaultMapper(t testing.TB) *mapping.Mapper {
	t.Helper()
	cfg := configuration(t.TempDir())
	mapper, err := exporter.Mapper(cfg, "default", exporter.Options{Version: version, Getenv: environment(nil)})
	if err != nil {
		t.Fatal(err)
	}
	return mapper
}

// What the chaos test compares with is the golden, but for the names in it.
func TestTheGeneratedCallIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	tpl := callTemplate(t)
	var events []generated
	for _, body := range tpl.bodies {
		events = append(events, generated{body: []byte(body)})
	}
	_, got := mapped(t, defaultMapper(t), events)
	if diff := cmp.Diff(golden(t, "a-caller-uses-the-keypad-and-barges-in"), otlpJSON(t, got)); diff != "" {
		t.Error(diff)
	}
}
