package store

import (
	"context"
	"testing"

	"cdr2otel/internal/schematest"
)

// What an administrator may have set for a role, or a database, for other programs.
func TestWhatARoleIsSetToDoesNotChangeWhatTheStoreDoes(t *testing.T) {
	t.Parallel()
	at, db := NewTestSchema(t)
	for name, value := range map[string]string{
		"default_transaction_isolation": "serializable", "client_encoding": "EUC_JP", "statement_timeout": "1h", "lock_timeout": "1h",
		"idle_session_timeout": "1h", "idle_in_transaction_session_timeout": "1h",
	} {
		at = schematest.With(t, at, name, value)
	}
	s, other := openReplica(t, at), openReplica(t, at)
	first, second := abreastMessage("call", "1"), abreastMessage("another call", "2")
	first.SessionID = "é"
	// Serializable, it would not see what was committed since it began.
	var seen int
	err := s.writer.write(t.Context(), &op{stage: stageOther, run: func(t *tx) error {
		ctx, cancel := context.WithTimeout(context.Background(), connectWait)
		defer cancel()
		for _, e := range []*Event{first, second} {
			if _, err := other.Accept(ctx, e); err != nil {
				return err
			}
		}
		_, err := t.one(`SELECT count(*) FROM event`, nil, &seen)
		return err
	}})
	if err != nil || seen != 2 {
		t.Errorf("a transaction sees %d events that another one committed meanwhile, %v; want 2", seen, err)
	}
	var session string
	if err := db.QueryRow(`SELECT session_id FROM event ORDER BY id LIMIT 1`).Scan(&session); err != nil || session != first.SessionID {
		t.Errorf("the session is %q, %v; want %q", session, err, first.SessionID)
	}
	const query = `SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_session_timeout'),
		current_setting('idle_in_transaction_session_timeout'), current_setting('client_encoding'), current_setting('transaction_isolation'))`
	var ofReader, ofWriter string
	if err := s.reader.QueryRowContext(t.Context(), query).Scan(&ofReader); err != nil {
		t.Error(err)
	}
	err = s.writer.write(t.Context(), &op{stage: stageOther, run: func(t *tx) error {
		_, err := t.one(query, nil, &ofWriter)
		return err
	}})
	if err != nil {
		t.Error(err)
	}
	if want := "0 0 0 0 UTF8 read committed"; ofReader != want {
		t.Errorf("of a reader: %s, want %s", ofReader, want)
	}
	if want := "0 10s 0 20s UTF8 read committed"; ofWriter != want {
		t.Errorf("of the writer: %s, want %s", ofWriter, want)
	}
}
