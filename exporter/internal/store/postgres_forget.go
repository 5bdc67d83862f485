package store

import (
	"context"
	"time"
)

// overwrite lets the place of what was deleted be used again, and what is indexed of
// it be removed. The server writes over it in its time; of copies that are not in the
// tables (its log and archives of that, backups, standbys) a client knows nothing.
func (p *postgres) overwrite(ctx context.Context) error {
	for _, table := range []string{"event", "body", "subject", "turn", "alias", "orphan", "outbox", "request", "summary", "observation"} {
		if _, err := p.store.reader.ExecContext(ctx, `VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) `+table); err != nil {
			return err
		}
	}
	return nil
}

func (p *postgres) cut(ctx context.Context) error {
	_, err := p.store.reader.ExecContext(ctx, `VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) forgetting`)
	return err
}

// forgetsAlone holds a lock of the database on a connection of its own. When that is
// lost another process may begin, and each event is still forgotten once.
func (p *postgres) forgetsAlone(ctx context.Context, wait bool) (release func(), alone bool, err error) {
	if err := p.trouble(); err != nil {
		return nil, false, err
	}
	conn, err := p.store.reader.Conn(ctx)
	if err != nil {
		return nil, false, p.doubt(err)
	}
	query := `SELECT pg_try_advisory_lock($1)`
	if wait {
		query = `SELECT true FROM (SELECT pg_advisory_lock($1)) locked`
	}
	lock := p.lockID("forget")
	err = conn.QueryRowContext(ctx, query, lock).Scan(&alone)
	if err != nil || !alone {
		_ = conn.Close()
		return nil, false, p.doubt(err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, lock); err != nil {
			discard(conn) // and with it the lock
		}
		_ = conn.Close()
	}, true, nil
}
