package backends

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// postgresEnv is the URL of a database in which tests make schemas.
const postgresEnv = "CDR2OTEL_TEST_POSTGRES_URL"

// newSchema is the URL of a schema of the test's own, dropped when the test ends.
// Without a database the test is skipped, or fails under "make backends".
func newSchema(t testing.TB) string {
	t.Helper()
	given := os.Getenv(postgresEnv)
	if given == "" {
		if os.Getenv(requireEnv) == "1" {
			t.Fatalf("%s names no database", postgresEnv)
		}
		t.Skipf("%s names no database", postgresEnv)
	}
	conn, err := pgx.Connect(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	schema := "backends_" + strings.ToLower(rand.Text()[:12])
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropSchema(t, given, schema) })
	u, err := url.Parse(given)
	if err != nil {
		t.Fatalf("%s is no URL", postgresEnv) // the cause quotes it, with a password
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

func dropSchema(t testing.TB, given, schema string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, given)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE"); err != nil {
		t.Error(err)
	}
}
