package correlator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"cdr2otel/mapping"
)

// gathered is the decoded form of a subject's members. Bodies are dropped one by
// one as they are decoded: a segment of 200 messages of a megabyte each must not
// be in memory at once (I7).
type gathered struct {
	ids        []int64
	cdr        *mapping.CDR
	cdrHash    Hash
	receivedAt time.Time
	headers    map[string]string
	messages   []mapping.MessageInput
	// observations and, beside each, its id.
	observations   []mapping.ObservationInput
	observationIDs []int64
}

// unmappableError marks members that can't be decoded.
type unmappableError struct{ err error }

func (e *unmappableError) Error() string { return e.err.Error() }
func (e *unmappableError) Unwrap() error { return e.err }

var errNoCDR = errors.New("the call's detail record is gone from the store")

func (c *Correlator) gather(ctx context.Context, s Subject) (gathered, error) {
	var in gathered
	var bad error
	err := c.cfg.Inbox.Read(ctx, s, func(m Member) error {
		in.ids = append(in.ids, m.EventID)
		// A call's resource is that of its CDR, whatever its messages' headers say.
		if err := in.add(m, m.CDR || s.Kind != Call); err != nil && bad == nil {
			bad = err
		}
		return nil
	})
	if err != nil {
		return in, fmt.Errorf("read events: %w", err)
	}
	if bad == nil && s.Kind == Call && in.cdr == nil {
		bad = errNoCDR
	}
	if bad != nil {
		return in, &unmappableError{bad}
	}
	if s.Kind == Call || s.Kind == Conversation {
		err = c.observe(ctx, s, &in)
	}
	return in, err
}

// observe reads what synchronous webhooks showed of the sessions. One that can't be
// decoded is left where it is: it is best effort, and no reason to hold a call.
func (c *Correlator) observe(ctx context.Context, s Subject, in *gathered) error {
	err := c.cfg.Inbox.Observations(ctx, s, func(o Observation) error {
		shown := new(mapping.Observation)
		if json.Unmarshal(o.Body, shown) == nil {
			in.observations = append(in.observations, mapping.ObservationInput{Observation: shown, ReceivedAt: o.ReceivedAt})
			in.observationIDs = append(in.observationIDs, o.ID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read observations: %w", err)
	}
	return nil
}

func (in *gathered) add(m Member, headersCount bool) error {
	if headersCount && in.headers == nil && m.Headers != nil {
		if err := json.Unmarshal(m.Headers, &in.headers); err != nil {
			return fmt.Errorf("decode kept headers: %w", err)
		}
	}
	if m.CDR {
		cdr, err := mapping.DecodeCDR(m.Body)
		in.cdr, in.cdrHash, in.receivedAt = cdr, m.ContentHash, m.ReceivedAt
		return err
	}
	msg, err := mapping.DecodeMessage(m.Body)
	if err != nil {
		return err
	}
	in.messages = append(in.messages, mapping.MessageInput{
		Message: msg, ContentHash: m.ContentHash, ReceivedAt: m.ReceivedAt,
	})
	return nil
}

func (in *gathered) empty() bool { return len(in.ids) == 0 }

// orphaned counts the phone messages of a conversation.
func (in *gathered) orphaned(kind Kind) int {
	n := 0
	for _, m := range in.messages {
		if kind == Conversation && m.Message.Phone {
			n++
		}
	}
	return n
}

func (in *gathered) call(s Subject, logKey func(string) Hash) mapping.CallInput {
	owned := make(map[Hash]bool, len(s.Owned))
	for _, h := range s.Owned {
		owned[h] = true
	}
	return mapping.CallInput{
		CDR:         in.cdr,
		ContentHash: in.cdrHash,
		ReceivedAt:  in.receivedAt,
		Headers:     in.headers,
		Messages:    in.messages,
		Owns:        func(logID string) bool { return owned[logKey(logID)] },
		Orphaned:    s.Orphaned,

		Observations: in.observations,
	}
}

func (in *gathered) conversation() mapping.ConversationInput {
	missing := false
	for _, m := range in.messages {
		missing = missing || m.Message.Identity().Phone
	}
	return mapping.ConversationInput{Messages: in.messages, Headers: in.headers, CDRMissing: missing, Observations: in.observations}
}

func (in *gathered) late(s Subject) mapping.LateInput {
	return mapping.LateInput{
		MessageInput: in.messages[0],
		Headers:      in.headers,
		Parent:       s.Parent,
		Named:        s.Named,
		CallID:       s.CallID,
	}
}

func (in *gathered) record(s Subject) mapping.RecordInput {
	return mapping.RecordInput{
		MessageInput: in.messages[0],
		Headers:      in.headers,
		Parent:       s.Parent,
		Named:        s.Named,
		CallID:       s.CallID,
		Segment:      s.Segment,
	}
}
