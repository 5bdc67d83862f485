package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/internal/postgrestest"
)

// What stays in the tables while calls come and go, and what comes and goes.
const (
	bloatHistory = 200_000 // events, exported
	bloatPending = 2_000   // conversations of ten messages that wait
	bloatCalls   = 1_000   // of ten messages and a CDR, a round
	bloatRounds  = 10
	bloatThird   = 3 // by then the tables have their size
)

// bloatTables are those whose rows come and go.
var bloatTables = []string{"event", "body", "subject", "turn", "alias", "outbox", "request", "summary", "ledger", "space"}

// BenchmarkBloat has calls come, be exported and be swept at once, round after round,
// and tells how large the tables are of which the same rows are left each time: beside
// the same rows in tables that were just written (VACUUM FULL), and beside what they
// were after the third round. Autovacuum is that of a server of the benchmark's own. It
// looks every second, not every minute: a round is the traffic of minutes.
func BenchmarkBloat(b *testing.B) {
	for _, v := range []struct {
		name     string
		settings string // of each table
	}{
		{"settings of the server", `RESET (fillfactor, autovacuum_vacuum_scale_factor)`},
		{"settings of the tables", ``},
	} {
		b.Run(v.name, func(b *testing.B) {
			server := postgrestest.Start(b, "autovacuum_naptime=1s", "shared_buffers=128MB", "max_wal_size=4GB", "synchronous_commit=off")
			db, err := sql.Open("pgx", server.URL())
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { db.Close() })
			s, err := store.Open(b.Context(), store.Config{URL: server.URL(), AllowAsynchronousCommit: true}) // nothing is kept
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			if v.settings != "" {
				for _, table := range bloatTables {
					bloatExec(b, db, `ALTER TABLE `+table+` `+v.settings)
				}
			}
			bloatStock(b, s, db)
			for b.Loop() {
				benchBloat(b, s, db)
			}
		})
	}
}

func bloatExec(b *testing.B, db *sql.DB, statements ...string) {
	b.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
}

// bloatStock is what stays: nothing of it is old enough to be swept.
func bloatStock(b *testing.B, s *store.Store, db *sql.DB) {
	b.Helper()
	store.FillPostgres(b, db, bloatHistory)
	bloatExec(b, db, `UPDATE subject SET settled_at = 9223372036854775807`)
	bloatAccept(b, s, "waiting", bloatPending, false)
	// What was inserted stays as it came: indexes that were just built have no room.
	bloatExec(b, db, `VACUUM FULL subject`, `VACUUM ANALYZE`)
}

func bloatAccept(b *testing.B, s *store.Store, name string, calls int, ended bool) {
	b.Helper()
	body := benchBody(b)
	next := make(chan string)
	var senders sync.WaitGroup
	for range callers {
		senders.Go(func() {
			for call := range next {
				for turn := range 10 {
					bloatAnswer(b, s, benchMessage(call, turn, body))
				}
				if ended {
					bloatAnswer(b, s, benchCDR(call, 10, body))
				}
			}
		})
	}
	for i := range calls {
		next <- fmt.Sprint(name, " ", i)
	}
	close(next)
	senders.Wait()
}

// bloatAnswer also tells how long it took, as the receiver does.
func bloatAnswer(b *testing.B, s *store.Store, e *store.Event) {
	r, err := s.Accept(b.Context(), e)
	bloatFail(b, err)
	s.Took(r.EventID, time.Since(e.ReceivedAt))
}

