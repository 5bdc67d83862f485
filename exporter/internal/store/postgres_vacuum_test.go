package store_test

import (
	"slices"
	"strings"
	"testing"
)

// A table that is not among these is one whose rows come and go, or its rows are few.
func TestTablesWhoseRowsComeAndGoAreVacuumedBeforeAFifthOfThemIsDead(t *testing.T) {
	t.Parallel()
	_, db := replicas(t, 1)
	rows, err := db.QueryContext(t.Context(), `SELECT relname, coalesce(array_to_string(reloptions, ' '), '') FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	few := []string{"forgetting", "ledger", "migration", "refusal", "secret", "source", "space"}
	early := 0
	for rows.Next() {
		var table, options string
		if err := rows.Scan(&table, &options); err != nil {
			t.Fatal(err)
		}
		isEarly := strings.Contains(options, "autovacuum_vacuum_scale_factor=0.02")
		if isEarly == slices.Contains(few, table) {
			t.Errorf("%s: %q", table, options)
		}
		if isEarly {
			early++
		}
	}
	if err := rows.Err(); err != nil || early < 10 {
		t.Errorf("%d tables, %v", early, err)
	}
}
