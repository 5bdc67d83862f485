package receiver

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func TestASynchronousEventIsGivenBackByteForByte(t *testing.T) {
	t.Parallel()
	observed := make(chan Event, 10)
	b := setup(t, func(c *Config) { c.Observe = func(e Event) { observed <- e } })
	odd := `{"payload": {"n":1.0e+2, "n":12345678901234567890.10,"s":"\u00e9é\/\ud83d",` + "\n\t" + `"":[ ]} ,"event":{"name":"Message_Received"}}`
	bodies := map[string][]byte{
		"message_received":  sample(t, "message_received.json"),
		"message_processed": sample(t, "message_processed.json"),
		"odd":               []byte(odd),
	}
	for name, body := range bodies {
		var envelope struct {
			Payload jsontext.Value `json:"payload"`
		}
		lenient := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
		if err := json.Unmarshal(body, &envelope, lenient...); err != nil {
			t.Fatal(err)
		}
		got := b.post(body)
		wantStatus(t, got, ok)
		if got.body != `{"payload":`+string(envelope.Payload)+`}` {
			t.Errorf("%s: %s", name, got.body)
		}
		if _, set := got.header["X-Watson-Assistant-Webhook-Return"]; set {
			t.Error("the assistant would skip the message")
		}
		if e := <-observed; !bytes.Equal(e.Payload, envelope.Payload) || !synchronous(e.Name) || e.Source != "default" {
			t.Errorf("%s: observed %+v", name, e)
		}
		if a := <-b.answers; a.Outcome != OutcomeAccepted || !synchronous(a.EventName) {
			t.Errorf("%s: answer %+v", name, a)
		}
	}
	if events := b.accepted(); len(events) != 0 {
		t.Errorf("the store was touched: %v", events)
	}
}

func TestASynchronousEventWithoutPayloadHasNothingToGiveBack(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	got := b.post([]byte(`{"event":{"name":"message_processed"}}`))
	if got.status != ok || got.body != `{}` {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestACallerIsAnsweredWhileTheStoreIsStuckAndTheListenerCloses(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := setup(t, func(c *Config) { c.MaxInFlight, c.WaitForPlace, c.Accept = 1, time.Hour, g.accept })
	statuses, posting := b.postAll(10, cdr) // one in Accept, nine wait
	<-g.entered
	body := sample(t, "message_received.json")
	for range 20 {
		wantStatus(t, b.post(body), ok)
	}
	b.receiver.Drain()
	wantStatus(t, b.post(body), ok)
	close(g.open)
	posting.Wait()
	for range 10 {
		<-statuses
	}
}

func TestObservingNeitherDelaysNorEndsAnything(t *testing.T) {
	t.Parallel()
	entered, open := make(chan struct{}, 100), make(chan struct{})
	b := setup(t, func(c *Config) {
		c.MaxInFlight = 2
		c.Observe = func(Event) {
			entered <- struct{}{}
			<-open
			panic("observer")
		}
	})
	body := sample(t, "message_received.json")
	for range 10 {
		wantStatus(t, b.post(body), ok)
	}
	<-entered
	<-entered
	close(open)
	b.receiver.Wait()
	if n := len(entered); n != 0 {
		t.Errorf("%d more than two were observed at once", n)
	}
	if got := b.post(body); !strings.HasPrefix(got.body, `{"payload":`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	<-entered
}
