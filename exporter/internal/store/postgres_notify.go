package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// noticeGap is the least time between two notices: what is due meanwhile goes
// with the next.
const noticeGap = 10 * time.Millisecond

// notices tell the other processes that something is due or to be sent, and hear it
// from them. They are a help: who misses one finds out when it looks next.
type notices struct {
	*postgres
	channel  string
	leadLock int64
	due      atomic.Bool
	outbox   atomic.Bool
	freed    atomic.Bool // nobody leads
	wake     chan struct{}
	stop     context.CancelFunc
	ended    sync.WaitGroup
}

func startNotices(ctx context.Context, p *postgres) (*notices, error) {
	n := &notices{
		postgres: p, channel: fmt.Sprintf("cdr2otel_%016x", uint64(p.lockID("notices"))), leadLock: p.lockID("lead"),
		wake: make(chan struct{}, 1),
	}
	conn, err := n.listen(ctx)
	if err != nil {
		return nil, err
	}
	ctx, n.stop = context.WithCancel(context.Background())
	n.ended.Go(func() { n.hear(ctx, conn) })
	n.ended.Go(func() { n.tell(ctx) })
	return n, nil
}

func (n *notices) close() {
	n.stop()
	n.ended.Wait()
	n.send()
}

// announce never blocks.
func (n *notices) announce(due, outbox bool) {
	if !due && !outbox {
		return
	}
	if due {
		n.due.Store(true)
	}
	if outbox {
		n.outbox.Store(true)
	}
	n.soon()
}

func (n *notices) soon() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// tell sends what was announced; the last of it goes with close.
func (n *notices) tell(ctx context.Context) {
	gap := time.NewTicker(noticeGap)
	defer gap.Stop()
	for ctx.Err() == nil {
		select {
		case <-n.wake:
		case <-ctx.Done():
		}
		n.send()
		select {
		case <-gap.C:
		case <-ctx.Done():
		}
	}
}

// send is a transaction that need not be durable.
func (n *notices) send() {
	what := ""
	if n.due.Swap(false) {
		what += "d"
	}
	if n.outbox.Swap(false) {
		what += "o"
	}
	if n.freed.Swap(false) {
		what += "l"
	}
	if what == "" || n.trouble() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectWait)
	defer cancel()
	_, err := n.store.reader.ExecContext(ctx, fmt.Sprintf(`BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_notify('%s', '%s %s'); COMMIT`,
		n.channel, n.me(), what))
	if err != nil {
		n.store.cfg.Logger.Debug("other processes were not told what is due", slog.Any("error", err))
	}
}

// me is the name of this process in notices.
func (n *notices) me() string { return hex.EncodeToString(n.store.name[:]) }

func (n *notices) listen(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, n.dialPatience())
	defer cancel()
	cfg := n.cfg.Copy()
	_ = n.renewPassword(ctx, cfg) // never fails
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, ownSession+`; `+keepalives+`; LISTEN `+n.channel)
	return conn, closeUnless(conn, err)
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// hear passes on what others tell, and leads if nobody does, on a connection of its
// own.
func (n *notices) hear(ctx context.Context, conn *pgx.Conn) {
	for conn != nil {
		n.attend(ctx, conn)
		n.stopLeading(conn)
		closeConn(conn)
		if ctx.Err() != nil {
			return
		}
		if conn = n.listenAgain(ctx); conn != nil {
			n.pass("do") // whatever was told meanwhile
		}
	}
}

// attend hears until the connection is lost or ctx ends. Now and then it tries to lead,
// which also shows a connection that is dead and does not say so.
func (n *notices) attend(ctx context.Context, conn *pgx.Conn) {
	for next := time.Now(); ctx.Err() == nil; {
		if !time.Now().Before(next) {
			if err := n.lead(ctx, conn); err != nil {
				return
			}
			next = time.Now().Add(leadEvery)
		}
		until, cancel := context.WithDeadline(ctx, next)
		notice, err := conn.WaitForNotification(until)
		cancel()
		if err != nil {
			if pgconn.Timeout(err) && !conn.IsClosed() {
				continue
			}
			return
		}
		from, what, _ := strings.Cut(notice.Payload, " ")
		if from != n.me() {
			n.pass(what)
		}
		if strings.Contains(what, "l") {
			next = time.Now()
		}
	}
}

// listenAgain tries until it can, or ctx ends: nil.
func (n *notices) listenAgain(ctx context.Context) *pgx.Conn {
	for wait := minReconnect; ; wait = min(2*wait, maxReconnect) {
		timer := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		if conn, err := n.listen(ctx); err == nil {
			return conn
		}
	}
}

func (n *notices) pass(what string) {
	if strings.Contains(what, "d") {
		n.store.onDue(n.store.now())
	}
	if strings.Contains(what, "o") {
		n.store.onOutbox()
	}
}
