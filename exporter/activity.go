package exporter

import (
	"maps"
	"sync"
	"time"

	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/receiver"
)

// activityMinutes is how far back the overview looks.
const activityMinutes = 60

// activity counts what the webhook listener answered, by minute and outcome. It
// begins anew with each process; what must last is in the ledger.
type activity struct {
	mu   sync.Mutex                      // guards ring
	ring [activityMinutes]activityMinute // by minute since 1970, modulo its length
}

type activityMinute struct {
	number   int64            // minutes since 1970: what the place was last used for
	outcomes map[string]int64 // by outcome, a closed set
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// answered counts an answer to a webhook. A synchronous one is outside the ledger,
// so it is no accepted one here either: the numbers beside each other would not
// agree.
func (a *activity) answered(answer receiver.Answer) {
	switch {
	case answer.Outcome == "": // no webhook of a source
	case answer.Outcome == receiver.OutcomeAccepted && answer.EventName != nameCDR && answer.EventName != nameMessage:
		a.add(answer.ReceivedAt, "answered")
	default:
		a.add(answer.ReceivedAt, string(answer.Outcome))
	}
}

// add counts one answer.
func (a *activity) add(at time.Time, outcome string) {
	number := minuteOf(at)
	a.mu.Lock()
	defer a.mu.Unlock()
	m := &a.ring[number%activityMinutes]
	if m.number != number {
		*m = activityMinute{number: number, outcomes: map[string]int64{}}
	}
	m.outcomes[outcome]++
}

// last returns the hour that ends with the minute of now.
func (a *activity) last(now time.Time) []admin.Minute {
	minutes := make([]admin.Minute, activityMinutes)
	newest := minuteOf(now)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range minutes {
		number := newest - activityMinutes + 1 + int64(i)
		minutes[i].Start = time.Unix(number*60, 0).UTC()
		if m := a.ring[number%activityMinutes]; m.number == number {
			minutes[i].Outcomes = maps.Clone(m.outcomes)
		}
	}
	return minutes
}
