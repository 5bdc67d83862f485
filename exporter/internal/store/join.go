package store

import "strconv"

// knowledge is what the store knows of an event before it is inserted.
type knowledge struct {
	event   int64 // row with the same key; 0: none
	content Hash  // its content
	owner   owner // message: the call it belongs to
}

// owner is the call a message belongs to.
type owner struct {
	subject int64 // 0: no call owns it
	state   string
	named   bool // by a turn, not only by Call-ID or session
}

// ranks of what lookup finds, in the order in which a message joins: log id, SIP
// Call-ID, session.
const (
	rankEvent = iota
	rankTurn
	rankSIP
	rankSession
)

// lookup asks what is known of an event in one statement, in the order of ranks: there
// are thousands of events a second, and one writer. SQLite takes the parts of a union in
// their order, and no more of them than are read. A call that can't be mapped owns nothing.
func (t *tx) lookup(in *intake) (knowledge, error) {
	const event = `SELECT 0 AS rank, id, content_hash, '' FROM event WHERE source = ? AND kind = ? AND key = ? AND conflict = 0`
	const message = event + `
		UNION ALL SELECT 1, s.id, NULL/*pg:::bytea*/, s.state FROM turn t JOIN subject s ON s.id = t.subject_id
			WHERE t.source = ? AND t.log_key = ? AND s.state NOT IN ('dead', 'forgotten')
		UNION ALL SELECT * FROM (SELECT 2, s.id, NULL/*pg:::bytea*/, s.state FROM alias a JOIN subject s ON s.id = a.subject_id
			WHERE a.source = ? AND a.key = ? AND a.call = 1 AND s.state NOT IN ('dead', 'forgotten') ORDER BY a.subject_id LIMIT 1)/*pg: AS sip*/
		UNION ALL SELECT * FROM (SELECT 3, s.id, NULL/*pg:::bytea*/, s.state FROM alias a JOIN subject s ON s.id = a.subject_id
			WHERE a.source = ? AND a.key = ? AND a.call = 1 AND s.state NOT IN ('dead', 'forgotten') ORDER BY a.subject_id LIMIT 1)/*pg: AS session ORDER BY rank LIMIT 1*/`
	query, args := event, []any{in.Source, string(in.Kind), in.key[:]}
	if in.Kind == KindMessage && in.DeadReason == "" {
		query, args = message, append(args,
			in.Source, in.log(), in.Source, aliasKey('c', in.SIPKey), in.Source, aliasKey('s', in.session))
	}
	var rank int
	var id int64
	var content []byte
	var state string
	found, err := t.one(query, args, &rank, &id, &content, &state)
	switch {
	case err != nil || !found:
		return knowledge{}, err
	case rank == rankEvent:
		known := knowledge{event: id}
		copy(known.content[:], content)
		return known, nil
	}
	return knowledge{owner: owner{subject: id, state: state, named: rank == rankTurn}}, nil
}

// look is lookup, of which the answer stays true until the end of the transaction:
// with other processes beside this one the owner is locked, and what became of it
// meanwhile counts.
func (t *tx) look(in *intake) (knowledge, error) {
	for {
		known, err := t.lookup(in)
		if err != nil || !t.engine.shared() || known.event != 0 || known.owner.subject == 0 {
			return known, err
		}
		held, found, err := t.hold(known.owner.subject)
		switch {
		case err != nil:
			return known, err
		case found && (held.state == "open" || held.state == "assembled"):
			known.owner.state = held.state
			return known, nil
		}
		// It ended just now: what comes after it in the order of joining?
	}
}

// log is the log key of a message, nil when it has none.
func (in *intake) log() any {
	if len(in.LogKeys) == 0 {
		return nil
	}
	return blob(in.LogKeys[0])
}

// aliasKey keeps sessions and Call-IDs apart even if their text is the same,
// which it is in CDRs of the older schema.
func aliasKey(role byte, h Hash) any {
	if h == (Hash{}) {
		return nil
	}
	return append([]byte{role}, h[:]...)
}

// acceptMessage puts a message where it belongs: into its open call, behind its
// assembled call as a late message, or into its session's conversation.
func (t *tx) acceptMessage(in *intake, own owner) error {
	var err error
	switch {
	case own.subject == 0:
		err = t.converse(in)
	case own.state == "open":
		err = t.joinCall(in, own)
	default:
		return t.acceptLate(in, own)
	}
	if err != nil {
		return err
	}
	if !own.named {
		t.unowned(in)
	}
	return t.acceptRecord(in, own)
}

