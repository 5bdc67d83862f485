package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter/internal/admin"
)

// In an outage of the store no part of the overview claims that there is nothing.
func TestAnOverviewWithoutItsStoreShowsNoZeros(t *testing.T) {
	t.Parallel()
	unread := func(refused int64) func(*admin.Config) {
		return func(c *admin.Config) {
			c.Status = func(*http.Request) admin.Status {
				return admin.Status{NotReady: "no database", StartedAt: noon.Add(-45 * time.Second), EventsUnread: true, Refused: refused}
			}
			c.Activity = func(context.Context) admin.Activity { return admin.Activity{Unread: true, OldestUnread: true} }
		}
	}
	for refused, want := range map[int64]string{3: "3 refused</strong></a> since this process started, 45", 0: "none refused since this process started, 45"} {
		status, page := look(t, nil, "/", unread(refused))
		if status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		expect(t, page, "no database", want, `id="hour-unread"`, `id="ledger-unread"`, "unknown")
		for _, never := range []string{`id="chart"`, "nothing waits", "nothing turned away", "No webhook", "in 24 hours", ">0<", "0 B", "no limit"} {
			if strings.Contains(page, never) {
				t.Errorf("the page claims %q", never)
			}
		}
	}
}

func TestWhatReadyzSaysOfASignalIsReadAsItWas(t *testing.T) {
	t.Parallel()
	for text, s := range map[string]admin.Signal{
		"sending":           {State: admin.SignalSending},
		"nothing sent yet":  {State: admin.SignalIdle},
		"not used":          {State: admin.SignalUnused},
		"held: unavailable": {State: admin.SignalHeld, Reason: "unavailable"},
		"held: unavailable, next try at 2026-03-05T12:00:00Z": {State: admin.SignalHeld, Reason: "unavailable", Until: noon},
		"held: unavailable, trying now":                       {State: admin.SignalHeld, Reason: "unavailable", Trying: true},
	} {
		if said, err := s.MarshalText(); err != nil || string(said) != text {
			t.Errorf("%q is said as %q, %v", text, said, err)
		}
		var got admin.Signal
		if err := got.UnmarshalText([]byte(text)); err != nil || got != s {
			t.Errorf("%q is read as %+v, %v", text, got, err)
		}
	}
}

// A process that is killed leaves events without the counts of its last second.
func TestAnHourWithoutCountsIsNotOneWithoutWebhooks(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]string{
		time.Minute:      "The counts of the last hour are missing.",
		59 * time.Minute: "The newest event was taken in at",
		61 * time.Minute: "No webhook in the last hour.",
	} {
		_, page := look(t, nil, "/", func(c *admin.Config) {
			c.Status = func(*http.Request) admin.Status { return admin.Status{Events: map[string]int64{"accepted": 2}} }
			c.Activity = func(context.Context) admin.Activity { return admin.Activity{Newest: noon.Add(-age)} }
		})
		expect(t, page, want)
		if said := strings.Contains(page, "No webhook"); said != (age > time.Hour) {
			t.Errorf("the newest event is %v old: no webhook is said: %t", age, said)
		}
	}
}

func TestTheOverviewSaysThatCountsAreMissing(t *testing.T) {
	t.Parallel()
	const missing = "The process before was not stopped in order: up to a second of these counts is missing."
	for _, killed := range []bool{true, false} {
		_, page := look(t, nil, "/", func(c *admin.Config) {
			c.Activity = func(context.Context) admin.Activity { return admin.Activity{Killed: killed} }
		})
		if strings.Contains(page, missing) != killed || strings.Contains(page, "none refused in 24 hours, as far as counted") != killed {
			t.Errorf("killed: %t, and the page says %s", killed, page)
		}
	}
}

func TestTheOverviewBoundsItsLinesOfRefusals(t *testing.T) {
	t.Parallel()
	_, page := look(t, nil, "/", func(c *admin.Config) {
		c.Activity = func(context.Context) admin.Activity {
			day := admin.RefusedCounts{}
			for i := range 100 {
				day[admin.RefusedBy{Source: strings.Repeat("s", i+1), Outcome: "unauthorized", Reason: "bad_credentials", Status: 401}] = int64(i)
			}
			day[admin.RefusedBy{Source: hostile, Outcome: "misdirected", Reason: "unknown_source", Status: 404}] = 1000
			return admin.Activity{RefusedDay: day}
		}
	})
	if n := strings.Count(page, "data-reason="); n != 20 {
		t.Errorf("%d lines", n)
	}
	expect(t, page, "and 81 more kinds", "4\u202f950 refused")
}
