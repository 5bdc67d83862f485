package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestTheSampleCallsEndNow(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	raw, err := sampleBodies(now)
	if err != nil {
		t.Fatal(err)
	}
	read, err := readBodies(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.calls) != 2 || len(read.messages) != 9 {
		t.Fatalf("%d calls, %d messages", len(read.calls), len(read.messages))
	}
	for _, call := range read.calls {
		if end := call.CDR.Call.Stop.Time; !end.Equal(now) {
			t.Errorf("%s ends at %v, not %v", call.CDR.GlobalSessionID, end, now)
		}
	}
	if all := string(bytes.Join(raw, nil)); strings.Contains(all, `"2021-`) || strings.Contains(all, `"2024-`) {
		t.Error("an instant was not moved")
	}
}

func TestOnlyInstantsAreMoved(t *testing.T) {
	t.Parallel()
	const body = `{"a":"2021-10-12T20:54:02.591Z","b":"2021-10-12T20:54:02Z","c":"1970-01-01T00:00:00Z","d":"at 2021-10-12T20:54:02Z","e":"2021-99-99T20:54:02Z"}`
	const want = `{"a":"2021-10-12T20:54:03.591Z","b":"2021-10-12T20:54:03.000Z","c":"1970-01-01T00:00:00Z","d":"at 2021-10-12T20:54:02Z","e":"2021-99-99T20:54:02Z"}`
	if got := string(move([]byte(body), time.Second)); got != want {
		t.Errorf("moved to %s", got)
	}
}
