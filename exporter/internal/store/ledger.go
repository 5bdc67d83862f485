package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
)

// StateAccepted is the ledger's count of accepted events, which the states add
// up to (I2). No event is in it.
const StateAccepted State = "accepted"

// Ledger counts the events of each source by state, and StateAccepted. Final
// states are counted for ever, whatever became of the rows.
func (s *Store) Ledger(ctx context.Context) (map[string]map[State]int64, error) {
	ledger := make(map[string]map[State]int64)
	if err := s.engine.trouble(); err != nil {
		return nil, err
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT source, state, CAST(sum(n) AS BIGINT) FROM ledger GROUP BY source, state`)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var source string
		var state State
		var n int64
		if err := rows.Scan(&source, &state, &n); err != nil {
			return err
		}
		if ledger[source] == nil {
			ledger[source] = make(map[State]int64)
		}
		ledger[source][state] = n
		return nil
	})
	return ledger, err
}

// accepted counts a new event in its first state.
func (t *tx) accepted(source string, state State) {
	t.count(source, StateAccepted, 1)
	t.count(source, state, 1)
}

// moved counts n events that went from one state to another.
func (t *tx) moved(source string, from, to State, n int64) {
	t.count(source, from, -n)
	t.count(source, to, n)
}

func (t *tx) count(source string, state State, n int64) {
	if t.counts == nil {
		t.counts = make(map[ledgerKey]int64)
	}
	t.counts[ledgerKey{source, state}] += n
}

// writeLedger is the last write of every transaction: what is counted and its
// count are committed together.
func (t *tx) writeLedger() error {
	keys := slices.SortedFunc(maps.Keys(t.counts), func(a, b ledgerKey) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.state, b.state))
	})
	for _, k := range keys {
		n := t.counts[k]
		if n == 0 {
			continue
		}
		err := t.exec(`INSERT INTO ledger (source, state, shard, n) VALUES (?, ?, ?, ?)
			ON CONFLICT (source, state, shard) DO UPDATE SET n = ledger.n + excluded.n`, k.source, string(k.state), t.store.shard, n)
		if err != nil {
			return err
		}
	}
	return t.engine.account(t)
}
