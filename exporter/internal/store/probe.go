package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Probed is what Probe saw of the place of a store.
type Probed struct {
	// Path of the database, absolute.
	Path string
	// Exists: there is a database already.
	Exists bool
	// Held: another process has it open.
	Held bool
	// FileSystem says what is special about the file system; LocalDisk is nothing.
	FileSystem FileSystem
	// Room in bytes for the store, the present one included; 0: it can't be told.
	Room int64
	// Commit is how long one took to be on stable storage.
	Commit time.Duration
}

// FileSystem is a kind of file system, as far as it matters to a store.
type FileSystem string

// Kinds of file system.
const (
	LocalDisk FileSystem = ""
	Network   FileSystem = "network" // locks and syncs may not be what they say
	Memory    FileSystem = "memory"  // gone with the machine's power
	Layer     FileSystem = "layer"   // a container's own, gone with the container
)

// Probe finds out whether a store could be durable at a sqlite: URL, without
// touching it: a scratch database in the same directory, with the settings of Open, is
// committed to, read again and removed. On an error Probed has what was found until
// then.
func Probe(ctx context.Context, url string) (p Probed, err error) {
	if p.Path, err = sqlitePath(url); err != nil {
		return p, err
	}
	dir := filepath.Dir(p.Path)
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return p, err
	case !info.IsDir():
		return p, fmt.Errorf("%s is not a directory", dir)
	}
	p.FileSystem, p.Room = fileSystem(dir), capacity(p.Path)
	if p.Exists, err = writable(p.Path); err != nil {
		return p, err
	}
	if p.Held, err = held(p.Path); err != nil {
		return p, err
	}
	p.Commit, err = commitScratch(ctx, dir)
	return p, err
}

// writable says whether a database is there, and errs if it is but this user can't
// write to it.
func writable(path string) (exists bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return true, err
	}
	return true, f.Close()
}

// held tries a shared lock for a moment. A store that is opened in just that moment
// refuses to start, so who knows better asks the running process instead. It errs if serve
// could not open the lock either.
func held(path string) (bool, error) {
	if _, err := os.Stat(path + ".lock"); err != nil {
		return false, nil // trying would make the file
	}
	lock := flock.New(path + ".lock")
	got, err := lock.TryRLock()
	_ = lock.Close() // what was not locked is closed all the same
	if errors.Is(err, fs.ErrPermission) {
		return false, explainLock(lock.Path(), err)
	}
	return err == nil && !got, nil
}

// commitScratch commits to a database of its own in dir and reads it again.
func commitScratch(ctx context.Context, dir string) (took time.Duration, err error) {
	scratch, err := os.MkdirTemp(dir, ".cdr2otel-probe-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	path := filepath.Join(scratch, "probe.db")
	db, err := connectSQLite(path, 1, "rwc", "journal_mode(wal)")
	if err != nil {
		return 0, err
	}
	if err := checkDurable(ctx, db, path); err != nil {
		return 0, errors.Join(err, db.Close())
	}
	began := time.Now()
	_, err = db.ExecContext(ctx, `CREATE TABLE probe AS SELECT 42 AS answer`)
	took = time.Since(began)
	if err = errors.Join(err, db.Close()); err != nil {
		return took, err
	}
	return took, readScratch(ctx, path)
}

func readScratch(ctx context.Context, path string) error {
	db, err := connectSQLite(path, 1, "ro")
	if err != nil {
		return err
	}
	defer db.Close()
	var answer int
	switch err := db.QueryRowContext(ctx, `SELECT answer FROM probe`).Scan(&answer); {
	case errors.Is(err, sql.ErrNoRows) || err == nil && answer != 42:
		return fmt.Errorf("what was written to %s is not what is read", path)
	default:
		return err
	}
}
