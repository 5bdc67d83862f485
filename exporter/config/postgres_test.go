package config

import (
	"slices"
	"strings"
	"testing"
)

// Not parallel: the driver reads the environment.
func TestAURLOfPostgreSQLIsCheckedWithoutItsPasswordBeingRepeated(t *testing.T) {
	t.Setenv("PGPASSFILE", "/nonexistent")
	for name, c := range map[string]struct{ url, want string }{
		"special characters":        {"postgres://u:hun/ter2@db/x", "not a URL"},
		"a slash behind digits":     {"postgres://u:12/hunter2@db/x", "percent-encoded"},
		"a question mark":           {"postgres://u:12?hunter2@db/x", "percent-encoded"},
		"a hash":                    {"postgres://u:12#hunter2@db/x", "percent-encoded"},
		"an at and a slash":         {"postgres://u:hun@ter2/hunter2@db/x", "percent-encoded"},
		"an at and a hash":          {"postgres://u:hun@ter2#hunter2@db/x", "percent-encoded"},
		"a parameter with a hash":   {"postgres://u@db/x?password=hun#ter2", "percent-encoded"},
		"one with a semicolon":      {"postgres://u@db/x?password=hun;ter2=x", "percent-encoded"},
		"one with an ampersand":     {"postgres://u@db/x?password=hun&ter2", "percent-encoded"},
		"a bad escape":              {"postgres://u:hun%zzter2@db/x", "not a URL"},
		"a port that is none":       {"postgres://u:hunter2@db:70000/x", "the port is not a number"},
		"an unknown sslmode":        {"postgres://u:hunter2@db/x?sslmode=hunter2", "sslmode is invalid"},
		"an authority not there":    {"postgres://u:hunter2@db/x?sslmode=verify-full&sslrootcert=/nonexistent/ca.pem", "/nonexistent/ca.pem: no such file"},
		"a timeout that is none":    {"postgres://u:hunter2@db/x?connect_timeout=hunter2", "connect_timeout is not a number"},
		"an unknown kind of server": {"postgres://u:hunter2@db/x?target_session_attrs=hunter2", "target_session_attrs is unknown"},
		"an unknown binding":        {"postgres://u:hunter2@db/x?channel_binding=hunter2", "channel_binding is unknown"},
		"an unknown mode":           {"postgres://u:hunter2@db/x?default_query_exec_mode=hunter2", "default_query_exec_mode is not of a server"},
		"a cache of statements":     {"postgres://u:hunter2@db/x?statement_cache_capacity=hunter2", "statement_cache_capacity"},
		"an unknown protocol":       {"postgres://u:hunter2@db/x?min_protocol_version=hunter2", "min_protocol_version"},
	} {
		cfg := Default()
		cfg.Store.URL = c.url
		got := cfg.CheckStore().Error()
		if !strings.HasPrefix(got, "store.url: ") || !strings.Contains(got, c.want) || strings.Contains(got, "ter2") || strings.Contains(got, "hun") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if ps := cfg.Validate(); len(ps) > 0 {
			t.Errorf("%s: without the environment: %v", name, ps)
		}
		if hosts := cfg.Store.PlainTextHosts(); strings.Contains(strings.Join(hosts, " "), "ter2") {
			t.Errorf("%s: hosts %q", name, hosts)
		}
	}
}

// Not parallel: the driver reads the environment.
func TestWhatLibpqTakesIsTaken(t *testing.T) {
	t.Setenv("PGPASSWORD", "hunter2")
	t.Setenv("PGUSER", "somebody")
	for _, url := range []string{
		"postgres://", "postgresql:///x", "postgres://u@db/x", "postgres://u:p%2Fw@db:5433/x?sslmode=require&search_path=calls",
		"postgres://u@one,two:5433/x?target_session_attrs=read-write", "postgres://u@[::1]/x", "postgres:///x?host=/var/run/postgresql",
		"postgres://u:p%40%2F%3F%23w@db/x?user=a%40b&options=-c%20geqo%3Doff&password=a%26b%3Bc",
	} {
		cfg := Default()
		cfg.Store.URL, cfg.Store.AllowAsynchronousCommit = url, true
		if ps := append(cfg.Validate(), cfg.CheckStore()...); len(ps) > 0 {
			t.Errorf("%s: %v", url, ps)
		}
	}
}

// Not parallel: the driver reads the environment.
func TestPlainTextToAnotherMachineIsSeen(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	for url, want := range map[string][]string{
		"sqlite:store.db":                          nil,
		"postgres:///x?host=/var/run/postgresql":   nil,
		"postgres://u@localhost/x?sslmode=disable": nil,
		"postgres://u@127.0.0.1/x":                 nil,
		"postgres://u@[::1]/x":                     nil,
		"postgres://u@db/x":                        {"db"}, // prefer
		"postgres://u@db/x?sslmode=allow":          {"db"},
		"postgres://u@db/x?sslmode=disable":        {"db"},
		"postgres://u@db/x?sslmode=require":        nil,
		"postgres://u@db/x?sslmode=verify-full":    nil,
		"postgres://u@localhost,db,10.0.0.1/x":     {"db", "10.0.0.1"},
		"postgres://u@db/x?sslmode=hunter2":        nil, // CheckStore refuses it
	} {
		if got := (Store{URL: url}).PlainTextHosts(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	t.Setenv("PGSSLMODE", "verify-full")
	if got := (Store{URL: "postgres://u@db/x"}).PlainTextHosts(); got != nil {
		t.Errorf("with PGSSLMODE=verify-full: %q", got)
	}
}

func TestNoPasswordOfAURLIsShown(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"sqlite:/var/lib/store.db":                                   "sqlite:/var/lib/store.db",
		"postgres://u@db/x":                                          "postgres://u@db/x",
		"postgres://u:hunter2@one,two:5433/x?sslmode=require":        "postgres://u:REDACTED@one,two:5433/x?sslmode=require",
		"postgres:///x?host=db&password=hunter2&sslpassword=hunter2": "postgres:///x?host=db&password=REDACTED&sslpassword=REDACTED",
		"postgres://u:hun/ter2@db/x":                                 "[REDACTED]",
		"postgres://u@db/x?password=hunter2;a=%zz":                   "[REDACTED]",
		"postgres://u@db/x?password=hun&ter2":                        "[REDACTED]",
		"postgres://u@db/x?password=hun#ter2":                        "[REDACTED]",
		"postgres://u:12/hunter2@db/x":                               "[REDACTED]",
		"postgres://u:12?hunter2=@db/x":                              "[REDACTED]",
		"postgres://u:12#hunter2@db/x":                               "[REDACTED]",
		"postgres://u:hun@ter2/hunter2@db/x":                         "[REDACTED]",
		"postgres://u:p%40%2Fhunter2@db/x?application_name=a%40b":    "postgres://u:REDACTED@db/x?application_name=a%40b",
		"postgres:u:hunter2@db/x":                                    "[REDACTED]",
		"u:hunter2@db":                                               "[REDACTED]",
		"hunter2":                                                    "[REDACTED]",
	} {
		cfg := Default()
		cfg.Store.URL = url
		shown, err := cfg.Redacted()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(shown), want+"\n") && !strings.Contains(string(shown), "'"+want+"'\n") || strings.Contains(string(shown), "ter2") {
			t.Errorf("%s is shown as\n%s", url, shown)
		}
	}
}
