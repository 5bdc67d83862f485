package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is kept of one event. The webhook's body limit bounds the rest.
const (
	maxDisplay = 256  // bytes of a display copy
	maxDetail  = 512  // bytes of an error in words
	maxOwned   = 4096 // log ids one CDR can own; a call has a few hundred at most
	maxAliases = 64   // sessions one CDR can be found by
)

// maxOrphans is how many conversations of one Call-ID or session a CDR looks at,
// newest first: it bounds the links of one call.
const maxOrphans = 128

// Receipt is what Accept did.
type Receipt struct {
	Outcome Outcome
	// EventID is the row that was inserted or, of a duplicate, the one that was
	// there.
	EventID int64
	// Reason and Detail of a dead letter, as the delivery log shows them.
	Reason, Detail string
}

// Accept is AcceptAll of one event.
func (s *Store) Accept(ctx context.Context, e *Event) (Receipt, error) {
	receipts, err := s.AcceptAll(ctx, []*Event{e})
	if err != nil {
		return Receipt{}, err
	}
	return receipts[0], nil
}

// AcceptAll takes events in, all or none, and tells what it did with each. When it
// returns nil they are on stable storage (I1). When ctx ends after they were handed to
// the writer, they are committed all the same and the outcome is unknown to the caller;
// so they and what they point to must not be changed afterwards, even then.
//
// Errors: ErrFull, ErrClosed, ErrUnavailable, ErrBroken, the cause of ctx, or what SQLite says of
// an event that it can't take.
func (s *Store) AcceptAll(ctx context.Context, events []*Event) ([]Receipt, error) {
	if err := s.engine.trouble(); err != nil {
		return nil, err // perhaps it is not known yet how persons are found
	}
	out := make([]Receipt, len(events)) // the writer may still write it after ctx ended, so an error doesn't read it
	all := &op{grows: true, parts: make([]*op, len(events))}
	for i, e := range events {
		part := s.acceptOp(e, &out[i])
		all.parts[i] = part
		all.joins = append(all.joins, part.joins...)
		all.bytes += part.bytes
	}
	if len(events) == 1 {
		all = all.parts[0]
	}
	if err := s.writer.write(ctx, all); err != nil {
		return nil, err
	}
	return out, nil
}

// acceptOp is the write that takes an event in and tells what it did.
func (s *Store) acceptOp(e *Event, out *Receipt) *op {
	in := newIntake(e, s.cfg.Now)
	in.customer, in.caller = s.personMAC(roleCustomer, e.Customer), s.personMAC(roleCaller, e.Caller)
	var joins []int64
	if s.engine.shared() {
		joins = in.joins()
	}
	return &op{
		stage:   stageAccept,
		joins:   joins,
		key:     in.order(),
		abreast: e.Kind != KindCDR,
		bytes:   in.size(),
		grows:   true,
		run:     func(t *tx) (err error) { *out, err = t.accept(in); return err },
	}
}

// intake is an event made ready by its handler's goroutine, so that the one
// writer only writes.
type intake struct {
	Event
	key      Hash // identity among the rows of its source and kind
	received int64
	packed   []byte
	session  Hash // message: its session

	customer, caller []byte // see personMAC

	id int64 // its row, once it is inserted
}

func newIntake(e *Event, now func() time.Time) *intake {
	in := &intake{Event: *e, key: e.Key, packed: packBody(e.Body)}
	if e.ReceivedAt.IsZero() {
		in.ReceivedAt = now()
	}
	in.received = in.ReceivedAt.UnixNano()
	if e.Kind == KindOther && e.DeadReason == "" {
		in.DeadReason = "unsupported"
	}
	if e.Kind == KindMessage && len(e.LogKeys) > 0 {
		// A message's identity is its log id: one index serves both.
		in.key = e.LogKeys[0]
	}
	if e.Kind == KindMessage && len(e.Sessions) > 0 {
		in.session = e.Sessions[0]
	}
	in.Record = e.Record && e.Kind == KindMessage
	if in.Record && e.Late == LateDrop {
		in.Late = LateRecord // what leaves at once can't be dropped any more
	}
	in.LogKeys = e.LogKeys[:min(len(e.LogKeys), maxOwned)]
	in.Sessions = e.Sessions[:min(len(e.Sessions), maxAliases)]
	for _, text := range []*string{&in.Name, &in.SessionID, &in.LogID, &in.ClientAddress, &in.Endpoint} {
		*text = display(*text, maxDisplay)
	}
	in.DeadReason, in.DeadDetail = display(in.DeadReason, maxDisplay), display(in.DeadDetail, maxDetail)
	return in
}

// order puts neighbours of the key index side by side in a batch.
func (in *intake) order() []byte {
	return append([]byte(in.Source+"\x00"+string(in.Kind)+"\x00"), in.key[:]...)
}

