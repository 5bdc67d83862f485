package doctor_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"cdr2otel/exporter/doctor"
	"cdr2otel/internal/schematest"
)

// onDatabase are surroundings whose store is a schema of PostgreSQL.
func onDatabase(t *testing.T, url string) *surroundings {
	t.Helper()
	s := surround(t, nil)
	s.env["OTEL_TRACES_EXPORTER"], s.env["OTEL_METRICS_EXPORTER"] = "none", "none"
	s.store(url)
	return s
}

func (s *surroundings) store(url string) {
	s.yaml = fmt.Sprintf("store: {url: %q, max_size: 16MiB}\n", url)
}

// none makes sure that a check found nothing of a state. How long a commit takes is the
// matter of the machine that this runs on.
func (f findings) none(check string, state doctor.State) {
	f.t.Helper()
	for _, found := range f.Report {
		slow := found.State == doctor.Warn && strings.HasPrefix(found.Seen, "a commit takes ")
		if found.Check == check && found.State == state && !slow {
			f.t.Errorf("%s of %s: %s; %s", state, check, found.Seen, found.Do)
		}
	}
}

func TestAllIsWellWithADatabaseAndNothingIsLeftInIt(t *testing.T) {
	t.Parallel()
	at, db := schematest.New(t)
	// Other tests have sidecars on this database.
	at = schematest.With(t, at, "application_name", schemaOf(t, db))
	s := onDatabase(t, at)
	f := s.examine(nil)
	f.want("store", doctor.OK, "PostgreSQL 1", "on this machine", "no tables yet, serve makes them", "a commit took")
	f.want("store", doctor.Note, "no synchronous standby")
	f.want("store", doctor.Note, "a replica keeps up to 6 connections", "no sidecar is connected")
	f.want("clock", doctor.OK, "the database")
	f.none("store", doctor.Warn)
	f.none("store", doctor.Fail)
	if n := number(t, db, `SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace`); n != 0 {
		t.Errorf("%d things were left", n)
	}
	s.serve()
	f = s.examine(nil)
	f.want("store", doctor.OK, "its tables are there")
	f.want("store", doctor.Note, "of sidecars are open")
	if _, err := db.Exec(`DELETE FROM migration WHERE name = '0003_forgetting.sql'`); err != nil {
		t.Fatal(err)
	}
	s.examine(nil).want("store", doctor.OK, "of an earlier release")
	if _, err := db.Exec(`INSERT INTO migration (name) VALUES ('0003_forgetting.sql'), ('9999_later.sql')`); err != nil {
		t.Fatal(err)
	}
	s.examine(nil).want("store", doctor.Fail, "made by a later release", "use that release")
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestADatabaseThatDoesNotKeepWhatIsAcknowledgedFails(t *testing.T) {
	t.Parallel()
	at, db := schematest.New(t)
	s := onDatabase(t, schematest.With(t, at, "synchronous_commit", "off"))
	s.examine(nil).want("store", doctor.Fail, "not durable: synchronous_commit is off", "set synchronous_commit to on")
	s.yaml = strings.Replace(s.yaml, "max_size", "allow_asynchronous_commit: true, max_size", 1)
	f := s.examine(nil)
	f.want("store", doctor.Warn, "is lost", "remove store.allow_asynchronous_commit")
	f.none("store", doctor.Fail)

	s.store(schematest.With(t, at, "default_transaction_read_only", "on"))
	s.examine(nil).want("store", doctor.Fail, "lets nobody write", "default_transaction_read_only")
	s.store(schematest.With(t, at, "search_path", "there_is_none"))
	s.examine(nil).want("store", doctor.Fail, "no schema of search_path exists", "CREATE SCHEMA")

	if _, err := db.Exec(`CREATE TABLE event (id INT)`); err != nil {
		t.Fatal(err)
	}
	s.store(at)
	s.examine(nil).want("store", doctor.Fail, "a table event that is not this program's", "schema of its own")
}

func TestWhatARoleLacksIsNamed(t *testing.T) {
	t.Parallel()
	at, db := schematest.New(t)
	schema := schemaOf(t, db)
	role := schematest.Role(t, db)
	as := func(statement string) {
		t.Helper()
		if _, err := db.Exec(strings.NewReplacer("$role", role, "$schema", schema).Replace(statement)); err != nil {
			t.Fatal(err)
		}
	}
	owner, s := onDatabase(t, at), onDatabase(t, schematest.With(t, at, "user", role))
	// Without USAGE a schema is as if it were not there.
	s.examine(nil).want("store", doctor.Fail, "no schema of search_path exists")
	as(`GRANT USAGE ON SCHEMA $schema TO $role`)
	s.examine(nil).want("store", doctor.Fail, "may not make tables in schema "+schema, "GRANT CREATE ON SCHEMA")
	owner.serve()
	s.examine(nil).want("store", doctor.Fail, "may not read and write alias, answer, body and ", "GRANT SELECT, INSERT, UPDATE, DELETE")
	as(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA $schema TO $role`)
	f := s.examine(nil)
	f.want("store", doctor.Warn, "does not own alias", "let role "+role+" own them")
	f.none("store", doctor.Fail)
}

func TestTooFewConnectionsAreWarnedOf(t *testing.T) {
	t.Parallel()
	at, db := schematest.New(t)
	role := schematest.Role(t, db)
	if _, err := db.Exec(`GRANT ALL ON SCHEMA ` + schemaOf(t, db) + ` TO ` + role + `; ALTER ROLE ` + role + ` CONNECTION LIMIT 4`); err != nil {
		t.Fatal(err)
	}
	f := onDatabase(t, schematest.With(t, at, "user", role)).examine(nil)
	f.want("store", doctor.OK, "role "+role)
	f.want("store", doctor.Warn, "4 connections left, and a replica keeps up to 6", "raise max_connections")
}

func schemaOf(t *testing.T, db *sql.DB) (schema string) {
	t.Helper()
	if err := db.QueryRow(`SELECT current_schema()`).Scan(&schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestADatabaseThatCanNotBeReachedSaysWhatToDo(t *testing.T) {
	t.Parallel()
	at := schematest.Need(t)
	for name, c := range map[string]struct{ url, seen, do string }{
		"nobody there":  {"postgres://u:hunter2@127.0.0.1:1/x", "connection refused", "start the server"},
		"no socket":     {"postgres:///x?password=hunter2&host=" + filepath.Join(t.TempDir(), "none"), "no such file", "folder of its socket"},
		"no database":   {schematest.With(t, at, "dbname", "there_is_none"), "does not exist", "make the database"},
		"no role":       {schematest.With(t, at, "user", "there_is_none"), "does not exist", "correct user and password"},
		"no such host":  {"postgres://u:hunter2@nobody.invalid/x", "nobody.invalid", "correct the host"},
		"no such field": {schematest.With(t, at, "there_is_none", "1"), "there_is_none", "correct store.url"},
	} {
		f := onDatabase(t, c.url).examine(nil)
		f.want("store", doctor.Fail, c.seen, c.do)
		if text := f.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "\t") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}
