package postgrestest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatWasCommittedIsThereHoweverTheServerEnded(t *testing.T) {
	t.Parallel()
	s := Start(t)
	execute(t, s, `CREATE TABLE n (n int)`)
	for n, end := range []func(){
		func() { s.Stop(false) },
		func() { s.Stop(true) },
		s.Kill,
		func() {}, // it runs, and is left alone
	} {
		execute(t, s, `INSERT INTO n VALUES (1)`)
		end()
		s.Launch()
		if got := count(t, s); got != n+1 {
			t.Errorf("%d rows after end %d, want %d", got, n, n+1)
		}
	}
	s.Restart()
	if got := count(t, s); got != 4 {
		t.Errorf("%d rows after a restart, want 4", got)
	}
}

func TestItIsDurableAndTakesNoStrangers(t *testing.T) {
	t.Parallel()
	s := Start(t)
	conn := connect(t, s)
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "listen_addresses": "", "server_encoding": "UTF8"} {
		var got string
		if err := conn.QueryRow(t.Context(), `SELECT current_setting($1)`, setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", setting, got, err, want)
		}
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	Need(t)
	t.Parallel()
	var s *Server
	t.Run("a test that kills it", func(t *testing.T) {
		s = Start(t)
		s.Kill()
		if _, err := pgx.Connect(t.Context(), s.URL()); err == nil {
			t.Error("a killed server takes connections")
		}
	})
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
}

func connect(t *testing.T, s *Server) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, s *Server, statement string) {
	t.Helper()
	if _, err := connect(t, s).Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, s *Server) (n int) {
	t.Helper()
	if err := connect(t, s).QueryRow(t.Context(), `SELECT count(*) FROM n`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