// joins are the hashes of what decides about the event: its sessions and Call-ID or,
// without those, itself.
func (in *intake) joins() []int64 {
	hash := func(role byte, key Hash) int64 {
		sum := sha256.Sum256(append([]byte(in.Source+"\x00"+string(role)), key[:]...))
		return int64(binary.BigEndian.Uint64(sum[:]))
	}
	var joins []int64
	for _, session := range in.Sessions {
		joins = append(joins, hash('s', session))
	}
	if in.SIPKey != (Hash{}) {
		joins = append(joins, hash('c', in.SIPKey))
	}
	if len(joins) == 0 {
		joins = append(joins, hash('k', in.key))
	}
	return joins
}

// size is about what the event adds to the store: its rows, its index entries
// and the pages of the log they pass through.
func (in *intake) size() int64 {
	return int64(len(in.packed)+len(in.Headers)+len(in.RequestHeaders)) + 1024 + 192*int64(len(in.LogKeys)) + 256*flag(in.Record)
}

// display makes text safe to store and show in any engine: valid UTF-8, no NUL,
// at most n bytes.
func display(text string, n int) string {
	text = strings.ToValidUTF8(text[:min(len(text), n+utf8.UTFMax)], "\uFFFD")
	text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	cut := min(len(text), n)
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// accept is the transaction of one event.
func (t *tx) accept(in *intake) (Receipt, error) {
	known, err := t.look(in)
	if err != nil {
		return Receipt{}, err
	}
	if known.event != 0 {
		return t.again(in, known)
	}
	if err := t.heard(in); err != nil {
		return Receipt{}, err
	}
	if in.DeadReason != "" {
		return t.insertDead(in, OutcomeUnsupported, in.DeadReason, in.DeadDetail)
	}
	if in.Kind == KindCDR {
		err = t.acceptCDR(in)
	} else {
		err = t.acceptMessage(in, known.owner)
	}
	return Receipt{Outcome: OutcomeAccepted, EventID: in.id}, err
}

// again is an event whose key is there already. The row counts every
// redelivery, whatever became of it; other content under the same key is kept
// as a dead letter, once for each content.
func (t *tx) again(in *intake, known knowledge) (Receipt, error) {
	if known.content == in.ContentHash {
		return Receipt{Outcome: OutcomeDuplicate, EventID: known.event}, t.exec(`UPDATE event SET redeliveries = redeliveries + 1 WHERE id = ?`, known.event)
	}
	var id int64
	found, err := t.one(`UPDATE event SET redeliveries = redeliveries + 1
		WHERE source = ? AND kind = ? AND key = ? AND content_hash = ? AND conflict = 1 RETURNING id`,
		[]any{in.Source, string(in.Kind), in.key[:], in.ContentHash[:]}, &id)
	if err != nil {
		return Receipt{}, err
	}
	if found {
		return Receipt{Outcome: OutcomeDuplicate, EventID: id}, nil
	}
	return t.insertDead(in, OutcomeConflict, "conflict", "another event with this id and other content was accepted before")
}

func (t *tx) insertDead(in *intake, outcome Outcome, reason, detail string) (Receipt, error) {
	id, err := t.insertEvent(in, row{state: StateDead, reason: reason, detail: detail, endedAt: t.now, conflict: outcome == OutcomeConflict})
	return Receipt{Outcome: outcome, EventID: id, Reason: reason, Detail: detail}, err
}

// row is what the inbox decides about an event.
type row struct {
	state    State
	reason   string
	detail   string
	endedAt  int64
	conflict bool
	subject  int64 // 0: none
}

func (t *tx) insertEvent(in *intake, r row) (int64, error) {
	var subject any
	if r.subject != 0 {
		subject = r.subject
	}
	id, err := t.insert(`INSERT INTO event (source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at,
			subject_id, sip_key, session_key, late_as, record, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers, customer_key, caller_key)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)`,
		in.Source, string(in.Kind), in.key[:], in.ContentHash[:], flag(r.conflict), in.received, string(r.state), r.reason, r.detail, r.endedAt,
		subject, blob(in.SIPKey), blob(in.session), int64(in.Late), flag(in.Record && r.state == StatePending), in.Headers, in.Name, in.SessionID, in.LogID, in.ClientAddress, in.Endpoint, in.RequestHeaders,
		nilIfEmpty(in.customer), nilIfEmpty(in.caller))
	if err != nil {
		return 0, err
	}
	in.id = id
	t.wrote = true
	t.accepted(in.Source, r.state)
	if r.state == StateDropped {
		return id, nil
	}
	return id, t.exec(`INSERT INTO body (event_id, bytes) VALUES (?, ?)`, id, in.packed)
}
