package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks a SQLite file as ours ("c2ot"), in its header.
const applicationID = 0x63326f74

// checkedSize is the file size up to which opening reads every page. A larger
// file would keep webhooks waiting; its damage shows when a page is read.
const checkedSize = 64 << 20

// readers is the number of connections that read beside the writer.
const readers = 4

// walPages is the size of the write-ahead log, in pages, at which it is copied
// into the file: seldom, but never a large part of a small store.
func walPages(maxSize int64) int64 {
	if maxSize <= 0 {
		return 4000
	}
	return min(4000, max(100, maxSize/pageSize/40))
}

// pageSize of a new SQLite file, in bytes.
const pageSize = 4096

//go:embed migrations/*.sql
var migrations embed.FS

// openSQLite makes sure that the file is ours and sound before anything is
// written to it, then opens the writer's connection and the readers'. The caller
// holds the lock.
func openSQLite(ctx context.Context, path string, maxSize int64) (writer, reader *sql.DB, err error) {
	if err := createSQLite(path); err != nil {
		return nil, nil, err
	}
	if err := inspectSQLite(ctx, path); err != nil {
		return nil, nil, err
	}
	writer, err = connectSQLite(path, 1, "journal_mode(wal)", "synchronous(full)", "temp_store(memory)", "cache_size(-16000)",
		fmt.Sprintf("wal_autocheckpoint(%d)", walPages(maxSize)), fmt.Sprintf("journal_size_limit(%d)", 2*walPages(maxSize)*pageSize))
	if err != nil {
		return nil, nil, err
	}
	reader, err = connectSQLite(path, readers, "query_only(1)", "cache_size(-2000)")
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	if err := prepareSQLite(ctx, writer, path); err != nil {
		return nil, nil, errors.Join(err, writer.Close(), reader.Close())
	}
	return writer, reader, nil
}

func connectSQLite(path string, conns int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_pragma": append([]string{"busy_timeout(5000)"}, pragmas...), "mode": {"rw"}, "_dqs": {"0"}}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// createSQLite makes an empty file that only its owner reads: it holds what
// callers said. SQLite gives its log and index files the same mode.
func createSQLite(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	// The name must be as durable as what will be in the file (I1); SQLite syncs
	// the directory for its log, not for a file it did not create.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// inspectSQLite refuses a file that is not ours, is damaged, or was written by
// a later release, without changing it.
func inspectSQLite(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil
	}
	db, err := connectSQLite(path, 1, "query_only(1)")
	if err != nil {
		return err
	}
	defer db.Close()
	var app, version, tables int
	err = db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).Scan(&app, &version, &tables)
	switch code := sqliteCode(err); {
	case code == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is not a SQLite file; nothing was changed", path)
	case code == sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%s is damaged; nothing was changed: %w", path, err)
	case err != nil:
		return fmt.Errorf("read %s: %w", path, err)
	case app != applicationID && (app != 0 || tables > 0):
		return fmt.Errorf("%s belongs to another application; nothing was changed", path)
	case version > schemaVersion():
		return fmt.Errorf("%s was written by a later release (schema %d, this one knows %d)", path, version, schemaVersion())
	case info.Size() > checkedSize:
		return nil
	}
	var found string
	err = db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found)
	if err != nil {
		found = err.Error()
	}
	if found != "ok" {
		return fmt.Errorf("%s is damaged; nothing was changed: %s", path, strings.ReplaceAll(found, "\n", " "))
	}
	return nil
}

// prepareSQLite migrates, and reads back what durability rests on: a file
// system without shared memory, for one, silently refuses the write-ahead log.
func prepareSQLite(ctx context.Context, db *sql.DB, path string) error {
	var journal string
	var synchronous int
	err := db.QueryRowContext(ctx, `SELECT (SELECT journal_mode FROM pragma_journal_mode),
		(SELECT synchronous FROM pragma_synchronous)`).Scan(&journal, &synchronous)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if journal != "wal" || synchronous != 2 {
		return fmt.Errorf("%s can't be made durable: journal_mode is %s (want wal), synchronous is %d (want 2)", path, journal, synchronous)
	}
	if err := migrateSQLite(ctx, db); err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	return nil
}

func schemaVersion() int {
	files, _ := migrations.ReadDir("migrations")
	return len(files)
}

// migrateSQLite applies what is missing, each step in one transaction with the
// version it leads to.
func migrateSQLite(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	for n := version; n < len(files); n++ {
		script, err := migrations.ReadFile("migrations/" + files[n].Name())
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
			script, applicationID, n+1))
		if err != nil {
			return fmt.Errorf("%s: %w", files[n].Name(), err)
		}
	}
	return nil
}

// sqliteCode is the primary result code of an error of SQLite, 0 of any other.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}
