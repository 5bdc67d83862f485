package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"
)

// inspectSQLite refuses a file that is not ours, is damaged, can't be written or
// was written by a later release, without changing it.
func inspectSQLite(ctx context.Context, path string) error {
	size, err := inspectHeader(path)
	if err != nil {
		return err
	}
	log, err := inspectLog(path + "-wal")
	if err != nil {
		return err
	}
	db, err := connectReadOnly(path, log)
	if err != nil {
		return err
	}
	defer db.Close()
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return unreadable(path, err)
	}
	if version > schemaVersion() {
		return fmt.Errorf("%s was written by a later release (schema %d, this one knows %d), nothing was changed: use that release, or give store.url another file",
			path, version, schemaVersion())
	}
	if err := inspectSchema(ctx, db, version); err != nil {
		return unreadable(path, err)
	}
	if size > checkedSize {
		return nil
	}
	var found string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return unreadable(path, err)
	}
	if found != "ok" {
		return damaged(path, found)
	}
	return nil
}

// connectReadOnly opens a database of which nothing must change. Where there is no
// log SQLite would make one.
func connectReadOnly(path string, log int64) (*sql.DB, error) {
	if log == 0 {
		return connect(path, 1, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	}
	return connect(path, 1, url.Values{"mode": {"ro"}})
}

// errSchema: the tables are not those that some release made.
var errSchema = errors.New("schema was changed")

// inspectSchema compares the tables and indexes with those that the migrations of
// that version make.
func inspectSchema(ctx context.Context, db *sql.DB, version int) error {
	if version < 1 {
		return fmt.Errorf("%w: version %d", errSchema, version)
	}
	model, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer model.Close()
	model.SetMaxOpenConns(1)
	if err := migrateSQLite(ctx, model, version); err != nil {
		return err
	}
	want, err := schema(ctx, model)
	if err != nil {
		return err
	}
	got, err := schema(ctx, db)
	if err != nil {
		return err
	}
	for name, definition := range want {
		if got[name] != definition {
			return fmt.Errorf("%w: %s", errSchema, name)
		}
	}
	return nil
}

// schema is what defines each table and index, by its name.
func schema(ctx context.Context, db *sql.DB) (map[string]string, error) {
	definitions := make(map[string]string)
	rows, err := db.QueryContext(ctx, `SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL`)
	err = eachRow(rows, err, func(rows *sql.Rows) error {
		var name, definition string
		err := rows.Scan(&name, &definition)
		definitions[name] = definition
		return err
	})
	return definitions, err
}

// inspectHeader looks at the first page before SQLite does, which would recover or
// convert a file of somebody else.
func inspectHeader(path string) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // read only here; whether it could be written shows now
	if err != nil {
		return 0, unwritable(path, err)
	}
	defer f.Close()
	var header [100]byte
	if _, err := io.ReadFull(f, header[:]); err != nil || string(header[:16]) != "SQLite format 3\x00" {
		return 0, fmt.Errorf("%s is not a SQLite database, nothing was changed: give store.url another file, or restore this one from a copy", path)
	}
	if binary.BigEndian.Uint32(header[68:]) != applicationID {
		return 0, fmt.Errorf("%s belongs to another application, nothing was changed: give store.url another file", path)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	// SQLite reads what is missing of the last page as zeros. While the log is not
	// copied that page may be in it.
	if _, err := os.Stat(path + "-wal"); err != nil && info.Size()%pageSize != 0 {
		return 0, damaged(path, "its last page ends too early")
	}
	return info.Size(), nil
}

func unreadable(path string, err error) error {
	switch code := sqliteCode(err); {
	case errors.Is(err, errSchema):
		return fmt.Errorf("%s holds other tables than a release of this program made, nothing was changed (%w): give store.url another file, or restore this one from a copy", path, err)
	case code == sqlite3.SQLITE_CORRUPT, code == sqlite3.SQLITE_NOTADB:
		return damaged(path, err.Error())
	case code == sqlite3.SQLITE_CANTOPEN, code == sqlite3.SQLITE_READONLY:
		return unwritable(path, err)
	}
	return fmt.Errorf("read %s: %w", path, err)
}

// explain says of the errors of a full disk what they are, and passes on the others.
func explain(path string, err error) error {
	if !isFull(err) {
		return err
	}
	return fmt.Errorf("no space left on the disk of %s, nothing was lost: free some and start again (%w)", path, err)
}

// isFull tells whether the disk had no place for what is needed to open a store.
func isFull(err error) bool {
	var e interface{ Code() int }
	return sqliteCode(err) == sqlite3.SQLITE_FULL || errors.Is(err, syscall.ENOSPC) ||
		errors.As(err, &e) && e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
}

func unwritable(path string, err error) error {
	return fmt.Errorf("open %s: %w: the file, its directory and the files beside it that begin with its name must be writable for this user", path, err)
}

func damaged(path, found string) error {
	return fmt.Errorf("%s is damaged, nothing was changed: %s: restore it from a copy; or move it away with the files beside it that begin with its name, begin anew, and let sqlite3 .recover read what is left",
		path, strings.Join(strings.Fields(found), " "))
}