func (t *tx) acceptLate(in *intake, own owner) error {
	switch in.Late {
	case LateDrop:
		_, err := t.insertEvent(in, row{state: StateDropped, reason: string(ReasonLate), endedAt: t.now})
		return err
	case LateRecord:
		return t.acceptLateRecord(in, own)
	}
	late, err := t.insertLate(own.subject, in.log())
	if err != nil {
		return err
	}
	if _, err := t.insertEvent(in, row{state: StatePending, subject: late}); err != nil {
		return err
	}
	return t.acceptRecord(in, own)
}

// joinCall adds a message to its open call, which is due now when nothing is
// missing any more.
func (t *tx) joinCall(in *intake, own owner) error {
	if _, err := t.insertEvent(in, row{state: StatePending, subject: own.subject}); err != nil || !own.named {
		return err
	}
	var missing int64
	_, err := t.one(`UPDATE subject SET missing = missing - 1,
			due_at = CASE WHEN missing <= 1 AND due_at > ? THEN ? ELSE due_at END,
			reason = CASE WHEN missing <= 1 THEN 'complete' ELSE reason END
		WHERE id = ? RETURNING missing`, []any{t.now, t.now, own.subject}, &missing)
	if missing <= 0 {
		t.dueAt(t.now)
	}
	return err
}

// insertLate makes the subject of a message whose call was assembled before it
// came. It keeps its parent: the call may be gone when it is mapped.
func (t *tx) insertLate(call int64, log any) (int64, error) {
	t.dueAt(t.now)
	return t.insert(`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, call_id,
			trace_id, span_id, start_ns, end_ns, named, assembled_at, open_parts, bodies, stripped)
		SELECT s.source, 'late', 'open', 'late', ?, 0, 0, 1, 0, 0, s.call_id, s.trace_id,
			coalesce(t.span_id, s.span_id), coalesce(t.start_ns, s.start_ns), coalesce(t.end_ns, s.end_ns), CASE WHEN t.id IS NULL THEN 0 ELSE 1 END, 0, 0, 0, 0
		FROM subject s LEFT JOIN turn t ON t.source = s.source AND t.log_key = ? AND t.subject_id = s.id AND t.span_id IS NOT NULL
		WHERE s.id = ?`, t.now, log, call)
}

// segmentSize is SegmentSize in a statement. Where messages are taken in abreast, the
// next may be there before the statement that seals.
var segmentSize = strconv.Itoa(SegmentSize)

// converse adds a message that no call owns to the open conversation of its
// session, Call-ID or, with neither, itself, and pushes that back; or opens one.
func (t *tx) converse(in *intake) error {
	var id, messages int64
	var sip []byte
	_, err := t.one(`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, gather_key, sip_key, messages, missing, orphans,
			start_ns, end_ns, named, assembled_at, open_parts, bodies, stripped)
		VALUES (?, 'conversation', 'open', ?, ?, 0, 0, ?, ?, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		ON CONFLICT (source, gather_key) WHERE gather_key IS NOT NULL
			DO UPDATE SET messages = subject.messages + 1, not_before = excluded.due_at, reason = excluded.reason
			/*pg:, gather_key = CASE WHEN subject.messages + 1 < `+segmentSize+` THEN subject.gather_key END*/
		RETURNING id, messages, sip_key`,
		[]any{in.Source, string(in.QuietReason), t.now + int64(in.Quiet), in.gatherKey(), blob(in.SIPKey)}, &id, &messages, &sip)
	if err != nil {
		return err
	}
	if _, err := t.insertEvent(in, row{state: StatePending, subject: id}); err != nil {
		return err
	}
	if messages == 1 || in.SIPKey != (Hash{}) && string(sip) != string(in.SIPKey[:]) {
		if err := t.insertAliases(in.Source, id, 0, aliasKey('c', in.SIPKey), aliasKey('s', in.session)); err != nil {
			return err
		}
	}
	if messages == 1 { // later messages only push it back
		t.dueAt(t.now + int64(in.Quiet))
	}
	if messages < SegmentSize {
		return nil
	}
	// Sealed: the next message opens a new segment.
	t.dueAt(t.now)
	return t.exec(`UPDATE subject SET gather_key = NULL, due_at = ?, not_before = 0, reason = 'size' WHERE id = ?`, t.now, id)
}

// gatherKey is what a message without a call is gathered by.
func (in *intake) gatherKey() any {
	switch {
	case in.session != (Hash{}):
		return aliasKey('s', in.session)
	case in.SIPKey != (Hash{}):
		return aliasKey('c', in.SIPKey)
	}
	return aliasKey('k', in.key)
}

func (t *tx) insertAliases(source string, subject, call int64, keys ...any) error {
	for _, key := range keys {
		if key == nil {
			continue
		}
		err := t.exec(`INSERT INTO alias (source, key, call, subject_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, source, key, call, subject)
		if err != nil {
			return err
		}
	}
	return nil
}
