package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/internal/postgrestest"
)

func openDB(t *testing.T, at string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// sending accepts messages until stop, and remembers which were acknowledged. It returns
// when the first one is.
func sending(t *testing.T, s *store.Store) (stop func() (acknowledged []*store.Event)) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var acknowledged []*store.Event
	var senders sync.WaitGroup
	for c := range 4 {
		senders.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				e := replicaMessage(fmt.Sprintf("call %d/%d", c, i), 0)
				_, err := s.Accept(context.WithoutCancel(ctx), e)
				switch {
				case err == nil:
					mu.Lock()
					acknowledged = append(acknowledged, e)
					mu.Unlock()
				case errors.Is(err, store.ErrUnavailable):
					<-time.After(time.Millisecond)
				default:
					t.Errorf("accept: %v, want ErrUnavailable", err)
				}
			}
		})
	}
	t.Cleanup(cancel)
	until(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged) > 0
	})
	return func() []*store.Event {
		cancel()
		senders.Wait()
		return acknowledged
	}
}

// wantDuplicates: what was acknowledged is known.
func wantDuplicates(t *testing.T, s *store.Store, acknowledged []*store.Event) {
	t.Helper()
	if len(acknowledged) == 0 {
		t.Error("nothing was acknowledged")
	}
	for _, e := range acknowledged {
		if r, err := s.Accept(t.Context(), e); err != nil || r.Outcome != store.OutcomeDuplicate {
			t.Fatalf("%s was acknowledged: %+v, %v", e.Body, r, err)
		}
	}
}

// The standby is promoted while senders go on. It is a synchronous one: what the
// primary acknowledged, the standby has.
func TestNothingAcknowledgedIsLostWhenAStandbyTakesOver(t *testing.T) {
	t.Parallel()
	primary := postgrestest.Start(t, "wal_level=replica", "max_wal_senders=4")
	standby := primary.Standby()
	first, second := openDB(t, primary.URL()), openDB(t, standby.URL())
	mustExec(t, first, `ALTER SYSTEM SET synchronous_standby_names = '*'`, `SELECT pg_reload_conf()`)
	until(t, func() bool {
		var n int
		err := first.QueryRow(`SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`).Scan(&n)
		return err == nil && n == 1
	})
	s, err := store.Open(t.Context(), store.Config{Retention: time.Hour, URL: "postgres:///postgres?" + url.Values{
		"host": {primary.Folder() + "," + standby.Folder()}, "user": {"postgres"}, "target_session_attrs": {"read-write"},
	}.Encode()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustAccept(t, s, replicaMessage("before", 0))
	stop := sending(t, s)
	for i := range 20 {
		mustEventually(t, s, replicaMessage("under load", i))
	}
	primary.Stop(true)
	until(t, func() bool { // the standby lets nobody write
		err := s.Ready()
		return errors.Is(err, store.ErrUnavailable) && strings.Contains(err.Error(), "read only")
	})
	mustExec(t, second, `SELECT pg_promote()`)
	until(t, func() bool { return s.Ready() == nil })
	mustEventually(t, s, replicaMessage("after", 0))
	acknowledged := append(stop(), replicaMessage("before", 0))
	wantDuplicates(t, s, acknowledged)
	t.Logf("%d acknowledged, 0 lost", len(acknowledged))
}

func TestAPasswordThatIsRotatedInItsFileIsReadAnew(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	db := openDB(t, server.URL())
	mustExec(t, db, `CREATE ROLE app LOGIN PASSWORD 'old one'`, `CREATE SCHEMA app AUTHORIZATION app`)
	var hba string
	if err := db.QueryRow(`SHOW hba_file`).Scan(&hba); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, `COPY (VALUES ('local all app scram-sha-256'), ('local all all trust')) TO '`+hba+`'`, `SELECT pg_reload_conf()`)
	file := filepath.Join(t.TempDir(), "pgpass")
	password := func(p string) {
		if err := os.WriteFile(file, []byte("*:*:*:app:"+p+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := "postgres:///postgres?" + url.Values{"host": {server.Folder()}, "user": {"app"}, "passfile": {file}, "search_path": {"app"}}.Encode()
	password("wrong")
	if _, err := store.Open(t.Context(), store.Config{URL: at}); err == nil || !strings.Contains(err.Error(), "store.url must name a role, and its password") || strings.Contains(err.Error(), "wrong") {
		t.Fatalf("open: %v", err)
	}
	password("old one")
	s, err := store.Open(t.Context(), store.Config{URL: at})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustAccept(t, s, replicaMessage("call", 0))
	mustExec(t, db, `ALTER ROLE app PASSWORD 'new one'`, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'`)
	until(t, func() bool {
		err := s.Ready()
		return errors.Is(err, store.ErrUnavailable) && strings.Contains(err.Error(), "28P01")
	})
	password("new one")
	until(t, func() bool { return s.Ready() == nil })
	wantDuplicates(t, s, []*store.Event{replicaMessage("call", 0)})
}

// A server that starts says so, and one whose connections are all taken.
func TestAServerThatHasNoConnectionLeftIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	db := openDB(t, server.URL())
	mustExec(t, db, `CREATE ROLE app LOGIN CONNECTION LIMIT 0`, `CREATE SCHEMA app AUTHORIZATION app`)
	s, err := store.Open(t.Context(), store.Config{URL: "postgres:///postgres?" + url.Values{"host": {server.Folder()}, "user": {"app"}, "search_path": {"app"}}.Encode()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ready(); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "53300") {
		t.Errorf("ready: %v", err)
	}
	mustExec(t, db, `ALTER ROLE app CONNECTION LIMIT -1`)
	until(t, func() bool { return s.Ready() == nil })
	stop := sending(t, s)
	for _, immediate := range []bool{false, true} {
		mustEventually(t, s, replicaMessage("up", 0))
		server.Stop(immediate)
		until(t, func() bool { return errors.Is(s.Ready(), store.ErrUnavailable) })
		server.Launch()
		until(t, func() bool { return s.Ready() == nil })
	}
	wantDuplicates(t, s, stop())
}
