package config

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Postgres tells whether the store is a database of PostgreSQL, which replicas share.
func (s Store) Postgres() bool {
	return strings.HasPrefix(s.URL, "postgres://") || strings.HasPrefix(s.URL, "postgresql://")
}

// CheckStore reads what the URL of PostgreSQL points at (certificates, the PG*
// variables, a password file) as the driver will. It connects to nothing.
func (c Config) CheckStore() Problems {
	var ps Problems
	if !c.Store.Postgres() {
		return ps
	}
	switch _, err := pgx.ParseConfig(c.Store.URL); {
	case err != nil:
		ps.add("store.url", "%s", unparsed(err))
	case c.Store.isCut():
		ps.add("store.url", "%s", notEncoded)
	}
	return ps
}

// notEncoded is what to do about a URL that its own parts cut to pieces.
const notEncoded = "not a URL; what is special must be percent-encoded in user, password and parameters (@ is %40, / is %2F, # is %23, & is %26), or leave the password to PGPASSWORD or PGPASSFILE"

// isCut tells whether a part of the URL of PostgreSQL ends where it was perhaps not meant
// to. The rest of a password would then be taken for a port, a database or a parameter,
// or be left out, and would be shown (I5).
func (s Store) isCut() bool {
	_, rest, _ := strings.Cut(s.URL, "://")
	at := strings.IndexAny(rest, "/?#")
	if at < 0 {
		return false
	}
	rest = rest[at:] // behind the hosts
	if strings.ContainsAny(rest, "@#;") {
		return true
	}
	_, query, has := strings.Cut(rest, "?")
	for parameter := range strings.SplitSeq(query, "&") {
		if has && !strings.Contains(parameter, "=") {
			return true
		}
	}
	return false
}

// driverPhrases are what the driver says of a URL, and what we do: it quotes the text
// that it stumbles over, which may be a piece of the password (I5).
var driverPhrases = []struct{ driver, ours string }{
	{"failed to parse as URL", notEncoded},
	{"invalid port", "the port is not a number from 1 to 65535"},
	{"invalid connect_timeout", "connect_timeout is not a number of seconds"},
	{"failed to read service", "the service is not in the file that PGSERVICEFILE names"},
	{"unknown target_session_attrs", "target_session_attrs is unknown; use read-write"},
	{"unknown channel_binding", "channel_binding is unknown; use disable, prefer or require"},
	{"protocol_version", "min_protocol_version or max_protocol_version is unknown; leave them out"},
	{"cache_capacity", "statement_cache_capacity and description_cache_capacity are not of a server; leave them out"},
	{"default_query_exec_mode", "default_query_exec_mode is not of a server; leave it out"},
}

// tlsFailed introduces words that hold names of files and nothing else of the URL.
const tlsFailed = "failed to configure TLS"

func unparsed(err error) string {
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) {
		return "not a URL of PostgreSQL: postgres://USER@HOST/DATABASE"
	}
	said := err.Error()
	// It begins with the URL, which may hold any of these words.
	said = said[strings.LastIndex(said, "`")+1:]
	if cause := parse.Unwrap(); strings.Contains(said, tlsFailed) && cause != nil {
		return "sslmode and what belongs to it: " + oneLine(cause.Error())
	}
	for _, phrase := range driverPhrases {
		if strings.Contains(said, phrase.driver) {
			return phrase.ours
		}
	}
	return "not a URL that libpq would take: postgres://USER@HOST/DATABASE"
}

// PlainTextHosts are those of the URL to which what callers said, and perhaps the
// password, may go without TLS: other machines, with an sslmode that allows that, as
// the default (prefer) does.
func (s Store) PlainTextHosts() []string {
	if !s.Postgres() || s.isCut() { // CheckStore says so
		return nil
	}
	cfg, err := pgx.ParseConfig(s.URL)
	if err != nil {
		return nil // so does it here
	}
	var hosts []string
	add := func(host string, encrypted bool) {
		if !encrypted && !onThisMachine(host) && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	add(cfg.Host, cfg.TLSConfig != nil)
	for _, other := range cfg.Fallbacks {
		add(other.Host, other.TLSConfig != nil)
	}
	return hosts
}

// onThisMachine: a folder of sockets, or loopback.
func onThisMachine(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// concealed are the parameters of a URL that are secrets.
var concealed = []string{"password", "sslpassword"}

// ShownURL is the URL without passwords. One that can't be read is not shown.
func (s Store) ShownURL() string {
	if strings.HasPrefix(s.URL, "sqlite:") || s.URL == "" {
		return s.URL
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme == "" || u.Opaque != "" || s.isCut() {
		return redacted
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "REDACTED")
	}
	if u.RawQuery == "" {
		return u.String()
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return redacted
	}
	for _, name := range concealed {
		if query.Has(name) {
			query.Set(name, "REDACTED")
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}
