package sample

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"cdr2otel/examples/webhooks"
)

func TestTheDemoCallsEndWhenAsked(t *testing.T) {
	t.Parallel()
	end := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	bodies, err := Demo(end)
	if err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 11 {
		t.Errorf("%d bodies, not 2 CDRs and 9 message logs", len(bodies))
	}
	calls := 0
	for _, body := range bodies {
		if !bytes.Contains(body, []byte(`"cdr_logged"`)) {
			continue
		}
		calls++
		if ended, err := endOf(body); err != nil || !ended.Equal(end) {
			t.Errorf("a call ends at %v, not %v (%v)", ended, end, err)
		}
	}
	if calls != len(DemoCalls()) {
		t.Errorf("%d CDRs, not %d", calls, len(DemoCalls()))
	}
	if all := string(bytes.Join(bodies, nil)); strings.Contains(all, `"2021-`) || strings.Contains(all, `"2024-`) {
		t.Error("an instant was not moved")
	}
}

func TestTheChatEndsWhenAskedAndIsOneSession(t *testing.T) {
	t.Parallel()
	bodies, err := Chat(time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 2 || !bytes.Contains(bodies[1], []byte(`"response_timestamp": "2031-02-03T04:05:06.000Z"`)) {
		t.Errorf("%d bodies, the last one %s", len(bodies), bodies[len(bodies)-1])
	}
	session := []byte(`"session_id": "1fd59cdd-9658-44c3-b0ff-d2ab144ef64f"`)
	for _, body := range bodies {
		if !bytes.Contains(body, session) || bytes.Contains(body, []byte(`"2025-`)) {
			t.Errorf("of another session, or an instant was not moved: %s", body)
		}
	}
}

func TestEverySampleCallCanBeMoved(t *testing.T) {
	t.Parallel()
	end := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, name := range AllCalls() {
		bodies, err := EndingAt(name, end)
		if err != nil {
			t.Error(err)
			continue
		}
		if ended, err := endOf(bodies[0]); err != nil || !ended.Equal(end) {
			t.Errorf("%s ends at %v, not %v (%v)", name, ended, end, err)
		}
	}
	paths, err := fs.Glob(webhooks.Bodies, "*.cdr.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if name := strings.TrimSuffix(path, ".cdr.json"); !slices.Contains(AllCalls(), name) {
			t.Errorf("%s is in the examples and not in AllCalls", name)
		}
	}
}

func TestAnUnknownSampleCallIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := EndingAt("no_such_call", time.Now()); err == nil {
		t.Error("no error for a call that does not exist")
	}
}

func TestOnlyInstantsAreMoved(t *testing.T) {
	t.Parallel()
	const body = `{"a":"2021-10-12T20:54:02.591Z","b":"2021-10-12T20:54:02Z","c":"1970-01-01T00:00:00Z","d":"at 2021-10-12T20:54:02Z","e":"2021-99-99T20:54:02Z"}`
	const want = `{"a":"2021-10-12T20:54:03.591Z","b":"2021-10-12T20:54:03.000Z","c":"1970-01-01T00:00:00Z","d":"at 2021-10-12T20:54:02Z","e":"2021-99-99T20:54:02Z"}`
	if got := string(Move([]byte(body), time.Second)); got != want {
		t.Errorf("moved to %s", got)
	}
}
