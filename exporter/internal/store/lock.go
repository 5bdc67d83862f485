package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

// ErrInUse: another process has the store open.
var ErrInUse = errors.New("in use by another process")

// lockFile takes the lock beside a SQLite file that keeps a second process out:
// two writers would each group commits and claim subjects on their own. The
// operating system drops the lock with the process, however that ends.
func lockFile(path string) (*flock.Flock, error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, explainLock(lock.Path(), err)
	}
	if !held {
		return nil, fmt.Errorf("%s is %w, which holds %s: stop that one, or give this one a store of its own", path, ErrInUse, lock.Path())
	}
	return lock, nil
}

// explainLock says what to do about a lock file that can't be opened.
func explainLock(path string, err error) error {
	if opening, ok := errors.AsType[*fs.PathError](err); ok {
		err = opening.Err // the path is said once
	}
	if file, missing := os.Stat(path); missing == nil && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("lock %s: %w: this file belongs to %s; give it and the files of the store beside it to the user that serve runs as (chown)", path, err, fileOwner(file))
	}
	return fmt.Errorf("lock %s: %w: its directory must be there and be writable for this user", path, err)
}
