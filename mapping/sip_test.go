package mapping

import "testing"

func TestHostAndNumberOfSIPURIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ uri, host, number string }{
		{"sip:+18885550456@pstn.twilio.com", "pstn.twilio.com", "+18885550456"},
		{"sips:+18885550456@PSTN.Twilio.com:5061;transport=tls?Subject=x", "pstn.twilio.com", "+18885550456"},
		{`"Jane Doe" <sip:+18885550456@sbc.example.net>;tag=1`, "sbc.example.net", "+18885550456"},
		{"sip:+1-888-555.0456;phone-context=+1@gw.example.com;user=phone", "gw.example.com", "+18885550456"},
		{"sip:%2B18885550456:secret@gw.example.com", "gw.example.com", "+18885550456"},
		{"tel:+1-888-555-0456", "", "+18885550456"},
		{"tel:+18885550456;ext=12", "", "+18885550456"},
		{"sip:18885550456@10.90.150.99:5060", "10.90.150.99", "18885550456"},
		{"sip:alice@[2001:db8::1]:5060", "[2001:db8::1]", ""},
		{"sip:anonymous@anonymous.invalid", "anonymous.invalid", ""},
		{"sip:gw.example.com", "gw.example.com", ""},
		{"+18885550456@gw.example.com", "gw.example.com", "+18885550456"},
		{"sip:+18885550456", "", ""},
		{"sip:18885550456", "", ""},
		{"sip:x@18885550456", "", ""},
		{"sip:x@n18885550456.example.com", "", ""},
		{"sip:x@ex ample", "ex", ""},
		{"sip:x@<script>", "script", ""},
		{"sip:x@exämple.com", "", ""},
		{"tel:", "", ""}, {"sip:", "", ""}, {"", "", ""}, {"@", "", ""}, {"<>", "", ""}, {"sip:@@@", "", ""},
	} {
		if host, number := SIPHost(c.uri), SIPNumber(c.uri); host != c.host || number != c.number {
			t.Errorf("%s: host %q number %q, want %q and %q", c.uri, host, number, c.host, c.number)
		}
	}
}
