package store

import (
	"strings"
	"testing"
)

// What is quick with ten thousand rows may be so because it reads them all, so
// the plan of every statement is looked at too.
func TestViewsReadThroughAnIndex(t *testing.T) {
	t.Parallel()
	const events = 10_000
	s := filled(t, events)
	for _, v := range views(events) {
		v.short = false // what no index answers looks at all of so few rows
		switch {
		case strings.Contains(v.name, "rare source"), strings.HasPrefix(v.name, "conversations"), strings.HasPrefix(v.name, "failed calls by worst"):
			v.rows = 1
		}
		checkView(t, s, v)
	}
	for query := range s.statements.stmt {
		if plan := planOf(t, s.reader, query); strings.Contains(plan, "SCAN") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
}
