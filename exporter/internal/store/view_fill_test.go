package store

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// A store of many events as they are after days: calls of nine messages and a CDR,
// all exported but a few.
const (
	fillCall = 10 // events of a call
	fillStep = 60 * time.Millisecond
)

var fillStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// fillKey is a key that is spread over its index like a hash. Role tells the keys
// of one number apart.
func fillKey(role byte, n int64) (h Hash) {
	copy(h[:], fmt.Sprintf("%c%010d%021d", role, n*2654435761%10000000000, n))
	return h
}

func fillTrace(call int64) (id [16]byte) {
	h := fillKey('t', call)
	copy(id[:], h[:11])
	copy(id[11:], h[27:])
	return id
}

// filled is a store with that many events, written with few statements.
func filled(tb testing.TB, events int64) *Store {
	tb.Helper()
	cfg := Config{URL: "sqlite:" + filepath.Join(tb.TempDir(), "filled.db"), Retention: time.Hour, DeadLetterRetention: time.Hour}
	s, err := Open(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	fill(tb, s.path, events)
	if s, err = Open(context.Background(), cfg); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func fill(tb testing.TB, path string, events int64) {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(off)&_pragma=cache_size(-400000)")
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	key := func(role, n string) string {
		return `CAST(printf('` + role + `%010d%021d', ` + n + `*2654435761%10000000000, ` + n + `) AS BLOB)`
	}
	trace := `CAST(substr(` + key("t", "n") + `, 1, 11) || substr(` + key("t", "n") + `, 28) AS BLOB)`
	calls := `WITH RECURSIVE c(n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM c WHERE n + 1 < ` + fmt.Sprint(events/fillCall) + `)`
	each := `WITH RECURSIVE e(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM e WHERE i + 1 < ` + fmt.Sprint(events) + `)`
	headers := `{"accept":"*/*","authorization":"[redacted]","content-length":"6210","content-type":"application/json","user-agent":"Watson","x-global-transaction-id":"b1f2c3d4e5f60718293a4b5c6d7e8f90"}`
	at := fmt.Sprintf("%d + i*%d", fillStart.UnixNano(), int64(fillStep))
	for _, script := range []string{
		`BEGIN`,
		`INSERT INTO source (name, first_at, message_at) VALUES ('default', 1, 1), ('rare', 1, 1)`,
		// The oldest three are pending; a few are dead or dropped, and one is of a rare source.
		each + `INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id,
				sip_key, session_key, late_as, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers, took_ns)
			SELECT i + 1, CASE i WHEN 7 THEN 'rare' ELSE 'default' END, CASE i % 10 WHEN 9 THEN 'cdr' ELSE 'message' END,
				CASE i % 10 WHEN 9 THEN ` + key("c", "(i/10)") + ` ELSE ` + key("l", "i") + ` END, ` + key("h", "i") + `, 0, ` + at + `,
				CASE WHEN i < 3 THEN 'pending' WHEN i % 5000 = 4 THEN 'dead' WHEN i % 5000 = 5 THEN 'dropped' ELSE 'exported' END,
				CASE i % 5000 WHEN 4 THEN 'refused' ELSE '' END, '', CASE WHEN i % 5000 IN (4, 5) THEN ` + at + ` ELSE 0 END, i/10 + 1,
				` + key("p", "(i/10)") + `, CASE i % 10 WHEN 9 THEN NULL ELSE ` + key("s", "(i/10)") + ` END, 0, CAST('{}' AS BLOB), 0,
				CASE i % 10 WHEN 9 THEN 'cdr_logged' ELSE 'message_logged' END, printf('session-%028d', i/10), printf('log-%032d', i),
				'203.0.113.7', '/webhook/default', CAST('` + headers + `' AS BLOB), 3000000 FROM e`,
		calls + `INSERT INTO subject (id, source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, trace_id, span_id,
				start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped)
			SELECT n + 1, 'default', 'call', 'assembled', 'complete', 1, 0, 0, 0, 0, 0, ` + trace + `, x'0102030405060708', 1, 2, 0, 3, 0, 0, n + 4, 0 FROM c`,
		each + `INSERT INTO turn (source, log_key, subject_id, span_id, start_ns, end_ns)
			SELECT 'default', ` + key("l", "i") + `, i/10 + 1, x'0807060504030201', 1, 2 FROM e WHERE i % 10 <> 9`,
		calls + `INSERT INTO alias (source, key, call, subject_id) SELECT 'default', CAST('s' || ` + key("s", "n") + ` AS BLOB), 1, n + 1 FROM c`,
		calls + `INSERT INTO alias (source, key, call, subject_id) SELECT 'default', CAST('c' || ` + key("p", "n") + ` AS BLOB), 1, n + 1 FROM c`,
		// Few conversations, and few calls failed: all of them long ago.
		calls + `INSERT INTO summary (subject_id, source, kind, started_at, duration_ns, direction, result, channel, turns, worst_turn_ns, jitter_ns,
				loss_ppm, warnings, failed, transferred, slow)
			SELECT n + 1, 'default', CASE n WHEN 3 THEN 'conversation' ELSE 'call' END, ` + fmt.Sprintf("%d + n*%d", fillStart.UnixNano(), fillCall*int64(fillStep)) + `,
				90000000000, 'inbound', 'completed', '', 9, n*7919%5000*1000000, 1000000, 10, 0, n = 5, n % 10 = 1, n % 50 = 1 FROM c`,
		each + `INSERT INTO body (event_id, bytes) SELECT i + 1, zeroblob(1800) FROM e WHERE i >= ` + fmt.Sprint(events-1000),
		`INSERT INTO outbox (id, subject_id, signal, part, state, created_at, attempts, first_failed_at, last_error, claim_until)
			SELECT id, id, 'traces', 0, 'done', 3, 0, 0, '', 0 FROM subject`,
		`COMMIT`,
	} {
		if _, err := db.Exec(script); err != nil {
			tb.Fatalf("%s: %v", script, err)
		}
	}
	if _, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		tb.Fatal(err)
	}
}
