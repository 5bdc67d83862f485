package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// One statement that reads a whole table costs nothing in a test and everything
// with a million rows.
func TestNoStatementScansATable(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "plan.db"), MaxSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	exerciseRecords(t, s)
	exerciseEveryStatement(t, s)
	s.gather.close() // these write what is waiting
	s.took.close()
	var queries []string
	for query := range s.statements.stmt {
		queries = append(queries, query)
	}
	if err := s.writer.close(); err != nil { // from here on its map is ours
		t.Fatal(err)
	}
	for query := range s.writer.stmts {
		queries = append(queries, query)
	}
	for _, query := range queries {
		if plan := planOf(t, s.reader, query); strings.Contains(plan, "SCAN") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
	if err := s.reader.Close(); err != nil {
		t.Fatal(err)
	}
	s.codec.close()
	if err := s.lock.Close(); err != nil {
		t.Fatal(err)
	}
}

func planOf(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	switch {
	case strings.Contains(query, "pragma_"), strings.HasPrefix(query, "PRAGMA"):
		return ""
	case strings.HasSuffix(query, "claim_until > 0"), // once, on opening, through what is open
		strings.Contains(query, "INDEXED BY subject_due"),  // for the gauges, through what is open
		strings.Contains(query, "ORDER BY due_at LIMIT 1"), // to the first that is open and not claimed
		strings.Contains(query, "sqlite_dbpage"),           // forget reads every page, some at a time
		strings.Contains(query, "FROM refusal GROUP BY"):   // once, beside the writer: rings of 1 000 rows for each of 64 sources
		return ""
	}
	args := make([]any, strings.Count(query, "?"))
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		switch {
		case detail == "SCAN CONSTANT ROW", strings.HasSuffix(detail, "VALUES CLAUSE"), strings.HasPrefix(detail, "SCAN (subquery"):
		case detail == "SCAN named", detail == "SCAN traced", detail == "SCAN found": // bounded, in the query of a view
		default:
			plan = append(plan, detail)
		}
	}
	return strings.Join(plan, "\n")
}

func exerciseEveryStatement(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key := func(name string) Hash { return Key(name) }
	message := func(name, session string) *Event {
		return &Event{Source: "s", Kind: KindMessage, Key: key(name), ContentHash: key(name), Body: []byte(name), LogKeys: []Hash{key(name)},
			SIPKey: key(session), Sessions: []Hash{key(session)}, QuietReason: ReasonWindow}
	}
	cdr := func(name string, logs ...Hash) *Event {
		return &Event{Source: "s", Kind: KindCDR, Key: key(name), ContentHash: key(name), Body: []byte(name), LogKeys: logs,
			SIPKey: key(name), Sessions: []Hash{key(name)}}
	}
	accept := func(e *Event) {
		t.Helper()
		_, err := s.Accept(ctx, e)
		check(err)
	}
	drain := func(verdict Verdict, dead string) {
		t.Helper()
		due, err := s.ClaimDue(ctx, 100, time.Minute)
		check(err)
		for _, sub := range due {
			a := Assembly{Subject: sub, Root: Anchor{SpanID: [8]byte{1}}, DeadReason: dead}
			if dead == "" {
				a.Parts = []Part{{Signal: "traces"}}
			}
			check(s.Members(ctx, sub, func(m Member) error { a.Members = append(a.Members, m.EventID); return nil }))
			for _, k := range sub.Owned {
				a.Turns = append(a.Turns, TurnAnchor{LogKey: k})
			}
			check(s.Assemble(ctx, a))
		}
		requests, err := s.ClaimRequests(ctx, "traces", 0, 100, time.Minute)
		check(err)
		for _, r := range requests {
			check(s.Settle(ctx, []Settlement{{Request: r, Verdict: verdict, Parts: [][]byte{{1}, {2}}}}))
		}
	}
	accept(message("m1", "a"))
	accept(message("m1", "a"))
	different := message("m1", "a")
	different.ContentHash = key("other")
	accept(different)
	accept(message("m2", "b"))
	drain(VerdictDone, "")
	accept(message("m3", "a"))
	accept(cdr("a", key("m1"), key("m2"), key("m3"), key("m4")))
	accept(message("m4", "a"))
	drain(VerdictHold, "")
	drain(VerdictRetry, "")
	drain(VerdictSplit, "")
	drain(VerdictDead, "")
	accept(message("m5", "a"))
	drain(VerdictDone, "")
	dropped := message("m6", "a")
	dropped.Late = LateDrop
	accept(dropped)
	accept(message("m7", "c"))
	accept(message("m8", "d"))
	elsewhere := cdr("e", key("m7"), key("m8"))
	elsewhere.Sessions = append(elsewhere.Sessions, key("d"), key("c"))
	accept(elsewhere)
	drain(VerdictDone, "unmappable")
	accept(cdr("f", key("m9")))
	var dead int64
	check(s.reader.QueryRow(`SELECT id FROM event WHERE state = 'dead' AND subject_id IS NOT NULL`).Scan(&dead))
	check(s.Retry(ctx, dead))
	_, _, err := s.RetryReason(ctx, "", "none", 0, 10)
	check(err)
	_, _, err = s.RetryableReasons(ctx, "")
	check(err)
	_, err = s.ClaimDue(ctx, 1, time.Minute)
	check(err)
	_, _, err = s.NextDue(ctx)
	check(err)
	accept(message("m10", "g"))
	_, err = s.Waiting(ctx, "traces")
	check(err)
	now := time.Unix(0, s.now())
	s.Answered(Answer{At: now, Source: "s", Outcome: "unauthorized", Status: 401, Reason: "credentials", ClientAddress: "203.0.113.7"})
	s.Answered(Answer{At: now.Add(-2 * answersKept), Source: "s", Outcome: "accepted"})
	s.gather.flush()
	s.Took(dead, time.Millisecond)
	_, err = s.Refusals(ctx, "", 10)
	check(err)
	_, err = s.Answers(ctx, now)
	check(err)
	_, err = s.Refused(ctx, now)
	check(err)
	for n := 1; n > 0; {
		n, err = s.Sweep(ctx)
		check(err)
	}
	forgetPlan(t, s)
	check(s.writer.write(ctx, &op{run: func(t *tx) error { _, err := t.evict(100); return err }}))
}
