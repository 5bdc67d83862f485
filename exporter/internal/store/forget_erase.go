package store

// work is what is left to erase, in this order: the subjects are marked first, and
// deleted last, so that after an interruption the rest is found from them.
type work struct {
	source   string
	unmarked []int64
	alone    []int64  // events without a subject
	sessions [][]byte // whose observations go
	subjects []int64
}

func (w work) done() bool {
	return len(w.unmarked)+len(w.alone)+len(w.sessions)+len(w.subjects) == 0
}

// erased is what one slice did.
type erased struct {
	left            work
	rows            int
	events, pending int
}

func (e *erased) full() bool { return e.rows >= sliceRows }

// erase is one slice: about sliceRows rows.
func (t *tx) erase(w work) (erased, error) {
	e := erased{left: w}
	for !e.full() && len(e.left.unmarked) > 0 {
		if err := t.mark(e.left.unmarked[0], &e); err != nil {
			return e, err
		}
		e.left.unmarked = e.left.unmarked[1:]
	}
	for !e.full() && len(e.left.alone) > 0 {
		const event = blankable + `WHERE id = ? AND reason <> 'forgotten' LIMIT 0 + ?/*pg: FOR UPDATE*/`
		if err := t.blank(event, e.left.alone[0], &e); err != nil {
			return e, err
		}
		e.left.alone = e.left.alone[1:]
	}
	for !e.full() && len(e.left.sessions) > 0 {
		n, err := t.change(`DELETE FROM observation WHERE id IN (SELECT id FROM observation WHERE source = ? AND session_key = ? LIMIT 0 + ?)`,
			w.source, e.left.sessions[0], sliceRows-e.rows)
		if err != nil {
			return e, err
		}
		if e.rows += int(n); !e.full() {
			e.left.sessions = e.left.sessions[1:]
		}
	}
	for !e.full() && len(e.left.subjects) > 0 {
		if err := t.eraseSubject(e.left.subjects[0], &e); err != nil {
			return e, err
		}
		if !e.full() {
			e.left.subjects = e.left.subjects[1:]
		}
	}
	return e, nil
}

// mark makes a subject one that is being forgotten: from now on nobody claims it or
// joins it, nothing of it is sent, and who has claimed any of it is fenced.
func (t *tx) mark(subject int64, e *erased) error {
	if _, _, err := t.hold(subject); err != nil {
		return err
	}
	n, err := t.change(`UPDATE outbox SET state = 'forgotten', claim_token = NULL, claim_until = 0 WHERE subject_id = ? AND state = 'pending'`, subject)
	if err != nil {
		return err
	}
	e.rows += 1 + int(n)
	return t.exec(`UPDATE subject SET state = 'forgotten', claim_token = NULL, claim_until = 0, gather_key = NULL, sip_key = NULL,
		span_id = NULL, settled_at = NULL, bodies = 0 WHERE id = ?`, subject)
}

// eraseSubject deletes up to the slice's rows of a subject, itself last.
func (t *tx) eraseSubject(subject int64, e *erased) error {
	if _, _, err := t.hold(subject); err != nil {
		return err
	}
	// What could be sent goes first.
	for _, step := range []func(int64, *erased) error{t.eraseRequests, t.eraseTurns, t.eraseMembers} {
		if err := step(subject, e); err != nil || e.full() {
			return err
		}
	}
	for _, query := range []string{
		// Bounded in number when they were inserted.
		`DELETE FROM orphan WHERE subject_id = ?`,
		`DELETE FROM alias WHERE subject_id = ?`,
		`DELETE FROM summary WHERE subject_id = ?`,
		`DELETE FROM subject WHERE id = ?`,
	} {
		n, err := t.change(query, subject)
		if err != nil {
			return err
		}
		e.rows += int(n)
	}
	return nil
}

// eraseRequests deletes each request with its row, so that none is claimed that has
// no bytes.
func (t *tx) eraseRequests(subject int64, e *erased) error {
	var ids []int64
	err := t.each(`SELECT id FROM outbox WHERE subject_id = ? LIMIT 0 + ?`, []any{subject, sliceRows - e.rows}, func(rows scanner) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return err
	}
	e.rows += len(ids)
	for _, id := range ids {
		if err := t.deleteOutbox(id); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) eraseTurns(subject int64, e *erased) error {
	n, err := t.change(`DELETE FROM turn WHERE id IN (SELECT id FROM turn WHERE subject_id = ? LIMIT 0 + ?)`, subject, sliceRows-e.rows)
	e.rows += int(n)
	return err
}

func (t *tx) eraseMembers(subject int64, e *erased) error {
	return t.blank(blankable+`WHERE subject_id = ? LIMIT 0 + ?/*pg: FOR UPDATE*/`, subject, e)
}

// blankable is what blank reads of an event: conditions follow.
const blankable = `SELECT id, source, state, coalesce(length(headers), 0) + coalesce(length(request_headers), 0) FROM event `

// blank makes the events that a query finds empty: what is left are the hashes by
// which a redelivery is known, the state that says what became of it, and the reason
// "forgotten". They go with the history.
func (t *tx) blank(query string, of int64, e *erased) error {
	type event struct {
		id     int64
		source string
		state  State
		bytes  int64
	}
	var events []event
	err := t.each(query, []any{of, sliceRows - e.rows}, func(rows scanner) error {
		var ev event
		err := rows.Scan(&ev.id, &ev.source, &ev.state, &ev.bytes)
		events = append(events, ev)
		return err
	})
	if err != nil {
		return err
	}
	for _, ev := range events {
		state := ev.state
		if state == StatePending || state == StateDead {
			state = StateForgotten
			t.moved(ev.source, ev.state, StateForgotten, 1)
			e.pending++
		}
		t.grew(-ev.bytes)
		if err := t.blankEvent(ev.id, state); err != nil {
			return err
		}
	}
	e.events += len(events)
	e.rows += len(events)
	return nil
}

func (t *tx) blankEvent(id int64, state State) error {
	if err := t.exec(`DELETE FROM body WHERE event_id = ?`, id); err != nil {
		return err
	}
	return t.exec(`UPDATE event SET state = ?, reason = 'forgotten', detail = '', ended_at = ?, subject_id = NULL, record = 0,
			sip_key = NULL, session_key = NULL, customer_key = NULL, caller_key = NULL,
			headers = NULL, session_id = '', log_id = '', client_address = '', endpoint = '', request_headers = NULL
		WHERE id = ?`, string(state), t.now, id)
}
