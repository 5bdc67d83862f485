package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// With sequential scans switched off the planner still chooses one where no index
// serves.
func TestNoStatementScansATableOfPostgreSQL(t *testing.T) {
	t.Parallel()
	at, db := NewTestSchema(t)
	s, err := Open(t.Context(), Config{URL: at, MaxSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	exerciseRecords(t, s)
	exerciseEveryStatement(t, s)
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
	if len(queries) < 100 {
		t.Errorf("only %d statements were exercised", len(queries))
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan`); err != nil {
		t.Fatal(err)
	}
	for i, query := range queries {
		plan := postgresPlan(t, conn, i, postgresSQL(query))
		for line := range strings.Lines(plan) {
			_, table, scans := strings.Cut(line, "Seq Scan on ")
			switch {
			case !scans, strings.HasPrefix(table, "ledger"), strings.HasPrefix(table, "space"):
			default:
				t.Errorf("%s\n%s", query, plan)
			}
		}
	}
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
