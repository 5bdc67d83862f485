package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cdr2otel/exporter/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) (*store.Store, error) {
	t.Helper()
	return store.Open(t.Context(), store.Config{URL: "sqlite:" + path, MaxSize: 64 << 20, Retention: time.Hour, DeadLetterRetention: time.Hour})
}

func mustOpen(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := open(t, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// refused wants Open to fail with these words, in one line, and to leave the
// database and its log alone.
func refused(t *testing.T, path string, words ...string) {
	t.Helper()
	before := files(path)
	s, err := open(t, path)
	if err == nil {
		s.Close()
		t.Fatal("opened")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error does not say %q: %v", w, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has more than one line: %v", err)
	}
	if after := files(path); !maps.Equal(before, after) {
		t.Error("the files were changed")
	}
}

// files are the contents of a database and the files beside it, but the lock and
// the index of the log, which is memory.
func files(path string) map[string]string {
	content := make(map[string]string)
	for _, name := range []string{path, path + "-wal", path + "-journal", path + ".new"} {
		if b, err := os.ReadFile(name); err == nil {
			content[name] = string(b)
		}
	}
	return content
}

// holderEnv makes the test binary a process that holds that store until it is
// killed.
const holderEnv = "CDR2OTEL_TEST_HOLD"

func TestASecondProcessIsKeptOut(t *testing.T) {
	if path := os.Getenv(holderEnv); path != "" {
		mustOpen(t, path)
		fmt.Println("held")
		select {}
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	holder := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestASecondProcessIsKeptOut$")
	holder.Env = append(os.Environ(), holderEnv+"="+path)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the first process says %q, %v", line, err)
	}
	refused(t, path, "in use by another process", path, "stop that one")
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // killed
	first := mustOpen(t, path)
	refused(t, path, "in use by another process") // also within a process
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path)
}

func TestAForeignDatabaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "browser.db")
	execRaw(t, path, `CREATE TABLE bookmarks (url TEXT)`)
	refused(t, path, "another application")
	execRaw(t, path, `PRAGMA application_id = 12345`)
	refused(t, path, "another application")
}

func TestAFileThatIsNoDatabaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"short": "hello", "long": strings.Repeat("not a database ", 10_000)} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, path, "not a SQLite database", "restore this one from a copy")
	}
}

// filled is a closed store with some events.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	s := mustOpen(t, path)
	for i := range 50 {
		if _, err := s.Accept(t.Context(), &store.Event{Source: "s", Kind: store.KindCDR, Key: store.Key("k", string(rune(i))), Body: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestALaterSchemaIsRefused(t *testing.T) {
	t.Parallel()
	path := filled(t)
	execRaw(t, path, `PRAGMA user_version = 99`)
	refused(t, path, "later release", "99", "use that release")
}

func TestALogWithoutItsDatabaseIsNotReplayedIntoANewOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	if err := os.WriteFile(path+"-wal", []byte("old log"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "-wal is there without its database")
}

func TestWhatACrashDuringCreationLeftIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	for _, name := range []string{path + ".new", path + ".new-wal", path + ".new-journal"} {
		if err := os.WriteFile(name, []byte("half a database"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustOpen(t, path)
}

func TestAURLThatCanNotBeDurableIsRefused(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"sqlite::memory:":                 "in memory",
		"sqlite:":                         "sqlite:PATH",
		"cdr2otel.db":                     "sqlite:PATH",
		"":                                "sqlite:PATH",
		"sqlite:/does/not/exist/cdr2o.db": "no such file or directory",
	} {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err == nil {
			s.Close()
			t.Errorf("%q was opened", url)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filled(t)
	if s, err := store.Open(ctx, store.Config{URL: "sqlite:" + path}); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v, %v", s, err)
	}
	mustOpen(t, path)
}

func TestOnlyTheOwnerReadsTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, filepath.Join(dir, "a name with ?, #, % and ü.db"))
	if _, err := s.Accept(t.Context(), &store.Event{Source: "s", Kind: store.KindCDR}); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v: want database, log, lock", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
}

func TestALockThatAnotherUserHasNamesItsFileAndItsOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	lock := path + ".lock"
	if err := os.WriteFile(lock, nil, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(lock); err == nil {
		_ = f.Close() // this user may read anything
		return
	}
	for what, err := range map[string]error{"open": openError(t, path), "probe": probeError(t, path)} {
		if err == nil || !strings.Contains(err.Error(), "lock "+lock+": permission denied: this file belongs to user ") || !strings.Contains(err.Error(), "(chown)") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func openError(t *testing.T, path string) error {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + path})
	if err == nil {
		t.Cleanup(func() { _ = s.Close() }) // it should not be open
	}
	return err
}

func probeError(t *testing.T, path string) error {
	t.Helper()
	_, err := store.Probe(t.Context(), "sqlite:"+path)
	return err
}

// A copy of the files at one moment is what a machine that lost its power
// starts from.
func TestACopyOfTheFilesHoldsEverythingAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	s := mustOpen(t, path)
	for n := range 20 {
		if _, err := s.Accept(t.Context(), &store.Event{Source: "s", Kind: store.KindCDR, Key: store.Key(string(rune(n)))}); err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy.db")
		for _, suffix := range []string{"", "-wal"} {
			content, err := os.ReadFile(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(copied+suffix, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ledger, err := mustOpen(t, copied).Ledger(t.Context())
		if err != nil || ledger["s"][store.StatePending] != int64(n+1) {
			t.Fatalf("after %d events the copy holds %v, %v", n+1, ledger, err)
		}
	}
}

func execRaw(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(query)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
