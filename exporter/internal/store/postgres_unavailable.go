package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

func (p *postgres) trouble() error {
	if err := p.why.Load(); err != nil {
		return *err
	}
	return nil
}

func (p *postgres) available() <-chan struct{} {
	if p.trouble() == nil {
		return always
	}
	return *p.mended.Load()
}

func (p *postgres) usable(w *writer) error {
	err := p.trouble()
	if err == nil || time.Now().Before(p.retryAt) {
		return err
	}
	if err := p.connect(w.life, w); err != nil {
		if w.life.Err() == nil { // else it is no news: the store closes
			p.unavailable(err)
		}
		return p.trouble()
	}
	p.why.Store(nil)
	close(*p.mended.Load())
	p.wait = minReconnect
	p.store.cfg.Logger.Info("database is available")
	p.notes.free() // while it was unavailable it did not try to lead
	// Whatever became due meanwhile.
	p.store.onDue(p.store.now())
	p.store.onOutbox()
	return nil
}

// lost lets go of the connection. It may still work, but not for writing.
func (p *postgres) lost(w *writer, err error) {
	p.unavailable(err)
	w.disconnect()
}

// clientPort is in the text of errors of the network, another one each time.
var clientPort = regexp.MustCompile(`\S+->`)

// unavailable says why, in the log once for each reason, and when it is tried again.
func (p *postgres) unavailable(err error) {
	if !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, advised(err))
	}
	before := p.trouble()
	if before == nil || clientPort.ReplaceAllString(before.Error(), "") != clientPort.ReplaceAllString(err.Error(), "") {
		p.store.cfg.Logger.Error("database is unavailable", slog.Any("error", err), slog.String("hint", "cdr2otel doctor says what is wrong, see docs/runbook.md"))
	}
	if before == nil {
		mended := make(chan struct{})
		p.mended.Store(&mended)
	}
	p.why.Store(&err)
	wait := p.wait/2 + rand.N(p.wait)
	p.retryAt = time.Now().Add(wait)
	p.timer.Reset(wait)
	p.wait = min(2*p.wait, maxReconnect)
}

// disconnect lets go of the writer's connection, and of what it had prepared there.
func (w *writer) disconnect() {
	if w.conn != nil {
		discard(w.conn)
	}
	clear(w.stmts)
	clear(w.sources)
}

// discard ends a connection, so that the pool does not give it out again.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(c any) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return c.(*stdlib.Conn).Conn().Close(ctx)
	})
	_ = conn.Close()
}

func (p *postgres) tick() <-chan time.Time { return p.timer.C }

// tend connects anew, so that a process to which nobody sends any more gets ready,
// and notices that a connection is gone which nobody uses.
func (p *postgres) tend(w *writer) {
	p.timer.Reset(tendEvery) // unless unavailable knows better
	if p.usable(w) == nil {
		w.measure()
	}
}

// passing is an error that goes away by itself.
type passing struct{ error }

func (p passing) Unwrap() error { return p.error }

// passes tells whether a database that can't be used may be usable later without
// anybody's doing: of several hosts, one of them.
func passes(err error) bool {
	switch e := err.(type) {
	case nil:
		return false
	case passing:
		return true
	case *pgconn.PgError:
		return passingCode(e.Code)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if passes(one) {
				return true
			}
		}
		return false
	}
	if _, network := err.(net.Error); network && !strings.Contains(err.Error(), "tls: ") {
		return true
	}
	switch err {
	case io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, errRolledBack:
		return true
	}
	return passes(errors.Unwrap(err))
}

func passingCode(code string) bool {
	switch code {
	case readOnly, lockNotAvailable:
		return true
	}
	switch code[:min(len(code), 2)] {
	case "08", "40", "53", "57", "58":
		return true
	}
	return false
}

// doubt: the writer finds out by itself. Who was let in once and is not any more has no
// database until there is a connection again, whatever the reason.
func (p *postgres) doubt(err error) error {
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	if !errors.Is(err, ErrUnavailable) && (connecting || passes(err)) {
		return fmt.Errorf("%w: %w", ErrUnavailable, advised(err))
	}
	return err
}

// advised is an error in one line that says what to do about it.
func advised(err error) error {
	advice := ""
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case strings.HasPrefix(e.Code, "28"):
			advice = "store.url must name a role, and its password, that the server lets in"
		case e.Code == "3D000":
			advice = "make the database, or name another one in store.url"
		case e.Code == "42501":
			advice = "grant the role CONNECT on the database, USAGE and CREATE on the schema, and its tables"
		}
	}
	return oneLine{err, advice}
}

// oneLine is an error whose text is one line: those of a failed connection are not, and
// each way that was tried, with TLS and without, fails with the same words.
type oneLine struct {
	error
	advice string
}

func (l oneLine) Error() string {
	var said, lines []string // said as they are compared
	for line := range strings.Lines(l.error.Error()) {
		line = strings.Join(strings.Fields(line), " ")
		key := clientPort.ReplaceAllString(line, "")
		if !slices.ContainsFunc(said, func(before string) bool { return strings.HasSuffix(before, key) }) {
			said, lines = append(said, key), append(lines, line)
		}
	}
	text := strings.Join(lines, " ")
	if l.advice != "" {
		text += ": " + l.advice
	}
	return text
}

func (l oneLine) Unwrap() error { return l.error }
