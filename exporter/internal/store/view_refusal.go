package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// Refusal is a refused request, or several alike within a second. They are
// sampled: of what comes too fast some are not recorded.
type Refusal struct {
	Source        string // configured; "" for a path that names none, "_OTHER" for all beyond the first few
	Status        int    // HTTP status
	Reason        string // closed set
	ClientAddress string
	Path          string // without its query
	AskedSource   string // that the path names
	UserAgent     string
	At            time.Time // when the last of them came
	N             int64     // how many alike
}

// Refusals lists refused requests of a source ("": all of them), newest first. Limit
// is at most 500.
func (s *Store) Refusals(ctx context.Context, source string, limit int) ([]Refusal, error) {
	limit = min(max(limit, 1), maxPage)
	g := s.gather
	if err := g.await(ctx); err != nil {
		return nil, err
	}
	defer g.release()
	var found []Refusal
	rows, err := s.read(ctx, `SELECT source, status, reason, client_address, path, asked, user_agent, received_at, n FROM refusal
		WHERE source >= ? AND (? = '' OR source = ?) ORDER BY received_at DESC, source, seq DESC LIMIT 0 + ?`, source, source, source, limit)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var r Refusal
		var at int64
		err := rows.Scan(&r.Source, &r.Status, &r.Reason, &r.ClientAddress, &r.Path, &r.AskedSource, &r.UserAgent, &at, &r.N)
		r.At = timeOf(at)
		found = append(found, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	found = append(found, g.sampled(source)...)
	slices.SortStableFunc(found, func(a, b Refusal) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Source, b.Source)) })
	return found[:min(len(found), limit)], nil
}

// sampled are the refusals that are gathered and not written.
func (g *gatherer) sampled(source string) (found []Refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for r, s := range g.allSamples() {
		if source == "" || source == r.source {
			found = append(found, Refusal{
				Source: r.source, Status: r.status, Reason: r.reason, ClientAddress: r.client, Path: r.path, AskedSource: r.asked, UserAgent: r.agent,
				At: timeOf(s.at), N: s.n,
			})
		}
	}
	return found
}
