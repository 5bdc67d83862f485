package store

import (
	"bytes"
	"context"
	"database/sql"
	"regexp"
	"strings"
)

// Bounds of one read of the search: short, so that no read keeps the log from being
// copied into the file.
const (
	scanRows = 10_000 // rows looked at
	scanKeys = 32     // sessions, and as many Call-IDs, asked for at a time
)

// search finds everything that hangs together with a person, beside the writer: the
// events that name the person, the subjects that hold those, and from each of them
// whatever shares its trace, sessions, Call-IDs or log ids.
type search struct {
	*Store
	ctx      context.Context
	source   string
	subjects map[int64]bool
	order    []int64 // of subjects, as they were found; those behind next are to be followed
	next     int
	alone    map[int64]bool // events without a subject
	keys     map[string]bool
	unasked  []string // of keys, those that no scan asked for yet
	traces   map[[16]byte]bool
	exported [][16]byte
}

func (f *search) nothing() bool { return len(f.subjects)+len(f.alone) == 0 }

func (f *search) work() work {
	w := work{source: f.source, unmarked: f.order, subjects: f.order}
	for id := range f.alone {
		w.alone = append(w.alone, id)
	}
	for key := range f.keys {
		if key[0] == 's' {
			w.sessions = append(w.sessions, []byte(key))
		}
	}
	return w
}

// find searches. Beside what hangs together with the person it finds what an
// interrupted Forget left of any other of the source.
func (s *Store) find(ctx context.Context, p sought) (*search, error) {
	f := &search{
		Store: s, ctx: ctx, source: p.Source,
		subjects: make(map[int64]bool), alone: make(map[int64]bool), keys: make(map[string]bool), traces: make(map[[16]byte]bool),
	}
	if err := f.interrupted(); err != nil {
		return nil, err
	}
	for _, trace := range p.Traces {
		if err := f.inTrace(trace); err != nil {
			return nil, err
		}
	}
	if err := f.key('s', p.Session[:]); err != nil {
		return nil, err
	}
	if err := f.key('c', p.SIP[:]); err != nil {
		return nil, err
	}
	who := []any{nilIfEmpty(p.Customer), nilIfEmpty(p.Caller), blob(p.Call)}
	for first := true; first || len(f.unasked) > 0; first = false {
		if err := f.scan(who); err != nil {
			return nil, err
		}
		who = []any{nil, nil, nil} // one scan found all of those
		if err := f.follow(); err != nil {
			return nil, err
		}
	}
	return f, f.unreadable(p.Text)
}

// eachRange calls fn for consecutive ranges of ids of a table, (from, to].
func (f *search) eachRange(maximum string, fn func(from, to int64) error) error {
	last, err := f.number(f.ctx, maximum)
	if err != nil {
		return err
	}
	for from := int64(0); from < last.Int64; from += scanRows {
		if err := fn(from, min(from+scanRows, last.Int64)); err != nil {
			return err
		}
	}
	return nil
}

const (
	lastEvent   = `SELECT max(id) FROM event`
	lastSubject = `SELECT max(id) FROM subject`
)

// interrupted finds the subjects that an earlier Forget left half deleted.
func (f *search) interrupted() error {
	return f.eachRange(lastSubject, func(from, to int64) error {
		return f.subjectsOf(`SELECT id FROM subject WHERE id > ? AND id <= ? AND state = 'forgotten' AND source = ?`, from, to, f.source)
	})
}

// scan reads every event once, for the person and the keys that no scan asked for.
func (f *search) scan(who []any) error {
	var keys [2][]any // sessions, Call-IDs
	rest := f.unasked[:0:0]
	for _, key := range f.unasked {
		i := 0
		if key[0] == 'c' {
			i = 1
		}
		if len(keys[i]) == scanKeys {
			rest = append(rest, key)
			continue
		}
		keys[i] = append(keys[i], []byte(key[1:]))
	}
	f.unasked = rest
	list := "(?" + strings.Repeat(", ?", scanKeys-1) + ")"
	query := `SELECT id, coalesce(subject_id, 0) FROM event WHERE id > ? AND id <= ? AND source = ? AND reason <> 'forgotten'
		AND (customer_key = ? OR caller_key = ? OR kind = 'cdr' AND key = ? OR session_key IN ` + list + ` OR sip_key IN ` + list + `)`
	args := append([]any{int64(0), int64(0), f.source}, who...)
	for i := range keys {
		args = append(args, keys[i]...)
		args = append(args, make([]any, scanKeys-len(keys[i]))...)
	}
	return f.eachRange(lastEvent, func(from, to int64) error {
		args[0], args[1] = from, to
		return f.events(query, args...)
	})
}

