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
	"slices"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks a SQLite file as ours ("c2ot"), in its header.
const applicationID = 0x63326f74

// checkedSize is the file size up to which opening reads every page. A larger
// file would keep webhooks waiting; its damage shows when a page is read.
const checkedSize = 256 << 20

// readers is the number of connections that read beside the writer.
const readers = 4

// walPages is the size of the write-ahead log, in pages, at which it is copied
// into the file: seldom, but never a large part of a small store.
func walPages(limit int64) int64 {
	if limit <= 0 {
		return 4000
	}
	return min(4000, max(100, limit/pageSize/40))
}

// pageSize of a new SQLite file, in bytes.
const pageSize = 4096

//go:embed migrations/*.sql
var migrations embed.FS

// openSQLite makes sure that the file is ours and sound before anything is
// written to it, then opens the writer's connection and the readers'. The caller
// holds the lock.
func openSQLite(ctx context.Context, path string, maxSize int64) (writer, reader *sql.DB, err error) {
	if err := createSQLite(ctx, path); err != nil {
		return nil, nil, err
	}
	if err := inspectSQLite(ctx, path); err != nil {
		return nil, nil, err
	}
	if writer, err = connectWriter(ctx, path, maxSize); err != nil {
		return nil, nil, err
	}
	if err := restartLog(ctx, writer, path); err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	reader, err = connectSQLite(path, readers, "rw", "query_only(1)", "cache_size(-2000)")
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	return writer, reader, nil
}

// restartLog empties the log that an earlier process left, so that nothing of its
// torn end stays in it (inspectLog counts on that), and makes the names of the
// files durable: of the log, SQLite itself does not say when it could not.
func restartLog(ctx context.Context, db *sql.DB, path string) error {
	var busy, frames, copied int
	err := db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &copied)
	if err != nil && sqliteCode(err) != sqlite3.SQLITE_FULL {
		return fmt.Errorf("copy the log into %s: %w", path, err)
	}
	return syncDirectory(filepath.Dir(path))
}

func connectWriter(ctx context.Context, path string, maxSize int64) (*sql.DB, error) {
	pages := walPages(maxSize)
	db, err := connectSQLite(path, 1, "rw", "journal_mode(wal)", "secure_delete(on)", "temp_store(memory)", "cache_size(-8000)",
		fmt.Sprintf("wal_autocheckpoint(%d)", pages), fmt.Sprintf("journal_size_limit(%d)", 2*pages*pageSize))
	if err != nil {
		return nil, err
	}
	if err := prepareSQLite(ctx, db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// durable are the settings of every connection: the last one that closes copies
// the log into the file, and that may be a reader. fullfsync is for macOS, where
// fsync alone does not reach the disk; elsewhere it changes nothing.
var durable = []string{"synchronous(full)", "fullfsync(1)", "checkpoint_fullfsync(1)"}

func connectSQLite(path string, conns int, mode string, pragmas ...string) (*sql.DB, error) {
	return connect(path, conns, url.Values{"mode": {mode}, "_pragma": slices.Concat(durable, pragmas)})
}

func connect(path string, conns int, q url.Values) (*sql.DB, error) {
	q["_pragma"] = append([]string{"busy_timeout(5000)"}, q["_pragma"]...)
	q.Set("_dqs", "0")
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

// createSQLite makes a complete database under another name and renames it, so
// that a file of the right name always is one, whenever the process ends. Only
// its owner reads it: it holds what callers said.
func createSQLite(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() == 0:
		// Never made by this program, which renames a complete one.
		return fmt.Errorf("%s is empty, nothing was changed: if it held events, restore it from a copy; remove it to begin anew", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		return fmt.Errorf("%s-wal is there without its database: restore %s or move the log away", path, path)
	}
	draft := path + ".new"
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(draft + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.WriteFile(draft, nil, 0o600); err != nil {
		return err
	}
	db, err := connectWriter(ctx, draft, 0)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	// The name must be as durable as what will be in the file (I1).
	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// prepareSQLite migrates what can be durable.
func prepareSQLite(ctx context.Context, db *sql.DB, path string) error {
	if err := checkDurable(ctx, db, path); err != nil {
		return err
	}
	if err := migrateSQLite(ctx, db, schemaVersion()); err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	return nil
}

// checkDurable reads back what durability rests on: a file system without shared
// memory, for one, silently refuses the write-ahead log.
func checkDurable(ctx context.Context, db *sql.DB, path string) error {
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
	return nil
}

func schemaVersion() int {
	files, _ := migrations.ReadDir("migrations")
	return len(files)
}

// migrateSQLite applies what is missing up to a version, each step in one
// transaction with the version it leads to.
func migrateSQLite(ctx context.Context, db *sql.DB, target int) error {
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	for n := version; n < target; n++ {
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
	var e interface{ Code() int } // *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}
