package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Of all processes at one database one leads, at most: it tells what is the same for
// all of them, so that sums are right. Who leads holds a lock of the database for as
// long as the connection lives on which it hears the others.

// leadEvery is how often a process tries to lead. It need not wait for a leader that
// closes, or that got its database back: those say so.
const leadEvery = 5 * time.Second

// Leads tells whether this process speaks for all that share the database: always true
// with SQLite, and true of one process at most with PostgreSQL.
func (s *Store) Leads() bool { return s.engine.leads() }

// Shared tells whether other processes may work on the same database: they change
// it without this one's being told for certain.
func (s *Store) Shared() bool { return s.engine.shared() }

func (p *postgres) leads() bool { return p.leading.Load() }

// lead tries to, and sees that the connection lives.
func (n *notices) lead(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	switch {
	case n.trouble() != nil: // it has nothing to tell
		n.stopLeading(conn)
		return conn.Ping(ctx)
	case n.leading.Load():
		return conn.Ping(ctx)
	}
	var leads bool
	err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, n.leadLock).Scan(&leads)
	n.leading.Store(err == nil && leads)
	return err
}

// stopLeading lets another one, if this one led. On a connection that is lost the
// server does it.
func (n *notices) stopLeading(conn *pgx.Conn) {
	if !n.leading.Swap(false) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, n.leadLock); err == nil {
		n.free()
	}
}

// free tells all, this process too, that somebody else may lead.
func (n *notices) free() {
	n.freed.Store(true)
	n.soon()
}
