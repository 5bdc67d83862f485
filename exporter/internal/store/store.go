package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

// Config of a store.
type Config struct {
	// URL names the database: sqlite:PATH, whose directory must exist, on a local file
	// system (the file is made with mode 0600); or postgres://… as libpq takes it. With
	// PostgreSQL the tables are in the first schema of search_path, which must exist,
	// and several processes may share them.
	URL string
	// MaxSize in bytes; 0 means no limit but that of the file system, which counts
	// as well when it has less to give. History is evicted before a webhook is
	// refused, and 5 % are kept back so that delivery and retention can write.
	MaxSize int64
	// Retention is how long what is exported or dropped stays, counted from when
	// its subject was settled; DeadLetterRetention how long a dead letter keeps
	// its body or request. 0 keeps neither longer than until the next Sweep.
	Retention, DeadLetterRetention time.Duration
	// KeepBodies is how long raw bodies stay after assembly; 0 deletes them in
	// the transaction that assembles.
	KeepBodies time.Duration
	// AllowAsynchronousCommit takes a PostgreSQL whose synchronous_commit is off, or
	// local where there are synchronous standbys: what it acknowledges may be lost when
	// it crashes. SQLite has no such thing.
	AllowAsynchronousCommit bool
	// Now is the clock; nil means the database's, which is time.Now with SQLite.
	Now func() time.Time
	// Logger; nil discards.
	Logger *slog.Logger
	// OnDue is called after a commit that gave subjects a due time, with the
	// earliest of them, which may be past or to come; OnOutbox after one that gave
	// delivery something to send. Both must not block: they are called from the
	// writer, and with PostgreSQL also when another process says so. nil is allowed.
	OnDue    func(at time.Time)
	OnOutbox func()
}

// Store is an open store. All methods may be called from many goroutines.
type Store struct {
	cfg        Config
	engine     engine
	path       string       // SQLite
	lock       *flock.Flock // SQLite
	name       [8]byte      // of this process's claims
	shard      int64        // of the ledger
	codec      codec
	reader     *sql.DB
	statements statements
	writer     *writer
	gather     *gatherer
	took       *answers
	closed     atomic.Bool
	killed     time.Time              // see Killed
	personKey  atomic.Pointer[[]byte] // see personMAC
	forgetting sync.Mutex             // held by the one Forget that works
	untold     untold
}

// Open locks the database, checks that it is ours and sound, migrates it and
// makes it ready. Its errors say in one line what to do; the file is not touched
// when it belongs to another process or application or is damaged.
//
// A database of PostgreSQL that can't be reached, because it is down, starting
// or failing over, is no error: the store is ErrUnavailable until it can be.
func Open(ctx context.Context, cfg Config) (*Store, error) { return open(ctx, cfg, false) }

// open with existing wants a database that is there, now.
func open(ctx context.Context, cfg Config, existing bool) (*Store, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg}
	_, _ = rand.Read(s.name[:]) // never fails; see crypto/rand
	var err error
	if isPostgres(cfg.URL) {
		err = s.openPostgres(ctx, existing)
	} else {
		err = s.openSQLite(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.gather = startGatherer(s)
	s.took = startAnswers(s)
	return s, nil
}

func (s *Store) openSQLite(ctx context.Context) (err error) {
	if s.path, err = sqlitePath(s.cfg.URL); err != nil {
		return err
	}
	if s.cfg.Now == nil {
		s.cfg.Now = time.Now
	}
	s.engine = sqliteEngine{s}
	if s.lock, err = lockFile(s.path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.lock.Close())
		}
	}()
	if s.codec, err = newCodec(); err != nil {
		return err
	}
	// Who closes the database last copies its log and removes it.
	if log, err := os.Stat(s.path + "-wal"); err == nil && log.Size() > 0 {
		s.killed = log.ModTime()
	}
	limit := lesser(s.cfg.MaxSize, capacity(s.path))
	reserve := newReserve(s.path, limit, s.cfg.Logger)
	db, reader, err := openSQLite(ctx, s.path, limit)
	if isFull(err) && reserve.release() {
		db, reader, err = openSQLite(ctx, s.path, limit)
	}
	if err != nil {
		s.codec.close()
		return explain(s.path, err)
	}
	s.reader = reader
	if s.writer, err = startWriter(ctx, s, db, newUsage(s.path, s.cfg.MaxSize, reserve)); err != nil {
		s.codec.close()
		return errors.Join(err, reader.Close(), db.Close())
	}
	return nil
}

// sqlitePath is the absolute path of a sqlite: URL.
func sqlitePath(url string) (string, error) {
	scheme, path, ok := strings.Cut(url, ":")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return "", errors.New("not a file: a database of PostgreSQL; use sqlite:PATH")
	case !ok || scheme != "sqlite" || path == "":
		return "", errors.New("store url must be sqlite:PATH")
	case strings.HasPrefix(path, ":memory:"):
		return "", errors.New("a store in memory would lose what was acknowledged; use sqlite:PATH")
	}
	return filepath.Abs(path)
}

// Close takes nothing new, commits what was handed over, and closes the
// database. What is pending stays for the next Open.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.gather.close()
	s.took.close()
	err := errors.Join(s.writer.close(), s.reader.Close())
	s.codec.close()
	return errors.Join(err, s.engine.close())
}

// ordinaryEvent is the size of a large event, not of the largest: one for which
// there is no place makes the store full.
const ordinaryEvent = 64 << 10

// Ready says whether an event could be acknowledged now: nil, ErrFull,
// ErrBroken, ErrUnavailable with the reason, or ErrClosed.
func (s *Store) Ready() error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case s.writer.isBroken():
		return ErrBroken
	case s.engine.trouble() != nil:
		return s.engine.trouble()
	case s.writer.size.fullWith(ordinaryEvent), s.writer.size.noSpace.Load():
		return ErrFull
	}
	return nil
}

// Await returns nil once the store is not ErrUnavailable, as far as it knows, or the
// cause of ctx when that ends before.
func (s *Store) Await(ctx context.Context) error {
	select {
	case <-s.engine.available():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// always is closed.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Broken is closed when a commit failed in a way that the store can't be
// trusted any more (ErrBroken).
func (s *Store) Broken() <-chan struct{} { return s.writer.broken }

// Killed is when the process before last wrote, if it did not close the database: what it
// had counted and not written (Answered) is lost. Zero: it did, or, with PostgreSQL, which
// several processes share, it is not known.
func (s *Store) Killed() time.Time { return s.killed }

// Usage is what the store occupies, as of the last commit.
func (s *Store) Usage() Usage {
	return Usage{Used: s.writer.size.used.Load(), Limit: s.writer.size.limit.Load()}
}

// Key is the SHA-256 of the parts, each preceded by its length, so that no two
// lists of parts give the same key by the way they are cut.
func Key(parts ...string) Hash {
	h := sha256.New()
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return Hash(h.Sum(nil))
}

// now is the store's clock in Unix nanoseconds.
func (s *Store) now() int64 { return s.cfg.Now().UnixNano() }

// local is a time of the store's clock by that of this process.
func (s *Store) local(at int64) time.Time { return time.Unix(0, at).Add(-s.engine.skew()).UTC() }

func (s *Store) onDue(at int64) {
	if s.cfg.OnDue != nil {
		s.cfg.OnDue(s.local(at))
	}
}

func (s *Store) onOutbox() {
	if s.cfg.OnOutbox != nil {
		s.cfg.OnOutbox()
	}
}
