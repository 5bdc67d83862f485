package store

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// With sequential scans switched off the planner still chooses one where no index
// serves, or reads an index whole. The tables are large, and nothing waits: what is
// planned then is kept while much does.
func TestNoStatementScansATableOfPostgreSQL(t *testing.T) {
	t.Parallel()
	at, db := NewTestSchema(t)
	s, err := Open(t.Context(), Config{URL: at, MaxSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	exerciseRecords(t, s)
	exerciseEveryStatement(t, s)
	takeIn(t, s, true, abreastBatch())
	s.statements.mu.Lock()
	var queries []string
	for query := range s.statements.stmt {
		queries = append(queries, query)
	}
	s.statements.mu.Unlock()
	if err := s.Close(); err != nil { // from here on the writer's map is ours
		t.Fatal(err)
	}
	for query := range s.writer.stmts {
		queries = append(queries, query)
	}
	for _, rows := range []string{"INSERT INTO event .*unnest", "INSERT INTO body .*unnest", "unnest.*LATERAL .*FROM event"} {
		if !slices.ContainsFunc(queries, regexp.MustCompile("(?s)"+rows).MatchString) {
			t.Errorf("no statement is %s", rows)
		}
	}
	if len(queries) < 100 {
		t.Errorf("only %d statements were exercised", len(queries))
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), planned+`; SET plan_cache_mode = force_generic_plan`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `TRUNCATE event, subject, turn, outbox, request, body, observation RESTART IDENTITY`); err != nil {
		t.Fatal(err)
	}
	FillPostgres(t, db, 20_000)
	_, err = conn.ExecContext(t.Context(), `INSERT INTO body (event_id, bytes) SELECT id, '' FROM event;
		INSERT INTO alias (source, key, call, subject_id) SELECT source, trace_id, 1, id FROM subject ON CONFLICT DO NOTHING;
		INSERT INTO observation (source, session_key, received_at, bytes) SELECT source, trace_id, id, '' FROM subject;
		ANALYZE`)
	if err != nil {
		t.Fatal(err)
	}
	for i, query := range queries {
		plan := postgresPlan(t, conn, i, postgresSQL(query))
		if found := readsAll(plan); found != "" {
			t.Errorf("all of %s is read by %s\n%s", found, query, plan)
		}
	}
}

// small are tables and indexes that may be read whole: of few rows, or of what is
// worked on just now, in its order.
var small = []string{"ledger", "space", "refusal_pkey", "event_conflict", "subject_due"}

var scan = regexp.MustCompile(`(?:Seq Scan on|Index(?: Only)? Scan(?: Backward)? using|Bitmap Index Scan on) (\w+)`)

// readsAll is the table or index that a plan reads from one end to the other.
func readsAll(plan string) string {
	lines := strings.Split(plan, "\n")
	for i, line := range lines {
		read := scan.FindStringSubmatch(line)
		if read == nil || slices.Contains(small, read[1]) || strings.Contains(lines[i+1], "Index Cond") {
			continue
		}
		return read[1]
	}
	return ""
}

func postgresPlan(t *testing.T, conn *sql.Conn, i int, query string) string {
	t.Helper()
	ctx := context.Background()
	if _, err := conn.ExecContext(ctx, fmt.Sprintf(`PREPARE q%d AS %s`, i, query)); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	n := 0
	for strings.Contains(query, fmt.Sprintf("$%d", n+1)) {
		n++
	}
	arguments := ""
	if n > 0 {
		arguments = "(NULL" + strings.Repeat(", NULL", n-1) + ")"
	}
	rows, err := conn.QueryContext(ctx, fmt.Sprintf(`EXPLAIN EXECUTE q%d%s`, i, arguments))
	var plan strings.Builder
	err = eachRow(rows, err, func(rows *sql.Rows) error {
		var line string
		err := rows.Scan(&line)
		plan.WriteString(line + "\n")
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return plan.String()
}
