package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"cdr2otel/exporter/internal/store"
)

// slowCommit is how long a commit may take: each acknowledgement waits for one, and
// the platform for the acknowledgement.
const slowCommit = 250 * time.Millisecond

// durability checks the place of the store: by a scratch database beside a file, or by
// asking the server.
func (x *examination) durability(ctx context.Context) {
	if x.cfg.Store.Postgres() {
		x.database(ctx)
		return
	}
	p, err := store.Probe(ctx, x.cfg.Store.URL)
	if err != nil {
		x.fail(checkStore, storeRemedy(p, err), "nothing can be kept at %s: %s", p.Path, oneLine(err.Error(), 300))
		return
	}
	if p.Held && x.running == nil {
		x.fail(checkStore, "stop that one, or give this one another store.url",
			"%s is in use by another process, and no sidecar answers on health.endpoint", p.Path)
		return
	}
	x.ok(checkStore, "%s: %s; a commit beside it took %v and was read again", p.Path, x.storeOwner(p), p.Commit.Round(10*time.Microsecond))
	x.fileSystem(p)
	if p.Commit > slowCommit {
		x.warn(checkStore, "use a faster disk", "a commit takes %v, and every webhook waits for one", p.Commit.Round(time.Millisecond))
	}
	if limit := int64(x.cfg.Store.MaxSize); p.Room > 0 && p.Room < limit {
		x.warn(checkStore, "make room, or set store.max_size to what there is",
			"the disk has room for %s, and store.max_size is %s", size(p.Room), size(limit))
	}
}

func (x *examination) storeOwner(p store.Probed) string {
	switch {
	case p.Held:
		return "in use by the running sidecar"
	case x.running != nil:
		return "not in use by the running sidecar, which has another store"
	case p.Exists:
		return "there, and nobody uses it"
	default:
		return "not there yet, serve makes it"
	}
}

func (x *examination) fileSystem(p store.Probed) {
	dir := filepath.Dir(p.Path)
	switch p.FileSystem {
	case store.Network:
		x.warn(checkStore, "use a local disk", "%s is on a network or FUSE file system, whose locks and syncs may not hold", dir)
	case store.Memory:
		x.warn(checkStore, "use a disk", "%s is in memory: what was acknowledged is lost when the machine or the pod restarts", dir)
	case store.Layer:
		x.warn(checkStore, "mount a volume there", "%s is in the container's own layer: what was acknowledged goes with the container", dir)
	case store.LocalDisk:
	}
}

func storeRemedy(p store.Probed, err error) string {
	dir := filepath.Dir(p.Path)
	switch {
	case p.Path == "":
		return "correct store.url"
	case errors.Is(err, fs.ErrNotExist):
		return "make the directory " + dir + " for the user that serve runs as, or change store.url"
	case errors.Is(err, fs.ErrPermission) && p.Exists:
		return "run this as the user that serve runs as, or give that one the file"
	case errors.Is(err, fs.ErrPermission):
		return "run this as the user that serve runs as, or let that one write to " + dir
	default:
		return "see that " + dir + " has space and can be written to, or change store.url"
	}
}
