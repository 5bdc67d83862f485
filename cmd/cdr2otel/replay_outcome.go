package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"cdr2otel/internal/client"
)

// fate is what became of a body in the end.
type fate int

const (
	left         fate = iota // not acknowledged, and nobody knows whether it could be
	acknowledged             // answered 2xx: on stable storage
	known                    // acknowledged in an earlier run, not posted
	refused                  // answered otherwise
)

// outcome of a body.
type outcome struct {
	fate   fate
	status int    // 0: no answer
	reason string // the receiver's, or why there was no answer
}

// step is what follows from an attempt.
type step int

const (
	settled  step = iota
	again         // it may go well later
	hopeless      // every other body would end in the same way
)

// judge is the table from an answer to what follows.
func judge(answer client.Answer, err error) (outcome, step) {
	if err != nil {
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &certificate) {
			return outcome{reason: root(err)}, hopeless
		}
		return outcome{fate: refused, reason: root(err)}, again
	}
	o := outcome{fate: refused, status: answer.Status, reason: answer.Reason}
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired:
		return o, hopeless
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return o, again
	}
	switch answer.Status / 100 {
	case 2:
		o.fate = acknowledged
		return o, settled
	case 3:
		return o, hopeless
	case 5:
		return o, again
	}
	return o, settled
}

// words say what an attempt ended with.
func (o outcome) words() string {
	if o.status == 0 {
		return "no answer"
	}
	if text := http.StatusText(o.status); text != "" {
		return fmt.Sprintf("%d %s", o.status, text)
	}
	return fmt.Sprint(o.status)
}

// inFull is words, and why there was no answer.
func (o outcome) inFull() string {
	if o.status == 0 {
		return o.words() + ": " + o.reason
	}
	return o.words()
}

// root is the innermost error, without the addresses that those around it name.
func root(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// hint says what to do about a refusal.
func hint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "is the secret that of this source, and its kind of authentication?"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "is --to the webhook of a configured source?"
	case http.StatusRequestEntityTooLarge:
		return "raise webhook.max_request_body_size there, and the limit of what is in front of it"
	}
	if status/100 == 3 {
		return "redirects are not followed; let --to be where it leads"
	}
	return ""
}

// refusals are those of one kind.
type refusals struct {
	count int64
	first place
	outcome
}

// tally counts what became of the bodies. Those that are left are not counted: with
// those that were never read, they are for the next run.
type tally struct {
	acknowledged, known, refused int64

	kinds map[int]*refusals // by status
}

func (t *tally) add(p *posting) {
	switch p.outcome.fate {
	case acknowledged:
		t.acknowledged++
	case known:
		t.known++
	case refused:
		t.refused++
		if t.kinds == nil {
			t.kinds = map[int]*refusals{}
		}
		kind := t.kinds[p.outcome.status]
		if kind == nil {
			kind = &refusals{first: p.at, outcome: p.outcome}
			t.kinds[p.outcome.status] = kind
		}
		kind.count++
	}
}

// report writes the summary to out, and a line for each kind of refusal to errOut.
func (t *tally) report(out, errOut io.Writer, took time.Duration) {
	fmt.Fprintf(out, "%s acknowledged in %s", bodyCount(t.acknowledged), took.Round(time.Millisecond))
	if t.known > 0 {
		fmt.Fprintf(out, ", %d by an earlier run and not posted again", t.known)
	}
	if t.refused > 0 {
		fmt.Fprintf(out, ", %d refused", t.refused)
	}
	fmt.Fprintln(out)
	if t.acknowledged > 0 {
		fmt.Fprintln(out, "no source headers were sent (header_attributes give nothing); calls older than metrics.max_age are exported but not measured")
	}
	for _, status := range slices.SortedFunc(maps.Keys(t.kinds), cmp.Compare) {
		kind := t.kinds[status]
		fmt.Fprintf(errOut, "refused: %s: %s, first at %s", kind.words(), bodyCount(kind.count), kind.first)
		if kind.reason != "" {
			fmt.Fprintf(errOut, ", %q", oneLine(kind.reason))
		}
		if do := hint(status); do != "" {
			fmt.Fprintf(errOut, "; %s", do)
		}
		fmt.Fprintln(errOut)
	}
}

func bodyCount(n int64) string {
	if n == 1 {
		return "1 body"
	}
	return fmt.Sprintf("%d bodies", n)
}
