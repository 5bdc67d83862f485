package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"cdr2otel/exporter/internal/store"
)

// oldestPostgres is the first major version that the store has been tried with.
const oldestPostgres = 14

// database checks the PostgreSQL that replicas share.
func (x *examination) database(ctx context.Context) {
	p, err := store.ProbePostgres(ctx, x.cfg.Store.URL)
	if err != nil {
		x.fail(checkStore, databaseRemedy(err.Error()), "nothing can be kept in PostgreSQL at %s: %s", p.Address, oneLine(err.Error(), 400))
		return
	}
	x.clocks = append(x.clocks, clock{of: "the database", ahead: p.Ahead, exact: true})
	failed := len(x.report.Failed())
	x.server(p)
	x.promises(p)
	x.schema(p)
	x.sessions(p)
	if len(x.report.Failed()) == failed {
		x.ok(checkStore, "PostgreSQL %s at %s, %s: database %s, schema %s, role %s; %s; a commit took %v",
			version(p.Version), p.Address, encryption(p), p.Database, p.Schema, p.Role, tablesAre[p.Tables], p.Commit.Round(10*time.Microsecond))
	}
	x.pace(p)
	x.connections(p)
	x.note(checkStore, "how much room the server's disk has can't be told from here; it needs about twice store.max_size (%s)", size(int64(x.cfg.Store.MaxSize)))
}

// tablesAre says what the tables are.
var tablesAre = map[store.Tables]string{
	store.NoTables:      "no tables yet, serve makes them",
	store.OurTables:     "its tables are there",
	store.EarlierTables: "its tables are of an earlier release, serve adds what is missing",
}

func version(number int) string { return fmt.Sprintf("%d.%d", number/10000, number%10000) }

func encryption(p store.ProbedServer) string {
	switch {
	case p.TLS != "" && p.Verified:
		return p.TLS + " with a checked certificate"
	case p.TLS != "":
		return p.TLS
	case p.Remote:
		return "in plain text"
	default:
		return "on this machine"
	}
}

// server is whether it is one that can be used.
func (x *examination) server(p store.ProbedServer) {
	switch {
	case p.Version/10000 < oldestPostgres:
		x.fail(checkStore, fmt.Sprintf("use version %d or later", oldestPostgres), "the server is PostgreSQL %s", version(p.Version))
	case p.Encoding != "UTF8":
		x.fail(checkStore, "make a database with ENCODING 'UTF8'", "the encoding of database %s is %s", p.Database, p.Encoding)
	case p.Standby:
		x.fail(checkStore, "let store.url lead to the primary: several hosts and target_session_attrs=read-write find it", "the server at %s is a standby", p.Address)
	case p.ReadOnly:
		x.fail(checkStore, "set default_transaction_read_only to off for this role and database", "the server lets nobody write (transaction_read_only)")
	}
	if p.Remote && p.TLS != "" && !p.Verified {
		x.warn(checkStore, "write sslmode=verify-full into store.url, and sslrootcert if no public authority signed the server's certificate",
			"the connection is encrypted, but nobody checked that it leads to the right server")
	}
}

// promises are what the server holds a commit for (I1).
func (x *examination) promises(p store.ProbedServer) {
	asynchronous := p.SynchronousCommit == "off" || p.SynchronousCommit == "local" && p.SynchronousStandbys != ""
	switch {
	case p.Fsync != "on":
		x.fail(checkStore, "set fsync to on", "fsync of the server is %s: a crash of its machine destroys the database", p.Fsync)
	case asynchronous && x.cfg.Store.AllowAsynchronousCommit:
		x.warn(checkStore, "set synchronous_commit to on for this role or database, and remove store.allow_asynchronous_commit",
			"synchronous_commit is %s: what was acknowledged just before the server crashes is lost", p.SynchronousCommit)
	case asynchronous:
		x.fail(checkStore, "set synchronous_commit to on for this role or database",
			"the server would acknowledge what is not durable: synchronous_commit is %s, synchronous_standby_names %q", p.SynchronousCommit, p.SynchronousStandbys)
	case p.SynchronousStandbys == "":
		x.note(checkStore, "no synchronous standby: what was acknowledged is on one machine's disk, as with a file")
	}
}

