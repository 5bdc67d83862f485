package store

import (
	"errors"
	"fmt"

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
		return nil, fmt.Errorf("lock %s: %w: its directory must be there and be writable for this user", lock.Path(), err)
	}
	if !held {
		return nil, fmt.Errorf("%s is %w, which holds %s: stop that one, or give this one a store of its own", path, ErrInUse, lock.Path())
	}
	return lock, nil
}
