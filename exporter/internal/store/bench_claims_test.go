package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// claimed is how many are claimed at once.
const claimed = 32

// BenchmarkClaims claims calls and requests of a schema without history, and of one
// with a million events of a hundred thousand calls: an op is one claim of 32, with all
// that is read of them. It needs CDR2OTEL_TEST_POSTGRES_URL.
func BenchmarkClaims(b *testing.B) {
	for _, events := range []int{0, 1_000_000} {
		at, db := NewTestSchema(b)
		s, err := Open(b.Context(), Config{URL: at, Retention: time.Hour, DeadLetterRetention: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		FillPostgres(b, db, events)
		b.Run(fmt.Sprintf("calls, %d events", events), func(b *testing.B) {
			addClaimable(b, s, db, b.N*claimed)
			benchClaim(b, func() (int, error) {
				calls, err := s.ClaimDue(context.Background(), claimed, time.Hour)
				return len(calls), err
			})
		})
		b.Run(fmt.Sprintf("requests, %d events", events), func(b *testing.B) {
			addClaimable(b, s, db, b.N*claimed)
			benchClaim(b, func() (int, error) {
				requests, err := s.ClaimRequests(context.Background(), "traces", 0, claimed, time.Hour)
				return len(requests), err
			})
		})
	}
}

func benchClaim(b *testing.B, claim func() (int, error)) {
	var took []time.Duration
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		n, err := claim()
		took = append(took, time.Since(began))
		if err != nil || n != claimed {
			b.Fatalf("claimed %d, %v", n, err)
		}
	}
	slices.Sort(took)
	for _, percent := range []int{50, 99} {
		b.ReportMetric(float64(took[(len(took)-1)*percent/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", percent))
	}
}

// BenchmarkClaimReads reads what belongs to 32 calls of nine turns, and to 32 requests:
// at once, as a claim does, and one by one, in turn. It needs CDR2OTEL_TEST_POSTGRES_URL.
func BenchmarkClaimReads(b *testing.B) {
	at, db := NewTestSchema(b)
	s, err := Open(b.Context(), Config{URL: at, Retention: time.Hour, DeadLetterRetention: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	addClaimable(b, s, db, claimed)
	calls, err := s.ClaimDue(b.Context(), claimed, time.Hour)
	if err != nil || len(calls) != claimed {
		b.Fatalf("claimed %d, %v", len(calls), err)
	}
	requests, err := s.ClaimRequests(b.Context(), "traces", 0, claimed, time.Hour)
	if err != nil || len(requests) != claimed {
		b.Fatalf("claimed %d, %v", len(requests), err)
	}
	b.Run("calls", func(b *testing.B) {
		benchReads(b, func(from, to int) error {
			for i := range calls[from:to] {
				calls[from+i].Owned = nil
			}
			return s.complete(b.Context(), calls[from:to])
		})
	})
	b.Run("requests", func(b *testing.B) {
		benchReads(b, func(from, to int) error {
			read, err := s.unpackRequests(b.Context(), slices.Clone(requests[from:to]))
			if len(read) != to-from {
				err = fmt.Errorf("%d requests of %d: %w", len(read), to-from, err)
			}
			return err
		})
	})
}

func benchReads(b *testing.B, read func(from, to int) error) {
	var once, each []time.Duration
	for b.Loop() {
		began := time.Now()
		err := read(0, claimed)
		once = append(once, time.Since(began))
		began = time.Now()
		for i := range claimed {
			err = errors.Join(err, read(i, i+1))
		}
		each = append(each, time.Since(began))
		if err != nil {
			b.Fatal(err)
		}
	}
	for name, took := range map[string][]time.Duration{"at-once": once, "one-by-one": each} {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
	}
}

// FillPostgres makes history as fill does: calls of nine messages and a CDR, exported.
func FillPostgres(b testing.TB, db *sql.DB, events int) {
	b.Helper()
	key := func(role, n string) string { return `sha256(convert_to('` + role + `' || ` + n + `, 'UTF8'))` }
	script := fmt.Sprintf(`SET synchronous_commit = off;
		INSERT INTO event (source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, late_as,
				headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers)
			SELECT 'default', CASE i %% 10 WHEN 9 THEN 'cdr' ELSE 'message' END, %[1]s, %[1]s, 0, i, 'exported', '', '', 0, i/10 + 1, %[2]s, %[2]s, 0,
				'\x7b7d', 0, 'message_logged', 'session', 'log', '203.0.113.7', '/webhook/default', '\x7b7d' FROM generate_series(0, %[3]d) i;
		INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, trace_id, span_id,
				start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped)
			SELECT 'default', 'call', 'assembled', 'complete', 1, 0, 0, 0, 0, 0, substring(%[4]s FOR 16), '\x0102030405060708', 1, 2, 0, 3, 0, 0, n, 0
			FROM generate_series(1, %[5]d) n;
		INSERT INTO turn (source, log_key, subject_id, span_id, start_ns, end_ns)
			SELECT 'default', %[1]s, i/10 + 1, '\x0807060504030201', 1, 2 FROM generate_series(0, %[3]d) i WHERE i %% 10 <> 9;
		INSERT INTO outbox (subject_id, signal, part, state, created_at, attempts, first_failed_at, last_error, claim_until)
			SELECT id, 'traces', 0, 'done', 3, 0, 0, '', 0 FROM subject;
		INSERT INTO request (outbox_id, bytes) SELECT id, decode(repeat('00', 1800), 'hex') FROM outbox;
		ANALYZE event; ANALYZE subject; ANALYZE turn; ANALYZE outbox; ANALYZE request`,
		key("l", "i"), key("c", "i/10"), events-1, key("t", "n"), events/fillCall)
	if _, err := db.Exec(script); err != nil {
		b.Fatal(err)
	}
}

// addClaimable adds calls of nine turns that are due, each with a request that is to
// be sent: what another benchmark left is not in the way.
func addClaimable(b *testing.B, s *Store, db *sql.DB, n int) {
	b.Helper()
	request := s.codec.pack(make([]byte, 6000))
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`UPDATE subject SET state = 'assembled' WHERE state = 'open'`, nil},
		{`UPDATE outbox SET state = 'done' WHERE state = 'pending'`, nil},
		{`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, start_ns, end_ns, named, assembled_at, open_parts, bodies, stripped)
			SELECT 'due', 'call', 'open', 'complete', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, $1)`, []any{n}},
		{`INSERT INTO turn (source, log_key, subject_id, start_ns, end_ns)
			SELECT 'due', convert_to(id || '/' || i, 'UTF8'), id, 0, 0 FROM subject, generate_series(1, 9) i WHERE state = 'open'`, nil},
		{`INSERT INTO outbox (subject_id, signal, part, state, created_at, attempts, first_failed_at, last_error, claim_until)
			SELECT id, 'traces', 0, 'pending', 3, 0, 0, '', 0 FROM subject WHERE state = 'open'`, nil},
		{`INSERT INTO request (outbox_id, bytes) SELECT id, CAST($1 AS BYTEA) FROM outbox WHERE state = 'pending'`, []any{request}},
	} {
		if _, err := db.Exec(step.query, step.args...); err != nil {
			b.Fatalf("%s: %v", step.query, err)
		}
	}
}
