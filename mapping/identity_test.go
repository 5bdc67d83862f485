package mapping_test

import (
	"testing"

	"cdr2otel/mapping"
)

func TestPhoneNumberIsTheDigitsHoweverTheNumberIsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"+1 (555) 867-5309", "15558675309"},
		{"15558675309", "15558675309"},
		{"sip:+15558675309@pstn.example.net;user=phone", "15558675309"},
		{"\"A. Caller\" <sips:15558675309@10.0.0.1:5061>", "15558675309"},
		{"tel:+1-555-867-5309;ext=1", "15558675309"},
		{"0015558675309", "15558675309"}, {"0049 151/123", "49151123"}, {"sip:15558675309", "15558675309"}, {"SIPS:+15558675309", "15558675309"},
		{"\u202a+1\u00a0555\u2011867\u20115309\u202c", "15558675309"},
		{"1234", "1234"}, {"sip:001234@a", "001234"}, {"08675309", "08675309"},
		{"alice", ""}, {"sip:agent007@a", ""}, {"sip:10.90.150.99", ""}, {"10.90.150.99:5060", ""}, {"sip:x@15558675309", ""},
		{"anonymous", ""}, {"sip:anonymous@anonymous.invalid", ""}, {"", ""}, {"+", ""},
	} {
		if got := mapping.PhoneNumber(c.text); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestACDRIsAboutWhoIsNotTheAssistant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ payload, want string }{
		{`{"session_initiation_protocol":{"headers":{"from_uri":"sip:+15558675309@a","to_uri":"sip:+18005550123@b"}}}`, "15558675309"},
		{`{"session_initiation_protocol":{"headers":{"from_uri":"sip:+18005550123@a","to_uri":"sip:+15558675309@b"}},"call":{"outbound":true}}`, "15558675309"},
		{`{"primary_phone_number":"+15558675309","call":{"outbound":true},"session_initiation_protocol":{"headers":{"to_uri":"sip:x@b"}}}`, "15558675309"},
		{`{"primary_phone_number":15558675309,"call":{"outbound":"true"}}`, "15558675309"},
		{`{"primary_phone_number":1.5558675309e10,"call":{"outbound":1}}`, "15558675309"},
		{`{"primary_phone_number":"reception","call":{"outbound":true},"session_initiation_protocol":{"headers":{"to_uri":"tel:+1-555-867-5309"}}}`, "15558675309"},
		{`{"primary_phone_number":"+18005550123","session_initiation_protocol":{"headers":{"from_uri":"sip:anonymous@a"}}}`, ""},
	} {
		id, err := mapping.IdentifyCDR([]byte(c.payload))
		if err != nil || id.Caller != c.want || id.Customer != "" {
			t.Errorf("%s: %q, %q, %v; want %q", c.payload, id.Caller, id.Customer, err, c.want)
		}
	}
}

func TestAMessageSaysWhoSpokeInOneOfSeveralPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ payload, customer, caller string }{
		{`{"customer_id":"acme-7","request":{"user_id":"u"}}`, "acme-7", ""},
		{`{"request":{"user_id":"u","context":{"global":{"system":{"user_id":"s"}}}}}`, "u", ""},
		{`{"request":{"context":{"global":{"system":{"user_id":"s"}}},"user_id":null},"response":{"user_id":"r"}}`, "r", ""},
		{`{"response":{"context":{"global":{"system":{"turn_count":2,"user_id":"s"}}}}}`, "s", ""},
		{`{"request":{"context":{"integrations":{"voice_telephony":{"private":{"user_phone_number":"+15558675309","sip_from_uri":"sip:+1888@x"}}}}}}`, "", "15558675309"},
		{`{"response":{"context":{"integrations":{"voice_telephony":{"$private":{"sip_from_uri":"sip:+15558675309@x"}}}}}}`, "", "15558675309"},
		{`{"customer_id":1234567,"request":{"context":{"integrations":{"voice_telephony":{"private":{"user_phone_number":15558675309}}}}}}`, "1234567", "15558675309"},
		{`{"request":{"user_id":1234567.0,"context":{"integrations":{"voice_telephony":{"private":{"user_phone_number":"withheld","sip_from_uri":"sip:15558675309@x"}}}}}}`, "1234567", "15558675309"},
		{`{"request":{"context":{"skills":{"main skill":{"user_defined":{"user_id":"no","customer_id":"no"}}}}}}`, "", ""},
	} {
		message, err := mapping.DecodeMessage([]byte(c.payload))
		if err != nil {
			t.Fatal(err)
		}
		if id := message.Identity(); id.Customer != c.customer || id.Caller != c.caller {
			t.Errorf("%s: %q, %q; want %q, %q", c.payload, id.Customer, id.Caller, c.customer, c.caller)
		}
	}
}