// unreadable finds the dead letters of which nothing but their body is known, by
// what is in it.
func (f *search) unreadable(text string) error {
	if text == "" {
		return nil
	}
	names := naming(text)
	return f.eachRange(lastEvent, func(from, to int64) error {
		rows, err := f.read(f.ctx, `SELECT e.id, b.bytes FROM event e JOIN body b ON b.event_id = e.id
			WHERE e.id > ? AND e.id <= ? AND e.source = ? AND e.state = 'dead' AND e.subject_id IS NULL`, from, to, f.source)
		var body []byte
		return f.each(rows, err, func(rows *sql.Rows) error {
			var id int64
			var packed sql.RawBytes
			if err := rows.Scan(&id, &packed); err != nil {
				return err
			}
			if body, err = unpackBody(body, packed); err != nil {
				return nil // damaged: it says nothing of anybody
			}
			if names(body) {
				f.alone[id] = true
			}
			return nil
		})
	})
}

// naming returns what reports whether a body has the text in it; of digits, with anything
// between them that people write or paste into a telephone number.
func naming(text string) func(body []byte) bool {
	if strings.Trim(text, "0123456789") != "" {
		return func(body []byte) bool { return bytes.Contains(body, []byte(text)) }
	}
	number := regexp.MustCompile(strings.Join(strings.Split(text, ""), `(?:[.()/\p{Pd}\p{Zs}\p{Cf}]|\\/)*`))
	return number.Match
}

// follow goes from every subject that was found to what hangs together with it.
func (f *search) follow() error {
	for ; f.next < len(f.order); f.next++ {
		if err := f.from(f.order[f.next]); err != nil {
			return err
		}
	}
	return nil
}

func (f *search) from(subject int64) error {
	for _, query := range []string{
		// The same turn elsewhere: of a message the call that names it, of a call its
		// messages.
		`SELECT t.subject_id FROM event e JOIN turn t ON t.source = e.source AND t.log_key = e.key WHERE e.subject_id = ? AND e.kind = 'message'`,
		`SELECT e.subject_id FROM turn t JOIN event e ON e.source = t.source AND e.kind = 'message' AND e.key = t.log_key AND e.conflict = 0
			WHERE t.subject_id = ? AND e.subject_id IS NOT NULL`,
		// Conversations in which messages of the call left before its CDR came.
		`SELECT s.id FROM orphan o JOIN subject s ON s.id = o.conversation_id WHERE o.subject_id = ?`,
		// Log records.
		`SELECT s.id FROM event e JOIN subject s ON s.event_id = e.id/*pg: AND s.id > 0*/ WHERE e.subject_id = ?`,
		`SELECT e.subject_id FROM subject s JOIN event e ON e.id = s.event_id WHERE s.id = ? AND e.subject_id IS NOT NULL`,
	} {
		if err := f.subjectsOf(query, subject); err != nil {
			return err
		}
	}
	for _, query := range []string{
		// Other content under the same key.
		`SELECT c.id, coalesce(c.subject_id, 0) FROM event e JOIN event c ON c.source = e.source AND c.kind = e.kind AND c.key = e.key AND c.conflict = 1
			WHERE e.subject_id = ? AND c.reason <> 'forgotten'`,
		// Messages that hang from a turn or log record and belong to no subject.
		`SELECT e.id, 0 FROM turn t JOIN event e ON e.source = t.source AND e.kind = 'message' AND e.key = t.log_key AND e.conflict = 0
			WHERE t.subject_id = ? AND e.subject_id IS NULL AND e.reason <> 'forgotten'`,
		`SELECT e.id, 0 FROM subject s JOIN event e ON e.id = s.event_id WHERE s.id = ? AND e.subject_id IS NULL AND e.reason <> 'forgotten'`,
	} {
		if err := f.events(query, subject); err != nil {
			return err
		}
	}
	if err := f.keysOf(subject); err != nil {
		return err
	}
	return f.trace(subject)
}

// subjectsOf takes the subjects that a query finds.
func (f *search) subjectsOf(query string, args ...any) error {
	rows, err := f.read(f.ctx, query, args...)
	return f.each(rows, err, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		f.subject(id)
		return err
	})
}

func (f *search) subject(id int64) {
	if !f.subjects[id] {
		f.subjects[id] = true
		f.order = append(f.order, id)
	}
}

