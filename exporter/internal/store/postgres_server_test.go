package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

func TestNothingAcknowledgedIsLostWhenTheServerEndsConnections(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var acknowledged sync.Map
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				e := replicaMessage(fmt.Sprintf("call %d/%d", c, i), 0)
				if _, err := stores[c%2].Accept(context.WithoutCancel(ctx), e); err == nil {
					acknowledged.Store(string(e.Body), e)
				} else if !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("accept: %v, want ErrUnavailable", err)
				} else {
					<-time.After(time.Millisecond)
				}
			}
		})
	}
	ended := 0
	for round := 0; round < 30; round++ {
		var n int
		err := db.QueryRow(`SELECT count(*) FROM (SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
			JOIN pg_namespace s ON s.oid = c.relnamespace JOIN pg_stat_activity a ON a.pid = l.pid
			WHERE s.nspname = current_schema() AND c.relname = 'event' AND l.mode = 'RowExclusiveLock' AND a.pid <> pg_backend_pid()) ended`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		ended += n
		// As long as it takes that both write again.
		for _, s := range stores {
			until(t, func() bool { return s.Ready() == nil })
		}
		mustEventually(t, stores[round%2], replicaMessage(fmt.Sprint("round ", round), 0))
	}
	cancel()
	wg.Wait()
	if ended == 0 {
		t.Error("no connection was ended while it wrote")
	}
	for i, s := range stores { // the last end may not have been noticed
		mustEventually(t, s, replicaMessage(fmt.Sprint("last ", i), 0))
	}
	n := 0
	acknowledged.Range(func(_, e any) bool {
		n++
		if r, err := stores[n%2].Accept(t.Context(), e.(*store.Event)); err != nil || r.Outcome != store.OutcomeDuplicate {
			t.Errorf("%s was acknowledged: %+v, %v", e.(*store.Event).Body, r, err)
		}
		return true
	})
	t.Logf("%d connections ended while they wrote, %d events acknowledged, 0 lost", ended, n)
}

// mustEventually accepts, however often it takes.
func mustEventually(t *testing.T, s *store.Store, e *store.Event) {
	t.Helper()
	until(t, func() bool {
		_, err := s.Accept(t.Context(), e)
		return err == nil
	})
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it took too long")
		}
	}
}

// with is a URL with more parameters.
func with(t *testing.T, at string, names ...string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for i := 0; i < len(names); i += 2 {
		q.Set(names[i], names[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func TestADatabaseThatWillNotDoIsRefusedAtOnceWithWhatToDo(t *testing.T) {
	t.Parallel()
	at, _ := store.NewTestSchema(t)
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/there_is_none"
	for url, want := range map[string]string{
		"postgres://%zz":                            "postgres://USER@HOST/DATABASE",
		with(t, at, "synchronous_commit", "off"):    "set synchronous_commit to on",
		with(t, at, "search_path", "there_is_none"): "no schema",
		with(t, at, "user", "there_is_none"):        "store.url must name a role",
		u.String():                                  "make the database",
	} {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q in one line", url, err, want)
		}
	}
}

func TestAServerThatAcknowledgesWhatIsNotDurableIsTakenOnlyWhenConfigured(t *testing.T) {
	t.Parallel()
	at, _ := store.NewTestSchema(t)
	var log lockedBuffer
	s, err := store.Open(t.Context(), store.Config{
		URL: with(t, at, "synchronous_commit", "off"), AllowAsynchronousCommit: true, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustAccept(t, s, replicaMessage("call", 0))
	if n := strings.Count(log.String(), "not durable"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, log.String())
	}
}

func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	_, db := replicas(t, 4)
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob("migrations/postgres/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var steps, tables int
	err = db.QueryRow(`SELECT (SELECT count(*) FROM migration), (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema())`).Scan(&steps, &tables)
	if err != nil || steps != len(files)+len(own) || tables < 15 {
		t.Errorf("%d steps, %d tables, %v", steps, tables, err)
	}
}

func TestTablesOfALaterReleaseAreRefused(t *testing.T) {
	t.Parallel()
	at, db := store.NewTestSchema(t)
	s, err := store.Open(t.Context(), store.Config{URL: at})
	if err == nil {
		err = s.Close()
	}
	if err == nil {
		_, err = db.Exec(`INSERT INTO migration (name) VALUES ('9999_later.sql')`)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), store.Config{URL: at}); err == nil || !strings.Contains(err.Error(), "later release") {
		t.Errorf("open: %v, %v", s, err)
	}
}
