package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// What a server, a database or a role is set to for other programs does not count: text
// goes there in UTF-8, each statement sees what was committed before it (what keeps
// processes apart rests on that), and how long something may take is bounded here. A
// server of version 17 has transaction_timeout, an older one has not.
const ownSession = `SET client_encoding = 'UTF8'; SET default_transaction_isolation = 'read committed';
	SELECT set_config(name, '0', false) FROM pg_settings WHERE setting <> '0' AND name IN ('statement_timeout', 'lock_timeout',
		'transaction_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout')`

// prepareReader: a reader holds the lock of who forgets, which the server lets go of when
// the machine is gone.
func prepareReader(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, ownSession+`; `+planned+`; `+keepalives)
	return closeUnless(conn, err)
}

// prepareWriter also sees to it that the server forgets a writer that died or hangs
// inside a transaction, and that it does what durability rests on (I1).
func (p *postgres) prepareWriter(ctx context.Context, conn *pgx.Conn) error {
	if err := prepareReader(ctx, conn); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '20s'`)
	if err == nil {
		err = p.checkServer(ctx, conn)
	}
	return closeUnless(conn, err)
}

// closeUnless closes a connection that is of no use. database/sql does not know of it
// yet.
func closeUnless(conn *pgx.Conn, err error) error {
	if err != nil {
		closeConn(conn)
	}
	return err
}
