package store

import (
	"database/sql"
	"strings"
)

// call is a CDR on its way into the store.
type call struct {
	*tx
	in      *intake
	id      int64
	adopted bool           // id was a conversation, whose messages all are the call's
	waiting map[Hash]bool  // owned log ids whose message is not there
	robbed  map[int64]bool // open subjects from which messages were taken
	orphans int
}

// acceptCDR opens a call: it takes the log ids that no earlier call names, takes
// over the messages that came before it, and is due when nothing is missing, or
// after its grace.
func (t *tx) acceptCDR(in *intake) error {
	c := &call{tx: t, in: in, waiting: make(map[Hash]bool, len(in.LogKeys)), robbed: make(map[int64]bool)}
	steps := []func() error{c.open, c.own, c.findable, c.countAdopted, c.takeByAlias, c.takeByLog, c.closeRobbed, c.schedule}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) open() error {
	if err := c.adopt(); err != nil {
		return err
	}
	if !c.adopted {
		id, err := c.insert(`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, call_id, trace_id,
				start_ns, end_ns, named, assembled_at, open_parts, bodies, stripped)
			VALUES (?, 'call', 'open', 'grace', ?, 0, 0, 0, ?, 0, ?, ?, 0, 0, 0, 0, 0, 0, 0)`,
			c.in.Source, c.now+int64(c.in.Grace), len(c.in.LogKeys), c.in.CallID, c.in.TraceID[:])
		if err != nil {
			return err
		}
		c.id = id
	}
	_, err := c.insertEvent(c.in, row{state: StatePending, subject: c.id})
	return err
}

// adopt turns the open conversation of the call's session or Call-ID into the
// call: all its messages are the call's, and so none of their rows is rewritten.
// It is the usual case, because messages are logged while the caller speaks.
func (c *call) adopt() (err error) {
	keys := make([]any, 0, 1+len(c.in.Sessions))
	for _, session := range c.in.Sessions {
		keys = append(keys, aliasKey('s', session))
	}
	if c.in.SIPKey != (Hash{}) {
		keys = append(keys, aliasKey('c', c.in.SIPKey))
	}
	for _, key := range keys {
		c.adopted, err = c.one(`UPDATE subject SET kind = 'call', reason = 'grace', due_at = ?, not_before = 0, gather_key = NULL, sip_key = NULL,
				messages = 0, missing = ?, call_id = ?, trace_id = ? WHERE source = ? AND gather_key = ? RETURNING id`,
			[]any{c.now + int64(c.in.Grace), len(c.in.LogKeys), c.in.CallID, c.in.TraceID[:], c.in.Source, key}, &c.id)
		if err != nil {
			return err
		}
		if c.adopted {
			return c.exec(`DELETE FROM alias WHERE subject_id = ?`, c.id)
		}
	}
	return nil
}

// countAdopted ends the wait for the messages of the adopted conversation.
func (c *call) countAdopted() error {
	if !c.adopted {
		return nil
	}
	return c.each(`SELECT key FROM event WHERE subject_id = ? AND kind = 'message'`, []any{c.id}, func(rows scanner) error {
		key, err := scanHash(rows)
		delete(c.waiting, key)
		return err
	})
}

