package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store/disktest"
)

// The settings that make a 2xx true, read back from the connections that are open.
func TestEveryLiveConnectionIsDurable(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "locking_mode": "normal", "fullfsync": "1", "checkpoint_fullfsync": "1",
		"mmap_size": "0", "application_id": fmt.Sprint(applicationID), "query_only": "0", "temp_store": "2",
	}
	if diff := cmp.Diff(want, settings(t, s.writer.conn, want)); diff != "" {
		t.Errorf("writer (-want +got):\n%s", diff)
	}
	// A reader may be the last to close, and then copies the log into the file.
	want["query_only"] = "1"
	delete(want, "temp_store")
	for n := range readers {
		conn, err := s.reader.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // at the end: so that each is another one
		if diff := cmp.Diff(want, settings(t, conn, want)); diff != "" {
			t.Errorf("reader %d (-want +got):\n%s", n, diff)
		}
	}
}

func settings(t *testing.T, conn *sql.Conn, names map[string]string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	for name := range names {
		var value string
		err := conn.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value)
		if err != nil && !errors.Is(err, sql.ErrNoRows) { // mmap_size is silent when it is off
			t.Fatalf("%s: %v", name, err)
		}
		if got[name] = value; name == "mmap_size" && value == "" {
			got[name] = "0"
		}
	}
	return got
}

// What Accept waits for: the log is synced after its last write and before the
// answer.
func TestTheLogIsSyncedAfterItIsWrittenAndBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := disktest.Watch(t, dir)
	s := openTest(t, filepath.Join(dir, "cdr2otel.db"), func(c *Config) { c.MaxSize = 2 << 20 }) // copies the log often
	copied := 0
	for n := range 60 {
		before := len(disk.Log())
		e := testEvent(fmt.Sprint(n))
		e.Headers = make([]byte, 10_000)
		if _, err := s.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, o := range disk.Log()[before:] {
			if strings.HasSuffix(o.File, "-wal") {
				order = append(order, string(o.Kind))
			} else if o.Kind == disktest.Write {
				copied++
			}
		}
		if writes := strings.Join(order, " "); !strings.Contains(writes, "write") || !strings.HasSuffix(writes, " sync") {
			t.Fatalf("event %d was acknowledged after these operations on the log: %s", n, writes)
		}
	}
	if copied == 0 {
		t.Error("the log was never copied into the file: the test saw less than it should")
	}
}

// Whoever moves the files away while the store is open must not be told yes: the
// next start would not find what was committed.
func TestAStoreWhoseFilesWereTakenAwayAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(path string) error{
		"database removed":  os.Remove,
		"log removed":       func(path string) error { return os.Remove(path + "-wal") },
		"database replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
		"directory moved":   func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+".away") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "store")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "cdr2otel.db")
			s, err := Open(t.Context(), Config{URL: "sqlite:" + path})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close() // its files are gone: what it says does not matter
			if _, err := s.Accept(t.Context(), testEvent("before")); err != nil {
				t.Fatal(err)
			}
			if err := take(path); err != nil {
				t.Fatal(err)
			}
			if receipt, err := s.Accept(t.Context(), testEvent("lost")); !errors.Is(err, ErrBroken) {
				t.Errorf("accept: %+v, %v; want ErrBroken", receipt, err)
			}
			checkBroken(t, s)
		})
	}
}

// A damaged body or request is a dead letter; the others go on (I8).
func TestDamagedBytesHoldUpNobody(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	for n := range 3 {
		e := testEvent(fmt.Sprint(n))
		e.Grace = 0
		if _, err := s.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	damage := func(query string) {
		t.Helper()
		if err := s.writer.write(t.Context(), &op{run: func(t *tx) error { return t.exec(query) }}); err != nil {
			t.Fatal(err)
		}
	}
	damage(`UPDATE body SET bytes = x'ffffffffff' WHERE event_id = 1`)
	due, err := s.ClaimDue(t.Context(), 10, time.Minute)
	if err != nil || len(due) != 3 {
		t.Fatalf("%d due, %v", len(due), err)
	}
	empty := 0
	for _, sub := range due {
		a := Assembly{Subject: sub, Parts: []Part{{Signal: "traces", Body: []byte("request")}}}
		err := s.Members(t.Context(), sub, func(m Member) error {
			a.Members = append(a.Members, m.EventID)
			if len(m.Body) == 0 {
				empty++
			}
			return nil
		})
		if err == nil {
			err = s.Assemble(t.Context(), a)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if empty != 1 {
		t.Errorf("%d bodies are empty, want the damaged one", empty)
	}
	damage(`UPDATE request SET bytes = x'ffffffffff' WHERE outbox_id = 2`)
	requests, err := s.ClaimRequests(t.Context(), "traces", 0, 10, time.Minute)
	if err != nil || len(requests) != 2 {
		t.Fatalf("%d requests, %v; want the two that are whole", len(requests), err)
	}
	ledger, err := s.Ledger(t.Context())
	if err != nil || ledger["s"][StateDead] != 1 || ledger["s"][StatePending] != 2 {
		t.Errorf("ledger %v, %v; want one dead letter", ledger, err)
	}
	if s.Ready() != nil {
		t.Error("not ready after one damaged request")
	}
}

// A damaged page that a reader meets ends the store as one does that the writer
// meets.
func TestADamagedPageEndsTheStoreWhoeverReadsIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	s := openTest(t, path)
	for n := range 200 {
		e := testEvent(fmt.Sprint(n))
		e.Body = []byte(strings.Repeat(fmt.Sprint(n), 2000))
		e.Grace = 0
		if _, err := s.Accept(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	due, err := s.ClaimDue(t.Context(), 200, time.Minute)
	if err != nil || len(due) != 200 {
		t.Fatalf("%d due, %v", len(due), err)
	}
	damageBodies(t, s, path)
	for _, sub := range due {
		err = errors.Join(err, s.Members(t.Context(), sub, func(Member) error { return nil }))
	}
	if err == nil {
		t.Fatal("no read met the damage")
	}
	checkBroken(t, s)
}

// damageBodies overwrites every page of the table of bodies but its first.
func damageBodies(t *testing.T, s *Store, path string) {
	t.Helper()
	var root int64
	if err := s.reader.QueryRow(`SELECT rootpage FROM sqlite_schema WHERE name = 'body'`).Scan(&root); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	page := make([]byte, pageSize)
	for n := range info.Size() / pageSize {
		if _, err := f.ReadAt(page, n*pageSize); err != nil {
			t.Fatal(err)
		}
		if n+1 > root && page[0] == 13 { // a leaf of a table, see the file format
			clear(page[:8])
			if _, err := f.WriteAt(page, n*pageSize); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
