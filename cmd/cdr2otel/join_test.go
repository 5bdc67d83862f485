package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cdr and message are bodies with the ids that join them.
func cdr(call, sip, session string, logIDs ...string) string {
	turns := ""
	for i, id := range logIDs {
		if i > 0 {
			turns += ","
		}
		turns += fmt.Sprintf(`{"assistant":{"log_id":%q},"request":{"type":"start"}}`, id)
	}
	return fmt.Sprintf(`{"global_session_id":%q,"session_initiation_protocol":{"headers":{"call_id":%q}},"assistant_interaction_summaries":[{"session_id":%q,"turns":[%s]}]}`,
		call, sip, session, turns)
}

func message(log, sip, session string) string {
	context := ""
	if sip != "" {
		context = fmt.Sprintf(`"context":{"integrations":{"voice_telephony":{"sip_call_id":%q}}}`, sip)
	}
	return fmt.Sprintf(`{"log_id":%q,"session_id":%q,"request":{%s},"response":{}}`, log, session, context)
}

func TestMessagesJoinTheCallThatTheSidecarWouldGiveThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bodies []string
		calls  [][]string // log ids of each call's messages
		rest   []string
	}{
		"by log id first":       {[]string{cdr("a", "sip-a", "s-a", "l1"), cdr("b", "sip-b", "s-b"), message("l1", "sip-b", "s-b")}, [][]string{{"l1"}, nil}, nil},
		"then by Call-ID":       {[]string{cdr("a", "sip-a", "s-a"), cdr("b", "sip-b", "s-b"), message("l1", "sip-b", "s-a")}, [][]string{nil, {"l1"}}, nil},
		"then by session":       {[]string{cdr("a", "sip-a", "s-a"), message("l1", "", "s-a")}, [][]string{{"l1"}}, nil},
		"else not at all":       {[]string{cdr("a", "sip-a", "s-a"), message("l1", "sip-x", "s-x")}, [][]string{nil}, []string{"l1"}},
		"before the CDR":        {[]string{message("l1", "", ""), cdr("a", "", "", "l1")}, [][]string{{"l1"}}, nil},
		"the first CDR owns it": {[]string{cdr("a", "sip-a", "s", "l1"), cdr("b", "sip-b", "s", "l1"), message("l1", "", "")}, [][]string{{"l1"}, nil}, nil},
		"one CDR of a call":     {[]string{cdr("a", "sip-a", "s-a"), cdr("a", "sip-a", "s-b", "l1"), message("l1", "sip-a", "")}, [][]string{{"l1"}}, nil},
		"one message of an id":  {[]string{cdr("a", "sip-a", "s-a", "l1"), message("l1", "sip-a", ""), message("l1", "sip-a", "s-a")}, [][]string{{"l1"}}, nil},
		"empty ids join nobody": {[]string{cdr("a", "", ""), message("l1", "", "")}, [][]string{nil}, []string{"l1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var read bodies
			for _, body := range c.bodies {
				if err := read.take("test", []byte(body)); err != nil {
					t.Fatal(err)
				}
			}
			var calls [][]string
			joined, left := read.join()
			for _, call := range joined {
				var logs []string
				for _, m := range call.Messages {
					logs = append(logs, m.Message.LogID)
				}
				calls = append(calls, logs)
			}
			var rest []string
			for _, m := range left {
				rest = append(rest, m.Message.LogID)
			}
			if diff := cmp.Diff(c.calls, calls); diff != "" {
				t.Errorf("calls: %s", diff)
			}
			if diff := cmp.Diff(c.rest, rest); diff != "" {
				t.Errorf("rest: %s", diff)
			}
		})
	}
}

func TestConversationsAreSegmentsOfOneSession(t *testing.T) {
	t.Parallel()
	var read bodies
	for i := range segmentSize + 1 {
		if err := read.take("test", []byte(message(fmt.Sprintf("a%d", i), "", "a"))); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{message("b", "", "b"), message("c", "sip", ""), message("d", "sip", ""), message("e", "", ""), message("f", "", "")} {
		if err := read.take("test", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	_, rest := read.join()
	var sizes []int
	missing := 0
	for _, segment := range conversations(rest) {
		sizes = append(sizes, len(segment.Messages))
		if segment.CDRMissing {
			missing++
		}
	}
	if want := []int{segmentSize, 1, 1, 2, 1, 1}; !slices.Equal(sizes, want) || missing != 1 {
		t.Errorf("segments of %v, %d of calls without CDR", sizes, missing)
	}
}
