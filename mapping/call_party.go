package mapping

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// parties adds what may be said of who called whom. By default that is the
// business's own number and the hosts of the SIP URIs; numbers of people leave
// only when configured (I5). Where the record does not say who called, either
// number may be a person's, so none leaves by default.
func (c *callMapping) parties() {
	config := &c.m.config
	from, to := c.cdr.SIP.FromURI, c.cdr.SIP.ToURI
	c.addID(attrSIPCallID, c.cdr.SIP.CallID)
	c.addID(attrSIPTrunkCallID, c.cdr.TrunkCallID)
	redact := c.policy.redact
	fromHost, toHost := redact.name(SIPHost(from)), redact.name(SIPHost(to))
	c.str(attrSIPFromHost, fromHost)
	c.str(attrSIPToHost, toHost)
	c.facts.trunkHost = fromHost
	if c.cdr.Call.isOutbound() {
		c.facts.trunkHost = toHost
	}
	if c.cdr.Call.isInbound() {
		c.redacted(attrAssistantNumber, c.cdr.PrimaryPhoneNumber)
	}
	if config.CallerNumber {
		c.redacted(attrPIICallerNumber, SIPNumber(from))
	}
	if config.CalleeNumber {
		c.redacted(attrPIICalleeNumber, first(c.cdr.PrimaryPhoneNumber, SIPNumber(to)))
	}
	if config.SIPURIs {
		c.str(attrPIISIPFromURI, redact.apply(from, tailOf(from, maxURIBytes, textTail)))
		c.str(attrPIISIPToURI, redact.apply(to, tailOf(to, maxURIBytes, textTail)))
	}
	if customer := c.cdr.person(); len(config.CallerHashKey) > 0 && customer != "" {
		c.str(attrCallerHash, callerHash(config.CallerHashKey, customer))
	}
}

// callerHash says "the same caller" of a PhoneNumber without saying who. It is a
// pseudonym, and personal data all the same. The + goes with what can be E.164,
// which most carriers send with it: so the hashes of earlier releases stay.
func callerHash(key []byte, number string) string {
	mac := hmac.New(sha256.New, key)
	if len(number) >= phoneDigits {
		mac.Write([]byte("+"))
	}
	mac.Write([]byte(number))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
