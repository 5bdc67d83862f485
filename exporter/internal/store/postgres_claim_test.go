package store

import (
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Behind 100 000 rows of history a claim of five reads, and changes, no more than
// 50 pages.
func TestAClaimReadsNoHistory(t *testing.T) {
	t.Parallel()
	at, db := NewTestSchema(t)
	s, err := Open(t.Context(), Config{URL: at})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, fill := range []string{
		`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped)
			SELECT 's', 'call', 'assembled', 'complete', i, 0, 0, 0, 0, 0, 0, 0, 0, i, 0, 0, i, 0 FROM generate_series(1, 100000) i`,
		`INSERT INTO outbox (subject_id, signal, part, state, created_at, attempts, first_failed_at, last_error, claim_until)
			SELECT i, 'traces', 0, 'done', i, 0, 0, '', 0 FROM generate_series(1, 100000) i`,
		`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, start_ns, end_ns, named, assembled_at, open_parts, bodies, stripped)
			SELECT 's', 'call', 'open', 'grace', i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, 5) i`,
		`INSERT INTO outbox (subject_id, signal, part, state, created_at, attempts, first_failed_at, last_error, claim_until)
			SELECT 100000 + i, 'traces', 0, 'pending', i, 0, 0, '', 0 FROM generate_series(1, 5) i`,
		`INSERT INTO request (outbox_id, bytes) SELECT id, '' FROM outbox WHERE state = 'pending'`,
	} {
		if _, err := db.Exec(fill); err != nil {
			t.Fatal(err)
		}
	}
	if due, err := s.ClaimDue(t.Context(), 5, time.Nanosecond); err != nil || len(due) != 5 {
		t.Fatal(len(due), err)
	}
	if _, err := s.ClaimRequests(t.Context(), "traces", 0, 5, time.Nanosecond); err != nil { // the statement is what counts, not what is in the requests
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // from here on the writer's map is ours
		t.Fatal(err)
	}
	now := time.Now().UnixNano()
	for prefix, args := range map[string][]any{
		"UPDATE subject SET due_at = not_before": {now, now},
		"UPDATE subject SET claim_token = ?, ":   {[]byte("token"), now, now, now, 5},
		"UPDATE outbox SET claim_token = ?, ":    {[]byte("token"), now, "traces", 0, now, 5},
	} {
		found := false
		for query := range s.writer.stmts {
			if strings.HasPrefix(query, prefix) && !strings.Contains(query, "WHERE id = ?") {
				found = true
				if n := buffers(t, db, postgresSQL(query), args); n > 50 {
					t.Errorf("%d pages were read by %s", n, query)
				}
			}
		}
		if !found {
			t.Errorf("no statement begins with %s", prefix)
		}
	}
}

// buffers is how many pages a statement reads.
func buffers(t *testing.T, db *sql.DB, query string, args []any) int {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(planned); err != nil {
		t.Fatal(err)
	}
	var text []byte
	if err := tx.QueryRow(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) `+query, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var plans []struct {
		Plan map[string]any
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		t.Fatal(err, string(text))
	}
	hit, _ := plans[0].Plan["Shared Hit Blocks"].(float64)
	read, _ := plans[0].Plan["Shared Read Blocks"].(float64)
	t.Logf("%.0f pages: %s", hit+read, query[:40])
	return int(hit + read)
}
