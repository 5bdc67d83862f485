package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// sought is a Person as the search wants it, and as it is kept until everything of
// it is gone.
type sought struct {
	Source             string
	Session, Call, SIP Hash
	Traces             [2][16]byte
	Customer, Caller   []byte // see personMAC
	Text               string
}

func (s *Store) sought(p Person) sought {
	return sought{
		Source: p.Source, Session: p.Session, Call: p.Call, SIP: p.SIP, Traces: p.Traces, Text: p.Text,
		Customer: s.personMAC(roleCustomer, p.Customer), Caller: s.personMAC(roleCaller, p.Caller),
	}
}

// begin keeps whom to forget, before anything of it is touched: what the end of the
// process interrupts is found again by FinishForgetting.
func (s *Store) begin(ctx context.Context, who sought) (id int64, err error) {
	kept, err := json.Marshal(who)
	if err != nil {
		return 0, err
	}
	var row int64 // the writer may still write it after ctx ended, so an error doesn't read it
	err = s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) (err error) {
		row, err = t.insert(`INSERT INTO forgetting (began_at, sought) VALUES (?, ?)`, t.now, kept)
		return err
	}})
	if err != nil {
		return 0, err
	}
	return row, nil
}

// end lets go of whom was forgotten, and of the log that held it.
func (s *Store) end(ctx context.Context, id int64) error {
	err := s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) error {
		return t.exec(`DELETE FROM forgetting WHERE id = ?`, id)
	}})
	if err != nil {
		return err
	}
	return s.engine.cut(ctx)
}

// FinishForgetting completes what Forget began and did not end: its caller went
// away, or the process ended. It tells how many events became empty; it does nothing
// while a Forget works. Errors: as Forget.
func (s *Store) FinishForgetting(ctx context.Context) (events int, err error) {
	if !s.forgetting.TryLock() {
		return 0, nil
	}
	defer s.forgetting.Unlock()
	if _, _, found, err := s.unfinished(ctx); err != nil || !found {
		return 0, err
	}
	release, alone, err := s.engine.forgetsAlone(ctx, false)
	if err != nil || !alone {
		return 0, err
	}
	defer release()
	for {
		id, who, found, err := s.unfinished(ctx)
		if err != nil || !found {
			return events, err
		}
		f, err := s.forget(ctx, who)
		events += f.Events
		if err == nil {
			err = s.end(ctx, id)
		}
		if err != nil {
			return events, fmt.Errorf("finish what was interrupted: %w", err)
		}
	}
}

// unfinished is the Forget that began first and did not end.
func (s *Store) unfinished(ctx context.Context) (id int64, who sought, found bool, err error) {
	rows, err := s.read(ctx, `SELECT id, sought FROM forgetting WHERE id > ? ORDER BY id LIMIT 0 + 1`, 0)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		found = true
		var kept sql.RawBytes
		if err := rows.Scan(&id, &kept); err != nil {
			return err
		}
		return json.Unmarshal(kept, &who)
	})
	return id, who, found, err
}