func benchBloat(b *testing.B, s *store.Store, db *sql.DB) {
	var third, last sizes
	var said strings.Builder // all at once, and short: of ten lines the rest is not shown
	said.WriteString("MB and dead rows after each round:")
	for round := 1; round <= bloatRounds; round++ {
		bloatRound(b, s, round)
		last = sizesOf(b, db)
		fmt.Fprintf(&said, " %.1f %d,", float64(last["all"].bytes)/1e6, last["all"].dead)
		if round == bloatThird {
			third = last
		}
	}
	bloatExec(b, db, `VACUUM FULL`)
	live := sizesOf(b, db)
	fmt.Fprintf(&said, "\n%-8s %8s %10s %10s %10s %8s %8s %6s", "table", "live MB", "third/live", "last/live", "last/third", "dead", "updates", "HOT")
	for _, name := range []string{"event", "body", "subject", "turn", "outbox", "request", "all"} {
		t := last[name]
		fmt.Fprintf(&said, "\n%-8s %8.2f %10.2f %10.2f %10.2f %8d %8d %5.0f%%", name, float64(live[name].bytes)/1e6,
			over(third[name].bytes, live[name].bytes), over(t.bytes, live[name].bytes), over(t.bytes, third[name].bytes), t.dead, t.updates, 100*over(t.hot, t.updates))
	}
	b.Log(said.String())
	b.ReportMetric(over(last["all"].bytes, live["all"].bytes), "B/live-B")
	b.ReportMetric(over(last["all"].bytes, third["all"].bytes), "last/third")
	b.ReportMetric(float64(last["all"].dead), "dead-rows")
}

// bloatRound ends with what was there before.
func bloatRound(b *testing.B, s *store.Store, round int) {
	b.Helper()
	bloatAccept(b, s, fmt.Sprint("round ", round), bloatCalls, true)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { bloatExport(b, s) })
	}
	both.Wait()
	for n := 1; n > 0; {
		var err error
		if n, err = s.Sweep(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// bloatExport assembles and delivers what is due.
func bloatExport(b *testing.B, s *store.Store) {
	request := []byte(strings.Repeat(string(benchBody(b)), 3))
	for {
		due, err := s.ClaimDue(b.Context(), 32, time.Minute)
		if err != nil || len(due) == 0 {
			bloatFail(b, err)
			return
		}
		for _, sub := range due {
			a := store.Assembly{Subject: sub, Root: store.Anchor{SpanID: [8]byte{1}, End: 1},
				Parts: []store.Part{{Signal: "traces", Body: request}}, Summary: &store.Summary{Turns: len(sub.Owned)}}
			for _, key := range sub.Owned {
				a.Turns = append(a.Turns, store.TurnAnchor{LogKey: key, Anchor: store.Anchor{SpanID: [8]byte{2}, End: 1}})
			}
			bloatFail(b, s.Members(b.Context(), sub, func(m store.Member) error { a.Members = append(a.Members, m.EventID); return nil }))
			bloatFail(b, s.Assemble(b.Context(), a))
		}
		requests, err := s.ClaimRequests(b.Context(), "traces", 0, 64, time.Minute)
		bloatFail(b, err)
		settled := make([]store.Settlement, len(requests))
		for i, r := range requests {
			settled[i] = store.Settlement{Request: r, Verdict: store.VerdictDone}
		}
		bloatFail(b, s.Settle(b.Context(), settled))
	}
}

func bloatFail(b *testing.B, err error) {
	if err != nil {
		b.Error(err)
	}
}

// sizes are those of tables by name, with their indexes and what is stored apart of a
// row, and of all of them.
type sizes map[string]size

type size struct{ bytes, dead, updates, hot int64 }

func sizesOf(b *testing.B, db *sql.DB) sizes {
	b.Helper()
	of := make(sizes)
	var all size
	for _, name := range bloatTables {
		var t size
		err := db.QueryRowContext(b.Context(), `SELECT pg_total_relation_size(relid), n_dead_tup, n_tup_upd, n_tup_hot_upd
			FROM pg_stat_user_tables WHERE relname = $1`, name).Scan(&t.bytes, &t.dead, &t.updates, &t.hot)
		if err != nil {
			b.Fatal(err)
		}
		of[name] = t
		all = size{all.bytes + t.bytes, all.dead + t.dead, all.updates + t.updates, all.hot + t.hot}
	}
	of["all"] = all
	return of
}

func over(a, b int64) float64 { return float64(a) / float64(max(b, 1)) }
