package mapping

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// parties adds what may be said of who called whom. By default that is the
// business's own number and the hosts of the SIP URIs; numbers of people leave
// only when configured (I5).
func (c *callMapping) parties() {
	config := &c.m.config
	from, to := c.cdr.SIP.FromURI, c.cdr.SIP.ToURI
	c.str(attrSIPCallID, c.cdr.SIP.CallID)
	c.str(attrSIPTrunkCallID, c.cdr.TrunkCallID)
	redact := c.policy.redact
	fromHost, toHost := redact.name(SIPHost(from)), redact.name(SIPHost(to))
	c.str(attrSIPFromHost, fromHost)
	c.str(attrSIPToHost, toHost)
	caller, callee := SIPNumber(from), first(c.cdr.PrimaryPhoneNumber, SIPNumber(to))
	customer := callee
	c.facts.trunkHost = toHost
	if !c.cdr.Call.Outbound {
		customer = caller
		c.facts.trunkHost = fromHost
		c.name(attrAssistantNumber, c.cdr.PrimaryPhoneNumber)
	}
	if config.CallerNumber {
		c.name(attrPIICallerNumber, caller)
	}
	if config.CalleeNumber {
		c.name(attrPIICalleeNumber, callee)
	}
	if config.SIPURIs {
		c.str(attrPIISIPFromURI, redact.apply(from, tailOf(from, maxURIBytes, textTail)))
		c.str(attrPIISIPToURI, redact.apply(to, tailOf(to, maxURIBytes, textTail)))
	}
	if len(config.CallerHashKey) > 0 && customer != "" {
		c.str(attrCallerHash, callerHash(config.CallerHashKey, customer))
	}
}

// callerHash says "the same caller" without saying who. It is a pseudonym, and
// personal data all the same.
func callerHash(key []byte, number string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(number))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
