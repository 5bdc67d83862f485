package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Person says whose events are to be deleted: those of a session, of a call, of a
// customer or of a telephone number. What is absent selects nothing.
type Person struct {
	Source  string
	Session Hash // Event.Sessions
	Call    Hash // Event.Key of a CDR
	SIP     Hash // Event.SIPKey
	// Traces that such a session or call has, when they can be computed.
	Traces [2][16]byte
	// Customer and Caller as in Event.
	Customer, Caller string
	// Text is searched for, as it is, in the bodies of dead letters without a
	// subject: of those that could not be read when they came nothing else is known.
	// Digits alone are a telephone number, which is found in any spelling.
	Text string
}

// Forgotten is what Forget did.
type Forgotten struct {
	// Events that were made empty, and how many of them had not been exported:
	// they were pending or dead.
	Events, Pending int
	// Traces of which something was exported, or is being sent right now.
	Traces [][16]byte
}

// ErrNone: there is no store.
var ErrNone = errors.New("there is no store")

// OpenExisting is Open of a store that must be there: ErrNone.
func OpenExisting(ctx context.Context, cfg Config) (*Store, error) {
	if isPostgres(cfg.URL) {
		return openExistingPostgres(ctx, cfg)
	}
	path, err := sqlitePath(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s: run this where the sidecar runs, with its configuration", ErrNone, path)
	}
	return Open(ctx, cfg)
}

// Errors of Forget.
var (
	// ErrNobody: the person has nothing to be found by.
	ErrNobody = errors.New("nobody to forget: the identifier is empty")
	// ErrNoSource: no event of that source was ever accepted.
	ErrNoSource = errors.New("nothing ever came from that source")
)

// maxRounds bounds how often Forget looks again. What came while it worked may have
// moved what it had found; a session that goes on speaking must not hold it.
const maxRounds = 10

// Forget deletes everything of a person: whole calls and conversations with all
// their messages, log records, requests and observations, whatever their state, and
// overwrites it on disk. Of an event remains a row of hashes by which its
// redelivery is a duplicate; what comes new is a new event.
//
// It works in slices that never stall an acknowledgement, and one Forget works at a
// time, of all processes at the database. When it ends early, by an error or the end of the process, each event is
// either untouched or gone, and FinishForgetting completes what is left. Whoever has
// a claim on something forgotten commits nothing (ErrFenced).
//
// Errors: ErrNobody, ErrNoSource, ErrClosed, ErrBroken, the cause of ctx.
func (s *Store) Forget(ctx context.Context, p Person) (Forgotten, error) {
	if p == (Person{Source: p.Source, Text: p.Text}) {
		return Forgotten{}, ErrNobody
	}
	s.forgetting.Lock()
	defer s.forgetting.Unlock()
	if err := s.heardOf(ctx, p.Source); err != nil {
		return Forgotten{}, err
	}
	release, _, err := s.engine.forgetsAlone(ctx, true)
	if err != nil {
		return Forgotten{}, fmt.Errorf("forget: %w", err)
	}
	defer release()
	who := s.sought(p)
	id, err := s.begin(ctx, who)
	if err != nil {
		return Forgotten{}, fmt.Errorf("forget: %w", err)
	}
	f, err := s.forget(ctx, who)
	if err != nil {
		return f, err
	}
	return f, s.end(ctx, id)
}

// forget is Forget by its one worker.
func (s *Store) forget(ctx context.Context, who sought) (Forgotten, error) {
	var f Forgotten
	traces := make(map[[16]byte]bool)
	for range maxRounds {
		found, err := s.find(ctx, who)
		if err != nil {
			return f, fmt.Errorf("find what to forget: %w", err)
		}
		for _, trace := range found.exported {
			if !traces[trace] {
				traces[trace] = true
				f.Traces = append(f.Traces, trace)
			}
		}
		if err := s.erase(ctx, found, &f); err != nil {
			return f, fmt.Errorf("forget: %w", err)
		}
		if found.nothing() {
			break
		}
	}
	// Also when nothing was found: an earlier Forget may have ended before this.
	if err := s.engine.overwrite(ctx); err != nil {
		return f, fmt.Errorf("overwrite what was forgotten: %w", err)
	}
	return f, nil
}

// heardOf wants that something came from the source, ever.
func (s *Store) heardOf(ctx context.Context, source string) error {
	known := false
	rows, err := s.read(ctx, `SELECT name FROM source WHERE name = ?
		UNION ALL SELECT * FROM (SELECT source FROM observation WHERE source = ? LIMIT 0 + 1)/*pg: AS observed*/`, source, source)
	err = s.each(rows, err, func(*sql.Rows) error { known = true; return nil })
	if err == nil && !known {
		return ErrNoSource
	}
	return err
}

// erase deletes what was found, slice by slice.
func (s *Store) erase(ctx context.Context, found *search, f *Forgotten) error {
	for left := found.work(); !left.done(); {
		var gone erased // the writer may still write it after ctx ended, so an error doesn't read it
		err := s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) (err error) {
			gone, err = t.erase(left)
			return err
		}})
		if err != nil {
			return err
		}
		f.Events += gone.events
		f.Pending += gone.pending
		left = gone.left
	}
	return nil
}
