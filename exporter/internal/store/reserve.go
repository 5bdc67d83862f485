package store

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
)

// reserve is a file beside the store that only takes up place. On a disk without
// space, whoever took that, it is given up, so that delivery and retention can go on
// writing: a log that can't be copied into the file because that can't grow could
// not be begun anew either, and then nothing could be written any more. It is taken
// again once there is plenty. The writer owns it.
type reserve struct {
	path string
	size int64
	held bool
	log  *slog.Logger
}

// newReserve is one of twice the log's usual size: what a copy of the log can make
// the file grow by is less.
func newReserve(path string, limit int64, log *slog.Logger) *reserve {
	r := &reserve{path: path + ".reserve", size: 2 * walPages(limit) * pageSize, log: log}
	info, err := os.Stat(r.path)
	r.held = err == nil && info.Size() >= r.size
	return r
}

// missing is what of the free space is not free, but the reserve's.
func (r *reserve) missing() int64 {
	if r.held {
		return 0
	}
	return r.size
}

// take takes the place when there is plenty. Failing is no error: it is tried again.
func (r *reserve) take(free int64) {
	if r.held || free < 4*r.size {
		return
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		r.log.Warn("no reserve for a full disk", slog.Any("error", err))
		return
	}
	if err = allocate(f, r.size); errors.Is(err, errors.ErrUnsupported) {
		// Bytes that no file system compresses.
		_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), r.size)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if r.held = err == nil; !r.held {
		_ = os.Remove(r.path) // a part of it is of no use
	}
}

// release gives the place up and tells whether there was any.
func (r *reserve) release() bool {
	if !r.held {
		return false
	}
	r.held = false
	r.log.Warn("no space left on the disk: the store's reserve is given up so that delivery goes on", slog.Int64("bytes", r.size))
	return os.Remove(r.path) == nil
}
