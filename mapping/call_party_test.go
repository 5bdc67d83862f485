package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"cdr2otel/mapping"
)

// decoded is the CDR of a payload.
func decoded(t *testing.T, payload string) *mapping.CDR {
	t.Helper()
	cdr, err := mapping.DecodeCDR([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return cdr
}

// rootText is an attribute of a call's root, "" when it is not there.
func rootText(trace *mapping.Trace, key string) string {
	for _, kv := range trace.Request.ResourceSpans[0].ScopeSpans[0].Spans[0].Attributes {
		if kv.Key == key {
			return kv.Value.GetStringValue()
		}
	}
	return ""
}

func TestANumberLeavesOnlyWhereTheRecordSaysThatItIsTheBusinesss(t *testing.T) {
	t.Parallel()
	const customer, business = "+15555550100", "+18885557777"
	for _, c := range []struct {
		outbound     string // the member, with its comma
		primary      string
		assistant    string // what leaves
		name, caller string
	}{
		{`"outbound":false,`, business, business, "call inbound", customer},
		{`"outbound":"No",`, business, business, "call inbound", customer},
		{`"outbound":0,`, business, business, "call inbound", customer},
		{`"outbound":true,`, customer, "", "call outbound", customer},
		{`"outbound":"TRUE",`, customer, "", "call outbound", customer},
		{`"outbound":"Yes",`, customer, "", "call outbound", customer},
		{`"outbound":1,`, customer, "", "call outbound", customer},
		// What is not understood, or not there, may be either.
		{`"outbound":"ja",`, customer, "", "call inbound", ""},
		{`"outbound":2,`, customer, "", "call inbound", ""},
		{`"outbound":{},`, customer, "", "call inbound", ""},
		{`"outbound":null,`, customer, "", "call inbound", ""},
		{``, customer, "", "call inbound", ""},
		{``, business, "", "call inbound", ""},
	} {
		from, to := customer, business
		if c.primary == customer {
			from, to = business, customer
		}
		cdr := decoded(t, fmt.Sprintf(`{"primary_phone_number":%q,"call":{%s"end_reason":"caller_hangup"},
			"session_initiation_protocol":{"headers":{"from_uri":"sip:%s@a.example","to_uri":"sip:%s@b.example"}}}`, c.primary, c.outbound, from, to))
		trace := defaultMapper(t).Call(mapping.CallInput{CDR: cdr})
		root := trace.Request.ResourceSpans[0].ScopeSpans[0].Spans[0]
		if got := rootText(trace, "wxa.assistant.number"); got != c.assistant || root.Name != c.name {
			t.Errorf("%s with %s: %q leaves of %s, want %q of %s", c.outbound, c.primary, got, root.Name, c.assistant, c.name)
		}
		if text := trace.Request.String(); strings.Contains(text, customer[2:]) || c.assistant == "" && strings.Contains(text, business[2:]) {
			t.Errorf("%s: a number leaves:\n%s", c.outbound, text)
		}
		if id := cdr.Identity(); c.caller != "" && id.Caller != c.caller[1:] {
			t.Errorf("%s: forget finds %q, want %s", c.outbound, id.Caller, c.caller[1:])
		}
	}
}

func TestACallerHasOneHashHoweverTheNumberIsSpelled(t *testing.T) {
	t.Parallel()
	mapper, err := mapping.New(mapping.Config{Source: "default", CallerHashKey: []byte("purple unicorn")})
	if err != nil {
		t.Fatal(err)
	}
	hashOf := func(payload string) string {
		return rootText(mapper.Call(mapping.CallInput{CDR: decoded(t, payload)}), "wxa.caller.hash")
	}
	inbound := func(from string) string {
		return hashOf(fmt.Sprintf(`{"call":{"outbound":false},"session_initiation_protocol":{"headers":{"from_uri":%q}}}`, from))
	}
	outbound := func(primary, to string) string {
		return hashOf(fmt.Sprintf(`{"call":{"outbound":true},"primary_phone_number":%q,"session_initiation_protocol":{"headers":{"to_uri":%q}}}`, primary, to))
	}
	want := inbound("sip:+15555550100@pstn.example.net")
	if want == "" {
		t.Fatal("no hash")
	}
	for name, got := range map[string]string{
		"without +":                      inbound("sip:15555550100@pstn.example.net"),
		"of a tel URI":                   inbound("tel:+1-555-555-0100"),
		"of a SIPS URI with everything":  inbound(`"A. Caller" <sips:+1.555.555.0100;cpc=ordinary@[2001:db8::1]:5061;user=phone>;tag=1`),
		"with an escaped +":              inbound("sip:%2B15555550100@10.0.0.1"),
		"with the international prefix":  inbound("sip:0015555550100@pstn.example.net"),
		"outbound, as people write it":   outbound("+1 (555) 555-0100", ""),
		"outbound, pasted from contacts": outbound("\u202a+1\u00a0555\u2011555\u20110100\u202c", ""),
		"outbound, a slash":              outbound("1 555/5550100", "sip:x@a.example"),
		"outbound, a URI":                outbound("tel:+15555550100", ""),
		"outbound, a URI without a host": outbound("SIP:+15555550100", ""),
		"outbound, only the To URI":      outbound("", "sip:15555550100@pstn.example.net;user=phone"),
		"outbound, a name and a To URI":  outbound("reception", "sip:+15555550100@pstn.example.net"),
	} {
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	seen := map[string]string{want: "+15555550100"}
	for _, other := range []string{"sip:+15555550101@a", "sip:5555550100@a", "sip:05555550100@a", "sip:100@a", "sip:0100@a", "sip:00100@a", "sip:555@a"} {
		hash := inbound(other)
		if hash == "" || seen[hash] != "" {
			t.Errorf("%s has the hash %q of %q", other, hash, seen[hash])
		}
		seen[hash] = other
	}
	for _, none := range []string{"sip:alice@a", "sip:agent007@a", "sip:anonymous@anonymous.invalid", "sip:10.90.150.99", "sip:gw-15555550100.example.com", ""} {
		if hash := inbound(none); hash != "" {
			t.Errorf("%s, which is no number, has the hash %q", none, hash)
		}
	}
}

// The hash of a number as most carriers write it is that of every release.
func TestTheCallerHashIsStable(t *testing.T) {
	t.Parallel()
	mapper, err := mapping.New(mapping.Config{Source: "default", CallerHashKey: []byte("purple unicorn")})
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{"sip:+18885550456@a": "d382e96c6e7f9338", "sip:1234@a": "a979b9209787ddf8"} {
		cdr := decoded(t, fmt.Sprintf(`{"session_initiation_protocol":{"headers":{"from_uri":%q}}}`, from))
		if got := rootText(mapper.Call(mapping.CallInput{CDR: cdr}), "wxa.caller.hash"); got != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
}