// schema is whether the tables are there, or can be.
func (x *examination) schema(p store.ProbedServer) {
	switch {
	case p.Schema == "":
		x.fail(checkStore, "make it (CREATE SCHEMA name AUTHORIZATION "+p.Role+"), or name another one in store.url (?search_path=name)", "no schema of search_path exists")
	case p.Tables == store.LaterTables:
		x.fail(checkStore, "use that release, or give store.url another schema", "the tables of schema %s were made by a later release", p.Schema)
	case p.Tables == store.OtherTables:
		x.fail(checkStore, "give store.url a schema of its own (?search_path=name)", "schema %s has a table event that is not this program's", p.Schema)
	case len(p.Denied) > 0:
		x.fail(checkStore, "GRANT SELECT, INSERT, UPDATE, DELETE on them to "+p.Role+", or let it own them",
			"role %s may not read and write %s", p.Role, list(p.Denied))
	case !p.MayCreate && p.Tables != store.OurTables:
		x.fail(checkStore, "GRANT CREATE ON SCHEMA "+p.Schema+" TO "+p.Role, "role %s may not make tables in schema %s", p.Role, p.Schema)
	case len(p.NotOwned) > 0:
		x.warn(checkStore, "let role "+p.Role+" own them", "role %s does not own %s: it can't vacuum what was forgotten, nor change them when a later release has to", p.Role, list(p.NotOwned))
	case !p.MayCreate:
		x.warn(checkStore, "GRANT CREATE ON SCHEMA "+p.Schema+" TO "+p.Role, "role %s may not make tables in schema %s, as a later release may have to", p.Role, p.Schema)
	}
}

func list(tables []string) string {
	const most = 3
	if len(tables) > most {
		return strings.Join(tables[:most], ", ") + fmt.Sprintf(" and %d more", len(tables)-most)
	}
	return strings.Join(tables, ", ")
}

func (x *examination) sessions(p store.ProbedServer) {
	if p.Pooled != "" {
		x.fail(checkStore, "use session pooling (PgBouncer: pool_mode = session), or connect to the server directly",
			"a pooler in between gives each transaction another session: %s", p.Pooled)
	}
}

func (x *examination) pace(p store.ProbedServer) {
	switch {
	case p.Commit > slowCommit:
		x.warn(checkStore, "use a server that is nearer or has a faster disk", "a commit takes %v, and every webhook waits for one", p.Commit.Round(time.Millisecond))
	case p.NoCommit != "" && !slices.Contains(x.report.Failed(), checkStore):
		x.note(checkStore, "how long a commit takes could not be tried: %s", oneLine(p.NoCommit, 200))
	}
}

// connections are what a replica needs against what the server has left.
func (x *examination) connections(p store.ProbedServer) {
	need, running := store.ConnectionsOfReplica, "; no sidecar is connected"
	if p.Ours > 0 {
		running = fmt.Sprintf("; %s of sidecars are open", count(p.Ours, "connection"))
	}
	if p.Free < need && x.running == nil {
		x.warn(checkStore, "raise max_connections, or the limit of the role or database, or stop something",
			"the server has %s left, and a replica keeps up to %d%s", count(p.Free, "connection"), need, running)
		return
	}
	x.note(checkStore, "a replica keeps up to %s, and the server has %d left%s", count(need, "connection"), p.Free, running)
}

// databaseRemedies are what to do about what PostgreSQL or the way to it says, first
// match first.
var databaseRemedies = []struct{ says, do string }{
	{"unsupported startup parameter", "the pooler in between refuses search_path: set it for the role (ALTER ROLE … SET search_path) and leave it out of store.url, and use session pooling"},
	{"statement pooling", "use session pooling (PgBouncer: pool_mode = session), or connect to the server directly"},
	{"password authentication failed", "correct the password: PGPASSWORD, PGPASSFILE or store.url"},
	{"SQLSTATE 28", "correct user and password in store.url, or let the server's pg_hba.conf take this role from here"},
	{"SQLSTATE 3D000", "make the database, or correct its name in store.url"},
	{"SQLSTATE 42501", "grant the role of store.url what it lacks"},
	{"SQLSTATE 53300", "raise max_connections, or the limit of the role or database, or stop something"},
	{"SQLSTATE 57P03", "wait until the server has started"},
	{"server refused TLS connection", "switch TLS on at the server, or write sslmode=disable into store.url if the way there is safe"},
	{"certificate", "let sslrootcert of store.url be the authority of the server's certificate, and its host the name that this is for"},
	{"hostname resolving error", "correct the host in store.url"},
	{"connection refused", "start the server, or correct host and port in store.url"},
	{"no such file or directory", "start the server, or correct host (the folder of its socket) in store.url"},
	{"did not end within", "start the standby, or take it out of synchronous_standby_names"},
	{"deadline exceeded", "look for a firewall between here and there, or correct host and port in store.url"},
	{"timeout", "look for a firewall between here and there, or correct host and port in store.url"},
}

func databaseRemedy(said string) string {
	for _, r := range databaseRemedies {
		if strings.Contains(said, r.says) {
			return r.do
		}
	}
	return "correct store.url, or see that the server runs and takes connections from here"
}
