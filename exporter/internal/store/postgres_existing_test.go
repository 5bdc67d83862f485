package store

import (
	"errors"
	"net/url"
	"testing"

	"cdr2otel/internal/schematest"
)

// Whose tables they are is said by where they are: those of another deployment may be
// next in search_path.
func TestTablesInALaterSchemaOfSearchPathAreNotTheStoreThatIsThere(t *testing.T) {
	t.Parallel()
	theirs, _ := NewTestSchema(t)
	openReplica(t, theirs)
	ours, db := NewTestSchema(t)
	schema := func(at string) string {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("search_path")
	}
	s, err := OpenExisting(t.Context(), Config{URL: schematest.With(t, ours, "search_path", schema(ours)+", "+schema(theirs))})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, ErrNone) {
		t.Errorf("open: %v, want ErrNone", err)
	}
	var tables int
	if err := db.QueryRow(`SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()`).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables, %v; want none", tables, err)
	}
}
