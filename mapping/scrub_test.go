package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWarningTextsLoseWhatIsPersonalAndKeepWhatSupportAsksFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"an ordinary text", "CWSMR0033W: The inbound RTP audio stream jitter of 43 ms exceeds the maximum jitter threshold of 30 ms.",
			"CWSMR0033W: The inbound RTP audio stream jitter of 43 ms exceeds the maximum jitter threshold of 30 ms."},
		{"a transaction id", "audio might skip. transaction ID=tts-0003", "audio might skip. transaction ID=tts-0003"},
		{"a UUID", "transaction ID=23860083-88b6-41d7-9130-30bbfebe647e.", "transaction ID=23860083-88b6-41d7-9130-30bbfebe647e."},
		{"a date", "at 2021-10-12T20:54:02.591Z it failed", "at 2021-10-12T20:54:02.591Z it failed"},
		{"headers and body", `failed = 403, response headers = {"a":"}","x":{"y":1}}, response body = {"b":"\"}"}, x-global-transaction-id = 6c764df3. Again.`,
			"failed = 403, response headers = …, response body = …, x-global-transaction-id = 6c764df3. Again."},
		{"a body without brackets", "request body = Jane Doe, 12 Main St, transaction ID=abc-1", "request body = …, transaction ID=abc-1"},
		{"a block that isn't closed", `response body = {"name":"Jane`, "response body = …"},
		{"a bracketed block anywhere", `got {"name":"Jane"} back`, "got … back"},
		{"markup", "got <html><p>Dear Jane</p></html> back", "got … back"},
		{"a comparison is no markup", "x < 5 and y > 3", "x < 5 and y > 3"},
		{"an id that only the block named", `response headers = {"x-dp-watson-tran-id":"t-77a"} retried`, "response headers = … retried, transaction ID=t-77a"},
		{"a header line", "Authorization: Basic abc\nretry", "[header]\nretry"},
		{"a token", "sent bearer eyJhbGciOiJIUzI1NiJ9.e30.x to it", "sent [credential] to it"},
		{"no token", "basic authentication failed", "basic authentication failed"},
		{"phone numbers", "to +1 (888) 555-0456, 1.888.555.0456, 00498912345678 or ８８８５５５０４５６", "to [number], [number], [number] or [number]"},
		{"a card", "4111 1111 1111 1111", "[number]"},
		{"short numbers", "0.1 is below 0.2 in 43 ms, code 403", "0.1 is below 0.2 in 43 ms, code 403"},
		{"SIP and other URIs", "INVITE sip:+18885550456@pstn.example.com;user=phone and tel:+1888 via https://x.example/a?b=1",
			"INVITE [uri] and [uri] via [uri]"},
		{"addresses", "jane.doe@example.com, 17465345_1@10.90.150.99, jane%40example.com", "[address], [address], [address]"},
		{"network addresses", "from 10.90.150.99 and 2001:db8:0:1:2:3:4:5", "from [address] and [address]"},
		{"a number for a transaction id", "transaction ID=18885550456 failed", "transaction ID=[number] failed"},
		{"nothing", "", ""},
	} {
		if got := ScrubWarning(c.in); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if got := ScrubFailure(c.in); got != c.want {
			t.Errorf("%s: as a failure: %s", c.name, got)
		}
	}
}

func TestLongWarningTextsKeepTheirTransactionID(t *testing.T) {
	t.Parallel()
	got := ScrubWarning(strings.Repeat("long words ", 200) + "transaction ID=6c764df3-81db-41bb-a14f-62384facffca")
	if len(got) > MaxReason || !strings.HasSuffix(got, "transaction ID=6c764df3-81db-41bb-a14f-62384facffca") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestTheLongestPublishedWarningIsScrubbed(t *testing.T) {
	t.Parallel()
	c := mustDecodeCDR(t, string(samplePayloads(t)["dtmf_call.cdr.json"]))
	want := "CWSMR0070W: A request to the Watson Speech To Text service failed for the following reason = Unexpected server response: 403, " +
		"response headers = …, response body = …, x-global-transaction-id = 6c764df3-81db-41bb-a14f-62384facffca. " +
		"The Media Relay will reattempt to send the request., transaction ID=23860083-88b6-41d7-9130-30bbfebe647e"
	if got := ScrubWarning(c.Warnings[1].Message); got != want {
		t.Errorf("got %s", got)
	}
}

func TestTransactionIDsThatATextNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"skip. transaction ID=tts-0003":                                                 {"tts-0003"},
		"x-global-transaction-id = 6c764df3-81db-41bb-a14f-62384facffca. The":           {"6c764df3-81db-41bb-a14f-62384facffca"},
		`{"x-dp-watson-tran-id":"a-1","x-global-transaction-id":"b-2"} ... tran-id=a-1`: {"a-1", "b-2"},
		"transactionID: abc transaction_id='def'":                                       {"abc", "def"},
		"the transaction failed":                                                        nil,
		"":                                                                              nil,
	} {
		if diff := cmp.Diff(want, WarningTransactionIDs(text)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", text, diff)
		}
	}
}

func TestWarningSeverityIsTheLastLetterOfACode(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"CWSMR0031W": "W", "CWSGW0160I": "I", "CWSTS0001E": "E", "CWSTA0001E": "E",
		"": "", "W": "", "CWSMR0031X": "", "CWSMR0031W: text": "", "XCWSMR0031W": "",
	} {
		if got := WarningSeverity(id); got != want {
			t.Errorf("%s: severity %q, want %q", id, got, want)
		}
	}
}

func BenchmarkScrubWarning(b *testing.B) {
	c := mustDecodeCDR(b, string(samplePayloads(b)["dtmf_call.cdr.json"]))
	b.ReportAllocs()
	for b.Loop() {
		for _, w := range c.Warnings {
			ScrubWarning(w.Message)
		}
	}
}
