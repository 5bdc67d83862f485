package exporter_test

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"cdr2otel/exporter"
	"cdr2otel/internal/schematest"
)

func TestThePasswordOfTheDatabaseIsNowhere(t *testing.T) {
	t.Parallel()
	const password = "Zq7canaryWv3"
	at, _ := schematest.New(t)
	for name, url := range map[string]string{
		"a database that is there": schematest.With(t, at, "password", password),
		"one that is down":         "postgres://u:" + password + "@127.0.0.1:1/x",
		"one that refuses it":      "postgres://u:" + password + "@" + refusing(t) + "/x?sslmode=disable",
	} {
		cfg := configuration(t.TempDir())
		cfg.Store.URL = url
		out := &buffer{}
		shown, err := cfg.Redacted()
		fmt.Fprintln(out, string(shown), err)
		opts := off()
		opts.Logger = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		// A wrong password is refused at the start, a database that is down waited for.
		if name == "one that refuses it" {
			_, err := exporter.New(t.Context(), cfg, opts)
			if err == nil || !strings.Contains(err.Error(), "password authentication failed") {
				t.Errorf("%s: %v", name, err)
			}
			fmt.Fprintln(out, err)
		} else {
			e := start(t, cfg, opts)
			for _, path := range []string{"/", "/metrics", "/calls", "/lookup?q=x"} {
				fmt.Fprintln(out, shownAt(t, e.AdminAddr(), path))
			}
			fmt.Fprintln(out, shownAt(t, e.HealthAddr(), "/readyz"), shownAt(t, e.HealthAddr(), "/healthz"))
			if err := e.stop(); err != nil {
				fmt.Fprintln(out, err)
			}
		}
		if strings.Contains(out.String(), password) {
			t.Errorf("%s: the password is in\n%s", name, out)
		}
	}
}

// refusing is a server that asks for the password and refuses it, as one does whose
// password was changed.
func refusing(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	clients.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			clients.Go(func() {
				defer conn.Close()
				server := pgproto3.NewBackend(conn, conn)
				if _, err := server.ReceiveStartupMessage(); err != nil {
					return
				}
				server.Send(&pgproto3.AuthenticationCleartextPassword{})
				if server.Flush() != nil || server.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
					return
				}
				if _, err := server.Receive(); err != nil {
					return
				}
				server.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: `password authentication failed for user "u"`})
				_ = server.Flush()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		clients.Wait()
	})
	return l.Addr().String()
}