// own takes the log ids that no other call has: the first accepted CDR that
// names a log id owns it.
func (c *call) own() error {
	for keys := range chunks(c.in.LogKeys) {
		args := make([]any, 0, 3*len(keys))
		for i := range keys {
			args = append(args, c.in.Source, keys[i][:], c.id)
		}
		err := c.each(`INSERT INTO turn (source, log_key, subject_id, start_ns, end_ns) VALUES `+
			strings.Repeat(", (?, ?, ?, 0, 0)", len(keys))[2:]+` ON CONFLICT (source, log_key) DO NOTHING RETURNING log_key`,
			args, func(rows scanner) error {
				key, err := scanHash(rows)
				c.waiting[key] = true
				c.grew(turnSize)
				return err
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// findable lets messages that no turn names find the call.
func (c *call) findable() error {
	keys := []any{aliasKey('c', c.in.SIPKey)}
	for _, session := range c.in.Sessions {
		keys = append(keys, aliasKey('s', session))
	}
	return c.insertAliases(c.in.Source, c.id, 1, keys...)
}

// takeByAlias takes over the messages of this Call-ID and these sessions from
// the conversations that hold them.
func (c *call) takeByAlias() error {
	if c.in.SIPKey != (Hash{}) {
		err := c.takeFrom(aliasKey('c', c.in.SIPKey), `UPDATE event SET subject_id = ?
			WHERE subject_id = ? AND sip_key = ? AND state IN ('pending', 'dead') RETURNING key`, c.in.SIPKey)
		if err != nil {
			return err
		}
	}
	for _, session := range c.in.Sessions {
		err := c.takeFrom(aliasKey('s', session), `UPDATE event SET subject_id = ?
			WHERE subject_id = ? AND session_key = ? AND state IN ('pending', 'dead') RETURNING key`, session)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *call) takeFrom(alias any, take string, key Hash) error {
	var open, left []holder
	err := c.each(`SELECT s.id, s.kind, s.state, s.trace_id, s.span_id, s.start_ns, s.end_ns
		FROM alias a JOIN subject s ON s.id = a.subject_id WHERE a.source = ? AND a.key = ? AND a.call = 0
		ORDER BY a.subject_id DESC LIMIT 0 + ?/*pg: FOR UPDATE OF s*/`, []any{c.in.Source, alias, maxOrphans}, func(rows scanner) error {
		var h holder
		if err := rows.Scan(&h.id, &h.kind, &h.state, &h.trace, &h.span, &h.start, &h.end); err != nil {
			return err
		}
		if h.state == "open" {
			open = append(open, h)
		} else {
			left = append(left, h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, h := range left {
		if err := c.linkOrphan(h); err != nil {
			return err
		}
	}
	for _, h := range open {
		err := c.each(take, []any{c.id, h.id, key[:]}, func(rows scanner) error {
			taken, err := scanHash(rows)
			delete(c.waiting, taken)
			c.robbed[h.id] = true
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// takeByLog counts the messages of owned log ids that are there under another
// session. Those that did not leave yet are taken; those of an assembled
// conversation left with it.
func (c *call) takeByLog() error {
	var keys []Hash
	for _, key := range c.in.LogKeys {
		if c.waiting[key] {
			keys = append(keys, key)
		}
	}
	for part := range chunks(keys) {
		args := []any{c.in.Source}
		for i := range part {
			args = append(args, part[i][:])
		}
		var take []int64
		var from []holder
		err := c.each(`SELECT e.id, e.key, coalesce(s.id, 0), coalesce(s.kind, ''), coalesce(s.state, ''), s.trace_id, s.span_id,
				coalesce(s.start_ns, 0), coalesce(s.end_ns, 0)
			FROM event e LEFT JOIN subject s ON s.id = e.subject_id
			WHERE e.source = ? AND e.kind = 'message' AND e.conflict = 0 AND e.key IN (`+strings.Repeat(", ?", len(part))[2:]+`)`,
			args, func(rows scanner) error {
				var event int64
				var key []byte
				var h holder
				if err := rows.Scan(&event, &key, &h.id, &h.kind, &h.state, &h.trace, &h.span, &h.start, &h.end); err != nil {
					return err
				}
				delete(c.waiting, Hash(key))
				take, from = append(take, event), append(from, h)
				return nil
			})
		if err != nil {
			return err
		}
		if from, err = c.holdAll(from); err != nil {
			return err
		}
		for i, h := range from {
			if err := c.takeOne(take[i], h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *call) takeOne(event int64, h holder) error {
	switch {
	case h.state == "assembled" && h.kind == string(SubjectConversation):
		return c.linkOrphan(h)
	case h.state == "open" && h.kind != string(SubjectLate) && h.kind != string(SubjectRecord):
		// A conversation, or a call that has it only by its session: a log id
		// binds closer.
		c.robbed[h.id] = true
		return c.exec(`UPDATE event SET subject_id = ? WHERE id = ? AND subject_id = ?`, c.id, event, h.id)
	}
	return nil
}

func (c *call) linkOrphan(h holder) error {
	if len(h.span) == 0 || c.orphans >= maxOrphans {
		return nil
	}
	c.orphans++
	return c.exec(`INSERT INTO orphan (subject_id, conversation_id, trace_id, span_id, start_ns, end_ns) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, c.id, h.id, h.trace, h.span, h.start, h.end)
}

// closeRobbed deletes a conversation whose last message was taken. Whoever had
// claimed a robbed subject loses the claim: what it read is not true any more.
func (c *call) closeRobbed() error {
	for id := range c.robbed {
		var rest int64
		some, err := c.one(`SELECT id FROM event WHERE subject_id = ? LIMIT 1`, []any{id}, &rest)
		switch {
		case err != nil:
			return err
		case some:
			err = c.exec(`UPDATE subject SET claim_token = NULL, claim_until = 0 WHERE id = ?`, id)
		default:
			err = c.deleteEmpty(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) deleteEmpty(subject int64) error {
	if err := t.exec(`DELETE FROM alias WHERE subject_id = ?`, subject); err != nil {
		return err
	}
	return t.exec(`DELETE FROM subject WHERE id = ?`, subject)
}

// schedule settles when the call is due, and why.
func (c *call) schedule() error {
	missing := len(c.waiting)
	if missing > 0 {
		c.waits(c.id)
	}
	reason, due := ReasonGrace, c.now+int64(c.in.Grace)
	silent, err := c.sendsNoMessages(c.in.Source)
	switch {
	case err != nil:
		return err
	case missing == 0:
		reason, due = ReasonComplete, c.now
	case c.in.NotExpected || silent:
		reason, due = ReasonNotExpected, c.now
	case missing == len(c.in.LogKeys) && c.orphans == 0:
		c.dueAt(due)
		return nil // as open wrote it
	}
	c.dueAt(due)
	return c.exec(`UPDATE subject SET missing = ?, reason = ?, due_at = ?, orphans = ? WHERE id = ?`,
		missing, string(reason), due, flag(c.orphans > 0), c.id)
}

// maxChunk is the number of rows of one multi-row statement. Each length is a
// statement of its own, so it bounds what the writer prepares.
const maxChunk = 32

func chunks(keys []Hash) func(yield func([]Hash) bool) {
	return func(yield func([]Hash) bool) {
		for start := 0; start < len(keys); start += maxChunk {
			if !yield(keys[start:min(start+maxChunk, len(keys))]) {
				return
			}
		}
	}
}

func scanHash(rows scanner) (Hash, error) {
	var raw sql.RawBytes
	var h Hash
	err := rows.Scan(&raw)
	copy(h[:], raw)
	return h, err
}
