package exporter

import "strings"

// warnOfStore says at start what of a database is allowed and should not stay so.
func (e *Exporter) warnOfStore() {
	if e.cfg.Store.AllowAsynchronousCommit {
		e.log.Warn("store.allow_asynchronous_commit is on: what was acknowledged just before the database crashes may be lost")
	}
	if hosts := e.cfg.Store.PlainTextHosts(); len(hosts) > 0 {
		e.log.Warn("sslmode of store.url allows plain text: what callers said could be read on the way to the database; use sslmode=verify-full",
			"hosts", strings.Join(hosts, ","))
	}
}