// events takes the events that a query finds, with their subjects.
func (f *search) events(query string, args ...any) error {
	type event struct{ id, subject int64 }
	var found []event
	rows, err := f.read(f.ctx, query, args...)
	err = f.each(rows, err, func(rows *sql.Rows) error {
		var e event
		err := rows.Scan(&e.id, &e.subject)
		found = append(found, e)
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range found {
		if e.subject != 0 {
			f.subject(e.subject)
		} else if err := f.lone(e.id); err != nil {
			return err
		}
	}
	return nil
}

// lone takes an event without a subject: a dropped message, or a dead letter on
// arrival. Its key is another event's, and its session says where it belongs.
func (f *search) lone(event int64) error {
	if f.alone[event] {
		return nil
	}
	f.alone[event] = true
	if err := f.keysIn(`SELECT session_key, sip_key FROM event WHERE id = ?`, event); err != nil {
		return err
	}
	if err := f.subjectsOf(`SELECT id FROM subject WHERE event_id = ?/*pg: AND id > 0*/`, event); err != nil {
		return err
	}
	if err := f.subjectsOf(`SELECT t.subject_id FROM event e JOIN turn t ON t.source = e.source AND t.log_key = e.key WHERE e.id = ? AND e.kind = 'message'`, event); err != nil {
		return err
	}
	for _, query := range []string{
		`SELECT o.id, coalesce(o.subject_id, 0) FROM event e JOIN event o ON o.source = e.source AND o.kind = e.kind AND o.key = e.key AND o.conflict = 0
			WHERE e.id = ? AND o.reason <> 'forgotten'`,
		`SELECT o.id, coalesce(o.subject_id, 0) FROM event e JOIN event o ON o.source = e.source AND o.kind = e.kind AND o.key = e.key AND o.conflict = 1
			WHERE e.id = ? AND o.reason <> 'forgotten'`,
	} {
		if err := f.events(query, event); err != nil {
			return err
		}
	}
	return nil
}

// keysOf takes the sessions and Call-IDs of a subject.
func (f *search) keysOf(subject int64) error {
	if err := f.keysIn(`SELECT session_key, sip_key FROM event WHERE subject_id = ?`, subject); err != nil {
		return err
	}
	var aliases [][]byte
	rows, err := f.read(f.ctx, `SELECT key FROM alias WHERE subject_id = ?`, subject)
	err = f.each(rows, err, func(rows *sql.Rows) error {
		var key []byte
		err := rows.Scan(&key)
		aliases = append(aliases, key)
		return err
	})
	for i := 0; err == nil && i < len(aliases); i++ {
		if len(aliases[i]) > 1 {
			err = f.key(aliases[i][0], aliases[i][1:])
		}
	}
	return err
}

// keysIn takes the sessions and Call-IDs that a query finds.
func (f *search) keysIn(query string, args ...any) error {
	type pair struct{ session, sip []byte }
	var pairs []pair
	rows, err := f.read(f.ctx, query, args...)
	err = f.each(rows, err, func(rows *sql.Rows) error {
		var p pair
		err := rows.Scan(&p.session, &p.sip)
		pairs = append(pairs, p)
		return err
	})
	for i := 0; err == nil && i < len(pairs); i++ {
		if err = f.key('s', pairs[i].session); err == nil {
			err = f.key('c', pairs[i].sip)
		}
	}
	return err
}

// key takes a session or Call-ID, and the subjects that are found by it.
func (f *search) key(role byte, hash []byte) error {
	key := string(append([]byte{role}, hash...))
	if len(hash) == 0 || Hash(hash) == (Hash{}) || f.keys[key] {
		return nil
	}
	f.keys[key] = true
	f.unasked = append(f.unasked, key)
	return f.subjectsOf(`SELECT subject_id FROM alias WHERE source = ? AND key = ?`, f.source, []byte(key))
}

// trace takes the trace of a subject, and everything else in it.
func (f *search) trace(subject int64) error {
	var trace []byte
	var exported bool
	rows, err := f.read(f.ctx, `SELECT trace_id, assembled_at > 0 AND state <> 'dead' FROM subject WHERE id = ? AND trace_id IS NOT NULL`, subject)
	err = f.each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&trace, &exported) })
	if err != nil || len(trace) != 16 {
		return err
	}
	if exported {
		f.exported = append(f.exported, [16]byte(trace))
	}
	return f.inTrace([16]byte(trace))
}

func (f *search) inTrace(trace [16]byte) error {
	if trace == ([16]byte{}) || f.traces[trace] {
		return nil
	}
	f.traces[trace] = true
	return f.subjectsOf(`SELECT id FROM subject WHERE trace_id = ? AND source = ?`, trace[:], f.source)
}
