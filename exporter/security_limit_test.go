package exporter_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/config"
)

// database opens the store's file beside the sidecar.
func database(t testing.TB, cfg config.Config) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(cfg.Store.URL, "sqlite:")+"?_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func storedBodies(t testing.TB, cfg config.Config) (n int) {
	t.Helper()
	if err := database(t, cfg).QueryRowContext(t.Context(), `SELECT count(*) FROM body`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// records are what a sidecar logs.
type records struct {
	mu  sync.Mutex
	all []map[string]string // attributes by key, the message under msg; guarded by mu
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }

func (r *records) Handle(_ context.Context, record slog.Record) error {
	one := map[string]string{"msg": record.Message}
	record.Attrs(func(a slog.Attr) bool {
		one[a.Key] = a.Value.String()
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
	return nil
}

// with are the records whose attribute has this value.
func (r *records) with(key, value string) (found []map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		if one[key] == value {
			found = append(found, one)
		}
	}
	return found
}

// The store is kept from writing, so that the webhook that has a place keeps it
// until the others have waited long enough.
func TestAboveMaxInFlightAWebhookFindsNoPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		places  int
		refused bool
	}{{1, true}, {8, false}} {
		t.Run(fmt.Sprint(tt.places), func(t *testing.T) {
			t.Parallel()
			cfg := configuration(t.TempDir())
			cfg.Webhook.MaxInFlight = tt.places
			logged := &records{}
			opts := off()
			opts.Logger = slog.New(logged)
			s := start(t, cfg, opts)
			lock, err := database(t, cfg).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if _, err := lock.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
				t.Fatal(err)
			}
			var posting sync.WaitGroup
			for i := range 8 {
				posting.Go(func() {
					if _, _, err := s.Post(t.Context(), []byte(hook(fmt.Sprint("place-", i)))); err != nil {
						t.Error(err)
					}
				})
			}
			posting.Wait()
			if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			if got := len(logged.with("reason", "no_place")) > 0; got != tt.refused {
				t.Errorf("with %d places for 8 webhooks, refused for want of one: %v", tt.places, got)
			}
			s.accepted(t, []byte(hook("after")))
		})
	}
}

func TestOnlyATrustedProxyNamesTheClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		trusted []string
		want    string
	}{
		{nil, "127.0.0.1"},
		{[]string{"192.0.2.0/24"}, "127.0.0.1"},
		{[]string{"127.0.0.0/8"}, "203.0.113.7"},
		{[]string{"127.0.0.1", "203.0.113.0/24"}, "198.51.100.1"},
	} {
		cfg := configuration(t.TempDir())
		cfg.Webhook.TrustedProxies = tt.trusted
		logged := &records{}
		opts := off()
		opts.Logger = slog.New(logged)
		s := start(t, cfg, opts)
		s.HTTPClient = &http.Client{Transport: header{"X-Forwarded-For", "198.51.100.1, 203.0.113.7", s.HTTPClient.Transport}}
		s.accepted(t, []byte(hook("proxy")))
		if err := s.stop(); err != nil { // the log is written after the answer
			t.Fatal(err)
		}
		answers := logged.with("msg", "webhook acknowledged")
		if len(answers) != 1 || answers[0]["client"] != tt.want {
			t.Errorf("trusting %v: %v, want the client %s", tt.trusted, answers, tt.want)
		}
	}
}

// Who can take the probes' listener down has the sidecar restarted.
func TestStrangersDoNotKeepProbesFromTheHealthListener(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	for _, text := range []string{
		"", "GET /readyz HTTP/1.1\r\nHost: h\r\nX: ", "GET /readyz HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n",
		"POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\nx", "POST /absent HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx",
	} {
		for range 300 {
			_, _ = io.WriteString(dial(t, s.HealthAddr()), text) // it may be cut
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			if got := say(t, s.HealthAddr(), "GET "+path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); got.status != http.StatusOK {
				t.Errorf("after 300 times %.40q: GET %s is %d", text, path, got.status)
			}
		}
	}
}

func TestRefusalsFillNeitherTheLogNorTheStore(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Webhook.TrustedProxies = []string{"127.0.0.1"} // so that every stranger has an address of its own
	logged := &records{}
	opts := off()
	opts.Logger = slog.New(logged)
	s := start(t, cfg, opts)
	began := time.Now()
	const strangers = 3000
	conn := dial(t, s.address(t))
	go func() {
		// As through a proxy: a connection that nothing authentic comes by is closed.
		io.WriteString(conn, strings.Replace(post("/webhook/default", authorized(sign(hs256, `{}`, string(secret))), hook("proxy")), "Connection: close\r\n", "", 1))
		for i := range strangers {
			fmt.Fprintf(conn, "POST /webhook/default HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.18.%d.%d\r\nContent-Length: 0\r\n\r\n", i/250, i%250)
		}
	}()
	answers := bufio.NewReader(conn)
	if got := heard(t, answers, http.MethodPost); got.status != got200 {
		t.Fatalf("status %d", got.status)
	}
	for range strangers {
		if got := heard(t, answers, http.MethodPost); got.status != got401 {
			t.Fatalf("status %d", got.status)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// The first three, then one a second.
	seconds := int(time.Since(began)/time.Second) + 1
	if lines := len(logged.with("msg", "webhook refused: it is lost if the platform sent it")); lines == 0 || lines > 3+seconds {
		t.Errorf("%d lines of log in %d s", lines, seconds)
	}
	var rows int
	if err := database(t, cfg).QueryRowContext(t.Context(), `SELECT count(*) FROM refusal`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows == 0 || rows > 1000 {
		t.Errorf("%d of %d refusals are kept, want some and at most 1000", rows, strangers)
	}
}
